//! `cargo run --profile bench -p local -- soak`: many letters under faults, and the proof that afterwards the books are
//! exact.
//!
//! Letters are announced and told of on the local stack, by the functions themselves. Meanwhile deliveries come twice,
//! workers die, providers refuse, and answers are lost after the provider has accepted. Time is moved, never slept:
//! retries, dead leases, the hour after which the other channel is used, all of it happens within the run.
//!
//! Of everything that goes wrong it is known what and whom it befell. So it can be asked of every letter whether its
//! person was told, and told once; and of every call whose outcome was not known, how it became so and what was made of
//! it.
//!
//! The stand-ins keep what they were given for as long as they run. So a run is a row of rounds, each on a stack of its
//! own: how much memory it takes depends on a round, not on how many there are. As many rounds run at once as the machine
//! has processors, each on a thread of its own: a stack's parts talk to each other all the time, and do so best there.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::mpsc::{self, UnboundedSender},
    time::{Instant, Interval, MissedTickBehavior},
};

use crate::{
    memory::Memory,
    mishaps::Odds,
    stack::{Stack, StackError},
};

mod audit;
mod persons;
mod report;
mod round;

pub use report::{Deaths, Held, PerChannel, Repeated, Report, Unknowns};

use round::Round;

/// Letters of one round, at the most.
const LONGEST_ROUND: u64 = 3_000;
/// Between two words on how far the run is, and between two counts for it.
const WORD: Duration = Duration::from_secs(1);
const COUNT: Duration = Duration::from_millis(200);
/// A Tuesday, a little after telephones may ring in Norway.
const MORNING: &str = "2026-03-03T08:05:00Z";

/// How much is sent, and what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Notices: one for each letter. What follows on the other channel comes on top.
    pub notices: u64,
    /// Deliveries and workers.
    pub odds: Odds,
    /// Calls that the provider accepts and whose answer is lost, in percent.
    pub lost: f64,
    /// Calls that the provider refuses for now, in percent.
    pub refused: f64,
    /// What all lots are drawn by.
    pub seed: u64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Messages that the providers have accepted.
    pub accepted: u64,
    /// Those accepted in a second, since the last word.
    pub per_second: f64,
    /// What the process holds.
    pub memory: Memory,
}

/// Runs it. `progress` is called about once a second.
///
/// # Errors
/// [`StackError`]. What does not hold is no error: the report says it.
pub async fn run(options: Options, mut progress: impl FnMut(Progress)) -> Result<Report, StackError> {
    let started = Instant::now();
    let lanes = thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let rounds = Arc::new(Rounds {
        options,
        // A short run is shared out too.
        size: options.notices.div_ceil(lanes).min(LONGEST_ROUND),
        begun: AtomicU64::new(0),
        accepted: AtomicU64::new(0),
    });
    let (sender, mut outcomes) = mpsc::unbounded_channel();
    for _ in 0..lanes.min(options.notices) {
        let (rounds, sender) = (Arc::clone(&rounds), sender.clone());
        thread::Builder::new().spawn(move || rounds.work(&sender))?;
    }
    drop(sender);
    let mut report = Report::default();
    let mut words = Words::new(started);
    loop {
        tokio::select! {
            outcome = outcomes.recv() => match outcome {
                Some(outcome) => report.add(outcome?),
                None => break,
            },
            _ = words.interval.tick() => progress(words.word(rounds.accepted.load(Ordering::Relaxed))),
        }
    }
    report.seconds = started.elapsed().as_secs_f64();
    report.memory = Memory::now();
    Ok(report)
}

/// The rounds of a run, which threads take one after the other.
struct Rounds {
    options: Options,
    /// Letters of one round.
    size: u64,
    begun: AtomicU64,
    /// Messages that the providers have accepted in all of them.
    accepted: AtomicU64,
}

impl Rounds {
    /// Runs what nobody else does, until there is nothing left, or nobody wants to know.
    fn work(&self, outcomes: &UnboundedSender<Result<Report, StackError>>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                // Who does not listen any more has an error already.
                let _ = outcomes.send(Err(error.into()));
                return;
            }
        };
        loop {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            let letters = self.options.notices.saturating_sub(number * self.size).min(self.size);
            if letters == 0 {
                return;
            }
            let outcome = runtime.block_on(self.round(number, letters));
            let has_failed = outcome.is_err();
            if outcomes.send(outcome).is_err() || has_failed {
                return;
            }
        }
    }

    async fn round(&self, number: u64, letters: u64) -> Result<Report, StackError> {
        let seed = self.options.seed.wrapping_add(number);
        let morning: Timestamp = MORNING.parse().map_err(|_| StackError::Soak("its morning"))?;
        let mishaps = round::mishaps(&self.options, seed);
        let stack = Stack::start(round::stack_options(morning, &mishaps)).await?;
        let round = Round::new(&stack, &mishaps, &self.options, seed);
        let work = round.run(letters);
        tokio::pin!(work);
        let mut interval = interval(COUNT);
        let mut counted = 0;
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                _ = interval.tick() => {
                    let accepted = stack.messages().look(<[_]>::len) as u64;
                    self.accepted.fetch_add(accepted - counted, Ordering::Relaxed);
                    counted = accepted;
                }
            }
        }
    }
}

/// Words on how far the run is.
struct Words {
    interval: Interval,
    at: Instant,
    accepted: u64,
}

impl Words {
    fn new(started: Instant) -> Self {
        Self {
            interval: interval(WORD),
            at: started,
            accepted: 0,
        }
    }

    fn word(&mut self, accepted: u64) -> Progress {
        let now = Instant::now();
        let seconds = now.duration_since(self.at).as_secs_f64();
        let new = u32::try_from(accepted.saturating_sub(self.accepted)).unwrap_or(u32::MAX);
        self.at = now;
        self.accepted = accepted;
        Progress {
            accepted,
            per_second: f64::from(new) / seconds.max(f64::EPSILON),
            memory: Memory::now(),
        }
    }
}

/// Ticks, the first of them after a while.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
