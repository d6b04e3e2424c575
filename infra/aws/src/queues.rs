//! The send queues, one per channel. A message holds a notice's identity and nothing else.

use aws_sdk_sqs::Client;
use mailbox_register::{contact::Channel, notice::NoticeId};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// What a queue carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendMessage {
    /// Which notice is due.
    pub notice: NoticeId,
}

/// The queues for SMS and e-mail.
#[derive(Debug, Clone)]
pub struct SendQueues {
    client: Client,
    sms: String,
    email: String,
}

impl SendQueues {
    /// Queues by their URLs.
    pub const fn new(client: Client, sms: String, email: String) -> Self {
        Self { client, sms, email }
    }

    /// Puts a notice into its channel's queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn send(&self, channel: Channel, notice: NoticeId) -> Result<(), StoreError> {
        let queue = match channel {
            Channel::Sms => &self.sms,
            Channel::Email => &self.email,
        };
        let body = serde_json::to_string(&SendMessage { notice }).map_err(|_| StoreError::Unwritable("queue"))?;
        self.client
            .send_message()
            .queue_url(queue)
            .message_body(body)
            .send()
            .await?;
        Ok(())
    }
}
