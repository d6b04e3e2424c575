//! Letters that were announced, and what has happened to each.
//!
//! A letter is one row. What happens is added to its list in the transaction in which it happens, so that the list has
//! no gap; how much of it stands in the feed is counted beside it. While something does not, the letter is in the index
//! `unfed`, where the tick finds it.

use aws_sdk_dynamodb::{
    Client,
    types::{ConditionCheck, Put, Update},
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    letter::{Event, Letter, LetterId, What},
    organisation::OrganisationNumber,
    words::Reference,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::StoreError,
    item::{self, Item, number, text},
    transaction::{Part, Write},
};

/// Letters that the feed lacks something of are spread over this many partitions of the index.
pub const UNFED_BUCKETS: u8 = 8;
const UNFED_INDEX: &str = "unfed";
/// How long a letter is kept after the last thing that happened to it, or after it became available.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A letter as it is stored, with how much of it stands in the feed.
#[derive(Debug, Clone, Deserialize)]
pub struct Stored {
    /// The letter.
    #[serde(flatten)]
    pub letter: Letter,
    /// Events that stand in the feed.
    pub fed: usize,
}

/// How a letter comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The person opened it.
    Opened,
    /// The organisation called it off.
    Cancelled,
}

/// What an organisation reads of one thing that happened to one of its letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LetterFeedEntry)]
pub struct FeedEntry {
    /// Which letter.
    pub letter: LetterId,
    /// The organisation's own name for it.
    pub reference: Reference,
    /// The how manieth thing that happened to this letter, from 1 on.
    pub number: usize,
    /// What, and when.
    #[serde(flatten)]
    pub event: Event,
}

/// The feed of what happens to an organisation's letters.
pub fn feed_of(organisation: OrganisationNumber) -> String {
    format!("letters#{organisation}")
}

impl Stored {
    /// What the feed lacks, in order.
    pub fn unfed(&self) -> Vec<FeedEntry> {
        let events = self.letter.events.iter().enumerate().skip(self.fed);
        events
            .map(|(before, event)| FeedEntry {
                letter: self.letter.id,
                reference: self.letter.announcement.reference.clone(),
                number: before + 1,
                event: event.clone(),
            })
            .collect()
    }
}

/// The table `letters`.
#[derive(Debug, Clone)]
pub struct Letters {
    client: Client,
    table: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexRow {
    id: LetterId,
    /// Milliseconds since 1970.
    unfed_at: i64,
}

impl Letters {
    /// Letters in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// A letter as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, id: LetterId) -> Result<Option<Stored>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(id.to_string()))
            .consistent_read(true)
            .send()
            .await?;
        found.item.map(|item| item::read("letters", item)).transpose()
    }

    /// The write that stores a letter which is announced, if there is none of its identity.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn announcing(&self, letter: &Letter) -> Result<Write, StoreError> {
        let mut row = item::write("letters", letter)?;
        row.insert("fed".to_owned(), number(0));
        row.insert("unfedBucket".to_owned(), number(bucket(letter.id)));
        row.insert("unfedAt".to_owned(), number(letter.announced_at.as_millisecond()));
        row.insert(
            "expiresAt".to_owned(),
            expires(letter.announced_at.max(letter.announcement.available_from)),
        );
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(id)");
        Write::put(Part::Letter, put)
    }

    /// That there is no letter of an identity: the same one, announced by the other secret.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn absent(&self, id: LetterId) -> Result<Write, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .key("id", text(id.to_string()))
            .condition_expression("attribute_not_exists(id)");
        Write::check(Part::Letter, check)
    }

    /// The write that adds to what has happened to a letter; `only_while_open`: if it is neither opened nor called off.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn adding(
        &self,
        id: LetterId,
        news: Vec<What>,
        only_while_open: bool,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let condition = if only_while_open {
            "attribute_exists(id) AND attribute_not_exists(openedAt) AND attribute_not_exists(cancelledAt)"
        } else {
            "attribute_exists(id)"
        };
        let update = self.update(id, news, now, "")?.condition_expression(condition);
        Write::update(Part::Letter, update)
    }

    /// The write that closes a letter, if nothing has happened to it since it was read. `besides`: what else happens by
    /// that.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn closing(
        &self,
        read: &Letter,
        closing: Closing,
        besides: impl IntoIterator<Item = What>,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let (what, assignment) = match closing {
            Closing::Opened => (What::Opened, ", openedAt = :closedAt"),
            Closing::Cancelled => (What::Cancelled, ", cancelledAt = :closedAt"),
        };
        let update = self
            .update(read.id, [what].into_iter().chain(besides).collect(), now, assignment)?
            .expression_attribute_values(":closedAt", item::attribute("letters", &now)?)
            .condition_expression("size(events) = :length")
            .expression_attribute_values(":length", number(read.events.len()));
        Write::update(Part::Letter, update)
    }

    fn update(
        &self,
        id: LetterId,
        news: Vec<What>,
        now: Timestamp,
        besides: &str,
    ) -> Result<aws_sdk_dynamodb::types::builders::UpdateBuilder, StoreError> {
        let news: Vec<_> = news.into_iter().map(|what| Event { at: now, what }).collect();
        Ok(Update::builder()
            .table_name(&self.table)
            .key("id", text(id.to_string()))
            // The index keeps the time since when something is missing: the tick is for what has waited.
            .update_expression(format!(
                "SET events = list_append(events, :news), unfedBucket = :bucket, \
                 unfedAt = if_not_exists(unfedAt, :now), expiresAt = :expires{besides}"
            ))
            .expression_attribute_values(":news", item::attribute("letters", &news)?)
            .expression_attribute_values(":bucket", number(bucket(id)))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":expires", expires(now)))
    }

    /// The write that says that all of a letter stands in the feed, if nothing has happened to it since it was read and
    /// nobody else has fed it.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn fed(&self, read: &Stored) -> Result<Write, StoreError> {
        let length = read.letter.events.len();
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", text(read.letter.id.to_string()))
            .update_expression("SET fed = :length REMOVE unfedBucket, unfedAt")
            .condition_expression("fed = :fed AND size(events) = :length")
            .expression_attribute_values(":fed", number(read.fed))
            .expression_attribute_values(":length", number(length));
        Write::update(Part::Letter, update)
    }

    /// Letters of a bucket that the feed has lacked something of since `before`, each with since when: the longest waiting first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unfed(
        &self,
        bucket: u8,
        before: Timestamp,
        limit: i32,
    ) -> Result<Vec<(LetterId, Timestamp)>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(UNFED_INDEX)
            .key_condition_expression("unfedBucket = :bucket AND unfedAt <= :before")
            .expression_attribute_values(":bucket", number(bucket))
            .expression_attribute_values(":before", number(before.as_millisecond()))
            .limit(limit)
            .send()
            .await?;
        let waiting = |item: Item| {
            let row = item::read::<IndexRow>("letters", item)?;
            Ok((row.id, item::moment("letters", row.unfed_at)?))
        };
        page.items.into_iter().flatten().map(waiting).collect()
    }
}

fn bucket(id: LetterId) -> u8 {
    id.0.as_bytes()[0] % UNFED_BUCKETS
}

fn expires(since: Timestamp) -> aws_sdk_dynamodb::types::AttributeValue {
    number(since.checked_add(KEPT_FOR).unwrap_or(Timestamp::MAX).as_second())
}
