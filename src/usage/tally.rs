//! What one worker knows of an organisation's counts: what the store said last, and what it has not been told yet.
//!
//! The store is told, and answers with what all workers told it, when a second has passed or much has come together.
//! So a busy organisation costs a worker one write a second, and a quiet one is counted at once.

use jiff::{SignedDuration, Timestamp};

use super::{Ask, Counts, Limits, Quotas, Refusal, window::Windows};

/// How old what is known may be.
const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(1);
/// How long a store that did not answer is left alone.
const SILENT_FOR: SignedDuration = SignedDuration::from_secs(10);
/// Persons that are told of at once.
const MUCH: i64 = 100;

/// One organisation's counts, as one worker knows them.
#[derive(Debug, Clone)]
pub struct Tally {
    windows: Windows,
    known: Counts,
    untold: Counts,
    /// Since when, and for how long, nothing more has to be known. None: nothing was ever learned.
    rests: Option<(Timestamp, SignedDuration)>,
}

impl Tally {
    /// Of an organisation of which nothing is known.
    pub fn new(now: Timestamp) -> Self {
        Self {
            windows: Windows::at(now),
            known: Counts::default(),
            untold: Counts::default(),
            rests: None,
        }
    }

    /// The windows that are open at `now`; what was counted in others is forgotten.
    pub fn at(&mut self, now: Timestamp) -> Windows {
        let windows = Windows::at(now);
        for counts in [&mut self.known, &mut self.untold] {
            if windows.minute != self.windows.minute {
                counts.minute = 0;
            }
            if windows.hour != self.windows.hour {
                (counts.asked, counts.missed) = (0, 0);
            }
            if windows.day != self.windows.day {
                counts.day = 0;
            }
        }
        if windows.day != self.windows.day {
            self.rests = None;
        }
        self.windows = windows;
        windows
    }

    /// Whether something may be asked for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, limits: &Limits, ask: Ask, now: Timestamp) -> Result<Quotas, Refusal> {
        limits.judge(&self.counted(), ask, now)
    }

    pub(super) fn counted(&self) -> Counts {
        self.known + self.untold
    }

    /// Whether what is known is too old to go by.
    pub fn is_old(&self, now: Timestamp) -> bool {
        self.rests.is_none_or(|(since, length)| {
            // A clock that was set back is no reason to believe anything longer.
            let age = now.duration_since(since);
            age.is_negative() || age >= length
        })
    }

    /// Counts what is asked for, and who of that was not in the register. They are to be told by and by.
    pub fn count(&mut self, counts: Counts) {
        self.untold = self.untold + counts;
    }

    /// Counts what is asked for.
    pub fn count_ask(&mut self, ask: Ask) {
        self.count(ask.counts());
    }

    /// Takes back what was counted and is not answered.
    pub fn discount(&mut self, ask: Ask) {
        self.count(-ask.counts());
    }

    /// Whether the store should be told now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let is_silent = self.rests.is_some_and(|(_, length)| length == SILENT_FOR);
        let much = self.untold.asked.max(self.untold.missed) >= MUCH;
        self.is_old(now) || (much && !is_silent)
    }

    /// What the store is to be told. It is told once, whatever comes of it.
    pub fn tell(&mut self) -> Counts {
        let untold = std::mem::take(&mut self.untold);
        self.known = self.known + untold;
        untold
    }

    /// The store answered: these are the counts of all workers.
    pub fn learn(&mut self, counts: Counts, now: Timestamp) {
        self.known = counts;
        self.rests = Some((now, KNOWN_FOR));
    }

    /// The store did not answer. What is known is all there is to go by for a while.
    pub fn go_on_alone(&mut self, now: Timestamp) {
        self.rests = Some((now, SILENT_FOR));
    }
}
