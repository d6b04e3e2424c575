//! How answers are written: as JSON, or the same JSON signed.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use infra_aws::signatures::Signatures;
use serde::Serialize;

use crate::{
    accept::wish,
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};

/// What the contract's paths begin with.
pub const PATHS: &str = "/rest/";
/// A signed answer: compact JWS.
pub const JOSE: &str = "application/jose";
const JSON: &str = "application/json";

/// Lambda answers with 6 MB at the most, and headers need some of it.
const LONGEST: usize = 6 * 1000 * 1000;
/// Has `lambda_http` hand on a text as it is: as bytes it would grow by a third once more.
const ENCODING: HeaderName = HeaderName::from_static("x-lambda-http-content-encoding");

/// How a client wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`: also for clients that do not care.
    Json,
    /// `application/jose`.
    Jose,
}

impl Format {
    /// The format that `Accept` wants more.
    pub fn of(headers: &HeaderMap) -> Self {
        if wish(headers, JOSE) > wish(headers, JSON) {
            Self::Jose
        } else {
            Self::Json
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// An answer as its client wants it. What is signed are the bytes that would be sent unsigned.
///
/// # Errors
/// KMS does not sign, or the signed answer is longer than a function can answer.
pub async fn respond(format: Format, body: &impl Serialize, signatures: &Signatures) -> Result<Response, Problem> {
    let json = serde_json::to_vec(body).map_err(|_| Problem::new(Kind::Internal))?;
    match format {
        Format::Json => Ok((of_type(JSON), json).into_response()),
        Format::Jose => {
            let signed = signatures.compact(&json).await.or_unavailable()?;
            if signed.len() > LONGEST {
                return Err(Kind::AnswerTooLarge.into());
            }
            let text = [(ENCODING, HeaderValue::from_static("text"))];
            Ok((of_type(JOSE), text, signed).into_response())
        }
    }
}

const fn of_type(media: &'static str) -> [(HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static(media))]
}
