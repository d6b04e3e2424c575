//! Waiting before another try.

use std::time::Duration;

use uuid::Uuid;

/// Full jitter: a random wait of at most `first · 2^attempt`, capped at `longest`.
///
/// Callers that were turned away together do not come back together.
pub async fn wait(attempt: u32, first: Duration, longest: Duration) {
    let ceiling = first.saturating_mul(1 << attempt.min(16)).min(longest);
    tokio::time::sleep(ceiling.mul_f64(fraction())).await;
}

/// Tries to write an item after another writer was first.
pub const MAX_RACES: u32 = 8;

/// Waits before a try to write what others write: not before the first, number 0.
pub async fn race(number: u32) {
    if number > 0 {
        wait(number, Duration::from_millis(5), Duration::from_millis(100)).await;
    }
}

/// A random number from 0 to 1: the part of a longest wait that one caller waits.
pub fn fraction() -> f64 {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(high >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
