//! Short texts that organisations give along and that are kept as they are: they must name nobody.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use crate::{disclosure::purpose, person::PersonIdentifier};

/// An organisation's own name for a case or a letter: 1 to 100 characters on one line, without identity numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// Why something is asked: 3 to 200 characters on one line, without identity numbers, and none of the register's own
/// [purposes](purpose).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Purpose(String);

/// A text that is blank, too short or too long, on several lines, that names a person, or that is the register's own.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("not a short text without identity numbers")]
pub struct NotWords;

macro_rules! words {
    ($type:ident, $format:literal, $length:expr, but $own:expr) => {
        impl $type {
            /// The text, trimmed.
            ///
            /// # Errors
            /// [`NotWords`].
            pub fn parse(text: &str) -> Result<Self, NotWords> {
                let text = words(text, $length)?;
                if $own.contains(&text.as_str()) {
                    return Err(NotWords);
                }
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NotWords;

            fn try_from(text: String) -> Result<Self, NotWords> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(words: $type) -> Self {
                words.0
            }
        }

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                schema($format, $length)
            }
        }

        impl ToSchema for $type {}
    };
}

words!(Reference, "reference", 1..=100, but [""; 0]);
words!(Purpose, "purpose", 3..=200, but purpose::OWN);

/// What blanks are, to [`str::trim`], as a class of a regular expression.
const BLANK: &str = r"\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
/// What [`char::is_control`] finds.
const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";

/// Texts of such a length in between blanks, as [`words`] reads them.
fn schema(format: &str, length: RangeInclusive<usize>) -> RefOr<Schema> {
    let (fewest, most) = length.into_inner();
    // The first and the last are no blanks.
    let between = format!(
        "[^{CONTROL}]{{{},{}}}[^{BLANK}{CONTROL}]",
        fewest.saturating_sub(2),
        most - 2
    );
    let rest = if fewest == 1 { format!("({between})?") } else { between };
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom(format.to_owned())))
        .description(Some(format!(
            "{fewest} to {most} characters on one line, without identity numbers. Blanks around it are taken off."
        )))
        .pattern(Some(format!("^[{BLANK}]*[^{BLANK}{CONTROL}]{rest}[{BLANK}]*$")))
        .into()
}

fn words(text: &str, length: RangeInclusive<usize>) -> Result<String, NotWords> {
    let text = text.trim();
    let fits = length.contains(&text.chars().count()) && !text.contains(char::is_control) && !names_a_person(text);
    fits.then(|| text.to_owned()).ok_or(NotWords)
}

/// Whether an identity number stands in a text: in one piece, or as people write it, the date apart from the rest.
pub fn names_a_person(text: &str) -> bool {
    let text: String = text.chars().map(ascii_digit).collect();
    let runs: Vec<&str> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| !run.is_empty())
        .collect();
    let names_one = |digits: String| PersonIdentifier::try_from(digits).is_ok();
    runs.iter().any(|run| names_one((*run).to_owned()))
        || runs
            .windows(2)
            .any(|pair| pair[0].len() == 6 && names_one(pair.concat()))
}

/// A digit of another script as the one it stands for; anything else as it is.
fn ascii_digit(c: char) -> char {
    // Arabic-Indic, Persian, Devanagari, full-width.
    let zeros = ['\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    zeros
        .into_iter()
        .find_map(|zero| {
            let digit = u32::from(c).checked_sub(u32::from(zero))?;
            char::from_digit(digit, 10)
        })
        .unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_without_the_blanks_around_it() {
        assert_eq!(Reference::parse("  2026/17 – a  ").unwrap().as_str(), "2026/17 – a");
        assert_eq!(Purpose::parse("tax").unwrap().as_str(), "tax");
    }

    #[test]
    fn a_text_that_names_a_person_or_does_not_fit_is_refused() {
        let long = "x".repeat(101);
        for text in [
            "",
            " ",
            "a\nb",
            "20914695016",
            "case 209146 95016",
            "209146 - 95016",
            "２０９１４６９５０１６",
            &long,
        ] {
            assert_eq!(Reference::parse(text), Err(NotWords), "{text}");
        }
        assert_eq!(Purpose::parse("no"), Err(NotWords));
        // Eleven digits that are nobody's.
        assert!(Reference::parse("12345678901").is_ok());
    }

    #[test]
    fn what_the_register_says_of_itself_is_nobody_elses_purpose() {
        for own in purpose::OWN {
            assert_eq!(Purpose::parse(own), Err(NotWords), "{own}");
            assert_eq!(Purpose::parse(&format!(" {own} ")), Err(NotWords), "{own}");
            // As a name for a case it means nothing.
            assert_eq!(Reference::parse(own).unwrap().as_str(), own);
        }
    }
}
