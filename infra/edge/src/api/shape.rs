//! What the schemas' library cannot say, put into the finished document.

use serde_json::{Map, Value};
use utoipa::openapi::{OpenApi, RefOr, Schema, schema::AdditionalProperties};

use super::{answer::Schemas, headers::ALWAYS};

/// The document as it is published.
///
/// # Errors
/// It cannot be written as JSON.
pub fn finished(document: &OpenApi) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(document)?;
    let components = &mut document["components"];
    for header in members(&mut components["headers"]) {
        if let Some(always) = header.as_object_mut().and_then(|header| header.remove(ALWAYS)) {
            header["required"] = always;
        }
    }
    for schema in members(&mut components["schemas"]) {
        if schema["additionalProperties"] != Value::Bool(false) {
            without_null(schema);
        }
    }
    Ok(document)
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(Map::values_mut)
}

/// A request has no fields but those that are known.
pub(super) fn close(schemas: &mut Schemas) {
    for (_, schema) in schemas {
        if let RefOr::T(Schema::Object(object)) = schema
            && object.enum_values.is_none()
            && object.format.is_none()
            && object.pattern.is_none()
        {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

/// An answer leaves out what has no value: none is `null`.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(without_null),
        Value::Object(schema) => {
            if let Some(Value::Array(types)) = schema.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    schema.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = schema.get_mut("oneOf") {
                choices.retain(|choice| choice["type"] != "null");
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    schema.remove("oneOf");
                    schema.extend(only);
                }
            }
            schema.values_mut().for_each(without_null);
        }
        _ => {}
    }
}
