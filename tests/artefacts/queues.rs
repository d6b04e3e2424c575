//! Queues: notices to be sent, files and their steps, what the population register tells.

use infra_aws::population::{PopulationEvent, PopulationMessage};
use local::{messages::Channel, sdk};
use mailbox_register::{
    caller::Scope,
    person::{PersonIdentifier, Population},
};
use serde_json::{Value, json};
use stories::{AGENCY, OLA};
use uuid::Uuid;

use crate::{
    event::event,
    house::{House, KARI, RESERVED, UNKNOWN, UNREADABLE_MESSAGE},
};

/// Two messages, of which nobody can read the second.
fn messages(queue: &str, body: &str) -> Value {
    event("sqs", &[("queue", json!(queue)), ("body", json!(body))])
}

/// What a function answers if it has done all but what it cannot read.
fn one_failed() -> Value {
    json!({"batchItemFailures": [{"itemIdentifier": UNREADABLE_MESSAGE}]})
}

#[tokio::test]
async fn notify_sends_a_message_once_and_names_the_one_it_cannot_read() {
    let house = House::new().await;
    let contact = json!({"mobile": "+46701740699", "language": "en"});
    house
        .world
        .citizen(OLA)
        .put("/v1/me/contact", &contact)
        .send()
        .await
        .expect(200);
    let [record] = house.records("NoticesTable").try_into().unwrap();
    let notice = record["dynamodb"]["Keys"]["id"]["S"].as_str().unwrap();

    let notify = house.start("notify").await;
    let queued = messages("register-SmsQueue", &json!({ "notice": notice }).to_string());
    assert_eq!(notify.invoke(&queued).await, one_failed());
    // SQS may deliver it again.
    assert_eq!(notify.invoke(&queued).await, one_failed());
    let sent = house.world.stack.messages().accepted();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].channel, sent[0].to.as_str()), (Channel::Sms, "+46701740699"));
    assert!(
        sent[0].text.starts_with("Kontaktregisteret: Your code is "),
        "{}",
        sent[0].text
    );
    assert_eq!(house.state_of(notice).await, "sent");
    assert!(!notify.log().contains("+46701740699"), "{}", notify.log());
    // The code is the one that the register takes: both have the same secret.
    let code = house.world.last_code(Channel::Sms).await;
    let validate = json!({"channel": "sms", "code": code});
    house
        .world
        .citizen(OLA)
        .post("/v1/me/contact/validate", &validate)
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn a_file_that_arrived_is_worked_off_step_by_step() {
    let house = House::new().await;
    let stack = &house.world.stack;
    let bucket = stack.buckets().name("FilesBucket").unwrap();
    let s3 = infra_aws::files::config(&sdk::config(stack.buckets().url()));
    let key = format!("uploads/{AGENCY}/tax.csv");
    let table = format!("person,reference\n{KARI},case-1\n{RESERVED},case-2\n{UNKNOWN},case-3\n");
    let put = aws_sdk_s3::Client::from_conf(s3).put_object().bucket(bucket).key(&key);
    put.body(table.into_bytes().into()).send().await.unwrap();
    let [created] = stack.buckets().take_events().try_into().unwrap();

    let batch = house.start("batch").await;
    let told = event(
        "s3",
        &[
            ("bucket", json!(bucket)),
            ("key", json!(key)),
            ("eTag", json!(created.e_tag)),
        ],
    );
    assert_eq!(
        batch.invoke(&messages("register-BatchQueue", &told.to_string())).await,
        one_failed()
    );
    let mut steps = Vec::new();
    loop {
        let queued = house.messages("BatchQueue").await;
        if queued.is_empty() {
            break;
        }
        for body in queued {
            assert_eq!(
                batch.invoke(&messages("register-BatchQueue", &body)).await,
                one_failed()
            );
            let step: Value = serde_json::from_str(&body).unwrap();
            steps.push(step["step"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(steps, ["plan", "chunk", "finish"]);
    let batches = house
        .agency_with(Scope::Batches)
        .get("/v1/batches")
        .send()
        .await
        .expect(200);
    let done = &batches.body["batches"][0];
    assert_eq!((&done["state"], &done["rows"]), (&json!("done"), &json!(3)), "{done}");
    assert_eq!(house.world.disclosures().await.count, 1);
}

#[tokio::test]
async fn s3_may_try_the_queue_out() {
    let house = House::new().await;
    let batch = house.start("batch").await;
    let test = event("s3-test", &[("bucket", json!("files"))]);
    let answer = batch.invoke(&messages("register-BatchQueue", &test.to_string())).await;
    assert_eq!(answer, one_failed());
}

#[tokio::test]
async fn population_applies_what_is_sealed_in_a_message() {
    let house = House::new().await;
    let stack = &house.world.stack;
    let person = PersonIdentifier::parse(KARI, Population::Synthetic).unwrap();
    let identity = (Uuid::new_v4(), stack.clock().now());
    let kms = stack.kms().client();
    let died = PopulationEvent::Died { person };
    let message = PopulationMessage::seal(&kms, "PopulationKey", identity, &died);
    let body = serde_json::to_string(&message.await.unwrap()).unwrap();
    assert!(!body.contains(KARI), "{body}");

    let population = house.start("population").await;
    let told = messages("register-PopulationQueue", &body);
    assert_eq!(population.invoke(&told).await, one_failed());
    assert_eq!(population.invoke(&told).await, one_failed());
    let asked = json!({"persons": [KARI], "purpose": "Decision on a building permit"});
    let seen = house
        .world
        .agency()
        .post("/v1/lookups", &asked)
        .send()
        .await
        .expect(200);
    assert_eq!(seen.body["results"][0]["status"], "deleted", "{}", seen.body);
    assert!(!population.log().contains(KARI), "{}", population.log());
}

#[tokio::test]
async fn an_empty_batch_has_no_failures() {
    let house = House::new().await;
    for name in ["notify", "population", "batch"] {
        let function = house.start(name).await;
        let answer = function.invoke(&json!({"Records": []})).await;
        assert_eq!(answer, json!({"batchItemFailures": []}), "{name}");
    }
}
