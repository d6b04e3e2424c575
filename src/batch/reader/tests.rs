use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::batch::layout::Separator;

/// What came of reading: the rows, and the fault if there was one.
type Read = (Vec<Row>, Option<FileFault>);

fn read_pieces<'a>(mut reader: Reader, pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut rows = Vec::new();
    let result = pieces.into_iter().try_for_each(|piece| reader.read(piece, &mut rows));
    let result = result.and_then(|()| reader.end(&mut rows));
    (rows, result.err())
}

fn read(format: Format, bytes: impl AsRef<[u8]>) -> Read {
    read_pieces(Reader::from_start(Kind::Lookup, format), [bytes.as_ref()])
}

/// The rows of a table that is without fault.
fn csv(bytes: impl AsRef<[u8]>) -> Vec<Row> {
    let (rows, fault) = read(Format::Csv, bytes);
    assert_eq!(fault, None);
    rows
}

fn json(bytes: impl AsRef<[u8]>) -> Vec<Row> {
    let (rows, fault) = read(Format::JsonLines, bytes);
    assert_eq!(fault, None);
    rows
}

fn refusal(format: Format, bytes: impl AsRef<[u8]>) -> (&'static str, Option<u64>) {
    let fault = read(format, bytes).1.unwrap();
    (fault.as_str(), fault.line)
}

/// Person and reference of each row.
fn shown(rows: &[Row]) -> Vec<(&str, &str)> {
    rows.iter()
        .map(|row| (row.person.as_str(), row.reference.as_str()))
        .collect()
}

fn faults(rows: &[Row]) -> Vec<Option<RowFault>> {
    rows.iter().map(|row| row.content.clone().err()).collect()
}

#[test]
fn rows_are_read_by_the_columns_of_the_header() {
    let rows = csv("name;Referanse;FNR\nOla;2026/1;20914695016\n\"Kari; \"\"K\"\"\";\" 2026/2 \"; 22885399316\n");
    assert_eq!(shown(&rows), [("20914695016", "2026/1"), ("22885399316", "2026/2")]);
    assert_eq!(faults(&rows), [None, None]);
    let rows = csv("person,language,remind\n1,nb,\n2,, ja \n");
    let given = rows[0].content.clone().unwrap();
    assert_eq!((given.language.as_deref(), given.remind), (Some("nb"), None));
    let given = rows[1].content.clone().unwrap();
    assert_eq!((given.language, given.remind.as_deref()), (None, Some("ja")));
}

#[test]
fn line_ends_of_windows_blank_lines_and_a_missing_last_line_end_are_accepted() {
    for text in [
        "person,reference\n1,a\n2,b\n",
        "person,reference\n1,a\n2,b",
        "person,reference\r\n1,a\r\n2,b\r\n",
        "person,reference\r\n1,a\r\n2,b\r",
        "\n\r\n \nperson,reference\n\n\r\n1,a\n \t \n2,b\n\n\n",
        "\u{feff}person,reference\r\n1,\"a\"\r\n2,\"b\"\r\n",
        "\u{feff}\r\n\"person\",reference\n1,a\n2,b",
    ] {
        let rows = csv(text);
        assert_eq!(shown(&rows), [("1", "a"), ("2", "b")], "{text:?}");
        assert_eq!(faults(&rows), [None, None], "{text:?}");
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2]);
    }
}

#[test]
fn a_row_knows_its_line_its_number_and_where_the_next_begins() {
    let text = "\u{feff}person,own\r\n\r\n1,\"a\nb\"\r\n\n2,c\n";
    let rows = csv(text);
    let place = |offset, line, row| Place { offset, line, row };
    assert_eq!((rows[0].line, rows[0].number, rows[0].end), (3, 1, place(26, 5, 2)));
    assert_eq!((rows[1].line, rows[1].number, rows[1].end), (6, 2, place(31, 7, 3)));
    assert_eq!(&text[26..], "\n2,c\n");

    let mut reader = Reader::from_start(Kind::Lookup, Format::Csv);
    assert_eq!((reader.place(), reader.layout()), (Place::START, None));
    reader.read(&text.as_bytes()[..20], &mut Vec::new()).unwrap();
    assert_eq!(reader.place(), place(15, 2, 1));
    let columns = vec![Some(Column::Person), None];
    let layout = Layout::Csv {
        separator: Separator::Comma,
        columns,
    };
    assert_eq!(reader.layout(), Some(&layout));
    let reader = Reader::from_start(Kind::Lookup, Format::JsonLines);
    assert_eq!(reader.layout(), Some(&Layout::JsonLines));
}

#[test]
fn a_file_without_rows_is_refused() {
    for text in ["", "\n", "\r\n \n", "\u{feff}", "\u{feff}\n"] {
        assert_eq!(refusal(Format::Csv, text), ("empty-file", None), "{text:?}");
        assert_eq!(refusal(Format::JsonLines, text), ("empty-file", None), "{text:?}");
    }
    for text in ["person", "person\n", "person;reference\r\n\r\n  "] {
        assert_eq!(refusal(Format::Csv, text), ("no-rows", None), "{text:?}");
    }
}

#[test]
fn a_file_without_a_header_that_can_be_used_is_refused_with_its_line() {
    assert_eq!(
        refusal(Format::Csv, "20914695016,a\n22885399316,b\n"),
        ("missing-header", Some(1))
    );
    assert_eq!(
        refusal(Format::Csv, "name,reference\nOla,a\n"),
        ("missing-column", Some(1))
    );
    assert_eq!(
        refusal(Format::Csv, "\n\nperson;fnr\n1;2\n"),
        ("doubled-column", Some(3))
    );
    assert_eq!(
        refusal(Format::Csv, "\"person,reference\n1,2\n"),
        ("open-quote", Some(1))
    );
    let long = format!("person,{}\n1,2\n", "x".repeat(LONGEST_ROW));
    assert_eq!(refusal(Format::Csv, long), ("missing-header", Some(1)));
    let letters = Reader::from_start(Kind::Letters, Format::Csv);
    let fault = read_pieces(letters, ["person\n1\n".as_bytes()]).1.unwrap();
    assert_eq!(fault.code, FileFaultCode::MissingColumn);
}

#[test]
fn what_is_not_utf_8_is_refused_with_its_line() {
    assert_eq!(
        refusal(Format::Csv, b"person,name\n1,Ola\n2,\"K\n\xe5re\"\n"),
        ("not-utf-8", Some(3))
    );
    assert_eq!(refusal(Format::Csv, b"person,m\xf8te\n1,a\n"), ("not-utf-8", Some(1)));
    assert_eq!(
        refusal(Format::JsonLines, b"{\"person\":\"1\"}\n{\"a\":\"\xf8\"}\n"),
        ("not-utf-8", Some(2))
    );
    // UTF-16, with and without its mark.
    let utf16 = |mark: &str| -> Vec<u8> {
        let text = format!("{mark}person\n1\n");
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    for mark in ["\u{feff}", ""] {
        for format in [Format::Csv, Format::JsonLines] {
            assert_eq!(refusal(format, utf16(mark)), ("not-utf-8", Some(1)));
        }
    }
    assert_eq!(refusal(Format::Csv, "person\n1\n2\0\n"), ("not-utf-8", Some(3)));
    // Something compressed, under a wrong name.
    assert_eq!(
        refusal(Format::Csv, b"PK\x03\x04\x14\0\0\0\x08\0"),
        ("not-utf-8", Some(1))
    );
    // In the beginning of a row that is too long.
    let long = [b"person,own\n1,\xe5".as_slice(), &b"x".repeat(2 * LONGEST_ROW)].concat();
    assert_eq!(refusal(Format::Csv, long), ("not-utf-8", Some(2)));
    // What is cut off there may be within a character.
    let long = format!("person,own\n1,x{}\n2,y\n", "ø".repeat(LONGEST_ROW));
    assert_eq!(faults(&csv(long)), [Some(RowFault::RowTooLong), None]);
}

#[test]
fn a_quote_that_stays_open_is_refused_with_the_line_of_its_row() {
    assert_eq!(
        refusal(Format::Csv, "person,own\n1,a\n2,\"b\n3,c\n4,d\n"),
        ("open-quote", Some(3))
    );
    assert_eq!(refusal(Format::Csv, "person\n\""), ("open-quote", Some(2)));
    let long = format!("person,own\n1,\"{}", "x\n".repeat(LONGEST_ROW));
    assert_eq!(refusal(Format::Csv, long), ("open-quote", Some(2)));
}

#[test]
fn nothing_is_read_after_a_fault() {
    let mut reader = Reader::from_start(Kind::Lookup, Format::Csv);
    let mut rows = Vec::new();
    let fault = reader.read(b"name\n", &mut rows).unwrap_err();
    assert_eq!(reader.read(b"person\n1\n", &mut rows), Err(fault));
    assert_eq!(reader.end(&mut rows), Err(fault));
    assert_eq!(rows, []);
}

#[test]
fn a_bad_row_costs_itself_alone() {
    use RowFault::{Formula, IllegalCharacter, MalformedQuotes, WrongColumnCount};

    let rows = csv(concat!(
        "person,reference,own\n",
        "1,a\n",
        "2,b,c,d\n",
        "3,=1+1,\n",
        "4,\"a\nb\",\n",
        "5,\"a,\n\",\n",
        "6\",a,b\n",
        "7,a,=2\n",
        "8,a,\"x\ny\"\n",
        "9,a\u{200},b\n",
        "\u{1},a,b\n",
        "10,\u{85}a\u{9f}b,b\n",
        "11,a\rb,\n",
        ",,\n",
    ));
    assert_eq!(
        faults(&rows),
        [
            Some(WrongColumnCount),
            Some(WrongColumnCount),
            Some(Formula),
            Some(IllegalCharacter),
            Some(IllegalCharacter),
            Some(MalformedQuotes),
            None,
            None,
            None,
            Some(IllegalCharacter),
            Some(IllegalCharacter),
            Some(IllegalCharacter),
            None,
        ]
    );
    assert_eq!(shown(&rows)[..4], [("", ""), ("", ""), ("3", "=1+1"), ("4", "")]);
    assert_eq!(rows[5].line, 9);
}

#[test]
fn a_cell_that_a_spreadsheet_would_calculate_is_refused() {
    for cell in [
        "=1",
        "+4746",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\" =1\"",
        "\"\rx\"",
        "\"=HYPERLINK(\"\"x\"\")\"",
    ] {
        for row in [format!("{cell},a"), format!("1,{cell}")] {
            let rows = csv(format!("person,reference\n{row}\n2,b\n"));
            assert_eq!(faults(&rows), [Some(RowFault::Formula), None], "{row:?}");
        }
    }
    let rows = json("{\"person\":\"1\",\"reference\":\"=1\"}");
    assert_eq!(faults(&rows), [Some(RowFault::Formula)]);
}

#[test]
fn a_cell_of_more_than_four_kilobytes_is_refused() {
    let long = "x".repeat(4096);
    for (text, fault) in [
        (format!("1,{long},b"), None),
        (format!("1,{long}x,b"), Some(RowFault::FieldTooLong)),
        (format!("1,a,{long}\r"), None),
        (format!("1,a,{long}x"), Some(RowFault::FieldTooLong)),
        (format!("{},a,b", " ".repeat(4097)), Some(RowFault::FieldTooLong)),
    ] {
        let rows = csv(format!("person,reference,own\n{text}\n2,a,b\n"));
        assert_eq!(faults(&rows), [fault, None]);
    }
    for (text, fault) in [(long.clone(), None), (format!("{long}x"), Some(RowFault::FieldTooLong))] {
        let rows = json(format!(
            "{{\"person\":\"1\",\"reference\":\"{text}\",\"own\":\"{long}{long}\"}}"
        ));
        assert_eq!(faults(&rows), [fault]);
    }
}

#[test]
fn a_row_of_more_than_64_kilobytes_is_skipped_and_little_of_it_is_held() {
    let table = |row: usize| {
        let own = vec!["x".repeat(4000); 16].join(",");
        let row = format!("1,{own},{}\n", "y".repeat(row - own.len() - 4));
        format!("person{}\n{row}2{}\n", ",".repeat(17), ",".repeat(17))
    };
    let many_columns = format!("person,own\n1{}\n2,a\n", ",".repeat(LONGEST_ROW));
    let many_lines = format!("person,own\n1,\"{}\"\n2,a\n", "\n".repeat(3 * LONGEST_ROW));
    let object = |row: usize| format!("{{\"own\":\"{}\"}}\n{{}}\n", "x".repeat(row - 11));
    let cases = [
        (Format::Csv, table(LONGEST_ROW), None),
        (Format::Csv, table(LONGEST_ROW + 1), Some(RowFault::RowTooLong)),
        (Format::Csv, table(LONGEST_ROW + 2), Some(RowFault::RowTooLong)),
        (Format::Csv, table(10 * LONGEST_ROW), Some(RowFault::RowTooLong)),
        (Format::Csv, many_columns, Some(RowFault::RowTooLong)),
        (Format::Csv, many_lines, Some(RowFault::RowTooLong)),
        (Format::JsonLines, object(LONGEST_ROW), None),
        (Format::JsonLines, object(LONGEST_ROW + 1), Some(RowFault::RowTooLong)),
        (Format::JsonLines, object(10 * LONGEST_ROW), Some(RowFault::RowTooLong)),
    ];
    for (format, text, fault) in cases {
        let at_once = read(format, &text);
        assert_eq!(at_once.1, None);
        assert_eq!(faults(&at_once.0), [fault, None]);
        for size in [1, 4096, LONGEST_ROW, LONGEST_ROW + 1] {
            let mut reader = Reader::from_start(Kind::Lookup, format);
            let mut rows = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                reader.read(piece, &mut rows).unwrap();
                assert!(reader.held.capacity() <= 2 * LONGEST_ROW);
            }
            reader.end(&mut rows).unwrap();
            assert!(rows == at_once.0, "in pieces of {size}");
        }
    }
}

#[test]
fn an_object_is_read_by_the_names_of_columns() {
    let rows = json(concat!(
        "{\"person\":\"20914695016\",\"reference\":\"a\",\"own\":{\"x\":[1]}}\r\n",
        "\n  \n",
        "{\"Fnr\":20914695016,\"Referanse\":7,\"remind\":true,\"legalNotice\":false,\"spraak\":null}\n",
        "{\"person\":null}\n",
        " {\"person\":\"\\u0032\",\"reference\":\" \\u00f8 \"}",
    ));
    assert_eq!(faults(&rows), [None, None, None, None]);
    assert_eq!(
        shown(&rows),
        [("20914695016", "a"), ("20914695016", "7"), ("", ""), ("2", "ø")]
    );
    let given = rows[1].content.clone().unwrap();
    assert_eq!(
        (given.remind.as_deref(), given.legal_notice.as_deref()),
        (Some("true"), Some("false"))
    );
    assert_eq!(given.language, None);
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 4, 5, 6]);
    assert_eq!(shown(&json("\u{feff}{\"person\":\"1\"}\n")), [("1", "")]);
}

#[test]
fn a_line_that_is_no_object_of_texts_costs_itself_alone() {
    use RowFault::{
        IllegalCharacter, InvalidIdentifier, InvalidReference, InvalidValue, MalformedJson, UnknownLanguage,
    };
    let deep = format!("{{\"person\":{}", "[".repeat(10_000));
    let deep_but_closed = format!("{{\"person\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let ignored = format!("{{\"own\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        ("{", Some(MalformedJson)),
        ("[]", Some(MalformedJson)),
        ("[\"1\",\"a\"]", Some(MalformedJson)),
        ("null", Some(MalformedJson)),
        ("\"20914695016\"", Some(MalformedJson)),
        ("{\"person\":\"1\"} {}", Some(MalformedJson)),
        ("{\"person\":\"1\",}", Some(MalformedJson)),
        ("{'person':'1'}", Some(MalformedJson)),
        ("{\"person\":\"1\",\"person\":\"1\"}", Some(MalformedJson)),
        ("{\"person\":\"1\",\"fnr\":null}", Some(MalformedJson)),
        ("{\"person\":\"\\ud800\"}", Some(MalformedJson)),
        ("{\"person\":01}", Some(MalformedJson)),
        ("{\"own\":1,\"own\":2}", None),
        (&deep, Some(MalformedJson)),
        (&deep_but_closed, Some(InvalidIdentifier)),
        (&ignored, None),
        ("{\"person\":1.5}", Some(InvalidIdentifier)),
        ("{\"person\":-1}", Some(InvalidIdentifier)),
        ("{\"person\":true}", Some(InvalidIdentifier)),
        ("{\"reference\":{\"a\":1}}", Some(InvalidReference)),
        ("{\"language\":false}", Some(UnknownLanguage)),
        ("{\"remind\":[true]}", Some(InvalidValue)),
        ("{\"person\":\"1\\u0000\"}", Some(IllegalCharacter)),
        ("{\"reference\":\"a\\nb\"}", Some(IllegalCharacter)),
    ];
    for (line, fault) in cases {
        let rows = json(format!("{line}\n{{}}\n"));
        assert_eq!(faults(&rows), [fault, None], "{line:.80}");
    }
    let rows = json("{\"person\":\"1\",\"reference\":\"a\",\"remind\":[]}");
    assert_eq!(shown(&rows), [("1", "a")]);
}

#[test]
fn nothing_of_a_row_shows_in_debug() {
    let text = format!("{:?}", csv("person,reference,language\n20914695016,secret,nb\n"));
    assert!(
        !text.contains("20914695016") && !text.contains("secret") && !text.contains("nb"),
        "{text}"
    );
}

/// A cell, and whether it is put in quotes even where it need not be.
fn cell() -> impl Strategy<Value = (String, bool)> {
    ("[ab1;,\"\n\r\t =ø\u{feff}\u{1f600}]{0,6}", any::<bool>())
}

prop_compose! {
    /// A table of three columns, of which the second is the agency's own: its cells, and its text as some program
    /// would write it.
    fn table()(
        rows in vec([cell(), cell(), cell()], 1..8),
        separator in prop_oneof![Just(","), Just(";")],
        line_end in prop_oneof![Just("\n"), Just("\r\n")],
        mark in prop_oneof![Just(""), Just("\u{feff}")],
        ends_with_line in any::<bool>(),
        blank_before in vec(any::<bool>(), 8),
    ) -> (Vec<[String; 3]>, String) {
        let mut text = mark.to_owned() + &["person", "own", "reference"].join(separator);
        for (row, blank_before) in rows.iter().zip(blank_before) {
            text += line_end;
            if blank_before {
                text += line_end;
            }
            text += &row.each_ref().map(quoted).join(separator);
        }
        if ends_with_line {
            text += line_end;
        }
        (rows.into_iter().map(|row| row.map(|(cell, _)| cell)).collect(), text)
    }
}

fn quoted((text, quote): &(String, bool)) -> String {
    if *quote || text.contains(['"', ',', ';', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.clone()
    }
}

/// The bytes cut in pieces.
fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.extend([0, bytes.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

/// However the bytes are cut, and wherever a reader begins anew, the rows and the fault are the same.
fn check_pieces(format: Format, bytes: &[u8], cuts: &[Index]) -> Result<(), TestCaseError> {
    let reader = || Reader::from_start(Kind::Lookup, format);
    let whole = read_pieces(reader(), [bytes]);
    prop_assert!(read_pieces(reader(), bytes.chunks(1)) == whole, "byte by byte");
    prop_assert!(read_pieces(reader(), cut(bytes, cuts)) == whole, "in pieces");

    let mut first = reader();
    let mut places = Vec::new();
    for byte in bytes {
        if first.read(&[*byte], &mut Vec::new()).is_err() {
            break;
        }
        if first.layout().is_some() && places.last() != Some(&first.place()) {
            places.push(first.place());
        }
    }
    let Some(layout) = first.layout() else { return Ok(()) };
    places.extend(whole.0.iter().map(|row| row.end));
    for place in places {
        let rest = &bytes[usize::try_from(place.offset).unwrap()..];
        let (rows, fault) = read_pieces(Reader::within(layout.clone(), place), cut(rest, cuts));
        let expected: Vec<_> = whole.0.iter().filter(|row| row.number >= place.row).cloned().collect();
        prop_assert!(rows == expected, "from {:?}", place);
        // That a file is without rows is not for one that reads a piece to say.
        prop_assert_eq!(fault, whole.1.filter(|fault| fault.line.is_some()));
    }
    Ok(())
}

/// What makes a file unreadable at its end, now and then.
fn tail() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        b"".as_slice(),
        b"",
        b"",
        b"\xe5\n\"",
        b"\0x",
        b"\xe5\n1",
        b"\n\"\0",
    ])
}

proptest! {
    #[test]
    fn any_table_is_read_as_it_was_written((rows, text) in table(), cuts in vec(any::<Index>(), 0..6)) {
        let read = csv(&text);
        prop_assert_eq!(read.len(), rows.len());
        for (row, [person, _, reference]) in read.iter().zip(&rows) {
            let is_formula = |cell: &str| cell.starts_with(['=', '\t', '\r']) || cell.trim().starts_with('=');
            let is_illegal = |cell: &str| cell.contains(['\n', '\r', '\t']);
            let fault = [person, reference].into_iter().find_map(|cell| match () {
                () if is_formula(cell) => Some(RowFault::Formula),
                () if is_illegal(cell) => Some(RowFault::IllegalCharacter),
                () => None,
            });
            prop_assert_eq!(row.content.clone().err(), fault);
            if fault.is_none() {
                prop_assert_eq!(row.person.as_str(), person.trim());
                prop_assert_eq!(row.reference.as_str(), reference.trim());
            }
        }
        check_pieces(Format::Csv, text.as_bytes(), &cuts)?;
    }

    #[test]
    fn whatever_stands_in_a_table_is_read_the_same_in_any_pieces(
        header in prop_oneof![Just(""), Just("person"), Just("\u{feff}person,own\r\n"), Just("person;reference\n")],
        body in vec(
            prop_oneof![
                4 => prop::sample::select(b"\n\r\",; a1=".as_slice()).prop_map(|byte| vec![byte]),
                2 => Just(b"1,a\n".to_vec()),
                1 => Just("ø".into()),
                1 => Just("\u{feff}".into()),
            ],
            0..40,
        ),
        tail in tail(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let bytes = [header.as_bytes(), &body.concat(), tail].concat();
        check_pieces(Format::Csv, &bytes, &cuts)?;
    }

    #[test]
    fn whatever_stands_in_lines_is_read_the_same_in_any_pieces(
        mark in prop_oneof![Just(""), Just("\u{feff}")],
        body in vec(
            prop_oneof![
                Just("\n"), Just("\r\n"), Just(" "), Just("{}"), Just("{\"person\":\"1\"}\n"), Just("ø"), Just("\u{feff}"),
                Just("{\"fnr\":2,\"reference\":\"\\n\"}"), Just("\""),
            ],
            0..30,
        ),
        tail in tail(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let bytes = [mark.as_bytes(), body.concat().as_bytes(), tail].concat();
        check_pieces(Format::JsonLines, &bytes, &cuts)?;
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200), is_json in any::<bool>()) {
        let format = if is_json { Format::JsonLines } else { Format::Csv };
        let _ = read(format, &bytes);
        let _ = read(format, [b"person\n".as_slice(), &bytes].concat());
    }
}
