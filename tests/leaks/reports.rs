//! Reports that are not as they should be, each with somebody's address in it.

use infra_edge::settings::Environment;
use jiff::{SignedDuration, Timestamp};
use local::{
    messages::{Report, email_events_topic_arn, sms_delivered_log_group, sms_failed_log_group},
    sdk,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{MISTYPED, NAME, READERS_EMAIL, READERS_MOBILE, REFERENCE, Run, STRAY_MOBILE, UNKNOWN, letters::READER};

/// An address that a mail server names, and nobody in the register has.
const FORWARDED_TO: &str = "klokkelyng.hei@example.no";
const CONFIGURATION_SET: &str = "notices";

/// An event of SES, as SNS hands it to a function.
fn notification(topic: &str, message: &str) -> Value {
    let envelope = json!({
        "Type": "Notification",
        "MessageId": Uuid::new_v4().to_string(),
        "TopicArn": topic,
        "Subject": NAME,
        "Message": message,
    });
    json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": envelope }] })
}

/// An e-mail that came back, in the words of a mail server that names whom it was for.
fn bounce(notice: &str, message_id: &str) -> Value {
    json!({
        "eventType": "Bounce",
        "mail": {
            "timestamp": "2026-03-02T09:00:00Z",
            "sendingAccountId": sdk::ACCOUNT,
            "messageId": message_id,
            "destination": [READERS_EMAIL],
            "headers": [{ "name": "To", "value": format!("{NAME} <{READERS_EMAIL}>") }],
            "commonHeaders": { "to": [READERS_EMAIL], "subject": NAME },
            "tags": { "ses:configuration-set": [CONFIGURATION_SET], "notice-id": [notice] },
        },
        "bounce": {
            "timestamp": "2026-03-02T09:00:01Z",
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{
                "emailAddress": FORWARDED_TO,
                "diagnosticCode": format!("smtp; 550 5.1.1 <{FORWARDED_TO}>: user unknown"),
            }],
        },
    })
}

/// The value with something else at a place.
fn with(mut value: Value, pointer: &str, other: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = other;
    value
}

impl Run {
    fn receipts(&self, account: &'static str) -> receipts::App {
        let given = |name: &str| {
            let value = match name {
                "NOTICES_TABLE" => "notices".to_owned(),
                "LETTERS_TABLE" => "letters".to_owned(),
                "POSTMARKS_TABLE" => "postmarks".to_owned(),
                "REGISTER_TABLE" => "register".to_owned(),
                "CHANGES_TABLE" => "changes".to_owned(),
                "SENDING_TABLE" => "sending".to_owned(),
                "ACCOUNT" => account.to_owned(),
                "EMAIL_TOPIC" => email_events_topic_arn(),
                "SES_CONFIGURATION_SET" => CONFIGURATION_SET.to_owned(),
                "SMS_LOG_GROUP" => sms_delivered_log_group(),
                "SMS_FAILURE_LOG_GROUP" => sms_failed_log_group(),
                _ => return None,
            };
            Some(value)
        };
        let stack = &self.world.stack;
        let settings = receipts::Settings::read(&Environment::new(&given)).unwrap();
        settings.app(stack.client(), stack.clock().clock())
    }

    async fn hear(&self, app: &receipts::App, event: Value) -> bool {
        match receipts::Event::try_from(event) {
            Ok(event) => {
                let heard = receipts::handle(app, event).await;
                if let Err(error) = &heard {
                    self.search_error(error);
                }
                heard.is_ok()
            }
            Err(error) => {
                self.search_error(&error);
                false
            }
        }
    }

    /// Forged, broken and misdirected reports; and a real one, heard by somebody else and then by us.
    pub(crate) async fn hear_bad_reports(&self) {
        self.mark_email(FORWARDED_TO);
        let (ours, others) = (self.receipts(sdk::ACCOUNT), self.receipts("210987654321"));
        let topic = email_events_topic_arn();
        let notice = Uuid::new_v4().to_string();
        let whole = bounce(&notice, "EXAMPLE-000000");

        // Of a notice that there is not; from elsewhere; asking to be confirmed.
        let mut subscription = notification(&topic, NAME);
        let confirm = format!("https://{NAME}.example.no/{READERS_EMAIL}");
        subscription["Records"][0]["Sns"]["Type"] = json!("SubscriptionConfirmation");
        subscription["Records"][0]["Sns"]["SubscribeURL"] = json!(confirm);
        for event in [
            notification(&topic, &whole.to_string()),
            notification(&format!("{topic}-{NAME}"), &whole.to_string()),
            notification(
                &topic,
                &with(whole.clone(), "/mail/sendingAccountId", json!(UNKNOWN)).to_string(),
            ),
            subscription,
        ] {
            assert!(self.hear(&ours, event).await);
        }
        let broken = [
            with(whole.clone(), "/eventType", json!(READERS_EMAIL)),
            with(whole.clone(), "/mail/messageId", json!(READERS_EMAIL)),
            with(whole.clone(), "/mail/timestamp", json!(UNKNOWN)),
            with(whole.clone(), "/mail/destination", json!(READERS_EMAIL)),
            with(whole.clone(), "/mail/tags/notice-id", json!([READER])),
            with(whole.clone(), "/bounce/timestamp", json!(FORWARDED_TO)),
            with(whole.clone(), "/bounce", json!(NAME)),
        ];
        let broken = broken.map(|event| event.to_string());
        let no_json = [
            format!("{{\"{READERS_EMAIL}\":"),
            format!("{NAME} {MISTYPED} {FORWARDED_TO}"),
        ];
        for message in broken.iter().chain(&no_json) {
            assert!(!self.hear(&ours, notification(&topic, message)).await, "{message}");
        }
        for event in [
            json!({ "awslogs": { "data": format!("{NAME} {STRAY_MOBILE}") } }),
            json!({ "awslogs": { "data": "bm90IHBhY2tlZA==", NAME: STRAY_MOBILE } }),
            json!({ "awslogs": READERS_MOBILE }),
            json!({ "Records": [{ "body": READERS_EMAIL }] }),
            json!({ NAME: READERS_MOBILE }),
        ] {
            assert!(!self.hear(&ours, event).await);
        }

        // SNS names the number in each line of its log.
        self.announce(READER, &format!("{REFERENCE}-reported")).await;
        self.world.stack.settle().await.unwrap();
        let soon: Timestamp = self.world.stack.clock().now() + SignedDuration::from_secs(2);
        let reports = self.world.stack.messages().take_reports(soon);
        assert!(!reports.is_empty());
        for report in reports {
            let event = match report {
                Report::Sms { payload } => payload,
                Report::Email { envelope, .. } => {
                    let envelope: Value = serde_json::from_str(&envelope).unwrap();
                    json!({ "Records": [{ "Sns": envelope }] })
                }
            };
            assert!(self.hear(&others, event.clone()).await, "refused, which is no failure");
            assert!(self.hear(&ours, event).await);
        }
        self.look_into_tables().await;
    }
}
