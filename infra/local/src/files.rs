//! What S3 and Lambda do between the bucket and the function `batch`: each upload becomes a message, and messages are
//! worked off a few at a time.

use std::sync::Arc;

use aws_lambda_events::event::sqs::SqsEvent;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures_util::future::join_all;
use infra_aws::files::FileError;
use jiff::Timestamp;
use mailbox_register::batch::place::UPLOADS;

use crate::{
    bucket::{Buckets, ObjectCreated, notification},
    drivers::{ALL_ATTRIBUTES, record},
    lambda::invoked,
    queues::Queues,
    stack::StackError,
};

/// Logical ids, as the template has them.
const BUCKET: &str = "FilesBucket";
const QUEUE: &str = "BatchQueue";
/// Messages worked on at once: a machine has few processors, and each piece is in memory.
const AT_ONCE: i32 = 2;

/// The function, and the queue in front of it.
pub(crate) struct Files {
    batch: Arc<batch::App>,
    sqs: aws_sdk_sqs::Client,
    /// One at a time, so that "nothing left to do" means that.
    working: tokio::sync::Mutex<()>,
}

impl Files {
    pub(crate) fn new(batch: batch::App, sqs: aws_sdk_sqs::Client) -> Self {
        Self {
            batch: Arc::new(batch),
            sqs,
            working: tokio::sync::Mutex::default(),
        }
    }

    /// The function.
    pub(crate) fn batch(&self) -> Arc<batch::App> {
        Arc::clone(&self.batch)
    }

    /// Tells of uploads and works off what waits, and what follows from it. Says whether there was anything.
    pub(crate) async fn settle(&self, buckets: &Buckets, queues: &Queues, now: Timestamp) -> Result<bool, StackError> {
        let _alone = self.working.lock().await;
        let mut any = false;
        loop {
            let told = self.tell(buckets.take_events(), buckets, queues, now).await?;
            let worked = self.work(queues).await?;
            if !told && !worked {
                return Ok(any);
            }
            any = true;
        }
    }

    /// Takes up what an earlier run left: uploads that nobody was told of, and steps whose workers went with it.
    pub(crate) async fn take_up(&self, buckets: &Buckets, queues: &Queues, now: Timestamp) -> Result<(), StackError> {
        let name = buckets.name(BUCKET).ok_or(StackError::Template(BUCKET))?;
        let left = buckets.objects(name, UPLOADS)?;
        self.tell(left, buckets, queues, now).await?;
        batch::adopt(&self.batch)
            .await
            .map_err(|error| StackError::Files(error.to_string()))
    }

    /// Removes every file, and tells of none. A worker that is at one finds no batch any more.
    pub(crate) async fn reset(&self, buckets: &Buckets) -> Result<(), StackError> {
        let failed = |error: FileError| StackError::Files(error.to_string());
        loop {
            let keys = self.batch.files.keys("").await.map_err(failed)?;
            if keys.is_empty() {
                break;
            }
            self.batch.files.delete(&keys).await.map_err(failed)?;
        }
        buckets.take_events();
        Ok(())
    }

    /// The tick of the minute.
    pub(crate) async fn tick(&self) {
        // What a tick does not manage, the next one does.
        if let Err(error) = invoked(batch::handle(&self.batch, batch::Event::Tick)).await {
            tracing::error!(%error, "the tick of the files failed");
        }
    }

    async fn tell(
        &self,
        objects: Vec<ObjectCreated>,
        buckets: &Buckets,
        queues: &Queues,
        now: Timestamp,
    ) -> Result<bool, StackError> {
        let url = queues.queue_url(QUEUE).ok_or(StackError::Template(QUEUE))?;
        let bucket = buckets.name(BUCKET);
        let mut any = false;
        for object in objects {
            if Some(object.bucket.as_str()) != bucket || !object.key.starts_with(UPLOADS) {
                continue;
            }
            any = true;
            self.sqs
                .send_message()
                .queue_url(&url)
                .message_body(notification(&object, now).to_string())
                .send()
                .await
                .map_err(|error| StackError::Queue(error.to_string()))?;
        }
        Ok(any)
    }

    /// Works off some messages, each as an event of its own.
    async fn work(&self, queues: &Queues) -> Result<bool, StackError> {
        let url = queues.queue_url(QUEUE).ok_or(StackError::Template(QUEUE))?;
        let received = self
            .sqs
            .receive_message()
            .queue_url(&url)
            .message_attribute_names(ALL_ATTRIBUTES)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .max_number_of_messages(AT_ONCE)
            .send()
            .await
            .map_err(|error| StackError::Queue(error.to_string()))?;
        let messages = received.messages.unwrap_or_default();
        let any = !messages.is_empty();
        let worked = join_all(messages.iter().map(|message| self.work_on(message))).await;
        for (message, is_done) in messages.iter().zip(worked) {
            let handle = message.receipt_handle().unwrap_or_default();
            let result = if is_done {
                let request = self.sqs.delete_message().queue_url(&url).receipt_handle(handle);
                request.send().await.map(|_| ()).map_err(|error| error.to_string())
            } else {
                let request = self
                    .sqs
                    .change_message_visibility()
                    .queue_url(&url)
                    .receipt_handle(handle);
                let request = request.visibility_timeout(0);
                request.send().await.map(|_| ()).map_err(|error| error.to_string())
            };
            result.map_err(StackError::Queue)?;
        }
        Ok(any)
    }

    async fn work_on(&self, message: &Message) -> bool {
        let mut event = SqsEvent::default();
        event.records = vec![record(message)];
        let app = Arc::clone(&self.batch);
        // A task of its own: pieces are worked off on all processors.
        let handled =
            tokio::spawn(async move { invoked(batch::handle(&app, batch::Event::Queue(Box::new(event)))).await }).await;
        matches!(handled, Ok(Ok(answer)) if answer.batch_item_failures.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::{Source, Template};

    #[test]
    fn what_is_told_of_here_is_what_the_template_says() {
        let template = Template::shipped().unwrap();
        let notified = &template.resources[BUCKET].properties["NotificationConfiguration"];
        assert_eq!(
            notified,
            &json!({ "QueueConfigurations": [{
                "Event": "s3:ObjectCreated:*",
                "Queue": { "Fn::GetAtt": [QUEUE, "Arn"] },
                "Filter": { "S3Key": { "Rules": [{ "Name": "prefix", "Value": UPLOADS }] } },
            }] })
        );
        let batch = template
            .functions
            .values()
            .find(|function| function.code.as_deref() == Some("functions/batch"))
            .unwrap();
        let [source] = batch.event_sources.as_slice() else {
            panic!("one queue, and nothing else")
        };
        let queue = QUEUE.to_owned();
        assert_eq!(source.source, Source::Queue { queue });
        // Each message is an event of its own here as well.
        assert_eq!((source.batch_size, source.partial_batches), (1, true));
    }
}
