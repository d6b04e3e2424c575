//! The function's settings, and the function made from them.

use infra_aws::{
    changes::Changes, circuits::Circuits, feed::Feed, letters::Letters, notices::Notices, outbox::Outbox,
    queues::SendQueues,
};
use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};

use crate::{App, REQUEUE};

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    notices: String,
    changes: String,
    letters: String,
    feed: String,
    sending: String,
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
            changes: environment.required("CHANGES_TABLE")?,
            letters: environment.required("LETTERS_TABLE")?,
            feed: environment.required("FEED_TABLE")?,
            sending: environment.required("SENDING_TABLE")?,
            sms_queue: environment.required("SMS_QUEUE_URL")?,
            email_queue: environment.required("EMAIL_QUEUE_URL")?,
        })
    }

    /// The function on these settings.
    pub fn app(self, dynamodb: &aws_sdk_dynamodb::Client, sqs: &aws_sdk_sqs::Client, clock: Clock) -> App {
        App {
            outbox: Outbox {
                notices: Notices::new(dynamodb.clone(), self.notices),
                letters: Letters::new(dynamodb.clone(), self.letters.clone()),
            },
            changes: Changes::new(dynamodb.clone(), self.changes.clone()),
            changes_table: self.changes,
            feed: Feed::new(dynamodb.clone(), self.feed),
            circuits: Circuits::new(dynamodb.clone(), self.sending),
            letters_table: self.letters,
            queues: SendQueues::new(sqs.clone(), self.sms_queue, self.email_queue),
            clock,
            requeue: REQUEUE,
        }
    }
}
