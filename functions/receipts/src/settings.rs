//! The function's settings, and the function made from them.

use aws_sdk_dynamodb::Client;
use infra_aws::{
    circuits::Circuits, letters::Letters, notices::Notices, outbox::Outbox, postmarks::Postmarks, register::Register,
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};

use crate::{App, source::Sources};

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    notices: String,
    letters: String,
    postmarks: String,
    register: String,
    changes: String,
    sending: String,
    sources: Sources,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            notices: environment.required("NOTICES_TABLE")?,
            letters: environment.required("LETTERS_TABLE")?,
            postmarks: environment.required("POSTMARKS_TABLE")?,
            register: environment.required("REGISTER_TABLE")?,
            changes: environment.required("CHANGES_TABLE")?,
            sending: environment.required("SENDING_TABLE")?,
            sources: Sources {
                account: environment.required("ACCOUNT")?,
                email_topic: environment.required("EMAIL_TOPIC")?,
                configuration_set: environment.required("SES_CONFIGURATION_SET")?,
                sms_log_groups: [
                    environment.required("SMS_LOG_GROUP")?,
                    environment.required("SMS_FAILURE_LOG_GROUP")?,
                ],
            },
        })
    }

    /// The function on these settings.
    pub fn app(self, client: &Client, clock: Clock) -> App {
        App {
            outbox: Outbox {
                notices: Notices::new(client.clone(), self.notices),
                letters: Letters::new(client.clone(), self.letters),
            },
            postmarks: Postmarks::new(client.clone(), self.postmarks),
            register: Register::new(client.clone(), self.register, self.changes),
            circuits: Circuits::new(client.clone(), self.sending),
            sources: self.sources,
            clock,
        }
    }
}
