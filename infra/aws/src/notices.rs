//! The outbox: notices and where each is in its life.

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{Put, ReturnValuesOnConditionCheckFailure},
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::notice::{Message, Notice, NoticeId};
use serde::Deserialize;

use crate::{
    error::StoreError,
    item::{self, Item, number, text},
    transaction::{self, CommitError, Part, Write},
};

/// What still has to happen stands in lanes of the index, an organisation's letters in one: whoever has two million
/// due at nine keeps waiting whoever shares the lane, and nobody else.
const LANES: u8 = 32;
/// Partitions of a lane: one takes a thousand writes a second.
const WIDTH: u8 = 2;
/// Partitions of the index.
pub const DUE_BUCKETS: u8 = LANES * WIDTH;
const DUE_INDEX: &str = "due";
/// How long a notice is kept after its end, for questions that come later.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The table `notices`.
#[derive(Debug, Clone)]
pub struct Notices {
    client: Client,
    table: String,
}

/// A notice that something has to happen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub notice: NoticeId,
    /// Since when.
    pub at: Timestamp,
}

/// A page of what is due.
#[derive(Debug)]
pub struct DuePage {
    /// The rows, the oldest first.
    pub rows: Vec<Result<Due, StoreError>>,
    /// Where the next page begins; none on the last.
    pub next: Option<Cursor>,
}

/// The end of a page.
#[derive(Debug)]
pub struct Cursor(Item);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexRow {
    id: NoticeId,
    /// Milliseconds since 1970.
    due_at: i64,
}

impl Notices {
    /// Notices in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The write that adds a notice, for the transaction of what it tells.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn adding(&self, notice: &Notice) -> Result<Write, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(row(notice)?))
            .condition_expression("attribute_not_exists(id)");
        Write::put(Part::Notice, put)
    }

    /// A notice as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, id: NoticeId) -> Result<Option<Notice>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(id.to_string()))
            .consistent_read(true)
            .send()
            .await?;
        found.item.map(|item| item::read("notices", item)).transpose()
    }

    /// Stores the next step of a notice, if nobody has taken one since it was read. Says whether it was stored: also by
    /// an earlier try of the same call, whose answer was lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn step(&self, read: &Notice, next: &Notice) -> Result<bool, StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row(next)?))
            .condition_expression("epoch = :epoch")
            .expression_attribute_values(":epoch", number(read.epoch))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else {
            return Ok(true);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let there = failed.item.clone().map(|item| item::read::<Notice>("notices", item));
                Ok(there.transpose()?.as_ref() == Some(next))
            }
            _ => Err(error.into()),
        }
    }

    /// The write of a notice's next step, for the transaction of what else belongs to it.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn stepping(&self, read: &Notice, next: &Notice) -> Result<Write, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(row(next)?))
            .condition_expression("epoch = :epoch")
            .expression_attribute_values(":epoch", number(read.epoch));
        Write::put(Part::Notice, put)
    }

    /// Stores writes together.
    ///
    /// # Errors
    /// [`CommitError`].
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        transaction::commit(&self.client, writes).await
    }

    /// Opens a connection before the first event, by a read that finds nothing. Its result does not matter.
    pub async fn prime(&self) {
        let _ = self.get(NoticeId(uuid::Uuid::nil())).await;
    }

    /// The notices of a bucket that something has to happen to at `now`, the oldest first. A row that cannot be read
    /// stands for itself among its neighbours.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due(
        &self,
        bucket: u8,
        now: Timestamp,
        limit: i32,
        after: Option<Cursor>,
    ) -> Result<DuePage, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE_INDEX)
            .key_condition_expression("dueBucket = :bucket AND dueAt <= :now")
            .expression_attribute_values(":bucket", number(bucket))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .limit(limit)
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .send()
            .await?;
        Ok(DuePage {
            rows: page.items.into_iter().flatten().map(due).collect(),
            next: page.last_evaluated_key.map(Cursor),
        })
    }
}

impl Notices {
    /// When each notice that waits has to be looked at: a reading of the whole index, for stacks of one machine.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_at(&self) -> Result<Vec<Timestamp>, StoreError> {
        let mut moments = Vec::new();
        let mut rows = self
            .client
            .scan()
            .table_name(&self.table)
            .index_name(DUE_INDEX)
            .into_paginator()
            .items()
            .send();
        while let Some(row) = rows.next().await {
            moments.push(due(row?)?.at);
        }
        Ok(moments)
    }
}

fn due(item: Item) -> Result<Due, StoreError> {
    let row: IndexRow = item::read("notices", item)?;
    let at = item::moment("notices", row.due_at)?;
    Ok(Due { notice: row.id, at })
}

/// The item of a notice. It is in the index for as long as something still has to happen to it.
fn row(notice: &Notice) -> Result<Item, StoreError> {
    let mut row = item::write("notices", notice)?;
    if let Some(wake_at) = notice.wake_at() {
        let bucket = bucket(notice);
        row.insert("dueBucket".to_owned(), number(bucket));
        row.insert("dueAt".to_owned(), number(wake_at.as_millisecond()));
    }
    if let Some(ended_at) = notice.ended_at() {
        let expires = ended_at.checked_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        row.insert("expiresAt".to_owned(), number(expires.as_second()));
    }
    Ok(row)
}

/// Where a notice waits in the index: an organisation's letters in one lane, and so what everybody at a provider that leaves is
/// told; all else anywhere.
fn bucket(notice: &Notice) -> u8 {
    let random = notice.id.0.as_bytes()[0];
    let lane = match notice.message {
        Message::Letter { announced_by, .. } => {
            let number: u32 = announced_by.to_string().parse().unwrap_or_default();
            u8::try_from(number % u32::from(LANES)).unwrap_or_default()
        }
        Message::ProviderLeaves { .. } => 0,
        _ => random / WIDTH % LANES,
    };
    lane * WIDTH + random % WIDTH
}

#[cfg(test)]
mod tests {
    use mailbox_register::{
        code::Challenge,
        contact::Channel,
        language::Language,
        letter::LetterId,
        notice::{Failure, Wake},
        person::PersonKey,
    };
    use uuid::Uuid;

    use super::*;

    fn notice(message: Message) -> Notice {
        let now = "2026-03-01T10:00:00.125Z".parse().unwrap();
        Notice::new(
            NoticeId(Uuid::from_u128(7)),
            PersonKey::from_stored("v1#x"),
            Channel::Sms,
            message,
            now,
        )
    }

    #[test]
    fn every_message_in_every_state_is_the_same_after_it_was_stored() {
        let messages = [
            Message::MailboxChosen {
                provider: "digipost".parse().unwrap(),
            },
            Message::AddressChanged {
                former: mailbox_register::contact::EmailAddress::parse("ola@example.no")
                    .unwrap()
                    .into(),
                language: Language::Se,
            },
            Message::Code {
                challenge: Challenge::new(Uuid::from_u128(9)),
                address: serde_json::from_str("\"x\"").unwrap(),
            },
            Message::Letter {
                letter: LetterId(Uuid::from_u128(8)),
                reminder: true,
                announced_by: "991825827".parse().unwrap(),
            },
            Message::FreshnessReminder,
            Message::ProviderLeaves {
                provider: "e-boks".parse().unwrap(),
                on: "2026-12-31".parse().unwrap(),
                instead: Some("digipost".parse().unwrap()),
            },
        ];
        for message in messages {
            let waiting = notice(message);
            let now = waiting.first_due_at;
            let claimed = waiting.claim(now, Uuid::from_u128(3)).unwrap();
            let sending = claimed.sending(now).unwrap();
            let Wake::Enqueue(queued) = waiting.wake(now, SignedDuration::from_mins(1)) else {
                panic!("it is due");
            };
            let states = [
                sending.sent("id".to_owned(), now),
                sending.unknown(now),
                sending.retry(now),
                sending.failed(Failure::AddressRefused, now),
                waiting.cancelled(now),
                waiting,
                queued,
                claimed,
                sending,
            ];
            for notice in states {
                let stored = row(&notice).unwrap();
                assert_eq!(stored.contains_key("dueAt"), notice.wake_at().is_some());
                assert_eq!(item::read::<Notice>("notices", stored).unwrap(), notice);
            }
        }
    }
}
