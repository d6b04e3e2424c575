//! The function's settings, and the function made from them.

use infra_aws::{notices::Notices, queues::SendQueues};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};

use crate::{App, REQUEUE};

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    notices: String,
    sms_queue: String,
    email_queue: String,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            notices: environment.required("NOTICES_TABLE")?,
            sms_queue: environment.required("SMS_QUEUE_URL")?,
            email_queue: environment.required("EMAIL_QUEUE_URL")?,
        })
    }

    /// The function on these settings.
    pub fn app(self, dynamodb: &aws_sdk_dynamodb::Client, sqs: &aws_sdk_sqs::Client, clock: Clock) -> App {
        App {
            notices: Notices::new(dynamodb.clone(), self.notices),
            queues: SendQueues::new(sqs.clone(), self.sms_queue, self.email_queue),
            clock,
            requeue: REQUEUE,
        }
    }
}
