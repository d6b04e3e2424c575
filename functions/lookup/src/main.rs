//! The Lambda function `lookup`.

use infra_aws::{keys, sdk};
use infra_edge::{clock::Clock, settings::Environment, telemetry};
use lookup::{Clients, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = Environment::process();
    telemetry::start("lookup", &environment);
    let read = |name: &str| environment.optional(name);
    let settings = Settings::read(&environment)?;
    let config = sdk::config(&read)?;
    let kms = aws_sdk_kms::Client::new(&sdk::endpoint(&config, "KMS", &read));
    let secrets = keys::unwrap(&kms, &settings.wrapped_secrets).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk::endpoint(&config, "DYNAMODB", &read));
    let app = settings.app(Clients { dynamodb, kms }, &secrets, Clock::system());
    app.register.prime().await;
    lambda_http::run(lookup::router(app)).await
}
