//! The function's settings, and the function made from them.

use std::time::Duration;

use infra_aws::{
    caps::{Caps, DailyCaps},
    circuits::Circuits,
    directory::Directory,
    email::EmailSender,
    keys::Wrapped,
    letters::Letters,
    notices::Notices,
    outbox::Outbox,
    postmarks::Postmarks,
    register::Register,
    sms::SmsSender,
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};
use leaky_bucket::RateLimiter;
use mailbox_register::{secret::Secrets, texts::OwnerName};

use crate::{App, Pace};

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    notices: String,
    letters: String,
    register: String,
    changes: String,
    postmarks: String,
    sending: String,
    directory: String,
    owner: OwnerName,
    sender_id: String,
    email_sender: String,
    configuration_set: String,
    caps: DailyCaps,
    sms_pace: Share,
    email_pace: Share,
    /// The register's secrets, wrapped by KMS.
    pub wrapped_secrets: Wrapped,
}

/// Longest wait for a worker's turn.
const SLOWEST: Duration = Duration::from_secs(2);

/// A worker's share of what a provider takes.
#[derive(Debug, Clone, Copy)]
struct Share {
    per_second: u32,
    workers: u32,
}

impl Share {
    fn read(environment: &Environment<'_>, per_second: &str, workers: &str) -> Result<Self, SettingsError> {
        let share = Self {
            per_second: environment.parsed(per_second)?,
            workers: environment.parsed(workers)?,
        };
        if share.per_second == 0 {
            return Err(SettingsError::Malformed(per_second.to_owned()));
        }
        Ok(share)
    }

    /// No more at once than what one millisecond brings: a worker that was frozen has no arrears.
    fn limiter(self) -> RateLimiter {
        let one = Duration::from_secs(self.workers.into()) / self.per_second;
        // The ten messages of a batch have to fit into the function's time: with more workers than messages a second,
        // what is too much is throttled by the provider, and waits.
        let one = one.min(SLOWEST);
        let interval = one.max(Duration::from_millis(1));
        let at_once = interval.as_nanos() / one.as_nanos().max(1);
        let at_once = usize::try_from(at_once).unwrap_or(1);
        RateLimiter::builder()
            .max(at_once)
            .initial(at_once)
            .refill(at_once)
            .interval(interval)
            .build()
    }
}

/// Clients of the services that the function calls.
#[derive(Debug)]
pub struct Clients {
    /// The tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// SMS, configured for sending: see [`infra_aws::sending::config`].
    pub sns: aws_sdk_sns::Client,
    /// E-mail, configured for sending.
    pub ses: aws_sdk_ses::Client,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first that is missing or wrong.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            notices: environment.required("NOTICES_TABLE")?,
            letters: environment.required("LETTERS_TABLE")?,
            register: environment.required("REGISTER_TABLE")?,
            changes: environment.required("CHANGES_TABLE")?,
            postmarks: environment.required("POSTMARKS_TABLE")?,
            sending: environment.required("SENDING_TABLE")?,
            directory: environment.required("DIRECTORY_TABLE")?,
            owner: environment.parsed("OWNER_NAME")?,
            sender_id: environment.required("SMS_SENDER_ID")?,
            email_sender: environment.required("EMAIL_SENDER")?,
            configuration_set: environment.required("SES_CONFIGURATION_SET")?,
            caps: DailyCaps {
                per_number: environment.parsed("SMS_PER_NUMBER_PER_DAY")?,
                in_all: environment.parsed("SMS_PER_DAY")?,
            },
            sms_pace: Share::read(environment, "SMS_PER_SECOND", "SMS_WORKERS")?,
            email_pace: Share::read(environment, "EMAIL_PER_SECOND", "EMAIL_WORKERS")?,
            wrapped_secrets: environment.wrapped_secrets()?,
        })
    }

    /// The function on these settings.
    pub fn app(self, clients: Clients, secrets: &Secrets, clock: Clock) -> App {
        App {
            outbox: Outbox {
                notices: Notices::new(clients.dynamodb.clone(), self.notices),
                letters: Letters::new(clients.dynamodb.clone(), self.letters),
            },
            register: Register::new(clients.dynamodb.clone(), self.register, self.changes),
            postmarks: Postmarks::new(clients.dynamodb.clone(), self.postmarks),
            circuits: Circuits::new(clients.dynamodb.clone(), self.sending.clone()),
            caps: Caps::new(
                clients.dynamodb.clone(),
                self.sending,
                secrets.oldest().clone(),
                self.caps,
            ),
            pace: Pace {
                sms: self.sms_pace.limiter(),
                email: self.email_pace.limiter(),
            },
            directory: Directory::new(clients.dynamodb, self.directory),
            sms: SmsSender::new(clients.sns, self.sender_id),
            email: EmailSender::new(clients.ses, self.email_sender, self.configuration_set),
            secrets: secrets.clone(),
            owner: self.owner,
            clock,
        }
    }
}
