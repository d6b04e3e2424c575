//! What can be wrong with a file as a whole, and with one row of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a file is refused.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq, Serialize, Deserialize)]
#[error("{code}")]
pub struct FileFault {
    /// What is wrong.
    pub code: FileFaultCode,
    /// Where, if it is in one place: the line on which the row begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

impl FileFault {
    /// The code that the agency reads.
    pub const fn as_str(self) -> &'static str {
        self.code.as_str()
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFaultCode {
    /// Nothing but blanks stands in it.
    #[error("the file is empty")]
    EmptyFile,
    /// Latin-1, UTF-16, or no text at all.
    #[error("the file is not text in UTF-8")]
    #[serde(rename = "not-utf-8")]
    NotUtf8,
    /// The first line is a row, or no line of names at all.
    #[error("the file has no header")]
    MissingHeader,
    /// The header lacks a column that is needed.
    #[error("the header lacks a column")]
    MissingColumn,
    /// The header has one of the known columns twice.
    #[error("the header has a column twice")]
    DoubledColumn,
    /// A quote is opened and never closed.
    #[error("a quote stays open to the end of the file")]
    OpenQuote,
    /// The header alone.
    #[error("the file has no rows")]
    NoRows,
}

impl FileFaultCode {
    /// The code that the agency reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyFile => "empty-file",
            Self::NotUtf8 => "not-utf-8",
            Self::MissingHeader => "missing-header",
            Self::MissingColumn => "missing-column",
            Self::DoubledColumn => "doubled-column",
            Self::OpenQuote => "open-quote",
            Self::NoRows => "no-rows",
        }
    }
}

/// What is wrong with a row. It never says what stands there.
#[derive(
    Debug, Clone, Copy, thiserror::Error, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RowFault {
    /// More or fewer cells than the header.
    #[error("the row has more or fewer cells than the header")]
    WrongColumnCount,
    /// A cell of more than 4 096 bytes.
    #[error("a cell is too long")]
    FieldTooLong,
    /// More than 65 536 bytes.
    #[error("the row is too long")]
    RowTooLong,
    /// A cell that a spreadsheet would calculate.
    #[error("a cell begins as a formula does")]
    Formula,
    /// A quote that is opened and not closed, or the other way round.
    #[error("a quote has no counterpart")]
    MalformedQuotes,
    /// Not a JSON object, or one with the same key twice.
    #[error("the line is not a JSON object")]
    MalformedJson,
    /// A control character in a cell.
    #[error("a cell holds a control character")]
    IllegalCharacter,
    /// No person identifier, or one of another population.
    #[error("the person identifier is not one")]
    InvalidIdentifier,
    /// A letter without a reference.
    #[error("the reference is missing")]
    MissingReference,
    /// A reference that is too long or names a person.
    #[error("the reference is not one")]
    InvalidReference,
    /// Neither yes nor no, or no time.
    #[error("a value is not one")]
    InvalidValue,
    /// No language that the register writes.
    #[error("the language is not known")]
    UnknownLanguage,
    /// A letter that is available too long ago or too far ahead.
    #[error("the letter cannot be available then")]
    InvalidAvailability,
    /// Legal notice for a sender that cannot give it.
    #[error("the notice cannot be legal notice")]
    InvalidLegalNotice,
    /// The reference of another letter.
    #[error("the reference is another letter's")]
    ReferenceReused,
}

impl RowFault {
    /// The code that the agency reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongColumnCount => "wrong-column-count",
            Self::FieldTooLong => "field-too-long",
            Self::RowTooLong => "row-too-long",
            Self::Formula => "formula",
            Self::MalformedQuotes => "malformed-quotes",
            Self::MalformedJson => "malformed-json",
            Self::IllegalCharacter => "illegal-character",
            Self::InvalidIdentifier => "invalid-identifier",
            Self::MissingReference => "missing-reference",
            Self::InvalidReference => "invalid-reference",
            Self::InvalidValue => "invalid-value",
            Self::UnknownLanguage => "unknown-language",
            Self::InvalidAvailability => "invalid-availability",
            Self::InvalidLegalNotice => "invalid-legal-notice",
            Self::ReferenceReused => "reference-reused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_in_text_and_json() {
        use FileFaultCode as File;
        for code in [
            File::EmptyFile,
            File::NotUtf8,
            File::MissingHeader,
            File::MissingColumn,
            File::DoubledColumn,
            File::OpenQuote,
            File::NoRows,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            let fault = FileFault { code, line: Some(3) };
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<FileFault>(&json).unwrap(), fault);
        }
        for fault in [
            RowFault::WrongColumnCount,
            RowFault::FieldTooLong,
            RowFault::RowTooLong,
            RowFault::Formula,
            RowFault::MalformedQuotes,
            RowFault::MalformedJson,
            RowFault::IllegalCharacter,
            RowFault::InvalidIdentifier,
            RowFault::MissingReference,
            RowFault::InvalidReference,
            RowFault::InvalidValue,
            RowFault::UnknownLanguage,
            RowFault::InvalidAvailability,
            RowFault::InvalidLegalNotice,
            RowFault::ReferenceReused,
        ] {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.as_str());
        }
    }
}
