//! Personal values stay where they belong: one whole run, then they are searched for everywhere else.
//!
//! A process of its own, because it listens to all that the process logs and counts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod files;
mod letters;
mod marks;
mod odd_places;
mod places;
mod population;
mod reports;

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
};

use aws_sdk_dynamodb::types::AttributeValue;
use infra_edge::settings::Environment;
use jiff::ToSpan as _;
use local::{
    messages::{Channel, Fault, ScriptedFault},
    persons::PERSONS,
    sdk,
    template::Template,
    tokens::{AUDIENCE, ID_PORTEN_ISSUER, Issuer, Signing},
};
use mailbox_register::caller::{Assurance, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use stories::{AGENCY, Answer, CITIZEN_SCOPES, Caller, DIGIPOST, EBOKS, OLA, Request, World};

use crate::{
    marks::{Kind, Mark},
    places::{Telemetry, Text},
};

/// A test person with an e-mail and no mobile.
const PER: &str = "22838497199";
/// Never in the register.
const UNKNOWN: &str = "02907740652";
/// Of the right form but for its control digits: a slip of somebody's pen is personal too.
const MISTYPED: &str = "41804061033";

const MOBILE: &str = "+46701740651";
const OTHER_MOBILE: &str = "+46701740652";
const STRAY_MOBILE: &str = "+46701740653";
const READERS_MOBILE: &str = "+46701740654";
const READERS_NEXT_MOBILE: &str = "+46701740655";
const EMAIL: &str = "kvitveis.mo@example.no";
const OTHER_EMAIL: &str = "tyttebaer.lyng@example.no";
const STRAY_EMAIL: &str = "molte.myr@example.no";
const READERS_EMAIL: &str = "linnea.soleie@example.no";
const MAILBOX: &str = "fjellsmelle.tindved#8XQZ";
const OTHER_MAILBOX: &str = "geitrams.rogn#4ABC";
const STRAY_MAILBOX: &str = "svartor.selje#5DEF";
const NAME: &str = "Bergljot-Roslyng";
const STRAY_CODE: &str = "482913";
const PURPOSE: &str = "Vedtak om uthus ved Blaavann";
const REFERENCE: &str = "sak-blaavann-17";

/// The answers about letters, which give organisations their own references back.
const LETTER_ANSWERS: &str = "an answer about letters";

/// Everywhere that a personal value may be, and no more than what the design gives it.
const BELONGS: [(&str, Kind); 20] = [
    ("register.entry.identifier", Kind::Identifier),
    // Of the number that took over, which may have no entry yet.
    ("register.entry.successor.identifier", Kind::Identifier),
    ("register.entry.email.address", Kind::Email),
    ("register.entry.mobile.address", Kind::Mobile),
    ("register.entry.mailboxes.active.address", Kind::Mailbox),
    ("register.entry.mailboxes.inactive.address", Kind::Mailbox),
    // The former address is in no entry any more when its owner is told.
    ("notices (address-changed).former.address", Kind::Email),
    ("notices (address-changed).former.address", Kind::Mobile),
    // An answer is kept for a day as it was given, but for the identity number.
    ("requests.answer.body", Kind::Email),
    ("requests.answer.body", Kind::Mobile),
    ("requests.answer.body", Kind::Mailbox),
    // An agency's own words: that they are on record is what they are for.
    ("disclosures.purpose", Kind::Purpose),
    ("disclosures.reference", Kind::Purpose),
    ("person-disclosures.purpose", Kind::Purpose),
    // An organisation's own name for a letter, by which it knows it again.
    ("letters.reference", Kind::Purpose),
    ("feed.entries.reference", Kind::Purpose),
    (LETTER_ANSWERS, Kind::Purpose),
    // Why a file's persons are looked up, and what the agency calls the matter.
    ("batches.order.purpose", Kind::Purpose),
    ("batches.order.reference", Kind::Purpose),
    (files::SUMMARIES, Kind::Purpose),
];

/// A whole run.
struct Run {
    world: World,
    sqs: aws_sdk_sqs::Client,
    marks: RefCell<Vec<Mark>>,
    /// Texts that were searched, and for how many of the marks: most are met again.
    searched: RefCell<HashMap<Text, usize>>,
    /// Values where they belong.
    at_home: RefCell<BTreeSet<(String, Kind)>>,
    /// Values anywhere else.
    leaked: RefCell<BTreeSet<String>>,
}

impl Run {
    async fn new() -> Self {
        let world = World::new().await;
        let sqs = aws_sdk_sqs::Client::new(&sdk::config(world.stack.queues().url()));
        let run = Self {
            world,
            sqs,
            marks: RefCell::default(),
            searched: RefCell::default(),
            at_home: RefCell::default(),
            leaked: RefCell::default(),
        };
        for number in PERSONS.iter().map(|person| person.person).chain([MISTYPED]) {
            run.mark(Kind::Identifier, number, number);
        }
        for mobile in [MOBILE, OTHER_MOBILE, STRAY_MOBILE, READERS_MOBILE, READERS_NEXT_MOBILE] {
            run.mark(Kind::Mobile, mobile, &mobile[3..]);
        }
        for email in [EMAIL, OTHER_EMAIL, STRAY_EMAIL, READERS_EMAIL] {
            run.mark(Kind::Email, email, email.split('@').next().unwrap());
        }
        for address in [MAILBOX, OTHER_MAILBOX, STRAY_MAILBOX] {
            run.mark(Kind::Mailbox, address, address.split('#').next().unwrap());
        }
        run.mark(Kind::Name, NAME, "roslyng");
        run.mark(Kind::Code, STRAY_CODE, STRAY_CODE);
        run.mark(Kind::Purpose, PURPOSE, "blaavann");
        run
    }

    fn mark(&self, kind: Kind, value: &str, part: &str) {
        self.marks.borrow_mut().push(Mark::new(kind, value, part));
    }

    fn mark_token(&self, token: &str) {
        for part in token.split('.').skip(1).filter(|part| !part.is_empty()) {
            // Its end: tokens begin alike, and whoever cuts one short keeps more than that.
            let end = &part[part.len() - 40..];
            self.mark(Kind::Token, end, end);
        }
    }

    /// Searches a text for all values.
    fn search(&self, text: &Text) {
        let marks = self.marks.borrow();
        let searched = self
            .searched
            .borrow_mut()
            .insert(text.clone(), marks.len())
            .unwrap_or(0);
        let lower = text.text.to_lowercase();
        for mark in marks[searched..].iter().filter(|mark| mark.is_in(&text.text, &lower)) {
            let found = (text.place.as_str(), mark.kind);
            if BELONGS.contains(&found) {
                self.at_home.borrow_mut().insert((text.place.clone(), mark.kind));
            } else {
                let leak = format!("{:?} {} in {}: {}", mark.kind, mark.value, text.place, text.text);
                self.leaked.borrow_mut().insert(leak);
            }
        }
    }

    /// Searches every table, as it is now.
    async fn look_into_tables(&self) {
        for text in places::attributes(&self.world).await {
            self.search(&text);
        }
    }

    /// Sends a request. A refusal must not say any of the values.
    async fn ask(&self, request: &Request<'_>) -> Answer {
        let answer = request.send().await;
        if answer.status.as_u16() >= 400 {
            self.search_answer("an answer", &answer);
        }
        answer
    }

    /// Sends a request whose answer must not say any of the values, whatever it is.
    async fn ask_in_vain(&self, request: &Request<'_>) -> Answer {
        let answer = request.send().await;
        self.search_answer("an answer", &answer);
        answer
    }

    /// Sends a request about letters, whose answer may give back what the organisation itself calls them.
    async fn ask_about_letters(&self, request: &Request<'_>) -> Answer {
        let answer = request.send().await;
        let is_refused = answer.status.as_u16() >= 400;
        self.search_answer(if is_refused { "an answer" } else { LETTER_ANSWERS }, &answer);
        answer
    }

    fn search_answer(&self, place: &str, answer: &Answer) {
        self.search(&Text {
            place: place.to_owned(),
            text: format!("{:?} {}", answer.headers, answer.body),
        });
    }

    fn citizen(&self, person: &str) -> Caller<'_> {
        let scopes = CITIZEN_SCOPES.map(Scope::as_str);
        let now = self.world.stack.clock().now();
        let token = self.world.stack.tokens().citizen(person, Assurance::High, &scopes, now);
        let token = token.unwrap();
        self.mark_token(&token);
        self.world.bearer(&token)
    }

    fn organisation(&self, organisation: &str, scopes: &[Scope]) -> Caller<'_> {
        let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let now = self.world.stack.clock().now();
        let token = self.world.stack.tokens().organisation(organisation, &scopes, now);
        let token = token.unwrap();
        self.mark_token(&token);
        self.world.bearer(&token)
    }

    fn provider(&self, organisation: &str) -> Caller<'_> {
        self.organisation(organisation, &[Scope::MailboxWrite])
    }

    fn agency(&self) -> Caller<'_> {
        self.organisation(AGENCY, &[Scope::ContactRead, Scope::MailboxRead])
    }

    /// The code that a person was sent last, marked.
    async fn code(&self, channel: Channel) -> String {
        let code = self.world.last_code(channel).await;
        self.mark(Kind::Code, &code, &code);
        code
    }

    /// The story, with all that a person may mistype on the way.
    async fn tell_the_story(&self) {
        let ola = self.citizen(OLA);
        let contact = json!({ "email": EMAIL, "mobile": MOBILE, "language": "en" });
        // Somebody takes traces for a place to keep persons in.
        let trace = format!("Root=1-69a55001-{OLA:0>24};Parent={OLA:0>16};Name={NAME}");
        let first = ola.put("/v1/me/contact", &contact).key("first");
        self.ask(&first.header("x-amzn-trace-id", &trace)).await.expect(200);
        self.look_into_tables().await;
        for channel in [Channel::Sms, Channel::Email] {
            let code = self.code(channel).await;
            let validate =
                |code: &str| ola.post("/v1/me/contact/validate", &json!({ "channel": channel, "code": code }));
            let wrong = format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
            self.mark(Kind::Code, &wrong, &wrong);
            self.ask(&validate(&wrong)).await.problem(422, "wrong-code");
            self.ask(&validate(&code)).await.expect(200);
            self.ask(&validate(&code)).await.problem(422, "wrong-code");
            let again = ola.post("/v1/me/contact/validate", &json!({ "channel": channel }));
            self.ask(&again).await.problem(429, "too-many-requests");
            self.look_into_tables().await;
        }
        self.ask(&ola.post("/v1/me/contact/confirm", &json!({})))
            .await
            .expect(200);

        let (eboks, digipost) = (self.provider(EBOKS), self.provider(DIGIPOST));
        self.ask(&ola.put("/v1/me/mailbox", &json!({ "provider": "e-boks" })))
            .await
            .expect(202);
        let about = json!({ "person": OLA });
        self.ask_in_vain(&eboks.post("/v1/mailboxes/eligibility", &about))
            .await
            .expect(200);
        let mailbox = |address: &str| json!({ "person": OLA, "address": address });
        let first = eboks.post("/v1/mailboxes", &mailbox(MAILBOX)).key(OLA);
        self.ask_in_vain(&first).await.expect(201);
        self.ask_in_vain(&first).await.expect(201);
        let reused = first.clone().json(&mailbox(STRAY_MAILBOX));
        self.ask_in_vain(&reused).await.problem(422, "idempotency-key-reused");
        let lookup = json!({ "persons": [OLA, UNKNOWN, PER], "purpose": PURPOSE, "reference": REFERENCE });
        self.ask(&self.agency().post("/v1/lookups", &lookup)).await.expect(200);
        self.world.stack.settle().await.unwrap();
        let scopes = [Scope::ChangesRead, Scope::ContactRead, Scope::MailboxRead];
        let follower = self.world.organisation(AGENCY, &scopes);
        self.ask(&follower.get("/v1/changes?limit=1000")).await.expect(200);
        let from = json!({ "fraEndringsId": 0, "merknad": PURPOSE });
        let path = "/rest/v2/krr/hentEndringer";
        self.ask(&follower.request(Method::POST, path).json(&from))
            .await
            .expect(200);
        let lookup = json!({ "personidentifikatorer": [OLA, UNKNOWN, PER], "merknad": PURPOSE });
        let rest = self.agency().request(Method::POST, "/rest/v2/personer").json(&lookup);
        self.ask(&rest.clone().header("accept", "application/jose"))
            .await
            .expect(200);
        self.ask(&rest).await.expect(200);
        let first = self.agency().request(Method::POST, "/rest/v1/personer");
        let mistyped = first.json(&json!({ "personidentifikatorer": [OLA, MISTYPED] }));
        self.ask(&mistyped).await.problem(400, "invalid-identifier");
        self.ask_in_vain(&self.agency().get("/rest/v2/printSertifikat"))
            .await
            .expect(200);
        self.ask_in_vain(&self.world.nobody().get("/.well-known/jwks.json"))
            .await
            .expect(200);
        // Its examples are test persons, for whoever asks: what it answers is not searched.
        let document = self.world.nobody().get("/v1/openapi.json");
        document.send().await.expect(200);
        self.ask(&ola.get("/rest/v1/person")).await.expect(200);
        let language = json!({ "spraak": "nn", "merknad": PURPOSE });
        let change = ola.request(Method::PATCH, "/rest/v1/person").json(&language);
        self.ask(&change).await.expect(200);
        self.ask_in_vain(&digipost.post("/v1/mailboxes", &mailbox(OTHER_MAILBOX)))
            .await
            .expect(201);
        self.ask(&ola.put("/v1/me/mailbox", &json!({ "provider": "digipost" })))
            .await
            .expect(200);
        self.look_into_tables().await;

        let moved = json!({ "email": OTHER_EMAIL, "mobile": OTHER_MOBILE });
        self.ask(&ola.put("/v1/me/contact", &moved).key("second"))
            .await
            .expect(200);
        self.look_into_tables().await;
        for channel in [Channel::Sms, Channel::Email] {
            self.code(channel).await;
        }
        self.ask(&ola.put("/v1/me/reservation", &json!({}))).await.expect(200);
        self.ask_in_vain(&eboks.post("/v1/mailboxes", &mailbox(STRAY_MAILBOX)))
            .await
            .problem(409, "reserved");
        self.ask(&ola.delete("/v1/me/reservation")).await.expect(200);
        self.ask(&ola.get("/v1/me/history?limit=100")).await.expect(200);
        self.ask(&ola.get("/v1/me/disclosures?limit=100")).await.expect(200);
        let no_cursor = format!("/v1/me/disclosures?before={UNKNOWN}");
        self.ask_in_vain(&ola.get(&no_cursor))
            .await
            .problem(400, "invalid-parameter");
        self.look_into_tables().await;
    }

    /// Tokens that do not hold, each with somebody's number in it.
    async fn show_bad_tokens(&self) {
        let tokens = self.world.stack.tokens();
        let now = self.world.stack.clock().now().as_second();
        let header = json!({ "alg": "RS256", "kid": tokens.key_id(Issuer::IdPorten) });
        let claims = json!({
            "iss": ID_PORTEN_ISSUER, "aud": AUDIENCE, "pid": UNKNOWN, "sub": NAME, "acr": "idporten-loa-high",
            "client_id": "client", "scope": "openid", "iat": now, "exp": now + 600, "jti": NAME,
        });
        let with = |json: &Value, name: &str, value: Value| {
            let mut json = json.clone();
            json[name] = value;
            json
        };
        let signed = Signing::Key(Issuer::IdPorten);
        let cases = [
            (header.clone(), claims.clone(), Signing::UnknownKey),
            (header.clone(), claims.clone(), Signing::Altered(Issuer::IdPorten)),
            (header.clone(), claims.clone(), Signing::Nothing),
            (with(&header, "alg", json!("none")), claims.clone(), Signing::Nothing),
            (with(&header, "kid", json!(NAME)), claims.clone(), signed),
            (
                with(&header, "jku", json!(format!("https://{NAME}.example.no"))),
                claims.clone(),
                signed,
            ),
            (header.clone(), with(&claims, "exp", json!(now - 600)), signed),
            (header.clone(), with(&claims, "exp", json!(UNKNOWN)), signed),
            (
                header.clone(),
                with(&claims, "iss", json!(format!("https://{NAME}"))),
                signed,
            ),
            (header.clone(), with(&claims, "aud", json!(NAME)), signed),
            (header.clone(), with(&claims, "pid", json!(MISTYPED)), signed),
            (header.clone(), with(&claims, "acr", json!(UNKNOWN)), signed),
        ];
        for (header, claims, signing) in cases {
            let token = tokens.mint_raw(&header, &claims, signing).unwrap();
            self.mark_token(&token);
            self.ask_in_vain(&self.world.bearer(&token).get("/v1/me"))
                .await
                .problem(401, "invalid-token");
        }
        for authorization in [
            NAME.to_owned(),
            format!("Basic {NAME}"),
            format!("Bearer {UNKNOWN}.{NAME}.{EMAIL}"),
        ] {
            let request = self
                .world
                .nobody()
                .get("/v1/me")
                .header("authorization", &authorization);
            self.ask_in_vain(&request).await.problem(401, "invalid-token");
        }
    }

    /// Everything goes wrong that can with sending, to a mobile and to an e-mail address.
    async fn fail_to_send(&self) {
        const FAULTS: [Fault; 7] = [
            Fault::Throttle,
            Fault::Unavailable,
            Fault::TimeoutBefore,
            Fault::TimeoutAfter,
            Fault::Reject,
            Fault::Pause,
            Fault::Suspend,
        ];
        let digipost = self.provider(DIGIPOST);
        let mailbox = json!({ "person": PER, "address": STRAY_MAILBOX });
        self.ask_in_vain(&digipost.post("/v1/mailboxes", &mailbox))
            .await
            .expect(201);
        let per = self.citizen(PER);
        self.ask(&per.put("/v1/me/contact", &json!({ "email": STRAY_EMAIL })))
            .await
            .expect(200);
        self.code(Channel::Email).await;
        let ola = self.citizen(OLA);
        for fault in FAULTS {
            for (citizen, channel) in [(&ola, Channel::Sms), (&per, Channel::Email)] {
                self.world.stack.settle().await.unwrap();
                let scripted = ScriptedFault {
                    channel,
                    fault,
                    count: 1,
                };
                self.world.stack.messages().script(scripted);
                self.ask(&citizen.delete("/v1/me/mailbox")).await.expect(200);
                self.ask(&citizen.put("/v1/me/mailbox", &json!({ "provider": "digipost" })))
                    .await
                    .expect(200);
                self.world.stack.settle().await.unwrap();
            }
            // What is tried again goes out now.
            self.world.pass(6.minutes()).await;
        }
        // A code that does not get out while it is good is given up.
        let (channel, fault) = (Channel::Sms, Fault::Pause);
        let closed = ScriptedFault {
            channel,
            fault,
            count: 10,
        };
        self.world.stack.messages().script(closed);
        let again = ola.post("/v1/me/contact/validate", &json!({ "channel": channel }));
        self.ask(&again).await.expect(202);
        self.world.pass(15.minutes()).await;
        self.look_into_tables().await;
    }

    /// What waits in the queues, and what is set aside there.
    async fn look_into_queues(&self) {
        let ola = self.citizen(OLA);
        self.ask(&ola.put("/v1/me/contact", &json!({ "email": EMAIL, "mobile": MOBILE })))
            .await
            .expect(200);
        self.announce(OLA, &format!("{REFERENCE}-waits")).await;
        let given = |name: &str| match name {
            "NOTICES_TABLE" => Some("notices".to_owned()),
            "CHANGES_TABLE" => Some("changes".to_owned()),
            "LETTERS_TABLE" => Some("letters".to_owned()),
            "FEED_TABLE" => Some("feed".to_owned()),
            "SENDING_TABLE" => Some("sending".to_owned()),
            "SMS_QUEUE_URL" => self.world.stack.queues().queue_url("SmsQueue"),
            "EMAIL_QUEUE_URL" => self.world.stack.queues().queue_url("EmailQueue"),
            _ => None,
        };
        let stack = &self.world.stack;
        let settings = dispatch::Settings::read(&Environment::new(&given)).unwrap();
        let dispatch = settings.app(stack.client(), &self.sqs, stack.clock().clock());
        dispatch::handle(&dispatch, dispatch::Event::Tick).await.unwrap();
        let waiting = self.look_into_each(&["SmsQueue", "EmailQueue"]).await;
        // The letter is in the group of who announced it.
        assert!(waiting.iter().any(|message| message.text.contains(AGENCY)));
        self.look_into_tables().await;

        // Nobody can read these notices any more: their messages, and their records in the stream, are given up.
        let waiting = stack.client().scan().table_name("notices").send().await.unwrap();
        let waiting = waiting
            .items()
            .iter()
            .filter(|notice| notice["state"].as_s().unwrap() == "waiting");
        for notice in waiting {
            stack
                .client()
                .update_item()
                .table_name("notices")
                .key("id", notice["id"].clone())
                .update_expression("SET epoch = :nonsense")
                .expression_attribute_values(":nonsense", notice["person"].clone())
                .send()
                .await
                .unwrap();
        }
        // Nor one of these records.
        let records = stack.client().scan().table_name("disclosures").send().await.unwrap();
        let mut record = records.items()[0].clone();
        let names = record["persons"].clone();
        record.insert("request".to_owned(), AttributeValue::S("nonsense".to_owned()));
        record.insert("purpose".to_owned(), names);
        let put = stack.client().put_item().table_name("disclosures");
        put.set_item(Some(record)).send().await.unwrap();
        stack.settle().await.unwrap();
        self.look_into_each(&[
            "SmsDeadLetters",
            "EmailDeadLetters",
            "DispatchDeadLetters",
            "DisclosuresDeadLetters",
        ])
        .await;
        self.look_into_tables().await;
    }

    async fn look_into_each(&self, queues: &[&str]) -> Vec<Text> {
        let mut messages = Vec::new();
        for queue in queues {
            let waiting = places::messages(&self.world, &self.sqs, queue).await;
            assert!(!waiting.is_empty(), "nothing waits in {queue}");
            for message in &waiting {
                self.search(message);
            }
            messages.extend(waiting);
        }
        messages
    }

    /// Entries become unreadable, and one table after the other goes away.
    async fn break_the_store(&self) {
        let (ola, eboks, agency) = (self.citizen(OLA), self.provider(EBOKS), self.agency());
        let letters = self.announcer(AGENCY);
        let contact = json!({ "email": STRAY_EMAIL, "mobile": STRAY_MOBILE });
        let mailbox = json!({ "person": OLA, "address": STRAY_MAILBOX });
        let lookup = json!({ "persons": [OLA, UNKNOWN], "purpose": PURPOSE });
        let letter = letters::letter(OLA, &format!("{REFERENCE}-never"));
        let known = self.announce(OLA, &format!("{REFERENCE}-known")).await;
        let files = self.sender(AGENCY);
        let order = json!({ "name": "liste.csv", "purpose": PURPOSE, "reference": REFERENCE });
        let batch = self.ask_for_upload(&order).await;
        let of_batch = |what: &str| format!("/v1/batches/{}{what}", batch.body["id"].as_str().unwrap());
        self.world.upload(&batch, format!("person\n{OLA}\n")).await;
        let about_letters = || {
            [
                files.post("/v1/batches", &order),
                files.get("/v1/batches"),
                files.get(&of_batch("")),
                files.post(&of_batch("/approve"), &json!({})),
                files.post(&of_batch("/cancel"), &json!({})),
                letters.get("/v1/letters"),
                letters.get(&format!("/v1/letters/{known}")),
                letters.post(&format!("/v1/letters/{known}/opened"), &json!({})),
                letters.post(&format!("/v1/letters/{known}/cancel"), &json!({})),
            ]
        };
        let requests = || {
            [
                ola.get("/v1/me"),
                ola.put("/v1/me/contact", &contact),
                ola.post(
                    "/v1/me/contact/validate",
                    &json!({ "channel": "sms", "code": STRAY_CODE }),
                ),
                eboks.post("/v1/mailboxes", &mailbox),
                eboks.post("/v1/mailboxes/eligibility", &json!({ "person": OLA })),
                agency.post("/v1/lookups", &lookup),
                letters.post("/v1/letters", &letter),
            ]
        };
        let client = self.world.stack.client();
        let entry = client.scan().table_name("register").send().await.unwrap();
        let entry = entry.items().iter().find(|item| {
            let identifier = item["entry"].as_m().unwrap()["identifier"].as_s();
            identifier.unwrap() == OLA
        });
        let mut entry = entry.unwrap().clone();
        let identifier = entry["entry"].as_m().unwrap()["identifier"].clone();
        // A number where a version should be: what reads it could say it.
        let mut inner = entry["entry"].as_m().unwrap().clone();
        inner.insert("version".to_owned(), identifier);
        entry.insert("entry".to_owned(), AttributeValue::M(inner));
        let put = client.put_item().table_name("register").set_item(Some(entry));
        put.send().await.unwrap();
        for request in requests() {
            self.ask_in_vain(&request).await.problem(500, "internal");
        }
        for table in Template::shipped().unwrap().tables.keys() {
            let table = local::database::table_name(table);
            client.delete_table().table_name(&table).send().await.unwrap();
            for request in requests() {
                let answer = self.ask_in_vain(&request).await;
                assert!(answer.status.is_server_error(), "{table}: {}", answer.body);
            }
            for request in about_letters() {
                self.ask_about_letters(&request).await;
            }
            // Fails, and says so in the log.
            let _ = self.world.stack.tick().await;
        }
        for request in about_letters() {
            let answer = self.ask_about_letters(&request).await;
            assert!(answer.status.is_server_error(), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn personal_values_are_found_where_they_belong_and_nowhere_else() {
    let telemetry = Telemetry::listen();
    let run = Run::new().await;
    run.tell_the_story().await;
    run.show_bad_tokens().await;
    run.send_bad_values().await;
    run.use_odd_places().await;
    run.fail_to_send().await;
    run.tell_of_letters().await;
    run.send_files().await;
    run.hear_bad_reports().await;
    run.hear_of_persons().await;
    run.look_into_queues().await;
    run.break_the_store().await;

    let lines = telemetry.lines();
    let names = telemetry.names();
    lines.iter().chain(&names).for_each(|text| run.search(text));
    let leaked = run.leaked.borrow();
    assert!(leaked.is_empty(), "{leaked:#?}");

    // The search can find: each place that may hold a value did.
    let belongs = BELONGS.iter().map(|(place, kind)| ((*place).to_owned(), *kind));
    assert_eq!(*run.at_home.borrow(), belongs.collect());
    // And there was something to search in.
    let talkers: BTreeSet<_> = lines
        .iter()
        .map(|line| line.place.split("::").next().unwrap())
        .collect();
    let expected = [
        "authorizer",
        "batch",
        "disclosures",
        "dispatch",
        "infra_edge",
        "notify",
        "population",
        "receipts",
    ];
    for function in expected {
        assert!(talkers.contains(function), "{function} said nothing: {talkers:?}");
    }
    // What the HTTP functions do, the edge says.
    let paths = register::PATHS.into_iter().chain(lookup::PATHS);
    for route in paths.chain(::letters::PATHS).chain(batches::PATHS) {
        let route = format!("\"route\":\"{route}\"");
        assert!(
            lines.iter().any(|line| line.text.contains(&route)),
            "nothing of {route}"
        );
    }
    for name in [
        "Requests",
        "Duration",
        "Notices",
        "NoticesSettled",
        "NoticesFollowed",
        "PersonsLookedUp",
        "PersonsDisclosed",
        "DisclosureFailures",
        "ChannelClosed",
        "CircuitOpen",
        "LettersAnnounced",
        "Reports",
        "ReportsOfNothing",
        "ReportsRefused",
        "ReportsFailed",
        "AddressesUndeliverable",
        "/v1/letters/{id}/opened",
        "BatchesAskedFor",
        "BatchesReceived",
        "BatchesDone",
        "BatchRowsAnswered",
        "BatchStepFailures",
        "FilesOfNobody",
        "PopulationEvents",
        "PopulationFailures",
        "Reminders",
        "/v1/batches/{id}/approve",
    ] {
        assert!(names.iter().any(|text| text.text == name), "{name} was not counted");
    }
}

/// No attribute that a table or an index is keyed by may hold a value.
#[test]
fn no_value_belongs_into_a_key() {
    for (id, table) in &Template::shipped().unwrap().tables {
        for key in &table.attribute_definitions {
            let key = format!("{}.{}", local::database::table_name(id), key.attribute_name);
            for (place, _) in BELONGS {
                assert!(place != key && !place.starts_with(&format!("{key}.")), "{place}");
            }
        }
    }
}
