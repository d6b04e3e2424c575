//! Each channel's circuit, shared by all workers.

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use mailbox_register::{
    circuit::{Circuit, Trouble},
    contact::Channel,
};
use uuid::Uuid;

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

    /// Notes that something was wrong with a channel. Says whether that opened the circuit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn failed(&self, channel: Channel, trouble: Trouble, now: Timestamp) -> Result<bool, StoreError> {
        for _ in 0..MAX_RACES {
            let read = self.get(channel).await?;
            let next = read.failed(trouble, now);
            if self.step(channel, &read, &next).await? {
                return Ok(next.open.is_some() && read.open.is_none());
            }
        }
        // Others note much the same.
        Ok(false)
    }

    /// Stores a circuit's next state, if no other worker was first. Says whether it was stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn step(&self, channel: Channel, read: &Circuit, next: &Circuit) -> Result<bool, StoreError> {
        let mut row = item::write("sending", next)?;
        row.insert("what".to_owned(), text(key(channel)));
        // Two workers may want to store the same: whose it was, this tells.
        let writer = text(Uuid::new_v4().to_string());
        row.insert("writer".to_owned(), writer.clone());
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(what) OR revision = :revision")
            .expression_attribute_values(":revision", number(read.revision))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(true) };
        match error.as_service_error() {
            // An earlier try of the same call may have been stored, and its answer lost.
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(failed.item().and_then(|there| there.get("writer")) == Some(&writer))
            }
            _ => Err(error.into()),
        }
    }
}

fn key(channel: Channel) -> String {
    format!("circuit#{}", channel.as_str())
}
