//! Contact details that nobody can be reached by.

use serde_json::{Value, json};
use stories::{OLA, World};

use crate::refusal::refused;

/// Has an e-mail and a mobile, both validated.
const KARI: &str = "22885399316";

/// Sends each value of a field; it is refused at its place, and nothing comes of it.
async fn refuses(world: &World, field: &str, values: &[Value], status: u16, kind: &str) {
    for person in [OLA, KARI] {
        let citizen = world.citizen(person);
        let before = citizen.get("/v1/me").send().await.body;
        for value in values {
            // The rest of the request would do.
            let mut contact = json!({ "email": "ola@example.no", "mobile": "+46701740699", "language": "en" });
            contact[field] = value.clone();
            let answer = citizen.put("/v1/me/contact", &contact).send().await;
            let answer = refused(value, answer, status, kind);
            let errors = json!([{ "pointer": format!("/{field}"), "code": kind }]);
            assert_eq!(answer.body["errors"], errors, "{value}");
        }
        assert_eq!(citizen.get("/v1/me").send().await.body, before);
    }
    assert!(world.outbox().await.is_empty());
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Value> {
    texts.map(Value::from).to_vec()
}

#[tokio::test]
async fn numbers_that_get_no_sms() {
    // Numbers of no fiction are put together here: a prefix and zeros.
    let zeros = |prefix: &str, count: usize| Value::from(format!("{prefix}{}", "0".repeat(count)));
    let mut wrong = texts([
        "",
        "+",
        "46701740699",
        "0701740699",
        "701740699",
        "0046701740699",
        "+4670174069",
        "+467017406990",
        "+46701740699000000",
        "+46 70 174 06 99",
        "+46-701740699",
        "+46(0)701740699",
        "tel:+46701740699",
        "+46701740699,+46701740698",
        "+46701740699;ext=1",
        "+4670174069O",
        "+４６７０１７４０６９９",
        "++46701740699",
        " +46701740699",
        "+46701740699\n",
        "+46701740699\u{200b}",
        "\u{202e}+46701740699",
        // A landline, and a country that text messages are not sent to.
        "+46846500400",
        "+447700900000",
    ]);
    wrong.extend([
        zeros("+479", 6),
        zeros("+479", 8),
        zeros("+4722", 6),
        // Premium, national and international; satellites.
        zeros("+46900", 6),
        zeros("+4782", 6),
        zeros("+979", 9),
        zeros("+870", 9),
        zeros("+881", 9),
        zeros("+882", 9),
        zeros("+883", 9),
        zeros("+0", 9),
    ]);
    refuses(&World::new().await, "mobile", &wrong, 422, "number-not-allowed").await;
}

#[tokio::test]
async fn addresses_that_get_no_email() {
    let long = |local: usize, labels: usize| {
        let label = format!("{}.", "d".repeat(60));
        Value::from(format!("{}@{}no", "l".repeat(local), label.repeat(labels)))
    };
    let mut wrong = texts([
        "",
        "@",
        "ola",
        "ola@",
        "@example.no",
        "ola@@example.no",
        "ola@kontor@example.no",
        "ola@example",
        "ola@.no",
        "ola@example..no",
        "ola@-example.no",
        ".ola@example.no",
        "ola.@example.no",
        "o..la@example.no",
        "ola nordmann@example.no",
        " ola@example.no",
        "ola@example.no ",
        "ola@[127.0.0.1]",
        "ola@127.0.0.1",
        "ola@[IPv6:2001:db8::1]",
        "\"ola\"@example.no",
        "\"ola nordmann\"@example.no",
        "ola(kontor)@example.no",
        "ola@example.no(kontor)",
        "Ola <ola@example.no>",
        "mailto:ola@example.no",
        "øla@example.no",
        "ola@ex\u{430}mple.no",
        "ola@example.no\r\nBcc: kari@example.no",
        "ola@example.no\n",
        "ola\r@example.no",
        "ola\u{7f}@example.no",
        "\u{202e}ola@example.no",
        "ola@exam\u{200b}ple.no",
        "ola\u{200d}@example.no",
        "ola@example\u{ad}.no",
        "ola\u{feff}@example.no",
        "ola@example.no,kari@example.no",
        "ola@example.no, kari@example.no",
        "ola@example.no;kari@example.no",
        "ola@example.no kari@example.no",
    ]);
    wrong.extend([long(65, 1), long(64, 5), long(400, 0), long(1, 1000)]);
    refuses(&World::new().await, "email", &wrong, 422, "email-not-deliverable").await;
}

#[tokio::test]
async fn languages_that_nobody_is_written_to_in() {
    let wrong = texts(["", "no", "NB", "nb-NO", "sv", "da", "sme", "nb ", "nb,nn"]);
    refuses(&World::new().await, "language", &wrong, 422, "unknown-language").await;
}

#[tokio::test]
async fn channels_that_there_are_not() {
    let wrong = texts(["", "SMS", "e-mail", "letter", "sms,email"]);
    refuses(&World::new().await, "preferredChannel", &wrong, 422, "unknown-channel").await;
}

#[tokio::test]
async fn values_that_are_no_texts() {
    let wrong = [
        json!(1),
        json!(true),
        json!(["+46701740699"]),
        json!({ "address": "ola@example.no" }),
    ];
    let world = World::new().await;
    for field in ["email", "mobile", "language", "preferredChannel"] {
        refuses(&world, field, &wrong, 400, "invalid-value").await;
    }
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let world = World::new().await;
    let contact = json!({ "email": "ola", "mobile": 1, "language": "xx", "preferredChannel": "sms" });
    let answer = world.citizen(OLA).put("/v1/me/contact", &contact).send().await;
    // Syntax before meaning.
    let answer = refused("three fields", answer, 400, "invalid-value");
    let errors = json!([
        { "pointer": "/email", "code": "email-not-deliverable" },
        { "pointer": "/mobile", "code": "invalid-value" },
        { "pointer": "/language", "code": "unknown-language" },
    ]);
    assert_eq!(answer.body["errors"], errors);
}
