//! The function's settings, and the function made from them.

use infra_aws::{
    addresses::Addresses,
    codes::Codes,
    directory::Directory,
    disclosures::{Disclosures, Place},
    keys::Wrapped,
    notices::Notices,
    person_disclosures::PersonDisclosures,
    register::Register,
    requests::Requests,
    signatures::Signatures,
    usage::Usage,
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
    usage::{self, Limiter},
};
use mailbox_register::{contact::mobile::AllowedCountries, person::Population, secret::Secrets, usage::Limits};

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
    changes: String,
    notices: String,
    requests: String,
    codes: String,
    directory: String,
    addresses: String,
    disclosures: Place,
    person_disclosures: String,
    usage: String,
    limits: Limits,
    signing_key: String,
    population: Population,
    countries: AllowedCountries,
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
            changes: environment.required("CHANGES_TABLE")?,
            notices: environment.required("NOTICES_TABLE")?,
            requests: environment.required("REQUESTS_TABLE")?,
            codes: environment.required("CODES_TABLE")?,
            directory: environment.required("DIRECTORY_TABLE")?,
            addresses: environment.required("ADDRESSES_TABLE")?,
            disclosures: environment.disclosures()?,
            person_disclosures: environment.required("PERSON_DISCLOSURES_TABLE")?,
            usage: environment.required("USAGE_TABLE")?,
            limits: usage::limits(environment)?,
            signing_key: environment.required("SIGNING_KEY")?,
            population: environment.parsed("PERSONS")?,
            countries: environment.parsed("SMS_COUNTRIES")?,
            wrapped_secrets: environment.wrapped_secrets()?,
        })
    }

    /// The function on these settings.
    pub fn app(self, clients: &Clients, secrets: &Secrets, clock: Clock) -> App {
        let client = &clients.dynamodb;
        App {
            register: Register::new(client.clone(), self.register, self.changes),
            notices: Notices::new(client.clone(), self.notices),
            requests: Requests::new(client.clone(), self.requests, secrets.clone()),
            codes: Codes::new(client.clone(), self.codes, secrets.clone()),
            directory: Directory::new(client.clone(), self.directory),
            addresses: Addresses::new(client.clone(), self.addresses, secrets.clone()),
            disclosures: Disclosures::new(client.clone(), self.disclosures),
            limiter: Limiter::new(Usage::new(client.clone(), self.usage), self.limits),
            signatures: Signatures::new(clients.kms.clone(), self.signing_key),
            person_disclosures: PersonDisclosures::new(client.clone(), self.person_disclosures),
            secrets: secrets.clone(),
            population: self.population,
            countries: self.countries,
            clock,
        }
    }
}
