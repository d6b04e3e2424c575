//! Letters that are not announced, and the questions about them that get no answer.

use aws_sdk_dynamodb::types::Select;
use futures_util::future::join_all;
use jiff::{SignedDuration, ToSpan as _};
use local::messages::Channel;
use mailbox_register::caller::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use stories::{AGENCY, Answer, Caller, DIGIPOST, EBOKS, Request, World, start_of_time};
use uuid::Uuid;

use crate::{persons::wrong_identifiers, refusal::refused};

/// Has both channels, and a mailbox with Digipost alone.
const KARI: &str = "22885399316";
/// Has mailboxes with both providers.
const SOFIE: &str = "13527248013";
const OTHER_AGENCY: &str = "974760673";

/// An agency that may announce letters.
pub(crate) fn agency(world: &World) -> Caller<'_> {
    announcer(world, AGENCY)
}

fn announcer<'a>(world: &'a World, organisation: &str) -> Caller<'a> {
    world.organisation(organisation, &[Scope::LettersWrite])
}

/// The agency's letter to Kari.
pub(crate) fn letter() -> Value {
    json!({
        "person": KARI,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
        "reference": "2026/17",
        "legalNotice": true,
        "remind": true,
    })
}

/// The letter with one value more, or another.
fn with(pointer: &str, value: Value) -> Value {
    let mut letter = letter();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    letter.pointer_mut(parent).unwrap()[field] = value;
    letter
}

/// The letter without a field.
fn without(pointer: &str) -> Value {
    let mut letter = letter();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = letter.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.remove(field).unwrap();
    letter
}

/// Under another reference: another letter.
fn another(reference: &str) -> Value {
    with("/reference", reference.into())
}

async fn announce(caller: &Caller<'_>, letter: &Value) -> Answer {
    caller.post("/v1/letters", letter).send().await
}

/// Announces a letter, which is taken; its identity.
async fn announced(caller: &Caller<'_>, letter: &Value) -> String {
    let answer = announce(caller, letter).await.expect(202);
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn rows(world: &World, table: &str) -> i32 {
    let scan = world.stack.client().scan().table_name(table).select(Select::Count);
    scan.send().await.unwrap().count()
}

/// How much there is of all that an announcement leaves behind.
async fn traces(world: &World) -> [usize; 5] {
    let messages = world.outbox().await.len();
    let mut traces = [messages, 0, 0, 0, 0];
    for (at, table) in (1..).zip(["letters", "notices", "requests"]) {
        traces[at] = usize::try_from(rows(world, table).await).unwrap();
    }
    let feed = world.stack.client().scan().table_name("feed").send().await.unwrap();
    let feeds = feed.items().iter().map(|row| row["feed"].as_s().unwrap());
    traces[4] = feeds.filter(|feed| feed.starts_with("letters#")).count();
    traces
}

/// Nothing was stored, nobody was told anything, and no answer is kept.
async fn nothing_came_of_it(world: &World) {
    assert_eq!(traces(world).await, [0; 5]);
}

/// The agency sends each value of a field; it is refused at its place.
async fn refuses(world: &World, pointer: &str, values: &[Value], status: u16, kind: &str) {
    for value in values {
        let row = format!("{pointer}: {value}");
        let answer = announce(&agency(world), &with(pointer, value.clone())).await;
        let answer = refused(&row, answer, status, kind);
        let errors = json!([{ "pointer": pointer, "code": kind }]);
        assert_eq!(answer.body["errors"], errors, "{row}");
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Value> {
    texts.map(Value::from).to_vec()
}

#[tokio::test]
async fn a_request_that_is_refused_before_it_is_read() {
    let world = World::new().await;
    let agency = agency(&world);
    let request = agency.post("/v1/letters", &letter());
    let whole = letter().to_string();
    for body in ["", "{", &whole[..whole.len() - 1], &format!("[{whole}]"), "null"] {
        let answer = request.clone().bytes(body).send().await;
        refused(body, answer, 400, "malformed-json");
    }
    let padded = format!("{whole}{}", " ".repeat(64 * 1024));
    refused(
        "over the limit",
        request.clone().bytes(padded).send().await,
        413,
        "payload-too-large",
    );
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let answer = request.clone().header("content-type", content_type).send().await;
        refused(content_type, answer, 415, "unsupported-media-type");
    }
    for accept in ["text/html", "application/jose"] {
        let answer = request.clone().header("accept", accept).send().await;
        refused(accept, answer, 406, "not-acceptable");
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = agency
            .request(method.clone(), "/v1/letters")
            .json(&letter())
            .send()
            .await;
        refused(method, answer, 405, "method-not-allowed");
    }
    assert_eq!(world.disclosures().await.count(), 0);
    nothing_came_of_it(&world).await;
    request.send().await.expect(202);
}

#[tokio::test]
async fn a_sender_that_is_no_object() {
    let world = World::new().await;
    let agency = agency(&world);
    for sender in [
        json!([AGENCY, "public", true]),
        json!([{ "organisation": AGENCY, "sector": "public", "nameMayBeShown": true }]),
        json!([]),
        json!(AGENCY),
        json!(991_825_827),
        json!(true),
    ] {
        let answer = announce(&agency, &with("/sender", sender.clone())).await;
        refused(&sender, answer, 400, "malformed-json");
    }
    let whole = letter().to_string();
    let sector = "\"sector\":\"public\"";
    let twice = whole.replace(sector, &format!("{sector},{sector}"));
    assert_ne!(twice, whole);
    let answer = agency.post("/v1/letters", &Value::Null).bytes(twice).send().await;
    refused("a key twice", answer, 400, "malformed-json");
    let answer = announce(&agency, &with("/sender", Value::Null)).await;
    let answer = refused("null", answer, 400, "missing-field");
    let errors = json!([{ "pointer": "/sender", "code": "missing-field" }]);
    assert_eq!(answer.body["errors"], errors);
    nothing_came_of_it(&world).await;
}

#[tokio::test]
async fn a_field_that_a_letter_does_not_have() {
    let world = World::new().await;
    let agency = agency(&world);
    for field in [
        "id",
        "announcedBy",
        "announcedAt",
        "openedAt",
        "events",
        "notices",
        "channel",
        "subject",
        "text",
        "version",
        "validated",
        "deliverable",
        "Person",
        "available_from",
        "sender/organisation",
        KARI,
        "",
    ] {
        for value in [json!(null), json!("x"), json!({})] {
            let mut letter = letter();
            letter[field] = value;
            refused(field, announce(&agency, &letter).await, 400, "unknown-field");
        }
    }
    for field in [
        "name",
        "person",
        "legalNotice",
        "Sector",
        "name_may_be_shown",
        "validated",
        "__proto__",
        KARI,
        "",
        "sec\0tor",
    ] {
        for value in [json!(null), json!("x"), json!({ "organisation": AGENCY })] {
            let mut letter = letter();
            letter["sender"][field] = value;
            let row = format!("sender, {field}");
            refused(row, announce(&agency, &letter).await, 400, "unknown-field");
        }
    }
    nothing_came_of_it(&world).await;
}

#[tokio::test]
async fn a_field_that_is_missing() {
    let world = World::new().await;
    let agency = agency(&world);
    for pointer in [
        "/person",
        "/sender",
        "/sender/organisation",
        "/sender/sector",
        "/sender/nameMayBeShown",
        "/reference",
        "/legalNotice",
        "/remind",
    ] {
        let answer = refused(
            pointer,
            announce(&agency, &without(pointer)).await,
            400,
            "missing-field",
        );
        let errors = json!([{ "pointer": pointer, "code": "missing-field" }]);
        assert_eq!(answer.body["errors"], errors, "{pointer}");
    }
    let answer = refused("nothing", announce(&agency, &json!({})).await, 400, "missing-field");
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 5);
    nothing_came_of_it(&world).await;
}

#[tokio::test]
async fn a_value_of_the_wrong_type() {
    let world = World::new().await;
    let no_texts = [json!(1), json!(true), json!(["x"]), json!({ "x": 1 })];
    for pointer in [
        "/sender/organisation",
        "/sender/sector",
        "/reference",
        "/availableFrom",
        "/language",
    ] {
        refuses(&world, pointer, &no_texts, 400, "invalid-value").await;
    }
    for pointer in ["/sender/organisation", "/sender/sector", "/reference"] {
        refuses(&world, pointer, &[Value::Null], 400, "invalid-value").await;
    }
    let no_truths = [
        json!(null),
        json!("true"),
        json!(""),
        json!(0),
        json!(1),
        json!([true]),
        json!({}),
    ];
    for pointer in ["/sender/nameMayBeShown", "/legalNotice", "/remind"] {
        refuses(&world, pointer, &no_truths, 400, "invalid-value").await;
    }
    nothing_came_of_it(&world).await;
    // Where nothing need be said, nothing can be said in two ways.
    let mut quiet = letter();
    quiet["availableFrom"] = Value::Null;
    quiet["language"] = Value::Null;
    let id = announced(&agency(&world), &quiet).await;
    assert_eq!(announced(&agency(&world), &letter()).await, id);
}

#[tokio::test]
async fn a_letter_to_nobody() {
    let world = World::new().await;
    let mut wrong = wrong_identifiers();
    wrong.push(Value::Null);
    refuses(&world, "/person", &wrong, 400, "invalid-identifier").await;
    assert_eq!(world.disclosures().await.count(), 0);
    nothing_came_of_it(&world).await;
}

#[tokio::test]
async fn a_sender_that_there_is_not() {
    let world = World::new().await;
    let organisations = texts([
        "",
        "123456789",
        "999888777",
        "99182582",
        "9918258270",
        "991825828",
        "0192:991825827",
        "NO991825827",
        " 991825827",
        "991825827 ",
        "991 825 827",
        "９９１８２５８２７",
        "Digitaliseringsdirektoratet",
    ]);
    refuses(&world, "/sender/organisation", &organisations, 400, "invalid-value").await;
    let sectors = texts([
        "",
        "Public",
        "PRIVATE",
        "public ",
        "state",
        "municipal",
        "public,private",
    ]);
    refuses(&world, "/sender/sector", &sectors, 400, "invalid-value").await;
    nothing_came_of_it(&world).await;
}

#[tokio::test]
async fn a_reference_is_one_line_of_up_to_a_hundred_characters_that_names_nobody() {
    let world = World::new().await;
    let (longest, long) = ("å".repeat(100), "x".repeat(101));
    let wrong = texts([
        "",
        " ",
        "\t\n",
        &long,
        "line\nbreak",
        "line\r\nbreak",
        "a\u{7}bell",
        "a\u{7f}",
        "a\u{85}b",
        KARI,
        "case-22885399316-1",
        "case 228853 99316",
        // Whom it names need not be a person of this register.
        "41814061033",
        "02013299903",
    ]);
    refuses(&world, "/reference", &wrong, 422, "invalid-reference").await;
    let nul = texts(["\0", "2026\0/17"]);
    refuses(&world, "/reference", &nul, 422, "illegal-character").await;
    nothing_came_of_it(&world).await;
    for right in [longest.as_str(), "x", "12345678901", "2026/17 – vedtak"] {
        announced(&agency(&world), &another(right)).await;
    }
}

#[tokio::test]
async fn a_letter_is_announced_up_to_a_day_late_and_a_year_ahead() {
    let world = World::new().await;
    let malformed = texts([
        "",
        "now",
        "tomorrow",
        "2026-03-02",
        "09:00",
        "2026-03-02T09:00:00",
        "2026-02-29T09:00:00Z",
        "2026-13-01T09:00:00Z",
        "2026-03-02T25:00:00Z",
        "2026-03-02T09:00:00+99:00",
        "02.03.2026 10:00",
        "1772442000",
        "99999-01-01T00:00:00Z",
        "2026-03-02T09:00:00Z\n",
    ]);
    refuses(&world, "/availableFrom", &malformed, 400, "invalid-value").await;
    let at = |hours: i64, seconds: i64| {
        let offset = SignedDuration::from_hours(hours) + SignedDuration::from_secs(seconds);
        Value::from((start_of_time() + offset).to_string())
    };
    let (day, year) = (24, 366 * 24);
    let far = [
        at(-day, -1),
        at(-day - 1, 0),
        at(-year, 0),
        at(year, 1),
        at(year + day, 0),
        at(10 * year, 0),
        "1970-01-01T00:00:00Z".into(),
        "9999-12-30T00:00:00Z".into(),
    ];
    refuses(&world, "/availableFrom", &far, 422, "invalid-availability").await;
    nothing_came_of_it(&world).await;
    for (reference, moment) in [("a day late", at(-day, 0)), ("a year ahead", at(year, 0))] {
        let mut letter = another(reference);
        letter["availableFrom"] = moment;
        announced(&agency(&world), &letter).await;
    }
}

#[tokio::test]
async fn a_language_that_nobody_is_written_to_in() {
    let world = World::new().await;
    let languages = texts(["", "no", "NB", "nb-NO", "sv", "sme", "nb ", "nb,nn"]);
    refuses(&world, "/language", &languages, 422, "unknown-language").await;
    nothing_came_of_it(&world).await;
}

#[tokio::test]
async fn a_private_senders_notice_is_no_legal_notice() {
    let world = World::new().await;
    let mut private = with("/sender/sector", "private".into());
    for organisation in [AGENCY, DIGIPOST] {
        let answer = announce(&announcer(&world, organisation), &private).await;
        let answer = refused(organisation, answer, 422, "invalid-legal-notice");
        let errors = json!([{ "pointer": "/legalNotice", "code": "invalid-legal-notice" }]);
        assert_eq!(answer.body["errors"], errors, "{organisation}");
    }
    nothing_came_of_it(&world).await;
    private["legalNotice"] = json!(false);
    announced(&announcer(&world, DIGIPOST), &private).await;
}

#[tokio::test]
async fn an_agency_announces_its_own_letters_alone() {
    let world = World::new().await;
    let mut private = with("/sender/sector", "private".into());
    private["legalNotice"] = json!(false);
    for (row, caller, letter) in [
        (
            "another agency's",
            AGENCY,
            with("/sender/organisation", OTHER_AGENCY.into()),
        ),
        ("a provider's", AGENCY, with("/sender/organisation", DIGIPOST.into())),
        ("a stranger's", AGENCY, with("/sender/organisation", "313600947".into())),
        ("by another agency", OTHER_AGENCY, letter()),
        ("as if it were private", AGENCY, private),
    ] {
        let answer = announce(&announcer(&world, caller), &letter).await;
        refused(row, answer, 403, "forbidden");
    }
    assert_eq!(world.disclosures().await.count(), 0);
    nothing_came_of_it(&world).await;
}

#[tokio::test]
async fn a_provider_announces_what_arrives_in_its_own_mailboxes_alone() {
    let world = World::new().await;
    let eboks = announcer(&world, EBOKS);
    let persons = [
        ("a mailbox with another provider", KARI),
        ("no mailbox", "21836797660"),
        ("chose e-Boks, and has no mailbox yet", "41664061188"),
        ("reserved", "10915596784"),
        ("deleted", "49860699787"),
        ("never in the register", "02907740652"),
    ];
    let mut bodies = Vec::new();
    for (row, person) in persons {
        let answer = announce(&eboks, &with("/person", person.into())).await;
        bodies.push(refused(row, answer, 404, "mailbox-not-found").body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "to e-Boks it is all the same");
    nothing_came_of_it(&world).await;
    // That it asked is on record all the same.
    assert_eq!(world.disclosures().await.count(), 6);

    // A refusal is no answer to keep: once the mailbox is there the same request is good.
    let early = eboks.post("/v1/letters", &letter());
    refused("early", early.send().await, 404, "mailbox-not-found");
    let mailbox = json!({ "person": KARI, "address": "kari.nordmann#1ABC" });
    let registered = world.provider(EBOKS).post("/v1/mailboxes", &mailbox);
    registered.send().await.expect(201);
    early.send().await.expect(202);
    // And a mailbox that is closed is none.
    let close = world
        .provider(EBOKS)
        .post("/v1/mailboxes/close", &json!({ "person": KARI }));
    close.send().await.expect(200);
    let late = announce(&eboks, &another("2026/18")).await;
    refused("late", late, 404, "mailbox-not-found");
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let world = World::new().await;
    let wrong = json!({
        "person": "1",
        "sender": { "organisation": "1", "sector": "state", "nameMayBeShown": "yes" },
        "reference": "",
        "availableFrom": "1970-01-01",
        "language": "no",
        "legalNotice": "yes",
    });
    // Syntax before meaning.
    let answer = refused(
        "all",
        announce(&agency(&world), &wrong).await,
        400,
        "invalid-identifier",
    );
    let error = |pointer: &str, code: &str| json!({ "pointer": pointer, "code": code });
    let errors = [
        error("/person", "invalid-identifier"),
        error("/sender/organisation", "invalid-value"),
        error("/sender/sector", "invalid-value"),
        error("/sender/nameMayBeShown", "invalid-value"),
        error("/reference", "invalid-reference"),
        error("/availableFrom", "invalid-value"),
        error("/language", "unknown-language"),
        error("/legalNotice", "invalid-value"),
        error("/remind", "missing-field"),
    ];
    let named = answer.body["errors"].as_array().unwrap();
    assert_eq!(named.len(), errors.len(), "{named:?}");
    for error in errors {
        assert!(named.contains(&error), "{error}");
    }
    nothing_came_of_it(&world).await;
}

#[tokio::test]
async fn a_key_that_is_missing_or_unusable() {
    let world = World::new().await;
    let agency = agency(&world);
    let request = agency.post("/v1/letters", &letter());
    let answer = request.clone().without("idempotency-key").send().await;
    refused("none", answer, 400, "idempotency-key-required");
    let (long, longest) = ("k".repeat(256), "k".repeat(255));
    for key in ["", &long, "nøkkel", "a key", "a,b", "a\tb"] {
        let answer = request.clone().key(key).send().await;
        refused(key, answer, 400, "idempotency-key-required");
    }
    let two = request.clone().key("one").and_header("idempotency-key", "two");
    refused("two", two.send().await, 400, "idempotency-key-required");
    nothing_came_of_it(&world).await;
    let taken = request.key(&longest).send().await.expect(202);
    // Where a key is not needed, one that is there must still be one.
    let path = format!("/v1/letters/{}", taken.body["id"].as_str().unwrap());
    for what in ["opened", "cancel"] {
        let close = agency.post(&format!("{path}/{what}"), &json!({}));
        for key in ["", &long, "a key", "a,b"] {
            let answer = close.clone().key(key).send().await;
            refused(format!("{what}, {key}"), answer, 400, "idempotency-key-required");
        }
    }
    let letter = agency.get(&path).send().await.expect(200).body;
    assert_eq!((letter.get("openedAt"), letter.get("cancelledAt")), (None, None));
}

#[tokio::test]
async fn a_key_used_again_for_another_letter() {
    let world = World::new().await;
    let agency = agency(&world);
    let first = agency.post("/v1/letters", &letter()).key("mine");
    let answer = first.send().await.expect(202);
    let before = traces(&world).await;
    for (row, other) in [
        ("another reference", another("2026/18")),
        ("another person", with("/person", SOFIE.into())),
        ("without a reminder", with("/remind", false.into())),
        ("said in other words", with("/reference", "2026/17 ".into())),
    ] {
        let answer = agency.post("/v1/letters", &other).key("mine").send().await;
        refused(row, answer, 422, "idempotency-key-reused");
    }
    assert_eq!(traces(&world).await, before);
    assert_eq!(first.send().await.expect(202).body, answer.body);
    // The same key of another caller is another key: another letter, though word for word the same.
    let provider = announcer(&world, DIGIPOST);
    let others = provider
        .post("/v1/letters", &letter())
        .key("mine")
        .send()
        .await
        .expect(202);
    assert_ne!(others.body["id"], answer.body["id"]);
    assert_eq!(rows(&world, "letters").await, 2);
}

#[tokio::test]
async fn a_letter_that_is_announced_again_is_the_same_letter() {
    let world = World::new().await;
    let first = agency(&world).post("/v1/letters", &letter()).key("first");
    let answer = first.send().await.expect(202).body;
    assert_eq!(announce(&agency(&world), &letter()).await.expect(202).body, answer);
    assert_eq!(
        announce(&agency(&world), &another(" 2026/17\t")).await.expect(202).body,
        answer
    );
    // Whatever has happened since.
    world.pass(2.hours()).await;
    let id = answer["id"].as_str().unwrap();
    let opened = agency(&world).post(&format!("/v1/letters/{id}/opened"), &json!({}));
    opened.send().await.expect(200);
    assert_eq!(announce(&agency(&world), &letter()).await.expect(202).body, answer);
    world.citizen(KARI).delete("/v1/me").send().await.expect(204);
    assert_eq!(announce(&agency(&world), &letter()).await.expect(202).body, answer);

    world.pass(10.days()).await;
    assert_eq!(announce(&agency(&world), &letter()).await.expect(202).body, answer);
    let of_letters = |kind: &str| kind.starts_with("letter-");
    let sent = world.outbox().await;
    let sent: Vec<_> = sent
        .iter()
        .filter(|message| message.kind.as_deref().is_some_and(of_letters))
        .collect();
    assert_eq!(sent.len(), 1, "one word on it, and no second");
    assert_eq!(rows(&world, "letters").await, 1);
    let feed = agency(&world).get("/v1/letters").send().await.expect(200);
    let announced = feed.body["changes"].as_array().unwrap().iter();
    let announced = announced.filter(|change| change["event"] == "announced");
    assert_eq!(announced.count(), 1);
}

/// A day late is soon more than a day late; the letter is still the one that was taken.
#[tokio::test]
async fn a_request_repeated_hours_later_gets_its_answer_also_where_it_would_be_too_late_for_a_new_one() {
    let world = World::new().await;
    let yesterday = start_of_time() - SignedDuration::from_hours(23);
    let late = with("/availableFrom", yesterday.to_string().into());
    let first = agency(&world)
        .post("/v1/letters", &late)
        .key("mine")
        .send()
        .await
        .expect(202);
    world.pass(2.hours()).await;
    let again = agency(&world).post("/v1/letters", &late).key("mine").send().await;
    assert_eq!(again.expect(202).body, first.body);
}

#[tokio::test]
async fn a_reference_used_again_for_another_letter() {
    let world = World::new().await;
    let mut letter = letter();
    letter["availableFrom"] = json!("2026-03-02T10:00:00Z");
    letter["language"] = json!("nb");
    // A provider may change every word of it.
    let provider = announcer(&world, DIGIPOST);
    let id = announced(&provider, &letter).await;
    let before = traces(&world).await;
    for (pointer, value) in [
        ("/person", json!("03896706011")),
        ("/sender/organisation", json!(OTHER_AGENCY)),
        ("/sender/nameMayBeShown", json!(false)),
        ("/availableFrom", json!("2026-03-02T10:00:01Z")),
        // Now, which it is not.
        ("/availableFrom", Value::Null),
        ("/legalNotice", json!(false)),
        ("/remind", json!(false)),
        ("/language", json!("nn")),
        ("/language", Value::Null),
    ] {
        let mut other = letter.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        let answer = announce(&provider, &other).await;
        refused(format!("{pointer} of {other}"), answer, 422, "reference-reused");
    }
    let mut private = letter.clone();
    private["sender"]["sector"] = json!("private");
    private["legalNotice"] = json!(false);
    refused("private", announce(&provider, &private).await, 422, "reference-reused");
    assert_eq!(traces(&world).await, before);
    // The same moment in other words is no other letter.
    letter["availableFrom"] = json!("2026-03-02T11:00:00+01:00");
    assert_eq!(announced(&provider, &letter).await, id);
    // Nor is it a new one once it is there.
    world.pass(2.hours()).await;
    let provider = announcer(&world, DIGIPOST);
    assert_eq!(announced(&provider, &letter).await, id);
    letter["availableFrom"] = Value::Null;
    let answer = announce(&provider, &letter).await;
    refused("now, two hours later", answer, 422, "reference-reused");
}

#[tokio::test]
async fn of_equal_letters_announced_at_once_there_is_one() {
    let world = World::new().await;
    let agency = agency(&world);
    let requests: Vec<_> = (0..8).map(|_| agency.post("/v1/letters", &letter())).collect();
    let answers = join_all(requests.iter().map(Request::send)).await;
    let mut bodies: Vec<_> = answers.into_iter().map(|answer| answer.expect(202).body).collect();
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    // One message now, and one in a week.
    let [messages, letters, notices, ..] = traces(&world).await;
    assert_eq!([messages, letters, notices], [1, 1, 2]);

    // With one key some may have to come back, and then get the same answer.
    let request = agency.post("/v1/letters", &another("2026/18")).key("mine");
    let answers = join_all((0..8).map(|_| request.send())).await;
    let (taken, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 202);
    assert!(!taken.is_empty());
    for answer in late {
        refused("late", answer, 409, "request-in-progress");
    }
    let answer = request.send().await.expect(202);
    assert!(taken.iter().all(|taken| taken.body == answer.body));
    let [messages, letters, notices, ..] = traces(&world).await;
    assert_eq!([messages, letters, notices], [2, 2, 4]);
}

#[tokio::test]
async fn of_different_letters_announced_at_once_under_one_reference_there_is_one() {
    let world = World::new().await;
    let agency = agency(&world);
    let letters = [letter(), with("/person", SOFIE.into()), with("/remind", false.into())];
    let answers = join_all(letters.iter().map(|letter| announce(&agency, letter))).await;
    let (taken, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 202);
    assert_eq!(taken.len(), 1);
    for answer in others {
        refused("another", answer, 422, "reference-reused");
    }
    let [messages, letters, ..] = traces(&world).await;
    assert_eq!([messages, letters], [1, 1]);
}

#[tokio::test]
async fn a_place_in_the_feed_that_there_is_not() {
    let world = World::new().await;
    announced(&agency(&world), &letter()).await;
    world.stack.settle().await.unwrap();
    let whole = agency(&world).get("/v1/letters").send().await.expect(200);
    let last = whole.body["last"].as_u64().unwrap();
    assert!(last > 0);
    for ahead in [last + 1, u64::MAX] {
        let query = format!("after={ahead}");
        let answer = agency(&world).get(&format!("/v1/letters?{query}")).send().await;
        refused(query, answer, 422, "unknown-place");
    }
    let wrong = [
        "after=18446744073709551616",
        "after=-1",
        "after=-9223372036854775808",
        "after=x",
        "after=",
        "after=1.0",
        "after=1e1",
        "after=0x1",
        "after=%20",
        "after=%D9%A1",
        "after=last",
        "after=0;limit=1",
        "after=0&after=0",
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=65536",
        "limit=99999999999999999999",
        "limit=",
        "limit=x",
        "limit=1.5",
        "limit=10&limit=10",
        "before=1",
        "from=1",
        "After=0",
        "after[]=0",
        "after=0&person=22885399316",
        "22885399316",
        "reference=2026/17",
    ];
    for query in wrong {
        let answer = agency(&world).get(&format!("/v1/letters?{query}")).send().await;
        refused(query, answer, 400, "invalid-parameter");
    }
    // Another's feed has another end.
    let of_provider = announcer(&world, DIGIPOST);
    let answer = of_provider.get("/v1/letters?after=1").send().await;
    refused("ahead of an empty feed", answer, 422, "unknown-place");
    for query in [
        String::new(),
        "after=0&limit=1000".to_owned(),
        format!("after={last}&limit=1"),
    ] {
        let path = format!("/v1/letters?{query}");
        agency(&world).get(&path).send().await.expect(200);
    }
}

/// The routes of one letter.
fn of_letter(id: &str) -> [(Method, String); 3] {
    [
        (Method::GET, format!("/v1/letters/{id}")),
        (Method::POST, format!("/v1/letters/{id}/opened")),
        (Method::POST, format!("/v1/letters/{id}/cancel")),
    ]
}

#[tokio::test]
async fn a_letter_that_is_not_there_or_not_the_callers() {
    let world = World::new().await;
    let others = announced(&announcer(&world, DIGIPOST), &letter()).await;
    let unknown = Uuid::new_v4().to_string();
    let nil = Uuid::nil().to_string();
    let long = format!("{unknown}0");
    let ids = [
        "",
        others.as_str(),
        &unknown,
        &nil,
        &long,
        &unknown[1..],
        "x",
        "0",
        "-1",
        "null",
        "2026%2F17",
        "%00",
        "%20",
        "%E2%80%8B",
        KARI,
        &"a".repeat(2000),
    ];
    let mut bodies = Vec::new();
    for id in ids {
        for (method, path) in of_letter(id) {
            let row = format!("{method} {id}");
            let answer = agency(&world).request(method, &path).send().await;
            bodies.push(refused(row, answer, 404, "not-found").body);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "to the agency it is all the same");
    let letter = announcer(&world, DIGIPOST).get(&format!("/v1/letters/{others}"));
    let letter = letter.send().await.expect(200).body;
    assert_eq!((letter.get("openedAt"), letter.get("cancelledAt")), (None, None));
}

/// What stands in the place of an identity need not even be text.
#[tokio::test]
async fn a_letters_identity_that_is_not_utf_8() {
    let world = World::new().await;
    for (method, path) in of_letter("%FF%FE") {
        let answer = agency(&world).request(method.clone(), &path).send().await;
        refused(method, answer, 404, "not-found");
    }
}

#[tokio::test]
async fn a_letter_is_closed_once_and_the_first_word_on_it_counts() {
    let world = World::new().await;
    for (first, then, at) in [("opened", "cancel", "openedAt"), ("cancel", "opened", "cancelledAt")] {
        // Not there yet, so that both notices are still to come.
        let mut letter = another(first);
        letter["availableFrom"] = (world.stack.clock().now() + SignedDuration::from_hours(1))
            .to_string()
            .into();
        let path = format!("/v1/letters/{}", announced(&agency(&world), &letter).await);
        let before = world.outbox().await.len();
        let close = |what: &str| agency(&world).post(&format!("{path}/{what}"), &json!({}));
        let closed_at = world.stack.clock().now().to_string();
        let closed = close(first).send().await.expect(200).body;
        assert_eq!(closed[at], closed_at, "{first}");
        world.pass(1.minute()).await;
        for what in [first, then, first] {
            assert_eq!(
                close(what).send().await.expect(200).body,
                closed,
                "{first}, then {what}"
            );
        }
        assert_eq!(agency(&world).get(&path).send().await.expect(200).body, closed);
        world.pass(8.days()).await;
        assert_eq!(agency(&world).get(&path).send().await.expect(200).body, closed);
        assert_eq!(world.outbox().await.len(), before, "{first}: nobody is told");
    }
}

#[tokio::test]
async fn of_all_who_close_a_letter_at_once_one_does() {
    let world = World::new().await;
    let agency = agency(&world);
    let path = format!("/v1/letters/{}", announced(&agency, &letter()).await);
    let requests: Vec<_> = ["opened", "cancel"]
        .into_iter()
        .cycle()
        .take(6)
        .map(|what| agency.post(&format!("{path}/{what}"), &json!({})))
        .collect();
    let answers = join_all(requests.iter().map(Request::send)).await;
    let mut bodies: Vec<_> = answers.into_iter().map(|answer| answer.expect(200).body).collect();
    bodies.dedup();
    let [closed] = bodies.as_slice() else {
        panic!("one letter, one end: {bodies:?}")
    };
    assert!(
        closed.get("openedAt").is_some() != closed.get("cancelledAt").is_some(),
        "{closed}"
    );
    world.stack.settle().await.unwrap();
    let feed = agency.get("/v1/letters").send().await.expect(200);
    let ends = feed.body["changes"].as_array().unwrap().iter();
    let ends = ends.filter(|change| change["event"] == "opened" || change["event"] == "cancelled");
    assert_eq!(ends.count(), 1);
    world.pass(8.days()).await;
    assert!(
        world
            .outbox()
            .await
            .iter()
            .all(|message| message.channel != Channel::Sms)
    );
}

#[tokio::test]
async fn whoever_closes_a_letter_says_nothing_else() {
    let world = World::new().await;
    let agency = agency(&world);
    let path = format!("/v1/letters/{}", announced(&agency, &letter()).await);
    for what in ["opened", "cancel"] {
        let close = agency.post(&format!("{path}/{what}"), &json!({}));
        for field in ["at", "openedAt", "person", KARI] {
            let answer = close
                .clone()
                .json(&json!({ field: "2026-03-02T09:00:00Z" }))
                .send()
                .await;
            refused(format!("{what}, {field}"), answer, 400, "unknown-field");
        }
        for body in ["[]", "null", "{", "true"] {
            let answer = close.clone().bytes(body).send().await;
            refused(format!("{what}, {body}"), answer, 400, "malformed-json");
        }
        let answer = close.clone().header("content-type", "text/plain").send().await;
        refused(what, answer, 415, "unsupported-media-type");
        let answer = close.clone().header("accept", "text/html").send().await;
        refused(what, answer, 406, "not-acceptable");
    }
    let letter = agency.get(&path).send().await.expect(200).body;
    assert_eq!((letter.get("openedAt"), letter.get("cancelledAt")), (None, None));
}
