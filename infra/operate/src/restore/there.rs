//! Where a person's entry stands now, who may have been moved to another secret's key since the moment that is restored to.

use infra_aws::{
    error::StoreError,
    register::{Entries, Located, Stored},
};
use mailbox_register::{
    entry::Entry,
    person::{PersonKey, PersonKeys},
    secret::Secrets,
};

/// What there is now.
pub(super) struct There {
    /// The key that it stands under, or, where nothing is left, that it is to be put back under: never an older one than the
    /// current secret's.
    pub key: PersonKey,
    /// The entry, if it can be read.
    pub entry: Option<Entry>,
    /// Its version, whether it can be read or not.
    pub version: Option<u64>,
}

/// Looks by the key of then, and by those that the identifier has now.
pub(super) async fn find(entries: &Entries, secrets: &Secrets, then: &Stored) -> Result<There, StoreError> {
    let keys = secrets.keys(&then.entry.identifier);
    let mut place = then.key.clone();
    let others = keys.each().filter(|key| **key != then.key);
    for asked in std::iter::once(&then.key).chain(others) {
        match entries.at(asked).await {
            Ok(Located {
                key,
                stored: Some(stored),
            }) => {
                return Ok(There {
                    key,
                    version: Some(stored.entry.version),
                    entry: Some(stored.entry),
                });
            }
            Ok(Located { key, stored: None }) => {
                let is_place = asked == keys.current() || key != *asked;
                if is_place && key.version() > place.version() {
                    place = key;
                }
            }
            Err(StoreError::Unreadable(_)) => {
                if let (key, Some(version)) = entries.version(asked).await? {
                    return Ok(There {
                        key,
                        entry: None,
                        version: Some(version),
                    });
                }
            }
            Err(error) => return Err(error),
        }
    }
    if secrets.of(&place).is_none() {
        // Nobody would find the person there.
        return Err(StoreError::Unavailable("a key of another secret".to_owned()));
    }
    Ok(There {
        key: place,
        entry: None,
        version: None,
    })
}

/// The entry of then as it is to stand under a key.
pub(super) fn under(then: &Stored, key: &PersonKey, keys: &PersonKeys) -> Entry {
    let mut entry = then.entry.clone();
    let mut earlier = keys.earlier_than(key);
    earlier.extend(then.own_keys().into_iter().filter(|own| own.version() < key.version()));
    earlier.sort_by_key(|earlier| std::cmp::Reverse(earlier.version()));
    earlier.dedup();
    entry.earlier_keys = earlier;
    entry
}
