//! Organisation numbers, as the Register of Business Enterprises gives them out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Nine digits, the last a control digit (weights 3 2 7 6 5 4 3 2, modulus 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = "organisation-number")]
pub struct OrganisationNumber(u32);

/// A text that is not an organisation number.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("not an organisation number")]
pub struct NotAnOrganisationNumber;

const WEIGHTS: [u32; 8] = [3, 2, 7, 6, 5, 4, 3, 2];

impl std::str::FromStr for OrganisationNumber {
    type Err = NotAnOrganisationNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ascii: [u8; 9] = text.as_bytes().try_into().map_err(|_| NotAnOrganisationNumber)?;
        if !ascii.iter().all(u8::is_ascii_digit) {
            return Err(NotAnOrganisationNumber);
        }
        let digits = ascii.map(|digit| u32::from(digit - b'0'));
        let sum: u32 = WEIGHTS.iter().zip(&digits).map(|(w, d)| w * d).sum();
        // A remainder of 1 would need the control digit 10: no number is given out there.
        if (11 - sum % 11) % 11 != digits[8] {
            return Err(NotAnOrganisationNumber);
        }
        Ok(Self(digits.iter().fold(0, |number, digit| number * 10 + digit)))
    }
}

impl std::fmt::Display for OrganisationNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:09}", self.0)
    }
}

impl TryFrom<String> for OrganisationNumber {
    type Error = NotAnOrganisationNumber;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OrganisationNumber> for String {
    fn from(number: OrganisationNumber) -> Self {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_from_the_register_are_accepted() {
        for text in ["984661185", "922020175", "991825827", "974760673", "313600947"] {
            assert_eq!(text.parse::<OrganisationNumber>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "123456789",
            "999888777",
            "",
            "98466118",
            "9846611855",
            "98466118x",
            "９８４６６１１８５",
        ] {
            assert_eq!(text.parse::<OrganisationNumber>(), Err(NotAnOrganisationNumber));
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_printed_again(number in 0u32..1_000_000_000) {
            let text = format!("{number:09}");
            if let Ok(parsed) = text.parse::<OrganisationNumber>() {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }
    }
}
