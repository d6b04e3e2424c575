//! What SES and SNS report back: notifications of a topic, and lines of a log.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use local::messages::{Channel, Message};
use serde_json::{Value, json};
use stories::OLA;

use crate::{event::event, house::House};

/// A notification of the topic with an event of SES.
fn notification(bounce: &Value) -> Value {
    event("sns", &[("message", json!(bounce.to_string()))])
}

/// An event of a log subscription with one line.
fn log(line: &Value, at: i64) -> Value {
    let values = [("line", json!(line.to_string())), ("timestamp", json!(at))];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(event("sms-log", &values).to_string().as_bytes())
        .unwrap();
    event("logs", &[("data", json!(STANDARD.encode(gzip.finish().unwrap())))])
}

/// The code that went out to Ola on a channel.
async fn sent(house: &House, channel: Channel) -> Message {
    let contact = json!({"mobile": "+46701740699", "email": "ola@example.no"});
    house
        .world
        .citizen(OLA)
        .put("/v1/me/contact", &contact)
        .send()
        .await
        .expect(200);
    let outbox = house.world.outbox().await;
    outbox.into_iter().find(|message| message.channel == channel).unwrap()
}

#[tokio::test]
async fn a_bounce_marks_the_address() {
    let house = House::new().await;
    let message = sent(&house, Channel::Email).await;
    let receipts = house.start("receipts").await;
    let configuration_set = house.environment("receipts")["SES_CONFIGURATION_SET"].clone();
    let bounce = event(
        "ses-bounce",
        &[
            ("to", json!(message.to)),
            ("at", json!(message.at)),
            ("messageId", json!(message.message_id)),
            ("notice", json!(message.notice_id)),
            ("configurationSet", json!(configuration_set)),
        ],
    );
    assert_eq!(receipts.invoke(&notification(&bounce)).await, Value::Null);
    let me = house.world.citizen(OLA).get("/v1/me").send().await.expect(200);
    assert_eq!(me.body["email"]["deliverable"], false, "{}", me.body);
    assert!(!receipts.log().contains("ola@example.no"), "{}", receipts.log());
}

#[tokio::test]
async fn a_delivery_is_noted() {
    let house = House::new().await;
    let message = sent(&house, Channel::Sms).await;
    let receipts = house.start("receipts").await;
    let line = event(
        "sms-line",
        &[("to", json!(message.to)), ("messageId", json!(message.message_id))],
    );
    assert_eq!(
        receipts.invoke(&log(&line, message.at.as_millisecond())).await,
        Value::Null
    );
    assert_eq!(house.state_of(message.notice_id.as_deref().unwrap()).await, "delivered");
    assert!(!receipts.log().contains("+46701740699"), "{}", receipts.log());
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_without_what_stood_in_it() {
    let house = House::new().await;
    let receipts = house.start("receipts").await;
    let once = "1 reports could not be applied, the last because: the report is malformed";
    for (event, error) in [
        (notification(&json!({"to": "ola@example.no"})), once),
        (log(&json!({"to": "+46701740699"}), 0), once),
        (json!({"awslogs": {"data": "b2xhQGV4YW1wbGUubm8="}}), once),
        (
            json!({"Records": [{"to": "ola@example.no"}]}),
            "not an event that starts this function",
        ),
    ] {
        let answer = receipts.invoke(&event).await;
        assert_eq!(answer["errorMessage"], error, "{answer}");
    }
    assert!(!receipts.log().contains("ola@example.no"), "{}", receipts.log());
}
