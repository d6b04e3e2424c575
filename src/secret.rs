//! The register's secret, everything that is derived from it, and how one secret gives way to the next.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{
    person::{KeyVersion, PersonIdentifier, PersonKey, PersonKeys},
    redacted_debug,
};

/// 32 random bytes that turn identity numbers, addresses and codes into keys nobody can turn back.
///
/// An eleven-digit number hashed without it could be found by trying all of them.
#[derive(Clone)]
pub struct Secret {
    version: KeyVersion,
    bytes: [u8; 32],
}

redacted_debug!(Secret);

/// A secret of another length than 32 bytes.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("the secret is 32 bytes")]
pub struct WrongSecretLength;

/// Two secrets of one version: keys made with them could not be told apart.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("two secrets have the same version")]
pub struct SameVersion;

impl Secret {
    /// The first secret, from its bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self::of_version(KeyVersion::FIRST, bytes)
    }

    /// The secret of a version, from its bytes.
    pub const fn of_version(version: KeyVersion, bytes: [u8; 32]) -> Self {
        Self { version, bytes }
    }

    /// The secret of a version, from bytes that should be one.
    ///
    /// # Errors
    /// [`WrongSecretLength`].
    pub fn read(version: KeyVersion, bytes: &[u8]) -> Result<Self, WrongSecretLength> {
        let bytes = bytes.try_into().map_err(|_| WrongSecretLength)?;
        Ok(Self::of_version(version, bytes))
    }

    /// Its version, which the keys that are made with it begin with.
    pub const fn version(&self) -> KeyVersion {
        self.version
    }

    /// The key that stands for a person.
    pub fn person_key(&self, person: &PersonIdentifier) -> PersonKey {
        PersonKey::new(self.version, &encode(&self.hash(person.as_str().as_bytes())))
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
        block[..32].copy_from_slice(&self.bytes);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

/// The secret in use and, while one gives way to the next, the other of the two.
///
/// New keys are made with the current one; what is not found by it is looked for by the other. First the next one becomes
/// known, then it becomes the current one, and when nothing is left that was made with the old one, that one goes: each
/// step is a deployment, in the middle of which functions that have taken it and functions that have not find the same.
#[derive(Debug, Clone)]
pub struct Secrets {
    current: Secret,
    other: Option<Secret>,
}

impl From<Secret> for Secrets {
    fn from(current: Secret) -> Self {
        Self { current, other: None }
    }
}

impl Secrets {
    /// Two secrets, in use together.
    ///
    /// # Errors
    /// [`SameVersion`].
    pub fn both(current: Secret, other: Secret) -> Result<Self, SameVersion> {
        if current.version == other.version {
            return Err(SameVersion);
        }
        Ok(Self {
            current,
            other: Some(other),
        })
    }

    /// The one that new keys are made with.
    pub const fn current(&self) -> &Secret {
        &self.current
    }

    /// The other one, if there are two.
    pub const fn other(&self) -> Option<&Secret> {
        self.other.as_ref()
    }

    /// All there are, the current one first.
    pub fn each(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.other)
    }

    /// The older one. What lasts for a day or less, and what nobody looks for by a person, is derived from it, so that it
    /// changes once: when that secret goes.
    pub fn oldest(&self) -> &Secret {
        self.other()
            .filter(|other| other.version < self.current.version)
            .unwrap_or(&self.current)
    }

    /// The one that a key was made with, if it is one of these.
    pub fn of(&self, key: &PersonKey) -> Option<&Secret> {
        let version = key.version()?;
        self.each().find(|secret| secret.version == version)
    }

    /// Whether keys of an earlier secret may be about.
    pub fn have_changed(&self) -> bool {
        self.other.is_some() || self.current.version > KeyVersion::FIRST
    }

    /// The key that stands for a person from now on.
    pub fn person_key(&self, person: &PersonIdentifier) -> PersonKey {
        self.current.person_key(person)
    }

    /// All keys that may stand for a person.
    pub fn keys(&self, person: &PersonIdentifier) -> PersonKeys {
        PersonKeys::new(
            self.person_key(person),
            self.other().map(|secret| secret.person_key(person)),
        )
    }
}

fn encode(hash: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    fn of(version: u32) -> Secret {
        Secret::of_version(KeyVersion::new(version).unwrap(), [u8::try_from(version).unwrap(); 32])
    }

    #[test]
    fn a_key_says_which_secret_it_was_made_with() {
        let person = PersonIdentifier::parse("20914695016", Population::Synthetic).unwrap();
        let secrets = Secrets::both(of(2), of(1)).unwrap();
        let keys = secrets.keys(&person);
        assert!(keys.current().as_str().starts_with("v2#"));
        assert!(keys.other().unwrap().as_str().starts_with("v1#"));
        for key in keys.each() {
            assert_eq!(Some(secrets.of(key).unwrap().person_key(&person)).as_ref(), Some(key));
        }
        assert!(secrets.of(&of(3).person_key(&person)).is_none());
        assert!(secrets.of(&PersonKey::from_stored("#")).is_none());
    }

    #[test]
    fn while_there_are_two_secrets_the_older_one_is_the_lower_whichever_is_current() {
        let version = |secret: &Secret| secret.version();
        assert_eq!(version(Secrets::both(of(1), of(2)).unwrap().oldest()), version(&of(1)));
        assert_eq!(version(Secrets::both(of(2), of(1)).unwrap().oldest()), version(&of(1)));
        assert_eq!(version(Secrets::from(of(2)).oldest()), version(&of(2)));
        assert_eq!(Secrets::both(of(2), of(2)).unwrap_err(), SameVersion);
        assert!(!Secrets::from(of(1)).have_changed());
        assert!(Secrets::from(of(2)).have_changed() && Secrets::both(of(1), of(2)).unwrap().have_changed());
    }

    proptest! {
        /// Whatever the step of a rotation, a key that any earlier step made is among those that are looked for, until the
        /// old secret goes; and new entries keep the older key in mind as soon as keys are newer.
        #[test]
        fn no_step_makes_a_key_that_the_next_does_not_look_for(number in 0u32..1000, first in 1u32..9) {
            let person = PersonIdentifier::parse("20914695016", Population::Synthetic).unwrap();
            let bytes = |version: u32| [u8::try_from((version + number) % 251).unwrap(); 32];
            let of = |version: u32| Secret::of_version(KeyVersion::new(version).unwrap(), bytes(version));
            let (old, new) = (of(first), of(first + 1));
            let steps = [
                Secrets::from(old.clone()),
                Secrets::both(old.clone(), new.clone()).unwrap(),
                Secrets::both(new.clone(), old).unwrap(),
                Secrets::from(new),
            ];
            for pair in steps.windows(2) {
                let made = pair[0].person_key(&person);
                let looked_for = pair[1].keys(&person);
                let is_last = pair[1].other().is_none();
                prop_assert!(looked_for.each().any(|key| *key == made));
                prop_assert!(is_last || pair[0].keys(&person).each().any(|key| key == looked_for.current())
                    || pair[0].other().is_none());
                let earlier = looked_for.earlier_than(looked_for.current());
                let knows_older = pair[1].other().is_some_and(|other| other.version() < pair[1].current().version());
                prop_assert_eq!(!earlier.is_empty(), knows_older);
            }
        }
    }
}
