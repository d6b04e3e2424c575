//! Files of persons: what is said of them on the way from the upload to the result, and whatever becomes of the file.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use jiff::SignedDuration;
use local::sdk;
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, Answer, Caller, OLA, Request};
use uuid::Uuid;

use crate::{
    EMAIL, MISTYPED, MOBILE, NAME, PER, PURPOSE, REFERENCE, Run, STRAY_CODE, STRAY_EMAIL, STRAY_MAILBOX, STRAY_MOBILE,
    UNKNOWN, letters::READER, places::Text,
};

/// The summaries, which repeat why an agency asks.
pub(crate) const SUMMARIES: &str = "a summary of a file";

/// The bucket of files, for whoever has an account.
pub(crate) struct Bucket {
    s3: Client,
    name: String,
}

impl Run {
    /// An agency that may send files.
    pub(crate) fn sender(&self, organisation: &str) -> Caller<'_> {
        self.organisation(organisation, &[Scope::Batches])
    }

    fn bucket(&self) -> Bucket {
        let buckets = self.world.stack.buckets();
        let config = infra_aws::files::config(&sdk::config(buckets.url()));
        Bucket {
            s3: Client::from_conf(config),
            name: buckets.name("FilesBucket").unwrap().to_owned(),
        }
    }

    /// Asks where a file can be uploaded, under a key that names a person.
    pub(crate) async fn ask_for_upload(&self, order: &Value) -> Answer {
        let request = self.sender(AGENCY).post("/v1/batches", order);
        let request = request.key(&format!("{OLA}-{}", Uuid::new_v4()));
        self.ask_in_vain(&request).await.expect(201)
    }

    /// A file of all that an agency may write, and slips of its pen.
    fn rows(separator: char, reference: &str) -> String {
        let persons = [OLA, PER, READER, UNKNOWN, MISTYPED];
        let rows = persons
            .iter()
            .enumerate()
            .map(|(row, person)| format!("{person}{separator}{reference}-{row}{separator}{NAME}\n"));
        let slips = [
            format!("{STRAY_EMAIL}{separator}{STRAY_MOBILE}{separator}{STRAY_MAILBOX}\n"),
            format!("={UNKNOWN}{separator}{reference}-x{separator}{NAME}\n"),
            format!("{PER}{separator}{UNKNOWN}{separator}{NAME}\n"),
            format!("{UNKNOWN}{separator}{NAME}\n"),
        ];
        let header = format!("person{separator}reference{separator}{NAME}\n");
        rows.chain(slips).fold(header, |file, row| file + &row)
    }

    /// Files of all fates.
    pub(crate) async fn send_files(&self) {
        let bucket = self.bucket();
        let purpose = json!({ "purpose": PURPOSE, "reference": REFERENCE });
        let mut earlier = None;
        for (name, kind, dry_run) in [
            ("liste.csv", "lookup", false),
            ("liste.csv", "letters", true),
            ("liste.csv", "letters", false),
            ("liste.csv", "lookup", false),
        ] {
            let mut order = purpose.clone();
            order["name"] = json!(name);
            order["kind"] = json!(kind);
            order["dryRun"] = json!(dry_run);
            if kind == "lookup" {
                order["compareWith"] = earlier.clone().unwrap_or_default();
            }
            let asked = self.ask_for_upload(&order).await;
            let letters = format!("{REFERENCE}-liste");
            self.world.upload(&asked, Self::rows(';', &letters)).await;
            let batch = asked.body["id"].as_str().unwrap().to_owned();
            self.world.stack.settle().await.unwrap();
            self.look_at_batch(&batch).await;
            // Half of it is bad, so somebody has to say that it is meant; a dry run does no harm.
            if !dry_run {
                self.decide_on(&batch, "approve").await.expect(200);
            }
            self.world.stack.settle().await.unwrap();
            let done = self.look_at_batch(&batch).await;
            assert_eq!(done.body["state"], "done", "{}", done.body);
            earlier.get_or_insert(asked.body["id"].clone());
        }
        let called_off = self.ask_for_upload(&json!({ "name": "feil.csv" })).await;
        let batch = called_off.body["id"].as_str().unwrap();
        self.decide_on(batch, "cancel").await.expect(200);
        let waiting = self.look_into_each(&["BatchQueue"]).await;
        assert!(waiting.iter().any(|message| message.text.contains(batch)));
        self.world.stack.settle().await.unwrap();
        self.drop_files(&bucket).await;
        self.never_come().await;
        let whole = self.sender(AGENCY).get("/v1/batches?limit=100");
        self.ask_in_vain(&whole).await.expect(200);
        self.look_into_bucket(&bucket).await;
    }

    async fn decide_on(&self, batch: &str, decision: &str) -> Answer {
        let path = format!("/v1/batches/{batch}/{decision}");
        let request = self.sender(AGENCY).post(&path, &json!({})).key(READER);
        self.ask_in_vain(&request).await
    }

    async fn look_at_batch(&self, batch: &str) -> Answer {
        self.look_into_tables().await;
        let request = self.sender(AGENCY).get(&format!("/v1/batches/{batch}"));
        self.ask_in_vain(&request).await.expect(200)
    }

    /// Files that are dropped: under names that name persons, with words that do, broken, and where they belong to nobody.
    async fn drop_files(&self, bucket: &Bucket) {
        let of_agency = |name: &str| format!("uploads/{AGENCY}/{name}");
        let whole = Self::rows(',', &format!("{REFERENCE}-drop"));
        let spaced = format!("{} {}", &UNKNOWN[..6], &UNKNOWN[6..]);
        let good = [("purpose", PURPOSE.to_owned()), ("reference", REFERENCE.to_owned())];
        let files = [
            // As it should be, but for half of its rows.
            (of_agency("drop.csv"), whole.clone(), good.to_vec()),
            (of_agency(&format!("{UNKNOWN}.csv")), whole.clone(), vec![]),
            (of_agency(&format!("lookup/{spaced}.csv")), whole.clone(), vec![]),
            (of_agency(&format!("{UNKNOWN}/drop.csv")), whole.clone(), vec![]),
            (
                of_agency(&format!("{}/{UNKNOWN}.csv", Uuid::new_v4())),
                whole.clone(),
                vec![],
            ),
            (
                of_agency("words.csv"),
                whole.clone(),
                vec![("purpose", format!("Vedtak {UNKNOWN}"))],
            ),
            (
                of_agency("words.csv"),
                whole.clone(),
                vec![("reference", format!("sak-{UNKNOWN}"))],
            ),
            (of_agency("words.csv"), whole.clone(), vec![("kind", NAME.to_owned())]),
            (
                of_agency("words.csv"),
                whole.clone(),
                vec![("dry-run", STRAY_CODE.to_owned())],
            ),
            (
                of_agency("words.csv"),
                whole.clone(),
                vec![("compare-with", NAME.to_owned())],
            ),
            (of_agency("headless.csv"), format!("{UNKNOWN},{NAME}\n"), vec![]),
            (
                of_agency("other.csv"),
                format!("{NAME},{EMAIL},{MOBILE}\n{OLA}\n"),
                vec![],
            ),
            (of_agency("open.csv"), format!("person\n\"{UNKNOWN}\n"), vec![]),
            (of_agency("packed.csv.gz"), whole.clone(), vec![]),
            (
                of_agency("lines.jsonl"),
                format!(
                    "{{\"person\":\"{UNKNOWN}\",\"{NAME}\":1,\n[\"{OLA}\"]\n\"{STRAY_EMAIL}\"\n{{\"person\":{{\"{PER}\":1}}}}\n"
                ),
                vec![],
            ),
            (format!("uploads/{UNKNOWN}/drop.csv"), whole.clone(), vec![]),
            (format!("uploads/{NAME}.csv"), whole, vec![]),
        ];
        for (key, content, words) in files {
            let put = bucket.s3.put_object().bucket(&bucket.name).key(key);
            let words = words.into_iter().map(|(name, value)| (name.to_owned(), value));
            put.set_metadata(Some(words.collect()))
                .body(content.into_bytes().into())
                .send()
                .await
                .unwrap();
            self.world.stack.settle().await.unwrap();
            self.look_into_tables().await;
        }
        // A message that nobody understands is tried a few times, and set aside.
        let url = self.world.stack.queues().queue_url("BatchQueue").unwrap();
        let nonsense = json!({ "batch": UNKNOWN, "step": NAME }).to_string();
        self.sqs
            .send_message()
            .queue_url(url)
            .message_body(nonsense)
            .send()
            .await
            .unwrap();
        self.world.stack.settle().await.unwrap();
        self.look_into_tables().await;
    }

    /// A file that never comes is given up a day later.
    async fn never_come(&self) {
        let asked = self.ask_for_upload(&json!({ "name": "aldri.csv" })).await;
        self.world
            .stack
            .clock()
            .advance(SignedDuration::from_hours(26))
            .unwrap();
        self.world.stack.tick().await.unwrap();
        let batch = self.look_at_batch(asked.body["id"].as_str().unwrap()).await;
        assert_eq!(batch.body["fault"], json!({ "code": "not-uploaded" }));
    }

    /// The names of all files, and what is said of each batch. What stands in a file and in its result is the agency's.
    async fn look_into_bucket(&self, bucket: &Bucket) {
        let listed = bucket.s3.list_objects_v2().bucket(&bucket.name).send().await.unwrap();
        let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
        let folders: BTreeSet<_> = keys.iter().filter_map(|key| key.split('/').next()).collect();
        // Whatever was needed on the way is removed.
        assert_eq!(folders, BTreeSet::from(["results", "uploads"]), "{keys:?}");
        for key in keys {
            // Nobody's files stay where somebody put them, for some days.
            let is_nobodys = key.starts_with("uploads/") && !key.starts_with(&format!("uploads/{AGENCY}/"));
            if !is_nobodys {
                self.search(&Text {
                    place: "a file's name".to_owned(),
                    text: key.to_owned(),
                });
            }
            if !key.ends_with("/summary.json") {
                continue;
            }
            let found = bucket
                .s3
                .get_object()
                .bucket(&bucket.name)
                .key(key)
                .send()
                .await
                .unwrap();
            let content = found.body.collect().await.unwrap().to_vec();
            self.search(&Text {
                place: SUMMARIES.to_owned(),
                text: String::from_utf8(content).unwrap(),
            });
        }
    }

    /// Orders that are refused, with a value in each field that cannot be there.
    pub(crate) fn bad_orders(&self) -> Vec<Request<'_>> {
        let sender = self.sender(AGENCY);
        let spaced = format!("{} {}", &UNKNOWN[..6], &UNKNOWN[6..]);
        let changes = [
            ("name", json!(format!("{UNKNOWN}.csv"))),
            ("name", json!(format!("liste {spaced}.csv"))),
            ("name", json!(format!("{NAME}/liste.csv"))),
            ("name", json!(STRAY_EMAIL)),
            ("name", json!([UNKNOWN])),
            ("kind", json!(NAME)),
            ("purpose", json!(UNKNOWN)),
            ("purpose", json!(format!("Vedtak {spaced}"))),
            ("reference", json!(format!("sak-{UNKNOWN}"))),
            ("reference", json!(format!("{STRAY_MOBILE}\0"))),
            ("dryRun", json!(STRAY_CODE)),
            ("compareWith", json!(STRAY_MAILBOX)),
            (STRAY_EMAIL, json!(STRAY_MAILBOX)),
        ];
        let bad = changes.map(|(field, value)| {
            let mut order = json!({ "name": "liste.csv" });
            order[field] = value;
            sender.post("/v1/batches", &order)
        });
        bad.to_vec()
    }
}
