//! What becomes of accepted messages, and the reports of it that are still to come.
//!
//! Only what a report tells beyond its message is kept until then; the report itself is written when it is taken.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io, mem};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::{Channel, Message};
use super::{email_events, sms_log};

/// How long after a message was accepted its reports come.
const AFTER: SignedDuration = SignedDuration::from_secs(1);

/// What a service reports of a message. `Debug` shows neither recipient nor text.
#[derive(Clone, PartialEq, Eq)]
pub enum Report {
    /// An event of SES.
    Email {
        /// The topic that SES publishes it to.
        topic_arn: String,
        /// What a queue gets that is subscribed to the topic: the body of an SQS message.
        envelope: String,
    },
    /// An entry of SNS's delivery status log.
    Sms {
        /// What a function gets that is subscribed to the log group: a CloudWatch Logs event.
        payload: Value,
    },
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email { topic_arn, .. } => formatter
                .debug_struct("Email")
                .field("topic_arn", topic_arn)
                .finish_non_exhaustive(),
            Self::Sms { .. } => formatter.debug_struct("Sms").finish_non_exhaustive(),
        }
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// It arrives.
    #[default]
    Delivered,
    /// It arrives late.
    Delayed,
    /// It arrives, and the recipient wants no more.
    Complained,
    /// The recipient wants no messages, which the service knows: it does not try.
    OptedOut,
    /// There is no such recipient.
    NoSuchRecipient,
    /// The recipient is not to be reached now.
    Unreachable,
    /// The service does not send it, through no fault of the recipient.
    NotSent,
    /// Nobody says.
    NotReported,
}

/// What the reports of a message tell beyond the message itself.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Sending {
    pub(super) outcome: Outcome,
    /// Who an e-mail is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// SES publishes the events of an e-mail only to the configuration set that its request named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) configuration_set: Option<String>,
    /// `Transactional` or `Promotional`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sms_type: Option<String>,
}

impl Sending {
    fn is_reported(&self, channel: Channel) -> bool {
        self.outcome != Outcome::NotReported && (channel == Channel::Sms || self.configuration_set.is_some())
    }
}

/// The reports still to come.
pub(super) struct Reports {
    /// By when they are due and where the ledger has the message: all reports of one message come at once.
    due: BTreeMap<(Timestamp, usize), Sending>,
    opted_out: HashSet<String>,
    handed_on: Option<HandedOn>,
}

impl fmt::Debug for Reports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reports")
            .field("due", &self.due.len())
            .finish_non_exhaustive()
    }
}

impl Reports {
    /// The reports of the messages in a ledger that were not handed on yet, as far as is known: AWS, too, reports at
    /// least once.
    pub(super) fn open(folder: Option<&Path>, messages: &[Message], sendings: Vec<Sending>) -> Self {
        let handed_on = folder.map(HandedOn::read);
        let first = handed_on.as_ref().map_or(0, |handed_on| handed_on.messages);
        let mut reports = Self {
            due: BTreeMap::new(),
            opted_out: HashSet::new(),
            handed_on,
        };
        for (index, (message, sending)) in messages.iter().zip(sendings).enumerate() {
            reports.expect(index, message, sending);
        }
        reports.due.retain(|(_, index), _| *index >= first);
        reports
    }

    /// What becomes of a message to `recipient` for which nothing was scripted.
    pub(super) fn usual(&self, recipient: &str) -> Outcome {
        if self.opted_out.contains(recipient) {
            Outcome::OptedOut
        } else {
            Outcome::Delivered
        }
    }

    /// Takes note of a message that was accepted; `index` is its place in the ledger.
    pub(super) fn expect(&mut self, index: usize, message: &Message, sending: Sending) {
        match (sending.outcome, message.channel) {
            // An SMS is complained about by answering it with STOP.
            (Outcome::OptedOut, _) | (Outcome::Complained, Channel::Sms) => {
                self.opted_out.insert(message.to.clone());
            }
            _ => {}
        }
        if sending.is_reported(message.channel) {
            let due = message.at.checked_add(AFTER).unwrap_or(Timestamp::MAX);
            self.due.insert((due, index), sending);
        }
    }

    /// Gives what is due, and forgets it.
    pub(super) fn take(&mut self, now: Timestamp, messages: &[Message]) -> Vec<Report> {
        self.keep_note(messages.len());
        let coming = self.due.split_off(&(now, usize::MAX));
        mem::replace(&mut self.due, coming)
            .into_iter()
            .filter_map(|((due, index), sending)| Some((due, messages.get(index)?, sending)))
            .flat_map(|(due, message, sending)| reports(message, &sending, due))
            .collect()
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }

    /// Forgets everything, the note on disk first: it must not be ahead of an emptied ledger.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if let Some(handed_on) = &mut self.handed_on {
            handed_on.clear()?;
        }
        self.due.clear();
        self.opted_out.clear();
        Ok(())
    }

    /// Who asks for reports has handed on those it was given before: these need not come again after a restart.
    fn keep_note(&mut self, messages: usize) {
        let Some(handed_on) = &mut self.handed_on else { return };
        let first_waiting = self.due.keys().map(|(_, index)| *index).min().unwrap_or(messages);
        if let Err(error) = handed_on.keep(first_waiting) {
            tracing::warn!(%error, "reports will come again after a restart");
        }
    }
}

/// How many of the ledger's messages need no report any more, as a note on disk has it.
struct HandedOn {
    messages: usize,
    file: PathBuf,
}

impl HandedOn {
    /// A note that is not there, or says nothing, counts as none.
    fn read(folder: &Path) -> Self {
        let file = folder.join("messages.reported");
        let messages = fs::read_to_string(&file)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        Self { messages, file }
    }

    fn keep(&mut self, messages: usize) -> io::Result<()> {
        if messages == self.messages {
            return Ok(());
        }
        let new = self.file.with_extension("new");
        fs::write(&new, messages.to_string())?;
        fs::rename(&new, &self.file)?;
        self.messages = messages;
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.messages = 0;
        Ok(())
    }
}

fn reports(message: &Message, sending: &Sending, at: Timestamp) -> Vec<Report> {
    match message.channel {
        Channel::Sms => vec![Report::Sms {
            payload: sms_log::payload(message, sending, at),
        }],
        Channel::Email => email_events::envelopes(message, sending, at)
            .into_iter()
            .map(|envelope| Report::Email {
                topic_arn: email_events::email_events_topic_arn(),
                envelope,
            })
            .collect(),
    }
}
