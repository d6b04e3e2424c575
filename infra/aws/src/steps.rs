//! The queue of batches' steps. A message names a batch and a step, and carries nothing of what stands in the file.

use aws_sdk_sqs::{Client, types::SendMessageBatchRequestEntry};
use mailbox_register::batch::life::{Batch, BatchId};
use serde::{Deserialize, Serialize};

use crate::{error::StoreError, trace};

/// Messages in one call, SQS's limit.
const AT_ONCE: usize = 10;

/// A step of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub enum Step {
    /// The file is read for the first time.
    Plan,
    /// A piece of it is worked off.
    Chunk {
        /// Which.
        chunk: u32,
    },
    /// The pieces are put together.
    Finish,
}

/// What the queue carries, apart from what S3 puts into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepMessage {
    /// Which batch.
    pub batch: BatchId,
    /// What is to be done.
    #[serde(flatten)]
    pub step: Step,
}

/// The queue.
#[derive(Debug, Clone)]
pub struct StepQueue {
    client: Client,
    url: String,
}

impl StepQueue {
    /// The queue at `url`.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Asks for steps of a batch. Organisations take turns: one's five million rows do not keep
    /// another's ten waiting.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been asked for then.
    pub async fn ask(&self, batch: &Batch, steps: &[Step]) -> Result<(), StoreError> {
        for steps in steps.chunks(AT_ONCE) {
            let mut entries = Vec::with_capacity(steps.len());
            for (at, step) in steps.iter().enumerate() {
                let body = serde_json::to_string(&StepMessage {
                    batch: batch.id,
                    step: *step,
                });
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(at.to_string())
                    .message_body(body.map_err(|_| StoreError::Unwritable("queue"))?)
                    .message_group_id(batch.organisation.to_string())
                    .set_message_attributes(trace::attributes(batch.trace)?)
                    .set_message_system_attributes(trace::system_attributes(batch.trace)?)
                    .build();
                entries.push(entry.map_err(|_| StoreError::Unwritable("queue"))?);
            }
            let sent = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await?;
            if let Some(failed) = sent.failed.first() {
                return Err(StoreError::Unavailable(failed.code.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_message_names_batch_and_step_and_nothing_else() {
        let message = |step| StepMessage {
            batch: BatchId(Uuid::nil()),
            step,
        };
        for (step, body) in [
            (
                Step::Plan,
                r#"{"batch":"00000000-0000-0000-0000-000000000000","step":"plan"}"#,
            ),
            (
                Step::Chunk { chunk: 3 },
                r#"{"batch":"00000000-0000-0000-0000-000000000000","step":"chunk","chunk":3}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&message(step)).unwrap(), body);
            assert_eq!(serde_json::from_str::<StepMessage>(body).unwrap(), message(step));
        }
    }
}
