//! The register's secret, wrapped by a KMS key. Nobody ever sees it in clear: KMS makes it and unwraps it.

use aws_sdk_kms::{Client, primitives::Blob};
use mailbox_register::secret::Secret;

use crate::error::StoreError;

/// Unwraps the secret.
///
/// # Errors
/// [`StoreError::Unreadable`], if it is not a secret; others, if KMS does not unwrap it.
pub async fn unwrap(client: &Client, wrapped: Vec<u8>) -> Result<Secret, StoreError> {
    let unwrapped = client.decrypt().ciphertext_blob(Blob::new(wrapped)).send().await?;
    let plaintext = unwrapped
        .plaintext
        .ok_or(StoreError::Unreadable("the wrapped secret"))?;
    Secret::try_from(plaintext.as_ref()).map_err(|_| StoreError::Unreadable("the wrapped secret"))
}
