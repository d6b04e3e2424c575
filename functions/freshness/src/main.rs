//! The Lambda function `freshness`.

use freshness::{Settings, Tick};
use infra_aws::sdk;
use infra_edge::{clock::Clock, settings::Environment, telemetry, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::process();
    telemetry::start("freshness", &environment);
    let read = |name: &str| environment.optional(name);
    let settings = Settings::read(&environment)?;
    let config = sdk::config(&read)?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk::endpoint(&config, "DYNAMODB", &read));
    let app = settings.app(&dynamodb, Clock::system());
    app.register.entries().prime().await;
    let app = &app;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let handled = freshness::handle(app, Tick::try_from(&event.payload)?);
        Ok::<_, Error>(trace::invocation(&event.context, handled).await?)
    }))
    .await
}
