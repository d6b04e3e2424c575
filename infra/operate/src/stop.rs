//! Ctrl-C: what is in hand is finished, and nothing new is begun.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether somebody has asked to stop. Clones hear the same.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Hears Ctrl-C from now on. A second one ends the process at once.
    pub fn on_ctrl_c() -> Self {
        let stop = Self::default();
        let heard = stop.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if heard.0.swap(true, Ordering::Relaxed) {
                    // What a shell gives a process that was stopped by Ctrl-C.
                    std::process::exit(130);
                }
            }
        });
        stop
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to begin nothing new.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
