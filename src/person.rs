//! Who an entry is about: the person identifier, and the key that stands for it everywhere else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::redacted_debug;

/// Which persons a register holds. A production register refuses synthetic numbers, a test register real ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Population {
    /// People in the population register.
    Real,
    /// Test persons: month +40, +65 or +80 (Tenor, Dolly and the health test population).
    Synthetic,
}

/// A setting that is neither `real` nor `synthetic`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the population is `real` or `synthetic`")]
pub struct UnknownPopulation;

impl std::str::FromStr for Population {
    type Err = UnknownPopulation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "real" => Ok(Self::Real),
            "synthetic" => Ok(Self::Synthetic),
            _ => Err(UnknownPopulation),
        }
    }
}

/// An 11-digit fødselsnummer or D-number whose check digits and date are right.
///
/// Source: the Tax Administration's documentation of the person identifier. Neither sex nor century is derived:
/// since the change of 2032 neither can be.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = "person-identifier")]
pub struct PersonIdentifier([u8; 11]);

redacted_debug!(PersonIdentifier);

/// Why a text is not a person identifier. Callers learn only that it is not one.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum IdentifierError {
    /// Not exactly eleven ASCII digits.
    #[error("a person identifier is eleven digits")]
    NotElevenDigits,
    /// The control digits fit neither the rule of 1964 nor that of 2032.
    #[error("the control digits are wrong")]
    ControlDigits,
    /// No such day, once the offsets of D-numbers and synthetic numbers are taken off.
    #[error("there is no such date")]
    NoSuchDate,
    /// Synthetic in a real population, or real in a synthetic one.
    #[error("the identifier belongs to another population")]
    OtherPopulation,
}

impl PersonIdentifier {
    /// Reads an identifier of the given population.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str, population: Population) -> Result<Self, IdentifierError> {
        let (identifier, found) = Self::read(text)?;
        if found == population {
            Ok(identifier)
        } else {
            Err(IdentifierError::OtherPopulation)
        }
    }

    /// The eleven digits. For the entry's own attribute, and for an answer to someone with the right to it: nowhere else.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A number that is this identifier's alone: the nine digits before the control digits and the first remainder tell
    /// the first control digit, and that tells the second.
    pub fn index(&self) -> u32 {
        let digits = self.0.map(|digit| u32::from(digit - b'0'));
        let nine = digits[..9].iter().fold(0, |number, digit| number * 10 + digit);
        // At most 999 999 999 * 4 + 3: below 2^32.
        nine * 4 + weighted_sum(&FIRST_WEIGHTS, &digits) % 11
    }

    fn read(text: &str) -> Result<(Self, Population), IdentifierError> {
        let ascii: [u8; 11] = text
            .as_bytes()
            .try_into()
            .map_err(|_| IdentifierError::NotElevenDigits)?;
        if !ascii.iter().all(u8::is_ascii_digit) {
            return Err(IdentifierError::NotElevenDigits);
        }
        let digits = ascii.map(|digit| u32::from(digit - b'0'));
        if !control_digits_fit(&digits) {
            return Err(IdentifierError::ControlDigits);
        }
        let population = population_of(&digits).ok_or(IdentifierError::NoSuchDate)?;
        Ok((Self(ascii), population))
    }
}

/// Weights of the two control sums, the control digit itself included with weight 1.
const FIRST_WEIGHTS: [u32; 10] = [3, 7, 6, 1, 8, 9, 4, 5, 2, 1];
const SECOND_WEIGHTS: [u32; 11] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1];

/// The rule of 2032 lets the first remainder be 0 to 3; that of 1964 (only 0) lies within it.
fn control_digits_fit(digits: &[u32; 11]) -> bool {
    weighted_sum(&FIRST_WEIGHTS, digits) % 11 <= 3 && weighted_sum(&SECOND_WEIGHTS, digits).is_multiple_of(11)
}

fn weighted_sum(weights: &[u32], digits: &[u32]) -> u32 {
    weights.iter().zip(digits).map(|(weight, digit)| weight * digit).sum()
}

/// The population a date belongs to, or none if there is no such date.
fn population_of(digits: &[u32; 11]) -> Option<Population> {
    let two = |at: usize| digits[at] * 10 + digits[at + 1];
    // D-numbers add 4 to the first digit.
    let day = if digits[0] >= 4 { two(0) - 40 } else { two(0) };
    let (month, population) = match two(2) {
        month @ 1..=12 => (month, Population::Real),
        month @ 41..=52 => (month - 40, Population::Synthetic),
        month @ 66..=77 => (month - 65, Population::Synthetic),
        month @ 81..=92 => (month - 80, Population::Synthetic),
        _ => return None,
    };
    let days = match month {
        2 if two(4).is_multiple_of(4) => 29, // in some century: 00 in 2000
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=days).contains(&day).then_some(population)
}

/// Reading back what was stored: the population was checked when it came in.
impl TryFrom<String> for PersonIdentifier {
    type Error = IdentifierError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).map(|(identifier, _)| identifier)
    }
}

impl From<PersonIdentifier> for String {
    fn from(identifier: PersonIdentifier) -> Self {
        identifier.as_str().to_owned()
    }
}

/// The version of a secret: 1 for the first, one more each time that one gives way to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyVersion(u32);

/// A setting that is no version of a secret.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a version of the secret is a number from 1 on")]
pub struct NotAVersion;

impl KeyVersion {
    /// That of a register whose secret was never changed.
    pub const FIRST: Self = Self(1);

    /// A version by its number; there is no version 0.
    pub const fn new(number: u32) -> Option<Self> {
        match number {
            0 => None,
            number => Some(Self(number)),
        }
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version before this one, if there is one.
    pub const fn previous(self) -> Option<Self> {
        Self::new(self.0 - 1)
    }
}

impl std::fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for KeyVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let number: u32 = text.parse().map_err(|_| NotAVersion)?;
        // Written in one way alone: keys are compared as texts.
        let version = Self::new(number).filter(|_| number.to_string() == text);
        version.ok_or(NotAVersion)
    }
}

/// The key that stands for a person in tables, queues and links: `v1#` and a keyed hash of the identifier; `v2#` from the
/// second secret on.
///
/// Made by [`crate::secret::Secret::person_key`]; without the secret it says nothing about the person.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonKey(String);

redacted_debug!(PersonKey);

impl PersonKey {
    pub(crate) fn new(version: KeyVersion, mac: &str) -> Self {
        Self(format!("v{version}#{mac}"))
    }

    /// A key read back from a table or a message.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key as tables hold it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version of the secret that it was made with; none of what is no key.
    pub fn version(&self) -> Option<KeyVersion> {
        let (version, _) = self.0.strip_prefix('v')?.split_once('#')?;
        version.parse().ok()
    }
}

/// All keys that may stand for a person: two, while one secret gives way to the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PersonKeys {
    current: PersonKey,
    other: Option<PersonKey>,
}

impl From<PersonKey> for PersonKeys {
    fn from(current: PersonKey) -> Self {
        Self::new(current, None)
    }
}

impl PersonKeys {
    pub(crate) const fn new(current: PersonKey, other: Option<PersonKey>) -> Self {
        Self { current, other }
    }

    /// The one that is given from now on.
    pub const fn current(&self) -> &PersonKey {
        &self.current
    }

    /// The other one.
    pub const fn other(&self) -> Option<&PersonKey> {
        self.other.as_ref()
    }

    /// All of them, the current one first.
    pub fn each(&self) -> impl Iterator<Item = &PersonKey> {
        std::iter::once(&self.current).chain(&self.other)
    }

    /// Those of earlier secrets than `key`'s.
    pub fn earlier_than(&self, key: &PersonKey) -> Vec<PersonKey> {
        let earlier = self.each().filter(|other| other.version() < key.version());
        earlier.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SYNTHETIC: [&str; 9] = [
        "20914695016",
        "22885399316",
        "21836797660",
        "22838497199",
        "10915596784",
        "41814061033",
        "49860699787",
        "41664061188",
        "13527248013",
    ];

    #[test]
    fn the_published_synthetic_numbers_are_accepted_in_a_test_register_alone() {
        for text in SYNTHETIC {
            let identifier = PersonIdentifier::parse(text, Population::Synthetic).unwrap();
            assert_eq!(identifier.as_str(), text);
            assert_eq!(
                PersonIdentifier::parse(text, Population::Real),
                Err(IdentifierError::OtherPopulation)
            );
        }
    }

    #[test]
    fn numbers_by_the_rule_of_2032_are_accepted() {
        for text in ["02013299903", "30108299939"] {
            assert!(PersonIdentifier::parse(text, Population::Real).is_ok());
            assert_eq!(
                PersonIdentifier::parse(text, Population::Synthetic),
                Err(IdentifierError::OtherPopulation)
            );
        }
    }

    #[test]
    fn what_is_not_an_identifier_is_refused() {
        let refused = [
            ("", IdentifierError::NotElevenDigits),
            ("2091469501", IdentifierError::NotElevenDigits),
            ("209146950166", IdentifierError::NotElevenDigits),
            ("2091469501a", IdentifierError::NotElevenDigits),
            ("209146 95016", IdentifierError::NotElevenDigits),
            (" 2091469501", IdentifierError::NotElevenDigits),
            ("２０９１４６９５０１６", IdentifierError::NotElevenDigits),
            ("٢٠٩١٤٦٩٥٠١٦", IdentifierError::NotElevenDigits),
            ("41804061033", IdentifierError::ControlDigits),
            ("02013299987", IdentifierError::ControlDigits),
            ("41934063587", IdentifierError::NoSuchDate),
            ("41654061783", IdentifierError::NoSuchDate),
            ("41784061882", IdentifierError::NoSuchDate),
        ];
        for (text, why) in refused {
            for population in [Population::Synthetic, Population::Real] {
                assert_eq!(PersonIdentifier::parse(text, population), Err(why), "{text}");
            }
        }
        for digit in '0'..='9' {
            let all_equal = digit.to_string().repeat(11);
            assert!(PersonIdentifier::parse(&all_equal, Population::Real).is_err());
        }
    }

    #[test]
    fn nothing_of_the_person_shows_in_debug() {
        let identifier = PersonIdentifier::parse(SYNTHETIC[0], Population::Synthetic).unwrap();
        assert_eq!(format!("{identifier:?}"), "PersonIdentifier(…)");
        assert_eq!(
            format!("{:?}", PersonKey::new(KeyVersion::FIRST, "secret")),
            "PersonKey(…)"
        );
    }

    #[test]
    fn a_version_is_written_in_one_way() {
        assert_eq!("2".parse(), Ok(KeyVersion::FIRST.next()));
        for text in ["", "0", "01", "+1", "-1", "1 ", "v1", "4294967296"] {
            assert_eq!(text.parse::<KeyVersion>(), Err(NotAVersion), "{text}");
        }
        assert_eq!(KeyVersion::FIRST.previous(), None);
        let key = |text: &str| PersonKey::from_stored(text).version();
        assert_eq!(key("v12#abc"), KeyVersion::new(12));
        for text in ["", "#", "v#abc", "v0#abc", "1#abc", "v1"] {
            assert_eq!(key(text), None, "{text}");
        }
    }

    prop_compose! {
        /// A day, month and year that exist, the offsets of a synthetic number, and three individual digits.
        fn date_part()(
            year in 0u32..100, month in 1u32..=12, day in 1u32..=28, individual in 0u32..1000,
            offset in prop_oneof![Just(40u32), Just(65), Just(80)], d_number in any::<bool>(),
        ) -> [u32; 9] {
            let day = day + if d_number { 40 } else { 0 };
            let month = month + offset;
            [day / 10, day % 10, month / 10, month % 10, year / 10, year % 10,
             individual / 100, individual / 10 % 10, individual % 10]
        }
    }

    /// Both control digits for the wanted first remainder, where they exist.
    fn completed(date: [u32; 9], first_remainder: u32) -> Option<String> {
        let sum: u32 = FIRST_WEIGHTS.iter().zip(&date).map(|(w, d)| w * d).sum();
        let k1 = (11 + first_remainder - sum % 11) % 11;
        let sum: u32 = SECOND_WEIGHTS
            .iter()
            .zip(date.iter().chain([&k1]))
            .map(|(w, d)| w * d)
            .sum();
        let k2 = (11 - sum % 11) % 11;
        (k1 < 10 && k2 < 10).then(|| date.iter().chain([&k1, &k2]).map(ToString::to_string).collect())
    }

    proptest! {
        #[test]
        fn parse_and_format_are_inverse_by_both_rules(date in date_part(), remainder in 0u32..=3) {
            if let Some(text) = completed(date, remainder) {
                let identifier = PersonIdentifier::parse(&text, Population::Synthetic).unwrap();
                prop_assert_eq!(identifier.as_str(), &text);
                let stored = serde_json::to_string(&identifier).unwrap();
                prop_assert_eq!(serde_json::from_str::<PersonIdentifier>(&stored).unwrap(), identifier);
            }
        }

        #[test]
        fn a_first_remainder_that_no_rule_allows_is_refused(date in date_part(), remainder in 4u32..=10) {
            if let Some(text) = completed(date, remainder) {
                prop_assert_eq!(
                    PersonIdentifier::parse(&text, Population::Synthetic),
                    Err(IdentifierError::ControlDigits)
                );
            }
        }

        #[test]
        fn one_wrong_digit_after_the_first_control_digit_is_caught(date in date_part(), wrong in 1u32..10) {
            if let Some(text) = completed(date, 0) {
                let last = text.as_bytes()[10] - b'0';
                let other = (u32::from(last) + wrong) % 10;
                let text = format!("{}{other}", &text[..10]);
                prop_assert_eq!(
                    PersonIdentifier::parse(&text, Population::Synthetic),
                    Err(IdentifierError::ControlDigits)
                );
            }
        }

        #[test]
        fn an_index_is_one_identifiers_alone(
            date in date_part(), other_date in date_part(), same_date in any::<bool>(),
            remainder in 0u32..=3, other_remainder in 0u32..=3,
        ) {
            let other_date = if same_date { date } else { other_date };
            if let (Some(one), Some(other)) = (completed(date, remainder), completed(other_date, other_remainder)) {
                let index = |text: &str| PersonIdentifier::parse(text, Population::Synthetic).unwrap().index();
                prop_assert_eq!(index(&one) == index(&other), one == other);
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,40}") {
            let _ = PersonIdentifier::parse(&text, Population::Synthetic);
        }
    }
}
