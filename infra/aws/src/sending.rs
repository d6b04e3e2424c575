//! What became of a call to SNS or SES: above all whether the message may have gone out.

use std::{error::Error, time::Duration};

use aws_sdk_sns::{
    config::{http::HttpResponse, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
};
use aws_types::SdkConfig;

/// Why a message was not accepted, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The provider has no room now. It did not take the message.
    #[error("throttled")]
    Throttled,
    /// The provider was not reached, or refused for a reason that passes. It did not take the message.
    #[error("not taken: {0}")]
    Transient(String),
    /// The provider takes nothing on this channel now: spend limit, sending paused, account suspended, settings wrong.
    #[error("the channel is closed: {0}")]
    ChannelClosed(String),
    /// The address is refused for good.
    #[error("the address is refused")]
    AddressRefused,
    /// The message is refused for good.
    #[error("the message is refused")]
    MessageRefused,
    /// The answer was lost: the message may have gone out. Never to be tried again on this channel.
    #[error("the answer was lost: {0}")]
    AnswerLost(String),
}

/// The configuration for sending: one call, never repeated by the SDK, and over in ten seconds.
///
/// A repeated call could be a repeated SMS.
pub fn config(config: &SdkConfig) -> SdkConfig {
    config
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(Duration::from_secs(10))
                .operation_timeout(Duration::from_secs(10))
                .build(),
        )
        .build()
}

/// Sorts an error of a call. `refused` knows the codes and messages of the one service.
pub(crate) fn classify<E>(
    error: &SdkError<E, HttpResponse>,
    refused: impl FnOnce(&str, &str) -> Option<SendError>,
) -> SendError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let cause = crate::error::cause(error).to_owned();
    match error {
        SdkError::ConstructionFailure(_) => SendError::MessageRefused,
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            match service.err().code() {
                Some(code) => refused(code, service.err().message().unwrap_or_default()).unwrap_or(match code {
                    "Throttled"
                    | "Throttling"
                    | "ThrottlingException"
                    | "ThrottledException"
                    | "TooManyRequestsException" => SendError::Throttled,
                    _ => match status {
                        // "Try again later": said before anything was taken.
                        429 | 503 => SendError::Transient(cause),
                        // A fault on their side says nothing of how far they got.
                        500.. => SendError::AnswerLost(cause),
                        _ => SendError::ChannelClosed(cause),
                    },
                }),
                None => SendError::AnswerLost(cause),
            }
        }
        // No read timeout is set: what timed out on the way to an answer is the attempt, another kind of error.
        SdkError::DispatchFailure(failure) if failure.is_timeout() || never_connected(error) => {
            SendError::Transient(cause)
        }
        _ => SendError::AnswerLost(cause),
    }
}

/// Whether a call broke off before there was a connection to send on: name, address, or TLS.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(error) = source {
        if let Some(hyper) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return hyper.is_connect();
        }
        source = error.source();
    }
    false
}
