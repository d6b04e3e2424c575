//! The Lambda function `population`.

use infra_aws::{keys, sdk};
use infra_edge::{clock::Clock, event, settings::Environment, telemetry, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use population::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::process();
    telemetry::start("population", &environment);
    let read = |name: &str| environment.optional(name);
    let settings = Settings::read(&environment)?;
    let config = sdk::config(&read)?;
    let kms = aws_sdk_kms::Client::new(&sdk::endpoint(&config, "KMS", &read));
    let secrets = keys::unwrap(&kms, &settings.wrapped_secrets).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk::endpoint(&config, "DYNAMODB", &read));
    let app = settings.app(&dynamodb, kms, &secrets, Clock::system());
    app.register.entries().prime().await;
    let app = &app;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let handled = population::handle(app, event::read(event.payload)?);
        Ok::<_, Error>(trace::invocation(&event.context, handled).await)
    }))
    .await
}
