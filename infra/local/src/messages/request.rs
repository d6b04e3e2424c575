//! A request in the AWS Query protocol, and what the services refuse about it.

use std::collections::BTreeMap;

use super::faults::Refusal;
use super::ledger::Channel;
use super::reports::Sending;

/// SNS message attribute with the notice's id.
pub const SMS_NOTICE_ATTRIBUTE: &str = "register.notice";
/// SNS message attribute with the notice's kind.
pub const SMS_KIND_ATTRIBUTE: &str = "register.kind";
/// SES message tag with the notice's id.
pub const EMAIL_NOTICE_TAG: &str = "notice-id";
/// SES message tag with the notice's kind.
pub const EMAIL_KIND_TAG: &str = "notice-kind";

/// "The total size limit for a single SMS Publish action is 1,600 characters" (Amazon SNS, publishing to a mobile phone).
pub(super) const LONGEST_SMS: usize = 1600;

/// Longest name and longest value of a message tag (SES API reference, `MessageTag`).
const LONGEST_TAG: usize = 256;

/// A call that reaches people.
pub(super) enum Action {
    Publish(Fields),
    SendEmail(Fields),
}

/// What a request asks to send.
pub(super) struct Draft {
    pub(super) channel: Channel,
    pub(super) to: String,
    pub(super) subject: Option<String>,
    pub(super) text: String,
    pub(super) html: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) notice_id: Option<String>,
    pub(super) sending: Sending,
}

pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The `n` of every field `{list}.{n}` or `{list}.{n}.…`: a list in this protocol.
    fn members(&self, list: &str) -> Vec<String> {
        let mut members: Vec<String> = self
            .0
            .keys()
            .filter_map(|name| name.strip_prefix(list)?.strip_prefix('.'))
            .map(|rest| {
                let number = rest.split('.').next().unwrap_or_default();
                format!("{list}.{number}")
            })
            .collect();
        members.dedup();
        members
    }
}

impl Action {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let fields = Fields(form_urlencoded::parse(body).into_owned().collect());
        match fields.get("Action") {
            Some("Publish") => Ok(Self::Publish(fields)),
            Some("SendEmail") => Ok(Self::SendEmail(fields)),
            _ => Err(Refusal::sender(
                "InvalidAction",
                "The action or operation requested is invalid.",
            )),
        }
    }

    pub(super) fn channel(&self) -> Channel {
        match self {
            Self::Publish(_) => Channel::Sms,
            Self::SendEmail(_) => Channel::Email,
        }
    }

    /// The telephone number or first address, as the request has it.
    pub(super) fn recipient(&self) -> &str {
        match self {
            Self::Publish(fields) => fields.get("PhoneNumber"),
            Self::SendEmail(fields) => fields.get("Destination.ToAddresses.member.1"),
        }
        .unwrap_or_default()
    }

    pub(super) fn check(&self) -> Result<Draft, Refusal> {
        match self {
            Self::Publish(fields) => sms(fields),
            Self::SendEmail(fields) => email(fields),
        }
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::sender("InvalidParameter", message)
}

fn sms(fields: &Fields) -> Result<Draft, Refusal> {
    let Some(number) = fields.get("PhoneNumber") else {
        return Err(invalid(
            "Invalid parameter: only telephone numbers are published to here",
        ));
    };
    if !is_e164(number) {
        return Err(Refusal::not_valid(number));
    }
    let text = fields.get("Message").unwrap_or_default();
    if text.is_empty() {
        return Err(invalid("Invalid parameter: Empty message"));
    }
    if text.chars().count() > LONGEST_SMS {
        return Err(invalid("Invalid parameter: Message too long"));
    }
    let attributes = attributes(fields)?;
    if let Some(sender) = attributes.get("AWS.SNS.SMS.SenderID")
        && !is_sender_id(sender)
    {
        return Err(invalid(
            "Invalid parameter: AWS.SNS.SMS.SenderID Reason: not a sender id",
        ));
    }
    if let Some(urgency) = attributes.get("AWS.SNS.SMS.SMSType")
        && !matches!(urgency.as_str(), "Promotional" | "Transactional")
    {
        return Err(invalid(
            "Invalid parameter: AWS.SNS.SMS.SMSType Reason: neither Promotional nor Transactional",
        ));
    }
    Ok(Draft {
        channel: Channel::Sms,
        to: number.to_owned(),
        subject: None,
        text: text.to_owned(),
        html: None,
        kind: attributes.get(SMS_KIND_ATTRIBUTE).cloned(),
        notice_id: attributes.get(SMS_NOTICE_ATTRIBUTE).cloned(),
        sending: Sending {
            sms_type: attributes.get("AWS.SNS.SMS.SMSType").cloned(),
            ..Sending::default()
        },
    })
}

/// Message attributes by name (SNS developer guide, "Message attributes").
fn attributes(fields: &Fields) -> Result<BTreeMap<String, String>, Refusal> {
    let mut attributes = BTreeMap::new();
    for entry in fields.members("MessageAttributes.entry") {
        let field = |name: &str| fields.get(&format!("{entry}.{name}")).unwrap_or_default();
        let (name, value) = (field("Name"), field("Value.StringValue"));
        if name.is_empty() || value.is_empty() || field("Value.DataType").is_empty() {
            return Err(Refusal::sender(
                "ParameterValueInvalid",
                format!("The message attribute '{name}' must contain a type and a non-empty value"),
            ));
        }
        let reserved = name.starts_with("AWS.") && !name.starts_with("AWS.SNS.SMS.") || name.starts_with("Amazon.");
        let spelled = name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'))
            && !name.starts_with('.')
            && !name.ends_with('.')
            && !name.contains("..");
        if reserved || !spelled {
            return Err(Refusal::sender(
                "ParameterValueInvalid",
                format!("The message attribute name '{name}' is invalid"),
            ));
        }
        attributes.insert(name.to_owned(), value.to_owned());
    }
    Ok(attributes)
}

/// ITU-T E.164: a plus sign and at most 15 digits, the first not zero.
fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (2..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// 1 to 11 letters, digits and hyphens with at least one letter, or a telephone number (SNS developer guide, "Sender IDs").
fn is_sender_id(sender: &str) -> bool {
    let letters = sender.bytes().any(|letter| letter.is_ascii_alphabetic());
    let spelled = sender
        .bytes()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
    (letters && spelled && sender.len() <= 11) || is_e164(sender)
}

fn invalid_value(message: impl Into<String>) -> Refusal {
    Refusal::sender("InvalidParameterValue", message)
}

fn email(fields: &Fields) -> Result<Draft, Refusal> {
    address(fields.get("Source").unwrap_or_default())?;
    let to: Vec<&str> = fields
        .members("Destination.ToAddresses.member")
        .iter()
        .filter_map(|member| fields.get(member))
        .collect();
    if to.is_empty() {
        return Err(invalid_value("Must have at least one destination."));
    }
    to.iter().try_for_each(|to| address(to))?;
    let Some(subject) = content(fields, "Message.Subject")? else {
        return Err(missing("message.subject"));
    };
    let text = content(fields, "Message.Body.Text")?;
    let html = content(fields, "Message.Body.Html")?;
    if text.is_none() && html.is_none() {
        return Err(missing("message.body"));
    }
    let mut tags = BTreeMap::new();
    for tag in fields.members("Tags.member") {
        let field = |name: &str| fields.get(&format!("{tag}.{name}")).unwrap_or_default();
        let (name, value) = (field("Name"), field("Value"));
        for (part, content) in [("name", name), ("value", value)] {
            if !is_tag(content) {
                return Err(invalid_value(format!(
                    "Invalid tag {part} <{content}>: only alphanumeric ASCII characters, '_', and '-' are allowed."
                )));
            }
        }
        tags.insert(name, value);
    }
    let tag = |name: &str| tags.get(name).map(|&value| value.to_owned());
    Ok(Draft {
        channel: Channel::Email,
        to: to.join(", "),
        subject: Some(subject),
        text: text.unwrap_or_default(),
        html,
        kind: tag(EMAIL_KIND_TAG),
        notice_id: tag(EMAIL_NOTICE_TAG),
        sending: Sending {
            source: fields.get("Source").map(str::to_owned),
            configuration_set: fields.get("ConfigurationSetName").map(str::to_owned),
            ..Sending::default()
        },
    })
}

fn missing(member: &str) -> Refusal {
    Refusal::sender(
        "ValidationError",
        format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ),
    )
}

/// A part of an e-mail: "by default, the text must be 7-bit ASCII" (SES API reference, `Content`).
fn content(fields: &Fields, part: &str) -> Result<Option<String>, Refusal> {
    let Some(data) = fields.get(&format!("{part}.Data")) else {
        return Ok(None);
    };
    if !data.is_ascii() && fields.get(&format!("{part}.Charset")).is_none() {
        return Err(invalid_value(format!("{part} is not ASCII and names no character set")));
    }
    Ok(Some(data.to_owned()))
}

/// An address, alone or as `Name <address>`: "Amazon SES does not support the SMTPUTF8 extension", so it is ASCII, and so is the name before
/// it.
fn address(address: &str) -> Result<(), Refusal> {
    let bare = match address.split_once('<') {
        Some((name, rest)) if name.is_ascii() => {
            rest.strip_suffix('>').ok_or_else(|| invalid_value("Illegal address"))?
        }
        Some(_) => return Err(invalid_value("Illegal address")),
        None => address,
    };
    let Some((local, domain)) = bare.rsplit_once('@') else {
        return Err(invalid_value("Missing final '@domain'"));
    };
    let blank = |letter: char| letter.is_control() || letter.is_whitespace();
    if local.is_empty() {
        Err(invalid_value("Missing local name"))
    } else if local.contains(blank) {
        Err(invalid_value("Local address contains control or whitespace"))
    } else if !local.is_ascii() || local.contains(['@', ',', ':', ';', '<', '>']) {
        Err(invalid_value("Local address contains illegal character"))
    } else if domain.contains(blank) {
        Err(invalid_value("Domain contains control or whitespace"))
    } else if domain.is_empty()
        || !domain
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'-'))
    {
        Err(invalid_value("Domain contains illegal character"))
    } else {
        Ok(())
    }
}

fn is_tag(text: &str) -> bool {
    (1..=LONGEST_TAG).contains(&text.len())
        && text
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'-'))
}
