//! SMS through SNS.

use aws_sdk_sns::{Client, error::BuildError, types::MessageAttributeValue};
use mailbox_register::{contact::MobileNumber, notice::Notice, sms::SmsText};

use crate::sending::{SendError, classify};

/// Highest price of one message in US dollars. Norwegian parts cost about 0.07; two parts with room.
const MAX_PRICE: &str = "0.50";

/// Sends text messages.
#[derive(Debug, Clone)]
pub struct SmsSender {
    client: Client,
    sender_id: String,
}

impl SmsSender {
    /// Sends as `sender_id`: 1 to 11 letters and digits, as operators show it.
    pub const fn new(client: Client, sender_id: String) -> Self {
        Self { client, sender_id }
    }

    /// Sends one message and gives the provider's identity for it.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, notice: &Notice, to: &MobileNumber, text: &SmsText) -> Result<String, SendError> {
        let attributes = [
            ("AWS.SNS.SMS.SMSType", "Transactional"),
            ("AWS.SNS.SMS.SenderID", &self.sender_id),
            ("AWS.SNS.SMS.MaxPrice", MAX_PRICE),
            ("register.notice", &notice.id.to_string()),
            ("register.kind", notice.message.kind()),
        ];
        let mut publish = self.client.publish().phone_number(to.as_str()).message(text.as_str());
        for (name, value) in attributes {
            let value = attribute(name, value).map_err(|_| SendError::MessageRefused)?;
            publish = publish.message_attributes(name, value);
        }
        let published = publish.send().await.map_err(|error| {
            classify(&error, |code, message| match code {
                // The code is the same for a bad sender or price: a fault of the settings, not of the number.
                "InvalidParameter" | "InvalidParameterValue" if message.contains("PhoneNumber") => {
                    Some(SendError::AddressRefused)
                }
                // A value of ours that SNS does not take: another message may do.
                "ParameterValueInvalid" => Some(SendError::MessageRefused),
                "OptedOut" => Some(SendError::AddressRefused),
                "AuthorizationError" | "UserError" => Some(SendError::ChannelClosed(code.to_owned())),
                _ => None,
            })
        })?;
        Ok(published.message_id.unwrap_or_default())
    }
}

fn attribute(name: &str, value: &str) -> Result<MessageAttributeValue, BuildError> {
    let kind = if name.ends_with("MaxPrice") { "Number" } else { "String" };
    MessageAttributeValue::builder()
        .data_type(kind)
        .string_value(value)
        .build()
}
