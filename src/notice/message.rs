//! What a person is told.

use jiff::{SignedDuration, civil::Date};
use serde::{Deserialize, Serialize};

use super::{DEADLINE, REMINDER_LIFETIME};
use crate::{
    code::{CODE_LIFETIME, Challenge, IssuedFor},
    contact::Address,
    language::Language,
    letter::LetterId,
    mailbox::ProviderId,
    organisation::OrganisationNumber,
};

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Message {
    /// This provider's mailbox is now the active one.
    MailboxChosen {
        /// Which provider.
        provider: ProviderId,
    },
    /// An address in the register was changed or taken away; sent to the former one, whatever became of the entry.
    AddressChanged {
        /// Where to.
        former: Address,
        /// In which language: the entry may be gone when it is sent.
        language: Language,
    },
    /// A verification code for an address.
    Code {
        /// What the code is derived from when it is sent.
        challenge: Challenge,
        /// The address it proves: to another it is not sent.
        address: IssuedFor,
    },
    /// A letter has arrived, or is still unopened. What else there is to know stands with the letter.
    Letter {
        /// Which.
        letter: LetterId,
        /// Whether this is the second word on it.
        reminder: bool,
        /// Who announced it: organisations take turns in the send queues.
        #[serde(rename = "announcedBy")]
        announced_by: OrganisationNumber,
    },
    /// Contact details go stale in two months, unless the person says that they are right.
    FreshnessReminder,
    /// The provider that the person had chosen leaves the market.
    ProviderLeaves {
        /// Which.
        provider: ProviderId,
        /// The first day without it.
        #[serde(rename = "leavesOn")]
        on: Date,
        /// Whose mailbox is the active one now; none: the person has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead: Option<ProviderId>,
    },
}

impl Message {
    /// The kind's name, for records and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MailboxChosen { .. } => "mailbox-chosen",
            Self::AddressChanged { .. } => "address-changed",
            Self::Code { .. } => "code",
            Self::Letter { reminder: false, .. } => "letter-arrived",
            Self::Letter { reminder: true, .. } => "letter-reminder",
            Self::FreshnessReminder => "freshness-reminder",
            Self::ProviderLeaves { .. } => "provider-leaves",
        }
    }

    /// How long after it was due it is still worth saying.
    pub(super) const fn lifetime(&self) -> SignedDuration {
        match self {
            // Of no use once it has run out.
            Self::Code { .. } => CODE_LIFETIME,
            // Nobody reminds again, and the address is fresh for a month more even then.
            // Nor of this: the person has to choose anew.
            Self::FreshnessReminder | Self::ProviderLeaves { .. } => REMINDER_LIFETIME,
            Self::MailboxChosen { .. } | Self::AddressChanged { .. } | Self::Letter { .. } => DEADLINE,
        }
    }

    /// Whether the other channel can say the same. A code and a word to a former address belong to one address.
    pub(super) const fn suits_any_channel(&self) -> bool {
        matches!(
            self,
            Self::MailboxChosen { .. } | Self::Letter { .. } | Self::FreshnessReminder | Self::ProviderLeaves { .. }
        )
    }

    /// Whether a telephone may be kept quiet at night: what the person has just asked for is not held back.
    pub(super) const fn can_wait_for_the_day(&self) -> bool {
        matches!(
            self,
            Self::Letter { .. } | Self::FreshnessReminder | Self::ProviderLeaves { .. }
        )
    }
}
