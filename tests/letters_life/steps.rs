//! What can happen to letters, step by step, and how a run of it is drawn.
//!
//! A step says all there is to know of it, so that a run can be done again, and with steps left out. What it speaks of
//! by a number, such as a message on its way, is counted round: there is always one, if there is any.

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use local::messages::Fault;
use mailbox_register::{contact::Channel, language::Language};

use crate::calendar;

/// Histories in one run: they share its clock, its ticks and its providers. Each is of one person and of the letters
/// to that person.
pub(crate) const LIVES: usize = 5;
/// Letters in a run.
const MOST_LETTERS: usize = 12;

/// A run: what there is when it begins, and what happens then.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) start: Timestamp,
    pub(crate) persons: Vec<Beginning>,
    /// Whether everything works and comes at its time: then the model knows all that will happen.
    pub(crate) is_calm: bool,
    pub(crate) steps: Vec<Step>,
}

/// A person when the run begins. An address is fresh for so long; less than nothing: it is stale.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beginning {
    pub(crate) mobile: Option<SignedDuration>,
    pub(crate) email: Option<SignedDuration>,
    pub(crate) prefers: Option<Channel>,
    pub(crate) language: Option<Language>,
    pub(crate) is_reserved: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Announce(Order),
    /// The same order again.
    AnnounceAgain {
        letter: usize,
        same_key: bool,
    },
    Close {
        letter: usize,
        how: Closing,
    },
    /// The letter is closed while a worker has all messages.
    CloseMeanwhile {
        letter: usize,
        how: Closing,
    },
    /// The letter is closed of which a worker that stopped has a notice.
    CloseStopped {
        how: Closing,
    },
    Change {
        person: usize,
        what: Change,
    },
    Pass {
        to: Moment,
        /// Whether what becomes due on the way happens at its time. Otherwise all is down meanwhile.
        is_busy: bool,
    },
    Tick(Ticking),
    Stream(Streaming),
    Queue(Queueing),
    Fault {
        channel: Channel,
        fault: Fault,
        count: u32,
    },
    WorkerDies {
        message: usize,
        after: Look,
    },
    WorkerStops {
        message: usize,
        after: Look,
    },
    /// The worker that stopped goes on, or is lost.
    WorkerGoesOn {
        is_lost: bool,
    },
    Reports(Reporting),
}

/// A letter as it is ordered.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Its number: the step that announces it may be left out.
    pub(crate) letter: usize,
    pub(crate) person: usize,
    pub(crate) by: By,
    pub(crate) is_legal: bool,
    pub(crate) remind: bool,
    /// None: it is there now.
    pub(crate) available_in: Option<SignedDuration>,
    pub(crate) language: Option<Language>,
    pub(crate) may_be_named: bool,
}

/// Who announces a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// An agency, its own.
    Agency,
    /// A provider of mailboxes, somebody else's.
    Provider,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Opened,
    Cancelled,
}

/// What a person changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    NewAddress(Channel),
    Remove(Channel),
    Prefer(Channel),
    Speak(Language),
    Confirm,
    Reserve,
    Unreserve,
    Leave,
}

/// A moment to come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    In(SignedDuration),
    /// The next time that it is this hour in Norway, or a little before or after it.
    At(i8, SignedDuration),
    /// A little before or after a letter's first word can no longer be sent.
    Deadline {
        letter: usize,
        off: SignedDuration,
    },
    /// A little before or after the day on which a letter is told of once more.
    Reminder {
        letter: usize,
        off: SignedDuration,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Ticking {
    Once,
    /// Two at once.
    Twice,
    /// It dies after so many looks at the clock.
    Dies(u32),
}

/// What becomes of what the streams hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Streaming {
    All,
    Twice,
    Half,
    /// What was delivered before, once more.
    Old,
    Lost,
}

/// What becomes of the messages in the send queues.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Queueing {
    All,
    /// Each to two workers at once.
    Twice,
    /// To a worker that reaches no provider.
    CutOff,
    One(usize),
    Lost(usize),
    /// One that was handled before, once more.
    Old(usize),
    /// One for a notice that is in no queue.
    Early(usize),
}

/// What becomes of the reports that are due.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reporting {
    All,
    Backwards,
    Twice,
    One(usize),
    Lost(usize),
    /// One that was handled before, once more.
    Old(usize),
}

/// A worker's looks at the clock, each named by what the worker has just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    Read = 1,
    Claimed = 3,
    Written = 5,
    MarkedSending = 6,
    Called = 7,
}

/// Each as often as it is worth: most workers get no further than the first, there being nothing to do.
const LOOKS: [Look; 10] = [
    Look::Read,
    Look::Claimed,
    Look::Claimed,
    Look::Written,
    Look::Written,
    Look::MarkedSending,
    Look::MarkedSending,
    Look::MarkedSending,
    Look::Called,
    Look::Called,
];

impl Run {
    /// The run of a seed: the same each time.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let is_calm = random.u8(..5) == 0;
        let mut drawing = Drawing {
            is_calm,
            letters: 0,
            random,
        };
        let start = calendar::start(&mut drawing.random);
        let persons = (0..LIVES).map(|_| drawing.person()).collect();
        let steps = drawing.steps();
        Self {
            start,
            persons,
            is_calm,
            steps,
        }
    }

    pub(crate) fn without(&self, from: usize, count: usize) -> Self {
        let mut shorter = self.clone();
        shorter.steps.drain(from..from + count);
        shorter
    }
}

struct Drawing {
    is_calm: bool,
    letters: usize,
    random: Rng,
}

const fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

const fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

const fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

impl Drawing {
    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.usize(..of.len())].clone()
    }

    /// Once in so many times.
    fn seldom(&mut self, times: u32) -> bool {
        self.random.u32(..times) == 0
    }

    fn channel(&mut self) -> Channel {
        self.one(&Channel::ALL)
    }

    fn language(&mut self) -> Language {
        self.one(&Language::ALL)
    }

    fn person(&mut self) -> Beginning {
        let fresh = hours(15 * 30 * 24);
        let mut person = match self.random.u8(..20) {
            0 => return Beginning::default(),
            1..=3 => Beginning {
                mobile: Some(fresh),
                ..Beginning::default()
            },
            4..=6 => Beginning {
                email: Some(fresh),
                ..Beginning::default()
            },
            _ => Beginning {
                mobile: Some(fresh),
                email: Some(fresh),
                ..Beginning::default()
            },
        };
        let goes_stale = [hours(-30 * 24), minutes(20), hours(30), hours(4 * 24), hours(8 * 24)];
        if self.seldom(5) {
            let left = self.one(&goes_stale);
            person.mobile = person.mobile.map(|_| left);
        }
        if self.seldom(5) {
            let left = self.one(&goes_stale);
            person.email = person.email.map(|_| left);
        }
        if self.seldom(3) {
            person.prefers = Some(self.channel());
        }
        if self.seldom(3) {
            person.language = Some(self.language());
        }
        person.is_reserved = self.seldom(12);
        person
    }

    fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        // Each person gets a letter, not all at the same time.
        let mut waiting: Vec<usize> = (0..LIVES).collect();
        self.random.shuffle(&mut waiting);
        let count = if self.is_calm {
            self.random.usize(15..30)
        } else {
            self.random.usize(40..90)
        };
        while steps.len() < count || !waiting.is_empty() {
            let is_time = steps.len() * LIVES >= (LIVES - waiting.len()) * count / 3;
            if is_time && let Some(person) = waiting.pop() {
                steps.push(self.announce(person));
            } else if self.is_calm {
                steps.push(self.calm_step());
            } else {
                self.steps_on(&mut steps);
            }
        }
        if !self.is_calm && !self.seldom(3) {
            self.reminders(&mut steps);
        }
        steps
    }

    /// The day comes on which letters are told of once more, and goes no better than the first.
    fn reminders(&mut self, steps: &mut Vec<Step>) {
        if !self.seldom(4) {
            // Most have been told of by then.
            let all = [
                Step::WorkerGoesOn { is_lost: false },
                Step::Stream(Streaming::All),
                Step::Tick(Ticking::Once),
                Step::Queue(Queueing::All),
                Step::Reports(Reporting::All),
                Step::Pass {
                    to: Moment::At(9, minutes(1)),
                    is_busy: false,
                },
                Step::Tick(Ticking::Once),
                Step::Queue(Queueing::All),
                Step::Reports(Reporting::All),
            ];
            steps.extend(all);
        }
        for _ in 0..self.random.usize(1..4) {
            let off = self.one(&[seconds(0), seconds(-1), seconds(1), minutes(5), hours(12)]);
            let letter = self.letter();
            steps.push(Step::Pass {
                to: Moment::Reminder { letter, off },
                is_busy: self.seldom(5),
            });
            steps.push(Step::Tick(Ticking::Once));
            if self.random.bool() {
                steps.push(self.worker_stops());
                self.go_on(steps);
            }
            for _ in 0..self.random.usize(2..12) {
                self.steps_on(steps);
            }
        }
    }

    /// A step, and what often follows it.
    fn steps_on(&mut self, steps: &mut Vec<Step>) {
        let step = self.step();
        let follows = match step {
            Step::Stream(_) | Step::Tick(_) => !self.seldom(3),
            Step::WorkerStops { .. } => !self.seldom(4),
            Step::Fault { .. } => self.random.bool(),
            _ => false,
        };
        let is_stop = matches!(step, Step::WorkerStops { .. });
        steps.push(step);
        if !follows {
            return;
        }
        if is_stop {
            self.go_on(steps);
            return;
        }
        steps.push(match self.random.u8(..6) {
            0 => self.worker_dies(),
            1 => self.worker_stops(),
            _ => Step::Queue(self.queueing()),
        });
    }

    /// What happens while a worker stands still, until it goes on.
    fn go_on(&mut self, steps: &mut Vec<Step>) {
        if self.random.bool() {
            steps.push(Step::CloseStopped { how: self.closing() });
        }
        if self.random.bool() {
            let fault = self.one(&[Fault::Throttle, Fault::Pause, Fault::Unavailable, Fault::Reject]);
            steps.push(Step::Fault {
                channel: self.channel(),
                fault,
                count: 1,
            });
        }
        steps.push(if self.seldom(3) {
            Step::Pass {
                to: self.moment(),
                is_busy: false,
            }
        } else {
            Step::WorkerGoesOn { is_lost: false }
        });
    }

    fn announce(&mut self, person: usize) -> Step {
        self.letters += 1;
        let by = if self.seldom(4) { By::Provider } else { By::Agency };
        let available_in = match self.random.u8(..10) {
            0 => Some(minutes(-self.random.i64(1..23 * 60))),
            1 => Some(minutes(self.random.i64(1..60))),
            2 => Some(minutes(self.random.i64(60..36 * 60))),
            3 => Some(hours(self.random.i64(24..24 * 5))),
            _ => None,
        };
        Step::Announce(Order {
            letter: self.letters - 1,
            person,
            by,
            is_legal: self.random.bool(),
            remind: !self.seldom(3),
            available_in,
            language: self.random.bool().then(|| self.language()),
            may_be_named: self.random.bool(),
        })
    }

    fn letter(&mut self) -> usize {
        self.random.usize(..self.letters.max(1))
    }

    fn closing(&mut self) -> Closing {
        if self.seldom(3) {
            Closing::Cancelled
        } else {
            Closing::Opened
        }
    }

    fn change(&mut self) -> Step {
        let what = match self.random.u8(..20) {
            0..=6 => Change::NewAddress(self.channel()),
            7..=9 => Change::Remove(self.channel()),
            10..=12 => Change::Prefer(self.channel()),
            13..=14 => Change::Speak(self.language()),
            15 => Change::Confirm,
            16..=17 => Change::Reserve,
            18 => Change::Unreserve,
            _ if self.seldom(3) => Change::Leave,
            _ => Change::Unreserve,
        };
        Step::Change {
            person: self.random.usize(..LIVES),
            what,
        }
    }

    /// A step of those that go with nothing wrong.
    fn calm_step(&mut self) -> Step {
        match self.random.u8(..20) {
            0..=1 if self.letters < MOST_LETTERS => {
                let person = self.random.usize(..LIVES);
                self.announce(person)
            }
            2..=3 => Step::AnnounceAgain {
                letter: self.letter(),
                same_key: self.random.bool(),
            },
            4..=6 => Step::Close {
                letter: self.letter(),
                how: self.closing(),
            },
            7..=12 => self.change(),
            _ => Step::Pass {
                to: self.moment(),
                is_busy: true,
            },
        }
    }

    fn step(&mut self) -> Step {
        match self.random.u8(..100) {
            0..=2 if self.letters < MOST_LETTERS => {
                let person = self.random.usize(..LIVES);
                self.announce(person)
            }
            0..=4 => Step::AnnounceAgain {
                letter: self.letter(),
                same_key: self.random.bool(),
            },
            5..=8 => Step::Close {
                letter: self.letter(),
                how: self.closing(),
            },
            9..=10 => Step::CloseMeanwhile {
                letter: self.letter(),
                how: self.closing(),
            },
            11..=18 => self.change(),
            19..=33 => Step::Pass {
                to: self.moment(),
                is_busy: self.seldom(12),
            },
            34..=40 => Step::Tick(match self.random.u8(..8) {
                0 => Ticking::Twice,
                1 => Ticking::Dies(self.random.u32(1..120)),
                _ => Ticking::Once,
            }),
            41..=52 => Step::Stream(match self.random.u8(..12) {
                0 => Streaming::Twice,
                1 => Streaming::Half,
                2 => Streaming::Old,
                3..=4 => Streaming::Lost,
                _ => Streaming::All,
            }),
            53..=68 => Step::Queue(self.queueing()),
            69..=76 => self.fault(),
            77..=80 => self.worker_dies(),
            81..=86 => self.worker_stops(),
            87..=90 => Step::WorkerGoesOn {
                is_lost: self.seldom(4),
            },
            _ => Step::Reports(self.reporting()),
        }
    }

    fn worker_dies(&mut self) -> Step {
        Step::WorkerDies {
            message: self.random.usize(..100),
            after: self.one(&LOOKS),
        }
    }

    fn worker_stops(&mut self) -> Step {
        Step::WorkerStops {
            message: self.random.usize(..100),
            after: self.one(&LOOKS),
        }
    }

    fn queueing(&mut self) -> Queueing {
        let which = self.random.usize(..100);
        match self.random.u8(..16) {
            0 => Queueing::Twice,
            1 => Queueing::CutOff,
            2..=3 => Queueing::One(which),
            4 => Queueing::Lost(which),
            5 => Queueing::Old(which),
            6..=7 => Queueing::Early(which),
            _ => Queueing::All,
        }
    }

    fn reporting(&mut self) -> Reporting {
        let which = self.random.usize(..100);
        match self.random.u8(..10) {
            0 => Reporting::Backwards,
            1 => Reporting::Twice,
            2 => Reporting::One(which),
            3..=4 => Reporting::Lost(which),
            5 => Reporting::Old(which),
            _ => Reporting::All,
        }
    }

    fn fault(&mut self) -> Step {
        let faults = [
            Fault::Throttle,
            Fault::Throttle,
            Fault::Unavailable,
            Fault::TimeoutBefore,
            Fault::TimeoutAfter,
            Fault::TimeoutAfter,
            Fault::Reject,
            Fault::Pause,
            Fault::Suspend,
            Fault::OptedOut,
            Fault::InvalidNumber,
            Fault::Unreachable,
            Fault::SpendLimit,
            Fault::Bounce,
            Fault::SoftBounce,
            Fault::Complaint,
            Fault::Delay,
            Fault::NoReport,
        ];
        Step::Fault {
            channel: self.channel(),
            fault: self.one(&faults),
            count: self.random.u32(1..4),
        }
    }

    fn moment(&mut self) -> Moment {
        let off = self.one(&[
            seconds(-1),
            seconds(0),
            seconds(1),
            seconds(40),
            minutes(-30),
            minutes(5),
        ]);
        let far = if self.is_calm { 40 } else { 34 };
        match self.random.u8(..far) {
            0..=8 => Moment::In(seconds(self.random.i64(1..30))),
            9..=17 => Moment::In(seconds(self.random.i64(30..95))),
            18..=24 => Moment::In(minutes(self.random.i64(2..31))),
            25..=27 => Moment::In(minutes(self.random.i64(31..120))),
            28 => Moment::In(minutes(self.random.i64(120..30 * 60))),
            29..=32 => Moment::At(self.one(&[9, 9, 20]), off),
            33..=34 => Moment::Deadline {
                letter: self.letter(),
                off,
            },
            _ => Moment::Reminder {
                letter: self.letter(),
                off,
            },
        }
    }
}
