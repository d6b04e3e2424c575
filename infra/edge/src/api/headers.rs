//! Header fields of answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::{
    Header, Object, ObjectBuilder, RefOr, Schema, Type, extensions::Extensions, header::HeaderBuilder,
};

/// Says that a header is always there: this library has no word for it, and whoever writes the document puts the right one in.
pub(super) const ALWAYS: &str = "x-always";

/// On every answer.
pub(super) const COMMON: [(&str, &str); 3] = [
    ("Cache-Control", "NoStore"),
    ("X-Content-Type-Options", "NoSniff"),
    ("X-Request-Id", "RequestId"),
];
pub(super) const ETAG: (&str, &str) = ("ETag", "EntryVersion");
pub(super) const QUOTAS: [(&str, &str); 2] = [("RateLimit-Policy", "Quotas"), ("RateLimit", "QuotasLeft")];
pub(super) const QUOTAS_PERHAPS: [(&str, &str); 2] = [
    ("RateLimit-Policy", "PerhapsQuotas"),
    ("RateLimit", "PerhapsQuotasLeft"),
];
pub(super) const RETRY_AFTER: (&str, &str) = ("Retry-After", "RetryAfter");
pub(super) const RETRY_AFTER_PERHAPS: (&str, &str) = ("Retry-After", "PerhapsRetryAfter");
pub(super) const AUTHENTICATE: (&str, &str) = ("WWW-Authenticate", "Authenticate");

/// Every header that an answer can have, by the name that answers refer to it by.
pub fn headers() -> BTreeMap<String, RefOr<Header>> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let policy = || {
        text()
            .pattern(Some(r#"^"minute";q=[0-9]+;w=60, "day";q=[0-9]+;w=86400$"#))
            .build()
    };
    let left = || {
        text()
            .pattern(Some(r#"^"minute";r=[0-9]+;t=[0-9]+, "day";r=[0-9]+;t=[0-9]+$"#))
            .build()
    };
    let seconds = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
    let said = "Limits on persons that an organisation may ask for (draft-ietf-httpapi-ratelimit-headers).";
    let is_left = "How many persons may still be asked for, and in how many seconds the window ends.";
    let wait = "Seconds after which the same request can succeed.";
    [
        (
            "NoStore",
            true,
            "No answer may be stored.",
            fixed("no-store"),
            json!("no-store"),
        ),
        (
            "NoSniff",
            true,
            "The media type is what it says.",
            fixed("nosniff"),
            json!("nosniff"),
        ),
        (
            "RequestId",
            true,
            "The request's identity in the logs.",
            text().min_length(Some(1)).build(),
            json!("4dc94ab4-7f0a-4b3c-9a55-0f3d1c2b6a90"),
        ),
        (
            "EntryVersion",
            true,
            "The entry's version, for `If-Match`. `\"0\"` is that of a person who is not in the register.",
            text().pattern(Some(r#"^"[0-9]+"$"#)).build(),
            json!("\"7\""),
        ),
        (
            "Quotas",
            true,
            said,
            policy(),
            json!("\"minute\";q=10000;w=60, \"day\";q=200000;w=86400"),
        ),
        (
            "QuotasLeft",
            true,
            is_left,
            left(),
            json!("\"minute\";r=9000;t=42, \"day\";r=150000;t=43200"),
        ),
        (
            "PerhapsQuotas",
            false,
            said,
            policy(),
            json!("\"minute\";q=10000;w=60, \"day\";q=200000;w=86400"),
        ),
        (
            "PerhapsQuotasLeft",
            false,
            is_left,
            left(),
            json!("\"minute\";r=0;t=42, \"day\";r=150000;t=43200"),
        ),
        ("RetryAfter", true, wait, seconds(), json!(2)),
        ("PerhapsRetryAfter", false, wait, seconds(), json!(1)),
        (
            "Authenticate",
            true,
            "That a bearer token is wanted (RFC 6750).",
            fixed("Bearer error=\"invalid_token\""),
            json!("Bearer error=\"invalid_token\""),
        ),
    ]
    .into_iter()
    .map(|(name, always, description, schema, example)| (name.to_owned(), header(always, description, schema, example)))
    .collect()
}

fn fixed(value: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([value]))
        .build()
}

fn header(always: bool, description: &str, schema: Object, example: Value) -> RefOr<Header> {
    let said = always.then(|| Extensions::from_iter([(ALWAYS, Value::Bool(true))]));
    HeaderBuilder::new()
        .description(Some(description))
        .schema(Some(Schema::from(schema)))
        .example(Some(example))
        .extensions(said)
        .build()
        .into()
}
