//! Where the register is: a stack in AWS, or one of `cargo run -p local`, and its tables, queues and secret.

use std::{collections::BTreeMap, fs, io, path::PathBuf, str::FromStr, time::Duration};

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use clap::Args;
use infra_aws::{
    addresses::Addresses,
    error::StoreError,
    keys,
    register::Register,
    sdk::{self, NoAws},
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};
use jiff::Timestamp;
use mailbox_register::{person::Population, secret::Secrets};
use serde::Deserialize;

/// Which register it is done to.
#[derive(Debug, Clone, Default, Args)]
pub struct Where {
    /// File with what `aws cloudformation describe-stacks --stack-name <stack>` printed: it names tables, queues and settings.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "local")]
    pub stack: Option<PathBuf>,
    /// A running stack of `cargo run -p local` in place of AWS, such as `http://127.0.0.1:3000`.
    #[arg(long, global = true, value_name = "URL")]
    pub local: Option<String>,
    /// Another table in place of one of the stack's, such as `RegisterTable=register-restored`. As often as needed.
    #[arg(long = "table", global = true, value_name = "OUTPUT=TABLE")]
    pub tables: Vec<Renamed>,
}

/// A table to use in place of one of the stack's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    output: String,
    table: String,
}

/// Not of the form `OUTPUT=TABLE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("OUTPUT=TABLE is wanted, such as RegisterTable=register-restored")]
pub struct NotRenamed;

impl FromStr for Renamed {
    type Err = NotRenamed;

    fn from_str(text: &str) -> Result<Self, NotRenamed> {
        match text.split_once('=') {
            Some((output, table)) if output.ends_with("Table") && !table.is_empty() => Ok(Self {
                output: output.to_owned(),
                table: table.to_owned(),
            }),
            _ => Err(NotRenamed),
        }
    }
}

/// Why the register cannot be got at.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Neither a stack in AWS nor a local one was named.
    #[error("--stack FILE or --local URL says which register is meant")]
    Nowhere,
    /// The file.
    #[error("{path}: {1}", path = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The file, or what the local stack answers, is something else.
    #[error("{0} is not what `aws cloudformation describe-stacks` prints of one stack")]
    NotAStack(String),
    /// There is no local stack.
    #[error("no local stack answers at {0}")]
    NoLocalStack(String),
    /// The stack has no such output or parameter.
    #[error("the stack names no {0}")]
    Missing(String),
    /// It has one that is not of the right form. It is not shown: it may be a secret.
    #[error("the stack's {0} is not of the right form")]
    Malformed(&'static str),
    /// The secrets' parameters do not go together.
    #[error("the stack's parameters: {0}")]
    Settings(#[from] SettingsError),
    /// The environment.
    #[error(transparent)]
    NoAws(#[from] NoAws),
    /// The key that wraps the secret.
    #[error("the register's secret: {0}")]
    Secret(#[source] StoreError),
}

/// A register that can be got at.
#[derive(Debug, Clone)]
pub struct Place {
    /// Outputs and parameters.
    values: BTreeMap<String, String>,
    /// What a local stack has in place of the environment.
    environment: BTreeMap<String, String>,
    config: SdkConfig,
    clock: Clock,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    stacks: Vec<DescribedStack>,
    /// Only of a local stack: what the environment holds otherwise.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Only of a local stack: its time, which can be moved.
    now: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedStack {
    #[serde(default)]
    outputs: Vec<Output>,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    output_key: String,
    output_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    parameter_key: String,
    #[serde(default)]
    parameter_value: String,
}

impl Place {
    /// Opens the place that is meant.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn open(meant: &Where) -> Result<Self, PlaceError> {
        let (text, name) = match (&meant.stack, &meant.local) {
            (Some(file), _) => {
                let text = fs::read_to_string(file).map_err(|error| PlaceError::File(file.clone(), error))?;
                (text, file.display().to_string())
            }
            (None, Some(url)) => (local(url).await?, url.clone()),
            (None, None) => return Err(PlaceError::Nowhere),
        };
        let not_a_stack = || PlaceError::NotAStack(name.clone());
        let Described {
            stacks,
            environment,
            now,
        } = serde_json::from_str(&text).map_err(|_| not_a_stack())?;
        let [stack] = <[_; 1]>::try_from(stacks).map_err(|_| not_a_stack())?;
        let parameters = stack.parameters.into_iter();
        let mut values: BTreeMap<_, _> = parameters
            .map(|parameter| (parameter.parameter_key, parameter.parameter_value))
            .collect();
        let outputs = stack.outputs.into_iter();
        values.extend(outputs.map(|output| (output.output_key, output.output_value)));
        let renamed = meant.tables.iter().cloned();
        values.extend(renamed.map(|Renamed { output, table }| (output, table)));
        let config = sdk::config(&|name| read(&environment, name))?;
        // Pages of large items, perhaps over a slow line, and nobody waits for one of them.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_mins(1))
            .build();
        Ok(Self {
            values,
            environment,
            config: config.to_builder().timeout_config(timeouts).build(),
            clock: clock(now),
        })
    }

    /// An output or parameter of the stack, such as the name of a table.
    ///
    /// # Errors
    /// [`PlaceError::Missing`].
    pub fn value(&self, name: &str) -> Result<String, PlaceError> {
        let value = self.values.get(name).filter(|value| !value.is_empty());
        value.cloned().ok_or_else(|| PlaceError::Missing(name.to_owned()))
    }

    /// The tables, by the outputs that name them.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str)> {
        let tables = self.values.iter().filter(|(output, _)| output.ends_with("Table"));
        tables.map(|(output, table)| (output.as_str(), table.as_str()))
    }

    /// A client for tables.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.service("DYNAMODB"))
    }

    /// A client for keys.
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.service("KMS"))
    }

    /// What person keys are made with: the parameters whose names begin with `PersonKey`, as the functions have them,
    /// unwrapped by KMS.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn secrets(&self) -> Result<Secrets, PlaceError> {
        // The functions' variables have the parameters' names in another spelling.
        let parameter = |variable: &str| match variable {
            "PERSON_KEY_VERSION" => self.value("PersonKeyVersion").ok(),
            "PERSON_KEY_WRAPPED" => self.value("PersonKeyWrapped").ok(),
            "PERSON_KEY_WRAPPED_NEXT" => self.value("PersonKeyWrappedNext").ok(),
            "PERSON_KEY_WRAPPED_PREVIOUS" => self.value("PersonKeyWrappedPrevious").ok(),
            _ => None,
        };
        let wrapped = Environment::new(&parameter).wrapped_secrets()?;
        keys::unwrap(&self.kms(), &wrapped).await.map_err(PlaceError::Secret)
    }

    /// Which persons this register holds.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn population(&self) -> Result<Population, PlaceError> {
        let malformed = |_| PlaceError::Malformed("Persons");
        self.value("Persons")?.parse().map_err(malformed)
    }

    /// Entries and their history.
    ///
    /// # Errors
    /// [`PlaceError::Missing`].
    pub fn register(&self) -> Result<Register, PlaceError> {
        let (register, changes) = (self.value("RegisterTable")?, self.value("ChangesTable")?);
        Ok(Register::new(self.dynamodb(), register, changes))
    }

    /// Who shares an address.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn addresses(&self) -> Result<Addresses, PlaceError> {
        let table = self.value("AddressesTable")?;
        Ok(Addresses::new(self.dynamodb(), table, self.secrets().await?))
    }

    /// The time there.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    fn service(&self, name: &str) -> SdkConfig {
        sdk::endpoint(&self.config, name, &|name| read(&self.environment, name))
    }
}

/// A variable: a local stack's own, or the process's.
fn read(own: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let process = || std::env::var(name).ok().filter(|value| !value.is_empty());
    // What is set for AWS is not for a local stack.
    if own.is_empty() {
        process()
    } else {
        own.get(name).cloned()
    }
}

async fn local(url: &str) -> Result<String, PlaceError> {
    let nobody = |_| PlaceError::NoLocalStack(url.to_owned());
    let client = reqwest::Client::builder().no_proxy().build().map_err(nobody)?;
    let asked = format!("{}/local/stack", url.trim_end_matches('/'));
    let answer = client.get(asked).send().await.map_err(nobody)?;
    let answer = answer.error_for_status().map_err(nobody)?;
    answer.text().await.map_err(nobody)
}

/// The machine's clock, or one that goes as far from it as a local stack's does.
fn clock(local: Option<Timestamp>) -> Clock {
    let system = Clock::system();
    let Some(local) = local else { return system };
    let ahead = local.duration_since(system.now());
    Clock::new(move || system.now().checked_add(ahead).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_renamed_by_its_output() {
        let renamed: Renamed = "RegisterTable=register-restored".parse().unwrap();
        assert_eq!(
            (renamed.output.as_str(), renamed.table.as_str()),
            ("RegisterTable", "register-restored")
        );
        for wrong in ["RegisterTable", "RegisterTable=", "=register", "PersonKeyWrapped=x"] {
            assert_eq!(wrong.parse::<Renamed>(), Err(NotRenamed), "{wrong}");
        }
    }
}
