//! The model of a letter: what may be said of it, to whom and when; and for a run in which nothing goes wrong, all that
//! will become of it.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use local::messages;
use mailbox_register::{
    contact::Channel,
    language::Language,
    letter::{Event, LetterId, Outcome, What},
    notice::NoticeId,
    texts,
};
use serde_json::{Value, json};
use stories::{AGENCY, DIGIPOST};

use crate::{
    calendar,
    house::OWNER,
    person::{Details, Person},
    steps::{By, Closing, Order},
};

/// What is not sent so long after it was due is never sent.
pub(crate) const DEADLINE: SignedDuration = SignedDuration::from_hours(72);
/// An agency whose letters arrive with the provider.
const SENDER: (&str, &str) = ("974760673", "Brønnøysundregistrene");
const AGENCY_NAME: &str = "Digitaliseringsdirektoratet";
/// Reports come so long after a message was taken.
const REPORTED_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// A letter that was announced.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) id: LetterId,
    pub(crate) order: Order,
    pub(crate) request: Value,
    pub(crate) key: String,
    pub(crate) answer: Value,
    pub(crate) announced_at: Timestamp,
    pub(crate) available_from: Timestamp,
    pub(crate) closed: Option<Closed>,
}

/// A letter that was opened or called off.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) at: Timestamp,
    pub(crate) how: Closing,
    /// What was marked as being sent then: it may still go out.
    pub(crate) on_the_way: HashSet<NoticeId>,
}

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) at: Timestamp,
    pub(crate) channel: Channel,
    pub(crate) to: String,
    pub(crate) subject: Option<String>,
    pub(crate) text: String,
}

impl By {
    pub(crate) const fn organisation(self) -> &'static str {
        match self {
            Self::Agency => AGENCY,
            Self::Provider => DIGIPOST,
        }
    }
}

impl Order {
    /// The body of its request.
    pub(crate) fn request(&self, person: &str, reference: &str, now: Timestamp) -> Value {
        let organisation = match self.by {
            By::Agency => AGENCY,
            By::Provider => SENDER.0,
        };
        let mut request = json!({
            "person": person,
            "sender": { "organisation": organisation, "sector": "public", "nameMayBeShown": self.may_be_named },
            "reference": reference,
            "legalNotice": self.is_legal,
            "remind": self.remind,
        });
        if let Some(ahead) = self.available_in {
            request["availableFrom"] = (now + ahead).to_string().into();
        }
        if let Some(language) = self.language {
            request["language"] = language.code().into();
        }
        request
    }

    const fn name(&self) -> Option<&'static str> {
        match self.by {
            _ if !self.may_be_named => None,
            By::Agency => Some(AGENCY_NAME),
            By::Provider => Some(SENDER.1),
        }
    }
}

impl Letter {
    /// When a word is due on a channel.
    pub(crate) fn due(&self, channel: Channel, is_reminder: bool) -> Timestamp {
        let at = if is_reminder {
            calendar::week_after(self.available_from)
        } else {
            self.available_from.max(self.announced_at)
        };
        ringing(channel, at)
    }

    /// When a word was said to be due by the answer to the announcement; none, if it was not said that it would come.
    pub(crate) fn planned(&self, is_reminder: bool) -> Option<(Channel, Timestamp)> {
        let plans = self.answer["notices"].as_array().unwrap();
        let plan = plans.iter().find(|plan| plan["reminder"] == is_reminder)?;
        let channel = plan["channel"].as_str().unwrap().parse().unwrap();
        Some((channel, plan["dueAt"].as_str().unwrap().parse().unwrap()))
    }

    /// Until when a word may be sent.
    pub(crate) fn deadline(&self, is_reminder: bool) -> Option<Timestamp> {
        self.planned(is_reminder).map(|(_, due)| due + DEADLINE)
    }

    /// The word for a person of whom this is known.
    fn word(&self, details: &Details, channel: Channel, is_reminder: bool, at: Timestamp) -> Option<Word> {
        let sender = self.order.name();
        let message = if is_reminder {
            texts::Message::LetterReminder { sender }
        } else {
            texts::Message::LetterArrived { sender }
        };
        let language: Language = details.language(self.order.language);
        let (subject, text) = match channel {
            Channel::Sms => (None, texts::sms(&message, language, OWNER).unwrap().as_str().to_owned()),
            Channel::Email => {
                let mail = texts::mail(&message, language, OWNER).unwrap();
                (Some(mail.subject), mail.text)
            }
        };
        Some(Word {
            at,
            channel,
            to: details.point(channel)?.address.clone(),
            subject,
            text,
        })
    }

    /// Why a message should not have been taken by its provider, if anything is wrong with it. `details` is what was
    /// known of the person when it was written, `is_late` whether its worker had stopped before the call.
    pub(crate) fn fault(
        &self,
        message: &messages::Message,
        (notice, channel, is_reminder): (NoticeId, Channel, bool),
        details: &Details,
        is_late: bool,
    ) -> Option<&'static str> {
        if let Some(closed) = &self.closed {
            // But for the one call that was about to be made: another of the same notice is too late.
            if !is_late || !closed.on_the_way.contains(&notice) {
                return Some("sent after the letter was closed");
            }
        }
        let Some(deadline) = self.deadline(is_reminder) else {
            return Some("sent though nothing was planned");
        };
        if message.at >= deadline {
            return Some("sent after its deadline");
        }
        if message.at < self.due(Channel::Email, is_reminder) {
            return Some("sent before it was due");
        }
        if channel == Channel::Sms && !calendar::rings(message.at) {
            return Some("a telephone rang in the night");
        }
        if !details.may_be_told(channel, self.order.is_legal, message.at) {
            return Some("sent to somebody who may not be told there");
        }
        let kind = if is_reminder {
            "letter-reminder"
        } else {
            "letter-arrived"
        };
        if message.kind.as_deref() != Some(kind) {
            return Some("sent as another kind of message");
        }
        let word = self.word(details, channel, is_reminder, message.at)?;
        if message.to != word.to {
            return Some("sent to another address than the person's");
        }
        if (&message.subject, &message.text) != (&word.subject, &word.text) {
            return Some("sent with another text");
        }
        None
    }

    /// What the announcement is answered, if all addresses work.
    pub(crate) fn foretold_answer(&self, person: &Person) -> Value {
        let details = person.at(self.announced_at);
        let id = self.id.to_string();
        match details.channel(self.order.is_legal, self.announced_at) {
            Ok(channel) => {
                let kinds = [false, true]
                    .into_iter()
                    .filter(|is_reminder| !is_reminder || self.order.remind);
                let notices: Vec<_> = kinds
                    .map(|is_reminder| {
                        let due = self.due(channel, is_reminder);
                        json!({ "channel": channel.as_str(), "dueAt": due.to_string(), "reminder": is_reminder })
                    })
                    .collect();
                json!({ "id": id, "notices": notices })
            }
            Err(reason) => {
                let is_retryable = matches!(reason, "no-details" | "undeliverable" | "stale");
                let unreachable = json!({ "reason": reason, "fault": "caller", "retryable": is_retryable });
                json!({ "id": id, "notices": [], "unreachable": unreachable })
            }
        }
    }

    /// All that becomes of the letter and its words where everything works and comes at its time.
    pub(crate) fn foretold(&self, person: &Person) -> (Vec<String>, Vec<Word>) {
        let announced = person
            .at(self.announced_at)
            .channel(self.order.is_legal, self.announced_at);
        let mut lines = vec![line(self.announced_at, "announced")];
        let mut words = Vec::new();
        if let Some(closed) = &self.closed {
            let word = match closed.how {
                Closing::Opened => "opened",
                Closing::Cancelled => "cancelled",
            };
            lines.push(line(closed.at, word));
        }
        match announced {
            Err(reason) => lines.push(line(self.announced_at, &format!("unreachable {reason}"))),
            Ok(channel) => {
                let (first, reminder) = (self.life(person, channel, false), self.life(person, channel, true));
                let was_told = first.1.is_some();
                // The plans stand together at the beginning.
                let (plan, rest) = first.0.split_first().unwrap();
                lines.push(plan.clone());
                let mut later = rest.to_vec();
                words.extend(first.1);
                if self.order.remind {
                    let (plan, rest) = reminder.0.split_first().unwrap();
                    lines.push(plan.clone());
                    later.extend(rest.to_vec());
                    words.extend(reminder.1.filter(|_| was_told));
                }
                lines.extend(later);
            }
        }
        // Lines begin with their time, and what happens at the same time is told in that order.
        lines.sort_by_key(|one| one.0);
        (
            lines.into_iter().map(|(at, what)| format!("{at} {what}")).collect(),
            words,
        )
    }

    /// What becomes of one notice that was planned on a channel; and the word, if it is sent.
    fn life(&self, person: &Person, planned: Channel, is_reminder: bool) -> (Vec<(Timestamp, String)>, Option<Word>) {
        let kind = if is_reminder { "reminder" } else { "first" };
        let said =
            |at: Timestamp, channel: Channel, what: String| line(at, &format!("{kind} {} {what}", channel.as_str()));
        let mut channel = planned;
        let mut at = self.due(channel, is_reminder);
        let deadline = at + DEADLINE;
        let mut lines = vec![said(self.announced_at, channel, format!("planned {at}"))];
        let mut is_second = false;
        loop {
            if let Some(closed) = self.closed.as_ref().filter(|closed| closed.at <= at) {
                lines.push(said(closed.at, channel, "cancelled".to_owned()));
                return (lines, None);
            }
            if at >= deadline {
                lines.push(said(at, channel, "expired".to_owned()));
                return (lines, None);
            }
            if is_reminder && self.life(person, planned, false).1.is_none() {
                lines.push(said(at, channel, "cancelled".to_owned()));
                return (lines, None);
            }
            let details = person.at(at);
            // Whoever left and came back has no mailbox with the provider any more.
            let is_elsewhere = self.order.by == By::Provider && !details.has_mailbox;
            if is_elsewhere && details.channel(self.order.is_legal, at).is_ok() {
                lines.push(said(at, channel, "cancelled".to_owned()));
                return (lines, None);
            }
            match details.channel(self.order.is_legal, at) {
                // Where there is no address at all, the other channel is tried too.
                Err("no-details") if !is_second => {
                    lines.push(said(at, channel, "failed no-address".to_owned()));
                    let failed_at = at;
                    is_second = true;
                    channel = channel.other();
                    at = ringing(channel, at);
                    lines.push(said(failed_at, channel, format!("planned {at}")));
                }
                Err(reason) => {
                    let reason = if reason == "no-details" { "no-address" } else { reason };
                    lines.push(said(at, channel, format!("failed {reason}")));
                    return (lines, None);
                }
                Ok(_) if is_second && !details.may_be_told(channel, self.order.is_legal, at) => {
                    lines.push(said(at, channel, "failed no-address".to_owned()));
                    return (lines, None);
                }
                Ok(first) if first == channel || is_second => {
                    lines.push(said(at, channel, "sent".to_owned()));
                    lines.push(said(at + REPORTED_AFTER, channel, "delivered".to_owned()));
                    return (lines, self.word(details, channel, is_reminder, at));
                }
                Ok(other) => {
                    let moved_at = at;
                    channel = other;
                    at = ringing(channel, at);
                    lines.push(said(moved_at, channel, format!("planned {at}")));
                }
            }
        }
    }
}

fn line(at: Timestamp, what: &str) -> (Timestamp, String) {
    (at, what.to_owned())
}

/// When a telephone may ring, or at once for an e-mail.
fn ringing(channel: Channel, at: Timestamp) -> Timestamp {
    match channel {
        Channel::Sms => calendar::next_ring(at),
        Channel::Email => at,
    }
}

/// An event of a letter as the model writes it.
pub(crate) fn told(event: &Event) -> String {
    let what = match &event.what {
        What::Announced => "announced".to_owned(),
        What::Unreachable { reason } => {
            format!(
                "unreachable {}",
                serde_json::to_value(reason).unwrap().as_str().unwrap()
            )
        }
        What::Opened => "opened".to_owned(),
        What::Cancelled => "cancelled".to_owned(),
        What::Notice(step) => {
            let kind = if step.reminder { "reminder" } else { "first" };
            let outcome = match step.outcome {
                Outcome::Planned { due_at } => format!("planned {due_at}"),
                Outcome::Sent => "sent".to_owned(),
                Outcome::Delivered => "delivered".to_owned(),
                Outcome::Failed { reason } => {
                    format!("failed {}", serde_json::to_value(reason).unwrap().as_str().unwrap())
                }
                Outcome::Unknown => "unknown".to_owned(),
                Outcome::Expired => "expired".to_owned(),
                Outcome::Cancelled => "cancelled".to_owned(),
            };
            format!("{kind} {} {outcome}", step.channel.as_str())
        }
    };
    format!("{} {what}", event.at)
}
