//! The Lambda function `disclosures`.

use disclosures::Settings;
use infra_aws::sdk;
use infra_edge::{event, settings::Environment, telemetry, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::process();
    telemetry::start("disclosures", &environment);
    let read = |name: &str| environment.optional(name);
    let settings = Settings::read(&environment)?;
    let config = sdk::config(&read)?;
    // Nobody waits for it, and it may not read: so no connection is opened beforehand.
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk::endpoint(&config, "DYNAMODB", &read));
    let app = &settings.app(&dynamodb);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let handled = disclosures::handle(app, event::read(event.payload)?);
        Ok::<_, Error>(trace::invocation(&event.context, handled).await)
    }))
    .await
}
