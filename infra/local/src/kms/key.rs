//! One key, which seals or signs.

use std::{fmt, path::Path, sync::OnceLock};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest::{self, SHA256},
    encoding::AsDer as _,
    error::Unspecified,
    rand,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};

use super::{KmsError, Refusal};
use crate::keyfile;

/// A key of KMS.
pub(super) enum Key {
    /// Encrypts and decrypts.
    Sealing(RandomizedNonceKey),
    /// Signs.
    Signing(RsaKeyPair),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sealing(_) => "Sealing",
            Self::Signing(_) => "Signing",
        })
    }
}

impl Key {
    /// The key in the folder, else a new one, which is then put there.
    pub(super) fn kept(id: &str, spec: &str, folder: Option<&Path>) -> Result<Self, KmsError> {
        let file = folder.map(|folder| folder.join(format!("kms-{id}.key")));
        let kept = match &file {
            Some(file) => keyfile::read(file)?,
            None => None,
        };
        let is_new = kept.is_none();
        let content = match (kept, spec) {
            (Some(kept), _) => kept,
            (None, "SYMMETRIC_DEFAULT") => {
                let mut bytes = vec![0; AES_256_GCM.key_len()];
                rand::fill(&mut bytes)?;
                bytes
            }
            (None, "RSA_2048") => rsa()?,
            _ => return Err(KmsError::Kind(id.to_owned())),
        };
        if let Some(file) = file.filter(|_| is_new) {
            keyfile::write(&file, &content)?;
        }
        if spec == "RSA_2048" {
            let pair = RsaKeyPair::from_pkcs8(&content).map_err(|_| KmsError::Key)?;
            Ok(Self::Signing(pair))
        } else {
            Ok(Self::Sealing(RandomizedNonceKey::new(&AES_256_GCM, &content)?))
        }
    }

    /// The blob that holds a text, and names its key.
    pub(super) fn seal(&self, id: &str, context: &[u8], mut text: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let Self::Sealing(key) = self else {
            return Err(WRONG_USAGE);
        };
        let nonce = key.seal_in_place_append_tag(Aad::from(context), &mut text)?;
        let length = u8::try_from(id.len()).map_err(|_| Unspecified)?;
        Ok([&[length], id.as_bytes(), nonce.as_ref(), &text].concat())
    }

    /// What [`opened`] left of a blob, as text again.
    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let Self::Sealing(key) = self else {
            return Err(Unspecified);
        };
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(Unspecified)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let mut text = sealed.to_vec();
        let length = key.open_in_place(nonce, Aad::from(context), &mut text)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// RSASSA-PKCS1-v1_5 of a digest.
    pub(super) fn sign(&self, digest: &Digest) -> Result<Vec<u8>, Refusal> {
        let Self::Signing(pair) = self else {
            return Err(WRONG_USAGE);
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign_digest(&RSA_PKCS1_SHA256, &digest.0, &mut signature)?;
        Ok(signature)
    }

    /// The public part as X.509 `SubjectPublicKeyInfo`, in DER.
    pub(super) fn public(&self) -> Result<Vec<u8>, Refusal> {
        let Self::Signing(pair) = self else {
            return Err(WRONG_USAGE);
        };
        Ok(pair.public_key().as_der()?.as_ref().to_vec())
    }
}

const WRONG_USAGE: Refusal = Refusal::of_the_caller("InvalidKeyUsageException");

/// The key's id that a blob names, and what is sealed.
pub(super) fn opened(blob: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = blob.split_first()?;
    let (id, sealed) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(id).ok()?, sealed))
}

/// SHA-256 of a message.
pub(super) struct Digest(digest::Digest);

impl Digest {
    pub(super) fn of(message: &[u8]) -> Self {
        Self(digest::digest(&SHA256, message))
    }

    /// One that the caller worked out.
    pub(super) fn given(bytes: &[u8]) -> Result<Self, Unspecified> {
        digest::Digest::import_less_safe(bytes, &SHA256).map(Self)
    }
}

/// The process's own pair, in PKCS #8: making one is slow.
fn rsa() -> Result<Vec<u8>, Unspecified> {
    static PAIR: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(pair) = PAIR.get() {
        return Ok(pair.clone());
    }
    let made = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?.as_ref().to_vec();
    // Another thread may have been faster: all use the first.
    Ok(PAIR.get_or_init(|| made).clone())
}
