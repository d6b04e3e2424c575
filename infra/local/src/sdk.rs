//! How the AWS SDK reaches the embedded parts.

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use aws_types::SdkConfig;

/// The region that every embedded part stands in.
pub const REGION: &str = "eu-north-1";

/// The account that every embedded part belongs to.
pub const ACCOUNT: &str = "123456789012";

/// Settings for any AWS client that talks to `endpoint`, an embedded part's URL.
///
/// Plain HTTP: the SDK's own client would load the machine's root certificates first. Connections belong to the runtime that
/// opened them, so each test (each has its own runtime) makes its own settings.
pub fn config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        // Most parts check that a request is signed, not by whom; the buckets know these credentials alone.
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "local", "local", None, None, "local",
        )))
        .endpoint_url(endpoint)
        .http_client(Builder::new().build_http())
        .build()
}
