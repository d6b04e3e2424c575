//! What Lambda does between a stream or a queue and a function: batches in, partial failures honoured, what fails for
//! good set aside.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use infra_edge::stream::BatchItemFailure;
use serde_json::{Value, json};

use crate::{
    database::{Database, StreamRecord, stream_event},
    lambda::invoked,
    messages::Report,
    mishaps::Mishaps,
    queues::Queues,
    stack::StackError,
    template::{EventSource, Source, Template},
};

/// Lambda hands on every attribute that a message has.
pub(crate) const ALL_ATTRIBUTES: &str = "All";
/// How often Lambda calls a function that fails on what it was handed without a queue.
const REPORT_TRIES: u32 = 3;
/// How often a record is tried again at the most: no time passes in between, so more would bring nothing else.
const MOST_TRIES: u32 = 100;

/// A function that reads tables' streams.
#[async_trait]
pub(crate) trait StreamReader: Send + Sync {
    /// Its folder.
    fn name(&self) -> &'static str;

    /// Hands it an event, and gives the records that have to be delivered again.
    async fn read(&self, event: Value) -> Result<Vec<BatchItemFailure>, StackError>;
}

#[async_trait]
impl StreamReader for dispatch::App {
    fn name(&self) -> &'static str {
        "dispatch"
    }

    async fn read(&self, event: Value) -> Result<Vec<BatchItemFailure>, StackError> {
        let event = dispatch::Event::try_from(event).map_err(|_| StackError::Template("dispatch"))?;
        let answer = invoked(dispatch::handle(self, event)).await;
        Ok(answer.map(|answer| answer.batch_item_failures).unwrap_or_default())
    }
}

#[async_trait]
impl StreamReader for disclosures::App {
    fn name(&self) -> &'static str {
        "disclosures"
    }

    async fn read(&self, event: Value) -> Result<Vec<BatchItemFailure>, StackError> {
        let event = serde_json::from_value(event).map_err(|_| StackError::Template("disclosures"))?;
        Ok(invoked(disclosures::handle(self, event)).await.batch_item_failures)
    }
}

/// A function and one of the streams that it reads.
struct Reading {
    reader: Arc<dyn StreamReader>,
    source: EventSource,
}

/// The event source mappings of the template, driven by hand.
pub(crate) struct Drivers {
    dispatch: Arc<dispatch::App>,
    notify: Arc<notify::App>,
    receipts: receipts::App,
    sqs: aws_sdk_sqs::Client,
    mishaps: Option<Arc<Mishaps>>,
    streams: Vec<Reading>,
    queues: Vec<EventSource>,
    /// How often the record at a stream's head has failed.
    failures: Mutex<HashMap<String, u32>>,
    /// One pump at a time, so that "nothing left to do" means that.
    pumping: tokio::sync::Mutex<()>,
}

impl Drivers {
    pub(crate) fn new(
        template: &Template,
        dispatch: dispatch::App,
        readers: Vec<Arc<dyn StreamReader>>,
        notify: notify::App,
        receipts: receipts::App,
        sqs: aws_sdk_sqs::Client,
        mishaps: Option<Arc<Mishaps>>,
    ) -> Result<Self, StackError> {
        let sources = |name: &'static str| {
            let function = template
                .functions
                .values()
                .find(|function| function.code.as_deref() == Some(&format!("functions/{name}")));
            function
                .map(|function| function.event_sources.clone())
                .ok_or(StackError::Template(name))
        };
        let dispatch = Arc::new(dispatch);
        let mut streams = Vec::new();
        for reader in std::iter::once(Arc::clone(&dispatch) as Arc<dyn StreamReader>).chain(readers) {
            let sources = sources(reader.name())?.into_iter();
            streams.extend(sources.map(|source| Reading {
                reader: Arc::clone(&reader),
                source,
            }));
        }
        Ok(Self {
            dispatch,
            notify: Arc::new(notify),
            receipts,
            sqs,
            mishaps,
            streams,
            queues: sources("notify")?,
            failures: Mutex::default(),
            pumping: tokio::sync::Mutex::default(),
        })
    }

    /// Delivers everything that waits in streams and queues, and what follows from it.
    pub(crate) async fn settle(&self, database: &Database, queues: &Queues) -> Result<(), StackError> {
        let _alone = self.pumping.lock().await;
        loop {
            let mut worked = false;
            for reading in &self.streams {
                worked |= self.stream(reading, database, queues).await?;
            }
            for source in &self.queues {
                worked |= self.queue(source, queues).await?;
            }
            if !worked {
                return Ok(());
            }
        }
    }

    /// The tick of the minute.
    pub(crate) async fn tick(&self) {
        // What a tick does not manage, the next one does.
        if let Err(error) = invoked(dispatch::handle(&self.dispatch, dispatch::Event::Tick)).await {
            tracing::error!(%error, "the tick failed");
        }
    }

    /// Hands what SES and SNS report to the function, as SNS and CloudWatch Logs do: three times, if it fails.
    pub(crate) async fn report(&self, reports: Vec<Report>) {
        for report in reports {
            let event = match report {
                Report::Email { envelope, .. } => {
                    let envelope = serde_json::from_str(&envelope).unwrap_or(Value::Null);
                    json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": envelope }] })
                }
                Report::Sms { payload } => payload,
            };
            for attempt in 1..=REPORT_TRIES {
                let Ok(event) = receipts::Event::try_from(event.clone()) else {
                    break;
                };
                match invoked(receipts::handle(&self.receipts, event)).await {
                    Ok(()) => break,
                    Err(error) if attempt == REPORT_TRIES => tracing::error!(%error, "a report was set aside"),
                    Err(_) => {}
                }
            }
        }
    }

    async fn stream(&self, reading: &Reading, database: &Database, queues: &Queues) -> Result<bool, StackError> {
        let Reading { reader, source } = reading;
        let Source::Stream { table } = &source.source else {
            return Err(StackError::Template(reader.name()));
        };
        let stream = database.stream(table).ok_or(StackError::Template(reader.name()))?;
        let size = usize::try_from(source.batch_size).unwrap_or(1);
        let batch = stream.read(size)?;
        let Some(last) = batch.last() else {
            return Ok(false);
        };
        let wanted: Vec<StreamRecord> = batch
            .iter()
            .filter(|record| source.delivers(&record.record))
            .cloned()
            .collect();
        let failed = deliver(reader.as_ref(), &wanted).await?;
        if let Some(mishaps) = &self.mishaps {
            deliver(reader.as_ref(), &mishaps.repeated(&wanted)).await?;
        }
        // Lambda goes on after the record before the first that failed, and gives that one up in the end.
        let first = batch
            .iter()
            .position(|record| failed.iter().any(|one| one.item_identifier == record.sequence_number));
        match first {
            None => stream.handled(&last.sequence_number)?,
            Some(at) => {
                if self.gives_up(source, &batch[at]) {
                    self.set_aside(source, &batch[at], queues).await?;
                    stream.handled(&batch[at].sequence_number)?;
                } else if let Some(before) = at.checked_sub(1) {
                    stream.handled(&batch[before].sequence_number)?;
                }
            }
        }
        Ok(true)
    }

    fn gives_up(&self, source: &EventSource, record: &StreamRecord) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Source::Stream { table } = &source.source else {
            return true;
        };
        let record = format!("{table} {}", record.sequence_number);
        let times = failures.entry(record.clone()).or_default();
        *times += 1;
        let over = *times > source.maximum_retries.unwrap_or(3).min(MOST_TRIES);
        if over {
            failures.remove(&record);
        }
        over
    }

    /// The on-failure destination learns where the record stands in the stream, not what it says.
    async fn set_aside(&self, source: &EventSource, record: &StreamRecord, queues: &Queues) -> Result<(), StackError> {
        tracing::error!(record = record.sequence_number, "a stream record was given up");
        let Some(queue) = source.on_failure.as_deref().and_then(|id| queues.queue_url(id)) else {
            return Ok(());
        };
        let body = json!({ "startSequenceNumber": record.sequence_number });
        self.sqs
            .send_message()
            .queue_url(queue)
            .message_body(body.to_string())
            .send()
            .await
            .map_err(|error| StackError::Queue(error.to_string()))?;
        Ok(())
    }

    async fn queue(&self, source: &EventSource, queues: &Queues) -> Result<bool, StackError> {
        let Source::Queue { queue } = &source.source else {
            return Err(StackError::Template("notify"));
        };
        let url = queues.queue_url(queue).ok_or(StackError::Template("notify"))?;
        let received = self
            .sqs
            .receive_message()
            .queue_url(&url)
            .message_attribute_names(ALL_ATTRIBUTES)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .max_number_of_messages(i32::try_from(source.batch_size.min(10)).unwrap_or(10))
            .send()
            .await
            .map_err(|error| StackError::Queue(error.to_string()))?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(false);
        }
        let records = messages.iter().map(record).collect();
        let answer = if let Some(mishaps) = &self.mishaps {
            mishaps.work(&self.notify, records).await
        } else {
            let mut event = SqsEvent::default();
            event.records = records;
            invoked(notify::handle(&self.notify, event)).await
        };
        hand_back(&self.sqs, &url, &messages, &answer).await?;
        Ok(true)
    }
}

/// Removes from a queue what a function has handled, and gives back at once what it has not.
pub(crate) async fn hand_back(
    sqs: &aws_sdk_sqs::Client,
    url: &str,
    messages: &[Message],
    answer: &SqsBatchResponse,
) -> Result<(), StackError> {
    let failed = |message: &Message| {
        answer
            .batch_item_failures
            .iter()
            .any(|failure| Some(failure.item_identifier.as_str()) == message.message_id())
    };
    let (again, done): (Vec<_>, Vec<_>) = messages.iter().partition(|message| failed(message));
    delete(sqs, url, &done).await?;
    for message in again {
        sqs.change_message_visibility()
            .queue_url(url)
            .receipt_handle(message.receipt_handle().unwrap_or_default())
            .visibility_timeout(0)
            .send()
            .await
            .map_err(|error| StackError::Queue(error.to_string()))?;
    }
    Ok(())
}

async fn delete(sqs: &aws_sdk_sqs::Client, url: &str, messages: &[&Message]) -> Result<(), StackError> {
    if messages.is_empty() {
        return Ok(());
    }
    let entries = messages.iter().enumerate().map(|(at, message)| {
        DeleteMessageBatchRequestEntry::builder()
            .id(at.to_string())
            .receipt_handle(message.receipt_handle().unwrap_or_default())
            .build()
    });
    let entries: Result<Vec<_>, _> = entries.collect();
    sqs.delete_message_batch()
        .queue_url(url)
        .set_entries(Some(entries.map_err(|error| StackError::Queue(error.to_string()))?))
        .send()
        .await
        .map_err(|error| StackError::Queue(error.to_string()))?;
    Ok(())
}

/// Hands records to a function and gives those that failed.
async fn deliver(reader: &dyn StreamReader, records: &[StreamRecord]) -> Result<Vec<BatchItemFailure>, StackError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    reader.read(stream_event(records)).await
}

/// A message as Lambda hands it to a function.
pub(crate) fn record(message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = message.message_id().map(str::to_owned);
    record.receipt_handle = message.receipt_handle().map(str::to_owned);
    record.body = message.body().map(str::to_owned);
    record.event_source = Some("aws:sqs".to_owned());
    let attributes = message.attributes.iter().flatten();
    record.attributes = attributes
        .map(|(name, value)| (name.as_str().to_owned(), value.clone()))
        .collect();
    let attributes = message.message_attributes.iter().flatten();
    record.message_attributes = attributes
        .map(|(name, value)| {
            let mut attribute = SqsMessageAttribute::default();
            attribute.string_value = value.string_value().map(str::to_owned);
            attribute.data_type = Some(value.data_type().to_owned());
            (name.clone(), attribute)
        })
        .collect();
    record
}
