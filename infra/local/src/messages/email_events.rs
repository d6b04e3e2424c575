//! The events that SES publishes of an e-mail, as a queue gets them that is subscribed to their SNS topic.
//!
//! Shapes: SES developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS" and the examples after
//! it; SNS developer guide, "HTTP/HTTPS notification JSON format", which is the form of a queue's message, too.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ledger::Message;
use super::reports::{Outcome, Sending};
use super::request::{EMAIL_KIND_TAG, EMAIL_NOTICE_TAG};
use crate::sdk::{ACCOUNT, REGION};

/// The name of the topic that SES publishes its events to.
pub const EMAIL_EVENTS_TOPIC: &str = "email-events";

/// The topic that SES publishes its events to.
pub fn email_events_topic_arn() -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{EMAIL_EVENTS_TOPIC}")
}

/// SES gives up on an e-mail after 14 hours.
const TRIES_FOR: SignedDuration = SignedDuration::from_hours(14);

/// Something that happens to an e-mail. When it does is said after the acceptance.
#[derive(Clone, Copy)]
enum Event {
    Send,
    Delivery,
    DeliveryDelay,
    Bounce(Bounce),
    Complaint,
    Reject,
}

/// Why an e-mail comes back.
#[derive(Clone, Copy)]
enum Bounce {
    UserUnknown,
    Suppressed,
    Expired,
}

/// What SES publishes of a message, oldest first. Each time the same: an event that comes twice has its ids twice.
pub(super) fn envelopes(message: &Message, sending: &Sending, published: Timestamp) -> Vec<String> {
    let events: &[Event] = match sending.outcome {
        Outcome::Delivered => &[Event::Send, Event::Delivery],
        Outcome::Delayed => &[Event::Send, Event::DeliveryDelay, Event::Delivery],
        Outcome::Complained => &[Event::Send, Event::Delivery, Event::Complaint],
        Outcome::OptedOut => &[Event::Send, Event::Bounce(Bounce::Suppressed)],
        Outcome::NoSuchRecipient => &[Event::Send, Event::Bounce(Bounce::UserUnknown)],
        Outcome::Unreachable => &[Event::Send, Event::Bounce(Bounce::Expired)],
        Outcome::NotSent => &[Event::Send, Event::Reject],
        Outcome::NotReported => &[],
    };
    (1..)
        .zip(events)
        .map(|(number, event)| envelope(message, &record(message, sending, *event, number), published, number))
        .collect()
}

/// An SNS notification. Its signature is none: a queue takes messages from its topic alone, so nobody checks it there.
fn envelope(message: &Message, record: &Value, published: Timestamp, number: u128) -> String {
    let topic_arn = email_events_topic_arn();
    json!({
        "Type": "Notification",
        "MessageId": id(message, number),
        "TopicArn": topic_arn,
        "Subject": "Amazon SES Email Event Notification",
        // SES ends its records with a line feed.
        "Message": format!("{record}\n"),
        "Timestamp": moment(published),
        "SignatureVersion": "1",
        "Signature": "bm9uZQ==",
        "SigningCertURL": format!("https://sns.{REGION}.amazonaws.com/SimpleNotificationService-{:032x}.pem", 0),
        "UnsubscribeURL": format!(
            "https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={topic_arn}:{}",
            Uuid::nil(),
        ),
    })
    .to_string()
}

fn record(message: &Message, sending: &Sending, event: Event, number: u128) -> Value {
    let (kind, member) = match event {
        Event::Send => ("Send", "send"),
        Event::Delivery => ("Delivery", "delivery"),
        Event::DeliveryDelay => ("DeliveryDelay", "deliveryDelay"),
        Event::Bounce(_) => ("Bounce", "bounce"),
        Event::Complaint => ("Complaint", "complaint"),
        Event::Reject => ("Reject", "reject"),
    };
    json!({
        "eventType": kind,
        "mail": mail(message, sending, event),
        member: details(message, event, number),
    })
}

fn details(message: &Message, event: Event, number: u128) -> Value {
    let after = |millis| moment(message.at + SignedDuration::from_millis(millis));
    let recipients = || message.to.split(", ");
    let addresses = || recipients().map(|to| json!({ "emailAddress": to })).collect::<Vec<_>>();
    let feedback_id = || format!("{:016x}-{}-000000", message.at.as_millisecond(), id(message, number));
    match event {
        Event::Send => json!({}),
        Event::DeliveryDelay => json!({
            "timestamp": after(300),
            "delayType": "TransientCommunicationFailure",
            "expirationTime": moment(message.at + TRIES_FOR),
            "delayedRecipients": recipients()
                .map(|to| json!({
                    "emailAddress": to,
                    "status": "4.4.1",
                    "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
                }))
                .collect::<Vec<_>>(),
        }),
        Event::Delivery => json!({
            "timestamp": after(700),
            "processingTimeMillis": 700,
            "recipients": recipients().collect::<Vec<_>>(),
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": format!("a0-1.smtp-out.{REGION}.amazonses.com"),
        }),
        Event::Bounce(bounce) => {
            let (kind, subtype, status) = match bounce {
                Bounce::UserUnknown => ("Permanent", "General", "5.1.1"),
                Bounce::Suppressed => ("Permanent", "OnAccountSuppressionList", "5.1.1"),
                Bounce::Expired => ("Transient", "General", "4.4.7"),
            };
            json!({
                "bounceType": kind,
                "bounceSubType": subtype,
                "bouncedRecipients": recipients()
                    .map(|to| json!({
                        "emailAddress": to,
                        "action": "failed",
                        "status": status,
                        "diagnosticCode": diagnosis(bounce, to),
                    }))
                    .collect::<Vec<_>>(),
                "timestamp": after(700),
                "feedbackId": feedback_id(),
                "reportingMTA": match bounce {
                    Bounce::Suppressed => "dns; amazonses.com",
                    Bounce::UserUnknown | Bounce::Expired => "dns; mta.example.no",
                },
            })
        }
        Event::Complaint => json!({
            "complainedRecipients": addresses(),
            "timestamp": after(900),
            "feedbackId": feedback_id(),
            "complaintSubType": null,
            "userAgent": "Feedback/1.0",
            "complaintFeedbackType": "abuse",
            "arrivalDate": after(700),
        }),
        Event::Reject => json!({ "reason": "Bad content" }),
    }
}

/// What the recipient's mail server, or SES, says. Servers like to name the address, so who logs it logs a personal value.
fn diagnosis(bounce: Bounce, to: &str) -> String {
    match bounce {
        Bounce::UserUnknown => format!("smtp; 550 5.1.1 <{to}>: user unknown"),
        Bounce::Suppressed => "Amazon SES did not send the message to this address because it is on the suppression list for \
                               your account. For more information about removing addresses from the suppression list, see \
                               the Amazon SES Developer Guide at \
                               https://docs.aws.amazon.com/ses/latest/DeveloperGuide/sending-email-suppression-list.html"
            .to_owned(),
        Bounce::Expired => {
            "smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.1 Unable to connect to remote host>"
                .to_owned()
        }
    }
}

fn mail(message: &Message, sending: &Sending, event: Event) -> Value {
    let source = sending.source.as_deref().unwrap_or_default();
    let domain = domain(source);
    let destination: Vec<&str> = message.to.split(", ").collect();
    let mut mail = json!({
        "timestamp": moment(message.at),
        "source": source,
        "sourceArn": format!("arn:aws:ses:{REGION}:{ACCOUNT}:identity/{domain}"),
        "sendingAccountId": ACCOUNT,
        "messageId": message.message_id,
        "destination": destination,
        "headersTruncated": false,
        "tags": tags(message, sending, domain, event),
    });
    // A delay is told without the headers.
    if !matches!(event, Event::DeliveryDelay) {
        let header = |name: &str, value: &str| json!({ "name": name, "value": value });
        let subject = message.subject.as_deref().unwrap_or_default();
        let content = match (&message.html, message.text.as_str()) {
            (Some(_), "") => "text/html; charset=UTF-8",
            (Some(_), _) => "multipart/alternative; boundary=\"----=_Part_0\"",
            (None, _) => "text/plain; charset=UTF-8",
        };
        mail["headers"] = json!([
            header("From", source),
            header("To", &message.to),
            header("Subject", subject),
            header("MIME-Version", "1.0"),
            header("Content-Type", content),
        ]);
        mail["commonHeaders"] = json!({
            "from": [source],
            "to": destination,
            "messageId": message.message_id,
            "subject": subject,
        });
    }
    mail
}

/// The tags that SES adds, and those of the request that the ledger keeps.
fn tags(message: &Message, sending: &Sending, domain: &str, event: Event) -> Map<String, Value> {
    let own = [
        ("ses:configuration-set", sending.configuration_set.as_deref()),
        ("ses:source-ip", Some("127.0.0.1")),
        ("ses:from-domain", Some(domain)),
        ("ses:caller-identity", Some("local")),
        (
            "ses:outgoing-ip",
            matches!(event, Event::Delivery).then_some("192.0.2.1"),
        ),
    ];
    let given = [
        (EMAIL_NOTICE_TAG, message.notice_id.as_deref()),
        (EMAIL_KIND_TAG, message.kind.as_deref()),
    ];
    own.into_iter()
        .chain(given)
        .filter_map(|(name, value)| Some((name.to_owned(), json!([value?]))))
        .collect()
}

/// The domain of an address, alone or as `Name <address>`.
fn domain(address: &str) -> &str {
    let domain = address.rsplit_once('@').map_or(address, |(_, domain)| domain);
    domain.trim_end_matches('>')
}

/// The id of something that follows from the message, always the same.
fn id(message: &Message, number: u128) -> Uuid {
    let message_id = Uuid::parse_str(&message.message_id).unwrap_or_default();
    Uuid::from_u128(message_id.as_u128() ^ number)
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
