//! What is written to people, in their language and for their channel.
//!
//! The words stand in `texts/`, one folder for each kind of message and one file for each language, with the
//! blocks `sms`, `subject` and `body`; an HTML mail is the same body in the layout `mail.html`. No text holds
//! personal data, the subject of a letter, or a link (operators block them, and phishers live by them): people log
//! in as they usually do.

use askama::Template;
use jiff::civil::Date;

use crate::{
    code::{CODE_LIFETIME, Code},
    contact::Channel,
    language::Language,
    sms::{SmsError, SmsText},
};

/// Characters that the name of the register's owner may have in a text.
///
/// With it, [`MAX_PROVIDER`] and [`MAX_SENDER`], every text keeps its limits in any language, even where a letter
/// outside GSM-7 halves what a text message holds.
pub const MAX_OWNER: usize = 26;
/// Characters that a provider's name may have in a text.
pub const MAX_PROVIDER: usize = 20;
/// Characters that the name of a letter's sender may have in a text.
pub const MAX_SENDER: usize = 40;
/// Characters of an e-mail's subject.
const MAX_SUBJECT: usize = 100;
/// Characters of an e-mail's body, its markup not counted.
const MAX_BODY: usize = 500;

/// What there is to say.
#[derive(Debug, Clone, Copy)]
pub enum Message<'a> {
    /// The mailbox that the person chose is active.
    MailboxChosen {
        /// The name of its provider.
        provider: &'a str,
    },
    /// The person's e-mail address or mobile number was changed or removed: told to the old one, so that nobody
    /// takes over an entry unnoticed.
    AddressChanged {
        /// Which of the two.
        what: Channel,
    },
    /// A code that proves that an address is the person's own.
    Code {
        /// The code.
        code: &'a Code,
    },
    /// A letter has arrived in the digital mailbox.
    LetterArrived {
        /// The name of who sent it, where it may be named; see [`nameable_sender`].
        sender: Option<&'a str>,
    },
    /// A letter that arrived about a week ago has not been opened.
    LetterReminder {
        /// The name of who sent it, where it may be named; see [`nameable_sender`].
        sender: Option<&'a str>,
    },
    /// Contact details go stale in two months, unless the person says that they are right.
    FreshnessReminder,
    /// The provider that the person had chosen leaves the market.
    ProviderLeaves {
        /// The name of who leaves.
        provider: &'a str,
        /// The first day without it.
        on: Date,
        /// The name of the provider whose mailbox is the active one now; none: the person has none.
        instead: Option<&'a str>,
    },
}

/// An e-mail, ready to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line of 1 to 100 characters.
    pub subject: String,
    /// The body in plain text, 1 to 500 characters.
    pub text: String,
    /// The same body as an HTML document.
    pub html: String,
}

// It may carry a verification code.
crate::redacted_debug!(Mail);

/// Why there is no text. The names come from settings and the directory, so this is never the person's fault.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The owner's name is blank, over [`MAX_OWNER`] characters, or holds a control character.
    #[error("the owner's name has 1 to {MAX_OWNER} characters on one line")]
    Owner,
    /// The provider's name is blank, over [`MAX_PROVIDER`] characters, or holds a control character.
    #[error("the provider's name has 1 to {MAX_PROVIDER} characters on one line")]
    Provider,
    /// The sender's name is not one that [`nameable_sender`] lets through.
    #[error("the sender's name has 1 to {MAX_SENDER} characters on one line, and no word with a dot in it")]
    Sender,
    /// Blank, or more than two parts of a text message.
    #[error(transparent)]
    Sms(#[from] SmsError),
    /// The subject is not one line of 1 to 100 characters.
    #[error("an e-mail's subject is one line of 1 to {MAX_SUBJECT} characters")]
    Subject,
    /// The body has not 1 to 500 characters.
    #[error("an e-mail's body has 1 to {MAX_BODY} characters")]
    Body,
    /// The template did not render.
    #[error("the template did not render")]
    Template(#[from] askama::Error),
}

/// The text message that says it.
///
/// # Errors
/// A name that is too long or not one line; a text over two parts.
pub fn sms(message: &Message<'_>, language: Language, owner: &str) -> Result<SmsText, TextError> {
    Ok(SmsText::new(render(message, language, owner, Block::Sms)?)?)
}

/// The e-mail that says it.
///
/// # Errors
/// A name that is too long or not one line; a subject over 100 or a body over 500 characters.
pub fn mail(message: &Message<'_>, language: Language, owner: &str) -> Result<Mail, TextError> {
    let subject = render(message, language, owner, Block::Subject)?;
    if !is_one_line(&subject, MAX_SUBJECT) {
        return Err(TextError::Subject);
    }
    let text = render(message, language, owner, Block::Body)?;
    if !(1..=MAX_BODY).contains(&text.chars().count()) {
        return Err(TextError::Body);
    }
    let html = Layout {
        language: language.code(),
        subject: &subject,
        paragraphs: text.split("\n\n").collect(),
    }
    .render()?;
    Ok(Mail { subject, text, html })
}

/// The register's owner as messages name it: 1 to [`MAX_OWNER`] characters on one line. Checked where settings are
/// read, so that no message fails for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerName(String);

impl OwnerName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for OwnerName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_one_line(text, MAX_OWNER) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TextError::Owner)
        }
    }
}

/// The name of a letter's sender if it fits a text, else none: who has a longer name is not named at all, since half
/// a name misleads. Nor is a name with a dot inside a word, of which telephones make a link.
pub fn nameable_sender(name: &str) -> Option<&str> {
    let dotted = |word: &str| word.trim_matches('.').contains('.');
    (is_one_line(name, MAX_SENDER) && !name.split_whitespace().any(dotted)).then_some(name)
}

/// Whether a text says something on one line: no line break that would start a header of its own.
pub(crate) fn is_one_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.contains(char::is_control)
}

/// The frame of every HTML mail; askama escapes what it puts in.
#[derive(Template)]
#[template(path = "mail.html")]
struct Layout<'a> {
    language: &'static str,
    subject: &'a str,
    paragraphs: Vec<&'a str>,
}

/// The parts of a template file.
#[derive(Clone, Copy)]
enum Block {
    Sms,
    Subject,
    Body,
}

fn render(message: &Message<'_>, language: Language, owner: &str, block: Block) -> Result<String, TextError> {
    if !is_one_line(owner, MAX_OWNER) {
        return Err(TextError::Owner);
    }
    let text = match *message {
        Message::MailboxChosen { provider } => mailbox_chosen(language, block, owner, checked_provider(provider)?),
        Message::AddressChanged { what: Channel::Email } => email_changed(language, block, owner),
        Message::AddressChanged { what: Channel::Sms } => mobile_changed(language, block, owner),
        Message::Code { code } => {
            let minutes = CODE_LIFETIME.as_mins().to_string();
            verification_code(language, block, owner, code.as_str(), &minutes)
        }
        Message::LetterArrived { sender } => letter_arrived(language, block, owner, checked_sender(sender)?),
        Message::LetterReminder { sender } => letter_reminder(language, block, owner, checked_sender(sender)?),
        Message::FreshnessReminder => freshness_reminder(language, block, owner),
        Message::ProviderLeaves { provider, on, instead } => {
            let instead = instead.map(checked_provider).transpose()?;
            let provider = checked_provider(provider)?;
            provider_leaves(language, block, owner, provider, &on.to_string(), instead)
        }
    }?;
    Ok(text.trim().to_owned())
}

/// A provider's name that fits a text.
fn checked_provider(provider: &str) -> Result<&str, TextError> {
    if is_one_line(provider, MAX_PROVIDER) {
        Ok(provider)
    } else {
        Err(TextError::Provider)
    }
}

/// The sender to name, if any, with a name that fits a text.
fn checked_sender(sender: Option<&str>) -> Result<Option<&str>, TextError> {
    sender
        .map(|name| nameable_sender(name).ok_or(TextError::Sender))
        .transpose()
}

/// A function that renders one kind of message from its four files, which may use the values named.
macro_rules! kind {
    ($name:ident($($value:ident: $type:ty),*): $nb:literal, $nn:literal, $en:literal, $se:literal) => {
        fn $name<'a>(language: Language, block: Block, $($value: $type),*) -> askama::Result<String> {
            macro_rules! file {
                ($path:literal) => {{
                    #[derive(Template)]
                    #[template(path = $path, blocks = ["sms", "subject", "body"])]
                    struct File<'a> {
                        $($value: $type),*
                    }
                    let file = File { $($value),* };
                    match block {
                        Block::Sms => file.as_sms().render(),
                        Block::Subject => file.as_subject().render(),
                        Block::Body => file.as_body().render(),
                    }
                }};
            }
            match language {
                Language::Nb => file!($nb),
                Language::Nn => file!($nn),
                Language::En => file!($en),
                Language::Se => file!($se),
            }
        }
    };
}

kind!(mailbox_chosen(owner: &'a str, provider: &'a str):
    "mailbox_chosen/nb.txt", "mailbox_chosen/nn.txt", "mailbox_chosen/en.txt", "mailbox_chosen/se.txt");
kind!(email_changed(owner: &'a str):
    "email_changed/nb.txt", "email_changed/nn.txt", "email_changed/en.txt", "email_changed/se.txt");
kind!(mobile_changed(owner: &'a str):
    "mobile_changed/nb.txt", "mobile_changed/nn.txt", "mobile_changed/en.txt", "mobile_changed/se.txt");
kind!(verification_code(owner: &'a str, code: &'a str, minutes: &'a str):
    "code/nb.txt", "code/nn.txt", "code/en.txt", "code/se.txt");
kind!(letter_arrived(owner: &'a str, sender: Option<&'a str>):
    "letter_arrived/nb.txt", "letter_arrived/nn.txt", "letter_arrived/en.txt", "letter_arrived/se.txt");
kind!(letter_reminder(owner: &'a str, sender: Option<&'a str>):
    "letter_reminder/nb.txt", "letter_reminder/nn.txt", "letter_reminder/en.txt", "letter_reminder/se.txt");
kind!(freshness_reminder(owner: &'a str):
    "freshness_reminder/nb.txt", "freshness_reminder/nn.txt", "freshness_reminder/en.txt", "freshness_reminder/se.txt");
kind!(provider_leaves(owner: &'a str, provider: &'a str, day: &'a str, instead: Option<&'a str>):
    "provider_leaves/nb.txt", "provider_leaves/nn.txt", "provider_leaves/en.txt", "provider_leaves/se.txt");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::Encoding;

    const OWNER: &str = "Kontaktregisteret";
    const PROVIDER: &str = "Digipost";
    const SENDER: &str = "Digitaliseringsdirektoratet";

    fn code() -> Code {
        Code::parse("123456").unwrap()
    }

    /// One message of each kind, with the name that it is rendered under.
    fn kinds<'a>(provider: &'a str, sender: &'a str, code: &'a Code) -> [(&'static str, Message<'a>); 11] {
        let changed = |what| Message::AddressChanged { what };
        let (named, unnamed) = (Some(sender), None);
        let on = jiff::civil::date(2026, 12, 31);
        let leaves = |instead| Message::ProviderLeaves { provider, on, instead };
        [
            ("mailbox_chosen", Message::MailboxChosen { provider }),
            ("email_changed", changed(Channel::Email)),
            ("mobile_changed", changed(Channel::Sms)),
            ("code", Message::Code { code }),
            ("letter_arrived", Message::LetterArrived { sender: unnamed }),
            ("letter_arrived_from", Message::LetterArrived { sender: named }),
            ("letter_reminder", Message::LetterReminder { sender: unnamed }),
            ("letter_reminder_from", Message::LetterReminder { sender: named }),
            ("freshness_reminder", Message::FreshnessReminder),
            ("provider_leaves", leaves(None)),
            ("provider_leaves_instead", leaves(Some(provider))),
        ]
    }

    /// Each kind in each language.
    fn each(provider: &str, sender: &str, check: impl Fn(&str, Language, &Message<'_>)) {
        for (kind, message) in kinds(provider, sender, &code()) {
            for language in Language::ALL {
                check(&format!("{kind} in {language}"), language, &message);
            }
        }
    }

    /// All that is written stands in `texts/rendered`, one file for each kind, to be read by those who translate.
    #[test]
    fn all_texts_as_people_see_them() {
        for (kind, message) in kinds(PROVIDER, SENDER, &code()) {
            let page = Language::ALL.map(|language| {
                let sms = sms(&message, language, OWNER).unwrap();
                let mail = mail(&message, language, OWNER).unwrap();
                format!(
                    "=== {language}: text message ({:?}, parts: {})\n{}\n\n=== {language}: e-mail\n{}\n---\n{}\n",
                    sms.encoding(),
                    sms.parts(),
                    sms.as_str(),
                    mail.subject,
                    mail.text
                )
            });
            insta::with_settings!({
                snapshot_path => "texts/rendered",
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, { insta::assert_snapshot!(kind, page.join("\n")) });
        }
    }

    #[test]
    fn the_html_mail_as_it_is_sent() {
        let message = Message::MailboxChosen {
            provider: "Post & <i>boks</i>",
        };
        let mail = mail(&message, Language::Nb, "\"Registeret\"").unwrap();
        insta::assert_snapshot!(mail.html, @r#"
        <!doctype html>
        <html lang="nb">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>Du har valgt digital postkasse</title>
        </head>
        <body style="margin: 2rem; font: 1rem/1.5 sans-serif">
        <p>Du har valgt Post &#38; &#60;i&#62;boks&#60;/i&#62; som digital postkasse. Brev fra det offentlige kan nå komme dit.</p>
        <p>Var det ikke deg? Logg inn slik du pleier, og velg på nytt.</p>
        <p>Du kan ikke svare på denne e-posten.</p>
        <p>Hilsen &#34;Registeret&#34;</p>
        </body>
        </html>
        "#);
    }

    #[test]
    fn the_longest_names_in_the_widest_letters_keep_every_limit() {
        for letter in ["W", "č"] {
            let [owner, provider, sender] = [MAX_OWNER, MAX_PROVIDER, MAX_SENDER].map(|most| letter.repeat(most));
            each(&provider, &sender, |what, language, message| {
                let text = sms(message, language, &owner);
                assert!(text.is_ok(), "{what}: {text:?}");
                let mail = mail(message, language, &owner);
                assert!(mail.is_ok(), "{what}: {mail:?}");
            });
        }
    }

    /// Parts that a text takes where each ends with a whole word, as SNS cuts them: a part holds less than it could.
    fn parts_of_whole_words(text: &SmsText) -> usize {
        let room = match text.encoding() {
            Encoding::Gsm7 => 153,
            Encoding::Ucs2 => 67,
        };
        let (mut parts, mut used) = (1, 0);
        for word in text.as_str().split_inclusive(' ') {
            let length = word.chars().count();
            if used + length > room {
                (parts, used) = (parts + 1, 0);
            }
            used += length;
        }
        parts
    }

    #[test]
    fn two_parts_are_enough_when_cut_between_words() {
        each(PROVIDER, SENDER, |what, language, message| {
            let parts = parts_of_whole_words(&sms(message, language, OWNER).unwrap());
            assert!(parts <= 2, "{what}: {parts}");
        });
    }

    /// A name that is one long word leaves the most of a part empty, and nobody chooses the names of senders for it.
    #[test]
    fn two_parts_are_enough_for_a_letter_from_any_sender_when_cut_between_words() {
        for owner in (1..=MAX_OWNER).map(|length| "č".repeat(length)) {
            for sender in (1..=MAX_SENDER).map(|length| "č".repeat(length)) {
                for sender in [None, Some(sender.as_str())] {
                    for letter in [Message::LetterArrived { sender }, Message::LetterReminder { sender }] {
                        for language in Language::ALL {
                            let text = sms(&letter, language, &owner).unwrap();
                            let parts = parts_of_whole_words(&text);
                            assert!(parts <= 2, "{parts}: {}", text.as_str());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn norwegian_and_english_fit_one_part() {
        for (provider, sender) in [
            (PROVIDER, SENDER),
            ("e-Boks", "Barne-, ungdoms- og familiedirektoratet"),
            (PROVIDER, "Nav"),
        ] {
            each(provider, sender, |what, language, message| {
                let text = sms(message, language, OWNER).unwrap();
                let expected = if language == Language::Se {
                    (Encoding::Ucs2, 2)
                } else {
                    (Encoding::Gsm7, 1)
                };
                assert_eq!((text.encoding(), text.parts()), expected, "{what}");
            });
        }
    }

    #[test]
    fn a_name_that_is_too_long_blank_or_on_two_lines_gives_no_text() {
        let code = code();
        let too_long = "x".repeat(27);
        for name in [too_long.as_str(), "", " ", "A\r\nBcc: x", "A\nB", "A\0"] {
            for (_, message) in kinds(PROVIDER, SENDER, &code) {
                assert!(matches!(sms(&message, Language::Nb, name), Err(TextError::Owner)));
                assert!(matches!(mail(&message, Language::Nb, name), Err(TextError::Owner)));
            }
            let chosen = Message::MailboxChosen { provider: name };
            assert!(matches!(sms(&chosen, Language::Nb, OWNER), Err(TextError::Provider)));
            assert!(matches!(mail(&chosen, Language::Nb, OWNER), Err(TextError::Provider)));
        }
        let sender = "x".repeat(MAX_SENDER + 1);
        for name in [sender.as_str(), "", " ", "A\r\nBcc: x", "A\nB", "A\0", "Example.no"] {
            let sender = Some(name);
            for letter in [Message::LetterArrived { sender }, Message::LetterReminder { sender }] {
                assert!(matches!(sms(&letter, Language::Nb, OWNER), Err(TextError::Sender)));
                assert!(matches!(mail(&letter, Language::Nb, OWNER), Err(TextError::Sender)));
            }
            assert_eq!(nameable_sender(name), None);
        }
        let provider = "x".repeat(MAX_PROVIDER + 1);
        let chosen = Message::MailboxChosen { provider: &provider };
        assert!(matches!(sms(&chosen, Language::Nb, OWNER), Err(TextError::Provider)));
    }

    #[test]
    fn a_sender_whose_name_fits_is_named() {
        for name in [SENDER, "St. Olavs hospital HF", &"x".repeat(MAX_SENDER)] {
            assert_eq!(nameable_sender(name), Some(name));
        }
    }

    #[test]
    fn a_subject_is_one_line() {
        each(PROVIDER, SENDER, |what, language, message| {
            let mail = mail(message, language, OWNER).unwrap();
            assert!(!mail.subject.contains(char::is_control), "{what}");
            assert!((1..=100).contains(&mail.subject.chars().count()), "{what}");
            assert!((1..=500).contains(&mail.text.chars().count()), "{what}");
        });
    }

    #[test]
    fn every_text_says_who_writes_and_what_it_is_about() {
        let code = code();
        for (kind, message) in kinds(PROVIDER, SENDER, &code) {
            let named = match kind {
                "mailbox_chosen" | "provider_leaves" | "provider_leaves_instead" => PROVIDER,
                "code" => "123456",
                "letter_arrived_from" | "letter_reminder_from" => SENDER,
                _ => OWNER,
            };
            for language in Language::ALL {
                let sms = sms(&message, language, OWNER).unwrap();
                let mail = mail(&message, language, OWNER).unwrap();
                for text in [sms.as_str(), &mail.text, &mail.html] {
                    assert!(text.contains(OWNER) && text.contains(named), "{kind}: {text}");
                }
                assert!(!mail.subject.contains("123456") && !mail.subject.contains(SENDER));
            }
        }
    }

    #[test]
    fn no_text_holds_a_link_or_a_number_as_long_as_an_identity_number() {
        each(PROVIDER, SENDER, |what, language, message| {
            let sms = sms(message, language, OWNER).unwrap();
            let mail = mail(message, language, OWNER).unwrap();
            for text in [sms.as_str(), &mail.subject, &mail.text, &mail.html] {
                for link in ["http", "www", "://", "href", "src=", "@"] {
                    assert!(!text.contains(link), "{what}: {text}");
                }
                let longest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
                assert!(longest <= Some(6), "{what}: {text}");
            }
            // Telephones make a link of any word with a dot in it.
            for text in [sms.as_str(), &mail.text] {
                let dotted = |word: &str| word.trim_end_matches('.').contains('.');
                assert!(!text.split_whitespace().any(dotted), "{what}: {text}");
            }
        });
    }

    #[test]
    fn each_language_has_its_own_words() {
        let code = code();
        for (kind, message) in kinds(PROVIDER, SENDER, &code) {
            let mut texts: Vec<_> = Language::ALL
                .into_iter()
                .map(|language| mail(&message, language, OWNER).unwrap().text)
                .collect();
            texts.sort();
            texts.dedup();
            assert_eq!(texts.len(), Language::ALL.len(), "{kind}");
        }
    }

    #[test]
    fn a_mail_is_marked_with_its_language() {
        each(PROVIDER, SENDER, |what, language, message| {
            let mail = mail(message, language, OWNER).unwrap();
            assert!(mail.html.contains(&format!("<html lang=\"{language}\">")), "{what}");
        });
    }

    #[test]
    fn debug_does_not_show_the_code() {
        let code = code();
        let message = Message::Code { code: &code };
        let sms = sms(&message, Language::Nb, OWNER).unwrap();
        let mail = mail(&message, Language::Nb, OWNER).unwrap();
        assert!(!format!("{message:?}{sms:?}{mail:?}").contains("123456"));
    }
}
