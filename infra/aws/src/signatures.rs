//! Signatures by an asymmetric KMS key: the private part never leaves KMS.

use std::sync::{Arc, OnceLock};

use aws_sdk_kms::{
    Client,
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use mailbox_register::jws;
pub use mailbox_register::jws::PublicKey;
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;

/// The key that signs. Its public part is read once and kept: a KMS key never changes it.
#[derive(Debug, Clone)]
pub struct Signatures {
    client: Client,
    key: String,
    public: Arc<OnceLock<PublicKey>>,
}

impl Signatures {
    /// By the key of this id.
    pub fn new(client: Client, key: String) -> Self {
        Self {
            client,
            key,
            public: Arc::default(),
        }
    }

    /// What verifies the signatures.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn public_key(&self) -> Result<&PublicKey, StoreError> {
        if let Some(public) = self.public.get() {
            return Ok(public);
        }
        let answer = self.client.get_public_key().key_id(&self.key).send().await?;
        let public = answer
            .public_key
            .and_then(|der| PublicKey::from_spki(der.as_ref()).ok())
            .ok_or(StoreError::Unreadable("the signing key"))?;
        Ok(self.public.get_or_init(|| public))
    }

    /// A payload as compact JWS. One call to KMS, whatever the payload's size: it signs the digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn compact(&self, payload: &[u8]) -> Result<String, StoreError> {
        let input = self.public_key().await?.signing_input(payload);
        let digest = Sha256::digest(&input);
        let signed = self
            .client
            .sign()
            .key_id(&self.key)
            .message(Blob::new(digest.to_vec()))
            .message_type(MessageType::Digest)
            .signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256)
            .send()
            .await?;
        let signature = signed.signature.ok_or(StoreError::Unreadable("a signature"))?;
        Ok(jws::compact(input, signature.as_ref()))
    }
}
