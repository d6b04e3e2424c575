//! What KMS keys do for the register: they wrap its secret, which nobody ever sees in clear, and seal what a message
//! carries but may not show.

use std::collections::HashMap;

use aws_sdk_kms::{Client, primitives::Blob};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailbox_register::{
    person::KeyVersion,
    secret::{Secret, Secrets},
};

use crate::error::StoreError;

/// What a secret is wrapped for besides the key, from the second version on: one does not open as another.
const WRAPPED_AS: &str = "person-key";

/// The register's secrets, wrapped: the current one, and while it gives way to the next the other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The version of the current one.
    pub version: KeyVersion,
    /// The current one.
    pub current: Vec<u8>,
    /// The version of the other one, and that one.
    pub other: Option<(KeyVersion, Vec<u8>)>,
}

/// Unwraps the secrets.
///
/// # Errors
/// [`StoreError::Unreadable`], if one is not a secret; others, if KMS does not unwrap it. One that was wrapped as another
/// version it does not unwrap: keys that nobody was ever given are never looked for.
pub async fn unwrap(client: &Client, wrapped: &Wrapped) -> Result<Secrets, StoreError> {
    let current = unwrap_one(client, wrapped.version, &wrapped.current).await?;
    Ok(match &wrapped.other {
        None => current.into(),
        Some((version, other)) => {
            let other = unwrap_one(client, *version, other).await?;
            Secrets::both(current, other).map_err(|_| NOT_A_SECRET)?
        }
    })
}

async fn unwrap_one(client: &Client, version: KeyVersion, wrapped: &[u8]) -> Result<Secret, StoreError> {
    let version_text = version.to_string();
    let unwrapped = client
        .decrypt()
        .ciphertext_blob(Blob::new(wrapped))
        .set_encryption_context(wrapping_context(version, &version_text))
        .send()
        .await?;
    let plaintext = unwrapped.plaintext.ok_or(NOT_A_SECRET)?;
    Secret::read(version, plaintext.as_ref()).map_err(|_| NOT_A_SECRET)
}

/// The first secret was wrapped for nothing in particular.
fn wrapping_context(version: KeyVersion, text: &str) -> Option<HashMap<String, String>> {
    (version > KeyVersion::FIRST).then(|| pairs(&[(WRAPPED_AS, text)]))
}

/// What was unwrapped is no secret.
const NOT_A_SECRET: StoreError = StoreError::Unreadable("the wrapped secret");

/// What was sealed cannot be opened: by this key, in this context, or at all.
const NOT_SEALED: StoreError = StoreError::Unreadable("what a key sealed");

/// Seals a text of at most 4096 bytes under a key: base64, another one each time. It opens in the same context alone.
///
/// # Errors
/// [`StoreError`], if KMS does not seal it.
pub async fn seal(client: &Client, key: &str, context: &[(&str, &str)], text: &str) -> Result<String, StoreError> {
    let sealed = client
        .encrypt()
        .key_id(key)
        .set_encryption_context(Some(pairs(context)))
        .plaintext(Blob::new(text))
        .send()
        .await?;
    let blob = sealed
        .ciphertext_blob
        .ok_or(StoreError::Unwritable("what a key sealed"))?;
    Ok(STANDARD.encode(blob))
}

/// The text that [`seal`] sealed.
///
/// # Errors
/// [`StoreError::Unreadable`], if it is not of this key and context; others, if KMS does not open it.
pub async fn open(client: &Client, key: &str, context: &[(&str, &str)], sealed: &str) -> Result<String, StoreError> {
    let blob = STANDARD.decode(sealed).map_err(|_| NOT_SEALED)?;
    let opened = client
        .decrypt()
        .key_id(key)
        .set_encryption_context(Some(pairs(context)))
        .ciphertext_blob(Blob::new(blob))
        .send()
        .await
        .map_err(|error| match error.as_service_error() {
            Some(refused) if refused.is_invalid_ciphertext_exception() || refused.is_incorrect_key_exception() => {
                NOT_SEALED
            }
            _ => StoreError::from(error),
        })?;
    let plaintext = opened.plaintext.ok_or(NOT_SEALED)?;
    String::from_utf8(plaintext.into_inner()).map_err(|_| NOT_SEALED)
}

fn pairs(context: &[(&str, &str)]) -> HashMap<String, String> {
    context
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
