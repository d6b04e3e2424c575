//! The function's settings, and the function made from them.

use std::time::Duration;

use infra_aws::{
    batches::Batches,
    directory::Directory,
    disclosures::{Disclosures, Place},
    files::Files,
    keys::Wrapped,
    letters::Letters,
    notices::Notices,
    outbox::Outbox,
    register::Register,
    steps::StepQueue,
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};
use leaky_bucket::RateLimiter;
use mailbox_register::{batch::cost::Prices, person::Population, secret::Secrets, texts::OwnerName};

use crate::{App, Limits};

/// Entries that a worker reads in a second at the least: a whole piece in a minute.
const SLOWEST: u32 = 100;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    batches: String,
    register: String,
    changes: String,
    letters: String,
    notices: String,
    disclosures: Place,
    directory: String,
    bucket: String,
    queue: String,
    population: Population,
    owner: OwnerName,
    prices: Prices,
    limits: Limits,
    reads_per_second: u32,
    /// The register's secrets, wrapped by KMS.
    pub wrapped_secrets: Wrapped,
}

/// Clients of the services that the function calls.
#[derive(Debug)]
pub struct Clients {
    /// The tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The files, configured by [`infra_aws::files::config`].
    pub s3: aws_sdk_s3::Client,
    /// The queue.
    pub sqs: aws_sdk_sqs::Client,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first that is missing or wrong.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingsError> {
        let positive = |name: &str| {
            let number: u32 = environment.parsed(name)?;
            if number == 0 {
                return Err(SettingsError::Malformed(name.to_owned()));
            }
            Ok(number)
        };
        Ok(Self {
            batches: environment.required("BATCHES_TABLE")?,
            register: environment.required("REGISTER_TABLE")?,
            changes: environment.required("CHANGES_TABLE")?,
            letters: environment.required("LETTERS_TABLE")?,
            notices: environment.required("NOTICES_TABLE")?,
            disclosures: environment.disclosures()?,
            directory: environment.required("DIRECTORY_TABLE")?,
            bucket: environment.required("FILES_BUCKET")?,
            queue: environment.required("BATCH_QUEUE_URL")?,
            population: environment.parsed("PERSONS")?,
            owner: environment.parsed("OWNER_NAME")?,
            prices: Prices {
                lookup: environment.parsed("LOOKUP_PRICE")?,
                sms_part: environment.parsed("SMS_PART_PRICE")?,
                email: environment.parsed("EMAIL_PRICE")?,
            },
            limits: Limits {
                rows: environment.parsed("FILE_MAX_ROWS")?,
                bytes: environment.parsed("FILE_MAX_BYTES")?,
                chunk_rows: positive("FILE_CHUNK_ROWS")?.into(),
                bad_percent: environment.parsed("FILE_HOLD_PERCENT")?,
                workers: positive("FILE_WORKERS")?,
            },
            reads_per_second: reads_per_second(environment, positive("FILE_WORKERS")?)?,
            wrapped_secrets: environment.wrapped_secrets()?,
        })
    }

    /// The function on these settings.
    pub fn app(self, clients: Clients, secrets: &Secrets, clock: Clock) -> App {
        let Clients { dynamodb, s3, sqs } = clients;
        App {
            batches: Batches::new(dynamodb.clone(), self.batches),
            files: Files::new(s3, self.bucket),
            steps: StepQueue::new(sqs, self.queue),
            register: Register::new(dynamodb.clone(), self.register, self.changes),
            outbox: Outbox {
                notices: Notices::new(dynamodb.clone(), self.notices),
                letters: Letters::new(dynamodb.clone(), self.letters),
            },
            disclosures: Disclosures::new(dynamodb.clone(), self.disclosures),
            directory: Directory::new(dynamodb, self.directory),
            secrets: secrets.clone(),
            population: self.population,
            owner: self.owner,
            prices: self.prices,
            limits: self.limits,
            pace: pace(self.reads_per_second / self.limits.workers),
            clock,
        }
    }
}

/// The reads of all workers together. A worker has to get through a piece while it is its own.
fn reads_per_second(environment: &Environment<'_>, workers: u32) -> Result<u32, SettingsError> {
    let name = "FILE_READS_PER_SECOND";
    let all: u32 = environment.parsed(name)?;
    if all / workers < SLOWEST {
        return Err(SettingsError::Malformed(name.to_owned()));
    }
    Ok(all)
}

/// One worker's share of the reads: a hundred at once at the most, so that a worker that was frozen has no arrears.
fn pace(per_second: u32) -> RateLimiter {
    let tenth = usize::try_from((per_second / 10).max(1)).unwrap_or(1);
    RateLimiter::builder()
        .max(tenth.max(100))
        .initial(tenth)
        .refill(tenth)
        .interval(Duration::from_millis(100))
        .build()
}
