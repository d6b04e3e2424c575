//! Verification codes that were sent, as keyed hashes, with the tries made at each.

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Update},
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    code::{CODE_LIFETIME, Challenge, Code, IssuedFor, MAX_ATTEMPTS, MAX_PER_DAY, RESEND_AFTER},
    contact::{Address, Channel},
    person::PersonKey,
    secret::{Secret, Secrets},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    item::{self, number, text},
    transaction::{Part, Write},
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The last code sent to a person on a channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    /// The key that it was issued to: the person may have another by now.
    person: PersonKey,
    challenge: Challenge,
    answer: String,
    address: IssuedFor,
    sent_at: i64,
    good_until: i64,
    attempts: u32,
    used: bool,
    day_started_at: i64,
    sent_that_day: u32,
    expires_at: i64,
}

/// Why no new code is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a new code can be sent in {0} seconds")]
pub struct TooSoon(pub u32);

/// What a try at a code came to.
#[derive(Debug, Clone)]
pub enum Attempt {
    /// Right, for the address it was sent to. Not used up yet: that belongs to the transition it allows.
    Right(Issued),
    /// Wrong, run out, used, for another address, or never sent: the person learns no more than that.
    Wrong,
    /// Too many wrong tries; the seconds until the code has run out.
    TooMany(u32),
}

/// The table `codes`.
#[derive(Debug, Clone)]
pub struct Codes {
    client: Client,
    table: String,
    secrets: Secrets,
}

impl Codes {
    /// Codes in `table`, hashed with `secrets`: new ones with the current one.
    pub const fn new(client: Client, table: String, secrets: Secrets) -> Self {
        Self { client, table, secrets }
    }

    /// The last code sent to a person on a channel. `keys` are those of the person's identifier, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last(&self, keys: &[PersonKey], channel: Channel) -> Result<Option<Issued>, StoreError> {
        for person in keys {
            let found = self
                .client
                .get_item()
                .table_name(&self.table)
                .key("person", text(person.as_str()))
                .key("channel", text(channel.as_str()))
                .consistent_read(true)
                .send()
                .await?;
            if let Some(item) = found.item {
                return item::read("codes", item).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether a code may be sent again at the person's wish: not within a minute of the last.
    ///
    /// # Errors
    /// [`TooSoon`].
    pub fn may_resend(last: Option<&Issued>, now: Timestamp) -> Result<(), TooSoon> {
        let Some(last) = last else { return Ok(()) };
        let again = last.sent_at + i64::try_from(RESEND_AFTER.as_millis()).unwrap_or(i64::MAX);
        if now.as_millisecond() < again {
            return Err(TooSoon(seconds_until(again, now)));
        }
        Ok(())
    }

    /// The write that issues a code for an address, on the last one that was read.
    ///
    /// # Errors
    /// [`TooSoon`] within `Ok`, if the person had too many codes within 24 hours.
    pub fn issuing(
        &self,
        person: &PersonKey,
        address: &Address,
        challenge: &Challenge,
        last: Option<&Issued>,
        now: Timestamp,
    ) -> Result<Result<Write, TooSoon>, StoreError> {
        let (millis, secret) = (now.as_millisecond(), self.secrets.current());
        let after = |wait: SignedDuration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let day_end = |last: &Issued| last.day_started_at + i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
        let (day_started_at, before) = match last {
            Some(last) if millis < day_end(last) => (last.day_started_at, last.sent_that_day),
            _ => (millis, 0),
        };
        if before >= MAX_PER_DAY {
            let wait = last.map_or(0, |last| seconds_until(day_end(last), now));
            return Ok(Err(TooSoon(wait)));
        }
        let issued = Issued {
            person: person.clone(),
            answer: Code::derive(secret, challenge).mac(secret, challenge),
            challenge: challenge.clone(),
            address: IssuedFor::new(secret, address),
            sent_at: millis,
            good_until: after(CODE_LIFETIME).as_millisecond(),
            attempts: 0,
            used: false,
            day_started_at,
            sent_that_day: before + 1,
            // Kept for the day's count, not for the code.
            expires_at: after(DAY).as_second(),
        };
        let mut item = item::write("codes", &issued)?;
        item.insert("channel".to_owned(), text(address.channel().as_str()));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match last.filter(|last| last.person == *person) {
            None => put.condition_expression("attribute_not_exists(person)"),
            Some(last) => put
                .condition_expression("challenge = :challenge")
                .expression_attribute_values(":challenge", text(last.challenge.as_str())),
        };
        Write::put(Part::Code, put).map(Ok)
    }

    /// Tries a code. The try is counted before it is compared, so that many at once are no more tries than one after
    /// the other. `keys` are those of the person's identifier, the newest first: the last code sent to any is tried.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempt(
        &self,
        keys: &[PersonKey],
        address: &Address,
        code: &Code,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        for person in keys {
            if let Some(attempt) = self.attempt_at(person, address, code, now).await? {
                return Ok(attempt);
            }
        }
        Ok(Attempt::Wrong)
    }

    /// None, if no code was sent to this key.
    async fn attempt_at(
        &self,
        person: &PersonKey,
        address: &Address,
        code: &Code,
        now: Timestamp,
    ) -> Result<Option<Attempt>, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("person", text(person.as_str()))
            .key("channel", text(address.channel().as_str()))
            .update_expression("ADD attempts :one")
            .condition_expression(
                "attribute_exists(person) AND used = :false AND goodUntil > :now AND attempts < :most",
            )
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":false", aws_sdk_dynamodb::types::AttributeValue::Bool(false))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":most", number(MAX_ATTEMPTS))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(updated) => {
                let issued: Issued = item::read("codes", updated.attributes.unwrap_or_default())?;
                let is_right = |secret: &Secret| {
                    code.mac(secret, &issued.challenge) == issued.answer
                        && IssuedFor::new(secret, address) == issued.address
                };
                let right = self.secrets.each().any(is_right);
                Ok(Some(if right { Attempt::Right(issued) } else { Attempt::Wrong }))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let Some(old) = failed.item.clone() else {
                        return Ok(None);
                    };
                    let issued: Issued = item::read("codes", old)?;
                    let open = !issued.used && now.as_millisecond() < issued.good_until;
                    Ok(Some(if open {
                        Attempt::TooMany(seconds_until(issued.good_until, now))
                    } else {
                        Attempt::Wrong
                    }))
                }
                _ => Err(error.into()),
            },
        }
    }

    /// The write that uses a code up.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn using(&self, channel: Channel, issued: &Issued) -> Result<Write, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("person", text(issued.person.as_str()))
            .key("channel", text(channel.as_str()))
            .update_expression("SET used = :true")
            .condition_expression("challenge = :challenge AND used = :false")
            .expression_attribute_values(":true", aws_sdk_dynamodb::types::AttributeValue::Bool(true))
            .expression_attribute_values(":false", aws_sdk_dynamodb::types::AttributeValue::Bool(false))
            .expression_attribute_values(":challenge", text(issued.challenge.as_str()));
        Write::update(Part::Code, update)
    }
}

/// Whole seconds until a moment in milliseconds, rounded up.
fn seconds_until(moment: i64, now: Timestamp) -> u32 {
    let wait = moment.saturating_sub(now.as_millisecond()).max(0);
    u32::try_from((wait + 999) / 1000).unwrap_or(u32::MAX)
}
