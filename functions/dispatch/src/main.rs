//! The Lambda function `dispatch`.

use dispatch::{Event, Settings};
use infra_aws::sdk;
use infra_edge::{clock::Clock, settings::Environment, telemetry, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::process();
    telemetry::start("dispatch", &environment);
    let read = |name: &str| environment.optional(name);
    let settings = Settings::read(&environment)?;
    let config = sdk::config(&read)?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk::endpoint(&config, "DYNAMODB", &read));
    let sqs = aws_sdk_sqs::Client::new(&sdk::endpoint(&config, "SQS", &read));
    let app = settings.app(&dynamodb, &sqs, Clock::system());
    app.outbox.notices.prime().await;
    let app = &app;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let handled = dispatch::handle(app, Event::try_from(event.payload)?);
        Ok::<_, Error>(trace::invocation(&event.context, handled).await?)
    }))
    .await
}
