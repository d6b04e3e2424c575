//! What SNS reports of a text message: lines of its delivery log, which CloudWatch hands on in compressed batches.
//!
//! Shapes as in the Amazon SNS Developer Guide, "Monitoring SMS delivery with CloudWatch metrics and logs", and the
//! Amazon CloudWatch Logs User Guide, "Log group-level subscription filters".

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use jiff::Timestamp;
use mailbox_register::receipt::{Fate, Receipt};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    report::{About, Report, ReportedAddress, message_id},
    source::{Sources, Unreadable},
};

/// Largest batch, unpacked. CloudWatch takes log events in batches of a megabyte, and Lambda an event of six; a few
/// kilobytes of gzip can ask for gigabytes.
const MAX_BATCH: usize = 6 * 1024 * 1024;

/// Failures that speak of the number and not of the message, in the words of SNS's guide and of its older editions.
///
/// That a telephone is "currently unreachable/unavailable" is not among them: it is what SNS says of one that is off,
/// abroad or out of reach when it stops trying. Nor is what the operator does: spam filters judge the message.
const ADDRESS_DEAD: [&str; 7] = [
    "Destination is blacklisted",
    "Destination is on a blocked list",
    "Invalid phone number",
    "Phone has blocked SMS",
    "Phone is blacklisted",
    "Phone is on a blocked list",
    "Phone number is opted out",
];

/// What SNS says, not in the guide, of every message once the account's monthly spend limit is reached.
const NO_QUOTA: &str = "No quota left for account";

/// Reads one event of a log subscription: a report, or what is wrong with it, for each line. CloudWatch's own test of
/// the way gives none.
///
/// # Errors
/// [`Unreadable`], for the batch as a whole.
pub fn read(event: Value, sources: &Sources) -> Result<Vec<Result<Report, Unreadable>>, Unreadable> {
    let event: Event = serde_json::from_value(event).map_err(|_| Unreadable::Malformed)?;
    let batch: Batch = serde_json::from_slice(&unpack(&event.awslogs.data)?).map_err(|_| Unreadable::Malformed)?;
    match batch.message_type.as_str() {
        // Comes from CloudWatch itself and names no account.
        "CONTROL_MESSAGE" => return Ok(Vec::new()),
        "DATA_MESSAGE" => {}
        _ => return Err(Unreadable::Malformed),
    }
    if batch.owner != sources.account || !sources.sms_log_groups.contains(&batch.log_group) {
        return Err(Unreadable::NotOurs);
    }
    Ok(batch.log_events.into_iter().map(LogEvent::report).collect())
}

/// The JSON in base64 and gzip, of at most [`MAX_BATCH`] bytes.
fn unpack(data: &str) -> Result<Vec<u8>, Unreadable> {
    let packed = STANDARD.decode(data).map_err(|_| Unreadable::Malformed)?;
    let mut json = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(MAX_BATCH as u64 + 1)
        .read_to_end(&mut json)
        .map_err(|_| Unreadable::Malformed)?;
    if json.len() > MAX_BATCH {
        return Err(Unreadable::Malformed);
    }
    Ok(json)
}

#[derive(Deserialize)]
struct Event {
    awslogs: Packed,
}

#[derive(Deserialize)]
struct Packed {
    data: String,
}

/// Log events of one group.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    message_type: String,
    owner: String,
    log_group: String,
    log_events: Vec<LogEvent>,
}

#[derive(Deserialize)]
struct LogEvent {
    /// Milliseconds since 1970.
    timestamp: i64,
    message: String,
}

/// What SNS writes of one message.
#[derive(Deserialize)]
struct Line {
    notification: Notification,
    #[serde(default)]
    delivery: Delivery,
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    message_id: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    destination: Option<String>,
    provider_response: Option<String>,
}

impl LogEvent {
    fn report(self) -> Result<Report, Unreadable> {
        let line: Line = serde_json::from_str(&self.message).map_err(|_| Unreadable::Malformed)?;
        let response = line.delivery.provider_response.unwrap_or_default();
        let (receipt, quota_exhausted) = match line.status.as_str() {
            "SUCCESS" => (Receipt::Delivered, false),
            "FAILURE" => (Receipt::Undelivered(fate(&response)), is_no_quota(&response)),
            _ => return Err(Unreadable::Malformed),
        };
        Ok(Report {
            about: About::Message(message_id(line.notification.message_id)?),
            receipt,
            // The time within the line is when the message was handed to SNS: up to three days before an operator
            // gives up, which is when SNS logs it.
            at: Timestamp::from_millisecond(self.timestamp).map_err(|_| Unreadable::Malformed)?,
            address: line.delivery.destination.map(ReportedAddress::new),
            quota_exhausted,
        })
    }
}

/// What a failure says of the number. A reason that nobody knows costs one message, never the number.
fn fate(response: &str) -> Fate {
    if ADDRESS_DEAD
        .iter()
        .any(|reason| response.trim().eq_ignore_ascii_case(reason))
    {
        Fate::AddressDead
    } else {
        Fate::MessageFailed
    }
}

fn is_no_quota(response: &str) -> bool {
    response
        .trim()
        .get(..NO_QUOTA.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(NO_QUOTA))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use mailbox_register::contact::Address;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const GROUP: &str = "sns/eu-north-1/123456789012/DirectPublishToPhoneNumber";
    const FAILURES: &str = "sns/eu-north-1/123456789012/DirectPublishToPhoneNumber/Failure";
    const ARRIVED: &str = "34d9b400-c6dd-5444-820d-fbeb0f1f54cf";
    const FAILED: &str = "1077257a-92f3-5ca3-bc97-6a915b310625";
    const NUMBER: &str = "+46701740605";
    /// 2026-06-28T00:40:35.902Z.
    const LOGGED: i64 = 1_782_607_235_902;

    fn sources() -> Sources {
        Sources {
            account: "123456789012".to_owned(),
            email_topic: String::new(),
            configuration_set: String::new(),
            sms_log_groups: [GROUP.to_owned(), FAILURES.to_owned()],
        }
    }

    fn success() -> Value {
        json!({
            "notification": { "messageId": ARRIVED, "timestamp": "2026-06-28 00:40:34.558" },
            "delivery": {
                "phoneCarrier": "My Phone Carrier",
                "mnc": 270,
                "numberOfMessageParts": 1,
                "destination": NUMBER,
                "priceInUSD": 0.00645,
                "smsType": "Transactional",
                "mcc": 310,
                "providerResponse": "Message has been accepted by phone carrier",
                "dwellTimeMs": 599,
                "dwellTimeMsUntilDeviceAck": 1344,
            },
            "status": "SUCCESS",
        })
    }

    fn failure(reason: &str) -> Value {
        json!({
            "notification": { "messageId": FAILED, "timestamp": "2026-06-28 00:40:34.559" },
            "delivery": {
                "mnc": 0,
                "destination": NUMBER,
                "priceInUSD": 0.00645,
                "smsType": "Transactional",
                "mcc": 0,
                "providerResponse": reason,
                "dwellTimeMs": 1420,
                "dwellTimeMsUntilDeviceAck": 1692,
            },
            "status": "FAILURE",
        })
    }

    fn batch(group: &str, lines: &[String]) -> Value {
        let events = lines.iter().enumerate().map(|(at, line)| {
            json!({
                "id": format!("3462231609969788470654097606882285901266122014164389254{at}"),
                "timestamp": LOGGED,
                "message": line,
            })
        });
        json!({
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": group,
            "logStream": "c8f1f4e2-1d4a-4a39-9d0f-6a1c3a7a2c11",
            "subscriptionFilters": ["receipts"],
            "logEvents": events.collect::<Vec<_>>(),
        })
    }

    fn packed(bytes: &[u8]) -> Value {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        json!({ "awslogs": { "data": STANDARD.encode(gzip.finish().unwrap()) } })
    }

    fn reading(batch: &Value) -> Result<Vec<Result<Report, Unreadable>>, Unreadable> {
        read(packed(batch.to_string().as_bytes()), &sources())
    }

    fn report(line: &Value) -> Result<Report, Unreadable> {
        let [report] = <[_; 1]>::try_from(reading(&batch(FAILURES, &[line.to_string()])).unwrap()).unwrap();
        report
    }

    #[test]
    fn a_message_that_arrived_is_known_by_the_providers_identity() {
        let [report] = <[_; 1]>::try_from(reading(&batch(GROUP, &[success().to_string()])).unwrap()).unwrap();
        let report = report.unwrap();
        assert_eq!(report.about, About::Message(ARRIVED.to_owned()));
        assert_eq!(report.receipt, Receipt::Delivered);
        assert!(!report.quota_exhausted);
        let number: Address = serde_json::from_value(json!({ "channel": "sms", "address": NUMBER })).unwrap();
        assert!(report.address.unwrap().is(&number));
    }

    #[test]
    fn a_failure_happened_when_it_was_logged_not_when_the_message_was_sent() {
        let at = report(&failure("Unknown error attempting to reach phone")).unwrap().at;
        assert_eq!(at, "2026-06-28T00:40:35.902Z".parse().unwrap());
    }

    #[test]
    fn each_reason_and_what_it_says_of_the_number() {
        // Everything that the guide lists, then what it does not.
        let cases = [
            ("Blocked as spam by phone carrier", Fate::MessageFailed),
            ("Destination is on a blocked list", Fate::AddressDead),
            ("Invalid phone number", Fate::AddressDead),
            ("Message body is invalid", Fate::MessageFailed),
            ("Phone carrier has blocked this message", Fate::MessageFailed),
            (
                "Phone carrier is currently unreachable/unavailable",
                Fate::MessageFailed,
            ),
            ("Phone has blocked SMS", Fate::AddressDead),
            ("Phone is on a blocked list", Fate::AddressDead),
            ("Phone is currently unreachable/unavailable", Fate::MessageFailed),
            ("Phone number is opted out", Fate::AddressDead),
            ("This delivery would exceed max price", Fate::MessageFailed),
            ("Unknown error attempting to reach phone", Fate::MessageFailed),
            ("Phone is blacklisted", Fate::AddressDead),
            ("phone NUMBER is opted out ", Fate::AddressDead),
            ("Rate exceeded", Fate::MessageFailed),
            ("No quota left for account", Fate::MessageFailed),
            ("Something of a later year", Fate::MessageFailed),
            ("", Fate::MessageFailed),
        ];
        for (reason, fate) in cases {
            let report = report(&failure(reason)).unwrap();
            assert_eq!(report.receipt, Receipt::Undelivered(fate), "{reason}");
        }
    }

    #[test]
    fn a_spent_account_is_told_from_a_failed_message() {
        for reason in [
            "No quota left for account",
            "no quota left for account.",
            " No Quota Left For Account",
        ] {
            assert!(report(&failure(reason)).unwrap().quota_exhausted, "{reason}");
        }
        for reason in [
            "No quota left for accoun",
            "Phone number is opted out",
            "",
            "Nø quota left for account",
        ] {
            assert!(!report(&failure(reason)).unwrap().quota_exhausted, "{reason}");
        }
        // As SNS has been seen to write it: no price, no operator.
        let line = json!({
            "notification": { "messageId": FAILED, "timestamp": "2026-04-18 13:54:35.51" },
            "delivery": {
                "destination": NUMBER,
                "smsType": "Transactional",
                "providerResponse": "No quota left for account",
                "dwellTimeMs": 174,
            },
            "status": "FAILURE",
        });
        assert!(report(&line).unwrap().quota_exhausted);
    }

    #[test]
    fn one_bad_line_does_not_hide_its_neighbours() {
        let lines = [
            success().to_string(),
            "{ not json".to_owned(),
            failure("Phone number is opted out").to_string(),
        ];
        let reports = reading(&batch(GROUP, &lines)).unwrap();
        let receipts: Vec<_> = reports
            .into_iter()
            .map(|report| report.map(|report| report.receipt))
            .collect();
        assert_eq!(
            receipts,
            [
                Ok(Receipt::Delivered),
                Err(Unreadable::Malformed),
                Ok(Receipt::Undelivered(Fate::AddressDead)),
            ]
        );
    }

    #[test]
    fn a_bad_line_is_refused() {
        let broken = |path: &str, value: Value| {
            let mut line = success();
            *line.pointer_mut(path).unwrap() = value;
            line
        };
        let lines = [
            broken("/notification", json!({})),
            broken("/notification/messageId", json!(1)),
            broken("/notification/messageId", json!("")),
            broken("/notification/messageId", json!(NUMBER)),
            broken("/delivery/destination", json!(46_701_740_605_u64)),
            broken("/status", json!("success")),
            broken("/status", json!("PENDING")),
            broken("/status", Value::Null),
            json!([]),
            json!(null),
        ];
        for line in lines {
            assert_eq!(report(&line), Err(Unreadable::Malformed), "{line}");
        }
        let mut late = batch(GROUP, &[success().to_string()]);
        late["logEvents"][0]["timestamp"] = json!(i64::MAX);
        assert_eq!(reading(&late), Ok(vec![Err(Unreadable::Malformed)]));
    }

    #[test]
    fn a_failure_without_details_is_still_a_failure() {
        let line = json!({ "notification": { "messageId": FAILED }, "status": "FAILURE" });
        let report = report(&line).unwrap();
        assert_eq!(report.receipt, Receipt::Undelivered(Fate::MessageFailed));
        assert_eq!(report.address, None);
    }

    #[test]
    fn cloudwatchs_test_of_the_way_says_nothing() {
        let control = json!({
            "messageType": "CONTROL_MESSAGE",
            "owner": "CloudwatchLogs",
            "logGroup": "",
            "logStream": "",
            "subscriptionFilters": [],
            "logEvents": [{
                "id": "",
                "timestamp": LOGGED,
                "message": "CWL CONTROL MESSAGE: Checking health of destination.",
            }],
        });
        assert_eq!(reading(&control), Ok(vec![]));
    }

    #[test]
    fn forged_batches_are_not_ours() {
        let cases = [
            ("owner", "999999999999"),
            ("owner", "CloudwatchLogs"),
            ("owner", ""),
            ("logGroup", "sns/eu-north-1/999999999999/DirectPublishToPhoneNumber"),
            ("logGroup", "sns/eu-west-1/123456789012/DirectPublishToPhoneNumber"),
            (
                "logGroup",
                "sns/eu-north-1/123456789012/DirectPublishToPhoneNumber/Failure/",
            ),
            ("logGroup", "/aws/lambda/notify"),
            ("logGroup", ""),
        ];
        for (field, value) in cases {
            let mut forged = batch(GROUP, &[success().to_string()]);
            forged[field] = json!(value);
            assert_eq!(reading(&forged), Err(Unreadable::NotOurs), "{field} {value}");
        }
    }

    #[test]
    fn malformed_batches_are_refused() {
        let good = batch(GROUP, &[success().to_string()]);
        let mut bodies: Vec<Vec<u8>> = vec![vec![], b"null".to_vec(), b"{}".to_vec(), vec![b'['; 100_000]];
        for field in ["messageType", "owner", "logGroup", "logEvents"] {
            let mut broken = good.clone();
            broken.as_object_mut().unwrap().remove(field);
            bodies.push(broken.to_string().into_bytes());
        }
        let mut unknown = good.clone();
        unknown["messageType"] = json!("NEWS");
        bodies.push(unknown.to_string().into_bytes());
        for body in bodies {
            assert_eq!(
                read(packed(&body), &sources()),
                Err(Unreadable::Malformed),
                "{body:.80?}"
            );
        }
        let whole = packed(good.to_string().as_bytes());
        let data = whole["awslogs"]["data"].as_str().unwrap();
        let events = [
            json!(null),
            json!({}),
            json!({ "awslogs": data }),
            json!({ "awslogs": { "data": 1 } }),
            json!({ "awslogs": { "data": "" } }),
            json!({ "awslogs": { "data": "not base64!" } }),
            json!({ "awslogs": { "data": STANDARD.encode(good.to_string()) } }),
            // Cut off on the way.
            json!({ "awslogs": { "data": data[..data.len() / 8 * 4] } }),
        ];
        for event in events {
            assert_eq!(read(event.clone(), &sources()), Err(Unreadable::Malformed), "{event}");
        }
    }

    #[test]
    fn a_gzip_bomb_is_put_out_at_the_cap() {
        let mut batch = batch(GROUP, &[success().to_string()]).to_string().into_bytes();
        batch.resize(MAX_BATCH, b' ');
        let largest = packed(&batch);
        assert!(largest.to_string().len() < MAX_BATCH / 20, "it is small to look at");
        assert_eq!(read(largest, &sources()).unwrap().len(), 1);
        batch.push(b' ');
        assert_eq!(read(packed(&batch), &sources()), Err(Unreadable::Malformed));
    }

    #[test]
    fn nothing_that_is_logged_shows_a_number() {
        let report = report(&success()).unwrap();
        assert!(!format!("{report:?}").contains(&NUMBER[1..]), "{report:?}");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            data in "[A-Za-z0-9+/=]{0,80}",
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            line in any::<String>(),
        ) {
            for data in [data, STANDARD.encode(&bytes)] {
                let event = json!({ "awslogs": { "data": data } });
                prop_assert_eq!(read(event, &sources()), Err(Unreadable::Malformed));
            }
            prop_assert!(read(packed(&bytes), &sources()).is_err());
            prop_assert_eq!(reading(&batch(GROUP, &[line])).map(|reports| reports.len()), Ok(1));
        }

        /// Text of any kind as a reason ends no number and opens no circuit, unless it is one of the few that do.
        #[test]
        fn an_unknown_reason_costs_one_message_only(reason in "\\PC{0,40}") {
            let report = report(&failure(&reason)).unwrap();
            prop_assert_eq!(report.receipt, Receipt::Undelivered(Fate::MessageFailed));
            prop_assert!(!report.quota_exhausted);
        }

        #[test]
        fn a_damaged_line_is_read_or_refused(at in any::<prop::sample::Index>(), put in any::<Option<char>>()) {
            let mut line: Vec<char> = failure("Phone number is opted out").to_string().chars().collect();
            let at = at.index(line.len());
            line.splice(at..=at, put);
            prop_assert_eq!(reading(&batch(FAILURES, &[line.into_iter().collect()])).map(|all| all.len()), Ok(1));
        }
    }
}
