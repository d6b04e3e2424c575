//! The languages that the register writes to people in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A language that a person may choose. Bokmål where nobody chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Norwegian Bokmål.
    #[default]
    Nb,
    /// Norwegian Nynorsk.
    Nn,
    /// English.
    En,
    /// Northern Sami.
    Se,
}

/// A text that is none of the codes.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a language is `nb`, `nn`, `en` or `se`")]
pub struct UnknownLanguage;

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nb, Self::Nn, Self::En, Self::Se];

    /// The ISO 639-1 code: what requests, tables and `lang` attributes hold.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Nb => "nb",
            Self::Nn => "nn",
            Self::En => "en",
            Self::Se => "se",
        }
    }
}

impl std::str::FromStr for Language {
    type Err = UnknownLanguage;

    /// Reads exactly a code: no capitals, no region, no `no`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == text)
            .ok_or(UnknownLanguage)
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_back_as_its_language_in_text_and_json() {
        for language in Language::ALL {
            assert_eq!(language.code().parse(), Ok(language));
            let json = format!("\"{}\"", language.code());
            assert_eq!(serde_json::to_string(&language).unwrap(), json);
            assert_eq!(serde_json::from_str::<Language>(&json).unwrap(), language);
        }
    }

    #[test]
    fn other_texts_are_no_language() {
        for text in ["", "no", "NB", "nb-NO", "sv", " nb", "sme"] {
            assert_eq!(text.parse::<Language>(), Err(UnknownLanguage), "{text:?}");
        }
    }

    #[test]
    fn bokmal_where_nobody_chose() {
        assert_eq!(Language::default(), Language::Nb);
    }
}
