//! What SES and SNS report, in the hands of a test: to be handed on early, late, twice, or in another order.

use local::{
    messages::{Report, email_events_topic_arn, sms_delivered_log_group, sms_failed_log_group},
    sdk::ACCOUNT,
};
use receipts::{Event, source::Sources};
use serde_json::{Value, json};
use stories::World;

use crate::scene::CONFIGURATION_SET;

/// Where the reports of the stand-ins come from.
pub(crate) fn sources() -> Sources {
    Sources {
        account: ACCOUNT.to_owned(),
        email_topic: email_events_topic_arn(),
        configuration_set: CONFIGURATION_SET.to_owned(),
        sms_log_groups: [sms_delivered_log_group(), sms_failed_log_group()],
    }
}

/// What is reported by now. Nobody else gets it.
pub(crate) fn reported(world: &World) -> Vec<Report> {
    world.stack.messages().take_reports(world.stack.clock().now())
}

/// Hands a report on.
pub(crate) async fn hand_on(receipts: &receipts::App, report: &Report) {
    receipts::handle(receipts, event(report)).await.unwrap();
}

/// The event that Lambda makes of a report.
pub(crate) fn event(report: &Report) -> Event {
    match report {
        Report::Email { envelope, .. } => notification(&serde_json::from_str(envelope).unwrap()),
        Report::Sms { payload } => Event::try_from(payload.clone()).unwrap(),
    }
}

/// The event of one message of a topic.
pub(crate) fn notification(envelope: &Value) -> Event {
    let event = json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": envelope }] });
    Event::try_from(event).unwrap()
}

/// What SES says of an e-mail in this report.
pub(crate) fn kind(report: &Report) -> String {
    let Report::Email { envelope, .. } = report else {
        panic!("SNS writes a log");
    };
    let envelope: Value = serde_json::from_str(envelope).unwrap();
    let event: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    event["eventType"].as_str().unwrap().to_owned()
}
