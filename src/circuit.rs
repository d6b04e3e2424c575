//! A channel that its provider does not serve is left alone for a while, by all workers: a circuit.
//!
//! Closed, messages go. A provider that says it takes nothing opens it at once, one that fails again and again after
//! some failures. Open, everything waits. When its time is up one worker tries one message; what becomes of that one
//! closes the circuit or opens it anew.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Failures in a row after which a channel counts as down.
const MOST_FAILURES: u32 = 10;
/// How long a channel that is closed by its provider is left alone: somebody has to see to it.
const CLOSED_FOR: SignedDuration = SignedDuration::from_mins(5);
/// How long a channel that fails is left alone.
const DOWN_FOR: SignedDuration = SignedDuration::from_mins(1);
/// How long a probe can take before another worker may try.
const PROBE: SignedDuration = SignedDuration::from_secs(90);

/// A channel's circuit, shared by all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Circuit {
    /// Failures since the last success.
    pub failures: u32,
    /// Since when it is open; none: closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Open>,
    /// Grows with every change: one of two workers that change it at once comes too late.
    pub revision: u64,
}

/// An open circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// Since when.
    pub since: Timestamp,
    /// Until when nobody tries.
    pub until: Timestamp,
    /// What opened it.
    pub cause: Trouble,
    /// Whether a message was taken since, and the provider still has to say what became of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_trial: bool,
}

/// What was wrong with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    /// The provider takes nothing: spend limit, sending paused, account suspended, settings wrong.
    Closed,
    /// The provider takes messages and delivers none, as its reports say: the money is spent.
    Spent,
    /// The provider fails, or its answers are lost.
    Down,
}

/// What a worker may do with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Send it.
    Go,
    /// Send it as the one that tries, once this is stored.
    Probe(Circuit),
    /// Let it wait until then.
    Wait(Timestamp),
}

impl Circuit {
    /// What a worker may do at `now`.
    pub fn admit(&self, now: Timestamp) -> Admission {
        match self.open {
            None => Admission::Go,
            Some(open) if now < open.until => Admission::Wait(open.until),
            // Nothing bad was reported of the one that was taken.
            Some(open) if open.on_trial => Admission::Go,
            // The others wait for what becomes of this one.
            Some(open) => Admission::Probe(self.next(Some(Open {
                until: after(now, PROBE),
                ..open
            }))),
        }
    }

    /// A message was taken. None, where nothing was wrong before.
    pub fn succeeded(&self, now: Timestamp) -> Option<Self> {
        match self.open {
            None if self.failures == 0 => None,
            // That a message is taken says nothing there: its report does.
            Some(open) if open.cause == Trouble::Spent && !open.on_trial => Some(self.next(Some(Open {
                until: after(now, PROBE),
                on_trial: true,
                ..open
            }))),
            _ => Some(Self {
                failures: 0,
                ..self.next(None)
            }),
        }
    }

    /// Whether workers leave the channel alone at `now`, or one of them tries it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open.is_some_and(|open| now < after(open.until, PROBE))
    }

    /// A message was not taken, for a reason that lies with the channel.
    #[must_use]
    pub fn failed(&self, trouble: Trouble, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1);
        let wait = match trouble {
            Trouble::Closed | Trouble::Spent => Some(CLOSED_FOR),
            // A probe that fails is failure enough.
            Trouble::Down if failures >= MOST_FAILURES || self.open.is_some() => Some(DOWN_FOR),
            Trouble::Down => None,
        };
        let open = wait.map(|wait| Open {
            since: self.open.map_or(now, |open| open.since),
            until: after(now, wait),
            cause: trouble,
            on_trial: false,
        });
        Self {
            failures,
            ..self.next(open)
        }
    }

    fn next(&self, open: Option<Open>) -> Self {
        Self {
            failures: self.failures,
            open,
            revision: self.revision + 1,
        }
    }
}

fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_provider_that_takes_nothing_is_left_alone_for_five_minutes() {
        let open = Circuit::default().failed(Trouble::Closed, at(0));
        assert_eq!(open.admit(at(299)), Admission::Wait(at(300)));
        let Admission::Probe(probing) = open.admit(at(300)) else {
            panic!("one may try");
        };
        // While one tries, the others wait; and if that one is lost, another tries.
        assert_eq!(probing.admit(at(301)), Admission::Wait(at(390)));
        assert!(matches!(probing.admit(at(390)), Admission::Probe(_)));

        let again = probing.failed(Trouble::Closed, at(302));
        assert_eq!(again.admit(at(303)), Admission::Wait(at(602)));
        assert_eq!(again.open.unwrap().since, at(0));
        assert_eq!(probing.succeeded(at(303)).unwrap().admit(at(303)), Admission::Go);
    }

    #[test]
    fn a_provider_that_fails_now_and_then_is_asked_on() {
        let mut circuit = Circuit::default();
        for second in 0..9 {
            circuit = circuit.failed(Trouble::Down, at(second));
            assert_eq!(circuit.admit(at(second)), Admission::Go);
        }
        circuit = circuit.succeeded(at(9)).unwrap();
        assert_eq!((circuit.failures, circuit.succeeded(at(9))), (0, None));
    }

    #[test]
    fn a_provider_that_fails_on_and_on_is_left_alone_for_a_minute_at_a_time() {
        let mut circuit = Circuit::default();
        for _ in 0..10 {
            circuit = circuit.failed(Trouble::Down, at(0));
        }
        assert_eq!(circuit.admit(at(59)), Admission::Wait(at(60)));
        let Admission::Probe(probing) = circuit.admit(at(60)) else {
            panic!("one may try");
        };
        assert_eq!(
            probing.failed(Trouble::Down, at(61)).admit(at(62)),
            Admission::Wait(at(121))
        );
    }

    #[test]
    fn a_provider_that_takes_and_does_not_deliver_has_to_show_that_it_does_again() {
        let open = Circuit::default().failed(Trouble::Spent, at(0));
        let Admission::Probe(probing) = open.admit(at(300)) else {
            panic!("one may try");
        };
        // It is taken; the others wait for what is reported of it.
        let trial = probing.succeeded(at(301)).unwrap();
        assert_eq!(trial.admit(at(302)), Admission::Wait(at(391)));
        let spent = trial.failed(Trouble::Spent, at(303));
        assert_eq!(spent.admit(at(391)), Admission::Wait(at(603)));
        // Nothing bad is reported: all may go, and the first that is taken closes it.
        assert_eq!(trial.admit(at(391)), Admission::Go);
        assert_eq!(trial.succeeded(at(391)).unwrap().open, None);
    }

    #[test]
    fn an_open_circuit_that_nobody_tries_is_no_alarm_for_ever() {
        let open = Circuit::default().failed(Trouble::Closed, at(0));
        assert!(open.is_open(at(389)) && !open.is_open(at(390)));
    }

    #[test]
    fn every_change_can_be_told_from_the_one_before() {
        let first = Circuit::default().failed(Trouble::Down, at(0));
        let second = first.failed(Trouble::Down, at(0));
        let third = second.succeeded(at(0)).unwrap();
        assert_eq!([first.revision, second.revision, third.revision], [1, 2, 3]);
    }
}
