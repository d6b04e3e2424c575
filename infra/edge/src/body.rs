//! Request bodies: strict JSON, read into types that cannot be wrong, with every fault named at its place.

use axum::{
    body::Bytes,
    extract::{FromRequest, OptionalFromRequest, Request},
    http::{HeaderMap, header},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::{Kind, Problem};

/// Longest body taken. A thousand persons are 14 kB, a mailbox with a certificate 9 kB.
pub const MAX_BODY: usize = 64 * 1024;

/// The greatest whole number that every reader of JSON has exactly (RFC 8259, section 6).
pub const MOST_EXACT: u64 = 9_007_199_254_740_991;

/// A JSON body of type `R`, and its bytes.
///
/// `R` derives `Deserialize` with every field a [`Field`] under `#[serde(default)]`: then a wrong or missing value is
/// found by [`Reading`], at its place, and all else that can fail is malformed JSON.
#[derive(Debug)]
pub struct Body<R> {
    /// The parsed body.
    pub value: R,
    /// As it was received, for the fingerprint of the request.
    pub raw: Bytes,
}

impl<S: Send + Sync, R: DeserializeOwned> FromRequest<S> for Body<R> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Kind::UnsupportedMediaType.into());
        }
        let raw = read(request.into_body()).await?;
        let value = parse(&raw)?;
        Ok(Self { value, raw })
    }
}

/// A JSON body of type `R` that may have more fields than `R`: clients of the existing contract send what they like.
#[derive(Debug)]
pub struct Tolerant<R>(pub R);

impl<S: Send + Sync, R: DeserializeOwned> FromRequest<S> for Tolerant<R> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Kind::UnsupportedMediaType.into());
        }
        let raw = read(request.into_body()).await?;
        parse_any(&raw).map(|(value, _)| Self(value))
    }
}

/// None where the request has no body at all: then it need not say of which type.
impl<S: Send + Sync, R: DeserializeOwned> OptionalFromRequest<S> for Body<R> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let (parts, body) = request.into_parts();
        let raw = read(body).await?;
        if raw.is_empty() {
            return Ok(None);
        }
        let request = Request::from_parts(parts, raw.into());
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

/// What a request says to which there is nothing to say: an empty object.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Nothing {}

async fn read(body: axum::body::Body) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| Kind::PayloadTooLarge.into())
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<R: DeserializeOwned>(raw: &[u8]) -> Result<R, Problem> {
    match parse_any(raw)? {
        (value, false) => Ok(value),
        // Its name is the caller's input: it is not repeated.
        (_, true) => Err(Kind::UnknownField.into()),
    }
}

/// The body, and whether it has a field that `R` does not know.
fn parse_any<R: DeserializeOwned>(raw: &[u8]) -> Result<(R, bool), Problem> {
    // Serde reads a struct from a list too; a body is an object.
    if raw.trim_ascii_start().first() != Some(&b'{') {
        return Err(Kind::MalformedJson.into());
    }
    let mut unknown = false;
    let mut json = serde_json::Deserializer::from_slice(raw);
    let value = serde_ignored::deserialize(&mut json, |_| unknown = true)
        .and_then(|value| json.end().map(|()| value))
        .map_err(|_| Problem::new(Kind::MalformedJson))?;
    Ok((value, unknown))
}

/// A field of a body before it is read.
#[derive(Debug, Default)]
pub enum Field {
    /// Not in the body.
    #[default]
    Absent,
    /// In the body, perhaps as `null`.
    Given(Value),
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::Given)
    }
}

/// An object inside of a body. Serde reads a struct from a list too; here it is an object or malformed.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for OfMap<T> {
            type Value = T;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(OfMap(std::marker::PhantomData)).map(Self)
    }
}

/// What a field that may be `null` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given<T> {
    /// Nothing: leave it as it is.
    Absent,
    /// `null`: take it away.
    Null,
    /// A value.
    Value(T),
}

/// Reads fields one by one and keeps what is wrong with each.
#[derive(Debug, Default)]
pub struct Reading {
    errors: Vec<(String, Kind)>,
}

impl Reading {
    /// A text that must be there.
    pub fn required<T>(&mut self, name: &str, field: Field, parse: impl FnOnce(&str) -> Result<T, Kind>) -> Option<T> {
        match self.nullable(name, field, parse)? {
            Given::Value(value) => Some(value),
            Given::Absent => self.refuse(name, Kind::MissingField),
            Given::Null => self.refuse(name, Kind::InvalidValue),
        }
    }

    /// `true` or `false`, which must be there.
    pub fn truth(&mut self, name: &str, field: &Field) -> Option<bool> {
        match field {
            Field::Given(Value::Bool(truth)) => Some(*truth),
            Field::Given(_) => self.refuse(name, Kind::InvalidValue),
            Field::Absent => self.refuse(name, Kind::MissingField),
        }
    }

    /// A text that may be left out or `null`.
    pub fn optional<T>(&mut self, name: &str, field: Field, parse: impl FnOnce(&str) -> Result<T, Kind>) -> Option<T> {
        match self.nullable(name, field, parse)? {
            Given::Value(value) => Some(value),
            Given::Absent | Given::Null => None,
        }
    }

    /// A text for which absent and `null` mean different things; none if it is wrong.
    pub fn nullable<T>(
        &mut self,
        name: &str,
        field: Field,
        parse: impl FnOnce(&str) -> Result<T, Kind>,
    ) -> Option<Given<T>> {
        match field {
            Field::Absent => Some(Given::Absent),
            Field::Given(Value::Null) => Some(Given::Null),
            Field::Given(value) => match text(&value, Kind::InvalidValue).and_then(parse) {
                Ok(value) => Some(Given::Value(value)),
                Err(kind) => self.refuse(name, kind),
            },
        }
    }

    /// A list of texts that must be there; an element that is no text at all is of kind `wrong`.
    pub fn list<T>(
        &mut self,
        name: &str,
        field: Field,
        wrong: Kind,
        mut parse: impl FnMut(&str) -> Result<T, Kind>,
    ) -> Option<Vec<T>> {
        let elements = match field {
            Field::Given(Value::Array(elements)) => elements,
            Field::Given(_) => return self.refuse(name, Kind::InvalidValue),
            Field::Absent => return self.refuse(name, Kind::MissingField),
        };
        let mut values = Vec::with_capacity(elements.len());
        for (at, element) in elements.iter().enumerate() {
            match text(element, wrong).and_then(&mut parse) {
                Ok(value) => values.push(value),
                Err(kind) => self.errors.push((format!("/{name}/{at}"), kind)),
            }
        }
        Some(values)
    }

    /// Notes that a field is wrong.
    pub fn refuse<T>(&mut self, name: &str, kind: Kind) -> Option<T> {
        self.errors.push((format!("/{name}"), kind));
        None
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::of_fields(&self.errors)),
        }
    }
}

fn text(value: &Value, wrong: Kind) -> Result<&str, Kind> {
    let text = value.as_str().ok_or(wrong)?;
    if text.contains('\0') {
        return Err(Kind::IllegalCharacter);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Sample {
        name: Field,
        list: Field,
    }

    fn kind(raw: &[u8]) -> Kind {
        parse::<Sample>(raw).unwrap_err().kind()
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let deep_field = format!("{{\"name\":{deep}}}");
        let bodies: [&[u8]; 10] = [
            b"",
            b"{",
            b"{\"name\":\"x\"",
            b"[]",
            b"null",
            b"{\"name\":1,\"name\":2}",
            b"{\"name\":\"\xff\"}",
            b"{} {}",
            deep.as_bytes(),
            deep_field.as_bytes(),
        ];
        for body in bodies {
            assert_eq!(kind(body), Kind::MalformedJson);
        }
    }

    #[test]
    fn an_unknown_field_is_refused_and_not_repeated() {
        let problem = parse::<Sample>(b"{\"20914695016\":1}").unwrap_err();
        assert_eq!(problem, Problem::new(Kind::UnknownField));
    }

    #[test]
    fn each_fault_has_its_place() {
        let sample: Sample = parse(b"{\"name\":7,\"list\":[\"a\",null,\"\\u0000\",\"b\"]}").unwrap();
        let mut reading = Reading::default();
        let accept = |text: &str| Ok(text.to_owned());
        assert_eq!(reading.required("name", sample.name, accept), None);
        reading.list("list", sample.list, Kind::InvalidIdentifier, accept);
        assert_eq!(
            reading.errors,
            [
                ("/name".to_owned(), Kind::InvalidValue),
                ("/list/1".to_owned(), Kind::InvalidIdentifier),
                ("/list/2".to_owned(), Kind::IllegalCharacter),
            ]
        );
    }

    #[test]
    fn absent_and_null_differ_where_it_matters() {
        let accept = |text: &str| Ok(text.to_owned());
        let mut reading = Reading::default();
        assert_eq!(reading.nullable("x", Field::Absent, accept), Some(Given::Absent));
        assert_eq!(
            reading.nullable("x", Field::Given(Value::Null), accept),
            Some(Given::Null)
        );
        assert!(reading.finish(Some(())).is_ok());
    }

    proptest! {
        #[test]
        fn no_body_is_read_with_a_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse::<Sample>(&raw);
        }
    }
}
