//! A row as it was written, its cells looked at but not yet understood.

use super::{fault::RowFault, layout::Column, reader::Place};
use crate::redacted_debug;

/// The longest cell, in bytes.
pub(super) const LONGEST_FIELD: usize = 4096;

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, the first of the file being 1.
    pub line: u64,
    /// Its number, the first row being 1.
    pub number: u64,
    /// Where it begins.
    pub start: Place,
    /// Where the next one begins.
    pub end: Place,
    /// The person, as given; empty where it is absent or cannot be told.
    pub person: Cell,
    /// The reference, as given; empty where it is absent or cannot be told.
    pub reference: Cell,
    /// The other cells, or what is wrong with the row.
    pub content: Result<Given, RowFault>,
}

/// What an agency wrote in a cell, without the blanks around it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cell(String);

redacted_debug!(Cell);

impl Cell {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a row says of a letter: texts as they were given, none for an empty cell.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// From when on the letter can be read.
    pub available_from: Option<String>,
    /// Whether telling of it is legal notice.
    pub legal_notice: Option<String>,
    /// Whether the person is told once more.
    pub remind: Option<String>,
    /// Whether a message may name the sender.
    pub name_may_be_shown: Option<String>,
    /// Its language.
    pub language: Option<String>,
}

redacted_debug!(Given);

/// The cells of a row while they are gathered; the first fault stays.
#[derive(Default)]
pub(super) struct Cells {
    person: Cell,
    reference: Cell,
    given: Given,
    fault: Option<RowFault>,
}

impl Cells {
    /// A row of which nothing can be told but what is wrong.
    pub(super) fn unreadable(fault: RowFault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    /// Takes the cell of a known column.
    pub(super) fn put(&mut self, column: Column, cell: &str) {
        let text = cell.trim();
        let is_too_long = cell.len() > LONGEST_FIELD;
        if is_too_long {
            self.refuse(RowFault::FieldTooLong);
        } else if begins_a_formula(cell) || begins_a_formula(text) {
            self.refuse(RowFault::Formula);
        } else if cell.contains(char::is_control) {
            self.refuse(RowFault::IllegalCharacter);
        }
        if text.is_empty() || is_too_long || text.contains(char::is_control) {
            return;
        }
        let text = text.to_owned();
        match column {
            Column::Person => self.person = Cell(text),
            Column::Reference => self.reference = Cell(text),
            Column::AvailableFrom => self.given.available_from = Some(text),
            Column::LegalNotice => self.given.legal_notice = Some(text),
            Column::Remind => self.given.remind = Some(text),
            Column::NameMayBeShown => self.given.name_may_be_shown = Some(text),
            Column::Language => self.given.language = Some(text),
        }
    }

    /// Notes what is wrong, unless something is already.
    pub(super) fn refuse(&mut self, fault: RowFault) {
        self.fault.get_or_insert(fault);
    }

    /// The row.
    pub(super) fn into_row(self, start: Place, end: Place) -> Row {
        Row {
            line: start.line,
            number: start.row,
            start,
            end,
            person: self.person,
            reference: self.reference,
            content: self.fault.map_or(Ok(self.given), Err),
        }
    }
}

/// Whether a spreadsheet would calculate the cell rather than show it.
pub(super) fn begins_a_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}
