//! Reading a file piece by piece: bytes go in as they come, whole rows come out.
//!
//! What is held is one row at most, and never more than [`LONGEST_ROW`] bytes of it, whatever stands in the file. Where
//! a row ends does not depend on how the bytes were cut, so that a file can be taken up again at the end of any row.

use serde::{Deserialize, Serialize};

use super::{
    Kind, json,
    layout::{Column, Layout},
    name::Format,
    row::{Cells, LONGEST_FIELD},
};
pub use super::{
    fault::{FileFault, FileFaultCode, RowFault},
    row::{Cell, Given, Row},
};

/// The longest row, in bytes, its line end included.
pub const LONGEST_ROW: usize = 65_536;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// A place between two rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// How many bytes of the file, unpacked, stand before it.
    pub offset: u64,
    /// The line that begins here, the first of the file being 1.
    pub line: u64,
    /// The number of the row that begins here, the first being 1. A header is no row.
    pub row: u64,
}

impl Place {
    /// Where a file begins.
    pub const START: Self = Self {
        offset: 0,
        line: 1,
        row: 1,
    };
}

/// Reads the rows of a file, or of a piece of it that begins at a row.
pub struct Reader {
    form: Form,
    layout: Option<Layout>,
    is_whole_file: bool,
    /// Just after the last complete row.
    place: Place,
    /// Where the row that is being read begins; blank lines may stand before it.
    at: Place,
    /// The bytes and the line ends of that row that have come so far.
    length: usize,
    line_ends: u64,
    /// Its first bytes, where they came with an earlier piece.
    held: Vec<u8>,
    /// After it nothing more is read.
    fault: Option<FileFault>,
}

/// What the bytes are taken for.
enum Form {
    Header { kind: Kind, is_quoted: bool },
    Csv(Box<Splitter>),
    JsonLines,
}

impl Reader {
    /// A reader of a whole file.
    pub fn from_start(kind: Kind, format: Format) -> Self {
        let (form, layout) = match format {
            Format::Csv => (Form::Header { kind, is_quoted: false }, None),
            Format::JsonLines => (Form::JsonLines, Some(Layout::JsonLines)),
        };
        Self::new(form, layout, Place::START, true)
    }

    /// A reader of a piece that begins at a row.
    pub fn within(layout: Layout, from: Place) -> Self {
        let form = Form::of(&layout);
        Self::new(form, Some(layout), from, false)
    }

    fn new(form: Form, layout: Option<Layout>, from: Place, is_whole_file: bool) -> Self {
        Self {
            form,
            layout,
            is_whole_file,
            place: from,
            at: from,
            length: 0,
            line_ends: 0,
            held: Vec::new(),
            fault: None,
        }
    }

    /// Takes the next bytes and appends the rows that are complete to `rows`.
    ///
    /// # Errors
    /// [`FileFault`], and the same again for whatever comes after it.
    pub fn read(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), FileFault> {
        self.unless_refused(|reader| reader.take(bytes, rows))
    }

    /// The file, or the piece, ends here: the last row may lack its line end.
    ///
    /// # Errors
    /// [`FileFault`].
    pub fn end(&mut self, rows: &mut Vec<Row>) -> Result<(), FileFault> {
        self.unless_refused(|reader| {
            reader.finish(rows)?;
            reader.look_at_the_whole()
        })
    }

    /// How the rows are laid out, once that is known: after the header, or at once for JSON Lines.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// The place just after the last complete row, or after the header.
    pub fn place(&self) -> Place {
        self.place
    }

    fn unless_refused(&mut self, read: impl FnOnce(&mut Self) -> Result<(), FileFault>) -> Result<(), FileFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        read(self).inspect_err(|fault| self.fault = Some(*fault))
    }

    fn take(&mut self, mut bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), FileFault> {
        while let Some(first) = bytes.first() {
            if self.length == 0 && *first == b'\n' {
                self.at.offset += 1;
                self.at.line += 1;
                bytes = &bytes[1..];
                continue;
            }
            let (taken, is_complete) = self.scan(bytes);
            let (piece, rest) = bytes.split_at(taken);
            bytes = rest;
            self.length += taken;
            self.line_ends += count(piece, b'\n');
            if piece.contains(&0) {
                return Err(self.fault(FileFaultCode::NotUtf8));
            }
            if !is_complete {
                self.hold(piece)?;
            } else if self.held.is_empty() {
                self.complete(piece, rows)?;
            } else {
                self.hold(piece)?;
                self.complete_held(rows)?;
            }
        }
        Ok(())
    }

    /// How many of the bytes belong to the row that is being read, and whether it ends with them.
    fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        match &mut self.form {
            Form::Header { is_quoted, .. } => {
                let most = bytes.len().min(LONGEST_ROW + 1 - self.length);
                let end = bytes[..most].iter().position(|byte| {
                    *is_quoted ^= *byte == b'"';
                    *byte == b'\n' && !*is_quoted
                });
                end.map_or((most, false), |end| (end + 1, true))
            }
            Form::Csv(splitter) => splitter.scan(bytes),
            Form::JsonLines => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                end.map_or((bytes.len(), false), |end| (end + 1, true))
            }
        }
    }

    /// Keeps the beginning of a row whose rest is yet to come.
    fn hold(&mut self, piece: &[u8]) -> Result<(), FileFault> {
        let room = LONGEST_ROW - self.held.len();
        self.held.extend_from_slice(&piece[..piece.len().min(room)]);
        let was_short = self.length - piece.len() <= LONGEST_ROW;
        if was_short && self.length > LONGEST_ROW {
            self.text(&self.held)?;
            if matches!(self.form, Form::Header { .. }) {
                return Err(self.fault(FileFaultCode::MissingHeader));
            }
        }
        Ok(())
    }

    fn complete_held(&mut self, rows: &mut Vec<Row>) -> Result<(), FileFault> {
        let mut held = std::mem::take(&mut self.held);
        let result = self.complete(&held, rows);
        held.clear();
        self.held = held;
        result
    }

    /// The row that is being read as text; of one that is too long, its beginning.
    fn text<'a>(&self, raw: &'a [u8]) -> Result<&'a str, FileFault> {
        let kept = &raw[..raw.len().min(LONGEST_ROW)];
        match std::str::from_utf8(kept) {
            Ok(text) => Ok(text),
            // Cut within a character.
            Err(error) if self.length > LONGEST_ROW && error.error_len().is_none() => Ok(""),
            Err(_) => Err(self.fault(FileFaultCode::NotUtf8)),
        }
    }

    /// A row, a blank line or the header has come to its end.
    fn complete(&mut self, raw: &[u8], rows: &mut Vec<Row>) -> Result<(), FileFault> {
        let begin = self.at;
        let is_too_long = self.length > LONGEST_ROW;
        let mut text = self.text(raw)?;
        if begin.offset == 0 {
            text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        }
        let is_blank = !is_too_long && text.trim_ascii().is_empty();
        let cells = match (&mut self.form, &self.layout) {
            (Form::Header { .. }, _) if is_blank => None,
            (Form::Header { kind, .. }, _) => {
                let layout = if is_too_long {
                    Err(FileFaultCode::MissingHeader)
                } else {
                    Layout::of_header(text, *kind)
                };
                let layout = layout.map_err(|code| self.fault(code))?;
                self.form = Form::of(&layout);
                self.layout = Some(layout);
                self.go_on();
                self.place = self.at;
                return Ok(());
            }
            (Form::Csv(splitter), layout) => {
                let columns = match layout {
                    Some(Layout::Csv { columns, .. }) => columns.as_slice(),
                    _ => &[],
                };
                let cells = (!is_blank && !is_too_long).then(|| splitter.cells(text, columns));
                splitter.clear();
                cells
            }
            (Form::JsonLines, _) => (!is_blank && !is_too_long).then(|| json::read(text)),
        };
        self.go_on();
        if !is_blank {
            self.at.row += 1;
            self.place = self.at;
            let cells = cells.unwrap_or_else(|| Cells::unreadable(RowFault::RowTooLong));
            rows.push(cells.into_row(begin, self.at));
        }
        Ok(())
    }

    /// What comes next begins where this ended.
    fn go_on(&mut self) {
        self.at.offset += self.length as u64;
        self.at.line += self.line_ends;
        self.length = 0;
        self.line_ends = 0;
    }

    /// Takes what is left for the last row.
    fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), FileFault> {
        if self.length == 0 {
            return Ok(());
        }
        let is_open = match &mut self.form {
            Form::Header { is_quoted, .. } => *is_quoted,
            // The line end that may be lacking ends the row, unless it stands within quotes.
            Form::Csv(splitter) => !splitter.scan(b"\n").1,
            Form::JsonLines => false,
        };
        if is_open {
            self.text(&self.held)?;
            return Err(self.fault(FileFaultCode::OpenQuote));
        }
        self.complete_held(rows)
    }

    fn look_at_the_whole(&self) -> Result<(), FileFault> {
        let code = match self.form {
            _ if !self.is_whole_file || self.place.row > 1 => return Ok(()),
            Form::Csv(_) => FileFaultCode::NoRows,
            Form::Header { .. } | Form::JsonLines => FileFaultCode::EmptyFile,
        };
        Err(FileFault { code, line: None })
    }

    /// A fault in the row that is being read.
    fn fault(&self, code: FileFaultCode) -> FileFault {
        FileFault {
            code,
            line: Some(self.at.line),
        }
    }
}

impl Form {
    fn of(layout: &Layout) -> Self {
        match layout {
            Layout::Csv { separator, columns } => Self::Csv(Box::new(Splitter::new(separator.byte(), columns.len()))),
            Layout::JsonLines => Self::JsonLines,
        }
    }
}

/// Splits rows of a table into cells. The buffers are the same for every row.
struct Splitter {
    parser: csv_core::Reader,
    /// The cells of the row, one after the other, and where each ends.
    cells: Vec<u8>,
    filled: usize,
    ends: Vec<usize>,
    ended: usize,
}

impl Splitter {
    fn new(separator: u8, columns: usize) -> Self {
        let mut parser = csv_core::ReaderBuilder::new()
            .delimiter(separator)
            .terminator(csv_core::Terminator::Any(b'\n'))
            .build();
        // The parser takes a byte order mark off the first bytes it gets, and here they are the middle of a file. An
        // empty line is nothing to it but a first read.
        parser.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            parser,
            // A row that fills them is too long.
            cells: vec![0; LONGEST_ROW + 1],
            filled: 0,
            ends: vec![0; columns + 1],
            ended: 0,
        }
    }

    fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};

        let mut taken = 0;
        loop {
            let (result, read, written, ended) = self.parser.read_record(
                &bytes[taken..],
                &mut self.cells[self.filled..],
                &mut self.ends[self.ended..],
            );
            taken += read;
            self.filled += written;
            self.ended += ended;
            match result {
                Record => return (taken, true),
                OutputFull => self.filled = 0,
                OutputEndsFull if self.ends.len() > LONGEST_ROW => self.ended = 0,
                OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                InputEmpty | End => return (taken, false),
            }
            // Nothing left to read is not the end of the file.
            if taken == bytes.len() {
                return (taken, false);
            }
        }
    }

    /// The cells of a row that has ended and is not too long.
    fn cells(&self, text: &str, columns: &[Option<Column>]) -> Cells {
        if count(text.as_bytes(), b'"') % 2 == 1 {
            return Cells::unreadable(RowFault::MalformedQuotes);
        }
        if self.ended != columns.len() {
            return Cells::unreadable(RowFault::WrongColumnCount);
        }
        // The parser knows `\n` alone: the other half of a line end is at the end of the last cell.
        let line = text.strip_suffix('\n').unwrap_or(text);
        let is_crlf = line.ends_with('\r');
        let mut cells = Cells::default();
        let mut begin = 0;
        for (at, (column, end)) in columns.iter().zip(&self.ends).enumerate() {
            let mut cell = &self.cells[begin..*end];
            begin = *end;
            if is_crlf && at + 1 == columns.len() {
                cell = cell.strip_suffix(b"\r").unwrap_or(cell);
            }
            match column {
                // The row is UTF-8, and so is a part of it between quotes and separators.
                Some(column) => cells.put(*column, std::str::from_utf8(cell).unwrap_or_default()),
                None if cell.len() > LONGEST_FIELD => cells.refuse(RowFault::FieldTooLong),
                None => {}
            }
        }
        cells
    }

    fn clear(&mut self) {
        self.filled = 0;
        self.ended = 0;
    }
}

#[expect(
    clippy::naive_bytecount,
    reason = "rows are short: a crate would count them no faster"
)]
fn count(bytes: &[u8], wanted: u8) -> u64 {
    bytes.iter().filter(|byte| **byte == wanted).count() as u64
}

#[cfg(test)]
mod tests;
