//! What a transition did, and by whom: the history a citizen reads, and the outbox of the change feed.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{contact::Channel, language::Language, mailbox::ProviderId, organisation::OrganisationNumber};

/// Who caused a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Actor {
    /// The person.
    Citizen,
    /// An organisation, through its system.
    Organisation {
        /// Which.
        organisation: OrganisationNumber,
    },
    /// The register itself: a receipt, the population register.
    Register,
    /// Whoever operates the register, on purpose.
    Operator,
}

/// One thing that happened. No address is repeated here: the history outlives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The person came into the register.
    Registered,
    /// An address was set where there was none, or another one.
    ContactSet {
        /// Which kind of address.
        channel: Channel,
    },
    /// An address was taken away.
    ContactRemoved {
        /// Which kind of address.
        channel: Channel,
    },
    /// The person said that the contact details are still right.
    ContactConfirmed,
    /// The person proved an address with a code.
    ContactValidated {
        /// Which kind of address.
        channel: Channel,
    },
    /// Nothing reaches an address any more.
    ContactUndeliverable {
        /// Which kind of address.
        channel: Channel,
    },
    /// The person said anew that an address which nothing reached is right.
    ContactDeliverableAgain {
        /// Which kind of address.
        channel: Channel,
    },
    /// The person was reminded to say whether addresses are still right, before they go stale.
    FreshnessReminded {
        /// Which kinds of addresses.
        channels: Vec<Channel>,
    },
    /// Another language.
    LanguageSet {
        /// Which.
        language: Language,
    },
    /// Another preferred channel.
    PreferredChannelSet {
        /// Which.
        channel: Channel,
    },
    /// A provider was chosen that has no mailbox for the person yet.
    MailboxChoicePending {
        /// Which.
        provider: ProviderId,
    },
    /// The person stays with the active mailbox after all.
    MailboxChoiceTakenBack {
        /// Whose choice was pending.
        provider: ProviderId,
    },
    /// A provider registered a mailbox.
    MailboxRegistered {
        /// Which.
        provider: ProviderId,
    },
    /// A provider changed the mailbox's address or certificate.
    MailboxUpdated {
        /// Which.
        provider: ProviderId,
    },
    /// A mailbox became the active one.
    MailboxActivated {
        /// Whose.
        provider: ProviderId,
        /// Whose was active before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<ProviderId>,
    },
    /// The person withdrew the choice.
    MailboxWithdrawn,
    /// A provider closed its mailbox.
    MailboxClosed {
        /// Which.
        provider: ProviderId,
    },
    /// The chosen provider leaves the market: the choice of it has ended.
    MailboxProviderLeaves {
        /// Which.
        provider: ProviderId,
        /// The first day without it.
        on: Date,
    },
    /// The person refuses digital decisions.
    Reserved,
    /// The person accepts them again.
    Unreserved,
    /// The entry was deleted.
    Deleted,
    /// By order, nothing of the person is kept that does not have to be.
    Erased,
    /// The entry is again as it was, after an accident.
    Restored {
        /// When it was so.
        #[serde(rename = "asOf")]
        as_of: Timestamp,
    },
    /// Contact data came here from an earlier identifier.
    MovedHere,
}

impl Event {
    /// Its name, as it is stored and shown.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::ContactSet { .. } => "contact-set",
            Self::ContactRemoved { .. } => "contact-removed",
            Self::ContactConfirmed => "contact-confirmed",
            Self::ContactValidated { .. } => "contact-validated",
            Self::ContactUndeliverable { .. } => "contact-undeliverable",
            Self::ContactDeliverableAgain { .. } => "contact-deliverable-again",
            Self::FreshnessReminded { .. } => "freshness-reminded",
            Self::LanguageSet { .. } => "language-set",
            Self::PreferredChannelSet { .. } => "preferred-channel-set",
            Self::MailboxChoicePending { .. } => "mailbox-choice-pending",
            Self::MailboxChoiceTakenBack { .. } => "mailbox-choice-taken-back",
            Self::MailboxRegistered { .. } => "mailbox-registered",
            Self::MailboxUpdated { .. } => "mailbox-updated",
            Self::MailboxActivated { .. } => "mailbox-activated",
            Self::MailboxWithdrawn => "mailbox-withdrawn",
            Self::MailboxClosed { .. } => "mailbox-closed",
            Self::MailboxProviderLeaves { .. } => "mailbox-provider-leaves",
            Self::Reserved => "reserved",
            Self::Unreserved => "unreserved",
            Self::Deleted => "deleted",
            Self::Erased => "erased",
            Self::Restored { .. } => "restored",
            Self::MovedHere => "moved-here",
        }
    }

    /// Whether it concerns contact details, and not mailboxes or the entry as such.
    pub const fn is_of_contact(&self) -> bool {
        matches!(
            self,
            Self::ContactSet { .. }
                | Self::ContactRemoved { .. }
                | Self::ContactConfirmed
                | Self::ContactValidated { .. }
                | Self::ContactUndeliverable { .. }
                | Self::ContactDeliverableAgain { .. }
                | Self::FreshnessReminded { .. }
                | Self::LanguageSet { .. }
                | Self::PreferredChannelSet { .. }
        )
    }

    /// Whether it concerns mailboxes, and not contact details or the entry as such.
    pub const fn is_of_mailbox(&self) -> bool {
        matches!(
            self,
            Self::MailboxChoicePending { .. }
                | Self::MailboxChoiceTakenBack { .. }
                | Self::MailboxRegistered { .. }
                | Self::MailboxUpdated { .. }
                | Self::MailboxActivated { .. }
                | Self::MailboxWithdrawn
                | Self::MailboxClosed { .. }
                | Self::MailboxProviderLeaves { .. }
        )
    }
}

/// What one transition did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The entry's version after it.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    #[serde(flatten)]
    pub actor: Actor,
    /// What happened, in order.
    pub events: Vec<Event>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_called_as_it_is_stored() {
        let provider: ProviderId = "e-boks".parse().unwrap();
        let channel = Channel::Sms;
        for event in [
            Event::Registered,
            Event::ContactSet { channel },
            Event::ContactRemoved { channel },
            Event::ContactConfirmed,
            Event::ContactValidated { channel },
            Event::ContactUndeliverable { channel },
            Event::ContactDeliverableAgain { channel },
            Event::FreshnessReminded {
                channels: vec![channel],
            },
            Event::LanguageSet {
                language: Language::default(),
            },
            Event::PreferredChannelSet { channel },
            Event::MailboxChoicePending {
                provider: provider.clone(),
            },
            Event::MailboxChoiceTakenBack {
                provider: provider.clone(),
            },
            Event::MailboxRegistered {
                provider: provider.clone(),
            },
            Event::MailboxUpdated {
                provider: provider.clone(),
            },
            Event::MailboxActivated {
                provider: provider.clone(),
                before: None,
            },
            Event::MailboxWithdrawn,
            Event::MailboxClosed {
                provider: provider.clone(),
            },
            Event::MailboxProviderLeaves {
                provider,
                on: jiff::civil::date(2026, 12, 31),
            },
            Event::Reserved,
            Event::Unreserved,
            Event::Deleted,
            Event::Erased,
            Event::Restored {
                as_of: Timestamp::UNIX_EPOCH,
            },
            Event::MovedHere,
        ] {
            assert_eq!(serde_json::to_value(&event).unwrap()["event"], event.kind());
            assert!(!(event.is_of_contact() && event.is_of_mailbox()));
        }
    }
}
