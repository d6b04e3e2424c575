//! What the population register tells: numbers travel sealed, and stay where they belong.

use jiff::ToSpan as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Run;

/// Test persons of whom nothing else is told here.
const PENDING: &str = "41664061188";
const MAILBOX_ONLY: &str = "03896706011";
const EVA: &str = "27904797001";
const JON: &str = "08918059610";

impl Run {
    async fn tell_of_person(&self, event: &Value) {
        let told = self.world.nobody().request(Method::POST, "/local/population");
        told.json(event).send().await.expect(202);
    }

    /// A number is replaced, one person dies and one leaves; some messages are none; and much later all are reminded.
    pub(crate) async fn hear_of_persons(&self) {
        self.tell_of_person(&json!({ "event": "identifier-replaced", "old": PENDING, "new": MAILBOX_ONLY }))
            .await;
        self.tell_of_person(&json!({ "event": "died", "person": EVA })).await;
        self.tell_of_person(&json!({ "event": "emigrated", "person": JON }))
            .await;
        let waiting = self.look_into_each(&["PopulationQueue"]).await;
        self.world.stack.settle().await.unwrap();
        self.look_into_tables().await;

        let url = self.world.stack.queues().queue_url("PopulationQueue").unwrap();
        let put = async |body: &str| {
            let message = self.sqs.send_message().queue_url(&url).message_body(body);
            message.send().await.unwrap();
        };
        // Cut off, and so not to be read: it is set aside as it is.
        let (body, _) = waiting[0].text.split_once("} ").unwrap();
        put(body).await;
        self.world.stack.settle().await.unwrap();
        self.look_into_each(&["PopulationDeadLetters"]).await;
        // An adapter that seals nothing is not quoted in any log.
        put(&json!({ "event": "died", "person": EVA }).to_string()).await;
        put(EVA).await;
        self.world.stack.settle().await.unwrap();

        self.world.pass(15.months()).await;
        self.look_into_tables().await;
    }
}
