//! The function's settings, and the function made from them.

use std::num::NonZeroU32;

use aws_sdk_dynamodb::Client;
use infra_aws::{notices::Notices, register::Register};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};

use crate::App;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    register: String,
    changes: String,
    notices: String,
    per_minute: NonZeroU32,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first that is missing or wrong.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            register: environment.required("REGISTER_TABLE")?,
            changes: environment.required("CHANGES_TABLE")?,
            notices: environment.required("NOTICES_TABLE")?,
            per_minute: environment.parsed("REMINDERS_PER_MINUTE")?,
        })
    }

    /// The function on these settings.
    pub fn app(self, client: &Client, clock: Clock) -> App {
        App {
            register: Register::new(client.clone(), self.register, self.changes),
            notices: Notices::new(client.clone(), self.notices),
            per_minute: usize::try_from(self.per_minute.get()).unwrap_or(usize::MAX),
            clock,
        }
    }
}
