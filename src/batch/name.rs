//! What an agency calls its file: the name stands in keys, logs and answers, so it must name nobody.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::names_a_person;

/// The longest name, in characters.
const LONGEST_NAME: usize = 60;

/// The name of a file, without any folder: at most 60 characters, with an ending that says what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(
    max_length = 60,
    format = "file-name",
    pattern = r"^[^./\\\u0000-\u001f\u007f-\u009f][^/\\\u0000-\u001f\u007f-\u009f]*\.([cC][sS][vV]|[jJ][sS][oO][nN][lL])(\.[gG][zZ])?$"
)]
pub struct FileName(String);

/// Why a name is refused.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum NameFault {
    /// An identity number stands in it.
    #[error("the name of a file must not name a person")]
    NamesAPerson,
    /// Another ending.
    #[error("a file is .csv, .jsonl, .csv.gz or .jsonl.gz")]
    UnknownType,
    /// Empty, too long, hidden, or not the name of a file alone.
    #[error("the name of a file is one to sixty characters, without folders")]
    Illegal,
}

impl NameFault {
    /// The code that the agency reads.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NamesAPerson => "name-names-a-person",
            Self::UnknownType => "unknown-file-type",
            Self::Illegal => "illegal-name",
        }
    }
}

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A table with a header.
    Csv,
    /// A JSON object on each line.
    JsonLines,
}

impl Format {
    /// The ending of such a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }
}

impl FileName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NameFault`]; that it names a person before anything else.
    pub fn parse(text: &str) -> Result<Self, NameFault> {
        if names_a_person(text) {
            return Err(NameFault::NamesAPerson);
        }
        let is_one_segment = !text.contains(['/', '\\']) && !text.starts_with('.') && !text.contains(char::is_control);
        if !is_one_segment || text.is_empty() || text.chars().count() > LONGEST_NAME {
            return Err(NameFault::Illegal);
        }
        read_endings(text).ok_or(NameFault::UnknownType)?;
        Ok(Self(text.to_owned()))
    }

    /// How its rows are written.
    pub fn format(&self) -> Format {
        read_endings(&self.0).map_or(Format::Csv, |(format, _)| format)
    }

    /// Whether it is compressed with gzip.
    pub fn is_compressed(&self) -> bool {
        read_endings(&self.0).is_some_and(|(_, is_compressed)| is_compressed)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The format, and whether it is compressed.
fn read_endings(name: &str) -> Option<(Format, bool)> {
    let name = name.to_ascii_lowercase();
    let plain = name.strip_suffix(".gz");
    let (stem, ending) = plain.unwrap_or(&name).rsplit_once('.')?;
    let format = [Format::Csv, Format::JsonLines]
        .into_iter()
        .find(|format| format.extension() == ending)?;
    (!stem.is_empty()).then_some((format, plain.is_some()))
}

impl TryFrom<String> for FileName {
    type Error = NameFault;

    fn try_from(text: String) -> Result<Self, NameFault> {
        Self::parse(&text)
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_what_is_in_the_file() {
        let cases = [
            ("a.csv", Format::Csv, false),
            ("Skatteoppgjør 2026.CSV", Format::Csv, false),
            ("a.b.csv.gz", Format::Csv, true),
            ("a.jsonl", Format::JsonLines, false),
            ("a.JsonL.GZ", Format::JsonLines, true),
            // A day and a number, as many digits as an identity number has.
            ("20260731001.csv", Format::Csv, false),
        ];
        for (text, format, is_compressed) in cases {
            let name = FileName::parse(text).unwrap();
            assert_eq!(
                (name.as_str(), name.format(), name.is_compressed()),
                (text, format, is_compressed)
            );
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<FileName>(&json).unwrap(), name);
        }
    }

    #[test]
    fn a_name_that_names_a_person_is_refused() {
        for text in [
            "20914695016.csv",
            "209146 95016.csv",
            "209146-95016.csv",
            "letters_20914695016_2.csv",
            "x20914695016y.jsonl.gz",
            "２０９１４６９５０１６.csv",
            "folder/20914695016.csv",
            "20914695016.zip",
        ] {
            assert_eq!(FileName::parse(text), Err(NameFault::NamesAPerson), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_not_a_files_own_is_refused() {
        let long = format!("{}.csv", "ø".repeat(57));
        for text in [
            "",
            ".",
            "..",
            ".csv",
            ".hidden.csv",
            "../a.csv",
            "a/b.csv",
            "/a.csv",
            "a\\b.csv",
            "a\0.csv",
            "a\n.csv",
            "a\u{7f}.csv",
            &long,
        ] {
            assert_eq!(FileName::parse(text), Err(NameFault::Illegal), "{text:?}");
        }
        assert!(FileName::parse(&format!("{}.csv", "ø".repeat(56))).is_ok());
    }

    #[test]
    fn other_types_are_refused() {
        for text in [
            "a",
            "csv",
            "a.zip",
            "a.xlsx",
            "a.gz",
            "a.csv.zip",
            "a.csv.gz.gz",
            "a.json",
            "a.csv ",
            "a.csv.",
        ] {
            assert_eq!(FileName::parse(text), Err(NameFault::UnknownType), "{text:?}");
        }
        assert_eq!(NameFault::UnknownType.code(), "unknown-file-type");
    }
}
