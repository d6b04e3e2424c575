//! What a command ends with: a summary in JSON on standard output, and an exit code.

use std::{io::Write as _, process::ExitCode};

use serde::Serialize;

/// What a process ends with that could not do what it should at all.
pub const NOT_DONE: u8 = 2;
/// What a process ends with that has left something to do: it was stopped, or something failed.
pub const LEFT: u8 = 1;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All that was to be done is done. Of a dry run: all that was to be looked at was looked at.
    Done,
    /// Something is left to do: run it again.
    Left,
}

impl End {
    /// All of it, unless something is left.
    pub const fn unless(left: bool) -> Self {
        if left { Self::Left } else { Self::Done }
    }

    /// What the process ends with.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Left => ExitCode::from(LEFT),
        }
    }
}

/// A command's summary. It counts, and names nobody.
pub trait Summary: Serialize {
    /// How the command ended.
    fn end(&self) -> End;
}

/// Prints what came of a command and gives the exit code.
pub fn tell<S: Summary, E: std::error::Error>(outcome: Result<S, E>) -> ExitCode {
    match outcome {
        Ok(summary) => {
            let end = summary.end();
            let text = serde_json::to_string_pretty(&summary).unwrap_or_default();
            // A closed pipe changes nothing of what was done.
            let _ = writeln!(std::io::stdout(), "{text}");
            end.exit_code()
        }
        Err(error) => not_done(&error),
    }
}

/// Says why nothing could be done and gives the exit code.
pub fn not_done(error: &dyn std::error::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "It could not be done: {error}");
    ExitCode::from(NOT_DONE)
}
