//! Why a request got no caller.

use mailbox_register::caller::Refusal;

/// What was wrong. Its text is the code that the log gets; callers learn only [`Reason::refusal`].
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Reason {
    #[error("no-token")]
    NoToken,
    #[error("not-bearer")]
    NotBearer,
    #[error("several-headers")]
    SeveralHeaders,
    #[error("too-long")]
    TooLong,
    /// Not a signed JWT with the claims of an access token, each of its type.
    #[error("malformed")]
    Malformed,
    #[error("algorithm")]
    Algorithm,
    /// The header brings or points at a key, or asks for an extension.
    #[error("header-key")]
    HeaderKey,
    #[error("no-key-id")]
    NoKeyId,
    #[error("issuer")]
    Issuer,
    #[error("unknown-key")]
    UnknownKey,
    #[error("keys-unavailable")]
    KeysUnavailable,
    #[error("signature")]
    Signature,
    #[error("expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("not-yet-valid")]
    NotYetValid,
    #[error("audience")]
    Audience,
    #[error("id-token")]
    IdToken,
    /// `acr` is missing or unknown.
    #[error("assurance")]
    Assurance,
    /// `pid` is missing, wrong, or of the other population.
    #[error("person")]
    Person,
    #[error("consumer")]
    Consumer,
    #[error("supplier")]
    Supplier,
}

impl Reason {
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::KeysUnavailable => Refusal::Unavailable,
            Self::Consumer | Self::Supplier => Refusal::Forbidden,
            _ => Refusal::InvalidToken,
        }
    }
}
