//! Where a notice is in its life, and why it may have failed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Where a notice is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// Has still to be sent.
    Waiting {
        /// Not before this.
        #[serde(rename = "notBefore")]
        not_before: Timestamp,
        /// When the tick looks at it again.
        #[serde(rename = "wakeAt")]
        wake_at: Timestamp,
    },
    /// A worker prepares it.
    Claimed {
        /// The lease's end.
        until: Timestamp,
        /// Who holds it: tells a worker's own write, come twice, from another's.
        worker: Uuid,
    },
    /// A worker calls the provider.
    Sending {
        /// When the call must be over.
        until: Timestamp,
        /// Who calls.
        worker: Uuid,
    },
    /// The provider accepted it.
    Sent {
        /// When.
        at: Timestamp,
        /// The provider's identity for it.
        #[serde(rename = "messageId")]
        message_id: String,
    },
    /// The provider says that it arrived.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It cannot be sent.
    Failed {
        /// When that turned out.
        at: Timestamp,
        /// Why.
        reason: Failure,
    },
    /// It may have been sent: the answer was lost. Never sent again on this channel.
    Unknown {
        /// Since when.
        since: Timestamp,
    },
    /// Its deadline passed.
    Expired {
        /// When that was seen.
        at: Timestamp,
    },
    /// No longer wanted.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

impl State {
    /// The state's name, for records and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Claimed { .. } => "claimed",
            Self::Sending { .. } => "sending",
            Self::Sent { .. } => "sent",
            Self::Delivered { .. } => "delivered",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
            Self::Expired { .. } => "expired",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// Why a notice cannot be sent on its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = NoticeFailure)]
pub enum Failure {
    /// The person has no address on this channel (any more).
    NoAddress,
    /// The provider refuses the address for good: opted out, suppressed, not a subscriber.
    AddressRefused,
    /// The provider refuses the message.
    MessageRefused,
    /// The text cannot be written within its limits.
    NoText,
    /// The provider took the message, and it did not arrive.
    Undelivered,
    /// The number has got as many messages today as one number may get.
    TooMany,
    /// The person is not in the register (any more).
    NotRegistered,
    /// The entry was deleted.
    Deleted,
    /// The person refuses digital decisions.
    Reserved,
    /// Nothing reaches any of the person's addresses.
    Undeliverable,
    /// The person's addresses are too old for legal notice.
    Stale,
}

impl Failure {
    /// Whether only this channel failed: then the other one may do.
    pub(super) const fn is_of_channel(self) -> bool {
        match self {
            Self::NoAddress
            | Self::AddressRefused
            | Self::MessageRefused
            | Self::NoText
            | Self::Undelivered
            | Self::TooMany => true,
            Self::NotRegistered | Self::Deleted | Self::Reserved | Self::Undeliverable | Self::Stale => false,
        }
    }
}
