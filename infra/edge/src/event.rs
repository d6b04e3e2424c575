//! Events that start a function.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// An event of no kind that the function is started by. Nothing of it is repeated: it may be about a person.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("not an event that starts this function")]
pub struct UnknownEvent;

/// Reads an event of a kind. The runtime would answer and log what serde says of one that is none, with values of it.
///
/// # Errors
/// [`UnknownEvent`].
pub fn read<T: DeserializeOwned>(event: Value) -> Result<T, UnknownEvent> {
    serde_json::from_value(event).map_err(|_| UnknownEvent)
}

/// Whether it is a schedule's: its time has come.
pub fn is_tick(event: &Value) -> bool {
    event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event")
}
