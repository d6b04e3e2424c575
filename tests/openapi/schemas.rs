//! Schemas of the document, to check JSON against: with nothing in an object but what is described.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::DOCUMENT;

/// What is wrong with a value by a schema of the document.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let schema = closed(inlined(schema), false);
    let validator: Validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// The schema with everything it refers to in its place. None refers to itself.
fn inlined(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut own: Map<_, _> = members
                .iter()
                .filter(|(name, _)| *name != "$ref")
                .map(|(name, value)| (name.clone(), inlined(value)))
                .collect();
            if let Some(place) = members.get("$ref").and_then(Value::as_str) {
                let there = inlined(DOCUMENT.pointer(place.strip_prefix('#').unwrap()).expect(place));
                for (name, value) in there.as_object().unwrap() {
                    own.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            Value::Object(own)
        }
        Value::Array(elements) => elements.iter().map(inlined).collect(),
        other => other.clone(),
    }
}

/// The schema with no room for what it does not name. A part of a whole (`allOf` and its kin) is closed with the whole.
fn closed(schema: Value, is_part: bool) -> Value {
    let Value::Object(mut members) = schema else {
        return schema;
    };
    for (name, value) in &mut members {
        let inner = value.take();
        *value = match (name.as_str(), inner) {
            ("allOf" | "oneOf" | "anyOf", Value::Array(parts)) => {
                parts.into_iter().map(|part| closed(part, true)).collect()
            }
            ("properties", Value::Object(fields)) => fields
                .into_iter()
                .map(|(name, field)| (name, closed(field, false)))
                .collect::<Map<_, _>>()
                .into(),
            ("items" | "additionalProperties", inner) => closed(inner, false),
            (_, inner) => inner,
        };
    }
    let names_fields = ["properties", "allOf", "oneOf"]
        .iter()
        .any(|name| members.contains_key(*name));
    if names_fields && !is_part && !members.contains_key("additionalProperties") {
        members.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    Value::Object(members)
}
