//! Verification codes: how often one may guess, and how often one is sent.

use futures_util::future::join_all;
use jiff::ToSpan as _;
use local::messages::{Channel, Message};
use serde_json::{Value, json};
use stories::{Answer, Caller, OLA, World};

use crate::refusal::refused;

const MOBILE: &str = "+46701740699";
const OTHER_MOBILE: &str = "+46701740698";
const EVA: &str = "27904797001";

/// Sets a new mobile; the code that is sent to it.
async fn code_for(world: &World, person: &str, mobile: &str) -> String {
    let contact = json!({ "mobile": mobile });
    world
        .citizen(person)
        .put("/v1/me/contact", &contact)
        .send()
        .await
        .expect(200);
    world.last_code(Channel::Sms).await
}

async fn validate(citizen: &Caller<'_>, channel: &str, code: &str) -> Answer {
    let body = json!({ "channel": channel, "code": code });
    citizen.post("/v1/me/contact/validate", &body).send().await
}

async fn ask_again(citizen: &Caller<'_>) -> Answer {
    citizen
        .post("/v1/me/contact/validate", &json!({ "channel": "sms" }))
        .send()
        .await
}

/// Six digits that are not these.
fn another(code: &str, by: u32) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + by) % 1_000_000)
}

fn seconds(answer: &Answer) -> u32 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

async fn codes_sent(world: &World) -> Vec<Message> {
    let mut outbox = world.outbox().await;
    outbox.retain(|message| message.kind.as_deref() == Some("code"));
    outbox
}

#[tokio::test]
async fn whatever_is_wrong_with_a_code_the_answer_is_the_same() {
    let world = World::new().await;
    let (ola, eva) = (world.citizen(OLA), world.citizen(EVA));
    let mut answers = Vec::new();
    let mut wrong = |row, answer| answers.push(refused(row, answer, 422, "wrong-code"));

    wrong("never in the register", validate(&ola, "sms", "123456").await);
    wrong("none was sent", validate(&eva, "sms", "123456").await);
    let olas = code_for(&world, OLA, MOBILE).await;
    let evas = code_for(&world, EVA, OTHER_MOBILE).await;
    assert_ne!(olas, evas);
    wrong("another", validate(&ola, "sms", &another(&olas, 1)).await);
    wrong("another person's", validate(&ola, "sms", &evas).await);
    wrong("for a channel without an address", validate(&ola, "email", &olas).await);
    wrong("another channel's", validate(&eva, "email", &evas).await);

    validate(&ola, "sms", &olas).await.expect(200);
    wrong("used", validate(&ola, "sms", &olas).await);
    wrong(
        "another, when one was used",
        validate(&ola, "sms", &another(&olas, 1)).await,
    );

    let replaced = code_for(&world, EVA, MOBILE).await;
    wrong("for the number of before", validate(&eva, "sms", &evas).await);
    world.pass(10.minutes()).await;
    let eva = world.citizen(EVA);
    wrong("expired", validate(&eva, "sms", &replaced).await);
    wrong(
        "another, when one expired",
        validate(&eva, "sms", &another(&replaced, 1)).await,
    );
    let body = answers[0].body.clone();
    assert!(answers.iter().all(|answer| answer.body == body));
    assert_eq!(eva.get("/v1/me").send().await.body["mobile"].get("validatedAt"), None);
}

#[tokio::test]
async fn a_code_is_good_until_its_last_second() {
    let world = World::new().await;
    let code = code_for(&world, OLA, MOBILE).await;
    world.pass(9.minutes().seconds(59)).await;
    validate(&world.citizen(OLA), "sms", &code).await.expect(200);
}

#[tokio::test]
async fn what_is_not_six_digits_is_no_try() {
    let world = World::new().await;
    let code = code_for(&world, OLA, MOBILE).await;
    let ola = world.citizen(OLA);
    for text in [
        "",
        "12345",
        "1234567",
        "12345a",
        "１２３４５６",
        " 12345",
        "12 456",
        "-12345",
    ] {
        let answer = validate(&ola, "sms", text).await;
        refused(text, answer, 422, "wrong-code");
    }
    for value in [json!(123_456), json!(["123456"])] {
        let body = json!({ "channel": "sms", "code": value });
        refused(
            &value,
            ola.post("/v1/me/contact/validate", &body).send().await,
            400,
            "invalid-value",
        );
    }
    for (channel, status, kind) in [
        (json!("SMS"), 422, "unknown-channel"),
        (json!(""), 422, "unknown-channel"),
        (json!(1), 400, "invalid-value"),
        (Value::Null, 400, "invalid-value"),
    ] {
        let body = json!({ "channel": channel, "code": code });
        refused(
            &channel,
            ola.post("/v1/me/contact/validate", &body).send().await,
            status,
            kind,
        );
    }
    refused(
        "no channel",
        ola.post("/v1/me/contact/validate", &json!({ "code": code }))
            .send()
            .await,
        400,
        "missing-field",
    );
    validate(&ola, "sms", &code).await.expect(200);
}

#[tokio::test]
async fn the_sixth_try_is_one_too_many_even_with_the_right_code() {
    let world = World::new().await;
    let code = code_for(&world, OLA, MOBILE).await;
    let ola = world.citizen(OLA);
    for by in 1..=5 {
        refused(by, validate(&ola, "sms", &another(&code, by)).await, 422, "wrong-code");
    }
    for text in [another(&code, 6), code.clone()] {
        let answer = refused(
            "the sixth",
            validate(&ola, "sms", &text).await,
            429,
            "too-many-requests",
        );
        assert_eq!(seconds(&answer), 600, "until the code has run out");
    }
    assert_eq!(ola.get("/v1/me").send().await.body["mobile"].get("validatedAt"), None);
    // A new code has its own tries.
    world.pass(61.seconds()).await;
    let ola = world.citizen(OLA);
    ask_again(&ola).await.expect(202);
    let code = world.last_code(Channel::Sms).await;
    validate(&ola, "sms", &code).await.expect(200);
}

#[tokio::test]
async fn of_fifty_tries_at_once_five_are_compared() {
    let world = World::new().await;
    let code = code_for(&world, OLA, MOBILE).await;
    let ola = world.citizen(OLA);
    let guesses: Vec<_> = (1..=50).map(|by| another(&code, by)).collect();
    let answers = join_all(guesses.iter().map(|guess| validate(&ola, "sms", guess))).await;
    let (compared, turned_away): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 422);
    assert_eq!((compared.len(), turned_away.len()), (5, 45));
    for answer in compared {
        refused("compared", answer, 422, "wrong-code");
    }
    for answer in turned_away {
        refused("turned away", answer, 429, "too-many-requests");
    }
    refused(
        "the right one",
        validate(&ola, "sms", &code).await,
        429,
        "too-many-requests",
    );
}

#[tokio::test]
async fn of_the_right_code_many_times_at_once_one_is_used() {
    let world = World::new().await;
    let code = code_for(&world, OLA, MOBILE).await;
    let ola = world.citizen(OLA);
    let answers = join_all((0..5).map(|_| validate(&ola, "sms", &code))).await;
    let (used, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(!used.is_empty());
    for answer in late {
        refused("late", answer, 422, "wrong-code");
    }
    let history = ola.get("/v1/me/history").send().await.expect(200);
    let validations = history.body["changes"].as_array().unwrap().iter();
    let validations = validations.filter(|change| change["events"][0]["event"] == "contact-validated");
    assert_eq!(validations.count(), 1);
}

#[tokio::test]
async fn a_code_is_sent_again_after_a_minute_and_then_the_old_one_is_void() {
    let world = World::new().await;
    let first = code_for(&world, OLA, MOBILE).await;
    let ola = world.citizen(OLA);
    let answer = refused("at once", ask_again(&ola).await, 429, "too-many-requests");
    assert_eq!(seconds(&answer), 60);
    world.pass(59.seconds()).await;
    let answer = refused("a second too early", ask_again(&ola).await, 429, "too-many-requests");
    assert_eq!(seconds(&answer), 1);
    assert_eq!(codes_sent(&world).await.len(), 1);

    world.pass(1.second()).await;
    let answer = ask_again(&ola).await.expect(202);
    assert_eq!(answer.body, json!({ "channel": "sms" }));
    let sent = codes_sent(&world).await;
    assert_eq!((sent.len(), sent[1].to.as_str()), (2, MOBILE));
    let second = world.last_code(Channel::Sms).await;
    assert_ne!(first, second);
    refused("the old one", validate(&ola, "sms", &first).await, 422, "wrong-code");
    validate(&ola, "sms", &second).await.expect(200);
}

#[tokio::test]
async fn ten_codes_a_day_are_enough() {
    let world = World::new().await;
    code_for(&world, OLA, MOBILE).await;
    for _ in 2..=10 {
        world.pass(1.minute()).await;
        ask_again(&world.citizen(OLA)).await.expect(202);
    }
    world.pass(1.minute()).await;
    let ola = world.citizen(OLA);
    let answer = refused("the eleventh", ask_again(&ola).await, 429, "too-many-requests");
    assert_eq!(seconds(&answer), 24 * 3600 - 10 * 60);
    // Another number does not help: its code is one more, and without it the number is not taken.
    let before = ola.get("/v1/me").send().await.body;
    let other = ola
        .put("/v1/me/contact", &json!({ "mobile": OTHER_MOBILE }))
        .send()
        .await;
    refused("another number", other, 429, "too-many-requests");
    assert_eq!(ola.get("/v1/me").send().await.body, before);
    // The e-mail has a count of its own.
    ola.put("/v1/me/contact", &json!({ "email": "ola@example.no" }))
        .send()
        .await
        .expect(200);
    let sent = codes_sent(&world).await;
    assert_eq!(
        sent.iter().filter(|message| message.channel == Channel::Sms).count(),
        10
    );

    world.pass(jiff::Span::new().hours(23).minutes(50)).await;
    ask_again(&world.citizen(OLA)).await.expect(202);
    let code = world.last_code(Channel::Sms).await;
    validate(&world.citizen(OLA), "sms", &code).await.expect(200);
}
