//! The Lambda function `receipts`.

use infra_aws::sdk;
use infra_edge::{clock::Clock, settings::Environment, telemetry, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use receipts::{Event, Settings};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::process();
    telemetry::start("receipts", &environment);
    let read = |name: &str| environment.optional(name);
    let settings = Settings::read(&environment)?;
    let config = sdk::config(&read)?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk::endpoint(&config, "DYNAMODB", &read));
    let app = settings.app(&dynamodb, Clock::system());
    app.outbox.notices.prime().await;
    let app = &app;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let handled = receipts::handle(app, Event::try_from(event.payload)?);
        Ok::<_, Error>(trace::invocation(&event.context, handled).await?)
    }))
    .await
}
