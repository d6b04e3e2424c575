//! The function's settings, and the function made from them.

use aws_sdk_dynamodb::Client;
use infra_aws::{
    directory::Directory,
    disclosures::{Disclosures, Place},
    feed::Feed,
    keys::Wrapped,
    letters::Letters,
    notices::Notices,
    outbox::Outbox,
    register::Entries,
    requests::Requests,
    usage::Usage,
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
    usage::{self, Limiter},
};
use mailbox_register::{person::Population, secret::Secrets, usage::Limits};

use crate::App;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    register: String,
    letters: String,
    notices: String,
    feed: String,
    requests: String,
    disclosures: Place,
    directory: String,
    usage: String,
    limits: Limits,
    population: Population,
    /// The register's secrets, wrapped by KMS.
    pub wrapped_secrets: Wrapped,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first that is missing or wrong.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            register: environment.required("REGISTER_TABLE")?,
            letters: environment.required("LETTERS_TABLE")?,
            notices: environment.required("NOTICES_TABLE")?,
            feed: environment.required("FEED_TABLE")?,
            requests: environment.required("REQUESTS_TABLE")?,
            disclosures: environment.disclosures()?,
            directory: environment.required("DIRECTORY_TABLE")?,
            usage: environment.required("USAGE_TABLE")?,
            limits: usage::limits(environment)?,
            population: environment.parsed("PERSONS")?,
            wrapped_secrets: environment.wrapped_secrets()?,
        })
    }

    /// The function on these settings.
    pub fn app(self, client: &Client, secrets: &Secrets, clock: Clock) -> App {
        App {
            register: Entries::new(client.clone(), self.register),
            outbox: Outbox {
                notices: Notices::new(client.clone(), self.notices),
                letters: Letters::new(client.clone(), self.letters),
            },
            feed: Feed::new(client.clone(), self.feed),
            requests: Requests::new(client.clone(), self.requests, secrets.clone()),
            disclosures: Disclosures::new(client.clone(), self.disclosures),
            directory: Directory::new(client.clone(), self.directory),
            limiter: Limiter::new(Usage::new(client.clone(), self.usage), self.limits),
            secrets: secrets.clone(),
            population: self.population,
            clock,
        }
    }
}
