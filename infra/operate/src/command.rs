//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    end,
    place::{Place, Where},
    progress::Progress,
    stop::Stop,
    tables,
};

/// What an operator does to the register on purpose, where AWS has no command for it.
///
/// Run it with `--dry-run` first: that only counts. It can be stopped with Ctrl-C and run again: it goes on where it was, and
/// does nothing twice. How far it is goes to the error stream, and what came of it to standard output, in JSON. No
/// output names a person.
///
/// In AWS it takes region and credentials from `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
/// `AWS_SESSION_TOKEN` (`aws configure export-credentials --format env`), and other endpoints from
/// `AWS_ENDPOINT_URL_DYNAMODB` and its like.
///
/// Ends with 0 when all is done, 1 when something is left to do (it was stopped, or failed for some: run it again), 2 when it
/// could not be done at all.
#[derive(Debug, Parser)]
#[command(version, name = "operate")]
pub struct Operate {
    #[command(flatten)]
    place: Where,
    /// Only counts what would be done.
    #[arg(long, global = true)]
    dry_run: bool,
    #[command(subcommand)]
    command: Command,
}

/// How a command is done.
#[derive(Debug)]
pub struct How {
    /// Whether it only counts.
    pub dry_run: bool,
    /// Whether somebody wants it to stop.
    pub stop: Stop,
    /// Where it shows how far it is.
    pub progress: Progress,
}

impl How {
    /// Unseen, and to its end.
    pub fn unseen(dry_run: bool) -> Self {
        Self {
            dry_run,
            stop: Stop::default(),
            progress: Progress::hidden(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows which tables would be worked on, and about how many items each has. Ends with 1 if one cannot be used.
    Tables,
}

impl Operate {
    /// Does it.
    pub async fn run(self) -> ExitCode {
        let place = match Place::open(&self.place).await {
            Ok(place) => place,
            Err(error) => return end::not_done(&error),
        };
        match self.command {
            Command::Tables => end::tell(tables::show(&place).await),
        }
    }
}
