//! The answers given to requests, so that a request made twice has one effect and one answer.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Update},
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::secret::{Secret, Secrets};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::{self, StoreError},
    item::{self, number, text},
    transaction::{CommitError, Part, Write},
};

/// How long an answer is kept.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long a request may be worked on before another worker may take it over: longer than any function runs.
const WORKING_TIME: SignedDuration = SignedDuration::from_secs(60);

/// What was answered. Holds no identity number: whoever asks again says it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The entry's version, where the answer is the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The JSON body.
    pub body: String,
}

/// A request this worker works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    request: String,
    owner: String,
}

/// What is known of a request when it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is new: work on it.
    New(Claim),
    /// It was answered before.
    Answered(Answer),
    /// Another worker is at it.
    InProgress,
    /// The key was used for another request.
    Reused,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    fingerprint: String,
    owner: String,
    expires_at: i64,
    answer: Option<Answer>,
}

/// The table `requests`.
#[derive(Debug, Clone)]
pub struct Requests {
    client: Client,
    table: String,
    secrets: Secrets,
}

impl Requests {
    /// Requests in `table`. Keys and fingerprints are hashed with `secrets`: a caller may put anything into them.
    pub const fn new(client: Client, table: String, secrets: Secrets) -> Self {
        Self { client, table, secrets }
    }

    /// Takes a request in: `caller` and `key` name it, `content` is all that makes it this request and no other.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin(&self, caller: &str, key: &str, content: &[&str], now: Timestamp) -> Result<Begun, StoreError> {
        let request = |secret: &Secret| secret.mac("request", &[caller, key]);
        let other = self.secrets.other();
        // What was begun under the other name goes on under it.
        if let Some(secret) = other
            && self.is_there(&request(secret), now).await?
        {
            return self
                .begin_as(request(secret), secret.mac("fingerprint", content), now)
                .await;
        }
        let current = self.secrets.current();
        let begun = self
            .begin_as(request(current), current.mac("fingerprint", content), now)
            .await?;
        // Functions of two settings can take one request in at one moment, each under the name that it gives. Each
        // looks for the other once its own is there: so never do both go on.
        if let (Begun::New(claim), Some(secret)) = (&begun, other)
            && self.is_there(&request(secret), now).await?
        {
            self.release(claim).await?;
            return Ok(Begun::InProgress);
        }
        Ok(begun)
    }

    /// Whether a request is known by a name.
    async fn is_there(&self, request: &str, now: Timestamp) -> Result<bool, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("request", text(request))
            .consistent_read(true)
            .send()
            .await?;
        let record: Option<Record> = found.item.map(|item| item::read("requests", item)).transpose()?;
        Ok(record.is_some_and(|record| record.expires_at > now.as_second()))
    }

    async fn begin_as(&self, request: String, fingerprint: String, now: Timestamp) -> Result<Begun, StoreError> {
        let owner = Uuid::new_v4().to_string();
        let until = now.checked_add(WORKING_TIME).unwrap_or(Timestamp::MAX);
        let expires = now.checked_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("request", text(&request))
            .item("fingerprint", text(&fingerprint))
            .item("owner", text(&owner))
            .item("workedOnUntil", number(until.as_millisecond()))
            .item("expiresAt", number(expires.as_second()))
            // What has expired counts as gone, though it may still be there for days. A worker that died is followed
            // by the next, but only for the same request.
            .condition_expression(
                "attribute_not_exists(#request) OR expiresAt <= :second \
                 OR (attribute_not_exists(answer) AND workedOnUntil <= :now AND fingerprint = :fingerprint)",
            )
            .expression_attribute_names("#request", "request")
            .expression_attribute_values(":second", number(now.as_second()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":fingerprint", text(&fingerprint))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else {
            return Ok(Begun::New(Claim { request, owner }));
        };
        let old = error.as_service_error().and_then(|error| match error {
            aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) => {
                failed.item.clone()
            }
            _ => None,
        });
        let Some(old) = old else {
            return Err(error.into());
        };
        let record: Record = item::read("requests", old)?;
        debug_assert!(record.expires_at > now.as_second());
        Ok(match record.answer {
            // An earlier try of this very call was stored, and its answer lost.
            None if record.owner == owner => Begun::New(Claim { request, owner }),
            _ if record.fingerprint != fingerprint => Begun::Reused,
            Some(answer) => Begun::Answered(answer),
            None => Begun::InProgress,
        })
    }

    /// The write that stores the answer, for the transaction of what was done.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn answering(&self, claim: &Claim, answer: &Answer) -> Result<Write, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("request", text(&claim.request))
            .update_expression("SET answer = :answer")
            .condition_expression("#owner = :owner AND attribute_not_exists(answer)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&claim.owner))
            .expression_attribute_values(":answer", item::attribute("requests", answer)?);
        Write::update(Part::Request, update)
    }

    /// Stores the answer to a request that changed nothing.
    ///
    /// # Errors
    /// [`CommitError::Conflict`], if another worker has taken the request over.
    pub async fn answer(&self, claim: &Claim, answer: &Answer) -> Result<(), CommitError> {
        crate::transaction::commit(&self.client, vec![self.answering(claim, answer)?]).await
    }

    /// Forgets a request that was refused, so that it can be made again when things have changed.
    ///
    /// # Errors
    /// [`StoreError`]; the request then counts as in progress for a minute.
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        let result = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("request", text(&claim.request))
            .condition_expression("#owner = :owner AND attribute_not_exists(answer)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", AttributeValue::S(claim.owner.clone()))
            .send()
            .await;
        error::held(result).map(drop)
    }
}
