//! What a row means: whom it is about, and what it asks for a letter.

use jiff::{Timestamp, civil::Date};

use super::{
    Kind,
    reader::{Row, RowFault},
};
use crate::{
    contact::norwegian_time,
    language::Language,
    person::{PersonIdentifier, Population},
    words::Reference,
};

/// Whom a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The person.
    pub person: PersonIdentifier,
    /// The agency's own name for the row or the letter.
    pub reference: Option<Reference>,
}

/// What a row asks for a letter; none where the agency's own rule is to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LetterOptions {
    /// From when on it can be read.
    pub available_from: Option<Timestamp>,
    /// Whether telling of it is legal notice.
    pub legal_notice: Option<bool>,
    /// Whether the person is told once more.
    pub remind: Option<bool>,
    /// Whether a message may name the sender.
    pub name_may_be_shown: Option<bool>,
    /// Its language.
    pub language: Option<Language>,
}

impl Row {
    /// Whom the row is about. A row of letters must be good in everything else as well: it is refused before anything
    /// is done with it.
    ///
    /// # Errors
    /// The first [`RowFault`]; that the row cannot be read before anything else.
    pub fn recipient(&self, kind: Kind, population: Population) -> Result<Recipient, RowFault> {
        self.content.as_ref().map_err(|fault| *fault)?;
        let person = PersonIdentifier::parse(self.person.as_str(), population);
        let person = person.map_err(|_| RowFault::InvalidIdentifier)?;
        let reference = match self.reference.as_str() {
            "" => None,
            text => Some(Reference::parse(text).map_err(|_| RowFault::InvalidReference)?),
        };
        if kind == Kind::Letters {
            if reference.is_none() {
                return Err(RowFault::MissingReference);
            }
            self.letter_options()?;
        }
        Ok(Recipient { person, reference })
    }

    /// What the row asks for a letter.
    ///
    /// # Errors
    /// The first [`RowFault`].
    pub fn letter_options(&self) -> Result<LetterOptions, RowFault> {
        let given = self.content.as_ref().map_err(|fault| *fault)?;
        Ok(LetterOptions {
            available_from: read(given.available_from.as_ref(), moment, RowFault::InvalidValue)?,
            legal_notice: read(given.legal_notice.as_ref(), yes_or_no, RowFault::InvalidValue)?,
            remind: read(given.remind.as_ref(), yes_or_no, RowFault::InvalidValue)?,
            name_may_be_shown: read(given.name_may_be_shown.as_ref(), yes_or_no, RowFault::InvalidValue)?,
            language: read(
                given.language.as_ref(),
                |text| text.parse().ok(),
                RowFault::UnknownLanguage,
            )?,
        })
    }
}

fn read<T>(cell: Option<&String>, read: impl Fn(&str) -> Option<T>, fault: RowFault) -> Result<Option<T>, RowFault> {
    cell.map(|text| read(text).ok_or(fault)).transpose()
}

/// Yes or no, as people and spreadsheets write it.
fn yes_or_no(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    match () {
        () if is("true") || is("ja") || is("1") => Some(true),
        () if is("false") || is("nei") || is("0") => Some(false),
        () => None,
    }
}

/// A time with its offset, or the start of a day in Norway.
fn moment(text: &str) -> Option<Timestamp> {
    let is_a_day = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    if !is_a_day {
        return text.parse().ok();
    }
    let day: Date = text.parse().ok()?;
    Some(day.to_zoned(norwegian_time()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{name::Format, reader::Reader};

    const PERSON: &str = "20914695016";

    fn row(text: &str) -> Row {
        let mut rows = Vec::new();
        let mut reader = Reader::from_start(Kind::Lookup, Format::Csv);
        let header = "person;reference;availableFrom;legalNotice;remind;nameMayBeShown;language\n";
        reader.read(header.as_bytes(), &mut rows).unwrap();
        reader.read(text.as_bytes(), &mut rows).unwrap();
        reader.end(&mut rows).unwrap();
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }

    fn recipient(kind: Kind, text: &str) -> Result<Recipient, RowFault> {
        row(text).recipient(kind, Population::Synthetic)
    }

    #[test]
    fn a_lookup_needs_a_person_alone() {
        let found = recipient(Kind::Lookup, "20914695016;;;;;;").unwrap();
        assert_eq!((found.person.as_str(), found.reference), (PERSON, None));
        let found = recipient(Kind::Lookup, " 20914695016 ; 2026/7 ;no time;perhaps;;;sv").unwrap();
        assert_eq!(found.reference.unwrap().as_str(), "2026/7");
    }

    #[test]
    fn a_row_that_is_not_about_a_person_of_the_register_is_refused() {
        for person in [
            "",
            "2091469501",
            "209146950160",
            "209146 95016",
            "２０９１４６９５０１６",
            "41804061033",
            "41934063587",
            "00000000000",
            "'20914695016",
            // Of a real population.
            "02013299903",
        ] {
            let refused = recipient(Kind::Lookup, &format!("{person};r;;;;;"));
            assert_eq!(refused, Err(RowFault::InvalidIdentifier), "{person}");
        }
        let real = row("20914695016;;;;;;").recipient(Kind::Lookup, Population::Real);
        assert_eq!(real, Err(RowFault::InvalidIdentifier));
    }

    #[test]
    fn a_reference_names_nobody_and_is_short() {
        let long = "x".repeat(101);
        for reference in [PERSON, "case 209146 95016", &long] {
            let refused = recipient(Kind::Lookup, &format!("20914695016;{reference};;;;;"));
            assert_eq!(refused, Err(RowFault::InvalidReference), "{reference}");
        }
    }

    #[test]
    fn a_letter_needs_a_reference_and_values_that_are_some() {
        assert!(recipient(Kind::Letters, "20914695016;2026/7;;;;;").is_ok());
        let refused = [
            (";;;;;", RowFault::MissingReference),
            (";  ;;;;;", RowFault::MissingReference),
            (";r;tomorrow;;;;", RowFault::InvalidValue),
            (";r;;maybe;;;", RowFault::InvalidValue),
            (";r;;;yes;;", RowFault::InvalidValue),
            (";r;;;;2;", RowFault::InvalidValue),
            (";r;;;;;sv", RowFault::UnknownLanguage),
            (";r;;;;;NB", RowFault::UnknownLanguage),
        ];
        for (rest, fault) in refused {
            let rest = if rest.matches(';').count() == 5 {
                format!("{rest};")
            } else {
                rest.to_owned()
            };
            assert_eq!(
                recipient(Kind::Letters, &format!("{PERSON}{rest}")),
                Err(fault),
                "{rest}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_the_row_comes_before_what_is_wrong_with_the_person() {
        assert_eq!(recipient(Kind::Lookup, "nobody;=1;;;;;"), Err(RowFault::Formula));
        assert_eq!(row("20914695016").letter_options(), Err(RowFault::WrongColumnCount));
    }

    #[test]
    fn options_are_read_as_people_write_them() {
        let options = row("x;r;2026-03-02T09:00:00+01:00;Ja;0;FALSE;nn").letter_options();
        assert_eq!(
            options,
            Ok(LetterOptions {
                available_from: Some("2026-03-02T08:00:00Z".parse().unwrap()),
                legal_notice: Some(true),
                remind: Some(false),
                name_may_be_shown: Some(false),
                language: Some(Language::Nn),
            })
        );
        assert_eq!(row("x;r; ;;;;").letter_options(), Ok(LetterOptions::default()));
        for (text, yes) in [("true", true), ("1", true), ("nei", false), ("False", false)] {
            let options = row(&format!("x;r;;;{text};;")).letter_options().unwrap();
            assert_eq!(options.remind, Some(yes), "{text}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_in_norway() {
        for (day, begin) in [
            ("2026-01-15", "2026-01-14T23:00:00Z"),
            ("2026-07-15", "2026-07-14T22:00:00Z"),
            // Summer time begins and ends later in the day.
            ("2026-03-29", "2026-03-28T23:00:00Z"),
            ("2026-10-25", "2026-10-24T22:00:00Z"),
        ] {
            assert_eq!(moment(day), begin.parse().ok(), "{day}");
        }
        for text in [
            "2026-02-30",
            "20260115",
            "15.01.2026",
            "2026-01-15T09:00:00",
            "01-15-2026",
            "2026-1-15",
            "--20260115",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
