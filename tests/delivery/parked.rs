//! What this version of the code cannot read is set aside, not dropped, and its neighbours go on.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use local::database::table_name;
use mailbox_register::{contact::Channel, notice::NoticeId};
use serde_json::{Value, json};
use stories::World;
use uuid::Uuid;

use crate::scene::{CHANNELS, Parts, accepted, add, add_named, lose_stream};

type Item = HashMap<String, AttributeValue>;

/// A notice's row of which one attribute is of another version, or the row is none at all.
fn unreadable() -> Vec<Item> {
    let now = "2026-03-02T08:00:00Z";
    let good = json!({
        "person": "v1#x", "channel": "sms", "kind": "mailbox-chosen", "provider": "digipost", "firstDueAt": now,
        "deadline": "2026-03-05T09:00:00Z", "attempts": 0, "epoch": 1, "state": "waiting", "notBefore": now, "wakeAt": now,
    });
    let changes = [
        ("kind", json!("letter-arrived")),
        ("channel", json!("app")),
        ("notBefore", json!("soon")),
        ("epoch", Value::Null),
        // A name for a notice that is none today.
        ("id", json!("01JNB3V9ZK-letter")),
    ];
    let rows = changes.into_iter().zip(1_u8..).map(|((name, value), number)| {
        let mut row = good.clone();
        // The first byte says which partition of the index it would be in: all in the first.
        row["id"] = json!(Uuid::from_u128(0xbad_0000 + u128::from(number)));
        row[name] = value;
        let mut item: Item = serde_dynamo::to_item(row).unwrap();
        item.insert("dueBucket".to_owned(), AttributeValue::N("0".to_owned()));
        item.insert("dueAt".to_owned(), AttributeValue::N(number.to_string()));
        item
    });
    rows.collect()
}

async fn put(world: &World, item: &Item) {
    let put = world.stack.client().put_item().table_name(table_name("NoticesTable"));
    put.set_item(Some(item.clone())).send().await.unwrap();
}

async fn is_untouched(world: &World, item: &Item) -> bool {
    let get = world.stack.client().get_item().table_name(table_name("NoticesTable"));
    get.key("id", item["id"].clone()).send().await.unwrap().item.as_ref() == Some(item)
}

#[tokio::test]
async fn a_stream_record_that_cannot_be_read_is_set_aside_and_its_neighbours_go_on() {
    let world = World::new().await;
    let items = unreadable();
    let mut neighbours = add(&world, Channel::Sms, 1).await;
    for item in &items {
        put(&world, item).await;
        neighbours.extend(add(&world, Channel::Email, 1).await);
    }
    world.stack.settle().await.unwrap();
    for neighbour in &neighbours {
        assert_eq!(accepted(&world, neighbour.id).len(), 1);
    }
    let dead = world.stack.queues().queue_url("DispatchDeadLetters").unwrap();
    assert_eq!(Parts::of(&world).take(&dead).await.len(), items.len());
    for item in &items {
        assert!(is_untouched(&world, item).await, "{item:?}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_keep_the_tick_from_its_neighbours() {
    let world = World::new().await;
    let items = unreadable();
    for item in &items {
        put(&world, item).await;
    }
    let neighbours = (1..=20)
        .map(|number| NoticeId(Uuid::from_u128(number)))
        .collect::<Vec<_>>();
    add_named(&world, Channel::Sms, &neighbours).await;
    lose_stream(&world);
    world.stack.tick().await.unwrap();
    for neighbour in neighbours {
        assert_eq!(accepted(&world, neighbour).len(), 1);
    }
    for item in &items {
        assert!(is_untouched(&world, item).await, "{item:?}");
    }
}

#[tokio::test]
async fn pages_of_rows_that_cannot_be_read_keep_nobody_behind_them_waiting() {
    let world = World::new().await;
    let bad = unreadable().remove(0);
    for number in 0..120 {
        let mut item = bad.clone();
        let id = Uuid::from_u128(0xbad_1000 + number).to_string();
        item.insert("id".to_owned(), AttributeValue::S(id));
        put(&world, &item).await;
    }
    let behind = NoticeId(Uuid::from_u128(1));
    add_named(&world, Channel::Sms, &[behind]).await;
    lose_stream(&world);
    world.stack.tick().await.unwrap();
    assert_eq!(accepted(&world, behind).len(), 1);
}

#[tokio::test]
async fn a_queue_message_that_cannot_be_read_ends_in_the_dead_letters_and_its_neighbours_go_on() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let notice = unreadable().remove(0);
    put(&world, &notice).await;
    lose_stream(&world);
    let bodies = [
        json!({ "notice": notice["id"].as_s().unwrap() }),
        json!({ "version": 2, "letter": "x" }),
        json!("nonsense"),
    ];
    for channel in CHANNELS {
        let before = add(&world, channel, 1).await.remove(0);
        for body in &bodies {
            parts.enqueue_text(channel, &body.to_string()).await;
        }
        let after = add(&world, channel, 1).await.remove(0);
        world.stack.settle().await.unwrap();
        for neighbour in [before, after] {
            assert_eq!(accepted(&world, neighbour.id).len(), 1);
        }
        let dead = match channel {
            Channel::Sms => "SmsDeadLetters",
            Channel::Email => "EmailDeadLetters",
        };
        let dead = parts.take(&world.stack.queues().queue_url(dead).unwrap()).await;
        let mut dead: Vec<_> = dead.into_iter().map(|message| message.body.unwrap()).collect();
        let mut parked: Vec<_> = bodies.iter().map(Value::to_string).collect();
        dead.sort();
        parked.sort();
        assert_eq!(dead, parked);
    }
    assert!(is_untouched(&world, &notice).await);
}
