//! The Lambda function `batch`.

use batch::{Clients, Event, Settings};
use infra_aws::{files, keys, sdk};
use infra_edge::{clock::Clock, settings::Environment, telemetry, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::process();
    telemetry::start("batch", &environment);
    let read = |name: &str| environment.optional(name);
    let settings = Settings::read(&environment)?;
    let config = sdk::config(&read)?;
    let kms = aws_sdk_kms::Client::new(&sdk::endpoint(&config, "KMS", &read));
    let secrets = keys::unwrap(&kms, &settings.wrapped_secrets).await?;
    let clients = Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&sdk::endpoint(&config, "DYNAMODB", &read)),
        s3: aws_sdk_s3::Client::from_conf(files::config(&sdk::endpoint(&config, "S3", &read))),
        sqs: aws_sdk_sqs::Client::new(&sdk::endpoint(&config, "SQS", &read)),
    };
    let app = settings.app(clients, &secrets, Clock::system());
    app.batches.prime().await;
    let app = &app;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let handled = batch::handle(app, Event::try_from(event.payload)?);
        Ok::<_, Error>(trace::invocation(&event.context, handled).await?)
    }))
    .await
}
