//! The SDK's configuration, put together by hand from what Lambda gives: `aws-config`'s chain of providers costs
//! start-up time and size, and finds nothing more.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_types::SdkConfig;

/// Credentials or region are missing from the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the environment lacks AWS_REGION or credentials")]
pub struct NoAws;

/// The configuration for all clients.
///
/// Timeouts are short: an interactive request waits for nothing longer, and a dead connection is found out early.
///
/// # Errors
/// [`NoAws`].
pub fn config(read: &dyn Fn(&str) -> Option<String>) -> Result<SdkConfig, NoAws> {
    let credentials = Credentials::new(
        read("AWS_ACCESS_KEY_ID").ok_or(NoAws)?,
        read("AWS_SECRET_ACCESS_KEY").ok_or(NoAws)?,
        read("AWS_SESSION_TOKEN"),
        None,
        "lambda",
    );
    // *ring* is half a megabyte smaller, zipped, than AWS-LC, the SDK's own choice.
    let tls = Provider::Rustls(CryptoMode::Ring);
    let mut config = SdkConfig::builder()
        .http_client(Builder::new().tls_provider(tls).build_https())
        .behavior_version(behavior())
        .region(Region::new(read("AWS_REGION").ok_or(NoAws)?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(
            // The SDK's own first wait is up to a second: longer than an interactive request should notice.
            RetryConfig::standard()
                .with_max_attempts(4)
                .with_initial_backoff(Duration::from_millis(50)),
        )
        .timeout_config(timeouts());
    // For a stack of stand-ins: all services at one address. Per service, the SDK reads AWS_ENDPOINT_URL_<SERVICE>
    // only through `aws-config`; see `endpoint`.
    config.set_endpoint_url(named(read, "AWS_ENDPOINT_URL"));
    Ok(config.build())
}

/// An endpoint, if one is named. The template names none by an empty value.
fn named(read: &dyn Fn(&str) -> Option<String>, variable: &str) -> Option<String> {
    read(variable).filter(|url| !url.is_empty())
}

/// The configuration with one service's own endpoint, if `AWS_ENDPOINT_URL_<SERVICE>` names one.
pub fn endpoint(config: &SdkConfig, service: &str, read: &dyn Fn(&str) -> Option<String>) -> SdkConfig {
    match named(read, &format!("AWS_ENDPOINT_URL_{service}")) {
        Some(url) => config.to_builder().endpoint_url(url).build(),
        None => config.clone(),
    }
}

/// The SDK behaviour the register was tested with.
pub fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where DynamoDB is, in an environment with these endpoints.
    fn dynamodb(endpoints: &[(&str, &str)]) -> Option<String> {
        let read = |name: &str| match name {
            "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
            _ => endpoints
                .iter()
                .find_map(|(variable, url)| (*variable == name).then(|| (*url).to_owned())),
        };
        let config = endpoint(&config(&read).unwrap(), "DYNAMODB", &read);
        config.endpoint_url().map(str::to_owned)
    }

    #[test]
    fn an_empty_endpoint_is_none() {
        assert_eq!(dynamodb(&[]), None);
        assert_eq!(
            dynamodb(&[("AWS_ENDPOINT_URL", ""), ("AWS_ENDPOINT_URL_DYNAMODB", "")]),
            None
        );
    }

    #[test]
    fn a_services_own_endpoint_goes_before_the_one_for_all() {
        let all = ("AWS_ENDPOINT_URL", "http://all.example.no");
        let own = ("AWS_ENDPOINT_URL_DYNAMODB", "http://tables.example.no");
        assert_eq!(dynamodb(&[all]).as_deref(), Some("http://all.example.no"));
        assert_eq!(dynamodb(&[all, own]).as_deref(), Some("http://tables.example.no"));
        assert_eq!(
            dynamodb(&[all, ("AWS_ENDPOINT_URL_DYNAMODB", "")]).as_deref(),
            Some("http://all.example.no")
        );
    }
}
