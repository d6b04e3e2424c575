//! The database in a process of its own, so that its memory can be told from that of what stands on it.

use std::{
    io::{self, BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    database::{Database, DatabaseError},
    memory::Memory,
    template::Template,
};

/// A process that serves the database of a data folder, until this is dropped.
#[derive(Debug)]
pub struct Apart {
    child: Child,
    url: String,
}

impl Apart {
    /// Starts `program`, this one, as a database in `folder`.
    ///
    /// # Errors
    /// The program cannot be started, or does not serve.
    pub fn start(program: &Path, folder: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(["database", "--data"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut url)?;
        }
        let url = url.trim_end().to_owned();
        if url.is_empty() {
            return Err(io::Error::other("the database's process does not serve"));
        }
        Ok(Self { child, url })
    }

    /// Where the SDK reaches the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Memory of the database's process.
    pub fn memory(&self) -> Memory {
        Memory::of(self.child.id())
    }

    /// Counts the peak anew from now on.
    pub fn forget_peak(&self) {
        Memory::forget_peak_of(self.child.id());
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the database of `folder` until standard input ends: whoever started this is gone then.
///
/// # Errors
/// The database cannot be opened.
pub async fn serve(folder: &Path, say: impl Fn(&str)) -> Result<(), DatabaseError> {
    let tables = &Template::shipped().map_err(io::Error::other)?.tables;
    let database = Database::start(tables, Some(folder)).await?;
    say(&format!("{}\n", database.url()));
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
    Ok(())
}
