//! The queue: numbers are sealed in it, and what cannot be read is set aside alone.

use infra_aws::population::{PopulationEvent, PopulationMessage};
use local::sdk;
use mailbox_register::person::{PersonIdentifier, Population};
use serde_json::{Value, json};
use stories::{World, start_of_time};
use uuid::Uuid;

use crate::{D_NUMBER, KARI, died, look_up, tell, tell_and_settle};

const QUEUE: &str = "PopulationQueue";
const DEAD_LETTERS: &str = "PopulationDeadLetters";

fn sqs(world: &World) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&sdk::config(world.stack.queues().url()))
}

/// What waits in a queue, and goes on waiting.
async fn waiting(world: &World, queue: &str) -> Vec<String> {
    let url = world.stack.queues().queue_url(queue).unwrap();
    let sqs = sqs(world);
    let received = sqs.receive_message().queue_url(&url).max_number_of_messages(10);
    let received = received.send().await.unwrap();
    for message in received.messages() {
        let back = sqs.change_message_visibility().queue_url(&url).visibility_timeout(0);
        let back = back.receipt_handle(message.receipt_handle().unwrap());
        back.send().await.unwrap();
    }
    let bodies = received
        .messages()
        .iter()
        .map(|message| message.body().unwrap().to_owned());
    bodies.collect()
}

async fn put(world: &World, body: &str) {
    let url = world.stack.queues().queue_url(QUEUE).unwrap();
    let send = sqs(world).send_message().queue_url(url).message_body(body);
    send.send().await.unwrap();
}

/// A message about a person's death, sealed for the event `id`.
async fn sealed(world: &World, id: Uuid, person: &str, population: Population) -> Value {
    let person = PersonIdentifier::parse(person, population).unwrap();
    sealed_event(world, id, PopulationEvent::Died { person }).await
}

async fn sealed_event(world: &World, id: Uuid, event: PopulationEvent<PersonIdentifier>) -> Value {
    let kms = world.stack.kms().client();
    let message = PopulationMessage::seal(&kms, "PopulationKey", (id, start_of_time()), &event);
    serde_json::to_value(message.await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_holds_no_number() {
    let world = World::new().await;
    tell(&world, &died(KARI)).await;
    let [message] = waiting(&world, QUEUE).await.try_into().unwrap();
    assert!(message.contains("\"died\"") && !message.contains(KARI), "{message}");
    world.stack.settle().await.unwrap();
    assert_eq!(waiting(&world, QUEUE).await.len(), 0);
    assert_eq!(look_up(&world, &[KARI]).await[0]["status"], "deleted");
}

#[tokio::test]
async fn what_cannot_be_read_is_set_aside_and_keeps_nobody_waiting() {
    let world = World::new().await;
    let id = Uuid::new_v4();
    let good = sealed(&world, id, KARI, Population::Synthetic).await;
    let altered = |field: &str, value: Value| {
        let mut message = good.clone();
        message[field] = value;
        message.to_string()
    };
    let bad = [
        "not JSON".to_owned(),
        "{}".to_owned(),
        altered("event", json!("born")),
        altered("at", json!("yesterday")),
        altered("person", json!("bm90IHNlYWxlZA==")),
        altered("person", json!("?")),
        // Sealed for another event.
        altered("id", json!(Uuid::new_v4())),
        // Sealed for another kind of event.
        altered("event", json!("emigrated")),
        // Somebody whom this register does not hold.
        sealed(&world, id, "02013299903", Population::Real).await.to_string(),
    ];
    for body in &bad {
        put(&world, body).await;
    }
    put(&world, &good.to_string()).await;
    world.stack.settle().await.unwrap();
    assert_eq!(look_up(&world, &[KARI]).await[0]["status"], "deleted");
    assert_eq!(waiting(&world, QUEUE).await.len(), 0);
    let mut set_aside = waiting(&world, DEAD_LETTERS).await;
    set_aside.sort();
    let mut expected = bad.to_vec();
    expected.sort();
    assert_eq!(set_aside, expected);
}

#[tokio::test]
async fn a_replacement_cannot_be_turned_round_nor_made_a_death() {
    let world = World::new().await;
    let number = |text| PersonIdentifier::parse(text, Population::Synthetic).unwrap();
    let (old, new) = (number(D_NUMBER), number(KARI));
    let replacement = PopulationEvent::IdentifierReplaced { old, new };
    let good = sealed_event(&world, Uuid::new_v4(), replacement).await;
    let (mut turned, mut death) = (good.clone(), good.clone());
    turned["old"] = good["new"].clone();
    turned["new"] = good["old"].clone();
    death["event"] = json!("died");
    death["person"] = good["new"].clone();
    for field in ["old", "new"] {
        death.as_object_mut().unwrap().remove(field);
    }
    for bad in [turned, death] {
        put(&world, &bad.to_string()).await;
    }
    world.stack.settle().await.unwrap();
    assert_eq!(waiting(&world, DEAD_LETTERS).await.len(), 2);
    assert_eq!(look_up(&world, &[KARI]).await[0]["status"], "registered");
}

#[tokio::test]
async fn an_event_that_cannot_be_opened_now_can_be_redriven() {
    let world = World::new().await;
    world.stack.kms().set_down(false);
    tell(&world, &died(KARI)).await;
    world.stack.kms().set_down(true);
    world.stack.settle().await.unwrap();
    let [message] = waiting(&world, DEAD_LETTERS).await.try_into().unwrap();
    assert_eq!(look_up(&world, &[KARI]).await[0]["status"], "registered");
    world.stack.kms().set_down(false);
    put(&world, &message).await;
    world.stack.settle().await.unwrap();
    assert_eq!(look_up(&world, &[KARI]).await[0]["status"], "deleted");
}

#[tokio::test]
async fn the_same_event_twice_is_one() {
    let world = World::new().await;
    let mut event = died(KARI);
    event["id"] = json!(Uuid::new_v4());
    tell(&world, &event).await;
    tell_and_settle(&world, &event).await;
    let me = world.citizen(KARI).get("/v1/me").send().await.expect(200);
    tell_and_settle(&world, &event).await;
    assert_eq!(world.citizen(KARI).get("/v1/me").send().await.etag(), me.etag());
}
