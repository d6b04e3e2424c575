//! The rows of a look-up, answered.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use infra_aws::register::Stored;
use infra_edge::person::{RegisterStatus, Shown};
use mailbox_register::{
    batch::{
        layout::Layout,
        reader::{Row, RowFault},
        table::{CsvTable, Out},
    },
    caller::Fields,
    directory::Provider,
    person::{PersonKey, PersonKeys},
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::{
    App, changed,
    stop::Stop,
    work::{Answers, Piece},
};

/// How long entries that DynamoDB left unread are asked for again.
const PATIENCE: Duration = Duration::from_secs(20);
/// Rows whose entries are in memory together: as many as are read at once.
pub(crate) const IN_MEMORY: usize = 1_000;
/// Entries that the pace lets through at a time: as many as one call reads.
const AT_A_TIME: usize = 100;

/// A column of the result: its name, where its value stands in the answer that HTTP would give, and whose words it holds.
struct Column {
    name: &'static str,
    pointer: &'static str,
    is_given: bool,
}

const fn ours(name: &'static str, pointer: &'static str) -> Column {
    Column {
        name,
        pointer,
        is_given: false,
    }
}

const fn given(name: &'static str, pointer: &'static str) -> Column {
    Column {
        name,
        pointer,
        is_given: true,
    }
}

const ALWAYS: [Column; 1] = [ours("reserved", "/reserved")];
const CONTACT: [Column; 14] = [
    ours("canBeNotified", "/canBeNotified"),
    ours("language", "/language"),
    given("email", "/email/address"),
    ours("emailUpdatedAt", "/email/updatedAt"),
    ours("emailVerifiedAt", "/email/verifiedAt"),
    ours("emailValidatedAt", "/email/validatedAt"),
    ours("emailShared", "/email/shared"),
    ours("emailDeliverable", "/email/deliverable"),
    // Begins with a plus sign, and holds nothing but digits after it.
    ours("mobile", "/mobile/number"),
    ours("mobileUpdatedAt", "/mobile/updatedAt"),
    ours("mobileVerifiedAt", "/mobile/verifiedAt"),
    ours("mobileValidatedAt", "/mobile/validatedAt"),
    ours("mobileShared", "/mobile/shared"),
    ours("mobileDeliverable", "/mobile/deliverable"),
];
const MAILBOX: [Column; 4] = [
    ours("mailboxProvider", "/mailbox/provider"),
    ours("mailboxOrganisation", "/mailbox/organisation"),
    given("mailboxAddress", "/mailbox/address"),
    // Begins with five dashes, as PEM does.
    ours("mailboxCertificate", "/mailbox/certificate"),
];

/// The columns before the register's own answer, in every result.
pub(crate) const ROW: [&str; 4] = ["person", "reference", "outcome", "error"];

fn columns(fields: Fields) -> impl Iterator<Item = &'static Column> {
    static COLUMNS: (&[Column], &[Column], &[Column]) = (&ALWAYS, &CONTACT, &MAILBOX);
    let (always, contact, mailbox) = COLUMNS;
    always
        .iter()
        .chain(contact.iter().filter(move |_| fields.contact))
        .chain(mailbox.iter().filter(move |_| fields.mailbox))
}

/// How rows are written; none for JSON Lines.
pub(crate) fn table(layout: &Layout) -> Option<CsvTable> {
    match layout {
        Layout::Csv { separator, .. } => Some(CsvTable::new(*separator)),
        Layout::JsonLines => None,
    }
}

/// The result's first line; empty where rows name their fields themselves.
pub(crate) fn header(layout: &Layout, fields: Fields, is_compared: bool) -> Vec<u8> {
    let mut line = Vec::new();
    if let Some(mut table) = table(layout) {
        let names = ROW.into_iter().chain(columns(fields).map(|column| column.name));
        let names = names.chain(is_compared.then_some("changed"));
        table.row(&mut line, names.map(Out::Ours));
    }
    line
}

/// Answers the rows of a piece.
pub(crate) async fn answer(piece: &Piece<'_>) -> Result<Answers, Stop> {
    let app = piece.app;
    let persons = piece.persons();
    let keys = unique(persons.iter().flatten().map(|(_, keys)| keys));
    piece.on_record(&keys, piece.fields.names()).await?;
    let providers = app.directory.providers(app.clock.now()).await?;
    let mut written = Rows::new(piece, &providers);
    for (rows, persons) in piece.rows.chunks(IN_MEMORY).zip(persons.chunks(IN_MEMORY)) {
        let keys = unique(persons.iter().flatten().map(|(_, keys)| keys));
        let entries = entries(app, &keys).await?;
        let changed = match piece.plan.compared_since {
            Some(since) => Some(changed::since(piece, &keys, &entries, since).await?),
            None => None,
        };
        for (row, person) in rows.iter().zip(persons) {
            match person {
                Err(fault) => written.refused(row, *fault),
                Ok((_, keys)) => {
                    let key = keys.current();
                    let changed = changed
                        .as_ref()
                        .map(|changed| changed.get(key).map_or(&[][..], Vec::as_slice));
                    written.answered(row, entries.get(key), changed);
                }
            }
        }
    }
    Ok(written.answers)
}

/// Each person once, in the order of their first rows.
pub(crate) fn unique<'a>(keys: impl Iterator<Item = &'a PersonKeys>) -> Vec<PersonKeys> {
    let mut seen = HashSet::new();
    keys.filter(|key| seen.insert(*key)).cloned().collect()
}

/// Entries, read no faster than files may.
pub(crate) async fn entries(app: &App, keys: &[PersonKeys]) -> Result<HashMap<PersonKey, Stored>, Stop> {
    for some in keys.chunks(AT_A_TIME) {
        // Who is not found by one key is looked for by the other: the pace holds if that is everybody.
        app.pace.acquire(some.iter().flat_map(PersonKeys::each).count()).await;
    }
    Ok(app.register.entries().many(keys, Instant::now() + PATIENCE).await?)
}

/// The rows of a piece as they are written.
struct Rows<'a> {
    piece: &'a Piece<'a>,
    providers: &'a [Provider],
    answers: Answers,
    table: Option<CsvTable>,
    columns: Vec<&'static Column>,
}

impl<'a> Rows<'a> {
    fn new(piece: &'a Piece<'a>, providers: &'a [Provider]) -> Self {
        Self {
            piece,
            providers,
            answers: Answers::default(),
            table: table(piece.layout()),
            columns: columns(piece.fields).collect(),
        }
    }

    fn refused(&mut self, row: &Row, fault: RowFault) {
        self.answers.tally.error(row.line, fault);
        let is_compared = self.piece.plan.compared_since.is_some();
        let width = self.columns.len() + usize::from(is_compared);
        refused(&mut self.answers.written, self.table.as_mut(), row, fault, width);
    }

    fn answered(&mut self, row: &Row, stored: Option<&Stored>, changed: Option<&[&'static str]>) {
        let shown = Shown {
            entry: stored.map(|stored| &stored.entry),
            email_shared: stored.is_some_and(|stored| stored.email_shared),
            mobile_shared: stored.is_some_and(|stored| stored.mobile_shared),
            providers: self.providers,
        };
        let view = shown.to_others(row.person.as_str(), self.piece.fields, self.piece.plan.at);
        let outcome = match view.status {
            RegisterStatus::Registered => "registered",
            RegisterStatus::Deleted => "deleted",
            RegisterStatus::NotRegistered => "not-registered",
        };
        self.answers.tally.outcome(outcome);
        // Only maps with keys that are no texts fail to serialise: there are none.
        let view = serde_json::to_value(&view).unwrap_or_default();
        let written = &mut self.answers.written;
        let Some(table) = &mut self.table else {
            let mut line = named(row, outcome);
            if let Value::Object(view) = view {
                line.extend(view.into_iter().filter(|(name, _)| name != "status"));
            }
            if let Some(changed) = changed {
                line.insert("changed".to_owned(), json!(changed));
            }
            return json_line(written, line);
        };
        let changed = changed.map(|names| names.join(" "));
        let values: Vec<_> = self
            .columns
            .iter()
            .map(|column| (column.is_given, text(view.pointer(column.pointer))))
            .collect();
        let cells = first_cells(row, outcome, "");
        let values = values.iter().map(
            |(is_given, text)| {
                if *is_given { Out::Given(text) } else { Out::Ours(text) }
            },
        );
        table.row(
            written,
            cells.into_iter().chain(values).chain(changed.as_deref().map(Out::Ours)),
        );
    }
}

/// A row that cannot be answered, given back with the reason. `width` is how many cells follow.
pub(crate) fn refused(written: &mut Vec<u8>, table: Option<&mut CsvTable>, row: &Row, fault: RowFault, width: usize) {
    let Some(table) = table else {
        let mut line = named(row, "error");
        line.insert("error".to_owned(), json!(fault.as_str()));
        return json_line(written, line);
    };
    let cells = first_cells(row, "error", fault.as_str());
    table.row(written, cells.into_iter().chain((0..width).map(|_| Out::Ours(""))));
}

/// What every row of CSV begins with: see [`ROW`].
pub(crate) fn first_cells<'a>(row: &'a Row, outcome: &'a str, error: &'a str) -> [Out<'a>; 4] {
    [
        Out::Given(row.person.as_str()),
        Out::Given(row.reference.as_str()),
        Out::Ours(outcome),
        Out::Ours(error),
    ]
}

/// What every row of JSON Lines begins with.
pub(crate) fn named(row: &Row, outcome: &str) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("person".to_owned(), json!(row.person.as_str()));
    if !row.reference.as_str().is_empty() {
        line.insert("reference".to_owned(), json!(row.reference.as_str()));
    }
    line.insert("outcome".to_owned(), json!(outcome));
    line
}

pub(crate) fn json_line(written: &mut Vec<u8>, line: Map<String, Value>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(&mut *written, &Value::Object(line));
    written.push(b'\n');
}

/// A value as a cell has it.
pub(crate) fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
