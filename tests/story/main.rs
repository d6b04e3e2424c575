//! The story: choose a mailbox, have it registered, get the SMS, be found, and be told of letters.

mod letters;

use aws_sdk_dynamodb::types::AttributeValue;
use local::messages::Channel;
use mailbox_register::caller::{Assurance, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use stories::{AGENCY, CITIZEN_SCOPES, DIGIPOST, EBOKS, OLA, World};

const RESERVED: &str = "10915596784";
const UNKNOWN: &str = "02907740652";
const MOBILE: &str = "+46701740699";

fn lookup(persons: &[&str]) -> Value {
    json!({ "persons": persons, "purpose": "Decision on a building permit" })
}

fn mailbox(address: &str) -> Value {
    json!({ "person": OLA, "address": address })
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "the story is one, in seven steps")]
async fn ola_chooses_a_mailbox_has_it_registered_gets_the_sms_and_is_found() {
    let world = World::new().await;
    // Substantial is enough; so is high, everywhere else in these tests.
    let ola = world.citizen_with(OLA, Assurance::Substantial, &CITIZEN_SCOPES);
    let (eboks, digipost, agency) = (world.provider(EBOKS), world.provider(DIGIPOST), world.agency());

    // 1. Ola sets mobile, e-mail and language, and proves the number with the code that comes by SMS.
    let nobody_yet = ola.get("/v1/me").send().await.expect(200);
    assert_eq!(nobody_yet.body["status"], "not-registered");
    let contact = json!({ "mobile": MOBILE, "email": "ola@example.no", "language": "en" });
    let entry = ola
        .put("/v1/me/contact", &contact)
        .if_match(&nobody_yet.etag())
        .send()
        .await
        .expect(200);
    assert_eq!(entry.body["mobile"]["number"], MOBILE);
    assert_eq!(entry.body["mobile"].get("validatedAt"), None);
    let code = world.last_code(Channel::Sms).await;
    let validate = json!({ "channel": "sms", "code": code });
    let validated = ola.post("/v1/me/contact/validate", &validate).send().await.expect(200);
    assert!(validated.body["mobile"]["validatedAt"].is_string());
    assert_eq!(validated.body["email"].get("validatedAt"), None);

    // 2. Ola asks which providers there are and chooses e-Boks, which has no mailbox for Ola yet.
    let providers = world.nobody().get("/v1/providers").send().await.expect(200);
    let named = |id: &str| {
        let all = providers.body["providers"].as_array().unwrap();
        all.iter().find(|provider| provider["provider"] == id).unwrap().clone()
    };
    let choice = json!({ "provider": "e-boks" });
    let pending = ola
        .put("/v1/me/mailbox", &choice)
        .if_match(&validated.etag())
        .send()
        .await
        .expect(202);
    assert_eq!(pending.body["pending"]["provider"], "e-boks");
    assert_eq!(pending.body["pending"]["signUp"], named("e-boks")["signUp"]);

    // 3. e-Boks asks whether Ola may choose it, and registers the mailbox. It becomes active.
    let about = json!({ "person": OLA });
    let eligible = eboks.post("/v1/mailboxes/eligibility", &about).send().await.expect(200);
    assert_eq!(eligible.body, json!({ "eligible": true }));
    let registered = eboks
        .post("/v1/mailboxes", &mailbox("ola.nordmann#9YDT"))
        .send()
        .await
        .expect(201);
    assert_eq!(registered.body, json!({ "active": true, "confirmation": "sms" }));

    // 4. Ola gets one SMS in the chosen language.
    let sms = world
        .outbox()
        .await
        .into_iter()
        .filter(|message| message.kind.as_deref() == Some("mailbox-chosen"));
    let sms: Vec<_> = sms.collect();
    assert_eq!(sms.len(), 1);
    assert_eq!((sms[0].channel, sms[0].to.as_str()), (Channel::Sms, MOBILE));
    assert_eq!(
        sms[0].text,
        "Kontaktregisteret: You have chosen e-Boks as your digital mailbox. Not you? Log in as you usually do."
    );

    // 5. An agency looks up Ola, a reserved person and an unknown one, and gets them in that order.
    let found = agency
        .post("/v1/lookups", &lookup(&[OLA, RESERVED, UNKNOWN]))
        .send()
        .await
        .expect(200);
    let results = found.body["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    assert_eq!(results[0]["person"], OLA);
    assert_eq!(results[0]["status"], "registered");
    assert_eq!(results[0]["canBeNotified"], true);
    assert_eq!(
        results[0]["mailbox"],
        json!({ "provider": "e-boks", "organisation": EBOKS, "address": "ola.nordmann#9YDT" })
    );
    assert_eq!(
        (&results[1]["person"], &results[1]["reserved"]),
        (&json!(RESERVED), &json!(true))
    );
    assert_eq!(results[1]["canBeNotified"], false);
    assert_eq!(
        results[2],
        json!({ "person": UNKNOWN, "status": "not-registered", "reserved": false, "canBeNotified": false })
    );
    let records = world.disclosures().await;
    let by_agency =
        |item: &&std::collections::HashMap<_, _>| item["organisation"] == AttributeValue::S(AGENCY.to_owned());
    let of_agency: Vec<_> = records.items().iter().filter(by_agency).collect();
    let [record] = of_agency.as_slice() else {
        panic!("one look-up is one record");
    };
    assert_eq!(record["purpose"].as_s().unwrap(), "Decision on a building permit");
    assert_eq!(record["persons"].as_l().unwrap().len(), 3);

    // 6. Digipost has registered a mailbox earlier: the switch is one step, active at once, and one SMS.
    let earlier = digipost
        .post("/v1/mailboxes", &mailbox("ola.nordmann#4ABC"))
        .send()
        .await
        .expect(201);
    assert_eq!(earlier.body, json!({ "active": false, "confirmation": "none" }));
    let before = ola.get("/v1/me").send().await.etag();
    let switched = ola
        .put("/v1/me/mailbox", &json!({ "provider": "digipost" }))
        .if_match(&before);
    let answer = switched.send().await.expect(200);
    assert_eq!(answer.body["mailbox"]["provider"], "digipost");
    assert_eq!(answer.body["mailbox"]["state"], "active");
    assert!(world.outbox().await.last().unwrap().text.contains("Digipost"));
    let found = agency.post("/v1/lookups", &lookup(&[OLA])).send().await.expect(200);
    assert_eq!(found.body["results"][0]["mailbox"]["provider"], "digipost");
    let me = ola.get("/v1/me").send().await.expect(200);
    let mailboxes = json!([
        { "provider": "digipost", "address": "ola.nordmann#4ABC", "state": "active" },
        { "provider": "e-boks", "address": "ola.nordmann#9YDT", "state": "registered" },
    ]);
    assert_eq!(me.body["mailboxes"], mailboxes);
    let history = ola.get("/v1/me/history").send().await.expect(200);
    let newest = &history.body["changes"][0];
    assert_eq!(newest["by"], "citizen");
    assert_eq!(
        newest["events"],
        json!([{ "event": "mailbox-activated", "provider": "digipost", "before": "e-boks" }])
    );
    let registration = &history.body["changes"][1];
    assert_eq!(
        (&registration["by"], &registration["organisation"]),
        (&json!("organisation"), &json!(DIGIPOST))
    );

    // 7. Doing any of it again changes nothing and sends nothing.
    let (version, sent) = (me.etag(), world.outbox().await.len());
    switched.send().await.expect(200);
    ola.put("/v1/me/mailbox", &json!({ "provider": "digipost" }))
        .send()
        .await
        .expect(200);
    ola.put("/v1/me/contact", &contact).send().await.expect(200);
    let again = digipost
        .post("/v1/mailboxes", &mailbox("ola.nordmann#4ABC"))
        .send()
        .await
        .expect(200);
    assert_eq!(again.body, json!({ "active": true, "confirmation": "sms" }));
    eboks
        .post("/v1/mailboxes", &mailbox("ola.nordmann#9YDT"))
        .send()
        .await
        .expect(200);
    assert_eq!(ola.get("/v1/me").send().await.etag(), version);
    assert_eq!(world.outbox().await.len(), sent);
}

#[tokio::test]
async fn a_request_repeated_with_its_key_gets_the_same_answer_whatever_happened_since() {
    let world = World::new().await;
    let (eboks, digipost) = (world.provider(EBOKS), world.provider(DIGIPOST));
    let first = eboks.post("/v1/mailboxes", &mailbox("ola.nordmann#9YDT")).key("first");
    let answer = first.send().await.expect(201);
    eboks
        .post("/v1/mailboxes/close", &json!({ "person": OLA }))
        .send()
        .await
        .expect(200);
    digipost
        .post("/v1/mailboxes", &mailbox("ola.nordmann#4ABC"))
        .send()
        .await
        .expect(201);
    assert_eq!(first.send().await.expect(201).body, answer.body);
    // Without the key it is a new request: e-Boks has no mailbox any more, and Digipost's is the active one.
    let anew = first.clone().key("second").send().await.expect(201);
    assert_eq!(anew.body, json!({ "active": false, "confirmation": "none" }));
}

#[tokio::test]
async fn whoever_has_no_mobile_is_told_by_email_and_whoever_has_neither_cannot_be_told() {
    let world = World::new().await;
    let ola = world.citizen(OLA);
    let contact = json!({ "email": "ola@example.no", "language": "nn" });
    ola.put("/v1/me/contact", &contact).send().await.expect(200);
    let registered = world
        .provider(EBOKS)
        .post("/v1/mailboxes", &mailbox("ola.nordmann#9YDT"))
        .send()
        .await;
    assert_eq!(
        registered.expect(201).body,
        json!({ "active": true, "confirmation": "email" })
    );
    let outbox = world.outbox().await;
    let mail = outbox.last().unwrap();
    assert_eq!((mail.channel, mail.to.as_str()), (Channel::Email, "ola@example.no"));
    assert!(mail.subject.is_some() && mail.html.is_some());
    assert!(mail.text.contains("e-Boks"));

    let sent = outbox.len();
    let other = json!({ "person": UNKNOWN, "address": "unknown.person#1" });
    let registered = world
        .provider(EBOKS)
        .post("/v1/mailboxes", &other)
        .send()
        .await
        .expect(201);
    assert_eq!(registered.body, json!({ "active": true, "confirmation": "none" }));
    assert_eq!(world.outbox().await.len(), sent);
}

#[tokio::test]
async fn the_old_address_is_told_when_an_address_is_changed() {
    let world = World::new().await;
    let ola = world.citizen(OLA);
    ola.put("/v1/me/contact", &json!({ "mobile": MOBILE, "language": "en" }))
        .send()
        .await
        .expect(200);
    ola.put("/v1/me/contact", &json!({ "mobile": "+46701740698" }))
        .send()
        .await
        .expect(200);
    let outbox = world.outbox().await;
    let told: Vec<_> = outbox
        .iter()
        .filter(|message| message.kind.as_deref() == Some("address-changed"))
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].to, MOBILE);
    assert!(!told[0].text.contains("+46701740698"));
    // The code goes to the new number only.
    assert!(
        outbox
            .iter()
            .any(|message| message.to == "+46701740698" && message.kind.as_deref() == Some("code"))
    );
}

#[tokio::test]
async fn a_shared_mobile_is_flagged_for_both_and_no_longer_once_one_has_another() {
    let world = World::new().await;
    let (eva, jon) = ("27904797001", "08918059610");
    let shared = async || {
        let found = world
            .agency()
            .post("/v1/lookups", &lookup(&[eva, jon]))
            .send()
            .await
            .expect(200);
        [0, 1].map(|at| found.body["results"][at]["mobile"]["shared"].clone())
    };
    assert_eq!(shared().await, [json!(true), json!(true)]);
    let citizen = world.citizen(jon);
    citizen
        .put("/v1/me/contact", &json!({ "mobile": "+46701740697" }))
        .send()
        .await
        .expect(200);
    assert_eq!(shared().await, [json!(false), json!(false)]);
    citizen
        .put("/v1/me/contact", &json!({ "mobile": "+46701740614" }))
        .send()
        .await
        .expect(200);
    assert_eq!(shared().await, [json!(true), json!(true)]);
    citizen.delete("/v1/me").send().await.expect(204);
    assert_eq!(shared().await[0], json!(false));
}

#[tokio::test]
async fn every_answer_forbids_to_be_stored() {
    let world = World::new().await;
    let answers = [
        world.nobody().get("/v1/providers").send().await,
        world.citizen(OLA).get("/v1/me").send().await,
        world.nobody().get("/v1/me").send().await,
        world.nobody().get("/nowhere").send().await,
    ];
    for answer in answers {
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn whoever_begins_anew_finds_nothing_of_the_files_before() {
    let world = World::new().await;
    let agency = world.organisation(AGENCY, &[Scope::Batches]);
    let asked = agency
        .post("/v1/batches", &json!({ "name": "tax.csv" }))
        .send()
        .await
        .expect(201);
    world.upload(&asked, "person\n22885399316\n").await;
    world.stack.settle().await.unwrap();
    let late = agency.post("/v1/batches", &json!({ "name": "late.csv" }));
    world
        .upload(&late.send().await.expect(201), "person\n22885399316\n")
        .await;
    world
        .nobody()
        .request(Method::POST, "/local/reset")
        .send()
        .await
        .expect(204);
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &[Scope::Batches]);
    let batches = agency.get("/v1/batches").send().await.expect(200);
    assert_eq!(batches.body, json!({ "batches": [] }));
    let buckets = world.stack.buckets();
    let left = buckets.objects(buckets.name("FilesBucket").unwrap(), "").unwrap();
    assert!(left.is_empty(), "{left:?}");
}
