//! Files that agencies drop: many persons at once, looked up or written to.
//!
//! A file may be larger than memory, so it is read as a stream, in pieces that begin and end at rows. One bad row costs
//! that row alone; a file that cannot be understood is refused whole, with the line.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub mod changed;
pub mod cost;
mod fault;
pub mod hold;
mod json;
pub mod layout;
pub mod life;
pub mod name;
pub mod persons;
pub mod place;
pub mod reader;
pub mod recipient;
mod row;
pub mod table;
pub mod tally;

/// What is to be done with the persons of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FileKind)]
pub enum Kind {
    /// Say how each can be reached.
    #[default]
    Lookup,
    /// Announce a letter to each.
    Letters,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Lookup, Self::Letters];

    /// The name used in keys, tables and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Letters => "letters",
        }
    }
}

/// A text that names no kind of file.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a file is for `lookup` or `letters`")]
pub struct UnknownKind;

impl std::str::FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_comes_back_from_its_name_in_text_and_json() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!("Letters".parse::<Kind>(), Err(UnknownKind));
        assert_eq!(Kind::default(), Kind::Lookup);
    }
}
