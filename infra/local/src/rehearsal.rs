//! `cargo run --profile bench -p local -- rehearse --rows 1000000`: a file of any size from an agency's disk to its result, on
//! a stack of its own, and what it took.
//!
//! The persons are put into the database before; the file then goes the way of every file: asked for by HTTP, uploaded to
//! the bucket, planned, worked off and put together by the functions, and fetched. At the end the result is compared with the
//! file. The database has a process of its own then, so that its memory is not taken for that of what works on files.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, ToSpan as _};
use mailbox_register::{
    contact::{EmailAddress, MobileNumber},
    entry::{self, Actor, Command, ContactUpdate, Entry, Registering, Transition, Update},
    person::{PersonIdentifier, Population},
    secret::Secret,
};
use serde::Serialize;
use serde_json::Value;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter},
    time::Instant,
};

use crate::{
    apart::Apart,
    memory::Memory,
    persons::{MOBILES, synthetic},
    stack::{self, Stack, StackError},
    upload::{self, Kind, Outcome, Progress, UploadError},
};

/// Persons stored at once.
const STORED_AT_ONCE: usize = 500;
/// An agency that is enrolled for files.
const AGENCY: &str = "991825827";

/// How much is rehearsed.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rows of the file.
    pub rows: usize,
    /// How many of a hundred persons are registered.
    pub registered: usize,
    /// Look-ups or letters.
    pub kind: Kind,
    /// Where file, result and database lie meanwhile; none: where the machine has temporary files.
    pub folder: Option<PathBuf>,
    /// The program that serves the database in a process of its own, this one; none: it is a part of this process, and
    /// so is its memory.
    pub database: Option<PathBuf>,
}

/// Why a rehearsal cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The stack.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A file on this machine.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The upload.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// A person cannot be made.
    #[error("the persons do not fit the rules")]
    Persons,
    /// The batch did not come to its end.
    #[error("the batch is not done")]
    NotDone,
    /// The result is not the file's.
    #[error("row {0} of the result is another than that of the file")]
    OtherRow(usize),
}

/// What it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Rows of file and result.
    pub rows: usize,
    /// From the first byte of the upload to the last of the result, in seconds.
    pub seconds: f64,
    /// Rows in a second of that.
    pub rows_per_second: f64,
    /// Memory of the process before, with the stack ready and the persons stored, in KiB.
    pub memory_before: u64,
    /// The most memory of the process meanwhile, in KiB: API, functions, bucket and upload together.
    pub memory_peak: u64,
    /// The most memory of the database's process meanwhile, in KiB; none where it has none of its own.
    pub database_peak: Option<u64>,
    /// The database's file, in bytes.
    pub database_size: u64,
}

/// Rehearses. `say` is told what is being done.
///
/// # Errors
/// [`RehearsalError`].
pub async fn run(options: &Options, progress: &Progress, say: impl Fn(&str)) -> Result<Report, RehearsalError> {
    let folder = match &options.folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            tempfile::tempdir_in(folder)?
        }
        None => tempfile::tempdir()?,
    };
    let data = folder.path().join("data");
    let database = match &options.database {
        Some(program) => Some(Apart::start(program, &data)?),
        None => None,
    };
    let stack = Stack::start(stack::Options {
        data: Some(data),
        database_at: database.as_ref().map(|database| database.url().to_owned()),
        driven: true,
        ..stack::Options::default()
    })
    .await?;
    say(&format!(
        "{} persons are being stored\n",
        options.rows * options.registered / 100
    ));
    store(&stack, options)?;
    say("the file is being written\n");
    let file = folder.path().join("rehearsal.csv");
    write(&file, options.rows).await?;

    // What was allocated for storing is given back meanwhile.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = Memory::now();
    Memory::forget_peak();
    if let Some(database) = &database {
        database.forget_peak();
    }
    let begun = Instant::now();
    let sent = upload::Options {
        file: file.clone(),
        organisation: AGENCY.to_owned(),
        kind: options.kind,
        purpose: None,
        dry_run: false,
        compare_with: None,
        url: stack.url().to_owned(),
        out: Some(folder.path().to_owned()),
    };
    let outcome = upload::run(&sent, progress).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = Memory::now();
    let Outcome::Done { files, .. } = outcome else {
        return Err(RehearsalError::NotDone);
    };
    let result = files.result.ok_or(RehearsalError::NotDone)?;
    compare(&file, &result).await?;
    #[expect(clippy::cast_precision_loss, reason = "a speed")]
    Ok(Report {
        rows: options.rows,
        seconds,
        rows_per_second: options.rows as f64 / seconds,
        memory_before: before.resident,
        memory_peak: after.peak,
        database_peak: database.as_ref().map(|database| database.memory().peak),
        database_size: stack.database().size().map_err(StackError::from)?,
    })
}

/// Stores the persons of the rows, those of each hundred who are registered.
fn store(stack: &Stack, options: &Options) -> Result<(), RehearsalError> {
    let registered_at = stack.clock().now().checked_sub(24.hours());
    let registered_at = registered_at.map_err(|_| RehearsalError::Persons)?;
    let registered = synthetic()
        .take(options.rows)
        .enumerate()
        .filter(|(at, _)| at % 100 < options.registered);
    let mut rows = Vec::with_capacity(STORED_AT_ONCE);
    for (at, number) in registered {
        rows.push(row(stack.secret(), at, &number, registered_at)?);
        if rows.len() == STORED_AT_ONCE {
            let full = std::mem::take(&mut rows);
            stack.database().load("RegisterTable", full).map_err(StackError::from)?;
        }
    }
    stack.database().load("RegisterTable", rows).map_err(StackError::from)?;
    Ok(())
}

/// A row of the register's table, as the register writes one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    person: String,
    version: u64,
    entry: &'a Entry,
    changed_at: Timestamp,
    mobile_shared: bool,
}

fn row(secret: &Secret, at: usize, number: &str, now: Timestamp) -> Result<Value, RehearsalError> {
    let identifier = PersonIdentifier::parse(number, Population::Synthetic).map_err(|_| RehearsalError::Persons)?;
    let commands = commands(at).ok_or(RehearsalError::Persons)?;
    let mut entry: Option<Entry> = None;
    for (actor, command) in commands {
        match entry::apply(entry.as_ref(), &identifier, command, actor, now) {
            Ok(Transition::Changed(outcome)) => entry = Some(outcome.entry),
            _ => return Err(RehearsalError::Persons),
        }
    }
    let entry = entry.ok_or(RehearsalError::Persons)?;
    let row = Row {
        person: secret.person_key(&identifier).as_str().to_owned(),
        version: entry.version,
        entry: &entry,
        changed_at: now,
        mobile_shared: true,
    };
    let item: serde_dynamo::Item = serde_dynamo::to_item(row).map_err(|_| RehearsalError::Persons)?;
    serde_json::to_value(item).map_err(|_| RehearsalError::Persons)
}

/// How a person came into the register.
fn commands(at: usize) -> Option<[(Actor, Command); 2]> {
    let mobile = MOBILES.clone().nth(at % 95)?;
    let contact = Command::SetContact(ContactUpdate {
        email: Update::Set(EmailAddress::parse(&format!("person.{at}@example.no")).ok()?),
        mobile: Update::Set(MobileNumber::parse(&format!("+{mobile}"), &"NO,SE".parse().ok()?).ok()?),
        language: None,
        preferred_channel: None,
    });
    let mailbox = Command::RegisterMailbox(Registering {
        provider: "digipost".parse().ok()?,
        address: format!("person.number#{at}").try_into().ok()?,
        certificate: Update::Keep,
    });
    let provider = Actor::Organisation {
        organisation: "984661185".parse().ok()?,
    };
    Some([(Actor::Citizen, contact), (provider, mailbox)])
}

async fn write(file: &Path, rows: usize) -> Result<(), RehearsalError> {
    let mut writer = BufWriter::new(File::create(file).await?);
    writer.write_all(b"person,reference\n").await?;
    for (at, number) in synthetic().take(rows).enumerate() {
        writer.write_all(format!("{number},case {at}\n").as_bytes()).await?;
    }
    Ok(writer.flush().await?)
}

/// Every row of the file has its row in the result, in order, and there is none besides.
async fn compare(file: &Path, result: &Path) -> Result<(), RehearsalError> {
    let mut given = BufReader::new(File::open(file).await?).lines();
    let mut answered = BufReader::new(File::open(result).await?).lines();
    given.next_line().await?;
    answered.next_line().await?;
    let mut at = 0;
    loop {
        at += 1;
        match (given.next_line().await?, answered.next_line().await?) {
            (None, None) => return Ok(()),
            // An outcome follows, and then no error.
            (Some(given), Some(answered))
                if answered.starts_with(&given)
                    && answered.as_bytes().get(given.len()) == Some(&b',')
                    && !answered[given.len()..].starts_with(",error") => {}
            _ => return Err(RehearsalError::OtherRow(at)),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} rows, each answered once and in order", self.rows)?;
        writeln!(
            f,
            "{:.1} seconds, {:.0} rows a second",
            self.seconds, self.rows_per_second
        )?;
        writeln!(
            f,
            "memory: {} MiB before, at most {} MiB meanwhile",
            self.memory_before / 1024,
            self.memory_peak / 1024
        )?;
        if let Some(peak) = self.database_peak {
            writeln!(f, "the database's own, in another process: at most {} MiB", peak / 1024)?;
        }
        writeln!(f, "the database's file: {} MiB", self.database_size / 1024 / 1024)
    }
}
