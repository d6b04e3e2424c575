//! `cargo run -p local -- upload FILE --organisation …`: sends a file to a running stack as an agency's system would.
//!
//! It asks the API where to put the file, puts it there as a stream, looks how far the batch is, and fetches the result.
//! Nothing here knows how the stack works inside; the same calls go to the register in the cloud.

mod api;
mod outcome;
mod progress;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use serde::Serialize;
use tokio::{fs, io::AsyncWriteExt as _};
use uuid::Uuid;

pub use self::{
    api::Problem,
    outcome::{Count, Files, Outcome},
    progress::Progress,
};
use self::{
    api::{Api, Batch, Link, Order, State},
    outcome::counts,
};

/// Between two looks at how far a batch is.
const LOOK: Duration = Duration::from_millis(300);

/// What is to be done with each person in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// They are looked up.
    Lookup,
    /// A letter to each of them is announced.
    Letters,
}

/// What is sent, by whom, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file: CSV or JSON Lines, also packed by gzip.
    pub file: PathBuf,
    /// The organisation number of the agency.
    pub organisation: String,
    /// What is to be done.
    pub kind: Kind,
    /// Why; none: the agency's usual purpose.
    pub purpose: Option<String>,
    /// Whether it is only told what would happen.
    pub dry_run: bool,
    /// An earlier batch; the result says what has changed since.
    pub compare_with: Option<String>,
    /// Where the API is.
    pub url: String,
    /// Where result and summary go; none: beside the file.
    pub out: Option<PathBuf>,
}

/// Why a file cannot be sent, or its result not be had.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is no stack.
    #[error("Nothing listens at {0}. Start a stack in another terminal with `cargo run -p local`, and try again.")]
    NothingListens(String),
    /// A file on this machine.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// No name that can be sent.
    #[error("{0} is no file with a name that can be sent.")]
    Name(PathBuf),
    /// The register refuses.
    #[error("{0}")]
    Refused(Problem),
    /// The bucket refuses.
    #[error("The file store refuses: {code} ({status}).")]
    Store {
        /// HTTP status.
        status: u16,
        /// S3's code.
        code: String,
    },
    /// The connection, or an answer that cannot be read.
    #[error("{}", chain(.0))]
    Http(#[from] reqwest::Error),
    /// The answer lacks something.
    #[error("The register's answer lacks {0}.")]
    Lacks(&'static str),
}

impl UploadError {
    /// What the process ends with.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NothingListens(_) => 2,
            _ => 1,
        }
    }
}

/// What happened, down to the cause.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Sends the file and waits for what comes of it. It may be dropped at any time; the batch goes on in the stack if the
/// file was there.
///
/// # Errors
/// [`UploadError`]. A batch that is held or fails is no error, but an [`Outcome`].
pub async fn run(options: &Options, progress: &Progress) -> Result<Outcome, UploadError> {
    let outcome = send(options, progress).await;
    progress.end();
    outcome
}

async fn send(options: &Options, progress: &Progress) -> Result<Outcome, UploadError> {
    let file_error = |error| UploadError::File(options.file.clone(), error);
    let metadata = fs::metadata(&options.file).await.map_err(file_error)?;
    let name = options.file.file_name().and_then(|name| name.to_str());
    let (Some(name), true) = (name, metadata.is_file()) else {
        return Err(UploadError::Name(options.file.clone()));
    };
    let api = Api::new(&options.url, &options.organisation)?;
    let order = Order {
        name,
        kind: options.kind,
        purpose: options.purpose.as_deref(),
        dry_run: options.dry_run,
        compare_with: options.compare_with.as_deref(),
    };
    let batch = api.create(&order, Uuid::new_v4()).await?;
    progress.created(&batch.id);
    let target = batch.upload.as_ref().ok_or(UploadError::Lacks("where to upload"))?;
    api.put(target, &options.file, metadata.len(), progress).await?;
    progress.uploaded();

    let batch = loop {
        let batch = api.batch(&batch.id).await?;
        progress.show(&batch);
        if batch.state.is_last() {
            break batch;
        }
        tokio::time::sleep(LOOK).await;
    };
    match batch.state {
        State::Held => Ok(Outcome::Held {
            reasons: batch.hold,
            id: batch.id,
            url: api.url().to_owned(),
            organisation: options.organisation.clone(),
        }),
        State::Failed => Ok(Outcome::Failed {
            id: batch.id,
            code: batch.fault.as_ref().map(|fault| fault.code.clone()),
            line: batch.fault.and_then(|fault| fault.line),
        }),
        State::Cancelled => Ok(Outcome::Cancelled { id: batch.id }),
        State::Duplicate => Ok(Outcome::Duplicate { of: batch.duplicate_of }),
        _ => fetch(&api, options, batch, progress).await,
    }
}

/// Fetches what the batch came to.
async fn fetch(api: &Api, options: &Options, batch: Batch, progress: &Progress) -> Result<Outcome, UploadError> {
    let out = options.out.as_deref();
    if let Some(folder) = out {
        let failed = |error| UploadError::File(folder.to_owned(), error);
        fs::create_dir_all(folder).await.map_err(failed)?;
    }
    let mut files = Files::default();
    if let Some(link) = &batch.result {
        let path = beside(&options.file, out, "result.csv");
        download(api, link, &path, progress).await?;
        files.result = Some(path);
    }
    if let Some(link) = &batch.summary {
        let path = beside(&options.file, out, "summary.json");
        download(api, link, &path, progress).await?;
        files.summary = Some(path);
    }
    Ok(Outcome::Done {
        id: batch.id,
        is_dry_run: options.dry_run,
        counts: counts(&batch.counts),
        files,
    })
}

/// `persons.csv` → `persons.csv.result.csv`, beside it or in another folder.
fn beside(file: &Path, folder: Option<&Path>, what: &str) -> PathBuf {
    let mut name = OsString::from(file.file_name().unwrap_or_default());
    name.push(".");
    name.push(what);
    match folder {
        Some(folder) => folder.join(name),
        None => file.with_file_name(name),
    }
}

/// Whole or not at all: what breaks off is not taken for a result.
async fn download(api: &Api, link: &Link, path: &Path, progress: &Progress) -> Result<(), UploadError> {
    let part = path.with_extension("part");
    let failed = |error| UploadError::File(part.clone(), error);
    let mut answer = api.get(link).await?;
    progress.downloading(answer.content_length());
    let mut file = fs::File::create(&part).await.map_err(failed)?;
    while let Some(bytes) = answer.chunk().await? {
        file.write_all(&bytes).await.map_err(failed)?;
        progress.moved(bytes.len());
    }
    file.flush().await.map_err(failed)?;
    drop(file);
    fs::rename(&part, path).await.map_err(failed)
}

#[cfg(test)]
mod tests;
