//! The function's settings, and the function made from them.

use aws_sdk_dynamodb::Client;
use infra_aws::{
    addresses::Addresses, codes::Codes, directory::Directory, disclosures::Disclosures, notices::Notices,
    register::Register, requests::Requests, usage::Usage,
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
    usage::{self, Limiter},
};
use mailbox_register::{contact::mobile::AllowedCountries, person::Population, secret::Secret, usage::Limits};

use crate::App;

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
    disclosures: String,
    usage: String,
    limits: Limits,
    population: Population,
    countries: AllowedCountries,
    /// The register's secret, wrapped by KMS.
    pub wrapped_secret: Vec<u8>,
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
            disclosures: environment.required("DISCLOSURES_TABLE")?,
            usage: environment.required("USAGE_TABLE")?,
            limits: usage::limits(environment)?,
            population: environment.parsed("PERSONS")?,
            countries: environment.parsed("SMS_COUNTRIES")?,
            wrapped_secret: environment.bytes("PERSON_KEY_WRAPPED")?,
        })
    }

    /// The function on these settings.
    pub fn app(self, client: &Client, secret: &Secret, clock: Clock) -> App {
        App {
            register: Register::new(client.clone(), self.register, self.changes),
            notices: Notices::new(client.clone(), self.notices),
            requests: Requests::new(client.clone(), self.requests, secret.clone()),
            codes: Codes::new(client.clone(), self.codes, secret.clone()),
            directory: Directory::new(client.clone(), self.directory),
            addresses: Addresses::new(client.clone(), self.addresses, secret.clone()),
            disclosures: Disclosures::new(client.clone(), self.disclosures),
            limiter: Limiter::new(Usage::new(client.clone(), self.usage), self.limits),
            secret: secret.clone(),
            population: self.population,
            countries: self.countries,
            clock,
        }
    }
}
