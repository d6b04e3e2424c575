//! A set of persons that fits in memory however many they are.

use roaring::RoaringBitmap;

use crate::{person::PersonIdentifier, redacted_debug};

/// Whom a file has named so far: exact, at a few bytes for each.
#[derive(Clone, Default, PartialEq)]
pub struct Persons(RoaringBitmap);

redacted_debug!(Persons);

impl Persons {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a person. Says whether that was news.
    pub fn insert(&mut self, person: &PersonIdentifier) -> bool {
        self.0.insert(person.index())
    }

    /// How many they are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::Population;

    #[test]
    fn a_person_is_new_once() {
        let person = |text| PersonIdentifier::parse(text, Population::Synthetic).unwrap();
        let mut persons = Persons::new();
        assert!(persons.is_empty());
        assert!(persons.insert(&person("20914695016")));
        assert!(persons.insert(&person("22885399316")));
        assert!(!persons.insert(&person("20914695016")));
        assert_eq!(persons.len(), 2);
        assert_eq!(format!("{persons:?}"), "Persons(…)");
    }
}
