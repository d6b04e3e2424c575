//! The rows of a file of letters, each announced; or, in a dry run, what would happen.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use infra_aws::{
    announcing::Known,
    register::Stored,
    transaction::{CommitError, Part},
};
use infra_edge::trace;
use jiff::Timestamp;
use mailbox_register::{
    batch::{
        layout::Layout,
        reader::{Row, RowFault},
        table::{CsvTable, Out},
    },
    contact::Channel,
    entry::Entry,
    language::Language,
    letter::{Announcement, Letter, LetterIds, Outcome, Sector, Sender, Unreachable},
    notice::{Notice, NoticeId},
    person::{PersonIdentifier, PersonKey, PersonKeys},
    texts,
    words::Reference,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    answer::{self, IN_MEMORY, entries, json_line, named, unique},
    stop::{Later, Stop},
    work::{Answers, Piece},
};

/// Letters announced at once: each is a read and a transaction.
const AT_ONCE: usize = 16;
/// Letters announced before the next look whether the batch is called off.
const ANNOUNCED_TOGETHER: usize = 128;
/// The columns after those of every row.
const COLUMNS: [&str; 6] = ["letter", "channel", "dueAt", "reminderDueAt", "reason", "retryable"];

/// The result's first line; empty where rows name their fields themselves.
pub(crate) fn header(layout: &Layout) -> Vec<u8> {
    let mut line = Vec::new();
    if let Some(mut table) = answer::table(layout) {
        table.row(&mut line, answer::ROW.into_iter().chain(COLUMNS).map(Out::Ours));
    }
    line
}

/// What became of a letter, or would.
enum Announced {
    /// It is new.
    Now(Box<Letter>),
    /// It was announced before, and nobody is told again.
    Before(Box<Letter>),
    /// The row does not hold.
    Refused(RowFault),
}

/// Announces the letters of a piece.
pub(crate) async fn answer(piece: &Piece<'_>) -> Result<Answers, Stop> {
    let persons = piece.persons();
    let keys = unique(persons.iter().flatten().map(|(_, keys)| keys));
    piece.on_record(&keys, vec!["reachability"]).await?;
    let mut written = Rows::new(piece);
    for (rows, persons) in piece.rows.chunks(IN_MEMORY).zip(persons.chunks(IN_MEMORY)) {
        let keys = unique(persons.iter().flatten().map(|(_, keys)| keys));
        let entries = entries(piece.app, &keys).await?;
        for (rows, persons) in rows.chunks(ANNOUNCED_TOGETHER).zip(persons.chunks(ANNOUNCED_TOGETHER)) {
            if !piece.is_wanted().await? {
                return Err(Stop::Overtaken);
            }
            let announced = announce_all(piece, rows, persons, &entries).await?;
            for ((row, person), announced) in rows.iter().zip(persons).zip(&announced) {
                let entry = person.as_ref().ok().and_then(|(_, keys)| entries.get(keys.current()));
                written.write(row, announced, entry.map(|stored| &stored.entry));
            }
        }
    }
    Ok(written.answers)
}

async fn announce_all(
    piece: &Piece<'_>,
    rows: &[Row],
    persons: &[Result<(PersonIdentifier, PersonKeys), RowFault>],
    entries: &HashMap<PersonKey, Stored>,
) -> Result<Vec<Announced>, Stop> {
    let announcing: Vec<_> = rows
        .iter()
        .zip(persons)
        .map(|(row, person)| async move {
            match person {
                Err(fault) => Ok(Announced::Refused(*fault)),
                Ok((_, person)) => announce(piece, row, person, entries.get(person.current())).await,
            }
        })
        .collect();
    stream::iter(announcing).buffered(AT_ONCE).try_collect().await
}

/// What a row says of its letter. What it does not say is decided for the person's sake: notice that is legal needs
/// fresh details and nobody who is reserved, and no sender is named who has not said that it may be.
fn announcement(
    piece: &Piece<'_>,
    row: &Row,
    key: &PersonKey,
    now: Timestamp,
) -> Result<(Announcement, bool), RowFault> {
    let recipient = row.recipient(piece.order.kind, piece.app.population)?;
    let reference: Reference = recipient.reference.ok_or(RowFault::MissingReference)?;
    let options = row.letter_options()?;
    let announcement = Announcement {
        person: key.clone(),
        announced_by: piece.batch.organisation,
        sender: Sender {
            organisation: piece.batch.organisation,
            sector: Sector::Public,
            name_may_be_shown: options.name_may_be_shown.unwrap_or(false),
        },
        reference,
        available_from: options.available_from.unwrap_or(now),
        legal_notice: options.legal_notice.unwrap_or(true),
        remind: options.remind.unwrap_or(true),
        language: options.language,
    };
    Ok((announcement, options.available_from.is_none()))
}

async fn announce(
    piece: &Piece<'_>,
    row: &Row,
    person: &PersonKeys,
    stored: Option<&Stored>,
) -> Result<Announced, Stop> {
    let (app, now) = (piece.app, piece.app.clock.now());
    // Its notices find the person by the key that the entry stands under.
    let key = stored.map_or(person.current(), |stored| &stored.key);
    let (announcement, is_open_ended) = match announcement(piece, row, key, now) {
        Ok(read) => read,
        Err(fault) => return Ok(Announced::Refused(fault)),
    };
    let ids = LetterIds::of(&app.secrets, piece.batch.organisation, &announcement.reference);
    // The second time round it is the other's letter that is found.
    for _ in 0..2 {
        match app.outbox.known(ids, &announcement, person, is_open_ended).await? {
            // By this very batch, whose worker did not come to its end.
            Known::Same(letter) if letter.announced_at >= piece.plan.at => return Ok(Announced::Now(letter)),
            Known::Same(letter) => return Ok(Announced::Before(letter)),
            Known::Other => return Ok(Announced::Refused(RowFault::ReferenceReused)),
            Known::No => {}
        }
        // A file that was held has waited for its organisation, and the letters were in time when it came.
        if !announcement.is_timely(now) && !announcement.is_timely(piece.batch.created_at) {
            return Ok(Announced::Refused(RowFault::InvalidAvailability));
        }
        let notice_ids = [NoticeId(Uuid::new_v4()), NoticeId(Uuid::new_v4())];
        let entry = stored.map(|stored| &stored.entry);
        let (letter, notices): (Letter, Vec<Notice>) =
            Letter::announce(ids.current, announcement.clone(), entry, notice_ids, now);
        if piece.order.dry_run {
            return Ok(Announced::Now(Box::new(letter)));
        }
        let is_unreachable = notices.is_empty();
        let trace = trace::current();
        match app.outbox.announce(ids, &letter, notices, trace, Vec::new()).await {
            Ok(()) => {
                let outcome = if is_unreachable { "unreachable" } else { "planned" };
                metrics::counter!("LettersAnnounced", "outcome" => outcome).increment(1);
                return Ok(Announced::Now(Box::new(letter)));
            }
            Err(CommitError::Conflict(Part::Letter)) => {}
            Err(CommitError::Conflict(_)) => return Err(Later::Races.into()),
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
    Err(Later::Races.into())
}

/// The rows of a piece as they are written.
struct Rows<'a> {
    piece: &'a Piece<'a>,
    answers: Answers,
    table: Option<CsvTable>,
    /// Parts of a text message, by language and by whether the sender is named.
    parts: HashMap<(Language, bool), u64>,
}

/// What the organisation learns of a letter.
struct Told {
    channel: Option<Channel>,
    due_at: Option<Timestamp>,
    reminder_due_at: Option<Timestamp>,
    unreachable: Option<Unreachable>,
}

impl Told {
    /// What was planned when it was announced, whatever has happened since.
    fn of(letter: &Letter) -> Self {
        let planned = |is_reminder: bool| {
            letter.steps().find_map(|(_, step)| match step.outcome {
                Outcome::Planned { due_at } if step.reminder == is_reminder => Some((step.channel, due_at)),
                _ => None,
            })
        };
        Self {
            channel: planned(false).map(|(channel, _)| channel),
            due_at: planned(false).map(|(_, at)| at),
            reminder_due_at: planned(true).map(|(_, at)| at),
            unreachable: letter.unreachable(),
        }
    }
}

impl<'a> Rows<'a> {
    fn new(piece: &'a Piece<'a>) -> Self {
        Self {
            piece,
            answers: Answers::default(),
            table: answer::table(piece.layout()),
            parts: HashMap::new(),
        }
    }

    fn write(&mut self, row: &Row, announced: &Announced, entry: Option<&Entry>) {
        let (letter, is_new) = match announced {
            Announced::Now(letter) => (letter, true),
            Announced::Before(letter) => (letter, false),
            Announced::Refused(fault) => {
                self.answers.tally.error(row.line, *fault);
                let table = self.table.as_mut();
                return answer::refused(&mut self.answers.written, table, row, *fault, COLUMNS.len());
            }
        };
        let told = Told::of(letter);
        let outcome = match (told.unreachable, is_new) {
            (Some(_), _) => "unreachable",
            (None, true) => "planned",
            (None, false) => "announced-before",
        };
        self.answers.tally.outcome(outcome);
        if is_new {
            self.count(letter, told.channel, entry);
        }
        // In the order of the columns.
        let values = [
            json!(letter.id),
            json!(told.channel),
            json!(told.due_at),
            json!(told.reminder_due_at),
            json!(told.unreachable),
            json!(told.unreachable.map(Unreachable::is_retryable)),
        ];
        let Some(table) = &mut self.table else {
            let mut line = named(row, outcome);
            let values = COLUMNS.into_iter().zip(values).filter(|(_, value)| !value.is_null());
            line.extend(values.map(|(name, value)| (name.to_owned(), value)));
            return json_line(&mut self.answers.written, line);
        };
        let values = values.map(|value| answer::text(Some(&value)));
        let cells = answer::first_cells(row, outcome, "").into_iter();
        let cells = cells.chain(values.iter().map(|value| Out::Ours(value)));
        table.row(&mut self.answers.written, cells);
    }

    /// Counts what telling of a letter takes.
    fn count(&mut self, letter: &Letter, channel: Option<Channel>, entry: Option<&Entry>) {
        let Some(channel) = channel else { return };
        self.answers.tally.channel(channel.as_str());
        let registration = entry.and_then(Entry::registration);
        if let (Channel::Sms, Some(registration)) = (channel, registration) {
            let language = letter.language(registration);
            let is_named = letter.announcement.sender.name_may_be_shown;
            let piece = self.piece;
            let parts = self
                .parts
                .entry((language, is_named))
                .or_insert_with(|| parts(piece, language, is_named));
            self.answers.tally.sms_parts += *parts;
        }
    }
}

/// How many parts the text message has that tells of a letter.
fn parts(piece: &Piece<'_>, language: Language, is_named: bool) -> u64 {
    let sender = is_named.then_some(piece.agency.name.as_str());
    let sender = sender.and_then(texts::nameable_sender);
    let message = texts::Message::LetterArrived { sender };
    let written = texts::sms(&message, language, piece.app.owner.as_str());
    written.map_or(1, |text| text.parts() as u64)
}
