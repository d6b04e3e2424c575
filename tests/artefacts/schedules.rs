//! The tick of the minute.

use mailbox_register::hours;
use serde_json::{Value, json};
use stories::OLA;

use crate::{event::event, house::House};

#[tokio::test]
async fn dispatch_queues_what_the_stream_has_missed() {
    let house = House::new().await;
    let contact = json!({"mobile": "+46701740699"});
    house
        .world
        .citizen(OLA)
        .put("/v1/me/contact", &contact)
        .send()
        .await
        .expect(200);
    let dispatch = house.start("dispatch").await;
    assert_eq!(
        dispatch.invoke(&event("schedule", &[])).await,
        json!({"batchItemFailures": []})
    );
    assert_eq!(house.messages("SmsQueue").await.len(), 1);
}

#[tokio::test]
async fn batch_looks_for_files_nobody_carries_on_with() {
    let house = House::new().await;
    let batch = house.start("batch").await;
    assert_eq!(
        batch.invoke(&event("schedule", &[])).await,
        json!({"batchItemFailures": []})
    );
}

#[tokio::test]
async fn freshness_reminds_by_day() {
    let house = House::new().await;
    let freshness = house.start("freshness").await;
    let due = house.world.stack.clock().now();
    assert_eq!(freshness.invoke(&event("schedule", &[])).await, Value::Null);
    let reminders = house.records("NoticesTable").len();
    // Two of the test persons are to be reminded. The function's clock is the machine's.
    assert_eq!(reminders > 0, hours::is_decent(due), "{reminders}");
}
