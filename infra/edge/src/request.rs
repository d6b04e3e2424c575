//! The headers that make a request safe to repeat.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use crate::problem::{Kind, Problem};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The caller's own name for a request: the same name again is the same request again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as it was sent: 1 to 255 visible ASCII characters, none of them a comma.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default();
        // API Gateway joins two headers by a comma.
        let one = values.next().is_none() && !text.contains(',');
        if one && (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Some(Self(text.to_owned())))
        } else {
            Err(Kind::IdempotencyKeyRequired.into())
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)?.ok_or_else(|| Kind::IdempotencyKeyRequired.into())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::read(&parts.headers)
    }
}

/// Which versions of the entry a change may be made to (`If-Match`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whatever there is.
    Any,
    /// One of these versions.
    Versions(Vec<u64>),
}

impl IfMatch {
    /// Whether the entry's version is one the caller has seen.
    pub fn admits(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state)
            .await?
            .ok_or_else(|| Kind::PreconditionRequired.into())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Some(Self::Any));
        }
        // A tag that is not one of ours (a weak one, for instance) matches nothing.
        let versions = text.split(',').filter_map(|tag| version(tag.trim())).collect();
        Ok(Some(Self::Versions(versions)))
    }
}

fn version(tag: &str) -> Option<u64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// The `ETag` of an entry's version. Version 0 is a person who is not in the register.
pub fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[tokio::test]
    async fn one_visible_ascii_key_is_a_key() {
        let long = "x".repeat(256);
        for headers in [
            vec![],
            vec![("idempotency-key", "")],
            vec![("idempotency-key", long.as_str())],
            vec![("idempotency-key", "nøkkel")],
            vec![("idempotency-key", "a b")],
            vec![("idempotency-key", "a"), ("idempotency-key", "b")],
            vec![("idempotency-key", "a,b")],
        ] {
            let result = <IdempotencyKey as FromRequestParts<()>>::from_request_parts(&mut parts(&headers), &()).await;
            assert_eq!(result.unwrap_err().kind(), Kind::IdempotencyKeyRequired);
        }
        let mut good = parts(&[("idempotency-key", "5b6c-1")]);
        let key = <IdempotencyKey as FromRequestParts<()>>::from_request_parts(&mut good, &()).await;
        assert_eq!(key.unwrap().as_str(), "5b6c-1");
    }

    #[tokio::test]
    async fn if_match_admits_what_the_caller_has_seen() {
        let read = async |value: &str| {
            <IfMatch as FromRequestParts<()>>::from_request_parts(&mut parts(&[("if-match", value)]), &())
                .await
                .unwrap()
        };
        assert!(read("*").await.admits(7));
        assert!(read("\"6\", \"7\"").await.admits(7));
        for other in ["\"6\"", "W/\"7\"", "7", "", "\"x\""] {
            assert!(!read(other).await.admits(7), "{other}");
        }
        let missing = <IfMatch as FromRequestParts<()>>::from_request_parts(&mut parts(&[]), &()).await;
        assert_eq!(missing.unwrap_err().kind(), Kind::PreconditionRequired);
    }
}
