use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::clock::MovableClock;

const ADDRESS: &str = "ola@example.no";

fn after(millis: i64) -> Timestamp {
    now() + SignedDuration::from_millis(millis)
}

impl World {
    /// An e-mail as `notify` sends it: SES reports to a configuration set.
    fn reported_email(&self, to: &str) -> SendEmailFluentBuilder {
        self.email(to).configuration_set_name("register-email")
    }

    fn take(&self, at: Timestamp) -> Vec<Report> {
        self.messages.take_reports(at)
    }
}

/// The SNS notification of a report on an e-mail.
fn notification(report: &Report) -> Value {
    let Report::Email { topic_arn, envelope } = report else {
        panic!("not of an e-mail: {report:?}")
    };
    assert_eq!(*topic_arn, email_events_topic_arn());
    serde_json::from_str(envelope).unwrap()
}

/// The record of SES in it.
fn record(report: &Report) -> Value {
    serde_json::from_str(notification(report)["Message"].as_str().unwrap()).unwrap()
}

/// What a function reads out of a report on an SMS.
fn log(report: &Report) -> Value {
    let Report::Sms { payload } = report else {
        panic!("not of an SMS: {report:?}")
    };
    assert_eq!(payload.as_object().unwrap().len(), 1);
    let packed = STANDARD.decode(payload["awslogs"]["data"].as_str().unwrap()).unwrap();
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The entry of SNS in it.
fn entry(report: &Report) -> Value {
    let log = log(report);
    let events = log["logEvents"].as_array().unwrap();
    assert_eq!(events.len(), 1);
    serde_json::from_str(events[0]["message"].as_str().unwrap()).unwrap()
}

/// A report in a few words.
fn brief(report: &Report) -> String {
    match report {
        Report::Email { .. } => {
            let record = record(report);
            ["/eventType", "/bounce/bounceType", "/bounce/bounceSubType"]
                .iter()
                .filter_map(|pointer| record.pointer(pointer)?.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        }
        Report::Sms { .. } => {
            let (log, entry) = (log(report), entry(report));
            let failed = log["logGroup"].as_str().unwrap().ends_with("/Failure");
            let status = entry["status"].as_str().unwrap();
            assert_eq!(status, if failed { "FAILURE" } else { "SUCCESS" });
            format!("{status} {}", entry["delivery"]["providerResponse"].as_str().unwrap())
        }
    }
}

fn briefs(reports: &[Report]) -> Vec<String> {
    reports.iter().map(brief).collect()
}

const DELIVERED: &str = "SUCCESS Message has been accepted by phone carrier";
const OPTED_OUT: &str = "FAILURE Phone number is opted out";

#[tokio::test]
async fn an_email_is_reported_as_sent_and_then_as_delivered() {
    let world = start(None).await;
    let sent = world.reported_email(ADDRESS).send().await.unwrap();
    let reports = world.take(after(1000));
    let [accepted, delivered] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    let mail = |more: &[(&str, &str)]| {
        let mut mail = json!({
            "timestamp": "2026-03-02T08:00:00.000Z",
            "source": "Postkasseregisteret <no-reply@example.no>",
            "sourceArn": "arn:aws:ses:eu-north-1:123456789012:identity/example.no",
            "sendingAccountId": "123456789012",
            "messageId": sent.message_id,
            "destination": [ADDRESS],
            "headersTruncated": false,
            "headers": [
                { "name": "From", "value": "Postkasseregisteret <no-reply@example.no>" },
                { "name": "To", "value": ADDRESS },
                { "name": "Subject", "value": "Postkasse valgt på nytt" },
                { "name": "MIME-Version", "value": "1.0" },
                { "name": "Content-Type", "value": "multipart/alternative; boundary=\"----=_Part_0\"" },
            ],
            "commonHeaders": {
                "from": ["Postkasseregisteret <no-reply@example.no>"],
                "to": [ADDRESS],
                "messageId": sent.message_id,
                "subject": "Postkasse valgt på nytt",
            },
            "tags": {
                "ses:configuration-set": ["register-email"],
                "ses:source-ip": ["127.0.0.1"],
                "ses:from-domain": ["example.no"],
                "ses:caller-identity": ["local"],
                "notice-id": ["n-2"],
                "notice-kind": ["address-changed"],
            },
        });
        for (tag, value) in more {
            mail["tags"][tag] = json!([value]);
        }
        mail
    };
    assert_eq!(
        record(accepted),
        json!({ "eventType": "Send", "mail": mail(&[]), "send": {} })
    );
    assert_eq!(
        record(delivered),
        json!({
            "eventType": "Delivery",
            "mail": mail(&[("ses:outgoing-ip", "192.0.2.1")]),
            "delivery": {
                "timestamp": "2026-03-02T08:00:00.700Z",
                "processingTimeMillis": 700,
                "recipients": [ADDRESS],
                "smtpResponse": "250 2.6.0 Message received",
                "reportingMTA": "a0-1.smtp-out.eu-north-1.amazonses.com",
            },
        })
    );
}

#[tokio::test]
async fn an_event_of_ses_comes_as_a_notification_of_sns() {
    let world = start(None).await;
    world.reported_email(ADDRESS).send().await.unwrap();
    let reports = world.take(after(1000));
    let mut ids = Vec::new();
    for report in &reports {
        let mut notification = notification(report);
        let members = notification.as_object_mut().unwrap();
        ids.push(members.remove("MessageId").unwrap());
        let message = members.remove("Message").unwrap();
        assert!(message.as_str().unwrap().ends_with("}\n"), "{message}");
        let stops = members.remove("UnsubscribeURL").unwrap();
        let topic = "arn:aws:sns:eu-north-1:123456789012:email-events";
        assert!(stops.as_str().unwrap().contains(topic), "{stops}");
        for url in [stops, members.remove("SigningCertURL").unwrap()] {
            let url = url.as_str().unwrap();
            assert!(url.starts_with("https://sns.eu-north-1.amazonaws.com/"), "{url}");
        }
        assert!(
            STANDARD
                .decode(members.remove("Signature").unwrap().as_str().unwrap())
                .is_ok()
        );
        assert_eq!(
            notification,
            json!({
                "Type": "Notification",
                "TopicArn": topic,
                "Subject": "Amazon SES Email Event Notification",
                "Timestamp": "2026-03-02T08:00:01.000Z",
                "SignatureVersion": "1",
            })
        );
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn an_sms_is_reported_in_the_log_of_deliveries() {
    let world = start(None).await;
    let sent = world.sms().send().await.unwrap();
    let reports = world.take(after(1000));
    let [report] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    let mut log = log(report);
    let event = log["logEvents"][0].take();
    let id = event["id"].as_str().unwrap();
    assert!(id.len() == 56 && id.bytes().all(|digit| digit.is_ascii_digit()), "{id}");
    assert_eq!(event["timestamp"], after(1000).as_millisecond());
    assert_eq!(
        log,
        json!({
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "sns/eu-north-1/123456789012/DirectPublishToPhoneNumber",
            "logStream": sent.message_id,
            "subscriptionFilters": [SMS_LOG_FILTER],
            "logEvents": [null],
        })
    );
    assert_eq!(
        entry(report),
        json!({
            "notification": { "messageId": sent.message_id, "timestamp": "2026-03-02 08:00:00.0" },
            "delivery": {
                "phoneCarrier": "Local Mobile",
                "mnc": 1,
                "numberOfMessageParts": 1,
                "destination": NUMBER,
                "priceInUSD": 0.05,
                "smsType": "Transactional",
                "mcc": 242,
                "providerResponse": "Message has been accepted by phone carrier",
                "dwellTimeMs": 599,
                "dwellTimeMsUntilDeviceAck": 1344,
            },
            "status": "SUCCESS",
        })
    );
}

#[tokio::test]
async fn an_sms_that_fails_is_in_the_log_of_failures() {
    // SNS itself refuses: no network, no price. The carrier refuses: both.
    for (fault, found) in [
        (
            Fault::SpendLimit,
            json!({ "providerResponse": "No quota left for account" }),
        ),
        (
            Fault::Unreachable,
            json!({
                "providerResponse": "Phone is currently unreachable/unavailable",
                "mnc": 0,
                "mcc": 0,
                "numberOfMessageParts": 1,
                "priceInUSD": 0.05,
                "dwellTimeMsUntilDeviceAck": 1344,
            }),
        ),
    ] {
        let world = start(None).await;
        world.script(Channel::Sms, fault, 1);
        world.sms().send().await.unwrap();
        let reports = world.take(after(1000));
        assert_eq!(log(&reports[0])["logGroup"], sms_failed_log_group());
        let mut wanted = json!({ "destination": NUMBER, "smsType": "Transactional", "dwellTimeMs": 599 });
        wanted
            .as_object_mut()
            .unwrap()
            .extend(found.as_object().unwrap().clone());
        assert_eq!(entry(&reports[0])["delivery"], wanted);
    }
}

#[tokio::test]
async fn an_sms_of_two_parts_costs_twice_as_much() {
    let world = start(None).await;
    // 2 × 67 characters of an alphabet other than GSM-7.
    world.sms().message("š".repeat(134)).send().await.unwrap();
    let delivery = &entry(&world.take(after(1000))[0])["delivery"];
    assert_eq!(delivery["numberOfMessageParts"], 2);
    assert_eq!(delivery["priceInUSD"], 0.1);
}

#[tokio::test]
async fn an_sms_that_does_not_say_its_type_is_promotional() {
    let world = start(None).await;
    let call = world.sns.publish().phone_number(NUMBER).message("hei");
    call.send().await.unwrap();
    let reports = world.take(after(1000));
    assert_eq!(entry(&reports[0])["delivery"]["smsType"], "Promotional");
}

#[tokio::test]
async fn sns_writes_as_many_decimals_of_a_second_as_it_needs() {
    for (at, written) in [
        ("2026-03-02T08:00:01.123456Z", "2026-03-02 08:00:01.123"),
        ("2026-03-02T08:00:01.120Z", "2026-03-02 08:00:01.12"),
        ("2026-03-02T08:00:01Z", "2026-03-02 08:00:01.0"),
    ] {
        let at: Timestamp = at.parse().unwrap();
        let world = start_by(move || at, None).await;
        world.sms().send().await.unwrap();
        let reports = world.take(at + SignedDuration::from_secs(1));
        assert_eq!(entry(&reports[0])["notification"]["timestamp"], written);
    }
}

#[tokio::test]
async fn reports_come_a_second_later_and_once() {
    let world = start(None).await;
    assert_eq!(world.messages.next_report_at(), None);
    world.sms().send().await.unwrap();
    world.reported_email(ADDRESS).send().await.unwrap();
    assert_eq!(world.messages.next_report_at(), Some(after(1000)));
    assert_eq!(world.take(after(999)), []);
    assert_eq!(briefs(&world.take(after(1000))), [DELIVERED, "Send", "Delivery"]);
    assert_eq!(world.messages.next_report_at(), None);
    assert_eq!(world.take(after(2000)), []);
}

#[tokio::test]
async fn reports_come_in_the_order_in_which_messages_were_accepted() {
    let clock = MovableClock::frozen(now());
    let accepted_at = clock.clone();
    let world = start_by(move || accepted_at.now(), None).await;
    let mut sent = Vec::new();
    for channel in [Channel::Email, Channel::Sms, Channel::Email, Channel::Sms] {
        sent.push(match channel {
            Channel::Sms => world.sms().send().await.unwrap().message_id.unwrap(),
            Channel::Email => world.reported_email(ADDRESS).send().await.unwrap().message_id,
        });
        clock.advance(SignedDuration::from_millis(300)).unwrap();
    }
    let told = |report: &Report| match report {
        Report::Email { .. } => record(report)["mail"]["messageId"].as_str().unwrap().to_owned(),
        Report::Sms { .. } => entry(report)["notification"]["messageId"].as_str().unwrap().to_owned(),
    };
    // Accepted at 0, 300, 600 and 900 ms.
    let first: Vec<_> = world.take(after(1599)).iter().map(told).collect();
    assert_eq!(first, [&*sent[0], &*sent[0], &*sent[1]]);
    assert_eq!(world.messages.next_report_at(), Some(after(1600)));
    let second: Vec<_> = world.take(after(9000)).iter().map(told).collect();
    assert_eq!(second, [&*sent[2], &*sent[2], &*sent[3]]);
}

#[tokio::test]
async fn each_fault_has_its_report_on_an_sms() {
    for (fault, reported) in [
        (Fault::OptedOut, vec![OPTED_OUT]),
        (Fault::InvalidNumber, vec!["FAILURE Invalid phone number"]),
        (
            Fault::Unreachable,
            vec!["FAILURE Phone is currently unreachable/unavailable"],
        ),
        (Fault::SpendLimit, vec!["FAILURE No quota left for account"]),
        (Fault::Bounce, vec!["FAILURE Invalid phone number"]),
        (
            Fault::SoftBounce,
            vec!["FAILURE Phone is currently unreachable/unavailable"],
        ),
        (Fault::Complaint, vec![DELIVERED]),
        (Fault::Delay, vec![DELIVERED]),
        (Fault::NoReport, vec![]),
    ] {
        let world = start(None).await;
        world.script(Channel::Sms, fault, 1);
        world.sms().send().await.unwrap();
        assert_eq!(world.messages.accepted().len(), 1, "{fault:?}");
        assert_eq!(
            world.messages.next_report_at().is_some(),
            !reported.is_empty(),
            "{fault:?}"
        );
        assert_eq!(briefs(&world.take(after(1000))), reported, "{fault:?}");
        // Once: others get theirs.
        world.sms().phone_number("+46701740606").send().await.unwrap();
        assert_eq!(briefs(&world.take(after(1000))), [DELIVERED], "{fault:?}");
    }
}

#[tokio::test]
async fn each_fault_has_its_reports_on_an_email() {
    for (fault, reported) in [
        (Fault::Bounce, vec!["Send", "Bounce Permanent General"]),
        (Fault::SoftBounce, vec!["Send", "Bounce Transient General"]),
        (Fault::Complaint, vec!["Send", "Delivery", "Complaint"]),
        (Fault::Delay, vec!["Send", "DeliveryDelay", "Delivery"]),
        (
            Fault::OptedOut,
            vec!["Send", "Bounce Permanent OnAccountSuppressionList"],
        ),
        (Fault::InvalidNumber, vec!["Send", "Bounce Permanent General"]),
        (Fault::Unreachable, vec!["Send", "Bounce Transient General"]),
        (Fault::SpendLimit, vec!["Send", "Reject"]),
        (Fault::NoReport, vec![]),
    ] {
        let world = start(None).await;
        world.script(Channel::Email, fault, 1);
        world.reported_email(ADDRESS).send().await.unwrap();
        assert_eq!(world.messages.accepted().len(), 1, "{fault:?}");
        assert_eq!(
            world.messages.next_report_at().is_some(),
            !reported.is_empty(),
            "{fault:?}"
        );
        assert_eq!(briefs(&world.take(after(1000))), reported, "{fault:?}");
        world.reported_email("kari@example.no").send().await.unwrap();
        assert_eq!(briefs(&world.take(after(1000))), ["Send", "Delivery"], "{fault:?}");
    }
}

#[tokio::test]
async fn what_happens_to_an_email_is_told_in_full() {
    for (fault, member, details) in [
        (
            Fault::Bounce,
            "bounce",
            json!({
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{
                    "emailAddress": ADDRESS,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 <ola@example.no>: user unknown",
                }],
                "timestamp": "2026-03-02T08:00:00.700Z",
                "reportingMTA": "dns; mta.example.no",
            }),
        ),
        (
            Fault::Complaint,
            "complaint",
            json!({
                "complainedRecipients": [{ "emailAddress": ADDRESS }],
                "timestamp": "2026-03-02T08:00:00.900Z",
                "complaintSubType": null,
                "userAgent": "Feedback/1.0",
                "complaintFeedbackType": "abuse",
                "arrivalDate": "2026-03-02T08:00:00.700Z",
            }),
        ),
        (
            Fault::Delay,
            "deliveryDelay",
            json!({
                "timestamp": "2026-03-02T08:00:00.300Z",
                "delayType": "TransientCommunicationFailure",
                "expirationTime": "2026-03-02T22:00:00.000Z",
                "delayedRecipients": [{
                    "emailAddress": ADDRESS,
                    "status": "4.4.1",
                    "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
                }],
            }),
        ),
        (Fault::SpendLimit, "reject", json!({ "reason": "Bad content" })),
    ] {
        let world = start(None).await;
        world.script(Channel::Email, fault, 1);
        world.reported_email(ADDRESS).send().await.unwrap();
        let reports = world.take(after(1000));
        let told: Vec<_> = reports
            .iter()
            .filter_map(|report| record(report).as_object_mut().unwrap().remove(member))
            .collect();
        let [mut told] = <[Value; 1]>::try_from(told).unwrap();
        let feedback = told.as_object_mut().unwrap().remove("feedbackId");
        assert_eq!(
            feedback.is_some_and(|id| id.as_str().unwrap().ends_with("-000000")),
            matches!(fault, Fault::Bounce | Fault::Complaint)
        );
        assert_eq!(told, details, "{fault:?}");
    }
}

#[tokio::test]
async fn every_event_of_an_email_says_which_notice_it_was() {
    let world = start(None).await;
    world.script(Channel::Email, Fault::Delay, 1);
    world.reported_email(ADDRESS).send().await.unwrap();
    let reports = world.take(after(1000));
    assert_eq!(reports.len(), 3);
    for report in &reports {
        let mail = &record(report)["mail"];
        assert_eq!(mail["tags"]["notice-id"], json!(["n-2"]));
        assert_eq!(mail["tags"]["notice-kind"], json!(["address-changed"]));
        // SES tells a delay without headers.
        assert_eq!(mail.get("headers").is_none(), brief(report) == "DeliveryDelay");
    }
}

#[tokio::test]
async fn an_email_to_two_is_reported_of_both() {
    let world = start(None).await;
    world.script(Channel::Email, Fault::Bounce, 1);
    let both = Destination::builder()
        .to_addresses(ADDRESS)
        .to_addresses("kari@example.no");
    let call = world.reported_email(ADDRESS).destination(both.build());
    call.send().await.unwrap();
    let bounce = record(&world.take(after(1000))[1]);
    assert_eq!(bounce["mail"]["destination"], json!([ADDRESS, "kari@example.no"]));
    let addresses: Vec<_> = bounce["bounce"]["bouncedRecipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|recipient| recipient["emailAddress"].as_str().unwrap())
        .collect();
    assert_eq!(addresses, [ADDRESS, "kari@example.no"]);
}

#[tokio::test]
async fn an_email_without_a_configuration_set_is_not_reported() {
    let world = start(None).await;
    world.email(ADDRESS).send().await.unwrap();
    assert_eq!(world.messages.next_report_at(), None);
    assert_eq!(world.take(after(1000)), []);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_reported_and_one_never_accepted_is_not() {
    for (fault, sms, email) in [
        (Fault::TimeoutAfter, vec![DELIVERED], vec!["Send", "Delivery"]),
        (Fault::TimeoutBefore, vec![], vec![]),
        (Fault::Throttle, vec![], vec![]),
        (Fault::Reject, vec![], vec![]),
    ] {
        let world = start(None).await;
        world.script(Channel::Sms, fault, 1);
        world.sms().send().await.unwrap_err();
        assert_eq!(briefs(&world.take(after(1000))), sms, "{fault:?}");
        world.script(Channel::Email, fault, 1);
        world.reported_email(ADDRESS).send().await.unwrap_err();
        assert_eq!(briefs(&world.take(after(1000))), email, "{fault:?}");
    }
}

#[tokio::test]
async fn who_opted_out_stays_so_until_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let world = start(Some(folder.path())).await;
    world.script(Channel::Sms, Fault::OptedOut, 1);
    world.sms().send().await.unwrap();
    world.sms().send().await.unwrap();
    world.sms().phone_number("+46701740606").send().await.unwrap();
    assert_eq!(briefs(&world.take(after(1000))), [OPTED_OUT, OPTED_OUT, DELIVERED]);
    drop(world);
    let world = start(Some(folder.path())).await;
    world.take(after(1000));
    world.sms().send().await.unwrap();
    assert_eq!(briefs(&world.take(after(1000))), [OPTED_OUT]);
    world.messages.reset().unwrap();
    world.sms().send().await.unwrap();
    assert_eq!(briefs(&world.take(after(1000))), [DELIVERED]);
}

#[tokio::test]
async fn who_complains_about_an_sms_gets_no_more() {
    let world = start(None).await;
    world.script(Channel::Sms, Fault::Complaint, 1);
    world.sms().send().await.unwrap();
    world.sms().send().await.unwrap();
    assert_eq!(briefs(&world.take(after(1000))), [DELIVERED, OPTED_OUT]);
}

#[tokio::test]
async fn faults_are_scripted_by_their_names() {
    for (name, fault) in [
        ("opted-out", Fault::OptedOut),
        ("invalid-number", Fault::InvalidNumber),
        ("unreachable", Fault::Unreachable),
        ("spend-limit", Fault::SpendLimit),
        ("bounce", Fault::Bounce),
        ("soft-bounce", Fault::SoftBounce),
        ("complaint", Fault::Complaint),
        ("delay", Fault::Delay),
        ("no-report", Fault::NoReport),
    ] {
        assert_eq!(serde_json::from_value::<Fault>(json!(name)).unwrap(), fault);
    }
}

#[tokio::test]
async fn what_was_accepted_before_a_restart_is_reported_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = start(Some(folder.path())).await;
    world.script(Channel::Sms, Fault::InvalidNumber, 1);
    world.script(Channel::Email, Fault::Bounce, 1);
    world.sms().send().await.unwrap();
    world.reported_email(ADDRESS).send().await.unwrap();
    drop(world);
    let world = start(Some(folder.path())).await;
    assert_eq!(world.messages.next_report_at(), Some(after(1000)));
    assert_eq!(
        briefs(&world.take(after(1000))),
        ["FAILURE Invalid phone number", "Send", "Bounce Permanent General"]
    );
}

#[tokio::test]
async fn what_may_not_have_been_handed_on_before_a_restart_comes_again_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let world = start(Some(folder.path())).await;
    world.sms().send().await.unwrap();
    world.reported_email(ADDRESS).send().await.unwrap();
    let taken = world.take(after(1000));
    assert_eq!(taken.len(), 3);
    drop(world);
    let world = start(Some(folder.path())).await;
    assert_eq!(world.take(after(1000)), taken);
    // Whoever asks again has handed on what it was given.
    assert_eq!(world.take(after(1000)), []);
    world.script(Channel::Sms, Fault::NoReport, 1);
    world.sms().send().await.unwrap();
    drop(world);
    let world = start(Some(folder.path())).await;
    assert_eq!(world.messages.next_report_at(), None);
}

#[tokio::test]
async fn a_reset_forgets_reports() {
    let folder = tempfile::tempdir().unwrap();
    let world = start(Some(folder.path())).await;
    for _ in 0..3 {
        world.sms().send().await.unwrap();
        world.take(after(1000));
    }
    world.sms().send().await.unwrap();
    world.messages.reset().unwrap();
    assert_eq!(world.messages.next_report_at(), None);
    // At once, before anybody asks for reports: the count of those handed on begins anew, too.
    world.reported_email(ADDRESS).send().await.unwrap();
    drop(world);
    let world = start(Some(folder.path())).await;
    assert_eq!(briefs(&world.take(after(1000))), ["Send", "Delivery"]);
}

#[tokio::test]
async fn a_ledger_that_knows_of_no_reports_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let message = json!({
        "at": NOW,
        "channel": "sms",
        "to": NUMBER,
        "text": "Postkasse valgt",
        "kind": "mailbox-chosen",
        "noticeId": "n-1",
        "messageId": "8f9bb0b4-5f3e-4c55-9d8c-0f3f5c9f3b11",
    });
    std::fs::write(folder.path().join("messages.jsonl"), format!("{message}\n")).unwrap();
    let world = start(Some(folder.path())).await;
    assert_eq!(serde_json::to_value(&world.messages.accepted()[0]).unwrap(), message);
    assert_eq!(briefs(&world.take(after(1000))), [DELIVERED]);
}

#[tokio::test]
async fn nothing_personal_is_shown_by_debug_of_a_report() {
    let world = start(None).await;
    world.script(Channel::Sms, Fault::OptedOut, 1);
    world.sms().send().await.unwrap();
    world.reported_email(ADDRESS).send().await.unwrap();
    let shown = format!("{:?}", world.messages);
    let reports = world.take(after(1000));
    let shown = format!("{shown} {reports:?}");
    assert!(shown.contains("email-events"), "{shown}");
    assert!(!shown.contains(NUMBER), "{shown}");
    assert!(!shown.contains(ADDRESS), "{shown}");
    assert!(!shown.contains("awslogs"), "{shown}");
}

#[tokio::test]
async fn no_report_repeats_what_was_written() {
    let world = start(None).await;
    world.sms().send().await.unwrap();
    world.reported_email(ADDRESS).send().await.unwrap();
    for report in world.take(after(1000)) {
        let told = match report {
            Report::Sms { .. } => entry(&report).to_string(),
            Report::Email { .. } => record(&report).to_string(),
        };
        assert!(!told.contains("Postkasse valgt: "), "{told}");
        assert!(!told.contains("tekst"), "{told}");
    }
}
