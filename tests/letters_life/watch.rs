//! A worker's watch: at a look at it, the worker can be made to die.

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use infra_edge::clock::Clock;

/// Never.
const NEVER: u32 = u32::MAX;

/// A clock that counts how often it is looked at.
#[derive(Clone)]
pub(crate) struct Watch {
    clock: Clock,
    looks: Arc<AtomicU32>,
    dies_at: Arc<AtomicU32>,
}

impl Watch {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            looks: Arc::default(),
            dies_at: Arc::new(AtomicU32::new(NEVER)),
        }
    }

    /// The clock, for the worker.
    pub(crate) fn clock(&self) -> Clock {
        let watch = self.clone();
        Clock::new(move || {
            if watch.looks.fetch_add(1, Ordering::SeqCst) + 1 == watch.dies_at.load(Ordering::SeqCst) {
                // Nothing of it runs any more; and nobody is told.
                panic::resume_unwind(Box::new("dead"));
            }
            watch.clock.now()
        })
    }

    /// Whoever looks for the so manieth time from now on is dead.
    pub(crate) fn dies_at(&self, look: u32) {
        self.looks.store(0, Ordering::SeqCst);
        self.dies_at.store(look, Ordering::SeqCst);
    }

    pub(crate) fn lives_on(&self) {
        self.dies_at.store(NEVER, Ordering::SeqCst);
    }
}
