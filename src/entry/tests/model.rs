//! The entry against a simple model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::contact::{FRESH_MONTHS, REMINDER_MONTHS};

/// What an entry comes down to, in the plainest terms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    there: There,
    version: u64,
    reserved: bool,
    email: Option<Point>,
    mobile: Option<Point>,
    active: Option<usize>,
    inactive: BTreeSet<usize>,
    pending: Option<usize>,
    withdrawn: bool,
    closed: BTreeSet<usize>,
    erased: bool,
}

/// An address: which, the months in which it was set and verified, and whether its person was reminded since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    address: usize,
    updated: i32,
    verified: Option<i32>,
    reminded: bool,
}

impl Point {
    const fn new(address: usize, now: i32) -> Self {
        Self {
            address,
            updated: now,
            verified: None,
            reminded: false,
        }
    }

    const fn verify(&mut self, now: i32) {
        self.verified = Some(now);
        self.reminded = false;
    }

    fn said(&self) -> i32 {
        self.verified
            .map_or(self.updated, |verified| verified.max(self.updated))
    }

    fn is_due(&self, now: i32) -> bool {
        !self.reminded && (REMINDER_MONTHS..FRESH_MONTHS).contains(&(now - self.said()))
    }

    /// Sets an address anew, or says by that that it is right.
    fn set(point: &mut Option<Self>, address: usize, now: i32) {
        match point {
            Some(same) if same.address == address => {
                if same.reminded || now - same.said() >= FRESH_MONTHS {
                    same.verify(now);
                }
            }
            other => *other = Some(Self::new(address, now)),
        }
    }

    fn of<A>(point: &ContactPoint<A>, address: usize) -> Self {
        let months = |at: Timestamp| {
            let date = at.to_zoned(norwegian_time()).date();
            (i32::from(date.year()) - 2026) * 12 + i32::from(date.month()) - 3
        };
        Self {
            address,
            updated: months(point.updated_at),
            verified: point.verified_at.map(months),
            reminded: point.reminded_at.is_some(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum There {
    #[default]
    Never,
    Registered,
    Left,
    Dead,
}

#[derive(Debug, Clone)]
enum Step {
    Email(usize),
    NoEmail,
    Mobile(usize),
    NoMobile,
    Choose(usize),
    Withdraw,
    Reserve,
    Unreserve,
    Register(usize),
    Close(usize),
    /// Who leaves, who may step in, and whether it is the day already.
    ProviderLeaves(usize, BTreeSet<usize>, bool),
    Confirm,
    Remind,
    Leave,
    Die,
    Erase,
}

impl Step {
    fn command(&self, now: i32) -> Command {
        match *self {
            Self::ProviderLeaves(at, ref instead, is_gone) => {
                let today = later(now).to_zoned(norwegian_time()).date();
                Command::ProviderLeaves(Leaving {
                    provider: provider(at),
                    on: if is_gone { today } else { today.tomorrow().unwrap() },
                    instead: instead.iter().copied().map(provider).collect(),
                })
            }
            Self::Email(at) => contact(Update::Set(email(at)), Update::Keep),
            Self::NoEmail => contact(Update::Remove, Update::Keep),
            Self::Mobile(at) => contact(Update::Keep, Update::Set(mobile(at))),
            Self::NoMobile => contact(Update::Keep, Update::Remove),
            Self::Choose(at) => Command::Choose(provider(at)),
            Self::Withdraw => Command::Withdraw,
            Self::Reserve => Command::Reserve,
            Self::Unreserve => Command::Unreserve,
            Self::Register(at) => registering(at),
            Self::Close(at) => Command::CloseMailbox(provider(at)),
            Self::Confirm => Command::Confirm,
            Self::Remind => Command::RemindOfFreshness,
            Self::Leave => Command::Delete(DeletionReason::OwnWish),
            Self::Die => Command::Delete(DeletionReason::PopulationRegister),
            Self::Erase => Command::Erase,
        }
    }
}

impl Model {
    /// The next model and how many notices of a choice go out, or none where the step is refused.
    fn next(&self, step: &Step, now: i32) -> Option<(Self, usize)> {
        let mut next = self.clone();
        let registered = self.there == There::Registered;
        let mut told = 0;
        let reachable = self.email.is_some() || self.mobile.is_some();
        match *step {
            Step::Email(_) | Step::Mobile(_) | Step::Choose(_) | Step::Reserve if self.there == There::Dead => {
                return None;
            }
            Step::Email(at) => {
                next.there = There::Registered;
                Point::set(&mut next.email, at, now);
            }
            Step::Mobile(at) => {
                next.there = There::Registered;
                Point::set(&mut next.mobile, at, now);
            }
            Step::NoEmail if self.mobile.is_none() => return None,
            Step::NoEmail => next.email = None,
            Step::NoMobile if self.email.is_none() => return None,
            Step::NoMobile => next.mobile = None,
            Step::Choose(_) if self.reserved => return None,
            Step::Choose(at) => {
                next.there = There::Registered;
                next.pending = None;
                if self.active != Some(at) {
                    next.withdrawn = false;
                }
                if self.active == Some(at) {
                } else if next.inactive.remove(&at) {
                    next.inactive.extend(self.active);
                    next.active = Some(at);
                    told = usize::from(reachable);
                } else {
                    next.pending = Some(at);
                }
            }
            Step::Withdraw => {
                next.withdrawn |= next.active.is_some() || next.pending.is_some();
                next.inactive.extend(next.active.take());
                next.pending = None;
            }
            Step::Reserve => (next.there, next.reserved) = (There::Registered, true),
            Step::Unreserve => next.reserved = false,
            Step::Register(_) if self.reserved || matches!(self.there, There::Left | There::Dead) => return None,
            Step::Register(at) => {
                told = usize::from(next.register(at) && reachable);
            }
            Step::Close(at) => {
                let has = self.active == Some(at) || self.inactive.contains(&at);
                if !registered || !has && !self.closed.contains(&at) {
                    return None;
                }
                next.inactive.remove(&at);
                next.active = next.active.filter(|active| *active != at);
                next.closed.insert(at);
            }
            Step::ProviderLeaves(at, ref instead, is_gone) => {
                let was_chosen = next.provider_leaves(at, instead, is_gone);
                told = usize::from(was_chosen && reachable);
            }
            Step::Confirm if !reachable => return None,
            Step::Confirm => next.confirm(now),
            Step::Remind => {
                let points = next.email.iter_mut().chain(&mut next.mobile);
                points.for_each(|point| point.reminded |= point.is_due(now));
            }
            Step::Leave if registered => {
                next = Self {
                    there: There::Left,
                    version: self.version,
                    ..Self::default()
                };
            }
            Step::Die if self.there != There::Dead => {
                next = Self {
                    there: There::Dead,
                    version: self.version,
                    erased: self.erased,
                    ..Self::default()
                };
            }
            Step::Erase if registered => {
                next = Self {
                    there: There::Left,
                    version: self.version,
                    erased: true,
                    ..Self::default()
                };
            }
            Step::Erase => next.erased |= self.there != There::Never,
            Step::Leave | Step::Die => {}
        }
        if next.there == There::Registered {
            next.erased = false;
        }
        if next != *self {
            next.version += 1;
        }
        Some((next, told))
    }

    /// Says whether the mailbox became the active one.
    fn register(&mut self, at: usize) -> bool {
        self.there = There::Registered;
        self.closed.remove(&at);
        if self.active == Some(at) || self.inactive.contains(&at) {
            return false;
        }
        let room = self.active.is_none() && self.pending.is_none() && !self.withdrawn;
        let becomes_active = room || self.pending == Some(at);
        if becomes_active {
            self.inactive.extend(self.active.replace(at));
            self.pending = None;
        } else {
            self.inactive.insert(at);
        }
        becomes_active
    }

    /// Says whether the provider was the chosen one.
    fn provider_leaves(&mut self, at: usize, instead: &BTreeSet<usize>, is_gone: bool) -> bool {
        let was_chosen = self.active == Some(at) || self.pending == Some(at);
        self.pending = self.pending.filter(|pending| *pending != at);
        if self.active == Some(at) {
            let others: Vec<_> = self.inactive.intersection(instead).copied().collect();
            self.inactive.insert(at);
            self.active = None;
            if let [other] = others[..] {
                self.inactive.remove(&other);
                self.active = Some(other);
            }
        }
        if is_gone && self.inactive.remove(&at) {
            self.closed.insert(at);
        }
        was_chosen
    }

    fn confirm(&mut self, now: i32) {
        let points: Vec<_> = self.email.iter_mut().chain(&mut self.mobile).collect();
        if points.iter().any(|point| point.verified != Some(now)) {
            for point in points {
                point.verify(now);
            }
        }
    }

    fn of(entry: Option<&Entry>) -> Self {
        let Some(entry) = entry else {
            return Self::default();
        };
        let at = |id: &ProviderId| PROVIDERS.iter().position(|name| *name == id.as_str()).unwrap();
        let mut model = Self {
            version: entry.version,
            ..Self::default()
        };
        match &entry.status {
            Status::Deleted(deletion) => {
                model.erased = deletion.erased_at.is_some();
                model.there = match deletion.reason {
                    DeletionReason::OwnWish => There::Left,
                    _ => There::Dead,
                };
            }
            Status::Registered(registration) => {
                let mailboxes = &registration.mailboxes;
                model.there = There::Registered;
                model.reserved = registration.is_reserved();
                let place = |known: [&str; 3], text: &str| known.iter().position(|known| *known == text).unwrap();
                model.email =
                    (registration.email.as_ref()).map(|point| Point::of(point, place(EMAILS, point.address.as_str())));
                model.mobile = (registration.mobile.as_ref())
                    .map(|point| Point::of(point, place(MOBILES, point.address.as_str())));
                model.active = mailboxes.active().map(|mailbox| at(&mailbox.provider));
                model.inactive = mailboxes
                    .registered()
                    .map(|mailbox| at(&mailbox.provider))
                    .filter(|provider| Some(*provider) != model.active)
                    .collect();
                let idle = mailboxes.active().is_none() && mailboxes.pending().is_none();
                model.withdrawn = idle && !mailboxes.has_room();
                model.pending = mailboxes.pending().map(|pending| at(&pending.provider));
                model.closed = (0..PROVIDERS.len())
                    .filter(|at| mailboxes.was_closed(&provider(*at)))
                    .collect();
            }
        }
        model
    }
}

/// Steps, each with the months that pass before it.
fn steps() -> impl Strategy<Value = Vec<(i32, Step)>> {
    let months = prop_oneof![6 => Just(0), 2 => 1..4, 1 => Just(REMINDER_MONTHS), 1 => Just(FRESH_MONTHS)];
    let step = prop_oneof![
        2 => (0..3usize).prop_map(Step::Email),
        1 => Just(Step::NoEmail),
        2 => (0..3usize).prop_map(Step::Mobile),
        1 => Just(Step::NoMobile),
        4 => (0..3usize).prop_map(Step::Choose),
        1 => Just(Step::Withdraw),
        1 => Just(Step::Reserve),
        1 => Just(Step::Unreserve),
        4 => (0..3usize).prop_map(Step::Register),
        2 => (0..3usize).prop_map(Step::Close),
        2 => (0..3usize, proptest::collection::btree_set(0..3usize, 0..3), any::<bool>())
            .prop_map(|(at, instead, is_gone)| Step::ProviderLeaves(at, instead, is_gone)),
        1 => Just(Step::Confirm),
        3 => Just(Step::Remind),
        1 => Just(Step::Leave),
        1 => Just(Step::Die),
        1 => Just(Step::Erase),
    ];
    proptest::collection::vec((months, step), 1..40)
}

proptest! {
    /// Whatever happens in whatever order, the entry is what the model says; each change is one version; doing a
    /// thing again changes nothing; and every notice goes to an address that was there.
    #[test]
    fn the_entry_follows_the_model(steps in steps()) {
        let mut entry: Option<Entry> = None;
        let mut model = Model::default();
        let mut now = 0;
        for (months, step) in steps {
            now += months;
            let result = run_after(now, entry.as_ref(), step.command(now));
            match (model.next(&step, now), result) {
                (None, Err(_)) => {}
                (Some((next, told)), Ok(transition)) => {
                    match transition {
                        Transition::Unchanged => prop_assert_eq!(&next, &model, "{:?} was to change something", step),
                        Transition::Changed(outcome) => {
                            prop_assert_eq!(outcome.entry.version, model.version + 1);
                            prop_assert_eq!(outcome.change.version, outcome.entry.version);
                            prop_assert!(!outcome.change.events.is_empty());
                            let choices = outcome
                                .notices
                                .iter()
                                .filter(|(_, message)| matches!(message, Message::MailboxChosen { .. } | Message::ProviderLeaves { .. }));
                            prop_assert_eq!(choices.count(), told);
                            if matches!(step, Step::Remind) {
                                let by = if model.email.is_some() { Channel::Email } else { Channel::Sms };
                                prop_assert_eq!(outcome.notices, [(by, Message::FreshnessReminder)]);
                            }
                            entry = Some(outcome.entry);
                            let again = run_after(now, entry.as_ref(), step.command(now));
                            prop_assert_eq!(again, Ok(Transition::Unchanged));
                        }
                    }
                    model = next;
                }
                (expected, found) => prop_assert!(false, "{step:?}: expected {expected:?}, found {found:?}"),
            }
            prop_assert_eq!(Model::of(entry.as_ref()), model.clone());
        }
    }
}
