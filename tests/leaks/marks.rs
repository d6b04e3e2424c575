//! Values that must be found nowhere but where they belong, and the shapes they might be found in.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use sha2::{Digest as _, Sha256};

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Identifier,
    Email,
    Mobile,
    Mailbox,
    Code,
    Token,
    Name,
    Purpose,
}

/// A value, and how it would look.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) kind: Kind,
    pub(crate) value: String,
    /// In any case of letters.
    texts: Vec<String>,
    /// In this case of letters only.
    exact: Vec<String>,
}

impl Mark {
    /// A whole value, and the part of it that says whose it is.
    pub(crate) fn new(kind: Kind, value: &str, part: &str) -> Self {
        if kind == Kind::Token {
            // Nobody recodes a token, and nobody could.
            return Self {
                kind,
                value: value.to_owned(),
                texts: Vec::new(),
                exact: vec![value.to_owned()],
            };
        }
        let part = part.to_lowercase();
        let mut texts = vec![
            part.clone(),
            part.chars().rev().collect(),
            hex(part.as_bytes()),
            percent(&part),
        ];
        if kind == Kind::Identifier {
            // As people write it.
            texts.push(format!("{} {}", &value[..6], &value[6..]));
        }
        let mut exact = Vec::new();
        for text in [value, &value.to_lowercase(), &part] {
            // A bare hash of something there are few of is the thing itself.
            let hash = Sha256::digest(text.as_bytes());
            texts.push(hex(&hash));
            exact.extend([URL_SAFE_NO_PAD.encode(hash), STANDARD_NO_PAD.encode(hash)]);
            exact.extend((0..3).map(|offset| base64_at(text, offset)));
        }
        Self {
            kind,
            value: value.to_owned(),
            texts,
            exact,
        }
    }

    /// Whether the value is in a text, given in lower case too.
    pub(crate) fn is_in(&self, text: &str, lower: &str) -> bool {
        if self.kind == Kind::Code {
            // Six digits are in every other longer number: only those that stand alone are meant.
            return words(text).any(|word| word == self.value)
                || self.exact[..2].iter().any(|hash| text.contains(hash));
        }
        self.texts.iter().any(|shape| lower.contains(shape)) || self.exact.iter().any(|shape| text.contains(shape))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// With all that is neither a letter nor a digit as in a URL, in lower case.
fn percent(text: &str) -> String {
    let shown = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    text.bytes().map(shown).collect()
}

/// What of a text is the same in base64 whatever stands around it, if it begins at this place of three bytes.
fn base64_at(text: &str, offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend(text.as_bytes());
    let encoded = STANDARD_NO_PAD.encode(&bytes);
    encoded[(offset * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned()
}

#[test]
fn a_value_is_found_in_every_shape() {
    let is_in = |mark: &Mark, text: &str| mark.is_in(text, &text.to_lowercase());
    let mark = Mark::new(Kind::Email, "Some.One@example.no", "some.one");
    for shape in [
        "to some.one@example.no",
        "SOME.ONE",
        "eno.emos",
        "736f6d652e6f6e65",
        &STANDARD_NO_PAD.encode("xSome.One@example.no and more"),
        &URL_SAFE_NO_PAD.encode("an answer {some.one}"),
        &URL_SAFE_NO_PAD.encode(Sha256::digest("some.one@example.no")),
    ] {
        assert!(is_in(&mark, shape), "{shape}");
    }
    assert!(!is_in(&mark, "someone else"));
    let identifier = Mark::new(Kind::Identifier, "20914695016", "20914695016");
    assert!(is_in(&identifier, "of 209146 95016"));
    let code = Mark::new(Kind::Code, "123456", "123456");
    assert!(is_in(&code, "code: 123456.") && is_in(&code, "\"123456\""));
    assert!(!is_in(&code, "0123456") && !is_in(&code, "a-123456"));
}
