//! Many runs in two threads; and of a run that fails, the shortest that fails still.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures_util::FutureExt as _;

use crate::{
    house::House,
    life::{Wrong, live},
    seen::Seen,
    steps::{LIVES, Run},
};

/// Histories of one test, unless the environment says otherwise.
const HISTORIES: usize = 1200;
const THREADS: usize = 2;
/// Runs on one house: what they leave behind makes it slower.
const RUNS_OF_A_HOUSE: usize = 20;
/// How long a run that failed is made shorter.
const SHORTENING: Duration = Duration::from_mins(2);

/// What so many histories must have come across: without it, much of what must hold was never asked.
const MANY: usize = 1000;
const REACHED: [&str; 40] = [
    "checked: foretold",
    "checked: told",
    "checked: told again",
    "checked: told by the other channel",
    "died Read",
    "died Claimed",
    "died Written",
    "died MarkedSending",
    "died Called",
    "stopped Read",
    "stopped Claimed",
    "stopped Written",
    "stopped MarkedSending",
    "stopped Called",
    "taken sms letter-arrived",
    "taken email letter-arrived",
    "taken sms letter-reminder",
    "taken email letter-reminder",
    "taken late",
    "taken late, of a closed letter",
    "event opened",
    "event cancelled",
    "event unreachable reserved",
    "event unreachable stale",
    "event first sms unknown",
    "event first email unknown",
    "event first sms expired",
    "event first sms failed address-refused",
    "event first email failed address-refused",
    "event first sms failed undelivered",
    "event first sms failed reserved",
    "event first sms cancelled",
    "event reminder sms cancelled",
    "event reminder email delivered",
    "fault sms Throttle",
    "fault sms TimeoutBefore",
    "fault sms TimeoutAfter",
    "fault sms Pause",
    "fault email Unavailable",
    "fault email Bounce",
];

const SEEDS: &str = include_str!("seeds.txt");

#[test]
fn whatever_happens_to_letters_nothing_is_lost_and_nothing_is_said_twice() {
    if let Ok(seed) = std::env::var("LETTER_SEED") {
        all(vec![seed.parse().unwrap()]);
        return;
    }
    // The same ones each time, so that a change is judged by itself; new ones are looked for with LETTER_HISTORIES.
    let (histories, mut random) = std::env::var("LETTER_HISTORIES").map_or_else(
        |_| (HISTORIES, Rng::with_seed(HISTORIES as u64)),
        |count| (count.parse().unwrap(), Rng::new()),
    );
    let failed_once = SEEDS
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut seeds: Vec<u64> = failed_once
        .filter(|seed| !seed.is_empty())
        .map(|seed| seed.parse().unwrap())
        .collect();
    seeds.extend((0..histories.div_ceil(LIVES)).map(|_| random.u64(..)));
    let seen = all(seeds);
    if histories >= MANY {
        assert_eq!(seen.lacks(&REACHED), Vec::<&str>::new(), "never came across");
    }
}

/// Does the runs of all seeds, until one fails, and says what they came across.
fn all(mut seeds: Vec<u64>) -> Seen {
    seeds.reverse();
    let seeds = Mutex::new(seeds);
    let has_failed = AtomicBool::new(false);
    let seen = Mutex::new(Seen::default());
    let failures: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| block_on(some(&seeds, &has_failed, &seen))))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect()
    });
    let seen = seen.into_inner().unwrap();
    println!("{seen}");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    seen
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

/// One thread's share.
async fn some(waiting: &Mutex<Vec<u64>>, has_failed: &AtomicBool, all_seen: &Mutex<Seen>) -> Option<String> {
    loop {
        let mut house = House::new().await;
        for _ in 0..RUNS_OF_A_HOUSE {
            let next = waiting
                .lock()
                .unwrap()
                .pop()
                .filter(|_| !has_failed.load(Ordering::SeqCst));
            let Some(seed) = next else {
                all_seen.lock().unwrap().add(house.seen);
                return None;
            };
            let run = Run::drawn(seed);
            if let Err(wrong) = live_through(&mut house, &run).await {
                has_failed.store(true, Ordering::SeqCst);
                drop(house);
                return Some(report(seed, &run, wrong).await);
            }
        }
        all_seen.lock().unwrap().add(house.seen);
    }
}

/// Does a run; a panic is what is wrong with it.
async fn live_through(house: &mut House, run: &Run) -> Result<(), Wrong> {
    let lived = AssertUnwindSafe(live(house, run)).catch_unwind().await;
    lived.unwrap_or_else(|panic| Err(format!("a panic: {}", words(panic.as_ref()))))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("of another kind")
}

async fn report(seed: u64, run: &Run, wrong: Wrong) -> String {
    let (shorter, wrong_there) = shortened(run.clone()).await;
    let steps = shorter
        .steps
        .iter()
        .enumerate()
        .map(|(at, step)| format!("  {at}: {step:?}"));
    format!(
        "LETTER_SEED={seed} repeats it: {wrong}\n\nThe shortest that was found, of {} steps instead of {}: {}\n  \
         from {}\n  {:?}\n{}",
        shorter.steps.len(),
        run.steps.len(),
        wrong_there.unwrap_or_else(|| "it did not fail again".to_owned()),
        shorter.start,
        shorter.persons,
        steps.collect::<Vec<_>>().join("\n")
    )
}

/// Leaves steps out for as long as the run fails without them.
async fn shortened(mut run: Run) -> (Run, Option<Wrong>) {
    let began = Instant::now();
    let mut wrong = None;
    let mut size = run.steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < run.steps.len() {
            if began.elapsed() > SHORTENING {
                return (run, wrong);
            }
            let shorter = run.without(at, size.min(run.steps.len() - at));
            match live_through(&mut House::new().await, &shorter).await {
                Ok(()) => at += size,
                Err(still) => {
                    wrong = Some(still);
                    run = shorter;
                }
            }
        }
        size /= 2;
    }
    (run, wrong)
}
