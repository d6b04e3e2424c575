//! A request with an effect: once for each key, and the same answer each time.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use infra_aws::requests::{Answer, Begun, Claim, Requests};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    problem::{Kind, Problem},
    request::{IdempotencyKey, etag},
    unavailable::{OrUnavailable as _, not_committed},
};

/// A request that may come twice.
#[derive(Debug)]
pub struct Request<'a> {
    /// Who asks: part of the key's meaning, so that no caller meets another's answers.
    pub caller: &'a str,
    /// The caller's name for the request.
    pub key: Option<&'a IdempotencyKey>,
    /// All that makes it this request and no other: route and body.
    pub content: [&'a str; 2],
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// What the caller is told.
    pub answer: Answer,
    /// Whether the answer was stored with it.
    stored: bool,
}

impl Done {
    /// Done, the answer stored in the same transaction.
    pub const fn with_answer_stored(answer: Answer) -> Self {
        Self { answer, stored: true }
    }

    /// There was nothing to do.
    pub const fn nothing(answer: Answer) -> Self {
        Self { answer, stored: false }
    }
}

/// Does the work of a request once, however often it comes, and gives the same answer each time.
///
/// # Errors
/// The problem of the work, which is then forgotten and can be tried again; or that the key is in use for another
/// request, or for this one by another worker.
pub async fn once(
    requests: &Requests,
    request: Request<'_>,
    now: Timestamp,
    work: impl AsyncFnOnce(Option<&Claim>) -> Result<Done, Problem>,
) -> Result<Answer, Problem> {
    let Some(key) = request.key else {
        return work(None).await.map(|done| done.answer);
    };
    let begun = requests
        .begin(request.caller, key.as_str(), &request.content, now)
        .await
        .or_unavailable()?;
    let claim = match begun {
        Begun::New(claim) => claim,
        Begun::Answered(answer) => return Ok(answer),
        Begun::InProgress => return Err(Kind::RequestInProgress.into()),
        Begun::Reused => return Err(Kind::IdempotencyKeyReused.into()),
    };
    match work(Some(&claim)).await {
        Ok(done) => {
            if !done.stored {
                requests
                    .answer(&claim, &done.answer)
                    .await
                    .map_err(|error| not_committed(&error))?;
            }
            Ok(done.answer)
        }
        Err(problem) => {
            // Safe also where the store's answer was lost: what was stored has its answer with it and stays, and
            // a transaction still on its way finds the request gone and is not stored.
            if let Err(error) = requests.release(&claim).await {
                tracing::warn!(%error, "a failed request stays in progress for a minute");
            }
            Err(problem)
        }
    }
}

/// A body that was read as JSON is UTF-8.
pub fn text(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).unwrap_or_default()
}

/// An answer to be stored and given.
pub fn answer(status: StatusCode, version: Option<u64>, body: &impl Serialize) -> Answer {
    Answer {
        status: status.as_u16(),
        version,
        // Only maps with keys that are no texts fail to serialise: there are none.
        body: serde_json::to_string(body).unwrap_or_default(),
    }
}

/// The answer as it leaves, as it is.
pub fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if answer.body.is_empty() {
        status.into_response()
    } else {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (status, json, answer.body).into_response()
    };
    let tag = answer
        .version
        .and_then(|version| HeaderValue::from_str(&etag(version)).ok());
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
