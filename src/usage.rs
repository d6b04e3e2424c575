//! How many persons an organisation asks for, so that none can walk through the population.
//!
//! Two limits are of pace: persons in a minute, and in a day. Whoever has more to ask for sends a file. The third is of
//! aim: of those asked for in an hour, only so many in a hundred may be unknown to the register. A list of recipients
//! finds nearly all of them; of numbers made up by their rule and their check digits, four in five are nobody's.
//! Letters and mailboxes are known by the third alone: what is done to a person who is found does not stay hidden from the
//! person, so that their number is no secret search.
//!
//! Windows go by the clock: the minute, the hour, and the day from midnight to midnight in Norway.

mod tally;
mod window;

use std::{collections::HashSet, num::NonZeroU32, ops};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::person::PersonKey;

pub use tally::Tally;
pub use window::{Window, Windows};

/// Persons in an hour below which nothing is said of how many of them are unknown: a few slips are no search.
pub const FEWEST_TO_JUDGE: i64 = 300;

/// A part of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

/// A number that is no part of a hundred.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a percentage is a whole number from 0 to 100")]
pub struct NotAPercentage;

impl TryFrom<u8> for Percent {
    type Error = NotAPercentage;

    fn try_from(number: u8) -> Result<Self, NotAPercentage> {
        if number <= 100 {
            Ok(Self(number))
        } else {
            Err(NotAPercentage)
        }
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

impl std::str::FromStr for Percent {
    type Err = NotAPercentage;

    fn from_str(text: &str) -> Result<Self, NotAPercentage> {
        text.parse::<u8>().map_err(|_| NotAPercentage)?.try_into()
    }
}

/// What an organisation may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most persons in a minute.
    pub per_minute: NonZeroU32,
    /// Most persons in a day.
    pub per_day: NonZeroU32,
    /// Most persons of a hundred who are not in the register, in an hour. With 100, all may be unknown.
    pub miss_percent: Percent,
}

/// Limits of one organisation's own; what it does not have is as for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnLimits {
    /// In place of [`Limits::per_minute`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookups_per_minute: Option<NonZeroU32>,
    /// In place of [`Limits::per_day`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookups_per_day: Option<NonZeroU32>,
    /// In place of [`Limits::miss_percent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miss_percent: Option<Percent>,
}

impl Limits {
    /// These, but for what an organisation has of its own.
    #[must_use]
    pub fn but(self, own: &OwnLimits) -> Self {
        Self {
            per_minute: own.lookups_per_minute.unwrap_or(self.per_minute),
            per_day: own.lookups_per_day.unwrap_or(self.per_day),
            miss_percent: own.miss_percent.unwrap_or(self.miss_percent),
        }
    }
}

/// What an organisation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// So many persons' entries, or what may be done with them.
    LookUp(u32),
    /// To do something to one person that only some can have done to them: announce a letter, register or close a mailbox.
    Action,
}

impl Ask {
    /// A look-up of some persons. One who is named twice is one: that tells nothing more.
    pub fn look_up(persons: &[PersonKey]) -> Self {
        let distinct = persons.iter().collect::<HashSet<_>>().len();
        Self::LookUp(u32::try_from(distinct).unwrap_or(u32::MAX))
    }

    fn counts(self) -> Counts {
        match self {
            Self::LookUp(persons) => {
                let persons = i64::from(persons);
                Counts {
                    minute: persons,
                    day: persons,
                    asked: persons,
                    missed: 0,
                }
            }
            Self::Action => Counts {
                asked: 1,
                ..Counts::default()
            },
        }
    }
}

/// What was counted of an organisation in the windows that are open; or what is to be added to that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Persons looked up in the minute.
    pub minute: i64,
    /// Persons looked up in the day.
    pub day: i64,
    /// Persons asked for in the hour, by actions too.
    pub asked: i64,
    /// Those among them who are not in the register.
    pub missed: i64,
}

impl ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            minute: self.minute.saturating_add(other.minute),
            day: self.day.saturating_add(other.day),
            asked: self.asked.saturating_add(other.asked),
            missed: self.missed.saturating_add(other.missed),
        }
    }
}

impl ops::Neg for Counts {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            minute: self.minute.saturating_neg(),
            day: self.day.saturating_neg(),
            asked: self.asked.saturating_neg(),
            missed: self.missed.saturating_neg(),
        }
    }
}

/// One limit of pace, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Most persons in the window.
    pub most: u32,
    /// How many more may be asked for in this one.
    pub left: u32,
    /// The window's length, in seconds.
    pub window: u32,
    /// Seconds until the next one, rounded up.
    pub ends_in: u32,
}

/// Both limits of pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// The minute's.
    pub minute: Quota,
    /// The day's.
    pub day: Quota,
}

/// Why an organisation is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// More persons at once than it may ask for in a whole minute, or day.
    TooLarge,
    /// So many persons are not left in this minute.
    Minute,
    /// So many persons are not left today.
    Day,
    /// Too many of those it asked for are not in the register.
    Misses,
}

impl Reason {
    /// A stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Misses => "misses",
        }
    }
}

/// No answer, for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Seconds after which the same can be asked again, at least one.
    pub wait: u32,
    /// What may be asked for meanwhile, as far as pace goes.
    pub quotas: Quotas,
}

impl Limits {
    /// Whether something may be asked for at `now`, by what was counted before; and what is then left.
    ///
    /// # Errors
    /// [`Refusal`]. Of several reasons, the one that lasts longest.
    pub fn judge(&self, counted: &Counts, ask: Ask, now: Timestamp) -> Result<Quotas, Refusal> {
        let windows = Windows::at(now);
        let quotas = |asked: &Counts| Quotas {
            minute: quota(
                self.per_minute,
                counted.minute.saturating_add(asked.minute),
                windows.minute,
                now,
            ),
            day: quota(self.per_day, counted.day.saturating_add(asked.day), windows.day, now),
        };
        let before = quotas(&Counts::default());
        let refused = |reason, wait| Refusal {
            reason,
            wait,
            quotas: before,
        };
        if let Ask::LookUp(persons) = ask {
            if persons > self.per_minute.get() || persons > self.per_day.get() {
                return Err(refused(Reason::TooLarge, before.minute.ends_in));
            }
            if persons > before.day.left {
                return Err(refused(Reason::Day, before.day.ends_in));
            }
        }
        let percent = i64::from(self.miss_percent.0);
        if counted.asked >= FEWEST_TO_JUDGE
            && counted.missed.saturating_mul(100) > counted.asked.saturating_mul(percent)
        {
            return Err(refused(Reason::Misses, windows.hour.seconds_left(now)));
        }
        if let Ask::LookUp(persons) = ask
            && persons > before.minute.left
        {
            return Err(refused(Reason::Minute, before.minute.ends_in));
        }
        Ok(quotas(&ask.counts()))
    }
}

fn quota(most: NonZeroU32, counted: i64, window: Window, now: Timestamp) -> Quota {
    let left = i64::from(most.get()).saturating_sub(counted).max(0);
    Quota {
        most: most.get(),
        // What was given back may not make more of it than there is.
        left: u32::try_from(left).unwrap_or(u32::MAX).min(most.get()),
        window: window.seconds(),
        ends_in: window.seconds_left(now),
    }
}

#[cfg(test)]
mod tests;
