//! The record of disclosures is copied, person by person, for each to read who looked them up.
//!
//! A record may be delivered twice: what is there is left as it is. Nothing is ever changed or removed, and the function has
//! no right to. Whom an organisation has to do with follows from the same records.

mod settings;

use aws_lambda_events::event::dynamodb;
use infra_aws::{disclosures::Copies, error::StoreError};
use infra_edge::{
    stream::{Answer, BatchItemFailure},
    telemetry,
};
use mailbox_register::disclosure::Record;
use serde_dynamo::{AttributeValue, Item};

pub use settings::Settings;

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// What persons may read, and which persons an organisation has to do with.
    pub copies: Copies,
}

/// Handles records of the table's stream, and names those that have to be delivered again.
pub async fn handle(app: &App, event: dynamodb::Event) -> Answer {
    let mut answer = Answer::default();
    for record in event.records {
        // An item that is removed leaves an empty image.
        if record.change.new_image.is_empty() {
            continue;
        }
        let Err(error) = copy(app, record.change.new_image).await else {
            continue;
        };
        tracing::error!(%error, "a record could not be handled");
        metrics::counter!("DisclosureFailures").increment(1);
        answer.batch_item_failures.push(BatchItemFailure {
            item_identifier: record.change.sequence_number.unwrap_or_default(),
        });
        // All after the first that failed come again: a table that is down is left alone for now.
        if matches!(error, StoreError::Unavailable(_)) {
            break;
        }
    }
    telemetry::flush();
    answer
}

/// Adds a record to what each of its persons may read.
async fn copy(app: &App, image: Item) -> Result<(), StoreError> {
    let mut image = image.into_inner();
    let expires_at = match image.remove("expiresAt") {
        Some(AttributeValue::N(at)) => at.parse().ok(),
        _ => None,
    };
    let expires_at = expires_at.ok_or(StoreError::Unreadable("disclosures"))?;
    let record: Record = serde_dynamo::from_item(image).map_err(|_| StoreError::Unreadable("disclosures"))?;
    app.copies.add(&record, expires_at).await?;
    metrics::counter!("PersonsDisclosed").increment(record.named().len() as u64);
    Ok(())
}
