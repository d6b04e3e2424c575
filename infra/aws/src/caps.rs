//! How many text messages may go out in a day: to one number, and in all. A fault or a fraud must not cost more.

use aws_sdk_dynamodb::Client;
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    contact::{MobileNumber, norwegian_time},
    notice::Message,
    secret::Secret,
};

use crate::{
    error::{self, StoreError},
    item::{number, text},
};

/// A day's counts are of no use once it is over.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(48);

/// Most text messages in one day, Norwegian time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyCaps {
    /// To one number.
    pub per_number: u32,
    /// To all numbers.
    pub in_all: u32,
}

/// Whether one more may go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// It may, and is counted.
    Left(Counted),
    /// This number has had enough today.
    NumberFull,
    /// So many have gone out today that something must be wrong.
    DayFull,
}

/// What was counted for a message, to be given back if it does not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted(Vec<String>);

/// The counters in the table `sending`.
#[derive(Debug, Clone)]
pub struct Caps {
    client: Client,
    table: String,
    secret: Secret,
    most: DailyCaps,
}

impl Caps {
    /// Counters in `table`; numbers are hashed with `secret`.
    pub const fn new(client: Client, table: String, secret: Secret, most: DailyCaps) -> Self {
        Self {
            client,
            table,
            secret,
            most,
        }
    }

    /// Counts one message to a number, if there is room for it.
    ///
    /// Letters and reminders leave a tenth of the room to what the person asked for: codes must come. A word to a former address is
    /// counted for no number: whoever takes an entry over could fill it first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self, number: &MobileNumber, message: &Message, now: Timestamp) -> Result<Room, StoreError> {
        let most = |cap: u32| match message {
            Message::Letter { .. } | Message::FreshnessReminder | Message::ProviderLeaves { .. } => cap - cap / 10,
            Message::MailboxChosen { .. } | Message::AddressChanged { .. } | Message::Code { .. } => cap,
        };
        let day = now.to_zoned(norwegian_time()).date();
        let in_all = format!("all#{day}");
        if !self.add(&in_all, most(self.most.in_all), now).await? {
            return Ok(Room::DayFull);
        }
        let mut counted = Counted(vec![in_all]);
        if !matches!(message, Message::AddressChanged { .. }) {
            let hash = self.secret.mac("sms-cap", &[number.as_str()]);
            let of_number = format!("number#{day}#{hash}");
            if !self.add(&of_number, most(self.most.per_number), now).await? {
                self.give_back(&counted).await?;
                return Ok(Room::NumberFull);
            }
            counted.0.push(of_number);
        }
        Ok(Room::Left(counted))
    }

    /// Gives back what was counted for a message that did not go out.
    ///
    /// # Errors
    /// [`StoreError`]; it then stays counted.
    pub async fn give_back(&self, counted: &Counted) -> Result<(), StoreError> {
        for key in &counted.0 {
            self.client
                .update_item()
                .table_name(&self.table)
                .key("what", text(key))
                .update_expression("ADD messages :less")
                .expression_attribute_values(":less", number(-1))
                .send()
                .await?;
        }
        Ok(())
    }

    async fn add(&self, key: &str, cap: u32, now: Timestamp) -> Result<bool, StoreError> {
        let expires = now.checked_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("what", text(key))
            .update_expression("ADD messages :one SET expiresAt = :expires")
            .condition_expression("attribute_not_exists(messages) OR messages < :cap")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":cap", number(cap))
            .expression_attribute_values(":expires", number(expires.as_second()))
            .send()
            .await;
        error::held(result)
    }
}
