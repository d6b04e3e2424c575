//! Where values could have got to: logs, metrics, tables, queues.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use local::template::Template;
use metrics_cloudwatch_embedded::Collector;
use serde_json::Value;
use stories::{World, log::Log};
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// A text, and where it stood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Text {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// All that the process logs and counts.
pub(crate) struct Telemetry {
    log: Log,
    metrics: &'static Collector,
}

impl Telemetry {
    /// Listens to the whole process from now on, as a function whose `LOG_LEVEL` is the lowest there is.
    pub(crate) fn listen() -> Self {
        let log = Log::default();
        tracing_subscriber::fmt()
            .json()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::NEW)
            .with_writer(log.clone())
            .finish()
            .with(infra_edge::telemetry::filter("trace"))
            .init();
        let metrics = metrics_cloudwatch_embedded::Builder::new()
            .cloudwatch_namespace("leaks")
            .init()
            .unwrap();
        Self { log, metrics }
    }

    /// The lines that were logged: each with its target and its JSON.
    pub(crate) fn lines(&self) -> Vec<Text> {
        let log = self.log.text();
        let lines = log.lines().map(|line| {
            let mut json: Value = serde_json::from_str(line).unwrap();
            let target = json["target"].as_str().unwrap().to_owned();
            // Their fractions are as good as random.
            let object = json.as_object_mut().unwrap();
            object.remove("timestamp");
            if let Some(fields) = object.get_mut("fields").and_then(Value::as_object_mut) {
                fields.remove("milliseconds");
            }
            Text {
                place: target,
                text: json.to_string(),
            }
        });
        lines.collect()
    }

    /// The names and labels that were counted under.
    pub(crate) fn names(&self) -> Vec<Text> {
        let mut counted = Vec::new();
        self.metrics.flush(&mut counted).unwrap();
        let mut names = Vec::new();
        for line in String::from_utf8(counted).unwrap().lines() {
            collect_names(&serde_json::from_str(line).unwrap(), &mut names);
        }
        let text = |text| Text {
            place: "metrics".to_owned(),
            text,
        };
        names.into_iter().map(text).collect()
    }
}

fn collect_names(json: &Value, names: &mut Vec<String>) {
    match json {
        Value::String(text) => names.push(text.clone()),
        Value::Array(elements) => elements.iter().for_each(|element| collect_names(element, names)),
        Value::Object(fields) => {
            for (name, value) in fields {
                names.push(name.clone());
                collect_names(value, names);
            }
        }
        _ => {}
    }
}

/// Every attribute of every item of every table, keys among them: `table.attribute.attribute`.
pub(crate) async fn attributes(world: &World) -> Vec<Text> {
    let mut texts = Vec::new();
    for id in Template::shipped().unwrap().tables.keys() {
        let table = local::database::table_name(id);
        let mut pages = world
            .stack
            .client()
            .scan()
            .table_name(&table)
            .into_paginator()
            .items()
            .send();
        while let Some(item) = pages.next().await {
            let item = item.unwrap();
            // What a notice may hold depends on what it says.
            let kind = item.get("kind").and_then(|kind| kind.as_s().ok());
            let place = match kind {
                Some(kind) if table == "notices" => format!("{table} ({kind})"),
                _ => table.clone(),
            };
            collect_attributes(&place, &AttributeValue::M(item), &mut texts);
        }
    }
    texts
}

fn collect_attributes(place: &str, value: &AttributeValue, texts: &mut Vec<Text>) {
    let mut add = |text: String| {
        let place = place.to_owned();
        texts.push(Text { place, text });
    };
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => add(text.clone()),
        AttributeValue::Ss(all) | AttributeValue::Ns(all) => all.iter().cloned().for_each(add),
        AttributeValue::B(bytes) => add(String::from_utf8_lossy(bytes.as_ref()).into_owned()),
        AttributeValue::Bs(all) => {
            let text =
                |bytes: &aws_sdk_dynamodb::primitives::Blob| String::from_utf8_lossy(bytes.as_ref()).into_owned();
            all.iter().map(text).for_each(add);
        }
        AttributeValue::L(elements) => {
            for element in elements {
                collect_attributes(place, element, texts);
            }
        }
        AttributeValue::M(fields) => {
            fields.keys().cloned().for_each(add);
            for (name, value) in fields {
                collect_attributes(&format!("{place}.{name}"), value, texts);
            }
        }
        AttributeValue::Bool(_) | AttributeValue::Null(_) => {}
        other => panic!("an attribute that is not understood: {other:?}"),
    }
}

/// What waits in a queue, and in which groups. It goes on waiting.
pub(crate) async fn messages(world: &World, sqs: &aws_sdk_sqs::Client, queue: &str) -> Vec<Text> {
    let url = world.stack.queues().queue_url(queue).unwrap();
    let received = sqs
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(10)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
        .send()
        .await
        .unwrap();
    // The stand-in takes a timeout of none for the queue's own.
    for message in received.messages() {
        let back = sqs.change_message_visibility().queue_url(&url).visibility_timeout(0);
        let back = back.receipt_handle(message.receipt_handle().unwrap());
        back.send().await.unwrap();
    }
    let text = |message: &aws_sdk_sqs::types::Message| Text {
        place: queue.to_owned(),
        text: format!(
            "{} {:?} {:?}",
            message.body().unwrap(),
            message.message_attributes(),
            message.attributes()
        ),
    };
    received.messages().iter().map(text).collect()
}
