//! The stack's clock, which can be moved.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use infra_edge::clock::Clock;
use jiff::{SignedDuration, Timestamp};

/// Time as the stack sees it: the machine's, moved; or, for tests, one that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct MovableClock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// None: the machine's time.
    frozen_at: Option<Timestamp>,
    moved_by: Mutex<SignedDuration>,
    file: Option<PathBuf>,
}

impl MovableClock {
    /// The machine's clock; how far it was moved is kept in `folder`.
    ///
    /// # Errors
    /// The note in the folder cannot be read.
    pub fn running(folder: Option<&Path>) -> io::Result<Self> {
        let file = folder.map(|folder| folder.join("clock"));
        let moved_by = match file.as_ref().map(fs::read_to_string) {
            Some(Ok(seconds)) => SignedDuration::from_secs(seconds.trim().parse().map_err(io::Error::other)?),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => SignedDuration::ZERO,
        };
        Ok(Self(Arc::new(Shared {
            frozen_at: None,
            moved_by: Mutex::new(moved_by),
            file,
        })))
    }

    /// A clock that stands still at `now`.
    pub fn frozen(now: Timestamp) -> Self {
        Self(Arc::new(Shared {
            frozen_at: Some(now),
            moved_by: Mutex::new(SignedDuration::ZERO),
            file: None,
        }))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        let moved_by = *self.0.moved_by.lock().unwrap_or_else(PoisonError::into_inner);
        let base = self.0.frozen_at.unwrap_or_else(|| Clock::system().now());
        base.checked_add(moved_by).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock on, in whole seconds where it is kept.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn advance(&self, by: SignedDuration) -> io::Result<()> {
        let mut moved_by = self.0.moved_by.lock().unwrap_or_else(PoisonError::into_inner);
        let next = moved_by.checked_add(by).unwrap_or(SignedDuration::MAX);
        if let Some(file) = &self.0.file {
            keep(file, next)?;
        }
        *moved_by = next;
        Ok(())
    }

    /// Sets the clock, also back: for tests whose histories begin at different times on one stack.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn set(&self, to: Timestamp) -> io::Result<()> {
        self.advance(to.duration_since(self.now()))
    }

    /// Puts the clock back to where it began.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn reset(&self) -> io::Result<()> {
        let mut moved_by = self.0.moved_by.lock().unwrap_or_else(PoisonError::into_inner);
        *moved_by = SignedDuration::ZERO;
        self.0.file.as_ref().map_or(Ok(()), |file| keep(file, *moved_by))
    }

    /// The clock as the functions take it.
    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || clock.now())
    }
}

/// Written whole or not at all: half a number would keep the next run from starting, or move its clock.
fn keep(file: &Path, moved_by: SignedDuration) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, moved_by.as_secs().to_string())?;
    fs::rename(&new, file)
}
