//! Which notice a text message was: SNS reports by its own message id and says nothing else of ours.
//!
//! A report may come before the notice knows its id. Whoever comes first, the sender or the report, leaves word here,
//! and whoever comes second finds it.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue},
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{notice::NoticeId, receipt::Receipt};
use serde::Deserialize;

use crate::{
    error::StoreError,
    item::{self, number, text},
};

/// Operators report for three days at the most; and a day for whoever was down.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(4 * 24);

/// The table `postmarks`.
#[derive(Debug, Clone)]
pub struct Postmarks {
    client: Client,
    table: String,
}

/// What is known of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Postmark {
    /// Which notice it was.
    pub notice: Option<NoticeId>,
    /// The last report that came, perhaps before that was known.
    pub report: Option<Receipt>,
}

impl Postmarks {
    /// Postmarks in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Notes which notice a message was, and gives what is known of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sent(&self, message_id: &str, notice: NoticeId, now: Timestamp) -> Result<Postmark, StoreError> {
        self.note(message_id, "notice", text(notice.to_string()), now).await
    }

    /// Notes a report of a message, and gives what is known of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reported(&self, message_id: &str, report: Receipt, now: Timestamp) -> Result<Postmark, StoreError> {
        self.note(message_id, "report", item::attribute("postmarks", &report)?, now)
            .await
    }

    async fn note(
        &self,
        message_id: &str,
        name: &str,
        value: AttributeValue,
        now: Timestamp,
    ) -> Result<Postmark, StoreError> {
        let expires = now.checked_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("message", text(message_id))
            .update_expression("SET #name = :value, expiresAt = :expires")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value)
            .expression_attribute_values(":expires", number(expires.as_second()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await?;
        updated
            .attributes
            .map_or_else(|| Ok(Postmark::default()), |item| item::read("postmarks", item))
    }
}
