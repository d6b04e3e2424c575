//! The function's settings, and the function made from them.

use infra_aws::{addresses::Addresses, keys::Wrapped, register::Register};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};
use mailbox_register::{person::Population, secret::Secrets};

use crate::App;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    register: String,
    changes: String,
    addresses: String,
    population: Population,
    sealing_key: String,
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
            addresses: environment.required("ADDRESSES_TABLE")?,
            population: environment.parsed("PERSONS")?,
            sealing_key: environment.required("POPULATION_KEY")?,
            wrapped_secrets: environment.wrapped_secrets()?,
        })
    }

    /// The function on these settings.
    pub fn app(
        self,
        dynamodb: &aws_sdk_dynamodb::Client,
        kms: aws_sdk_kms::Client,
        secrets: &Secrets,
        clock: Clock,
    ) -> App {
        App {
            register: Register::new(dynamodb.clone(), self.register, self.changes),
            addresses: Addresses::new(dynamodb.clone(), self.addresses, secrets.clone()),
            kms,
            sealing_key: self.sealing_key,
            population: self.population,
            secrets: secrets.clone(),
            clock,
        }
    }
}
