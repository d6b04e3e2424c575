//! What a provider says of one message.

use jiff::Timestamp;
use mailbox_register::{contact::Address, notice::NoticeId, receipt::Receipt};

use crate::source::Unreadable;

/// Longest identity of a message. SES's have 60 characters, SNS's 36.
const MAX_MESSAGE_ID: usize = 128;

/// What a provider reports of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Of which message.
    pub about: About,
    /// What became of it.
    pub receipt: Receipt,
    /// When that happened, as the provider says.
    pub at: Timestamp,
    /// Where the message went; none where the provider does not say it, or names several.
    pub address: Option<ReportedAddress>,
    /// Whether it failed because the month's money is spent: then every other message on the channel fails too.
    pub quota_exhausted: bool,
}

/// The message that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The provider gave back the notice's own identity.
    Notice {
        /// The notice.
        id: NoticeId,
        /// The provider's identity for the message.
        message_id: String,
    },
    /// The provider knows the message by its own identity alone.
    Message(String),
}

/// An address as a provider writes it. Not to be shown or stored: it answers one question.
#[derive(Clone, PartialEq, Eq)]
pub struct ReportedAddress(String);

impl ReportedAddress {
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether it is this address of the register.
    ///
    /// E-mail is compared as it was sent to, and without regard to case: mail servers and SES change it at will.
    pub fn is(&self, address: &Address) -> bool {
        match address {
            Address::Sms(number) => number.as_str() == self.0,
            Address::Email(email) => email.to_ascii().eq_ignore_ascii_case(&self.0),
        }
    }
}

impl std::fmt::Debug for ReportedAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReportedAddress(…)")
    }
}

/// A provider's identity for a message. It becomes a key in a table and a word in logs, so it is checked first.
pub(crate) fn message_id(text: String) -> Result<String, Unreadable> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=MAX_MESSAGE_ID).contains(&text.len()) && text.bytes().all(is_plain) {
        Ok(text)
    } else {
        Err(Unreadable::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(text: &str) -> ReportedAddress {
        ReportedAddress::new(text.to_owned())
    }

    fn email(text: &str) -> Address {
        Address::Email(text.parse().unwrap())
    }

    fn mobile(text: &str) -> Address {
        Address::Sms(serde_json::from_value(text.into()).unwrap())
    }

    #[test]
    fn an_email_is_known_again_in_any_case_and_in_punycode() {
        assert!(reported("ola@example.no").is(&email("ola@example.no")));
        assert!(reported("OLA@Example.NO").is(&email("Ola@example.no")));
        assert!(reported("kari@xn--blbr-roah.example").is(&email("kari@blåbær.example")));
        for other in [
            "ola@example.org",
            "ol@example.no",
            " ola@example.no",
            "<ola@example.no>",
            "",
        ] {
            assert!(!reported(other).is(&email("ola@example.no")), "{other:?}");
        }
    }

    #[test]
    fn a_number_is_known_again_digit_by_digit() {
        assert!(reported("+46701740605").is(&mobile("+46701740605")));
        for other in ["+46701740606", "46701740605", "+4670174060", "+46 701740605", ""] {
            assert!(!reported(other).is(&mobile("+46701740605")), "{other:?}");
        }
        assert!(!reported("+46701740605").is(&email("46701740605@example.no")));
    }

    #[test]
    fn debug_does_not_show_the_address() {
        assert_eq!(format!("{:?}", reported("ola@example.no")), "ReportedAddress(…)");
    }

    #[test]
    fn a_message_id_is_short_and_plain() {
        for id in [
            "34d9b400-c6dd-5444-820d-fbeb0f1f54cf",
            "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
        ] {
            assert_eq!(message_id(id.to_owned()).as_deref(), Ok(id));
        }
        for id in ["", "a b", "ola@example.no", "a\n", "å", &"a".repeat(129)] {
            assert_eq!(message_id(id.to_owned()), Err(Unreadable::Malformed), "{id:?}");
        }
    }
}
