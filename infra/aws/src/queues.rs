//! The send queues, one per channel. A message holds a notice's identity and nothing else.

use aws_sdk_sqs::Client;
use mailbox_register::{
    contact::Channel,
    notice::{Message, Notice, NoticeId},
};
use serde::{Deserialize, Serialize};

use crate::{error::StoreError, trace};

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
    pub async fn send(&self, notice: &Notice) -> Result<(), StoreError> {
        let queue = match notice.channel {
            Channel::Sms => &self.sms,
            Channel::Email => &self.email,
        };
        let message = SendMessage { notice: notice.id };
        let body = serde_json::to_string(&message).map_err(|_| StoreError::Unwritable("queue"))?;
        self.client
            .send_message()
            .queue_url(queue)
            .message_body(body)
            .message_group_id(group(notice))
            .set_message_attributes(trace::attributes(notice.trace)?)
            .set_message_system_attributes(trace::system_attributes(notice.trace)?)
            .send()
            .await?;
        Ok(())
    }
}

/// Groups take turns in a queue: one organisation's two million letters do not keep another's ten waiting, and none of
/// them what the register itself has to say.
fn group(notice: &Notice) -> String {
    match notice.message {
        Message::Letter { announced_by, .. } => announced_by.to_string(),
        // Nobody waits for these: they keep no code waiting.
        Message::FreshnessReminder => "reminders".to_owned(),
        // So many at once wait behind each other.
        Message::ProviderLeaves { .. } => "leaving".to_owned(),
        Message::MailboxChosen { .. } | Message::AddressChanged { .. } | Message::Code { .. } => "register".to_owned(),
    }
}
