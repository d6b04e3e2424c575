//! How far a command is, on the error stream: one line that changes, or one every ten seconds where there is no terminal.

use std::{
    io::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two lines where there is no terminal.
const WORD: Duration = Duration::from_secs(10);
/// Between two looks of the terminal's line.
const TURN: Duration = Duration::from_millis(100);

/// Shows what was counted so far.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    speaks: bool,
    said: Mutex<Instant>,
}

impl Progress {
    /// On the error stream.
    pub fn shown() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is a constant; a wrong one shows a line of another make.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TURN);
        Self {
            bar,
            speaks: true,
            said: Mutex::new(Instant::now()),
        }
    }

    /// Nowhere.
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            speaks: false,
            said: Mutex::new(Instant::now()),
        }
    }

    /// What is being done, and counts of it.
    pub fn counted(&self, doing: &str, counts: &[(&str, u64)]) {
        let counts: Vec<_> = counts
            .iter()
            .map(|(name, count)| format!("{name} {}", HumanCount(*count)))
            .collect();
        let text = format!("{doing}: {}", counts.join(", "));
        if self.speaks && self.bar.is_hidden() {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.elapsed() >= WORD {
                *said = Instant::now();
                // A closed stream is no reason to stop.
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
        self.bar.set_message(text);
    }

    /// Clears the line away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
