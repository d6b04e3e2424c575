//! The Lambda function `authorizer`.

use authorizer::{Authorizer, Settings, handle};
use infra_edge::{clock::Clock, event, settings::Environment, telemetry, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start("authorizer", &Environment::process());
    let settings = Settings::read(&|name| std::env::var(name).ok())?;
    let authorizer = Authorizer::new(settings, Clock::system())?;
    authorizer.prime().await;
    let authorizer = &authorizer;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let handled = handle(authorizer, event::read(event.payload)?);
        let response = trace::invocation(&event.context, handled).await;
        telemetry::flush();
        Ok::<_, Error>(response)
    }))
    .await
}
