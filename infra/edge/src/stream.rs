//! What a function that reads a table's stream answers.

use serde::{Deserialize, Serialize};

/// Records that have to be delivered again. Without any, all were handled.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The records' sequence numbers.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// One record that has to be delivered again.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// Its sequence number. Without one Lambda would take the whole batch for handled: an empty one fails it all.
    pub item_identifier: String,
}
