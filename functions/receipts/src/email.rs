//! What SES reports of an e-mail: an event of its configuration set, in the envelope that SNS puts into the queue.
//!
//! Shapes as in the Amazon SES Developer Guide, "Contents of event data that Amazon SES publishes to Amazon SNS".

use jiff::Timestamp;
use mailbox_register::{
    notice::NoticeId,
    receipt::{Fate, Receipt},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    report::{About, Report, ReportedAddress, message_id},
    source::{Sources, Unreadable},
};

/// What SES writes to a topic once, in plain text, when it is told to report there.
const TOPIC_VALIDATED: &str = "Successfully validated SNS topic";

/// Reads the body of one queue message. None for an event that says nothing of our notices: other mail of the
/// account, a click, a report that the e-mail is no spam.
///
/// A message of SNS that asks to confirm or end a subscription is not ours, and its links are followed by nobody.
///
/// # Errors
/// [`Unreadable`].
pub fn read(body: &str, sources: &Sources) -> Result<Option<Report>, Unreadable> {
    let envelope: Envelope = parse(body)?;
    if envelope.kind.as_deref() != Some("Notification") || envelope.topic.as_ref() != Some(&sources.email_topic) {
        return Err(Unreadable::NotOurs);
    }
    let message = envelope.message.ok_or(Unreadable::Malformed)?;
    if message.starts_with(TOPIC_VALIDATED) {
        return Ok(None);
    }
    let event: Event = parse(&message)?;
    if event.mail.account.as_ref() != Some(&sources.account)
        || event.mail.tags.configuration_set != [sources.configuration_set.as_str()]
    {
        return Err(Unreadable::NotOurs);
    }
    if event.mail.tags.notice_id.is_empty() {
        return Ok(None);
    }
    match event.outcome()? {
        Some((receipt, at)) => event.mail.report(receipt, at).map(Some),
        None => Ok(None),
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Unreadable> {
    // What serde says of a text quotes from it.
    serde_json::from_str(json).map_err(|_| Unreadable::Malformed)
}

/// What SNS puts around a message.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "TopicArn")]
    topic: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
}

/// One event of SES. Which of the last four is there depends on its kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "eventType")]
    kind: Option<String>,
    mail: Mail,
    delivery: Option<Moment>,
    delivery_delay: Option<Moment>,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
}

/// The e-mail that an event is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    timestamp: Timestamp,
    message_id: String,
    #[serde(rename = "sendingAccountId")]
    account: Option<String>,
    #[serde(default)]
    destination: Vec<String>,
    // Feedback to an identity, in place of a configuration set, has no tags.
    #[serde(default)]
    tags: Tags,
}

/// The tags that matter here. SES gives each as a list.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Tags {
    #[serde(rename = "ses:configuration-set")]
    configuration_set: Vec<String>,
    #[serde(rename = "notice-id")]
    notice_id: Vec<String>,
}

#[derive(Deserialize)]
struct Moment {
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct Bounce {
    timestamp: Timestamp,
    #[serde(rename = "bounceType")]
    kind: String,
}

#[derive(Deserialize)]
struct Complaint {
    timestamp: Timestamp,
    #[serde(rename = "complaintSubType")]
    subtype: Option<String>,
    #[serde(rename = "complaintFeedbackType")]
    feedback: Option<String>,
}

impl Event {
    /// What became of the e-mail, and when; none for an event that does not say.
    fn outcome(&self) -> Result<Option<(Receipt, Timestamp)>, Unreadable> {
        let (receipt, at) = match self.kind.as_deref() {
            // These three come without a time of their own.
            Some("Send") => (Receipt::Accepted, self.mail.timestamp),
            Some("Reject" | "Rendering Failure") => (Receipt::Undelivered(Fate::MessageFailed), self.mail.timestamp),
            Some("Delivery") => (Receipt::Delivered, detail(self.delivery.as_ref())?.timestamp),
            Some("DeliveryDelay") => (Receipt::Delayed, detail(self.delivery_delay.as_ref())?.timestamp),
            Some("Bounce") => {
                let bounce = detail(self.bounce.as_ref())?;
                (bounce.receipt(), bounce.timestamp)
            }
            Some("Complaint") => {
                let complaint = detail(self.complaint.as_ref())?;
                return Ok(complaint.receipt().map(|receipt| (receipt, complaint.timestamp)));
            }
            Some("Open" | "Click" | "Subscription") => return Ok(None),
            // A kind of event that nobody has thought of is for a person to look at.
            _ => return Err(Unreadable::Malformed),
        };
        Ok(Some((receipt, at)))
    }
}

/// What an event of this kind has to hold.
fn detail<T>(part: Option<&T>) -> Result<&T, Unreadable> {
    part.ok_or(Unreadable::Malformed)
}

impl Bounce {
    /// SES reports a bounce only when it has given up. Only one that it calls permanent speaks of the address: the
    /// others are a full mailbox, a server that is down, an absence notice.
    fn receipt(&self) -> Receipt {
        Receipt::Undelivered(match self.kind.as_str() {
            "Permanent" => Fate::AddressDead,
            _ => Fate::MessageFailed,
        })
    }
}

impl Complaint {
    /// None where the recipient has not complained: the report says that the e-mail is no spam, or it comes from a
    /// mail server that could not verify our signature, which a fault of ours can cause for everybody at once.
    fn receipt(&self) -> Option<Receipt> {
        if matches!(self.feedback.as_deref(), Some("not-spam" | "auth-failure")) {
            return None;
        }
        // Nothing arrived: SES did not try, since the recipient had complained before.
        Some(if self.subtype.as_deref() == Some("OnAccountSuppressionList") {
            Receipt::Undelivered(Fate::AddressDead)
        } else {
            Receipt::Complained
        })
    }
}

impl Mail {
    fn report(self, receipt: Receipt, at: Timestamp) -> Result<Report, Unreadable> {
        let [id] = self.tags.notice_id.as_slice() else {
            return Err(Unreadable::Malformed);
        };
        let id: Uuid = id.parse().map_err(|_| Unreadable::Malformed)?;
        // What a bounce or a complaint names instead is the recipient as the far mail server sees it: after
        // forwarding, another address than the one that we wrote to.
        let address = match <[String; 1]>::try_from(self.destination) {
            Ok([address]) => Some(ReportedAddress::new(address)),
            Err(_) => None,
        };
        Ok(Report {
            about: About::Notice {
                id: NoticeId(id),
                message_id: message_id(self.message_id)?,
            },
            receipt,
            at,
            address,
            quota_exhausted: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use mailbox_register::contact::Address;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOTICE: &str = "3b0a5b0e-5a0e-4b52-9d0c-0c1f5a8f7a11";
    const MESSAGE: &str = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000";
    const RECIPIENT: &str = "kari.nordmann@example.no";
    const TOPIC: &str = "arn:aws:sns:eu-north-1:123456789012:email-receipts";

    fn sources() -> Sources {
        Sources {
            account: "123456789012".to_owned(),
            email_topic: TOPIC.to_owned(),
            configuration_set: "notices".to_owned(),
            sms_log_groups: [String::new(), String::new()],
        }
    }

    fn mail() -> Value {
        json!({
            "timestamp": "2026-08-05T00:40:02.012Z",
            "source": "Register <register@example.no>",
            "sourceArn": "arn:aws:ses:eu-north-1:123456789012:identity/register@example.no",
            "sendingAccountId": "123456789012",
            "messageId": MESSAGE,
            "destination": [RECIPIENT],
            "headersTruncated": false,
            "headers": [
                { "name": "From", "value": "Register <register@example.no>" },
                { "name": "To", "value": RECIPIENT },
                { "name": "Subject", "value": "You have a new letter" },
                { "name": "MIME-Version", "value": "1.0" },
            ],
            "commonHeaders": {
                "from": ["Register <register@example.no>"],
                "to": [RECIPIENT],
                "messageId": MESSAGE,
                "subject": "You have a new letter",
            },
            "tags": {
                "ses:configuration-set": ["notices"],
                "ses:source-ip": ["192.0.2.0"],
                "ses:from-domain": ["example.no"],
                "ses:caller-identity": ["notify"],
                "notice-id": [NOTICE],
                "notice-kind": ["letter-arrived"],
            },
        })
    }

    fn event(kind: &str, detail: &str, content: &Value) -> Value {
        json!({ "eventType": kind, "mail": mail(), detail: content })
    }

    fn bounce(kind: &str, subtype: &str) -> Value {
        let content = json!({
            "bounceType": kind,
            "bounceSubType": subtype,
            "bouncedRecipients": [{
                "emailAddress": RECIPIENT,
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }],
            "timestamp": "2026-08-05T00:41:02.669Z",
            "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
            "reportingMTA": "dsn; mta.example.no",
        });
        event("Bounce", "bounce", &content)
    }

    fn complaint(subtype: &Value, feedback: &Value) -> Value {
        let content = json!({
            "complainedRecipients": [{ "emailAddress": RECIPIENT }],
            "timestamp": "2026-08-05T00:41:02.669Z",
            "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
            "userAgent": "Example feedback loop",
            "complaintSubType": subtype,
            "complaintFeedbackType": feedback,
            "arrivalDate": "2026-08-05T00:41:02.669Z",
        });
        event("Complaint", "complaint", &content)
    }

    fn delivery() -> Value {
        let content = json!({
            "timestamp": "2026-08-05T00:41:04.133Z",
            "processingTimeMillis": 11893,
            "recipients": [RECIPIENT],
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "mta.example.no",
        });
        event("Delivery", "delivery", &content)
    }

    fn envelope(message: &str) -> Value {
        json!({
            "Type": "Notification",
            "MessageId": "7fbca0d9-eeab-5285-ae27-f3f57f2e84b0",
            "TopicArn": TOPIC,
            "Subject": "Amazon SES Email Event Notification",
            "Message": message,
            "Timestamp": "2026-08-05T00:41:05.077Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE==",
            "SigningCertURL": "https://sns.eu-north-1.amazonaws.com/SimpleNotificationService-0.pem",
            "UnsubscribeURL": "https://sns.eu-north-1.amazonaws.com/?Action=Unsubscribe",
        })
    }

    fn reading(event: &Value) -> Result<Option<Report>, Unreadable> {
        read(&envelope(&event.to_string()).to_string(), &sources())
    }

    fn receipt(event: &Value) -> Option<Receipt> {
        reading(event).unwrap().map(|report| report.receipt)
    }

    /// The event with one value changed, or taken away where the value is null.
    fn with(mut event: Value, path: &str, value: Value) -> Value {
        let (parent, key) = path.rsplit_once('/').unwrap();
        let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(key).unwrap();
        } else {
            parent.insert(key.to_owned(), value);
        }
        event
    }

    #[test]
    fn a_delivery_finds_its_notice_and_says_when_and_where() {
        let report = reading(&delivery()).unwrap().unwrap();
        assert_eq!(
            report.about,
            About::Notice {
                id: NoticeId(NOTICE.parse().unwrap()),
                message_id: MESSAGE.to_owned(),
            }
        );
        assert_eq!(report.receipt, Receipt::Delivered);
        assert_eq!(report.at, "2026-08-05T00:41:04.133Z".parse().unwrap());
        assert!(!report.quota_exhausted);
        let address = report.address.unwrap();
        assert!(address.is(&Address::Email(RECIPIENT.parse().unwrap())));
        assert!(!address.is(&Address::Email("ola@example.no".parse().unwrap())));
    }

    #[test]
    fn each_event_and_what_it_means() {
        let dead = Some(Receipt::Undelivered(Fate::AddressDead));
        let failed = Some(Receipt::Undelivered(Fate::MessageFailed));
        let delay = json!({
            "timestamp": "2026-08-05T00:50:40.095Z",
            "delayType": "TransientCommunicationFailure",
            "expirationTime": "2026-08-05T14:40:02.012Z",
            "delayedRecipients": [{
                "emailAddress": RECIPIENT,
                "status": "4.4.1",
                "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
            }],
        });
        let rendering = json!({ "errorMessage": "Attribute 'name' is not present.", "templateName": "T" });
        let cases = [
            (event("Send", "send", &json!({})), Some(Receipt::Accepted)),
            (delivery(), Some(Receipt::Delivered)),
            (event("DeliveryDelay", "deliveryDelay", &delay), Some(Receipt::Delayed)),
            (bounce("Permanent", "General"), dead),
            (bounce("Permanent", "NoEmail"), dead),
            (bounce("Permanent", "Suppressed"), dead),
            (bounce("Permanent", "OnAccountSuppressionList"), dead),
            (bounce("Transient", "General"), failed),
            (bounce("Transient", "MailboxFull"), failed),
            (bounce("Transient", "ContentRejected"), failed),
            (bounce("Undetermined", "Undetermined"), failed),
            (bounce("Of a later year", "General"), failed),
            (event("Reject", "reject", &json!({ "reason": "Bad content" })), failed),
            (event("Rendering Failure", "failure", &rendering), failed),
            (complaint(&Value::Null, &json!("abuse")), Some(Receipt::Complained)),
            (complaint(&Value::Null, &Value::Null), Some(Receipt::Complained)),
            (complaint(&json!("OnAccountSuppressionList"), &Value::Null), dead),
        ];
        for (event, expected) in cases {
            assert_eq!(receipt(&event), expected, "{event}");
        }
    }

    #[test]
    fn an_event_without_a_time_of_its_own_happened_when_the_mail_was_sent() {
        let sent = "2026-08-05T00:40:02.012Z".parse().unwrap();
        for kind in ["Send", "Reject", "Rendering Failure"] {
            assert_eq!(reading(&event(kind, "detail", &json!({}))).unwrap().unwrap().at, sent);
        }
        let bounced = reading(&bounce("Permanent", "General")).unwrap().unwrap();
        assert_eq!(bounced.at, "2026-08-05T00:41:02.669Z".parse().unwrap());
    }

    #[test]
    fn what_says_nothing_of_a_notice_is_passed_over() {
        let reading_it = json!({ "ipAddress": "192.0.2.1", "timestamp": "2026-08-05T01:00:19.652Z" });
        let cases = [
            // Other mail of the account.
            with(delivery(), "/mail/tags/notice-id", Value::Null),
            event("Open", "open", &reading_it),
            event("Click", "click", &reading_it),
            event("Subscription", "subscription", &reading_it),
            // Nobody has complained.
            complaint(&Value::Null, &json!("not-spam")),
            complaint(&Value::Null, &json!("auth-failure")),
        ];
        for event in cases {
            assert_eq!(reading(&event), Ok(None), "{event}");
        }
        let validated = envelope("Successfully validated SNS topic for Amazon SES event publishing.");
        assert_eq!(read(&validated.to_string(), &sources()), Ok(None));
    }

    #[test]
    fn a_bounce_after_forwarding_is_about_the_address_we_wrote_to() {
        let forwarded = with(
            bounce("Permanent", "General"),
            "/bounce/bouncedRecipients",
            json!([{ "emailAddress": "elsewhere@example.org" }]),
        );
        let address = reading(&forwarded).unwrap().unwrap().address.unwrap();
        assert!(address.is(&Address::Email(RECIPIENT.parse().unwrap())));
    }

    #[test]
    fn several_recipients_are_no_address() {
        for destination in [json!([]), json!([RECIPIENT, "ola@example.no"])] {
            let event = with(delivery(), "/mail/destination", destination);
            assert_eq!(reading(&event).unwrap().unwrap().address, None);
        }
    }

    #[test]
    fn forged_reports_are_not_ours() {
        let forged_envelopes = [
            ("/Type", json!("SubscriptionConfirmation")),
            ("/Type", json!("UnsubscribeConfirmation")),
            ("/Type", json!("notification")),
            ("/Type", Value::Null),
            ("/TopicArn", json!("arn:aws:sns:eu-north-1:999999999999:email-receipts")),
            ("/TopicArn", json!("arn:aws:sns:eu-west-1:123456789012:email-receipts")),
            ("/TopicArn", json!(format!("{TOPIC}2"))),
            ("/TopicArn", Value::Null),
        ];
        for (path, value) in forged_envelopes {
            let body = with(envelope(&delivery().to_string()), path, value);
            assert_eq!(
                read(&body.to_string(), &sources()),
                Err(Unreadable::NotOurs),
                "{path} {body}"
            );
        }
        let forged_events = [
            ("/mail/sendingAccountId", json!("999999999999")),
            ("/mail/sendingAccountId", json!("0123456789012")),
            ("/mail/sendingAccountId", Value::Null),
            ("/mail/tags/ses:configuration-set", json!(["marketing"])),
            ("/mail/tags/ses:configuration-set", json!(["notices", "marketing"])),
            ("/mail/tags/ses:configuration-set", json!(["Notices"])),
            ("/mail/tags/ses:configuration-set", json!([])),
            ("/mail/tags/ses:configuration-set", Value::Null),
            ("/mail/tags", Value::Null),
        ];
        for (path, value) in forged_events {
            let event = with(delivery(), path, value);
            assert_eq!(reading(&event), Err(Unreadable::NotOurs), "{path} {event}");
        }
    }

    #[test]
    fn a_request_to_confirm_a_subscription_is_not_ours_even_on_our_topic() {
        let body = json!({
            "Type": "SubscriptionConfirmation",
            "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
            "Token": "2336412f37",
            "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe to the topic.",
            "SubscribeURL": "https://sns.eu-north-1.amazonaws.com/?Action=ConfirmSubscription",
            "Timestamp": "2026-04-26T20:45:04.751Z",
        });
        assert_eq!(read(&body.to_string(), &sources()), Err(Unreadable::NotOurs));
    }

    #[test]
    fn malformed_events_are_told_from_forged_ones() {
        let cases = [
            with(delivery(), "/mail", Value::Null),
            with(delivery(), "/delivery", Value::Null),
            with(delivery(), "/delivery/timestamp", json!("05.08.2026 00:41")),
            with(delivery(), "/delivery/timestamp", json!(1_785_890_464)),
            with(bounce("Permanent", "General"), "/bounce/bounceType", Value::Null),
            with(bounce("Permanent", "General"), "/bounce", Value::Null),
            with(complaint(&Value::Null, &Value::Null), "/complaint", Value::Null),
            with(delivery(), "/mail/timestamp", Value::Null),
            with(delivery(), "/mail/messageId", Value::Null),
            with(delivery(), "/mail/messageId", json!("")),
            with(delivery(), "/mail/messageId", json!(RECIPIENT)),
            with(delivery(), "/mail/tags/notice-id", json!(["17"])),
            with(delivery(), "/mail/tags/notice-id", json!([NOTICE, NOTICE])),
            with(delivery(), "/mail/tags/notice-id", json!(NOTICE)),
            with(delivery(), "/mail/destination", json!(RECIPIENT)),
            // A kind of event that is new, and feedback of the old kind.
            with(delivery(), "/eventType", json!("Teleport")),
            with(delivery(), "/eventType", Value::Null),
        ];
        for event in cases {
            assert_eq!(reading(&event), Err(Unreadable::Malformed), "{event}");
        }
        let bodies = [
            String::new(),
            "hello".to_owned(),
            "[]".to_owned(),
            "{\"Type\":1}".to_owned(),
            "[".repeat(100_000),
            envelope("").to_string(),
            envelope("hello").to_string(),
            with(envelope(""), "/Message", Value::Null).to_string(),
        ];
        for body in bodies {
            assert_eq!(read(&body, &sources()), Err(Unreadable::Malformed), "{body:.80}");
        }
        // Delivered raw, without SNS's envelope, nothing says which topic it came by.
        assert_eq!(read(&delivery().to_string(), &sources()), Err(Unreadable::NotOurs));
    }

    #[test]
    fn nothing_that_is_logged_shows_an_address() {
        let report = reading(&delivery()).unwrap().unwrap();
        assert!(!format!("{report:?}").contains('@'), "{report:?}");
        let broken = with(delivery(), "/mail/timestamp", json!(RECIPIENT));
        let error = reading(&broken).unwrap_err();
        assert!(!format!("{error} {error:?}").contains('@'), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in "\\PC{0,200}", message in any::<String>()) {
            prop_assert!(read(&body, &sources()).is_err());
            let _ = read(&envelope(&message).to_string(), &sources());
        }

        #[test]
        fn a_damaged_report_is_read_or_refused(at in any::<prop::sample::Index>(), put in any::<Option<char>>()) {
            let mut event: Vec<char> = bounce("Permanent", "General").to_string().chars().collect();
            let at = at.index(event.len());
            event.splice(at..=at, put);
            let body = envelope(&event.into_iter().collect::<String>()).to_string();
            if let Ok(Some(report)) = read(&body, &sources()) {
                let shown = format!("{report:?}");
                prop_assert!(!shown.contains('@'));
            }
        }
    }
}
