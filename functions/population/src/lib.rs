//! What the population register tells: an identity number was replaced, somebody has died or left the country.
//!
//! Events come twice and in any order. Each is applied to whatever stands for the person now, and says nothing new the
//! second time. A message that cannot be read fails alone, and in the end is set aside; nothing of it is logged.

mod gone;
mod replaced;
mod settings;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use infra_aws::{
    addresses::Addresses,
    error::StoreError,
    population::{PopulationEvent, PopulationMessage, Unreadable},
    register::Register,
};
use infra_edge::{clock::Clock, telemetry, trace};
use mailbox_register::{person::Population, secret::Secrets};

pub use settings::Settings;

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Entries and their history.
    pub register: Register,
    /// Who shares an address.
    pub addresses: Addresses,
    /// What opens sealed numbers.
    pub kms: aws_sdk_kms::Client,
    /// The key that sealed them.
    pub sealing_key: String,
    /// Which persons this register holds.
    pub population: Population,
    /// What person keys are made with.
    pub secrets: Secrets,
    /// The time.
    pub clock: Clock,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Entries changed.
    Now,
    /// They are as the event says, or the register has nobody whom it concerns.
    Before,
}

/// Why a message was not handled. Nothing of it is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum NotHandled {
    #[error("not a message of the population register")]
    Unknown,
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Handles messages of the queue. Those that fail are named in the answer.
pub async fn handle(app: &App, event: SqsEvent) -> SqsBatchResponse {
    let mut answer = SqsBatchResponse::default();
    for message in event.records {
        let handled = handle_message(app, message.body.as_deref().unwrap_or_default());
        if !trace::message(&message, handled).await {
            metrics::counter!("PopulationFailures").increment(1);
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.unwrap_or_default();
            answer.batch_item_failures.push(failure);
        }
    }
    telemetry::flush();
    answer
}

async fn handle_message(app: &App, body: &str) -> Result<(), NotHandled> {
    let message: PopulationMessage = serde_json::from_str(body).map_err(|_| NotHandled::Unknown)?;
    let name = message.event.name();
    let applied = match message.open(&app.kms, &app.sealing_key, app.population).await? {
        PopulationEvent::IdentifierReplaced { old, new } => replaced::replace(app, &old, &new).await?,
        PopulationEvent::Died { person } => gone::died(app, &person).await?,
        PopulationEvent::Emigrated { person } => gone::emigrated(app, &person).await?,
    };
    let outcome = match applied {
        Applied::Now => "applied",
        Applied::Before => "nothing new",
    };
    tracing::info!(event = %message.id, name, outcome, "handled");
    metrics::counter!("PopulationEvents", "event" => name, "outcome" => outcome).increment(1);
    let age = app.clock.now().duration_since(message.at).as_secs_f64();
    metrics::histogram!("PopulationEventAge").record(age.max(0.0));
    Ok(())
}
