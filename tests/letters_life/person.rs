//! The model of a person: what the register knows, and on which channels it may tell the person of a letter.

use jiff::Timestamp;
use mailbox_register::{contact::Channel, language::Language};

use crate::calendar;

/// An address of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) address: String,
    /// When the person set it, or last said that it is right.
    pub(crate) since: Timestamp,
}

impl Point {
    /// For eighteen months, it is fresh.
    fn is_fresh(&self, at: Timestamp) -> bool {
        at < calendar::months_after(self.since, 18)
    }
}

/// What the register knows of a person.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) is_registered: bool,
    /// Whether the person was in the register, and left.
    pub(crate) has_left: bool,
    pub(crate) mobile: Option<Point>,
    pub(crate) email: Option<Point>,
    pub(crate) prefers: Option<Channel>,
    pub(crate) language: Option<Language>,
    pub(crate) is_reserved: bool,
    /// Whether the person has a mailbox with the provider that announces letters.
    pub(crate) has_mailbox: bool,
}

impl Details {
    pub(crate) const fn point(&self, channel: Channel) -> Option<&Point> {
        match channel {
            Channel::Sms => self.mobile.as_ref(),
            Channel::Email => self.email.as_ref(),
        }
    }

    pub(crate) const fn point_mut(&mut self, channel: Channel) -> &mut Option<Point> {
        match channel {
            Channel::Sms => &mut self.mobile,
            Channel::Email => &mut self.email,
        }
    }

    /// Whether the person may be told on a channel: legal notice needs a fresh address, and nobody who is reserved.
    pub(crate) fn may_be_told(&self, channel: Channel, is_legal: bool, at: Timestamp) -> bool {
        let point = self.point(channel);
        point.is_some_and(|point| !is_legal || (!self.is_reserved && point.is_fresh(at)))
    }

    /// The channel that is used, if all addresses work: a fresh one first, then the preferred one, then the mobile. Or
    /// why there is none.
    pub(crate) fn channel(&self, is_legal: bool, at: Timestamp) -> Result<Channel, &'static str> {
        if self.has_left {
            return Err("deleted");
        }
        if !self.is_registered {
            return Err("not-registered");
        }
        if is_legal && self.is_reserved {
            return Err("reserved");
        }
        if self.mobile.is_none() && self.email.is_none() {
            return Err("no-details");
        }
        let mut usable = Channel::ALL;
        usable.sort_by_key(|channel| {
            let is_fresh = self.point(*channel).is_some_and(|point| point.is_fresh(at));
            (!is_fresh, self.prefers != Some(*channel))
        });
        let usable = usable
            .into_iter()
            .find(|channel| self.may_be_told(*channel, is_legal, at));
        usable.ok_or("stale")
    }

    /// The language of a message of a letter in `of_letter`.
    pub(crate) fn language(&self, of_letter: Option<Language>) -> Language {
        self.language.or(of_letter).unwrap_or(Language::Nb)
    }
}

/// A person, and what was known of the person when.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) identifier: String,
    /// The latest last.
    known: Vec<(Timestamp, Details)>,
}

impl Person {
    pub(crate) fn new(identifier: String, details: Details, at: Timestamp) -> Self {
        let known = vec![(at, details)];
        Self { identifier, known }
    }

    pub(crate) fn now(&self) -> &Details {
        &self.known.last().unwrap().1
    }

    pub(crate) fn becomes(&mut self, at: Timestamp, details: Details) {
        self.known.push((at, details));
    }

    /// What was known at a moment.
    pub(crate) fn at(&self, moment: Timestamp) -> &Details {
        let before = self.known.iter().rev().find(|(since, _)| *since <= moment);
        &before.unwrap_or(&self.known[0]).1
    }

    /// Whether the person could be told on a channel all the time from one moment to another.
    pub(crate) fn was_reachable(&self, channel: Channel, is_legal: bool, from: Timestamp, until: Timestamp) -> bool {
        let meanwhile = self.known.iter().filter(|(since, _)| from < *since && *since <= until);
        std::iter::once(self.at(from))
            .chain(meanwhile.map(|(_, details)| details))
            // An address only gets older: fresh at the end is fresh all the time.
            .all(|details| details.may_be_told(channel, is_legal, until))
    }
}
