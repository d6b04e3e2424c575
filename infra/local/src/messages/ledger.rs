//! What was accepted, in the order in which it was.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::reports::Sending;

/// How a message reaches a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// SNS `Publish` to a telephone number.
    Sms,
    /// SES `SendEmail`.
    Email,
}

/// A message accepted for sending. `Debug` shows neither recipient nor text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// When it was accepted.
    pub at: Timestamp,
    /// How it goes.
    pub channel: Channel,
    /// The telephone number or e-mail address; several addresses are separated by a comma.
    pub to: String,
    /// The subject of an e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text.
    pub text: String,
    /// The same as HTML, if the e-mail has that part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What kind of notice it is, if the sender said so.
    pub kind: Option<String>,
    /// Which notice it is, if the sender said so.
    pub notice_id: Option<String>,
    /// The service's id, which the sender got as its answer.
    pub message_id: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Message")
            .field("at", &self.at)
            .field("channel", &self.channel)
            .field("kind", &self.kind)
            .field("notice_id", &self.notice_id)
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// A line on disk: a message, and what its reports will need besides.
#[derive(Serialize, Deserialize)]
struct Line<M, S> {
    #[serde(flatten)]
    message: M,
    #[serde(default)]
    sending: S,
}

/// All messages; with a file, each on a line of its own.
#[derive(Debug)]
pub(super) struct Ledger {
    messages: Vec<Message>,
    file: Option<File>,
}

impl Ledger {
    /// The ledger in the folder, and what the reports of each of its messages need besides.
    pub(super) fn open(folder: Option<&Path>) -> io::Result<(Self, Vec<Sending>)> {
        let Some(folder) = folder else {
            let empty = Self {
                messages: Vec::new(),
                file: None,
            };
            return Ok((empty, Vec::new()));
        };
        fs::create_dir_all(folder)?;
        let path = folder.join("messages.jsonl");
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        let text = fs::read_to_string(&path)?;
        // A line without its end is of a process killed in the middle: that message was never answered, so it was not accepted.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let (messages, sendings) = text
            .get(..whole)
            .unwrap_or_default()
            .lines()
            .map(|line| serde_json::from_str(line).map(|Line { message, sending }| (message, sending)))
            .collect::<Result<_, _>>()?;
        file.set_len(u64::try_from(whole).map_err(io::Error::other)?)?;
        let ledger = Self {
            messages,
            file: Some(file),
        };
        Ok((ledger, sendings))
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Adds a message; with a file, it is on disk when this returns.
    pub(super) fn append(&mut self, message: Message, sending: &Sending) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&Line {
                message: &message,
                sending,
            })?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_data()?;
        }
        self.messages.push(message);
        Ok(())
    }

    pub(super) fn clear(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.set_len(0)?;
            file.sync_data()?;
        }
        self.messages.clear();
        Ok(())
    }
}
