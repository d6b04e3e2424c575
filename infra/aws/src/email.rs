//! E-mail through SES.

use aws_sdk_ses::{
    Client,
    error::BuildError,
    types::{Body, Content, Destination, Message, MessageTag},
};
use mailbox_register::{contact::EmailAddress, notice::Notice, texts::Mail};

use crate::sending::{SendError, classify};

/// Sends e-mail.
#[derive(Debug, Clone)]
pub struct EmailSender {
    client: Client,
    from: String,
    configuration_set: String,
}

impl EmailSender {
    /// Sends from `from`; SES reports what became of each message to `configuration_set`.
    pub const fn new(client: Client, from: String, configuration_set: String) -> Self {
        Self {
            client,
            from,
            configuration_set,
        }
    }

    /// Sends one e-mail in plain text and HTML, and gives the provider's identity for it.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, notice: &Notice, to: &EmailAddress, mail: &Mail) -> Result<String, SendError> {
        let refused = |_: BuildError| SendError::MessageRefused;
        let body = Body::builder()
            .text(content(&mail.text).map_err(refused)?)
            .html(content(&mail.html).map_err(refused)?)
            .build();
        let message = Message::builder()
            .subject(content(&mail.subject).map_err(refused)?)
            .body(body)
            .build();
        let sent = self
            .client
            .send_email()
            .source(&self.from)
            .destination(Destination::builder().to_addresses(to.to_ascii()).build())
            .message(message)
            .configuration_set_name(&self.configuration_set)
            // Receipts find the notice by these.
            .tags(tag("notice-id", &notice.id.to_string()).map_err(refused)?)
            .tags(tag("notice-kind", notice.message.kind()).map_err(refused)?)
            .send()
            .await
            .map_err(|error| {
                classify(&error, |code, message| match code {
                    "MessageRejected" if message.contains("blacklisted") => Some(SendError::AddressRefused),
                    // Else the account or the sender is at fault (paused, under review, not verified): everything is
                    // refused by the same code, and no address can help it.
                    "MessageRejected" => Some(SendError::ChannelClosed(code.to_owned())),
                    // Said with the code of "too many a second", and true until tomorrow.
                    "Throttling" | "ThrottlingException" if message.contains("Daily message quota") => {
                        Some(SendError::ChannelClosed("daily quota".to_owned()))
                    }
                    "InvalidParameterValue" => Some(SendError::MessageRefused),
                    _ => None,
                })
            })?;
        Ok(sent.message_id)
    }
}

fn content(text: &str) -> Result<Content, BuildError> {
    Content::builder().charset("UTF-8").data(text).build()
}

fn tag(name: &str, value: &str) -> Result<MessageTag, BuildError> {
    MessageTag::builder().name(name).value(value).build()
}
