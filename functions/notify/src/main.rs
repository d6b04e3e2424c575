//! The Lambda function `notify`.

use infra_aws::{keys, sdk, sending};
use infra_edge::{clock::Clock, event, settings::Environment, telemetry, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use notify::{Clients, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::process();
    telemetry::start("notify", &environment);
    let read = |name: &str| environment.optional(name);
    let settings = Settings::read(&environment)?;
    let config = sdk::config(&read)?;
    let kms = aws_sdk_kms::Client::new(&sdk::endpoint(&config, "KMS", &read));
    let secrets = keys::unwrap(&kms, &settings.wrapped_secrets).await?;
    let clients = Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&sdk::endpoint(&config, "DYNAMODB", &read)),
        sns: aws_sdk_sns::Client::new(&sending::config(&sdk::endpoint(&config, "SNS", &read))),
        ses: aws_sdk_ses::Client::new(&sending::config(&sdk::endpoint(&config, "SES", &read))),
    };
    let app = settings.app(clients, &secrets, Clock::system());
    app.outbox.notices.prime().await;
    let app = &app;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let handled = notify::handle(app, event::read(event.payload)?);
        Ok::<_, Error>(trace::invocation(&event.context, handled).await)
    }))
    .await
}
