//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    end,
    erase::{self, Erasing},
    place::{Place, Where},
    progress::Progress,
    provider_leaves::{self, Leave},
    rekey::{self, Rekeying},
    restore::{self, Restoring},
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
    /// Moves everybody away from a provider that leaves the market, and tells each person once.
    ///
    /// Run it as soon as the day is known, and once more on the day: then whoever came in meanwhile is moved as well, and the
    /// provider's mailboxes are closed. It reads the whole register: some 640 000 read units for five million persons.
    ProviderLeaves(Leave),
    /// Puts entries back from a table that was restored to an earlier moment, person by person.
    ///
    /// Nothing is sent again, and what was erased or deleted since stays so. Versions go on, and the change feed says who
    /// was put back, so that whoever follows it reads them anew. The stack goes on meanwhile.
    Restore(Restoring),
    /// Erases a person by order of the data protection officer. The identity number is read from standard input.
    ///
    /// The entry says then that there was one (`deleted`), so that those who follow the change feed hear whom they have to erase
    /// as well, and that who has died cannot come back. Its history ends with that. Codes, notices, letters and relations go,
    /// and what stored answers held. The record of who looked the person up stays for its time by law; it holds keys alone.
    Erase(Erasing),
    /// Moves everybody from the keys of the previous secret to those of the current one, unseen, and says when the previous one
    /// may go.
    ///
    /// First deploy with both (infra/runbook.md, "Rotate the person-key secret"). It reads the register once, and at the end
    /// once more, with the addresses and the letters.
    Rekey(Rekeying),
}

impl Operate {
    /// Does it.
    pub async fn run(self) -> ExitCode {
        let place = match Place::open(&self.place).await {
            Ok(place) => place,
            Err(error) => return end::not_done(&error),
        };
        let how = How {
            dry_run: self.dry_run,
            stop: Stop::on_ctrl_c(),
            progress: Progress::shown(),
        };
        match self.command {
            Command::Tables => end::tell(tables::show(&place).await),
            Command::ProviderLeaves(leave) => end::tell(provider_leaves::run(&place, &leave, &how).await),
            Command::Restore(restoring) => end::tell(restore::run(&place, &restoring, &how).await),
            Command::Erase(_) => match erase::from_stdin(&place) {
                Ok(person) => end::tell(erase::run(&place, &person, &how).await),
                Err(error) => end::not_done(&error),
            },
            Command::Rekey(rekeying) => end::tell(rekey::run(&place, &rekeying, &how).await),
        }
    }
}
