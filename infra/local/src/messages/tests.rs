use aws_sdk_ses::error::ProvideErrorMetadata;
use aws_sdk_ses::operation::send_email::builders::SendEmailFluentBuilder;
use aws_sdk_ses::types::{Body, Content, Destination, Message as Email, MessageTag};
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::MessageAttributeValue;

use super::request::LONGEST_SMS;
use super::*;
use crate::sdk;

mod reports;

/// From the range that is reserved for fiction.
const NUMBER: &str = "+46701740605";
const NOW: &str = "2026-03-02T08:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

struct World {
    messages: Messages,
    sns: aws_sdk_sns::Client,
    ses: aws_sdk_ses::Client,
}

async fn start(folder: Option<&Path>) -> World {
    start_by(now, folder).await
}

async fn start_by(clock: impl Fn() -> Timestamp + Send + Sync + 'static, folder: Option<&Path>) -> World {
    let messages = Messages::start(clock, folder).await.unwrap();
    // As `notify` calls: one attempt, whatever comes of it.
    let config = sdk::config(messages.url())
        .into_builder()
        .retry_config(RetryConfig::disabled())
        .build();
    World {
        messages,
        sns: aws_sdk_sns::Client::new(&config),
        ses: aws_sdk_ses::Client::new(&config),
    }
}

fn attribute(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .unwrap()
}

impl World {
    fn sms(&self) -> PublishFluentBuilder {
        self.sns
            .publish()
            .phone_number(NUMBER)
            .message("Postkasse valgt: æøå & <b>")
            .message_attributes(SMS_NOTICE_ATTRIBUTE, attribute("n-1"))
            .message_attributes(SMS_KIND_ATTRIBUTE, attribute("mailbox-chosen"))
            .message_attributes("AWS.SNS.SMS.SenderID", attribute("Register"))
            .message_attributes("AWS.SNS.SMS.SMSType", attribute("Transactional"))
    }

    fn email(&self, to: &str) -> SendEmailFluentBuilder {
        self.ses
            .send_email()
            .source("Postkasseregisteret <no-reply@example.no>")
            .destination(Destination::builder().to_addresses(to).build())
            .message(
                Email::builder()
                    .subject(content("Postkasse valgt på nytt"))
                    .body(
                        Body::builder()
                            .text(content("tekst"))
                            .html(content("<p>tekst</p>"))
                            .build(),
                    )
                    .build(),
            )
            .tags(tag(EMAIL_NOTICE_TAG, "n-2"))
            .tags(tag(EMAIL_KIND_TAG, "address-changed"))
    }

    fn script(&self, channel: Channel, fault: Fault, count: u32) {
        self.messages.script(ScriptedFault { channel, fault, count });
    }
}

fn content(data: &str) -> Content {
    Content::builder().data(data).charset("UTF-8").build().unwrap()
}

fn tag(name: &str, value: &str) -> MessageTag {
    MessageTag::builder().name(name).value(value).build().unwrap()
}

async fn sms_code(call: PublishFluentBuilder) -> Option<String> {
    call.send().await.unwrap_err().code().map(str::to_owned)
}

async fn email_error(call: SendEmailFluentBuilder) -> (Option<String>, Option<String>) {
    let error = call.send().await.unwrap_err();
    (error.code().map(str::to_owned), error.message().map(str::to_owned))
}

#[tokio::test]
async fn an_sms_is_in_the_ledger_as_it_was_sent() {
    let world = start(None).await;
    let sent = world.sms().send().await.unwrap();
    assert_eq!(
        world.messages.accepted(),
        [Message {
            at: now(),
            channel: Channel::Sms,
            to: NUMBER.to_owned(),
            subject: None,
            text: "Postkasse valgt: æøå & <b>".to_owned(),
            html: None,
            kind: Some("mailbox-chosen".to_owned()),
            notice_id: Some("n-1".to_owned()),
            message_id: sent.message_id.unwrap(),
        }]
    );
}

#[tokio::test]
async fn an_email_is_in_the_ledger_as_it_was_sent() {
    let world = start(None).await;
    let sent = world.email("ola@example.no").send().await.unwrap();
    assert_eq!(
        world.messages.accepted(),
        [Message {
            at: now(),
            channel: Channel::Email,
            to: "ola@example.no".to_owned(),
            subject: Some("Postkasse valgt på nytt".to_owned()),
            text: "tekst".to_owned(),
            html: Some("<p>tekst</p>".to_owned()),
            kind: Some("address-changed".to_owned()),
            notice_id: Some("n-2".to_owned()),
            message_id: sent.message_id,
        }]
    );
}

#[tokio::test]
async fn a_message_is_announced_when_it_is_accepted() {
    let world = start(None).await;
    let mut announced = world.messages.subscribe();
    world.sms().send().await.unwrap();
    assert_eq!(announced.try_recv().unwrap(), world.messages.accepted()[0]);
}

#[tokio::test]
async fn the_outbox_is_read_as_json() {
    let world = start(None).await;
    world.sms().send().await.unwrap();
    let message = &world.messages.accepted()[0];
    let json = serde_json::to_value(message).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "at": NOW,
            "channel": "sms",
            "to": NUMBER,
            "text": "Postkasse valgt: æøå & <b>",
            "kind": "mailbox-chosen",
            "noticeId": "n-1",
            "messageId": message.message_id,
        })
    );
}

#[tokio::test]
async fn nothing_personal_is_shown_by_debug() {
    let world = start(None).await;
    world.sms().send().await.unwrap();
    let shown = format!("{:?}", world.messages);
    assert!(shown.contains("n-1"), "{shown}");
    assert!(!shown.contains(NUMBER), "{shown}");
    assert!(!shown.contains("Postkasse"), "{shown}");
}

#[tokio::test]
async fn numbers_that_are_no_numbers_are_refused() {
    let world = start(None).await;
    for number in [
        "",
        "46701740605",
        "+0701740605",
        "+4670174060512345",
        "+4670x740605",
        "+4",
    ] {
        let code = sms_code(world.sms().phone_number(number)).await;
        assert_eq!(code.as_deref(), Some("InvalidParameter"), "{number}");
    }
    assert_eq!(world.messages.accepted(), []);
}

#[tokio::test]
async fn texts_of_no_or_too_great_length_are_refused() {
    let world = start(None).await;
    for text in [String::new(), "æ".repeat(LONGEST_SMS + 1)] {
        let code = sms_code(world.sms().message(text)).await;
        assert_eq!(code.as_deref(), Some("InvalidParameter"));
    }
    world.sms().message("æ".repeat(LONGEST_SMS)).send().await.unwrap();
    assert_eq!(world.messages.accepted().len(), 1);
}

#[tokio::test]
async fn attributes_that_sns_would_refuse_are_refused() {
    let world = start(None).await;
    for (name, value, code) in [
        ("AWS.SNS.SMS.SenderID", "much too long a name", "InvalidParameter"),
        ("AWS.SNS.SMS.SenderID", "12345", "InvalidParameter"),
        ("AWS.SNS.SMS.SMSType", "Urgent", "InvalidParameter"),
        ("AWS.Other", "x", "ParameterValueInvalid"),
        ("with space", "x", "ParameterValueInvalid"),
        ("empty", "", "ParameterValueInvalid"),
    ] {
        let call = world.sms().message_attributes(name, attribute(value));
        assert_eq!(sms_code(call).await.as_deref(), Some(code), "{name}");
    }
    assert_eq!(world.messages.accepted(), []);
}

#[tokio::test]
async fn addresses_that_ses_would_refuse_are_refused() {
    let world = start(None).await;
    for (to, message) in [
        ("ola", "Missing final '@domain'"),
        ("@example.no", "Missing local name"),
        (
            "ola nordmann@example.no",
            "Local address contains control or whitespace",
        ),
        ("åse@example.no", "Local address contains illegal character"),
        ("ola@eksempel på.no", "Domain contains control or whitespace"),
        ("ola@blåbær.no", "Domain contains illegal character"),
        ("ola@", "Domain contains illegal character"),
    ] {
        let (code, found) = email_error(world.email(to)).await;
        assert_eq!(code.as_deref(), Some("InvalidParameterValue"), "{to}");
        assert_eq!(found.as_deref(), Some(message), "{to}");
    }
    let nobody = world
        .email("ola@example.no")
        .destination(Destination::builder().build());
    assert_eq!(email_error(nobody).await.0.as_deref(), Some("InvalidParameterValue"));
    let from_nobody = world.email("ola@example.no").source("");
    assert_eq!(
        email_error(from_nobody).await.0.as_deref(),
        Some("InvalidParameterValue")
    );
    assert_eq!(world.messages.accepted(), []);
}

#[tokio::test]
async fn a_tag_with_other_than_letters_digits_dash_and_underscore_is_refused() {
    let world = start(None).await;
    for bad in [tag("notice.id", "x"), tag("a", "n:1"), tag("a", ""), tag("a", "æ")] {
        let (code, _) = email_error(world.email("ola@example.no").tags(bad)).await;
        assert_eq!(code.as_deref(), Some("InvalidParameterValue"));
    }
    assert_eq!(world.messages.accepted(), []);
}

#[tokio::test]
async fn text_without_a_character_set_is_ascii() {
    let world = start(None).await;
    let text = |data: &str| {
        let content = Content::builder().data(data).build().unwrap();
        world.email("ola@example.no").message(
            Email::builder()
                .subject(content.clone())
                .body(Body::builder().text(content).build())
                .build(),
        )
    };
    let (code, _) = email_error(text("på")).await;
    assert_eq!(code.as_deref(), Some("InvalidParameterValue"));
    text("pa").send().await.unwrap();
}

#[tokio::test]
async fn an_email_without_a_body_is_refused() {
    let world = start(None).await;
    let call = world.email("ola@example.no").message(
        Email::builder()
            .subject(content("s"))
            .body(Body::builder().build())
            .build(),
    );
    assert_eq!(email_error(call).await.0.as_deref(), Some("ValidationError"));
}

#[tokio::test]
async fn faults_carry_the_services_own_codes() {
    for (fault, sms, email) in [
        (Fault::Throttle, "Throttling", "Throttling"),
        (Fault::Unavailable, "InternalError", "ServiceUnavailable"),
        (Fault::Reject, "InvalidParameter", "MessageRejected"),
        (Fault::Pause, "AuthorizationError", "AccountSendingPausedException"),
        (Fault::Suspend, "AuthorizationError", "MessageRejected"),
    ] {
        let world = start(None).await;
        world.script(Channel::Sms, fault, 1);
        world.script(Channel::Email, fault, 1);
        assert_eq!(sms_code(world.sms()).await.as_deref(), Some(sms), "{fault:?}");
        let (code, _) = email_error(world.email("ola@example.no")).await;
        assert_eq!(code.as_deref(), Some(email), "{fault:?}");
        assert_eq!(world.messages.accepted(), [], "{fault:?}");
        // Once: the next ones go through.
        world.sms().send().await.unwrap();
        world.email("ola@example.no").send().await.unwrap();
        assert_eq!(world.messages.accepted().len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn the_sdk_knows_the_faults_as_its_own_errors() {
    let world = start(None).await;
    world.script(Channel::Sms, Fault::Reject, 1);
    let error = world.sms().send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_parameter_exception(), "{error:?}");
    world.script(Channel::Email, Fault::Pause, 1);
    let error = world.email("ola@example.no").send().await.unwrap_err();
    let error = error.into_service_error();
    assert!(error.is_account_sending_paused_exception(), "{error:?}");
}

#[tokio::test]
async fn a_timeout_before_leaves_nothing_and_a_timeout_after_leaves_one() {
    for (fault, accepted) in [(Fault::TimeoutBefore, 0), (Fault::TimeoutAfter, 1)] {
        let world = start(None).await;
        world.script(Channel::Sms, fault, 1);
        let error = world.sms().send().await.unwrap_err();
        assert!(error.as_service_error().is_none(), "{error:?}");
        assert_eq!(world.messages.accepted().len(), accepted, "{fault:?}");
        world.sms().send().await.unwrap();
        assert_eq!(world.messages.accepted().len(), accepted + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn faults_come_in_order_and_to_their_channel_only() {
    let world = start(None).await;
    world.script(Channel::Email, Fault::Throttle, 1);
    world.script(Channel::Sms, Fault::Throttle, 2);
    world.script(Channel::Sms, Fault::Reject, 1);
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(sms_code(world.sms()).await.unwrap());
    }
    assert_eq!(codes, ["Throttling", "Throttling", "InvalidParameter"]);
    world.sms().send().await.unwrap();
    let (code, _) = email_error(world.email("ola@example.no")).await;
    assert_eq!(code.as_deref(), Some("Throttling"));
}

#[tokio::test]
async fn a_fault_is_scripted_as_json() {
    let fault: ScriptedFault =
        serde_json::from_str(r#"{"channel": "sms", "fault": "timeout-after", "count": 2}"#).unwrap();
    assert_eq!(
        fault,
        ScriptedFault {
            channel: Channel::Sms,
            fault: Fault::TimeoutAfter,
            count: 2
        }
    );
}

#[tokio::test]
async fn a_restart_has_the_ledger_of_the_last_run() {
    let folder = tempfile::tempdir().unwrap();
    let before = {
        let world = start(Some(folder.path())).await;
        world.sms().send().await.unwrap();
        world.email("ola@example.no").send().await.unwrap();
        world.messages.accepted()
    };
    assert_eq!(before.len(), 2);
    let world = start(Some(folder.path())).await;
    assert_eq!(world.messages.accepted(), before);
    world.sms().send().await.unwrap();
    drop(world);
    assert_eq!(start(Some(folder.path())).await.messages.accepted().len(), 3);
}

#[tokio::test]
async fn a_line_cut_off_by_a_crash_was_never_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("messages.jsonl");
    drop(start(Some(folder.path())).await.sms().send().await.unwrap());
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{whole}{}", &whole[..40])).unwrap();
    let world = start(Some(folder.path())).await;
    assert_eq!(world.messages.accepted().len(), 1);
    world.sms().send().await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn a_reset_forgets_messages_and_faults() {
    let folder = tempfile::tempdir().unwrap();
    let world = start(Some(folder.path())).await;
    world.sms().send().await.unwrap();
    world.script(Channel::Sms, Fault::Throttle, 5);
    world.messages.reset().unwrap();
    assert_eq!(world.messages.accepted(), []);
    world.sms().send().await.unwrap();
    drop(world);
    assert_eq!(start(Some(folder.path())).await.messages.accepted().len(), 1);
}

#[tokio::test]
async fn other_actions_and_unsigned_requests_are_refused() {
    let world = start(None).await;
    let error = world.sns.list_topics().send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidAction"));
    let request = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 14\r\n\r\nAction=Publish";
    let answer = crate::loopback::tests::exchange(world.messages.url(), request).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("MissingAuthenticationToken"), "{answer}");
}
