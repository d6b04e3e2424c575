//! One person's entry: what the register knows, and every transition from one state to the next.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    contact::{Address, Channel, ContactPoint, EmailAddress, MobileNumber},
    language::Language,
    mailbox::{Mailboxes, ProviderId},
    person::{PersonIdentifier, PersonKey},
    secret::Secret,
};

mod change;
mod leaving;
mod replacement;
mod restoring;
mod transition;

#[cfg(test)]
mod tests;

pub use change::{Actor, Change, Event};
pub use leaving::Leaving;
pub use replacement::{Holder, Replacement, replace_identifier};
pub use restoring::{Since, restore};
pub use transition::{Command, ContactUpdate, Outcome, Refused, Registering, Transition, Update, apply};

/// One person's entry. There is one per identifier, and it is never removed: a deleted person's entry says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The person's identity number: an attribute here, a key nowhere.
    pub identifier: PersonIdentifier,
    /// 1 for the first transition, one more for each after it.
    pub version: u64,
    /// The keys of the person's former identifiers, whose entries gave way to this one. What was there before stays there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predecessors: Vec<PersonKey>,
    /// The keys of this same identifier under earlier secrets, the newest first: what happened then stands under them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_keys: Vec<PersonKey>,
    /// What the register holds.
    #[serde(flatten)]
    pub status: Status,
}

impl Entry {
    /// The keys under which the identifier is and was known, the current one first.
    pub fn own_keys<'a>(&'a self, current: &'a PersonKey) -> impl Iterator<Item = &'a PersonKey> {
        std::iter::once(current).chain(&self.earlier_keys)
    }

    /// The same entry under another key of its identifier, made with a newer secret. Nobody sees that anything changed, so
    /// that nothing has: neither version nor history.
    #[must_use]
    pub fn under_new_key(&self, former: &PersonKey, secret: &Secret) -> Self {
        let mut entry = self.clone();
        entry.earlier_keys = std::iter::once(former)
            .chain(self.earlier_keys.iter().filter(|key| *key != former))
            .cloned()
            .collect();
        if let Status::Deleted(Deletion {
            successor: Some(successor),
            ..
        }) = &mut entry.status
        {
            successor.key = secret.person_key(&successor.identifier);
        }
        entry
    }

    /// The identifier that took over, where this one was replaced.
    pub const fn successor(&self) -> Option<&Successor> {
        match &self.status {
            Status::Deleted(deletion) => deletion.successor.as_ref(),
            Status::Registered(_) => None,
        }
    }

    /// Whether the population register says that the person has died or left the country. Disclosed nowhere.
    pub const fn is_out_of_population(&self) -> bool {
        match &self.status {
            Status::Deleted(deletion) => matches!(deletion.reason, DeletionReason::PopulationRegister),
            Status::Registered(_) => false,
        }
    }

    /// The entry as far as anybody but the register may know of it: of whom there never was a registration there is none.
    pub const fn disclosed(&self) -> Option<&Self> {
        match &self.status {
            Status::Deleted(deletion) if deletion.never_registered => None,
            _ => Some(self),
        }
    }

    /// What is registered, unless the entry is deleted.
    pub const fn registration(&self) -> Option<&Registration> {
        match &self.status {
            Status::Registered(registration) => Some(registration),
            Status::Deleted(_) => None,
        }
    }
}

/// Whether a person is in the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Status {
    /// In the register.
    Registered(Box<Registration>),
    /// No longer in the register. Nothing of what was registered is kept here.
    Deleted(Deletion),
}

/// Why and when an entry was deleted. The reason is never disclosed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// When. It stays when the entry is deleted once more for another reason: nobody else sees that.
    pub deleted_at: Timestamp,
    /// Why.
    pub reason: DeletionReason,
    /// Whether there never was a registration. To others this entry is none: such a person's entry comes about by death or
    /// a replaced number alone, so that to show it were to say why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_registered: bool,
    /// The identifier that took over, where this one was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<Successor>,
    /// Since when, by order, nothing else of the person is kept that does not have to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Timestamp>,
}

impl Deletion {
    /// The deletion of what was there before.
    const fn of(before: Option<&Status>, reason: DeletionReason, now: Timestamp) -> Self {
        let (deleted_at, never_registered, erased_at) = match before {
            None => (now, true, None),
            Some(Status::Registered(_)) => (now, false, None),
            Some(Status::Deleted(before)) => (before.deleted_at, before.never_registered, before.erased_at),
        };
        Self {
            deleted_at,
            reason,
            never_registered,
            successor: None,
            erased_at,
        }
    }
}

/// The identifier that took over from another. It may have no entry (yet).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    /// Its key.
    pub key: PersonKey,
    /// The identifier itself.
    pub identifier: PersonIdentifier,
}

/// Why an entry was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionReason {
    /// The person wanted it, and may come back.
    OwnWish,
    /// The population register says that the person has died or left the country.
    PopulationRegister,
    /// A D-number gave way to a fødselsnummer.
    IdentifierReplaced,
}

/// What the register holds of a person who is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The language messages are written in.
    pub language: Language,
    /// When the person chose the language; none while it is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language_updated_at: Option<Timestamp>,
    /// Where the person would rather be told that a letter has arrived; none: mobile first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_channel: Option<Channel>,
    /// The person's e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<ContactPoint<EmailAddress>>,
    /// The person's mobile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<ContactPoint<MobileNumber>>,
    /// The person's mailboxes.
    #[serde(default)]
    pub mailboxes: Mailboxes,
    /// Since when the person refuses digital decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_at: Option<Timestamp>,
}

impl Registration {
    fn empty() -> Self {
        Self {
            language: Language::default(),
            language_updated_at: None,
            preferred_channel: None,
            email: None,
            mobile: None,
            mailboxes: Mailboxes::default(),
            reserved_at: None,
        }
    }

    /// Whether the person refuses digital decisions.
    pub const fn is_reserved(&self) -> bool {
        self.reserved_at.is_some()
    }

    /// The address a channel reaches, if there is one.
    pub fn address(&self, channel: Channel) -> Option<Address> {
        match channel {
            Channel::Sms => self.mobile.as_ref().map(|mobile| mobile.address.clone().into()),
            Channel::Email => self.email.as_ref().map(|email| email.address.clone().into()),
        }
    }

    /// When the person last said that the address of a channel is right.
    pub fn said_at(&self, channel: Channel) -> Option<Timestamp> {
        match channel {
            Channel::Sms => self.mobile.as_ref().map(ContactPoint::said_at),
            Channel::Email => self.email.as_ref().map(ContactPoint::said_at),
        }
    }

    /// Whether messages on a channel get there, as far as is known.
    pub fn is_reachable(&self, channel: Channel) -> bool {
        match channel {
            Channel::Sms => self.mobile.as_ref().is_some_and(ContactPoint::is_deliverable),
            Channel::Email => self.email.as_ref().is_some_and(ContactPoint::is_deliverable),
        }
    }

    /// When the person is to be reminded of a channel's address; none if there is nothing to remind of, or no use in it
    /// any more at `now`: what is stale already cannot be kept fresh.
    pub fn reminder_due_at(&self, channel: Channel, now: Timestamp) -> Option<Timestamp> {
        fn of<A>(point: Option<&ContactPoint<A>>, now: Timestamp) -> Option<Timestamp> {
            point.filter(|point| point.is_fresh(now))?.reminder_due_at()
        }
        match channel {
            Channel::Sms => of(self.mobile.as_ref(), now),
            Channel::Email => of(self.email.as_ref(), now),
        }
    }

    /// When the person is to be reminded next that an address goes stale; none if of none.
    pub fn next_reminder_at(&self, now: Timestamp) -> Option<Timestamp> {
        let due = Channel::ALL.into_iter();
        due.filter_map(|channel| self.reminder_due_at(channel, now)).min()
    }

    /// Whether the person was reminded of an address, and has not said since that it is right.
    pub fn has_reminder_open(&self) -> bool {
        self.mobile.as_ref().is_some_and(|point| point.reminded_at.is_some())
            || self.email.as_ref().is_some_and(|point| point.reminded_at.is_some())
    }

    /// The channel for a service message: mobile, or e-mail where no mobile can be reached.
    pub fn service_channel(&self) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| self.is_reachable(*channel))
    }

    /// Whether legal notice may be given at `now`: not reserved, and some deliverable address is fresh.
    pub fn can_be_notified(&self, now: Timestamp) -> bool {
        fn usable<A>(point: Option<&ContactPoint<A>>, now: Timestamp) -> bool {
            point.is_some_and(|point| point.is_fresh(now) && point.is_deliverable())
        }
        !self.is_reserved() && (usable(self.mobile.as_ref(), now) || usable(self.email.as_ref(), now))
    }
}

/// Why a provider cannot register a mailbox for a person, or need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ineligible {
    /// The person refuses digital decisions.
    Reserved,
    /// The entry is deleted.
    Deleted,
    /// The provider's mailbox is the active one already.
    AlreadyActive,
}

/// Whether a person may choose a provider.
///
/// # Errors
/// [`Ineligible`].
pub fn eligibility(entry: Option<&Entry>, provider: &ProviderId) -> Result<(), Ineligible> {
    match entry.and_then(Entry::disclosed).map(|entry| &entry.status) {
        Some(Status::Deleted(_)) => Err(Ineligible::Deleted),
        Some(Status::Registered(registration)) if registration.is_reserved() => Err(Ineligible::Reserved),
        Some(Status::Registered(registration)) if registration.mailboxes.is_active(provider) => {
            Err(Ineligible::AlreadyActive)
        }
        None | Some(Status::Registered(_)) => Ok(()),
    }
}
