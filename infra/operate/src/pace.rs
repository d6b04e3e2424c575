//! No more than so many a minute.

use std::{num::NonZeroU32, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Interval, MissedTickBehavior},
};

/// Lets one after the other begin.
#[derive(Debug)]
pub struct Pace(Mutex<Interval>);

impl Pace {
    /// So many a minute, evenly. What was missed is not made up for.
    pub fn per_minute(most: NonZeroU32) -> Self {
        let mut turns = tokio::time::interval(Duration::from_mins(1) / most.get());
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(Mutex::new(turns))
    }

    /// Waits for one's turn.
    pub async fn turn(&self) {
        self.0.lock().await.tick().await;
    }
}
