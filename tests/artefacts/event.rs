//! Events as AWS sends them: files beside this one, with places for what differs from test to test.

use std::fs;

use serde_json::Value;

/// The event of `events/<name>.json`. A text that is `{{place}}` becomes the value; within a text it is replaced.
pub(crate) fn event(name: &str, values: &[(&str, Value)]) -> Value {
    let file = format!("{}/artefacts/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let mut event = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    fill(&mut event, values);
    let left = event.to_string();
    assert!(!left.contains("{{"), "{name} has a place that was not filled: {left}");
    event
}

fn fill(part: &mut Value, values: &[(&str, Value)]) {
    match part {
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, values)),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, values)),
        Value::String(text) => {
            for (place, value) in values {
                let place = format!("{{{{{place}}}}}");
                if *text == place {
                    *part = value.clone();
                    return;
                }
                if let Some(value) = value.as_str() {
                    *text = text.replace(&place, value);
                }
            }
        }
        _ => {}
    }
}
