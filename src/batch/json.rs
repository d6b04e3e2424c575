//! A row as a JSON object on a line of its own.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{fault::RowFault, layout::Column, row::Cells};

/// Reads a line. Keys are the names of columns; others are ignored.
pub(super) fn read(line: &str) -> Cells {
    serde_json::from_str(line).map_or_else(|_| Cells::unreadable(RowFault::MalformedJson), |Object(cells)| cells)
}

struct Object(Cells);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut cells = Cells::default();
        let mut seen = Vec::new();
        while let Some(Key(column)) = map.next_key()? {
            let Some(column) = column else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if seen.contains(&column) {
                return Err(A::Error::custom("a key stands there twice"));
            }
            seen.push(column);
            match (map.next_value()?, column) {
                (Value::Absent, _) => {}
                (Value::Text(text), _) => cells.put(column, &text),
                (Value::YesOrNo(yes), Column::LegalNotice | Column::Remind | Column::NameMayBeShown) => {
                    cells.put(column, if yes { "true" } else { "false" });
                }
                (Value::YesOrNo(_) | Value::Other, _) => cells.refuse(not_a_text(column)),
            }
        }
        Ok(Object(cells))
    }
}

/// What is wrong where a value is of a type that the column cannot hold.
const fn not_a_text(column: Column) -> RowFault {
    match column {
        Column::Person => RowFault::InvalidIdentifier,
        Column::Reference => RowFault::InvalidReference,
        Column::Language => RowFault::UnknownLanguage,
        Column::AvailableFrom | Column::LegalNotice | Column::Remind | Column::NameMayBeShown => RowFault::InvalidValue,
    }
}

struct Key(Option<Column>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
                Ok(Key(Column::named(name)))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

enum Value<'a> {
    Absent,
    Text(Cow<'a, str>),
    YesOrNo(bool),
    Other,
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;

        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Value::Absent)
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Value::Text(text.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Value::Text(text.to_owned().into()))
            }

            fn visit_bool<E: Error>(self, yes: bool) -> Result<Self::Value, E> {
                Ok(Value::YesOrNo(yes))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Value::Text(number.to_string().into()))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }
        }

        deserializer.deserialize_any(ValueVisitor)
    }
}
