//! E-mail addresses: what the register accepts, stores and hands to the sender.
//!
//! Narrower than RFC 5321 on purpose: an address that SES does not take, or that looks like another one on a
//! screen, helps nobody. Domains are IDNA (UTS #46, non-transitional); scripts within a label are UTS #39's.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};
use unicode_security::MixedScript;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

/// Octets of a local part (RFC 5321 § 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;
/// Characters of a whole address: local part, `@`, and a domain of 255 octets (RFC 5321 § 4.5.3.1.2).
const MAX_ADDRESS: usize = 320;

/// One mailbox at one domain.
///
/// The local part is ASCII and keeps its case; the domain is lower case. Stored and shown with the domain's own
/// letters, sent to with its punycode.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    shown: String,
    ascii: String,
}

crate::redacted_debug!(EmailAddress);

impl PartialSchema for EmailAddress {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom("idn-email".to_owned())))
            .description(Some(
                "One mailbox at one domain: at most 64 ASCII characters before the @, and a domain that may have its own letters.",
            ))
            .into()
    }
}

impl ToSchema for EmailAddress {}

/// Why a text is not an e-mail address that the register takes. Never says which text.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum EmailError {
    /// U+0000, which no text in a request may hold.
    #[error("an e-mail address holds no NUL")]
    IllegalCharacter,
    /// CR, LF or another control character: the way into a mail's headers.
    #[error("an e-mail address holds no control characters")]
    ControlCharacter,
    /// A character that turns the reading direction or is not seen at all.
    #[error("an e-mail address holds no invisible characters")]
    InvisibleCharacter,
    /// Over 320 characters, or a local part over 64.
    #[error("the e-mail address is too long")]
    TooLong,
    /// No `@`.
    #[error("an e-mail address has an @")]
    NoAt,
    /// A list of addresses: a comma, a semicolon, or more than one `@`.
    #[error("one e-mail address, not several")]
    Several,
    /// A part in quotation marks.
    #[error("a quoted local part is not supported")]
    Quoted,
    /// A part in parentheses.
    #[error("a comment is not supported")]
    Comment,
    /// A network address in place of a domain.
    #[error("an IP address is not supported")]
    IpAddress,
    /// Letters outside ASCII before the `@`: SES does not deliver there.
    #[error("the local part is ASCII")]
    NonAsciiLocalPart,
    /// The local part is no sequence of atoms joined by single dots.
    #[error("the part before the @ is malformed")]
    LocalPart,
    /// The domain has one label only.
    #[error("the domain has at least two labels")]
    SingleLabel,
    /// The domain is no host name, in ASCII or by IDNA.
    #[error("the part after the @ is no domain")]
    Domain,
    /// A label mixes scripts, so that it may look like another.
    #[error("a label of the domain mixes scripts")]
    MixedScripts,
}

impl EmailAddress {
    /// Reads an address as a person typed it; trims nothing.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        check_characters(text)?;
        if text.chars().count() > MAX_ADDRESS {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = split(text)?;
        check_local_part(local)?;
        let domain = Domain::parse(domain)?;
        Ok(Self {
            shown: format!("{local}@{}", domain.shown),
            ascii: format!("{local}@{}", domain.ascii),
        })
    }

    /// The address to store and to show, its domain in its own letters.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The address to send to, its domain in punycode: what SES takes.
    pub fn to_ascii(&self) -> &str {
        &self.ascii
    }
}

fn check_characters(text: &str) -> Result<(), EmailError> {
    text.chars().try_for_each(|c| match c {
        '\0' => Err(EmailError::IllegalCharacter),
        c if c.is_control() => Err(EmailError::ControlCharacter),
        c if is_invisible(c) => Err(EmailError::InvisibleCharacter),
        _ => Ok(()),
    })
}

/// Characters that turn the reading direction, join, or take no room, with the line separators and the tags.
///
/// IDNA drops several of them silently, so they are looked for before it sees the domain.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn split(text: &str) -> Result<(&str, &str), EmailError> {
    if text.contains('"') {
        return Err(EmailError::Quoted);
    }
    if text.contains(['(', ')']) {
        return Err(EmailError::Comment);
    }
    if text.contains([',', ';']) {
        return Err(EmailError::Several);
    }
    let (local, domain) = text.split_once('@').ok_or(EmailError::NoAt)?;
    if domain.contains('@') {
        return Err(EmailError::Several);
    }
    Ok((local, domain))
}

/// A dot-atom of RFC 5322 § 3.2.3.
fn check_local_part(local: &str) -> Result<(), EmailError> {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    if !local.is_ascii() {
        return Err(EmailError::NonAsciiLocalPart);
    }
    if local.len() > MAX_LOCAL_PART {
        return Err(EmailError::TooLong);
    }
    if local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
    {
        Ok(())
    } else {
        Err(EmailError::LocalPart)
    }
}

struct Domain {
    shown: String,
    ascii: String,
}

impl Domain {
    fn parse(text: &str) -> Result<Self, EmailError> {
        if text.starts_with('[') {
            return Err(EmailError::IpAddress);
        }
        let idna = Uts46::new();
        // A label of 63 octets and a name of 253 are checked here as well (DNS, within RFC 5321's 255).
        let ascii = idna
            .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
            .map_err(|_| EmailError::Domain)?;
        let (_, last) = ascii.rsplit_once('.').ok_or(EmailError::SingleLabel)?;
        // No top-level domain is a number: this is an IPv4 address, or nothing.
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EmailError::IpAddress);
        }
        let (shown, valid) = idna.to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        valid.map_err(|_| EmailError::Domain)?;
        if !shown.split('.').all(MixedScript::is_single_script) {
            return Err(EmailError::MixedScripts);
        }
        Ok(Self {
            shown: shown.into_owned(),
            ascii: ascii.into_owned(),
        })
    }
}

impl std::str::FromStr for EmailAddress {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> Option<EmailError> {
        EmailAddress::parse(text).err()
    }

    #[test]
    fn accepted_and_how_it_is_shown_and_sent_to() {
        // (typed, shown, sent to)
        let cases = [
            ("ola@example.no", "ola@example.no", "ola@example.no"),
            (
                "Ola.N+post@EXAMPLE.No",
                "Ola.N+post@example.no",
                "Ola.N+post@example.no",
            ),
            (
                "!#$%&'*+-/=?^_`{|}~@example.no",
                "!#$%&'*+-/=?^_`{|}~@example.no",
                "!#$%&'*+-/=?^_`{|}~@example.no",
            ),
            ("o@a.b.example.no", "o@a.b.example.no", "o@a.b.example.no"),
            ("o@8.example.no", "o@8.example.no", "o@8.example.no"),
            (
                "kari@Blåbær.example",
                "kari@blåbær.example",
                "kari@xn--blbr-roah.example",
            ),
            (
                "kari@xn--blbr-roah.example",
                "kari@blåbær.example",
                "kari@xn--blbr-roah.example",
            ),
            (
                "kari@bla\u{30a}bær.example",
                "kari@blåbær.example",
                "kari@xn--blbr-roah.example",
            ),
            (
                "maret@čáhci.example",
                "maret@čáhci.example",
                "maret@xn--hci-dla3t.example",
            ),
            // Each label in one script: Cyrillic here, Latin there.
            ("o@пример.example", "o@пример.example", "o@xn--e1afmkfd.example"),
            // Non-transitional: ß stays itself.
            ("o@straße.example", "o@straße.example", "o@xn--strae-oqa.example"),
            // Japanese mixes scripts by nature.
            (
                "o@例えばテスト.example",
                "o@例えばテスト.example",
                "o@xn--r8j3dvjxbl9538b.example",
            ),
        ];
        for (typed, shown, ascii) in cases {
            match EmailAddress::parse(typed) {
                Ok(address) => {
                    assert_eq!(address.as_str(), shown, "{typed}");
                    assert_eq!(address.to_ascii(), ascii, "{typed}");
                }
                Err(error) => panic!("{typed}: {error}"),
            }
        }
    }

    #[test]
    fn refused_and_why() {
        use EmailError as E;

        let long = |local: usize, domain: usize| {
            // Labels of 63 and less, the last one `.no`.
            let label = "d".repeat(60);
            let mut name = format!("{label}.{label}.{label}.{}.no", "d".repeat(60));
            name = name.split_off(name.len() - domain.min(name.len()));
            format!("{}@{name}", "l".repeat(local))
        };
        assert_eq!(refusal(&long(64, 200)), None);
        let cases = [
            ("", E::NoAt),
            ("example.no", E::NoAt),
            ("ola＠example.no", E::NoAt), // full-width
            ("ola@kari@example.no", E::Several),
            ("ola@@example.no", E::Several),
            ("ola@example.no@", E::Several),
            ("ola@example.no,kari@example.no", E::Several),
            ("ola@example.no;kari@example.no", E::Several),
            ("ola,kari@example.no", E::Several),
            ("ola@example.no kari@example.no", E::Several),
            (&long(65, 20), E::TooLong),
            (&format!("ola@{}", "d".repeat(317)), E::TooLong),
            (&format!("ola@{}.no", "d".repeat(64)), E::Domain),
            (&format!("ola@{}no", "abcdefg.".repeat(32)), E::Domain), // 258 octets
            ("ola@[192.0.2.1]", E::IpAddress),
            ("ola@[IPv6:2001:db8::1]", E::IpAddress),
            ("ola@192.0.2.1", E::IpAddress),
            ("\"ola\"@example.no", E::Quoted),
            ("\"ola nordmann\"@example.no", E::Quoted),
            ("\"ola@home\"@example.no", E::Quoted),
            ("ola(work)@example.no", E::Comment),
            ("ola@example.no(work)", E::Comment),
            ("øla@example.no", E::NonAsciiLocalPart),
            ("оla@example.no", E::NonAsciiLocalPart), // Cyrillic о
            ("@example.no", E::LocalPart),
            (".ola@example.no", E::LocalPart),
            ("ola.@example.no", E::LocalPart),
            ("ola..n@example.no", E::LocalPart),
            ("ola nordmann@example.no", E::LocalPart),
            (" ola@example.no", E::LocalPart),
            ("Ola <ola@example.no>", E::LocalPart),
            ("<ola@example.no>", E::LocalPart),
            ("mailto:ola@example.no", E::LocalPart),
            ("ola\\n@example.no", E::LocalPart),
            ("ola@example", E::SingleLabel),
            ("ola@localhost", E::SingleLabel),
            ("ola@", E::Domain),
            ("ola@.no", E::Domain),
            ("ola@example..no", E::Domain),
            ("ola@example.no.", E::Domain),
            ("ola@example.no ", E::Domain),
            ("ola@-example.no", E::Domain),
            ("ola@example-.no", E::Domain),
            ("ola@ab--cd.no", E::Domain), // reserved for punycode
            ("ola@exam_ple.no", E::Domain),
            ("ola@example.no:25", E::Domain),
            ("ola@example.no/x", E::Domain),
            ("ola@xn--a.no", E::Domain),
            ("ola@xn--example.no", E::Domain),
            ("ola@♥♥\u{d7ff}.example", E::Domain),
            // `a` in Cyrillic among Latin letters, plain and in punycode.
            ("ola@exаmple.no", E::MixedScripts),
            ("ola@xn--exmple-4nf.no", E::MixedScripts),
            ("ola@exαmple.no", E::MixedScripts), // Greek
            ("ola@ex\u{202e}ample.no", E::InvisibleCharacter),
            ("ola\u{202e}@example.no", E::InvisibleCharacter),
            ("\u{feff}ola@example.no", E::InvisibleCharacter),
            ("ola@example.no\u{200b}", E::InvisibleCharacter),
            ("o\u{200d}la@example.no", E::InvisibleCharacter),
            ("ola@exam\u{ad}ple.no", E::InvisibleCharacter),
            ("ola@exam\u{fe0f}ple.no", E::InvisibleCharacter),
            ("ola@example.no\u{2028}", E::InvisibleCharacter),
            ("ola@example.no\r\nBcc: kari@example.no", E::ControlCharacter),
            ("ola\n@example.no", E::ControlCharacter),
            ("ola@example.no\t", E::ControlCharacter),
            ("ola@example.no\u{85}", E::ControlCharacter),
            ("ola\u{7f}@example.no", E::ControlCharacter),
            ("ola@example.no\0", E::IllegalCharacter),
            ("\0", E::IllegalCharacter),
        ];
        for (text, error) in cases {
            assert_eq!(refusal(text), Some(error), "{text:?}");
        }
    }

    #[test]
    fn debug_and_errors_do_not_repeat_the_address() {
        let address = EmailAddress::parse("ola.nordmann@example.no").unwrap();
        assert!(!format!("{address:?}").contains("ola"));
        let error = serde_json::from_str::<EmailAddress>("\"ola.nordmann@\"").unwrap_err();
        assert!(!error.to_string().contains("ola"), "{error}");
    }

    #[test]
    fn json_is_the_shown_form_and_is_parsed_again() {
        let address = EmailAddress::parse("o@xn--blbr-roah.example").unwrap();
        let json = serde_json::to_string(&address).unwrap();
        assert_eq!(json, "\"o@blåbær.example\"");
        assert_eq!(serde_json::from_str::<EmailAddress>(&json).unwrap(), address);
        assert!(serde_json::from_str::<EmailAddress>("\"a@b@example.no\"").is_err());
    }

    proptest! {
        #[test]
        fn an_address_is_read_back_from_either_form(
            local in "[a-zA-Z0-9+_-]{1,20}(\\.[a-z]{1,20})?",
            labels in prop::collection::vec("[a-zæøåčđŋšŧžäö]([a-z0-9æøå]{0,15}[a-z0-9])?", 2..4),
        ) {
            let typed = format!("{local}@{}", labels.join("."));
            let address = EmailAddress::parse(&typed).unwrap();
            prop_assert_eq!(&address, &EmailAddress::parse(address.as_str()).unwrap());
            prop_assert_eq!(&address, &EmailAddress::parse(address.to_ascii()).unwrap());
            prop_assert_eq!(address.as_str(), typed);
            prop_assert!(address.to_ascii().is_ascii());
        }

        /// Whatever is typed: what is accepted has one form, and that form is safe in a header.
        #[test]
        fn whatever_is_accepted_is_stable_and_safe(
            text in prop_oneof!["\\PC{0,40}@\\PC{1,20}\\.\\PC{1,8}", "[a-z.\"<>,]{1,9}@[a-zａ-ｚé。.-]{1,20}\\.no"]
        ) {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert_eq!(&address, &EmailAddress::parse(address.as_str()).unwrap());
                prop_assert_eq!(&address, &EmailAddress::parse(address.to_ascii()).unwrap());
                prop_assert!(address.to_ascii().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(address.to_ascii().matches('@').count(), 1);
                prop_assert!(!address.as_str().contains(|c: char| c.is_control() || c.is_whitespace()));
            }
        }
    }
}
