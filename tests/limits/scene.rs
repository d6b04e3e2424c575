//! A register with limits, and what its answers say of them.

use http::HeaderMap;
use local::stack::Options;
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{Answer, Caller, World, start_of_time};

/// Another agency of the directory.
pub(crate) const OTHER_AGENCY: &str = "974760673";
/// Persons in the register.
pub(crate) const KNOWN: [&str; 3] = ["22885399316", "21836797660", "22838497199"];

/// A register with these limits.
pub(crate) fn limited(per_minute: u32, per_day: u32, miss_percent: u8) -> Options {
    Options {
        frozen_at: Some(start_of_time()),
        parameters: [
            ("LookupsPerMinute", per_minute.to_string()),
            ("LookupsPerDay", per_day.to_string()),
            ("MissPercent", miss_percent.to_string()),
        ]
        .into(),
        ..Options::default()
    }
}

/// An agency that may look up and announce letters.
pub(crate) fn agency<'a>(world: &'a World, organisation: &str) -> Caller<'a> {
    world.organisation(
        organisation,
        &[Scope::ContactRead, Scope::MailboxRead, Scope::LettersWrite],
    )
}

/// So many persons, none of whom is in the register.
pub(crate) fn unknown(count: usize) -> Vec<String> {
    local::persons::synthetic().take(count).collect()
}

/// Looks persons up.
pub(crate) async fn look_up(caller: &Caller<'_>, persons: &[impl AsRef<str>]) -> Answer {
    let persons: Vec<_> = persons.iter().map(AsRef::as_ref).collect();
    let body = json!({ "persons": persons, "purpose": "Decision on a building permit" });
    caller.post("/v1/lookups", &body).send().await
}

/// Looks up so many persons, none of whom is in the register.
pub(crate) async fn look_up_some(caller: &Caller<'_>, count: usize) -> Answer {
    look_up(caller, &unknown(count)).await
}

/// The answer, which must be a refusal for now that can be repeated; and the seconds to wait.
#[track_caller]
pub(crate) fn wait(answer: Answer, kind: &str) -> i64 {
    let answer = answer.problem(429, kind);
    assert_eq!(
        (
            &answer.body["fault"],
            &answer.body["retryable"],
            answer.body.get("results")
        ),
        (&json!("caller"), &json!(true), None::<&Value>)
    );
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

/// The items of a list of structured fields (RFC 9651): a name each, and its whole numbers by key.
fn items(headers: &HeaderMap, field: &str) -> Vec<(String, Vec<(String, i64)>)> {
    let list = headers[field].to_str().unwrap();
    let item = |item: &str| {
        let mut parts = item.trim().split(';');
        let name = parts.next().unwrap();
        let name = name.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        let parameters = parts.map(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap();
            (key.to_owned(), value.parse().unwrap())
        });
        (name.to_owned(), parameters.collect())
    };
    list.split(',').map(item).collect()
}

fn of(items: Vec<(String, Vec<(String, i64)>)>, keys: [&str; 2]) -> [[i64; 2]; 2] {
    let values = items
        .into_iter()
        .zip(["minute", "day"])
        .map(|((name, parameters), window)| {
            assert_eq!(name, window);
            let (named, values): (Vec<_>, Vec<_>) = parameters.into_iter().unzip();
            assert_eq!(named, keys);
            values.try_into().unwrap()
        });
    values.collect::<Vec<_>>().try_into().unwrap()
}

/// Most persons, and the window's seconds: of the minute and of the day.
#[track_caller]
pub(crate) fn policy(answer: &Answer) -> [[i64; 2]; 2] {
    of(items(&answer.headers, "ratelimit-policy"), ["q", "w"])
}

/// What is left, and the seconds until there is more: of the minute and of the day.
#[track_caller]
pub(crate) fn left(answer: &Answer) -> [[i64; 2]; 2] {
    of(items(&answer.headers, "ratelimit"), ["r", "t"])
}
