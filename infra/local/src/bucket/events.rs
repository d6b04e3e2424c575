//! What S3 tells of objects that were created.

use form_urlencoded::byte_serialize;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sdk;

/// How an object came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It was put in one piece.
    Put,
    /// It was put in parts, and they were joined.
    CompleteMultipartUpload,
    /// It was copied from another one.
    Copy,
}

impl Creation {
    const fn event_name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Copy => "ObjectCreated:Copy",
        }
    }
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCreated {
    /// The bucket's physical name.
    pub bucket: String,
    /// The key as it is, not encoded.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// The `ETag`, without quotes.
    pub e_tag: String,
    /// Of two events for one key, the later has the greater sequencer. The same object always has the same one.
    pub sequencer: String,
    /// How it came to be. What an earlier run left counts as put.
    pub creation: Creation,
}

/// The event notification that S3 would send, whatever it is sent to.
pub fn notification(object: &ObjectCreated, at: Timestamp) -> Value {
    json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": sdk::REGION,
            "eventTime": format!("{at:.3}"),
            "eventName": object.creation.event_name(),
            "userIdentity": { "principalId": format!("AWS:{}", sdk::ACCOUNT) },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": object.sequencer },
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": {
                    "name": object.bucket,
                    "ownerIdentity": { "principalId": sdk::ACCOUNT },
                    "arn": format!("arn:aws:s3:::{}", object.bucket),
                },
                "object": {
                    "key": encoded(&object.key),
                    "size": object.size,
                    "eTag": object.e_tag,
                    "sequencer": object.sequencer,
                },
            },
        }],
    })
}

/// A key as notifications have it: encoded as in a form, but for the slashes.
fn encoded(key: &str) -> String {
    let parts: Vec<String> = key
        .split('/')
        .map(|part| byte_serialize(part.as_bytes()).collect())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::event::s3::S3Event;

    use super::*;

    #[test]
    fn a_notification_is_one_that_lambda_functions_read() {
        let object = ObjectCreated {
            bucket: "files".to_owned(),
            key: "uploads/991825827/årets liste + mer.csv".to_owned(),
            size: 1234,
            e_tag: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            sequencer: "18D2F0A1B2C3D4E5".to_owned(),
            creation: Creation::Put,
        };
        let notification = notification(&object, "2026-03-03T08:05:00.25Z".parse().unwrap());
        assert_eq!(notification["Records"][0]["eventTime"], "2026-03-03T08:05:00.250Z");
        let event: S3Event = serde_json::from_value(notification).unwrap();
        let [record] = event.records.as_slice() else {
            panic!("one object, one record")
        };
        assert_eq!(record.event_name.as_deref(), Some("ObjectCreated:Put"));
        assert_eq!(record.s3.bucket.arn.as_deref(), Some("arn:aws:s3:::files"));
        let told = &record.s3.object;
        assert_eq!(
            told.key.as_deref(),
            Some("uploads/991825827/%C3%A5rets+liste+%2B+mer.csv")
        );
        assert_eq!(told.size, Some(1234));
        assert_eq!(told.e_tag.as_deref(), Some("d41d8cd98f00b204e9800998ecf8427e"));
        assert_eq!(told.sequencer.as_deref(), Some("18D2F0A1B2C3D4E5"));
    }
}
