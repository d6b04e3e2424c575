//! Refusals as RFC 9457 problem details. They never echo input, and an internal cause never gets into one.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mailbox_register::usage::Quotas;
use serde::Serialize;
use utoipa::ToSchema;

use crate::quota;

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The request, or the state the caller asked to change.
    Caller,
    /// This service, or something it stands on.
    Service,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident, $slug:literal, $title:literal;)*) => {
        /// Every kind of refusal, with its status, its stable name and a sentence for people.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// The stable name, the last part of `type`.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)* }
            }

            /// What it means, for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    /// Not JSON, not UTF-8, too deep, or a key given twice.
    MalformedJson = BAD_REQUEST, "malformed-json", "The body is not well-formed JSON of the expected shape.";
    /// A field this request does not have.
    UnknownField = BAD_REQUEST, "unknown-field", "The body has a field that this request does not know.";
    /// A field that must be there.
    MissingField = BAD_REQUEST, "missing-field", "A required field is missing.";
    /// A field of the wrong JSON type or form.
    InvalidValue = BAD_REQUEST, "invalid-value", "A field has the wrong type or form.";
    /// A query parameter that is wrong.
    InvalidParameter = BAD_REQUEST, "invalid-parameter", "A query parameter is unknown or has the wrong form.";
    /// A place that a feed has not come to.
    UnknownPlace = UNPROCESSABLE_ENTITY, "unknown-place", "The feed has not come to this place.";
    /// NUL or another control character in a text.
    IllegalCharacter = UNPROCESSABLE_ENTITY, "illegal-character", "A text holds a character that is not allowed.";
    /// Not a person identifier of this register's population.
    InvalidIdentifier = BAD_REQUEST, "invalid-identifier", "Not a valid person identifier.";
    /// An empty list of persons.
    TooFewIdentifiers = BAD_REQUEST, "too-few-identifiers", "The list of persons is empty.";
    /// More persons than one request takes.
    TooManyIdentifiers = BAD_REQUEST, "too-many-identifiers", "More persons in one request than it may have: 1000, or what the organisation may ask for in a minute or a day.";
    /// `Idempotency-Key` missing or unusable.
    IdempotencyKeyRequired = BAD_REQUEST, "idempotency-key-required", "One Idempotency-Key header of 1 to 255 visible ASCII characters without commas is needed.";
    /// The key was used for another request.
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The Idempotency-Key was used before, for another request.";
    /// The same request is being worked on.
    RequestInProgress = CONFLICT, "request-in-progress", "The same request is still being worked on.";
    /// `If-Match` missing.
    PreconditionRequired = PRECONDITION_REQUIRED, "precondition-required", "An If-Match header with the entry's ETag is needed.";
    /// The entry is not the one the caller read.
    PreconditionFailed = PRECONDITION_FAILED, "precondition-failed", "The entry has changed since it was read.";
    /// No token that holds.
    InvalidToken = UNAUTHORIZED, "invalid-token", "A valid access token is needed.";
    /// The e-ID's level is too low.
    AssuranceTooLow = FORBIDDEN, "assurance-too-low", "Log in with an e-ID at level substantial or high.";
    /// The caller has no right to this.
    Forbidden = FORBIDDEN, "forbidden", "The caller does not have the right to do this.";
    /// No such thing, or not the caller's.
    NotFound = NOT_FOUND, "not-found", "There is nothing here.";
    /// No mailbox of the calling provider.
    MailboxNotFound = NOT_FOUND, "mailbox-not-found", "The provider has no mailbox for the person.";
    /// The person is not in the register.
    NotRegistered = NOT_FOUND, "not-registered", "The person is not in the register.";
    /// A method this path does not have.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The path does not take this method.";
    /// Only JSON is spoken here.
    NotAcceptable = NOT_ACCEPTABLE, "not-acceptable", "Answers are application/json.";
    /// Only JSON is read here.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body has to be application/json.";
    /// A signed answer longer than a function can answer.
    AnswerTooLarge = PAYLOAD_TOO_LARGE, "answer-too-large", "The signed answer is too large. Ask for fewer persons, or for application/json.";
    /// The body is over the limit.
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large.";
    /// The person refuses digital decisions.
    Reserved = CONFLICT, "reserved", "The person is reserved against digital communication.";
    /// The entry is deleted.
    Deleted = CONFLICT, "deleted", "The entry is deleted.";
    /// Neither e-mail nor mobile would be left.
    ContactRequired = UNPROCESSABLE_ENTITY, "contact-required", "At least one of e-mail and mobile is needed.";
    /// A number that cannot get SMS from here.
    NumberNotAllowed = UNPROCESSABLE_ENTITY, "number-not-allowed", "Not a mobile number in international form of an allowed country.";
    /// An address that e-mail cannot be sent to.
    EmailNotDeliverable = UNPROCESSABLE_ENTITY, "email-not-deliverable", "Not an e-mail address that can be delivered to.";
    /// Not nb, nn, en or se.
    UnknownLanguage = UNPROCESSABLE_ENTITY, "unknown-language", "The language is one of nb, nn, en and se.";
    /// Neither sms nor email.
    UnknownChannel = UNPROCESSABLE_ENTITY, "unknown-channel", "The channel is sms or email.";
    /// A provider that the directory does not have.
    UnknownProvider = UNPROCESSABLE_ENTITY, "unknown-provider", "There is no such mailbox provider.";
    /// Not a mailbox address.
    InvalidMailboxAddress = UNPROCESSABLE_ENTITY, "invalid-mailbox-address", "A mailbox address is 8 to 100 characters without spaces.";
    /// Not a certificate that is valid now.
    InvalidCertificate = UNPROCESSABLE_ENTITY, "invalid-certificate", "The certificate is not an X.509 certificate in PEM that is valid now.";
    /// A purpose that says nothing, or names a person.
    InvalidPurpose = UNPROCESSABLE_ENTITY, "invalid-purpose", "The purpose is a text of 3 to 200 characters without identity numbers.";
    /// A reference that is too long, or names a person.
    InvalidReference = UNPROCESSABLE_ENTITY, "invalid-reference", "The reference is a text of 1 to 100 characters without identity numbers.";
    /// The reference is that of another letter.
    ReferenceReused = UNPROCESSABLE_ENTITY, "reference-reused", "Another letter was announced under this reference.";
    /// A letter that was there long ago, or will be in a distant future.
    InvalidAvailability = UNPROCESSABLE_ENTITY, "invalid-availability", "A letter is announced at most a day after and 366 days before it is available.";
    /// Legal notice from outside of the public administration.
    InvalidLegalNotice = UNPROCESSABLE_ENTITY, "invalid-legal-notice", "Only a public sender's notice can be legal notice.";
    /// Not the name of a file that is taken.
    InvalidFileName = UNPROCESSABLE_ENTITY, "invalid-file-name", "A file's name is 1 to 60 characters without identity numbers, and ends in .csv, .jsonl, .csv.gz or .jsonl.gz.";
    /// No purpose, and none that is usual.
    PurposeRequired = UNPROCESSABLE_ENTITY, "purpose-required", "A purpose is needed: the organisation has no usual one.";
    /// There is no such earlier batch to compare with.
    UnknownBatch = UNPROCESSABLE_ENTITY, "unknown-batch", "There is no such earlier batch of look-ups of the organisation.";
    /// The batch cannot be approved, or called off, as it is now.
    WrongState = CONFLICT, "wrong-state", "The batch is not in a state for this.";
    /// The code is not the one that was sent, or no longer good.
    WrongCode = UNPROCESSABLE_ENTITY, "wrong-code", "The code is wrong or no longer valid.";
    /// Too many tries, or a new code too soon.
    TooManyRequests = TOO_MANY_REQUESTS, "too-many-requests", "Too many tries. Wait and try again.";
    /// More persons than the organisation may ask for in a minute, or a day.
    RateLimited = TOO_MANY_REQUESTS, "rate-limited", "The organisation has asked for as many persons as it may for now. Larger lists go in a file.";
    /// Too many persons who are not in the register, in an hour.
    TooManyMisses = TOO_MANY_REQUESTS, "too-many-misses", "Too many of the persons that the organisation asked for are not in the register. Check the list.";
    /// Something this service stands on is down.
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The service cannot answer right now.";
    /// A fault of this service.
    Internal = INTERNAL_SERVER_ERROR, "internal", "The service failed.";
}

impl Kind {
    /// Whether the same request can succeed later, unchanged.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RequestInProgress
                | Self::TooManyRequests
                | Self::RateLimited
                | Self::TooManyMisses
                | Self::Unavailable
                | Self::Internal
        )
    }

    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        if self.status().is_server_error() {
            Fault::Service
        } else {
            Fault::Caller
        }
    }
}

/// A place in the body and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong: the last part of a problem's `type`.
    pub code: &'static str,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
    quotas: Option<Quotas>,
}

impl Problem {
    /// A refusal of one kind.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            errors: Vec::new(),
            retry_after: None,
            quotas: None,
        }
    }

    /// A refusal of fields. Its kind is that of the first field, syntax (400) before meaning (422).
    pub fn of_fields(errors: &[(String, Kind)]) -> Self {
        let kind = errors
            .iter()
            .map(|(_, kind)| *kind)
            .min_by_key(|kind| kind.status())
            .unwrap_or(Kind::MalformedJson);
        Self {
            kind,
            errors: errors
                .iter()
                .map(|(pointer, kind)| FieldError {
                    pointer: pointer.clone(),
                    code: kind.slug(),
                })
                .collect(),
            retry_after: None,
            quotas: None,
        }
    }

    /// Says when to try again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Says how much may still be asked for.
    #[must_use]
    pub const fn with_quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = Some(quotas);
        self
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

/// The `type` of problems of a kind.
pub(crate) fn urn(kind: Kind) -> String {
    format!("urn:problem-type:{}", kind.slug())
}

/// A refusal (RFC 9457). It repeats nothing of the request.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body<'a> {
    /// The kind of problem: stable, for programs to go by.
    #[schema(pattern = "^urn:problem-type:[a-z-]+$")]
    r#type: String,
    /// What it means, for people.
    title: &'a str,
    /// The same, for clients of the existing contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    fault: Fault,
    /// Whether the same request can succeed later: then `Retry-After` says when.
    retryable: bool,
    /// Where in the body, and what is wrong there.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    pub(crate) fn body<'a>(&'a self, detail: Option<&'a str>) -> Body<'a> {
        let kind = self.kind;
        Body {
            r#type: urn(kind),
            title: kind.title(),
            detail,
            status: kind.status().as_u16(),
            fault: kind.fault(),
            retryable: kind.is_retryable(),
            errors: &self.errors,
        }
    }
}

/// An answer that, if it is a problem, has `detail` too: clients of the existing contract expect it. It says what `title`
/// says, as nothing of the request is repeated.
pub fn detailed(response: Response) -> Response {
    let Some(problem) = response.extensions().get::<Problem>().cloned() else {
        return response;
    };
    let body = Json(problem.body(Some(problem.kind.title())))
        .into_response()
        .into_body();
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, body)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = self.kind;
        let mut response = (kind.status(), Json(self.body(None))).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if kind == Kind::InvalidToken {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer error=\"invalid_token\""),
            );
        }
        // Whoever may try again is always told when.
        let wait = self.retry_after.or_else(|| kind.is_retryable().then_some(1));
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(quotas) = &self.quotas {
            quota::show(quotas, headers);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_the_status() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
        }
    }

    #[test]
    fn syntax_comes_before_meaning() {
        let problem = Problem::of_fields(&[
            ("/email".to_owned(), Kind::EmailNotDeliverable),
            ("/mobile".to_owned(), Kind::InvalidValue),
        ]);
        assert_eq!(problem.kind(), Kind::InvalidValue);
        assert_eq!(problem.errors.len(), 2);
    }

    #[test]
    fn what_may_be_tried_again_says_when() {
        let response = Problem::new(Kind::Unavailable).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = Problem::new(Kind::TooManyRequests).retry_after(42).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "42");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
