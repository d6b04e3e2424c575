//! The transitions of an entry.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Actor, Change, Deletion, DeletionReason, Entry, Event, Leaving, Registration, Status};
use crate::{
    contact::{Address, Channel, ContactPoint, EmailAddress, MobileNumber, norwegian_time},
    language::Language,
    mailbox::{Certificate, Mailbox, MailboxAddress, ProviderId},
    notice::Message,
    person::{PersonIdentifier, PersonKey, PersonKeys},
};

/// What to do with one part of the contact details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update<A> {
    /// Leave it as it is.
    Keep,
    /// Take it away.
    Remove,
    /// Set it.
    Set(A),
}

impl<A> Update<A> {
    /// What there is after it, by what there was before.
    fn applied_to(self, before: Option<A>) -> Option<A> {
        match self {
            Self::Keep => before,
            Self::Remove => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// New contact details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactUpdate {
    /// The e-mail.
    pub email: Update<EmailAddress>,
    /// The mobile.
    pub mobile: Update<MobileNumber>,
    /// The language, unless it stays.
    pub language: Option<Language>,
    /// The channel the person prefers, unless it stays.
    pub preferred_channel: Option<Channel>,
}

/// A mailbox that a provider registers or updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registering {
    /// Whose mailbox.
    pub provider: ProviderId,
    /// Where letters go.
    pub address: MailboxAddress,
    /// What letters are encrypted for.
    pub certificate: Update<Certificate>,
}

/// What can happen to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The citizen sets contact details.
    SetContact(ContactUpdate),
    /// The citizen says that the contact details are still right.
    Confirm,
    /// The citizen proved this address with a code.
    Validate(Address),
    /// The citizen chooses a provider, or switches to it.
    Choose(ProviderId),
    /// The citizen withdraws the choice.
    Withdraw,
    /// The citizen refuses digital decisions.
    Reserve,
    /// The citizen accepts them again.
    Unreserve,
    /// A provider registers or updates a mailbox.
    RegisterMailbox(Registering),
    /// A provider closes its mailbox.
    CloseMailbox(ProviderId),
    /// It turned out that nothing reaches this address.
    MarkUndeliverable(Address),
    /// The person is reminded of addresses that go stale in two months.
    RemindOfFreshness,
    /// A provider leaves the market, by the operator's word.
    ProviderLeaves(Leaving),
    /// The entry is deleted.
    Delete(DeletionReason),
    /// By order, nothing of the person is kept that does not have to be.
    Erase,
}

/// What follows from a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// The entry already is as the command wants it: nothing is stored, nothing sent.
    Unchanged,
    /// The entry changes.
    Changed(Box<Outcome>),
}

/// A transition's result: stored together, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The entry after it.
    pub entry: Entry,
    /// What happened.
    pub change: Change,
    /// Providers whose mailbox, or how they stand with the person, is another than before.
    pub providers: Vec<ProviderId>,
    /// What the person is told, and on which channel.
    pub notices: Vec<(Channel, Message)>,
    /// Channels with a new address, which gets a verification code.
    pub codes: Vec<Channel>,
    /// Whether anybody else can see that something changed. Nobody can where there was no registration before and is
    /// none after: a change told then would say that its reason is another one, such as death.
    pub is_visible: bool,
}

impl Outcome {
    /// The outcome, stored under `key`: a new entry keeps in mind which earlier keys may stand for its person elsewhere.
    #[must_use]
    pub fn under(mut self, key: &PersonKey, keys: &PersonKeys) -> Self {
        if self.entry.version == 1 {
            self.entry.earlier_keys = keys.earlier_than(key);
        }
        self
    }
}

/// Why the entry's state does not allow a command.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// The person refuses digital decisions: no mailbox can be chosen or registered.
    #[error("the person is reserved")]
    Reserved,
    /// The entry is deleted.
    #[error("the entry is deleted")]
    Deleted,
    /// The person is not in the register.
    #[error("the person is not in the register")]
    NotRegistered,
    /// At least one of e-mail and mobile must be there.
    #[error("at least one of e-mail and mobile is needed")]
    ContactRequired,
    /// The provider has no mailbox for the person.
    #[error("the provider has no mailbox for the person")]
    MailboxNotFound,
    /// The address is not, or no longer, the person's.
    #[error("the address is not the person's")]
    AddressNotCurrent,
}

/// Applies a command to a person's entry (none: the person is not in the register).
///
/// # Errors
/// [`Refused`], if the entry's state does not allow it. Nothing changes then.
pub fn apply(
    entry: Option<&Entry>,
    person: &PersonIdentifier,
    command: Command,
    actor: Actor,
    now: Timestamp,
) -> Result<Transition, Refused> {
    let mut draft = Draft::of(entry, now);
    match command {
        Command::SetContact(update) => draft.set_contact(update)?,
        Command::Confirm => draft.confirm()?,
        Command::Validate(address) => draft.validate(&address)?,
        Command::Choose(provider) => draft.choose(provider)?,
        Command::Withdraw => draft.withdraw(),
        Command::Reserve => draft.reserve()?,
        Command::Unreserve => draft.unreserve(),
        Command::RegisterMailbox(mailbox) => draft.register_mailbox(mailbox)?,
        Command::CloseMailbox(provider) => draft.close_mailbox(&provider)?,
        Command::MarkUndeliverable(address) => draft.mark_undeliverable(&address)?,
        Command::RemindOfFreshness => draft.remind_of_freshness(),
        Command::ProviderLeaves(leaving) => draft.provider_leaves(leaving),
        Command::Delete(reason) => draft.delete(reason),
        Command::Erase => draft.erase(),
    }
    Ok(draft.finish(entry, person, actor))
}

/// An entry being changed, and what has happened to it so far.
pub(super) struct Draft {
    status: Option<Status>,
    pub(super) now: Timestamp,
    pub(super) events: Vec<Event>,
    pub(super) notices: Vec<(Channel, Message)>,
    codes: Vec<Channel>,
}

impl Draft {
    fn of(entry: Option<&Entry>, now: Timestamp) -> Self {
        Self {
            status: entry.map(|entry| entry.status.clone()),
            now,
            events: Vec::new(),
            notices: Vec::new(),
            codes: Vec::new(),
        }
    }

    fn finish(self, before: Option<&Entry>, person: &PersonIdentifier, actor: Actor) -> Transition {
        let Some(status) = self.status.filter(|_| !self.events.is_empty()) else {
            return Transition::Unchanged;
        };
        let version = before.map_or(0, |entry| entry.version) + 1;
        let entry = Entry {
            identifier: person.clone(),
            version,
            predecessors: before.map(|entry| entry.predecessors.clone()).unwrap_or_default(),
            earlier_keys: before.map(|entry| entry.earlier_keys.clone()).unwrap_or_default(),
            status,
        };
        // A reminder is between the register and the person.
        let is_reminder = |event: &Event| matches!(event, Event::FreshnessReminded { .. });
        let is_visible = is_visible(before, &entry) && !self.events.iter().all(is_reminder);
        Transition::Changed(Box::new(Outcome {
            providers: providers_concerned(before.and_then(Entry::registration), entry.registration()),
            entry,
            change: Change {
                version,
                at: self.now,
                actor,
                events: self.events,
            },
            notices: self.notices,
            codes: self.codes,
            is_visible,
        }))
    }

    /// What is registered, if anything is.
    pub(super) fn registration(&mut self) -> Option<&mut Registration> {
        match &mut self.status {
            Some(Status::Registered(registration)) => Some(registration),
            _ => None,
        }
    }

    /// What is registered; refuses where there is nothing.
    fn existing(&mut self) -> Result<&mut Registration, Refused> {
        match &mut self.status {
            Some(Status::Registered(registration)) => Ok(registration),
            Some(Status::Deleted(deletion)) if !deletion.never_registered => Err(Refused::Deleted),
            // Who asks for what is there learns no more than of somebody who is unknown.
            Some(Status::Deleted(_)) | None => Err(Refused::NotRegistered),
        }
    }

    /// Refuses what cannot come into the register: an entry deleted for another reason than the person's own wish.
    fn may_enter(&self) -> Result<(), Refused> {
        match &self.status {
            Some(Status::Deleted(deletion)) if deletion.reason != DeletionReason::OwnWish => Err(Refused::Deleted),
            _ => Ok(()),
        }
    }

    /// What is registered; the person comes into the register where there is nothing.
    fn entered(&mut self) -> &mut Registration {
        if !matches!(self.status, Some(Status::Registered(_))) {
            self.events.push(Event::Registered);
            self.status = Some(Status::Registered(Box::new(Registration::empty())));
        }
        match &mut self.status {
            Some(Status::Registered(registration)) => registration,
            _ => unreachable!("set just above"),
        }
    }

    fn set_contact(&mut self, update: ContactUpdate) -> Result<(), Refused> {
        self.may_enter()?;
        let now = self.now;
        let (email, mobile) = self.registration().map_or((false, false), |registration| {
            (registration.email.is_some(), registration.mobile.is_some())
        });
        if !will_be_there(&update.email, email) && !will_be_there(&update.mobile, mobile) {
            return Err(Refused::ContactRequired);
        }
        let registration = self.entered();
        let mut effects = Effects::new(registration.language);
        effects.update(&mut registration.mobile, update.mobile, now);
        effects.update(&mut registration.email, update.email, now);
        if let Some(language) = update.language
            && (registration.language != language || registration.language_updated_at.is_none())
        {
            effects.events.push(Event::LanguageSet { language });
            registration.language = language;
            registration.language_updated_at = Some(now);
        }
        if let Some(channel) = update.preferred_channel
            && registration.preferred_channel != Some(channel)
        {
            effects.events.push(Event::PreferredChannelSet { channel });
            registration.preferred_channel = Some(channel);
        }
        self.events.extend(effects.events);
        self.notices.extend(effects.notices);
        self.codes.extend(effects.codes);
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), Refused> {
        let now = self.now;
        let registration = self.existing()?;
        let today = |at: Timestamp| at.to_zoned(norwegian_time()).date() == now.to_zoned(norwegian_time()).date();
        let times = [
            registration.mobile.as_ref().map(|point| point.verified_at),
            registration.email.as_ref().map(|point| point.verified_at),
        ];
        let times: Vec<_> = times.into_iter().flatten().collect();
        if times.is_empty() {
            return Err(Refused::ContactRequired);
        }
        // Freshness is counted in months: a second confirmation on one day says nothing new.
        if times.iter().all(|verified| verified.is_some_and(today)) {
            return Ok(());
        }
        registration.mobile.iter_mut().for_each(|point| point.verify(now));
        registration.email.iter_mut().for_each(|point| point.verify(now));
        self.events.push(Event::ContactConfirmed);
        Ok(())
    }

    fn validate(&mut self, address: &Address) -> Result<(), Refused> {
        let now = self.now;
        let registration = self.existing()?;
        if registration.address(address.channel()).as_ref() != Some(address) {
            return Err(Refused::AddressNotCurrent);
        }
        let changed = match address {
            Address::Sms(_) => registration.mobile.as_mut().is_some_and(|point| point.prove(now)),
            Address::Email(_) => registration.email.as_mut().is_some_and(|point| point.prove(now)),
        };
        if changed {
            self.events.push(Event::ContactValidated {
                channel: address.channel(),
            });
        }
        Ok(())
    }

    fn choose(&mut self, provider: ProviderId) -> Result<(), Refused> {
        self.may_enter()?;
        let now = self.now;
        if self
            .registration()
            .is_some_and(|registration| registration.is_reserved())
        {
            return Err(Refused::Reserved);
        }
        let registration = self.entered();
        if registration.mailboxes.is_active(&provider) {
            // Choosing the active one takes a pending choice of another back.
            if let Some(pending) = registration.mailboxes.stop_waiting() {
                self.events.push(Event::MailboxChoiceTakenBack {
                    provider: pending.provider,
                });
            }
        } else if registration.mailboxes.of(&provider).is_some() {
            registration.mailboxes.stop_waiting();
            self.activate(&provider);
        } else if !registration.mailboxes.is_pending(&provider) {
            registration.mailboxes.wait_for(provider.clone(), now);
            self.events.push(Event::MailboxChoicePending { provider });
        }
        Ok(())
    }

    /// Makes a registered mailbox the active one and tells the person once.
    fn activate(&mut self, provider: &ProviderId) {
        let Some(registration) = self.registration() else {
            return;
        };
        let before = registration.mailboxes.active().map(|mailbox| mailbox.provider.clone());
        let channel = registration.service_channel();
        registration.mailboxes.activate(provider, channel);
        self.events.push(Event::MailboxActivated {
            provider: provider.clone(),
            before,
        });
        if let Some(channel) = channel {
            self.notices.push((
                channel,
                Message::MailboxChosen {
                    provider: provider.clone(),
                },
            ));
        }
    }

    fn withdraw(&mut self) {
        let now = self.now;
        if let Some(registration) = self.registration()
            && (registration.mailboxes.active().is_some() || registration.mailboxes.pending().is_some())
        {
            registration.mailboxes.withdraw(now);
            self.events.push(Event::MailboxWithdrawn);
        }
    }

    fn reserve(&mut self) -> Result<(), Refused> {
        self.may_enter()?;
        let now = self.now;
        let registration = self.entered();
        if registration.reserved_at.is_none() {
            registration.reserved_at = Some(now);
            self.events.push(Event::Reserved);
        }
        Ok(())
    }

    fn unreserve(&mut self) {
        if let Some(registration) = self.registration()
            && registration.reserved_at.take().is_some()
        {
            self.events.push(Event::Unreserved);
        }
    }

    fn register_mailbox(&mut self, new: Registering) -> Result<(), Refused> {
        let now = self.now;
        match &self.status {
            Some(Status::Deleted(_)) => return Err(Refused::Deleted),
            Some(Status::Registered(registration)) if registration.is_reserved() => return Err(Refused::Reserved),
            _ => {}
        }
        let Registering {
            provider,
            address,
            certificate,
        } = new;
        let registration = self.entered();
        let mailboxes = &mut registration.mailboxes;
        if let Some(known) = mailboxes.of(&provider) {
            let certificate = certificate.applied_to(known.certificate.clone());
            // A known mailbox stays as active as it was: an update never takes a choice over.
            if known.address != address || known.certificate != certificate {
                mailboxes.update(&provider, address, certificate);
                self.events.push(Event::MailboxUpdated { provider });
            }
            return Ok(());
        }
        let awaited = mailboxes.is_pending(&provider);
        let becomes_active = awaited || mailboxes.has_room();
        if awaited {
            mailboxes.stop_waiting();
        }
        mailboxes.add(Mailbox {
            provider: provider.clone(),
            address,
            certificate: certificate.applied_to(None),
            registered_at: now,
            confirmed_by: None,
        });
        self.events.push(Event::MailboxRegistered {
            provider: provider.clone(),
        });
        if becomes_active {
            self.activate(&provider);
        }
        Ok(())
    }

    fn close_mailbox(&mut self, provider: &ProviderId) -> Result<(), Refused> {
        let now = self.now;
        let registration = self.existing()?;
        if registration.mailboxes.of(provider).is_some() {
            registration.mailboxes.close(provider, now);
            self.events.push(Event::MailboxClosed {
                provider: provider.clone(),
            });
        } else if !registration.mailboxes.was_closed(provider) {
            return Err(Refused::MailboxNotFound);
        }
        Ok(())
    }

    fn mark_undeliverable(&mut self, address: &Address) -> Result<(), Refused> {
        let now = self.now;
        let registration = self.existing()?;
        // A late receipt for an address that was changed meanwhile says nothing of the new one.
        if registration.address(address.channel()).as_ref() != Some(address) {
            return Err(Refused::AddressNotCurrent);
        }
        let since = match address {
            Address::Sms(_) => registration.mobile.as_mut().map(|point| &mut point.undeliverable_since),
            Address::Email(_) => registration.email.as_mut().map(|point| &mut point.undeliverable_since),
        };
        if let Some(since) = since
            && since.is_none()
        {
            *since = Some(now);
            self.events.push(Event::ContactUndeliverable {
                channel: address.channel(),
            });
        }
        Ok(())
    }

    fn remind_of_freshness(&mut self) {
        let now = self.now;
        let Some(registration) = self.registration() else {
            return;
        };
        let channels: Vec<_> = Channel::ALL
            .into_iter()
            .filter(|channel| {
                let due_at = registration.reminder_due_at(*channel, now);
                due_at.is_some_and(|due_at| due_at <= now)
            })
            .collect();
        let by = [Channel::Email, Channel::Sms]
            .into_iter()
            .find(|channel| registration.is_reachable(*channel));
        let Some(by) = by.filter(|_| !channels.is_empty()) else {
            return;
        };
        for channel in &channels {
            match channel {
                Channel::Sms => (registration.mobile.iter_mut()).for_each(|point| point.reminded_at = Some(now)),
                Channel::Email => (registration.email.iter_mut()).for_each(|point| point.reminded_at = Some(now)),
            }
        }
        self.events.push(Event::FreshnessReminded { channels });
        self.notices.push((by, Message::FreshnessReminder));
    }

    fn delete(&mut self, reason: DeletionReason) {
        let gone = match &self.status {
            // Nobody left. Whoever has died must not come in later either, by a provider who has not heard of it.
            None => reason != DeletionReason::PopulationRegister,
            // Whoever left by own wish could come back; whoever has died cannot.
            Some(Status::Deleted(before)) => {
                before.reason != DeletionReason::OwnWish || reason == DeletionReason::OwnWish
            }
            Some(Status::Registered(_)) => false,
        };
        if !gone {
            // Whoever took a login over must not be able to make the entry vanish unseen.
            if reason == DeletionReason::OwnWish
                && let Some(registration) = self.registration()
            {
                let mut effects = Effects::new(registration.language);
                registration
                    .mobile
                    .iter()
                    .for_each(|mobile| effects.tell_former(mobile));
                registration.email.iter().for_each(|email| effects.tell_former(email));
                self.notices.extend(effects.notices);
            }
            self.status = Some(Status::Deleted(Deletion::of(self.status.as_ref(), reason, self.now)));
            self.events.push(Event::Deleted);
        }
    }

    /// What has to be kept is that there was an entry, and who cannot come back; and the number, so that those who follow the changes
    /// hear whom they have to erase as well. Nobody is told at the addresses: an order is not somebody with a stolen login.
    fn erase(&mut self) {
        match &mut self.status {
            None => {}
            Some(Status::Deleted(deletion)) => {
                if deletion.erased_at.is_none() {
                    deletion.erased_at = Some(self.now);
                    self.events.push(Event::Erased);
                }
            }
            status @ Some(Status::Registered(_)) => {
                let mut deletion = Deletion::of(status.as_ref(), DeletionReason::OwnWish, self.now);
                deletion.erased_at = Some(self.now);
                *status = Some(Status::Deleted(deletion));
                self.events.extend([Event::Deleted, Event::Erased]);
            }
        }
    }
}

/// Providers whose mailbox, or how they stand with the person, differs between the two.
pub(super) fn providers_concerned(before: Option<&Registration>, after: Option<&Registration>) -> Vec<ProviderId> {
    let standing = |registration: Option<&Registration>, provider: &ProviderId| {
        let mailboxes = &registration?.mailboxes;
        let mailbox = mailboxes.of(provider);
        let content = mailbox.map(|mailbox| (mailbox.address.clone(), mailbox.certificate.clone()));
        mailboxes.standing(provider).map(|standing| (standing, content))
    };
    let registrations = [before, after].into_iter().flatten();
    let all: BTreeSet<_> = registrations
        .flat_map(|registration| registration.mailboxes.providers())
        .collect();
    all.into_iter()
        .filter(|provider| standing(before, provider) != standing(after, provider))
        .cloned()
        .collect()
}

/// Whether anybody but the register can tell the entry after a transition from what there was before.
pub(super) fn is_visible(before: Option<&Entry>, after: &Entry) -> bool {
    before.and_then(Entry::registration).is_some() || after.registration().is_some()
}

/// Whether an address will be there after an update.
const fn will_be_there<A>(update: &Update<A>, is_there: bool) -> bool {
    match update {
        Update::Keep => is_there,
        Update::Remove => false,
        Update::Set(_) => true,
    }
}

/// What follows from new contact details.
struct Effects {
    /// The language the person was written to before.
    language: Language,
    events: Vec<Event>,
    notices: Vec<(Channel, Message)>,
    codes: Vec<Channel>,
}

impl Effects {
    const fn new(language: Language) -> Self {
        Self {
            language,
            events: Vec::new(),
            notices: Vec::new(),
            codes: Vec::new(),
        }
    }

    fn update<A>(&mut self, point: &mut Option<ContactPoint<A>>, update: Update<A>, now: Timestamp)
    where
        A: Clone + PartialEq + Into<Address>,
    {
        match (update, point.as_mut()) {
            (Update::Keep, _) | (Update::Remove, None) => {}
            (Update::Set(address), Some(same)) if same.address == address => {
                let channel = address.into().channel();
                if same.undeliverable_since.take().is_some() {
                    // A report from before this word is old news.
                    same.verify(now);
                    self.events.push(Event::ContactDeliverableAgain { channel });
                }
                // Whoever saves what has gone stale, or is about to, says that it is still right.
                if !same.is_fresh(now) || same.reminded_at.is_some() {
                    same.verify(now);
                    self.events.push(Event::ContactConfirmed);
                }
            }
            (Update::Set(address), before) => {
                let channel = address.clone().into().channel();
                if let Some(before) = before {
                    self.tell_former(before);
                }
                *point = Some(ContactPoint::new(address, now));
                self.events.push(Event::ContactSet { channel });
                self.codes.push(channel);
            }
            (Update::Remove, Some(before)) => {
                let channel = before.address.clone().into().channel();
                self.tell_former(before);
                *point = None;
                self.events.push(Event::ContactRemoved { channel });
            }
        }
    }

    /// Tells the old address, so that nobody takes an entry over unseen.
    fn tell_former<A: Clone + Into<Address>>(&mut self, before: &ContactPoint<A>) {
        if before.is_deliverable() {
            let former: Address = before.address.clone().into();
            let language = self.language;
            self.notices
                .push((former.channel(), Message::AddressChanged { former, language }));
        }
    }
}
