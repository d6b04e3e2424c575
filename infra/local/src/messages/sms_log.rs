//! The delivery status log that SNS writes of an SMS, as a function gets it that is subscribed to its log group.
//!
//! Shapes: SNS developer guide, "Viewing CloudWatch metrics and logs for SMS deliveries"; CloudWatch Logs user guide,
//! "Log group-level subscription filters".

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use mailbox_register::sms::{SmsError, SmsText};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ledger::Message;
use super::reports::{Outcome, Sending};
use crate::sdk::{ACCOUNT, REGION};

/// The name of the subscription filter that passes the log on.
pub const SMS_LOG_FILTER: &str = "sms-log";

/// The log group that SNS writes deliveries of SMS to.
pub fn sms_delivered_log_group() -> String {
    format!("sns/{REGION}/{ACCOUNT}/DirectPublishToPhoneNumber")
}

/// The log group that SNS writes failed deliveries of SMS to.
pub fn sms_failed_log_group() -> String {
    format!("{}/Failure", sms_delivered_log_group())
}

/// How SNS names a price for one part.
const PRICE_IN_USD: f64 = 0.05;

/// Why a delivery failed, in SNS's words, and how far it got.
enum Failure {
    /// SNS did not hand it to a carrier: there is no price and no network.
    BySns(&'static str),
    /// The carrier gave it back.
    ByCarrier(&'static str),
}

/// What the subscribed function is called with.
pub(super) fn payload(message: &Message, sending: &Sending, written: Timestamp) -> Value {
    let failure = match sending.outcome {
        Outcome::Delivered | Outcome::Delayed | Outcome::Complained | Outcome::NotReported => None,
        Outcome::OptedOut => Some(Failure::BySns("Phone number is opted out")),
        // Not in the guide's list, but in the logs of who spent the month's limit.
        Outcome::NotSent => Some(Failure::BySns("No quota left for account")),
        Outcome::NoSuchRecipient => Some(Failure::ByCarrier("Invalid phone number")),
        Outcome::Unreachable => Some(Failure::ByCarrier("Phone is currently unreachable/unavailable")),
    };
    let status = if failure.is_some() { "FAILURE" } else { "SUCCESS" };
    let entry = json!({
        "notification": { "messageId": message.message_id, "timestamp": moment(message.at) },
        "delivery": delivery(message, sending, failure.as_ref()),
        "status": status,
    });
    let id = Uuid::parse_str(&message.message_id).unwrap_or_default();
    let log = json!({
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": if failure.is_some() { sms_failed_log_group() } else { sms_delivered_log_group() },
        "logStream": id,
        "subscriptionFilters": [SMS_LOG_FILTER],
        "logEvents": [{
            // 56 digits that begin with the time.
            "id": format!("{:017}{:039}", written.as_millisecond(), id.as_u128()),
            "timestamp": written.as_millisecond(),
            "message": entry.to_string(),
        }],
    });
    json!({ "awslogs": { "data": STANDARD.encode(gzip(&log.to_string())) } })
}

fn delivery(message: &Message, sending: &Sending, failure: Option<&Failure>) -> Value {
    let parts = match SmsText::new(message.text.as_str()) {
        Ok(text) => text.parts(),
        Err(SmsError::TooLong { parts }) => parts,
        Err(SmsError::Empty) => 1,
    };
    let mut delivery = json!({
        "destination": message.to,
        // What SNS takes an SMS for that does not say.
        "smsType": sending.sms_type.as_deref().unwrap_or("Promotional"),
        "dwellTimeMs": 599,
    });
    delivery["providerResponse"] = match failure {
        None => "Message has been accepted by phone carrier",
        Some(Failure::BySns(why) | Failure::ByCarrier(why)) => why,
    }
    .into();
    if !matches!(failure, Some(Failure::BySns(_))) {
        delivery["numberOfMessageParts"] = parts.into();
        delivery["priceInUSD"] = (f64::from(u32::try_from(parts).unwrap_or(u32::MAX)) * PRICE_IN_USD).into();
        delivery["dwellTimeMsUntilDeviceAck"] = if sending.outcome == Outcome::Delayed {
            600_000
        } else {
            1344
        }
        .into();
        let (country, network) = if failure.is_some() { (0, 0) } else { (242, 1) };
        delivery["mcc"] = country.into();
        delivery["mnc"] = network.into();
    }
    if failure.is_none() {
        delivery["phoneCarrier"] = "Local Mobile".into();
    }
    delivery
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes())
        .and_then(|()| gzip.finish())
        .expect("memory takes what is written to it")
}

/// UTC with as many decimals as milliseconds need, and at least one: as Java prints it.
fn moment(at: Timestamp) -> String {
    Timestamp::from_millisecond(at.as_millisecond())
        .unwrap_or(at)
        .strftime("%Y-%m-%d %H:%M:%S.%f")
        .to_string()
}
