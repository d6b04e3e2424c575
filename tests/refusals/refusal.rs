//! What every refusal must look like.

use infra_edge::problem::Kind;
use serde_json::Value;
use stories::Answer;
use uuid::Uuid;

/// Every field of every request: what a pointer may name.
const FIELDS: [&str; 26] = [
    "address",
    "availableFrom",
    "certificate",
    "channel",
    "code",
    "compareWith",
    "dryRun",
    "email",
    "kind",
    "language",
    "legalNotice",
    "mobile",
    "name",
    "person",
    "personidentifikatorer",
    "persons",
    "preferredChannel",
    "provider",
    "purpose",
    "reference",
    "remind",
    "sender",
    "sender/nameMayBeShown",
    "sender/organisation",
    "sender/sector",
    "spraak",
];

/// Every method of every route.
const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];

/// The answer, which must be this problem, and say nothing but what the register always says of it: so nothing of the
/// request can be in it.
#[track_caller]
pub(crate) fn refused(row: impl std::fmt::Display, answer: Answer, status: u16, kind: &str) -> Answer {
    assert_eq!(
        (answer.status.as_u16(), &answer.body["type"]),
        (status, &Value::from(format!("urn:problem-type:{kind}"))),
        "{row}: {}",
        answer.body
    );
    let answer = answer.problem(status, kind);
    let known = |slug: &Value| Kind::ALL.iter().find(|kind| *slug == kind.slug());
    for (name, value) in answer.body.as_object().unwrap() {
        match name.as_str() {
            "type" => {}
            // Only where clients of the existing register read it.
            "title" | "detail" => assert_eq!(value, known(&kind.into()).unwrap().title(), "{row}"),
            "status" => assert_eq!(value, status, "{row}"),
            "fault" => assert_eq!(value, "caller", "{row}"),
            "retryable" => assert_eq!(
                value,
                &Value::from(matches!(status, 409 | 429) && answer.headers.contains_key("retry-after")),
                "{row}"
            ),
            "errors" => {
                for error in value.as_array().unwrap() {
                    assert_eq!(error.as_object().unwrap().len(), 2, "{row}: {error}");
                    assert!(known(&error["code"]).is_some(), "{row}: {error}");
                    let pointer = error["pointer"].as_str().unwrap();
                    let is_known = match pointer
                        .strip_prefix("/persons/")
                        .or_else(|| pointer.strip_prefix("/personidentifikatorer/"))
                    {
                        Some(place) => place.parse::<u16>().is_ok(),
                        None => FIELDS.contains(&&pointer[1..]),
                    };
                    assert!(is_known, "{row}: {error}");
                }
            }
            _ => panic!("{row}: {name} is no part of a problem"),
        }
    }
    for (name, value) in &answer.headers {
        let value = value.to_str().unwrap();
        let is_ours = match name.as_str() {
            "content-type" => value == "application/problem+json",
            "cache-control" => value == "no-store",
            "x-content-type-options" => value == "nosniff",
            "x-request-id" => value.parse::<Uuid>().is_ok(),
            "content-length" | "retry-after" => value.parse::<u32>().is_ok(),
            "www-authenticate" => value == "Bearer error=\"invalid_token\"",
            "allow" => value.split(',').all(|method| METHODS.contains(&method)),
            "date" => value.ends_with(" GMT"),
            _ => false,
        };
        assert!(is_ours, "{row}: {name}: {value}");
    }
    answer
}
