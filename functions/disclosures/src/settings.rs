//! The function's settings, and the function made from them.

use aws_sdk_dynamodb::Client;
use infra_aws::{disclosures::Copies, person_disclosures::PersonDisclosures, relations::Relations};
use infra_edge::settings::{Environment, SettingsError};

use crate::App;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    persons: String,
    relations: String,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            persons: environment.required("PERSON_DISCLOSURES_TABLE")?,
            relations: environment.required("RELATIONS_TABLE")?,
        })
    }

    /// The function on these settings.
    pub fn app(self, client: &Client) -> App {
        App {
            copies: Copies {
                persons: PersonDisclosures::new(client.clone(), self.persons),
                relations: Relations::new(client.clone(), self.relations),
            },
        }
    }
}
