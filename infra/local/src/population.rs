//! What stands before the function `population`: an adapter to the population register, and what Lambda does with the
//! queue between them.

use aws_lambda_events::event::sqs::SqsEvent;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use infra_aws::population::{PopulationEvent, PopulationMessage};
use jiff::Timestamp;
use mailbox_register::person::PersonIdentifier;
use uuid::Uuid;

use crate::{
    drivers::{ALL_ATTRIBUTES, hand_back, record},
    lambda::invoked,
    queues::Queues,
    stack::StackError,
};

/// Logical ids, as the template has them.
const QUEUE: &str = "PopulationQueue";
const KEY: &str = "PopulationKey";

/// The function, and the queue in front of it.
pub(crate) struct PopulationEvents {
    population: population::App,
    kms: aws_sdk_kms::Client,
    sqs: aws_sdk_sqs::Client,
    /// One at a time, so that "nothing left to do" means that.
    working: tokio::sync::Mutex<()>,
}

impl PopulationEvents {
    pub(crate) fn new(population: population::App, kms: aws_sdk_kms::Client, sqs: aws_sdk_sqs::Client) -> Self {
        Self {
            population,
            kms,
            sqs,
            working: tokio::sync::Mutex::default(),
        }
    }

    /// Queues an event as an adapter does: identity numbers sealed.
    pub(crate) async fn tell(
        &self,
        queues: &Queues,
        id: Uuid,
        event: &PopulationEvent<PersonIdentifier>,
        now: Timestamp,
    ) -> Result<(), StackError> {
        let message = PopulationMessage::seal(&self.kms, KEY, (id, now), event).await?;
        let body = serde_json::to_string(&message).map_err(|error| StackError::Queue(error.to_string()))?;
        self.sqs
            .send_message()
            .queue_url(url(queues)?)
            .message_body(body)
            .send()
            .await
            .map_err(|error| StackError::Queue(error.to_string()))?;
        Ok(())
    }

    /// Works off what waits.
    pub(crate) async fn settle(&self, queues: &Queues) -> Result<(), StackError> {
        let _alone = self.working.lock().await;
        let url = url(queues)?;
        loop {
            let received = self
                .sqs
                .receive_message()
                .queue_url(&url)
                .message_attribute_names(ALL_ATTRIBUTES)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .max_number_of_messages(10)
                .send()
                .await
                .map_err(|error| StackError::Queue(error.to_string()))?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(());
            }
            let mut event = SqsEvent::default();
            event.records = messages.iter().map(record).collect();
            let answer = invoked(population::handle(&self.population, event)).await;
            hand_back(&self.sqs, &url, &messages, &answer).await?;
        }
    }
}

fn url(queues: &Queues) -> Result<String, StackError> {
    queues.queue_url(QUEUE).ok_or(StackError::Template(QUEUE))
}
