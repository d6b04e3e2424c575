//! How far it is, on the terminal's error stream: a bar, or a line for each step where there is no terminal.

use std::{
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::api::{Batch, State};

const BYTES: &str = "{msg:11} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const WORK: &str = "{prefix:11} [{bar:40}] {msg}";
/// What a hundred percent are on the bar: tenths are seen.
const WHOLE: u64 = 1000;

/// Shows how far it is. Clones show the same.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    /// Whether lines are written where there is no bar.
    speaks: bool,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    id: Option<String>,
    is_uploaded: bool,
    step: &'static str,
}

impl Progress {
    /// On the error stream.
    pub fn shown() -> Self {
        Self::on(ProgressDrawTarget::stderr(), true)
    }

    /// Nowhere.
    pub fn hidden() -> Self {
        Self::on(ProgressDrawTarget::hidden(), false)
    }

    fn on(target: ProgressDrawTarget, speaks: bool) -> Self {
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            speaks,
            shared: Arc::default(),
        }
    }

    /// What becomes of the batch when this program ends now.
    pub fn left(&self) -> String {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match &shared.id {
            Some(id) if shared.is_uploaded => format!("Stopped. Batch {id} goes on in the stack."),
            Some(id) => format!("Stopped before the whole file was there: nothing comes of batch {id}."),
            None => "Stopped before anything was asked for.".to_owned(),
        }
    }

    /// Clears the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn created(&self, id: &str) {
        self.with(|shared| shared.id = Some(id.to_owned()));
    }

    pub(super) fn uploading(&self, size: u64) {
        self.bytes("uploading", Some(size));
    }

    pub(super) fn uploaded(&self) {
        self.with(|shared| shared.is_uploaded = true);
    }

    pub(super) fn downloading(&self, size: Option<u64>) {
        self.bytes("downloading", size);
    }

    pub(super) fn moved(&self, bytes: usize) {
        self.bar.inc(bytes as u64);
    }

    pub(super) fn show(&self, batch: &Batch) {
        let step = step(batch.state);
        let is_new = self.step(step);
        if is_new {
            self.bar.set_style(style(WORK));
            self.bar.set_length(WHOLE);
            self.bar.set_prefix(step);
        }
        self.bar.set_message(told(batch));
        self.bar.set_position(tenths(batch.percent.unwrap_or_default()));
    }

    fn bytes(&self, step: &'static str, size: Option<u64>) {
        self.step(step);
        self.bar.reset();
        self.bar.set_style(style(BYTES));
        self.bar.set_message(step);
        self.bar.set_length(size.unwrap_or_default());
        self.bar.set_position(0);
    }

    /// Says whether it is another step than before.
    fn step(&self, step: &'static str) -> bool {
        let is_new = self.with(|shared| std::mem::replace(&mut shared.step, step) != step);
        if is_new && self.speaks && self.bar.is_hidden() {
            // A closed stream is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{step}");
        }
        is_new
    }

    fn with<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The templates are the ones above; a wrong one shows a bar of another make.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

const fn step(state: State) -> &'static str {
    match state {
        State::AwaitingUpload | State::Received => "received",
        State::Planning => "planning",
        State::Held => "held",
        State::Working => "working",
        State::Finishing => "finishing",
        State::Done => "done",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
        State::Duplicate => "duplicate",
        State::Other => "under way",
    }
}

/// A percentage on the bar.
fn tenths(percent: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 1000"
    )]
    let tenths = (percent * 10.0).clamp(0.0, 1000.0) as u64;
    tenths
}

/// ` 42 % · 420,000 of 1,000,000 rows · 12,345 rows/s · 2 minutes left`, as far as it is known.
fn told(batch: &Batch) -> String {
    let mut parts = vec![format!("{:>3.0} %", batch.percent.unwrap_or_default())];
    match (batch.rows_done, batch.rows) {
        (Some(done), Some(rows)) => parts.push(format!("{} of {} rows", HumanCount(done), HumanCount(rows))),
        (None, Some(rows)) => parts.push(format!("{} rows", HumanCount(rows))),
        (_, None) => {}
    }
    if let Some(speed) = batch.rows_per_second.and_then(whole).filter(|speed| *speed > 0) {
        parts.push(format!("{} rows/s", HumanCount(speed)));
    }
    if let Some(left) = batch.seconds_left.and_then(whole).filter(|left| *left > 0) {
        parts.push(format!("{} left", HumanDuration(Duration::from_secs(left))));
    }
    parts.join(" · ")
}

/// Nothing for what is no number of anything.
fn whole(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is neither negative nor infinite"
    )]
    let whole = number.round() as u64;
    (number.is_finite() && number >= 0.0).then_some(whole)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn batch(value: Value) -> Batch {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn speed_and_time_left_are_told_once_they_are_known() {
        let planning = batch(json!({"id": "b1", "state": "planning", "percent": 0}));
        assert_eq!(told(&planning), "  0 %");
        let working = batch(json!({
            "id": "b1", "state": "working", "percent": 42.4, "rows": 1_000_000, "rowsDone": 420_000, "rowsPerSecond": 12_345.4, "secondsLeft": 125,
        }));
        assert_eq!(
            told(&working),
            " 42 % · 420,000 of 1,000,000 rows · 12,345 rows/s · 2 minutes left"
        );
        let stalled =
            batch(json!({"id": "b1", "state": "working", "percent": 99.96, "rowsPerSecond": 0, "secondsLeft": null}));
        assert_eq!(told(&stalled), "100 %");
    }

    #[test]
    fn the_bar_stays_within_its_ends() {
        assert_eq!(
            [-1.0, 0.0, 42.42, 100.0, 250.0, f64::NAN].map(tenths),
            [0, 0, 424, 1000, 1000, 0]
        );
    }

    #[test]
    fn who_stops_is_told_what_becomes_of_the_batch() {
        let progress = Progress::hidden();
        assert_eq!(progress.left(), "Stopped before anything was asked for.");
        progress.created("b1");
        assert_eq!(
            progress.left(),
            "Stopped before the whole file was there: nothing comes of batch b1."
        );
        progress.uploaded();
        assert_eq!(progress.left(), "Stopped. Batch b1 goes on in the stack.");
    }
}
