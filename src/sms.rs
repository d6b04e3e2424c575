//! How long a text message is: which alphabet it needs and in how many parts it travels.
//!
//! Source: 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation). The networks bill and lose parts one by
//! one, so the register writes nothing longer than two.

/// Parts that one text message may take.
pub const MAX_PARTS: usize = 2;

/// The alphabet that a text message travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The GSM 7-bit default alphabet with its extension table: 160 septets alone, 153 in each part of several.
    Gsm7,
    /// UCS-2, which is UTF-16 in practice: 70 units alone, 67 in each part of several.
    Ucs2,
}

impl Encoding {
    /// The alphabet that a text needs: one character outside GSM-7 makes the whole text UCS-2.
    pub fn of(text: &str) -> Self {
        if text.chars().all(|c| septets(c).is_some()) {
            Self::Gsm7
        } else {
            Self::Ucs2
        }
    }

    /// Units that a message of one part holds.
    const fn alone(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// Units that each of several parts holds: six octets go to the header that joins them again.
    const fn joined(self) -> usize {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }

    /// Units that a character takes. They stay together: no part ends between an escape and the character it
    /// announces, or in the middle of a surrogate pair.
    fn units(self, c: char) -> usize {
        match self {
            Self::Gsm7 => septets(c).unwrap_or(2),
            Self::Ucs2 => c.len_utf16(),
        }
    }

    /// Parts that a text takes in this alphabet.
    fn parts(self, text: &str) -> usize {
        let total: usize = text.chars().map(|c| self.units(c)).sum();
        if total <= self.alone() {
            return 1;
        }
        let (parts, _) = text.chars().fold((1, 0), |(parts, used), c| {
            let units = self.units(c);
            if used + units <= self.joined() {
                (parts, used + units)
            } else {
                (parts + 1, units)
            }
        });
        parts
    }
}

/// Septets that a character takes in GSM-7, or none if it is not there.
const fn septets(c: char) -> Option<usize> {
    match c {
        ' '..='#'
        | '%'..='?'
        | 'A'..='Z'
        | 'a'..='z'
        | '\n'
        | '\r'
        | '@'
        | '£'
        | '$'
        | '¥'
        | 'è'
        | 'é'
        | 'ù'
        | 'ì'
        | 'ò'
        | 'Ç'
        | 'Ø'
        | 'ø'
        | 'Å'
        | 'å'
        | 'Δ'
        | '_'
        | 'Φ'
        | 'Γ'
        | 'Λ'
        | 'Ω'
        | 'Π'
        | 'Ψ'
        | 'Σ'
        | 'Θ'
        | 'Ξ'
        | 'Æ'
        | 'æ'
        | 'ß'
        | 'É'
        | '¤'
        | '¡'
        | 'Ä'
        | 'Ö'
        | 'Ñ'
        | 'Ü'
        | '§'
        | '¿'
        | 'ä'
        | 'ö'
        | 'ñ'
        | 'ü'
        | 'à' => Some(1),
        '\u{c}' | '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€' => Some(2),
        _ => None,
    }
}

/// Why a text is not sent as a text message.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum SmsError {
    /// Nothing to read in it.
    #[error("a text message says something")]
    Empty,
    /// More than [`MAX_PARTS`].
    #[error("the text takes {parts} parts, more than {MAX_PARTS}")]
    TooLong {
        /// Parts it would take.
        parts: usize,
    },
}

/// A text that fits into one or two parts of a text message.
#[derive(Clone, PartialEq, Eq)]
pub struct SmsText {
    text: String,
    encoding: Encoding,
    parts: usize,
}

// It may carry a verification code.
crate::redacted_debug!(SmsText);

impl SmsText {
    /// Takes a text that is short enough.
    ///
    /// # Errors
    /// The text is blank, or takes more than two parts.
    pub fn new(text: impl Into<String>) -> Result<Self, SmsError> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(SmsError::Empty);
        }
        let encoding = Encoding::of(&text);
        match encoding.parts(&text) {
            parts @ 1..=MAX_PARTS => Ok(Self { text, encoding, parts }),
            parts => Err(SmsError::TooLong { parts }),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The alphabet it travels in.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// One or two.
    pub const fn parts(&self) -> usize {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The two tables as TS 23.038 prints them, row by row.
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
        ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENSION: &str = "\u{c}^{}\\[~]|€";

    /// Counts the way a telephone would: lay out every unit, cut, and step back where a cut divides a character.
    fn naive_parts(text: &str) -> usize {
        let gsm7 = text.chars().all(|c| BASIC.contains(c) || EXTENSION.contains(c));
        // Each unit with whether a part may begin there.
        let mut units = Vec::new();
        for c in text.chars() {
            let width = if gsm7 {
                1 + usize::from(EXTENSION.contains(c))
            } else {
                c.encode_utf16(&mut [0; 2]).len()
            };
            units.push(true);
            units.extend((1..width).map(|_| false));
        }
        let (alone, joined) = if gsm7 { (160, 153) } else { (70, 67) };
        if units.len() <= alone {
            return 1;
        }
        let (mut at, mut parts) = (0, 0);
        while at < units.len() {
            let mut end = (at + joined).min(units.len());
            while end < units.len() && !units[end] {
                end -= 1;
            }
            at = end;
            parts += 1;
        }
        parts
    }

    fn parts(text: &str) -> usize {
        match SmsText::new(text) {
            Ok(sms) => sms.parts(),
            Err(SmsError::TooLong { parts }) => parts,
            Err(SmsError::Empty) => panic!("empty"),
        }
    }

    #[test]
    fn gsm7_is_the_two_tables_and_nothing_else() {
        // The escape itself is no character, so the basic table counts 127.
        assert_eq!(BASIC.chars().count(), 127);
        for c in '\0'..=char::MAX {
            let expected = match (BASIC.contains(c), EXTENSION.contains(c)) {
                (true, _) => Some(1),
                (_, true) => Some(2),
                _ => None,
            };
            assert_eq!(septets(c), expected, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn boundaries() {
        // (character, how many, parts)
        let cases = [
            ("a", 160, 1),
            ("a", 161, 2),
            ("a", 306, 2),
            ("a", 307, 3),
            ("€", 80, 1),
            ("€", 81, 2),
            // 153 is odd: each part holds 76 characters of two septets, not 76.5.
            ("€", 152, 2),
            ("€", 153, 3),
            ("č", 70, 1),
            ("č", 71, 2),
            ("č", 134, 2),
            ("č", 135, 3),
            ("😀", 35, 1),
            ("😀", 36, 2),
            // 67 is odd as well: 33 surrogate pairs a part.
            ("😀", 66, 2),
            ("😀", 67, 3),
        ];
        for (character, count, expected) in cases {
            let text = character.repeat(count);
            assert_eq!(parts(&text), expected, "{count} of {character}");
            assert_eq!(naive_parts(&text), expected, "{count} of {character}");
            assert_eq!(SmsText::new(text).is_ok(), expected <= MAX_PARTS);
        }
    }

    #[test]
    fn norwegian_is_gsm7_and_northern_sami_is_not() {
        let encoding = |text| SmsText::new(text).unwrap().encoding();
        assert_eq!(encoding("ÆØÅ æøå"), Encoding::Gsm7);
        for letter in ["č", "đ", "ŋ", "š", "ŧ", "ž", "á"] {
            assert_eq!(encoding(letter), Encoding::Ucs2, "{letter}");
        }
    }

    #[test]
    fn blank_is_refused() {
        for text in ["", " ", "\n"] {
            assert_eq!(SmsText::new(text).map(|_| ()), Err(SmsError::Empty));
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let sms = SmsText::new("123456").unwrap();
        assert!(!format!("{sms:?}").contains("123456"));
    }

    proptest! {
        #[test]
        fn counts_as_the_naive_model(
            text in prop_oneof![
                "x[a-zæøå€|~ ]{0,330}",
                "x[a-zčđŋšŧž ]{0,150}",
                "x[a-z€😀č]{0,150}",
                "x\\PC{0,150}",
            ]
        ) {
            prop_assert_eq!(parts(&text), naive_parts(&text));
        }
    }
}
