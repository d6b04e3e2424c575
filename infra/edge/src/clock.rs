//! The one place where the functions ask what time it is.

use std::sync::Arc;

use jiff::{Timestamp, Unit};

/// A clock that is passed in, so that tests and the local stack can move it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that may")]
        Self::new(Timestamp::now)
    }

    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time, in whole milliseconds: what is stored is what was compared.
    pub fn now(&self) -> Timestamp {
        let now = (self.0)();
        now.round(Unit::Millisecond).unwrap_or(now)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
