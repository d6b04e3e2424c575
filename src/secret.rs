//! The register's secret, and everything that is derived from it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{
    person::{PersonIdentifier, PersonKey},
    redacted_debug,
};

/// 32 random bytes that turn identity numbers, addresses and codes into keys nobody can turn back.
///
/// An eleven-digit number hashed without it could be found by trying all of them.
#[derive(Clone)]
pub struct Secret([u8; 32]);

redacted_debug!(Secret);

/// A secret of another length than 32 bytes.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("the secret is 32 bytes")]
pub struct WrongSecretLength;

impl Secret {
    /// A secret from its bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that stands for a person.
    pub fn person_key(&self, person: &PersonIdentifier) -> PersonKey {
        PersonKey::new(&encode(&self.hash(person.as_str().as_bytes())))
    }

    /// A keyed hash of some parts for one purpose, base64url.
    ///
    /// The purpose keeps hashes of the same parts apart; a purpose never starts with a digit, so none meets a person key.
    pub fn mac(&self, purpose: &str, parts: &[&str]) -> String {
        encode(&self.mac_bytes(purpose, parts))
    }

    pub(crate) fn mac_bytes(&self, purpose: &str, parts: &[&str]) -> [u8; 32] {
        let mut message = purpose.as_bytes().to_vec();
        for part in parts {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part.as_bytes());
        }
        self.hash(&message)
    }

    fn hash(&self, message: &[u8]) -> [u8; 32] {
        // HMAC fills a key up with zeros to the hash's block; done here, so that there is no length left to fail on.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

impl TryFrom<&[u8]> for Secret {
    type Error = WrongSecretLength;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self).map_err(|_| WrongSecretLength)
    }
}

fn encode(hash: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::Population;

    #[test]
    fn a_person_key_holds_nothing_of_the_number_and_depends_on_the_secret() {
        let person = PersonIdentifier::parse("20914695016", Population::Synthetic).unwrap();
        let key = Secret::new([7; 32]).person_key(&person);
        assert!(key.as_str().starts_with("v1#"));
        assert_eq!(key.as_str().len(), 3 + 43);
        assert!(!key.as_str().contains("20914695016"));
        assert_ne!(key, Secret::new([8; 32]).person_key(&person));
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let secret = Secret::new([7; 32]);
        assert_ne!(secret.mac("x", &["ab", "c"]), secret.mac("x", &["a", "bc"]));
        assert_ne!(secret.mac("x", &["ab"]), secret.mac("y", &["ab"]));
    }
}
