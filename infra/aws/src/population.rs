//! What the population register tells of persons: messages of a queue, in which identity numbers are sealed.

use aws_sdk_kms::Client;
use jiff::Timestamp;
use mailbox_register::person::{PersonIdentifier, Population};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{error::StoreError, keys};

/// What happened to a person; identifiers are of type `P`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PopulationEvent<P> {
    /// One identifier gave way to another.
    IdentifierReplaced {
        /// The one that is no longer used.
        old: P,
        /// The one that took over.
        new: P,
    },
    /// The person has died.
    Died {
        /// Who.
        person: P,
    },
    /// The person has left the country.
    Emigrated {
        /// Who.
        person: P,
    },
}

impl<P> PopulationEvent<P> {
    /// The event's name, for records and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::IdentifierReplaced { .. } => "identifier-replaced",
            Self::Died { .. } => "died",
            Self::Emigrated { .. } => "emigrated",
        }
    }
}

/// A message: identifiers are sealed by a KMS key, in base64, each for this event, its kind and the field alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PopulationMessage {
    /// The event's identity. Random, so that it says nothing of the person.
    pub id: Uuid,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: PopulationEvent<String>,
}

/// Why a message says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// What is sealed in it is no identifier of this register's population.
    #[error("what is sealed is no identifier of this population")]
    Identifier,
    /// It cannot be opened, now or at all.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PopulationMessage {
    /// Seals an event.
    ///
    /// # Errors
    /// [`StoreError`], if KMS does not seal it.
    pub async fn seal(
        client: &Client,
        key: &str,
        (id, at): (Uuid, Timestamp),
        event: &PopulationEvent<PersonIdentifier>,
    ) -> Result<Self, StoreError> {
        let (id_of_event, name) = (id.to_string(), event.name());
        let seal = async |role, person: &PersonIdentifier| {
            keys::seal(client, key, &context(&id_of_event, name, role), person.as_str()).await
        };
        let event = match event {
            PopulationEvent::IdentifierReplaced { old, new } => PopulationEvent::IdentifierReplaced {
                old: seal("old", old).await?,
                new: seal("new", new).await?,
            },
            PopulationEvent::Died { person } => PopulationEvent::Died {
                person: seal("person", person).await?,
            },
            PopulationEvent::Emigrated { person } => PopulationEvent::Emigrated {
                person: seal("person", person).await?,
            },
        };
        Ok(Self { id, at, event })
    }

    /// Opens what is sealed.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub async fn open(
        &self,
        client: &Client,
        key: &str,
        population: Population,
    ) -> Result<PopulationEvent<PersonIdentifier>, Unreadable> {
        let (id, name) = (self.id.to_string(), self.event.name());
        let open = async |role, sealed: &str| {
            let opened = keys::open(client, key, &context(&id, name, role), sealed).await?;
            PersonIdentifier::parse(&opened, population).map_err(|_| Unreadable::Identifier)
        };
        Ok(match &self.event {
            PopulationEvent::IdentifierReplaced { old, new } => PopulationEvent::IdentifierReplaced {
                old: open("old", old).await?,
                new: open("new", new).await?,
            },
            PopulationEvent::Died { person } => PopulationEvent::Died {
                person: open("person", person).await?,
            },
            PopulationEvent::Emigrated { person } => PopulationEvent::Emigrated {
                person: open("person", person).await?,
            },
        })
    }
}

/// What is sealed opens in no other event, nor as another kind of event or in another role: nobody who writes to the queue alone
/// makes a death of a departure, or turns a replacement round.
const fn context<'a>(id: &'a str, name: &'a str, role: &'a str) -> [(&'static str, &'a str); 4] {
    [("purpose", "population"), ("event", id), ("kind", name), ("role", role)]
}
