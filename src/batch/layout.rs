//! How the rows of a file are laid out: found once, in the header, and kept for everyone who reads a piece of it.

use serde::{Deserialize, Serialize};

use super::{Kind, fault::FileFaultCode};

/// A header of more columns is none: no table of persons has so many.
const MOST_COLUMNS: usize = 500;

/// How to read a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "camelCase")]
pub enum Layout {
    /// Cells, each in its column.
    Csv {
        /// What stands between them.
        separator: Separator,
        /// What each column holds; none for one that is the agency's own business.
        columns: Vec<Option<Column>>,
    },
    /// An object on each line.
    JsonLines,
}

/// What stands between the cells of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Separator {
    /// `,`
    Comma,
    /// `;`, as Norwegian spreadsheets write it.
    Semicolon,
}

impl Separator {
    /// The character itself.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
        }
    }
}

/// A column that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Column {
    /// Whom the row is about.
    Person,
    /// The agency's own name for the row or the letter.
    Reference,
    /// From when on the letter can be read.
    AvailableFrom,
    /// Whether telling of the letter is legal notice.
    LegalNotice,
    /// Whether the person is told once more.
    Remind,
    /// Whether a message may name the sender.
    NameMayBeShown,
    /// The language of the letter.
    Language,
}

impl Column {
    const NAMES: [(&str, Self); 11] = [
        ("person", Self::Person),
        ("personidentifikator", Self::Person),
        ("fnr", Self::Person),
        ("reference", Self::Reference),
        ("referanse", Self::Reference),
        ("availableFrom", Self::AvailableFrom),
        ("legalNotice", Self::LegalNotice),
        ("remind", Self::Remind),
        ("nameMayBeShown", Self::NameMayBeShown),
        ("language", Self::Language),
        ("spraak", Self::Language),
    ];

    /// The column of that name, in capitals or not; none for one that means nothing here.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim();
        Self::NAMES
            .into_iter()
            .find_map(|(known, column)| known.eq_ignore_ascii_case(name).then_some(column))
    }
}

impl Layout {
    /// Reads the header of a table: the separator is the one with which there is a column of persons.
    pub(super) fn of_header(header: &str, kind: Kind) -> Result<Self, FileFaultCode> {
        let mut is_a_row = false;
        for separator in [Separator::Comma, Separator::Semicolon] {
            let cells = cells(header, separator);
            let columns: Vec<_> = cells.iter().map(Column::named).collect();
            let count = |wanted| columns.iter().filter(|column| **column == Some(wanted)).count();
            if columns.len() > MOST_COLUMNS {
                return Err(FileFaultCode::MissingHeader);
            }
            if count(Column::Person) > 0 {
                if columns.iter().flatten().any(|column| count(*column) > 1) {
                    return Err(FileFaultCode::DoubledColumn);
                }
                if kind == Kind::Letters && count(Column::Reference) == 0 {
                    return Err(FileFaultCode::MissingColumn);
                }
                return Ok(Self::Csv { separator, columns });
            }
            is_a_row |= cells.iter().any(|cell| is_eleven_digits(cell.trim()));
        }
        Err(if is_a_row {
            FileFaultCode::MissingHeader
        } else {
            FileFaultCode::MissingColumn
        })
    }
}

fn cells(header: &str, separator: Separator) -> csv::StringRecord {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator.byte())
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(header.as_bytes());
    // A text in memory is read without errors.
    reader.records().next().and_then(Result::ok).unwrap_or_default()
}

fn is_eleven_digits(text: &str) -> bool {
    text.len() == 11 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(header: &str) -> Result<Layout, FileFaultCode> {
        Layout::of_header(header, Kind::Lookup)
    }

    #[test]
    fn columns_are_found_by_their_names_whatever_the_separator() {
        let cases = [
            ("person", Separator::Comma, vec![Some(Column::Person)]),
            (
                "Navn;FNR;Referanse\r\n",
                Separator::Semicolon,
                vec![None, Some(Column::Person), Some(Column::Reference)],
            ),
            (
                "\"a,b\";\" Person \";availablefrom;legalNOTICE;remind;nameMayBeShown;language",
                Separator::Semicolon,
                vec![
                    None,
                    Some(Column::Person),
                    Some(Column::AvailableFrom),
                    Some(Column::LegalNotice),
                    Some(Column::Remind),
                    Some(Column::NameMayBeShown),
                    Some(Column::Language),
                ],
            ),
        ];
        for (header, separator, columns) in cases {
            assert_eq!(lookup(header), Ok(Layout::Csv { separator, columns }), "{header}");
        }
    }

    #[test]
    fn a_header_without_persons_is_told_from_a_row() {
        for header in [
            "name,reference",
            "persons",
            "fnr.",
            "person\treference",
            "\"person,reference\"",
            "pérson",
            " \"person\"",
        ] {
            assert_eq!(lookup(header), Err(FileFaultCode::MissingColumn), "{header}");
        }
        for row in ["20914695016", "a;20914695016;b", "a,\"20914695016\"", " 20914695016 ,x"] {
            assert_eq!(lookup(row), Err(FileFaultCode::MissingHeader), "{row}");
        }
        assert_eq!(
            lookup(&format!("person{}", ",".repeat(500))),
            Err(FileFaultCode::MissingHeader)
        );
    }

    #[test]
    fn a_known_column_stands_there_once() {
        for header in [
            "person,person",
            "fnr;person",
            "person,reference,Referanse",
            "language,person,spraak",
        ] {
            assert_eq!(lookup(header), Err(FileFaultCode::DoubledColumn), "{header}");
        }
        assert!(lookup("person,own,own").is_ok());
    }

    #[test]
    fn letters_need_a_reference() {
        let letters = |header| Layout::of_header(header, Kind::Letters);
        assert_eq!(letters("person;language"), Err(FileFaultCode::MissingColumn));
        assert!(letters("person;referanse").is_ok());
    }

    #[test]
    fn a_layout_is_stored_and_read_back() {
        let layout = lookup("own;person;availableFrom").unwrap();
        let json = serde_json::to_value(&layout).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "format": "csv", "separator": "semicolon", "columns": [null, "person", "availableFrom"],
            })
        );
        assert_eq!(serde_json::from_value::<Layout>(json).unwrap(), layout);
        let json = serde_json::to_value(Layout::JsonLines).unwrap();
        assert_eq!(json, serde_json::json!({ "format": "jsonLines" }));
    }
}
