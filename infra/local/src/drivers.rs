//! What Lambda does between a stream or a queue and a function: batches in, partial failures honoured, what fails for
//! good set aside.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};

use crate::{
    database::{Database, StreamRecord, stream_event},
    queues::Queues,
    stack::StackError,
    template::{EventSource, Source, Template},
};

/// The event source mappings of the template, driven by hand.
pub(crate) struct Drivers {
    dispatch: dispatch::App,
    notify: notify::App,
    sqs: aws_sdk_sqs::Client,
    outbox: EventSource,
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
        notify: notify::App,
        sqs: aws_sdk_sqs::Client,
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
        let outbox = sources("dispatch")?.pop().ok_or(StackError::Template("dispatch"))?;
        Ok(Self {
            dispatch,
            notify,
            sqs,
            outbox,
            queues: sources("notify")?,
            failures: Mutex::default(),
            pumping: tokio::sync::Mutex::default(),
        })
    }

    /// Delivers everything that waits in streams and queues, and what follows from it.
    pub(crate) async fn settle(&self, database: &Database, queues: &Queues) -> Result<(), StackError> {
        let _alone = self.pumping.lock().await;
        loop {
            let mut worked = self.stream(database, queues).await?;
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
        if let Err(error) = dispatch::handle(&self.dispatch, dispatch::Event::Tick).await {
            tracing::error!(%error, "the tick failed");
        }
    }

    async fn stream(&self, database: &Database, queues: &Queues) -> Result<bool, StackError> {
        let Source::Stream { table } = &self.outbox.source else {
            return Err(StackError::Template("dispatch"));
        };
        let stream = database.stream(table).ok_or(StackError::Template("dispatch"))?;
        let size = usize::try_from(self.outbox.batch_size).unwrap_or(1);
        let batch = stream.read(size)?;
        let Some(last) = batch.last() else {
            return Ok(false);
        };
        let wanted: Vec<StreamRecord> = batch
            .iter()
            .filter(|record| self.outbox.delivers(&record.record))
            .cloned()
            .collect();
        let mut failed = Vec::new();
        if !wanted.is_empty() {
            let event =
                dispatch::Event::try_from(stream_event(&wanted)).map_err(|_| StackError::Template("dispatch"))?;
            if let Ok(answer) = dispatch::handle(&self.dispatch, event).await {
                failed = answer.batch_item_failures;
            }
        }
        // Lambda goes on after the record before the first that failed, and gives that one up in the end.
        let first = batch
            .iter()
            .position(|record| failed.iter().any(|one| one.item_identifier == record.sequence_number));
        match first {
            None => stream.handled(&last.sequence_number)?,
            Some(at) => {
                if self.gives_up(&batch[at]) {
                    self.set_aside(&batch[at], queues).await?;
                    stream.handled(&batch[at].sequence_number)?;
                } else if let Some(before) = at.checked_sub(1) {
                    stream.handled(&batch[before].sequence_number)?;
                }
            }
        }
        Ok(true)
    }

    fn gives_up(&self, record: &StreamRecord) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let times = failures.entry(record.sequence_number.clone()).or_default();
        *times += 1;
        let over = *times > self.outbox.maximum_retries.unwrap_or(3);
        if over {
            failures.remove(&record.sequence_number);
        }
        over
    }

    /// The on-failure destination learns where the record stands in the stream, not what it says.
    async fn set_aside(&self, record: &StreamRecord, queues: &Queues) -> Result<(), StackError> {
        tracing::error!(record = record.sequence_number, "a stream record was given up");
        let Some(queue) = self.outbox.on_failure.as_deref().and_then(|id| queues.queue_url(id)) else {
            return Ok(());
        };
        let body = serde_json::json!({ "startSequenceNumber": record.sequence_number });
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
            .max_number_of_messages(i32::try_from(source.batch_size.min(10)).unwrap_or(10))
            .send()
            .await
            .map_err(|error| StackError::Queue(error.to_string()))?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(false);
        }
        let mut event = SqsEvent::default();
        event.records = messages.iter().map(record).collect();
        let answer = notify::handle(&self.notify, event).await;
        let failed = |message: &Message| {
            answer
                .batch_item_failures
                .iter()
                .any(|failure| Some(failure.item_identifier.as_str()) == message.message_id())
        };
        let (again, done): (Vec<_>, Vec<_>) = messages.iter().partition(|message| failed(message));
        self.delete(&url, &done).await?;
        for message in again {
            self.sqs
                .change_message_visibility()
                .queue_url(&url)
                .receipt_handle(message.receipt_handle().unwrap_or_default())
                .visibility_timeout(0)
                .send()
                .await
                .map_err(|error| StackError::Queue(error.to_string()))?;
        }
        Ok(true)
    }

    async fn delete(&self, url: &str, messages: &[&Message]) -> Result<(), StackError> {
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
        self.sqs
            .delete_message_batch()
            .queue_url(url)
            .set_entries(Some(entries.map_err(|error| StackError::Queue(error.to_string()))?))
            .send()
            .await
            .map_err(|error| StackError::Queue(error.to_string()))?;
        Ok(())
    }
}

fn record(message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = message.message_id().map(str::to_owned);
    record.receipt_handle = message.receipt_handle().map(str::to_owned);
    record.body = message.body().map(str::to_owned);
    record.event_source = Some("aws:sqs".to_owned());
    record
}
