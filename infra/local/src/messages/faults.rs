//! What the services answer when they do not accept a message, and when they are told to.

use std::collections::VecDeque;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ledger::Channel;
use super::reports::Outcome;
use super::request::Action;

pub(super) const SNS_NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
pub(super) const SES_NAMESPACE: &str = "http://ses.amazonaws.com/doc/2010-12-01/";

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Too many requests: `Throttling`.
    Throttle,
    /// The service fails: SNS `InternalError` (500), SES `ServiceUnavailable` (503).
    Unavailable,
    /// The connection ends before the message is accepted.
    TimeoutBefore,
    /// The message is accepted, then the connection ends: the caller cannot know.
    TimeoutAfter,
    /// This recipient is refused for good: SNS `InvalidParameter` (`… is not valid to publish to`), SES `MessageRejected`
    /// (`Address blacklisted.`). Numbers that opted out are no such case: SNS accepts them and says so in its delivery log.
    Reject,
    /// The account does not send: SES `AccountSendingPausedException`, SNS `AuthorizationError`. (A spent SMS budget is no answer of SNS: it
    /// accepts, and says so in its delivery log.)
    Pause,
    /// The account is under review: SES `MessageRejected` (`Sending paused for this account. …`), which is no fault of the recipient; SNS
    /// `AuthorizationError`.
    Suspend,
    /// SMS: accepted, and reported as failed: the number is opted out, from now on. E-mail: likewise, the address is on the account's
    /// suppression list.
    OptedOut,
    /// SMS: accepted, and reported as failed: there is no such number. E-mail: as [`Fault::Bounce`].
    InvalidNumber,
    /// SMS: accepted, and reported as failed: the telephone is not to be reached. E-mail: as [`Fault::SoftBounce`].
    Unreachable,
    /// SMS: accepted, and reported as failed: the month's SMS budget is spent. E-mail, where a spent quota is an answer: accepted, and reported
    /// as rejected (`Reject`).
    SpendLimit,
    /// E-mail: accepted, and reported as bounced for good. SMS: as [`Fault::InvalidNumber`].
    Bounce,
    /// E-mail: accepted, and reported as bounced after many attempts. SMS: as [`Fault::Unreachable`].
    SoftBounce,
    /// E-mail: accepted, reported as delivered, and then as complained about. SMS: accepted and delivered, and the number is opted out from
    /// then on: that is how an SMS is complained about.
    Complaint,
    /// E-mail: accepted, reported as delayed, and then as delivered. SMS, where a delay is not told: reported as delivered.
    Delay,
    /// Accepted, and nothing is ever reported.
    NoReport,
}

/// A fault and how often it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptedFault {
    /// Whose requests it befalls.
    pub channel: Channel,
    /// What happens.
    pub fault: Fault,
    /// To how many requests.
    pub count: u32,
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(super) struct Script(VecDeque<ScriptedFault>);

impl Script {
    pub(super) fn add(&mut self, fault: ScriptedFault) {
        self.0.push_back(fault);
    }

    pub(super) fn to_come(&self) -> Vec<ScriptedFault> {
        self.0.iter().filter(|scripted| scripted.count > 0).copied().collect()
    }

    /// The fault that befalls the channel's next request.
    pub(super) fn take(&mut self, channel: Channel) -> Option<Fault> {
        self.0.retain(|scripted| scripted.count > 0);
        let scripted = self.0.iter_mut().find(|scripted| scripted.channel == channel)?;
        scripted.count -= 1;
        Some(scripted.fault)
    }
}

impl Fault {
    /// The answer that the fault consists of, if it is one.
    pub(super) fn refusal(self, action: &Action) -> Option<Refusal> {
        let channel = action.channel();
        Some(match (self, channel) {
            (
                Self::TimeoutBefore
                | Self::TimeoutAfter
                | Self::OptedOut
                | Self::InvalidNumber
                | Self::Unreachable
                | Self::SpendLimit
                | Self::Bounce
                | Self::SoftBounce
                | Self::Complaint
                | Self::Delay
                | Self::NoReport,
                _,
            ) => return None,
            (Self::Throttle, Channel::Sms) => Refusal::sender("Throttling", "Rate exceeded"),
            (Self::Throttle, Channel::Email) => Refusal::sender("Throttling", "Maximum sending rate exceeded."),
            (Self::Unavailable, channel) => Refusal::unavailable(channel),
            (Self::Reject, Channel::Sms) => Refusal::not_valid(action.recipient()),
            (Self::Reject, Channel::Email) => Refusal::sender("MessageRejected", "Address blacklisted."),
            (Self::Pause, Channel::Email) => Refusal::sender(
                "AccountSendingPausedException",
                "Email sending is disabled for your entire Amazon SES account.",
            ),
            (Self::Suspend, Channel::Email) => Refusal::sender(
                "MessageRejected",
                "Sending paused for this account. For more information, please check the inbox of the email address associated with your AWS account.",
            ),
            (Self::Pause | Self::Suspend, Channel::Sms) => Refusal {
                status: StatusCode::FORBIDDEN,
                ..Refusal::sender(
                    "AuthorizationError",
                    "The account is not allowed to publish to telephone numbers.",
                )
            },
        })
    }

    /// What becomes of the message that the fault befalls, if the fault says so.
    pub(super) const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Throttle
            | Self::Unavailable
            | Self::TimeoutBefore
            | Self::TimeoutAfter
            | Self::Reject
            | Self::Pause
            | Self::Suspend => None,
            Self::OptedOut => Some(Outcome::OptedOut),
            Self::InvalidNumber | Self::Bounce => Some(Outcome::NoSuchRecipient),
            Self::Unreachable | Self::SoftBounce => Some(Outcome::Unreachable),
            Self::SpendLimit => Some(Outcome::NotSent),
            Self::Complaint => Some(Outcome::Complained),
            Self::Delay => Some(Outcome::Delayed),
            Self::NoReport => Some(Outcome::NotReported),
        }
    }
}

/// An error of the service.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    message: String,
    status: StatusCode,
}

impl Refusal {
    /// An error that the request is to blame for.
    pub(super) fn sender(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            status: StatusCode::BAD_REQUEST,
        }
    }

    /// SNS names the number, so a caller that logs the service's text would log a personal value.
    pub(super) fn not_valid(number: &str) -> Self {
        Self::sender(
            "InvalidParameter",
            format!("Invalid parameter: PhoneNumber Reason: {number} is not valid to publish to"),
        )
    }

    pub(super) fn unsigned() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            ..Self::sender("MissingAuthenticationToken", "Request is missing Authentication Token")
        }
    }

    pub(super) fn unavailable(channel: Channel) -> Self {
        match channel {
            Channel::Sms => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..Self::sender("InternalError", "Internal error")
            },
            Channel::Email => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                ..Self::sender("ServiceUnavailable", "Service is unavailable. Try again later.")
            },
        }
    }

    pub(super) fn response(&self, channel: Option<Channel>) -> Response<Body> {
        let namespace = match channel {
            Some(Channel::Email) => SES_NAMESPACE,
            Some(Channel::Sms) | None => SNS_NAMESPACE,
        };
        let blame = if self.status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        let (code, message) = (self.code, escape(&self.message));
        let request = Uuid::new_v4();
        super::xml(
            self.status,
            format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{blame}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>{request}</RequestId></ErrorResponse>"
            ),
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
