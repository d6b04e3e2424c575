//! Each channel's circuit, shared by all workers.

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError};
use jiff::Timestamp;
use mailbox_register::{
    circuit::{Circuit, Trouble},
    contact::Channel,
};

use crate::{
    error::StoreError,
    item::{self, number, text},
};

/// Tries to note what a channel did while other workers do.
const MAX_RACES: u32 = 5;

/// The circuits in the table `sending`.
#[derive(Debug, Clone)]
pub struct Circuits {
    client: Client,
    table: String,
}

impl Circuits {
    /// Circuits in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// A channel's circuit as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, channel: Channel) -> Result<Circuit, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("what", text(key(channel)))
            .consistent_read(true)
            .send()
            .await?;
        match found.item {
            None => Ok(Circuit::default()),
            Some(item) => item::read("sending", item),
        }
    }

    /// Notes how a channel did: `trouble`, or that it took a message. Says whether that opened (`true`) or closed it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(
        &self,
        channel: Channel,
        trouble: Option<Trouble>,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        for _ in 0..MAX_RACES {
            let read = self.get(channel).await?;
            let next = match trouble {
                Some(trouble) => Some(read.failed(trouble, now)),
                None => read.succeeded(),
            };
            let Some(next) = next else { return Ok(None) };
            if self.step(channel, &read, &next).await? {
                let is_open = next.open.is_some();
                return Ok((is_open != read.open.is_some()).then_some(is_open));
            }
        }
        // Others note much the same.
        Ok(None)
    }

    /// Stores a circuit's next state, if no other worker was first. Says whether it was stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn step(&self, channel: Channel, read: &Circuit, next: &Circuit) -> Result<bool, StoreError> {
        let mut row = item::write("sending", next)?;
        row.insert("what".to_owned(), text(key(channel)));
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(what) OR revision = :revision")
            .expression_attribute_values(":revision", number(read.revision))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn key(channel: Channel) -> String {
    format!("circuit#{}", channel.as_str())
}
