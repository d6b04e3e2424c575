//! The minute, the hour and the day that a moment lies in.

use jiff::{SignedDuration, Timestamp};

use crate::contact::norwegian_time;

/// A stretch of time that counts are kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after.
    pub until: Timestamp,
}

/// The windows that are open at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// The minute.
    pub minute: Window,
    /// The hour. Norwegian time is whole hours from UTC, so that an hour lies in one day.
    pub hour: Window,
    /// The Norwegian day: 23 to 25 hours.
    pub day: Window,
}

impl Windows {
    /// Those that are open at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self {
            minute: Window::of(now, 60),
            hour: Window::of(now, 3600),
            day: day(now).unwrap_or_else(|_| Window::of(now, 86_400)),
        }
    }
}

/// Fails at the ends of time only.
fn day(now: Timestamp) -> Result<Window, jiff::Error> {
    let now = now.to_zoned(norwegian_time());
    Ok(Window {
        from: now.start_of_day()?.timestamp(),
        until: now.tomorrow()?.start_of_day()?.timestamp(),
    })
}

impl Window {
    fn of(now: Timestamp, seconds: i64) -> Self {
        let from = now.as_second().div_euclid(seconds) * seconds;
        let moment = |second| Timestamp::from_second(second);
        Self {
            from: moment(from).unwrap_or(Timestamp::MIN),
            until: moment(from + seconds).unwrap_or(Timestamp::MAX),
        }
    }

    /// Its length.
    pub fn seconds(&self) -> u32 {
        whole_seconds(self.until.duration_since(self.from))
    }

    /// From `now` until the next one, rounded up: at least one.
    pub fn seconds_left(&self, now: Timestamp) -> u32 {
        whole_seconds(self.until.duration_since(now)).max(1)
    }
}

fn whole_seconds(duration: SignedDuration) -> u32 {
    let begun = i64::from(duration.subsec_nanos() > 0);
    u32::try_from(duration.as_secs() + begun).unwrap_or_default()
}
