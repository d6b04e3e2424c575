//! The function's settings, and the function made from them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use infra_aws::{directory::Directory, email::EmailSender, notices::Notices, register::Entries, sms::SmsSender};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};
use mailbox_register::{secret::Secret, texts::OwnerName};

use crate::App;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    notices: String,
    register: String,
    directory: String,
    owner: OwnerName,
    sender_id: String,
    email_sender: String,
    configuration_set: String,
    /// The register's secret, wrapped by KMS.
    pub wrapped_secret: Vec<u8>,
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
            register: environment.required("REGISTER_TABLE")?,
            directory: environment.required("DIRECTORY_TABLE")?,
            owner: environment.parsed("OWNER_NAME")?,
            sender_id: environment.required("SMS_SENDER_ID")?,
            email_sender: environment.required("EMAIL_SENDER")?,
            configuration_set: environment.required("SES_CONFIGURATION_SET")?,
            wrapped_secret: STANDARD
                .decode(environment.required("PERSON_KEY_WRAPPED")?)
                .map_err(|_| SettingsError::Malformed("PERSON_KEY_WRAPPED".to_owned()))?,
        })
    }

    /// The function on these settings.
    pub fn app(self, clients: Clients, secret: &Secret, clock: Clock) -> App {
        App {
            notices: Notices::new(clients.dynamodb.clone(), self.notices),
            register: Entries::new(clients.dynamodb.clone(), self.register),
            directory: Directory::new(clients.dynamodb, self.directory),
            sms: SmsSender::new(clients.sns, self.sender_id),
            email: EmailSender::new(clients.ses, self.email_sender, self.configuration_set),
            secret: secret.clone(),
            owner: self.owner,
            clock,
        }
    }
}
