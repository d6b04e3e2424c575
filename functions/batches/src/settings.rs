//! The function's settings, and the function made from them.

use infra_aws::{batches::Batches, directory::Directory, files::Files, keys::Wrapped, steps::StepQueue};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};
use mailbox_register::secret::Secrets;

use crate::App;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    batches: String,
    directory: String,
    bucket: String,
    queue: String,
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
        Ok(Self {
            batches: environment.required("BATCHES_TABLE")?,
            directory: environment.required("DIRECTORY_TABLE")?,
            bucket: environment.required("FILES_BUCKET")?,
            queue: environment.required("BATCH_QUEUE_URL")?,
            wrapped_secrets: environment.wrapped_secrets()?,
        })
    }

    /// The function on these settings.
    pub fn app(self, clients: Clients, secrets: &Secrets, clock: Clock) -> App {
        App {
            batches: Batches::new(clients.dynamodb.clone(), self.batches),
            directory: Directory::new(clients.dynamodb, self.directory),
            files: Files::new(clients.s3, self.bucket),
            steps: StepQueue::new(clients.sqs, self.queue),
            secrets: secrets.clone(),
            clock,
        }
    }
}
