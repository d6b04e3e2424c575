//! How much may still be asked for, as header fields: draft-ietf-httpapi-ratelimit-headers, structured fields.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use mailbox_register::usage::{Quota, Quotas};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Puts both fields among an answer's headers. What is counted is persons, not requests.
pub(crate) fn show(quotas: &Quotas, headers: &mut HeaderMap) {
    let policy = |name, quota: Quota| format!("\"{name}\";q={};w={}", quota.most, quota.window);
    let left = |name, quota: Quota| format!("\"{name}\";r={};t={}", quota.left, quota.ends_in);
    let Quotas { minute, day } = *quotas;
    for (field, value) in [
        (POLICY, [policy("minute", minute), policy("day", day)]),
        (LEFT, [left("minute", minute), left("day", day)]),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value.join(", ")) {
            headers.insert(field, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fields_name_both_windows() {
        let quota = |most, left, window, ends_in| Quota {
            most,
            left,
            window,
            ends_in,
        };
        let quotas = Quotas {
            minute: quota(10_000, 9000, 60, 42),
            day: quota(200_000, 0, 86_400, 3600),
        };
        let mut headers = HeaderMap::new();
        show(&quotas, &mut headers);
        assert_eq!(
            headers["ratelimit-policy"],
            "\"minute\";q=10000;w=60, \"day\";q=200000;w=86400"
        );
        assert_eq!(headers["ratelimit"], "\"minute\";r=9000;t=42, \"day\";r=0;t=3600");
    }
}
