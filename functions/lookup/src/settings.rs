//! The function's settings, and the function made from them.

use infra_aws::{
    directory::Directory,
    disclosures::{Disclosures, Place},
    feed::Feed,
    keys::Wrapped,
    register::Entries,
    relations::Relations,
    signatures::Signatures,
    usage::Usage,
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
    usage::{self, Limiter},
};
use mailbox_register::{person::Population, secret::Secrets, usage::Limits};

use crate::App;

/// Clients of what the function calls.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The signing key.
    pub kms: aws_sdk_kms::Client,
}

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    register: String,
    disclosures: Place,
    feed: String,
    relations: String,
    directory: String,
    usage: String,
    limits: Limits,
    signing_key: String,
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
            disclosures: environment.disclosures()?,
            feed: environment.required("FEED_TABLE")?,
            relations: environment.required("RELATIONS_TABLE")?,
            directory: environment.required("DIRECTORY_TABLE")?,
            usage: environment.required("USAGE_TABLE")?,
            limits: usage::limits(environment)?,
            signing_key: environment.required("SIGNING_KEY")?,
            population: environment.parsed("PERSONS")?,
            wrapped_secrets: environment.wrapped_secrets()?,
        })
    }

    /// The function on these settings.
    pub fn app(self, clients: Clients, secrets: &Secrets, clock: Clock) -> App {
        let Clients { dynamodb, kms } = clients;
        App {
            register: Entries::new(dynamodb.clone(), self.register),
            disclosures: Disclosures::new(dynamodb.clone(), self.disclosures),
            feed: Feed::new(dynamodb.clone(), self.feed),
            relations: Relations::new(dynamodb.clone(), self.relations),
            directory: Directory::new(dynamodb.clone(), self.directory),
            limiter: Limiter::new(Usage::new(dynamodb, self.usage), self.limits),
            signatures: Signatures::new(kms, self.signing_key),
            secrets: secrets.clone(),
            population: self.population,
            clock,
        }
    }
}
