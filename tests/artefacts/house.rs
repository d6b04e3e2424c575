//! A register whose functions are the built ones.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use local::{
    database::{StreamRecord, table_name},
    sdk,
    stack::Options,
};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, World};

use crate::{emulator::Emulator, event::event};

/// Has e-mail, mobile and mailbox.
pub(crate) const KARI: &str = "22885399316";
/// Refuses digital decisions.
pub(crate) const RESERVED: &str = "10915596784";
/// Not in the register.
pub(crate) const UNKNOWN: &str = "02907740652";

/// What SQS and the streams name the record that no function can read.
pub(crate) const UNREADABLE_MESSAGE: &str = "2e1424d4-f796-459a-8184-9c92662be6da";
pub(crate) const UNREADABLE_RECORD: &str = "4421584500000000017450439091";

pub(crate) struct House {
    pub(crate) world: World,
    sqs: aws_sdk_sqs::Client,
}

impl House {
    /// The functions' clock is the machine's, so the stack's is, too.
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let world = World::with(options).await;
        let sqs = aws_sdk_sqs::Client::new(&sdk::config(world.stack.queues().url()));
        Self { world, sqs }
    }

    /// A function's environment, as it is on this stack.
    pub(crate) fn environment(&self, function: &str) -> BTreeMap<String, String> {
        self.world.stack.environment(function).unwrap().clone()
    }

    /// Starts a function.
    pub(crate) async fn start(&self, function: &str) -> Emulator {
        Emulator::start(function, &self.environment(function)).await
    }

    /// What the authorizer says of a token: the functions find it in their events.
    pub(crate) async fn caller(&self, token: &str) -> Value {
        let authorizer = self.start("authorizer").await;
        let authorization = json!(format!("Bearer {token}"));
        let mut answer = authorizer
            .invoke(&event("authorizer", &[("authorization", authorization)]))
            .await;
        answer["context"].take()
    }

    /// The agency's system with one scope, on the stack's own functions.
    pub(crate) fn agency_with(&self, scope: Scope) -> Caller<'_> {
        self.world.organisation(AGENCY, &[scope])
    }

    /// The state of a notice as it is stored.
    pub(crate) async fn state_of(&self, notice: &str) -> String {
        let client = self.world.stack.client();
        let get = client
            .get_item()
            .table_name(table_name("NoticesTable"))
            .consistent_read(true);
        let got = get
            .key("id", AttributeValue::S(notice.to_owned()))
            .send()
            .await
            .unwrap();
        got.item.unwrap()["state"].as_s().unwrap().clone()
    }

    /// What waits in a table's stream, as Lambda hands it on. It counts as handled then.
    pub(crate) fn records(&self, table: &str) -> Vec<Value> {
        let stream = self.world.stack.database().stream(table).unwrap();
        let records: Vec<StreamRecord> = stream.read(1000).unwrap();
        if let Some(last) = records.last() {
            stream.handled(&last.sequence_number).unwrap();
        }
        records.into_iter().map(|record| record.record).collect()
    }

    /// The bodies of the messages that wait in a queue, which has none then.
    pub(crate) async fn messages(&self, queue: &str) -> Vec<String> {
        let url = self.world.stack.queues().queue_url(queue).unwrap();
        let mut bodies = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(&url).max_number_of_messages(10);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            for message in messages {
                let handle = message.receipt_handle.unwrap();
                let delete = self.sqs.delete_message().queue_url(&url).receipt_handle(handle);
                delete.send().await.unwrap();
                bodies.push(message.body.unwrap());
            }
        }
    }
}

/// A request by way of the HTTP API.
pub(crate) fn request(method: &str, path: &str, caller: &Value, body: &Value) -> Value {
    let values = [
        ("method", json!(method)),
        ("path", json!(path)),
        ("caller", caller.clone()),
        ("key", json!(uuid::Uuid::new_v4())),
        ("body", json!(body.to_string())),
    ];
    event("http", &values)
}

/// The JSON in an answer to the HTTP API.
pub(crate) fn body(answer: &Value) -> Value {
    let body = answer["body"].as_str();
    serde_json::from_str(body.unwrap_or_else(|| panic!("no body in {answer}"))).unwrap()
}
