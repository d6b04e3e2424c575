//! What clients send.

use mailbox_register::{
    language::Language,
    person::{PersonIdentifier, Population},
    words::Purpose,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    body::{Field, MOST_EXACT, Reading},
    problem::{Kind, Problem},
};

/// What is on record where neither the contract nor the directory names a purpose.
const NO_PURPOSE: &str = "None named: a look-up by the existing contract";

/// Persons to be looked up.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = KrrLookUp)]
pub struct LookUp {
    /// Each is answered in its place.
    #[serde(rename = "personidentifikatorer", default)]
    #[schema(value_type = Vec<PersonIdentifier>, required = true, min_items = 1, max_items = 1000)]
    persons: Field,
}

impl LookUp {
    /// The persons, 1 to `most` of them.
    ///
    /// # Errors
    /// Every identifier that is none, at its place; all of them 400.
    pub fn persons(self, population: Population, most: usize) -> Result<Vec<PersonIdentifier>, Problem> {
        const NAME: &str = "personidentifikatorer";
        let refused = |kind| Problem::of_fields(&[(format!("/{NAME}"), kind)]);
        let Field::Given(list) = self.persons else {
            return Err(refused(Kind::MissingField));
        };
        let Value::Array(list) = list else {
            return Err(refused(Kind::InvalidValue));
        };
        // Counted before anything is read: a list of a million wrong numbers is one fault.
        if list.is_empty() {
            return Err(refused(Kind::TooFewIdentifiers));
        }
        if list.len() > most {
            return Err(refused(Kind::TooManyIdentifiers));
        }
        let mut reading = Reading::default();
        let mut persons = Vec::with_capacity(list.len());
        for (at, element) in list.iter().enumerate() {
            let person = element
                .as_str()
                .and_then(|text| PersonIdentifier::parse(text, population).ok());
            match person {
                Some(person) => persons.push(person),
                None => {
                    reading.refuse::<()>(&format!("{NAME}/{at}"), Kind::InvalidIdentifier);
                }
            }
        }
        reading.finish(Some(persons))
    }
}

/// A citizen's change of the own entry: the language is all that can be changed this way.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = KrrChangePerson)]
pub struct ChangePerson {
    /// The new language.
    #[serde(rename = "spraak", default)]
    #[schema(value_type = Language, required = true)]
    language: Field,
}

impl ChangePerson {
    /// The new language.
    ///
    /// # Errors
    /// There is none, or one that the register does not write.
    pub fn language(self) -> Result<Language, Problem> {
        let mut reading = Reading::default();
        let language = reading.required("spraak", self.language, |text| {
            text.parse().map_err(|_| Kind::UnknownLanguage)
        });
        reading.finish(language)
    }
}

/// From where on a client wants the changes.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = KrrChanges)]
pub struct Changes {
    /// The last change the client has: 0 for none, `tilEndringsId` of the answer before.
    #[serde(rename = "fraEndringsId", default)]
    #[schema(value_type = u64, required = true, maximum = 9_007_199_254_740_991_i64)]
    from: Field,
}

impl Changes {
    /// The last change the client has.
    ///
    /// # Errors
    /// There is none, or it is no number.
    pub fn from(self) -> Result<u64, Problem> {
        match self.from {
            Field::Absent => Err(Self::refused(Kind::MissingField)),
            Field::Given(value) => whole(&value).ok_or_else(|| Self::refused(Kind::InvalidValue)),
        }
    }

    /// The refusal of a change that has not happened yet.
    pub fn beyond() -> Problem {
        Self::refused(Kind::UnknownPlace)
    }

    fn refused(kind: Kind) -> Problem {
        Problem::of_fields(&[("/fraEndringsId".to_owned(), kind)])
    }
}

/// A whole number that is not negative. Some clients write `7.0`, and to JSON Schema that is one.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value
            .as_f64()
            .filter(|number| number.fract() == 0.0 && *number >= 0.0)?;
        let whole = format!("{:.0}", number.abs()).parse().ok();
        whole.filter(|whole| *whole <= MOST_EXACT)
    })
}

/// Why an organisation looks up by this contract, which has no word for it: its usual purpose, else that it said none.
///
/// # Errors
/// [`Kind::Internal`], if the register's own words are none.
pub fn purpose(usual: Option<&Purpose>) -> Result<Purpose, Problem> {
    match usual {
        Some(purpose) => Ok(purpose.clone()),
        None => Purpose::parse(NO_PURPOSE).map_err(|_| Kind::Internal.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn persons(body: &str) -> Result<usize, Problem> {
        let body: LookUp = serde_json::from_str(body).unwrap();
        body.persons(Population::Synthetic, 2).map(|persons| persons.len())
    }

    #[test]
    fn every_fault_of_a_list_is_a_400() {
        assert_eq!(
            persons(r#"{"personidentifikatorer":["20914695016","20914695016"]}"#),
            Ok(2)
        );
        for (body, kind) in [
            ("{}", Kind::MissingField),
            (r#"{"personidentifikatorer":null}"#, Kind::InvalidValue),
            (r#"{"personidentifikatorer":"20914695016"}"#, Kind::InvalidValue),
            (r#"{"personidentifikatorer":[]}"#, Kind::TooFewIdentifiers),
            (r#"{"personidentifikatorer":["","",""]}"#, Kind::TooManyIdentifiers),
            (r#"{"personidentifikatorer":["20914695017"]}"#, Kind::InvalidIdentifier),
            (r#"{"personidentifikatorer":["\u0000"]}"#, Kind::InvalidIdentifier),
            (r#"{"personidentifikatorer":[20914695016]}"#, Kind::InvalidIdentifier),
        ] {
            let problem = persons(body).unwrap_err();
            assert_eq!(problem.kind(), kind, "{body}");
            assert_eq!(kind.status(), 400);
        }
    }

    #[test]
    fn the_last_change_is_a_whole_number() {
        let from = |body: &str| serde_json::from_str::<Changes>(body).unwrap().from();
        for (number, read) in [
            ("0", 0),
            ("-0", 0),
            ("7.0", 7),
            ("7e3", 7000),
            ("9007199254740991.0", 9_007_199_254_740_991),
        ] {
            assert_eq!(from(&format!(r#"{{"fraEndringsId":{number}}}"#)), Ok(read), "{number}");
        }
        for no_number in ["null", "-1", "-1.0", "7.5", "1e300", "\"7\"", "[7]", "true"] {
            let problem = from(&format!(r#"{{"fraEndringsId":{no_number}}}"#)).unwrap_err();
            assert_eq!(problem.kind(), Kind::InvalidValue, "{no_number}");
        }
        assert_eq!(from("{}").unwrap_err().kind(), Kind::MissingField);
    }

    #[test]
    fn there_is_always_a_purpose() {
        assert_eq!(purpose(None).unwrap().as_str(), NO_PURPOSE);
        let usual = Purpose::parse("Tax returns").unwrap();
        assert_eq!(purpose(Some(&usual)).unwrap(), usual);
    }
}
