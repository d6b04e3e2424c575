//! What a run came to.

use std::fmt;

use mailbox_register::contact::Channel;
use serde::Serialize;

use super::Memory;
use crate::mishaps::{Death, Moment};

/// So many of the things that do not hold are told one by one.
const MOST_TOLD: usize = 20;

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// First notices: one for each letter.
    pub notices: u64,
    /// Notices that followed one on the other channel.
    pub followed: u64,
    /// Messages that the providers accepted.
    pub accepted: PerChannel,
    /// Deliveries that came twice.
    pub duplicates: Repeated,
    /// Workers that died.
    pub workers_lost: Deaths,
    /// Calls that the provider accepted and whose answer was lost.
    pub answers_lost: u64,
    /// Calls that the provider refused for the time being.
    pub refused: u64,
    /// Notices of which it was not known for a while whether they had gone out.
    pub unknown: Unknowns,
    /// Letters that nobody was told of because two workers died in a row, one on each channel, just before their calls:
    /// no rule allows a third try.
    pub untold: u64,
    /// Notices that still wait for something.
    pub open: u64,
    /// Messages beyond the one that a letter may have on a channel.
    pub sent_twice: u64,
    /// Letters that nobody was told of without such a reason, and notices of which provider and register say different
    /// things.
    pub lost: u64,
    /// What does not hold: the first of it in words, all of it counted.
    pub wrong: Vec<String>,
    /// How much of it there is.
    pub wrongs: u64,
    /// How long the run took.
    pub seconds: f64,
    /// Memory at the end.
    pub memory: Memory,
    /// What the stand-ins held at the end of a round, at the most.
    pub held: Held,
}

/// A number for each channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PerChannel {
    /// SMS.
    pub sms: u64,
    /// E-mail.
    pub email: u64,
}

/// Deliveries that came twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// Of queues.
    pub messages: u64,
    /// Of streams.
    pub records: u64,
}

/// Workers that died, by what they had just done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deaths {
    /// Claimed the notice.
    pub claimed: u64,
    /// Written the message.
    pub prepared: u64,
    /// Marked the notice as being sent.
    pub marked_sending: u64,
}

/// Notices of which it was not known whether they had gone out, and how that ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unknowns {
    /// All.
    pub found: u64,
    /// A report of the provider said it.
    pub by_report: u64,
    /// The person was told on the other channel.
    pub by_other_channel: u64,
    /// Neither is known, of both channels: that is the end.
    pub on_both_channels: u64,
    /// Nothing was made of them.
    pub open: u64,
}

/// What the stand-ins hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Messages in the providers' ledger.
    pub messages: u64,
    /// Bytes of their text.
    pub text: u64,
    /// Bytes of the database, in memory.
    pub database: u64,
}

impl Report {
    /// Whether all that has to hold does.
    pub const fn holds(&self) -> bool {
        self.wrongs == 0
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.wrongs += 1;
        if self.wrong.len() < MOST_TOLD {
            self.wrong.push(what);
        }
    }

    /// Adds a round's report.
    pub(super) fn add(&mut self, round: Self) {
        self.notices += round.notices;
        self.followed += round.followed;
        self.accepted += round.accepted;
        self.duplicates.messages += round.duplicates.messages;
        self.duplicates.records += round.duplicates.records;
        self.workers_lost.claimed += round.workers_lost.claimed;
        self.workers_lost.prepared += round.workers_lost.prepared;
        self.workers_lost.marked_sending += round.workers_lost.marked_sending;
        self.answers_lost += round.answers_lost;
        self.refused += round.refused;
        self.unknown.found += round.unknown.found;
        self.unknown.by_report += round.unknown.by_report;
        self.unknown.by_other_channel += round.unknown.by_other_channel;
        self.unknown.on_both_channels += round.unknown.on_both_channels;
        self.unknown.open += round.unknown.open;
        self.untold += round.untold;
        self.open += round.open;
        self.sent_twice += round.sent_twice;
        self.lost += round.lost;
        self.wrongs += round.wrongs;
        let told = MOST_TOLD.saturating_sub(self.wrong.len());
        self.wrong.extend(round.wrong.into_iter().take(told));
        self.held.messages = self.held.messages.max(round.held.messages);
        self.held.text = self.held.text.max(round.held.text);
        self.held.database = self.held.database.max(round.held.database);
    }
}

impl PerChannel {
    /// Both together.
    pub const fn total(self) -> u64 {
        self.sms + self.email
    }

    /// A channel's.
    pub const fn of(self, channel: Channel) -> u64 {
        match channel {
            Channel::Sms => self.sms,
            Channel::Email => self.email,
        }
    }

    pub(super) const fn add(&mut self, channel: Channel, more: u64) {
        match channel {
            Channel::Sms => self.sms += more,
            Channel::Email => self.email += more,
        }
    }
}

impl std::ops::AddAssign for PerChannel {
    fn add_assign(&mut self, other: Self) {
        self.sms += other.sms;
        self.email += other.email;
    }
}

impl Deaths {
    pub(super) fn of(deaths: &[Death]) -> Self {
        let count = |moment: Moment| deaths.iter().filter(|death| death.moment == moment).count() as u64;
        Self {
            claimed: count(Moment::Claimed),
            prepared: count(Moment::Prepared),
            marked_sending: count(Moment::MarkedSending),
        }
    }

    /// All together.
    pub const fn total(self) -> u64 {
        self.claimed + self.prepared + self.marked_sending
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: u64| writeln!(f, "{name:<44}{value:>9}");
        line("notices, one for each letter", self.notices)?;
        line("notices that followed on the other channel", self.followed)?;
        line("accepted by SNS", self.accepted.sms)?;
        line("accepted by SES", self.accepted.email)?;
        line("queue messages delivered twice", self.duplicates.messages)?;
        line("stream records delivered twice", self.duplicates.records)?;
        line("workers lost", self.workers_lost.total())?;
        line("  after claiming", self.workers_lost.claimed)?;
        line("  after preparing", self.workers_lost.prepared)?;
        line("  after marking as being sent", self.workers_lost.marked_sending)?;
        line("calls refused for the time being", self.refused)?;
        line("answers lost after the provider accepted", self.answers_lost)?;
        line("unknown", self.unknown.found)?;
        line("  resolved by the provider's report", self.unknown.by_report)?;
        line("  resolved by the other channel", self.unknown.by_other_channel)?;
        line("  unknown on both channels", self.unknown.on_both_channels)?;
        line("  still open", self.unknown.open)?;
        line("letters whose two workers both died", self.untold)?;
        line("notices still open", self.open)?;
        line("sent twice", self.sent_twice)?;
        line("lost", self.lost)?;
        let rate = per_second(self.notices, self.seconds);
        writeln!(
            f,
            "{:.0} seconds, {rate:.0} notices a second, at most {} MiB resident",
            self.seconds,
            self.memory.peak / 1024
        )?;
        writeln!(
            f,
            "held by the stand-ins of one round: a ledger of {} messages with {} KiB of text, a database of {} MiB",
            self.held.messages,
            self.held.text / 1024,
            self.held.database / 1024 / 1024
        )?;
        if self.holds() {
            return writeln!(f, "the books are exact");
        }
        writeln!(f, "THE BOOKS ARE NOT EXACT, {} times:", self.wrongs)?;
        self.wrong.iter().try_for_each(|what| writeln!(f, "  {what}"))
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds.max(f64::EPSILON)
}
