//! The register's OpenAPI document: it is what the code says, it is complete, and what it shows works.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;
mod examples;
mod schemas;
mod steps;

use std::sync::LazyLock;

use serde_json::Value;

/// The document as it is committed.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../infra/openapi.json")).unwrap());

/// One operation of the document.
#[derive(Clone, Copy)]
struct Operation {
    method: &'static str,
    path: &'static str,
    said: &'static Value,
}

impl Operation {
    fn id(self) -> &'static str {
        self.said["operationId"].as_str().unwrap()
    }

    fn responses(self) -> impl Iterator<Item = (&'static str, &'static Value)> {
        members(&self.said["responses"]).map(|(status, response)| (status, resolved(response)))
    }
}

/// Every operation.
fn operations() -> impl Iterator<Item = Operation> {
    members(&DOCUMENT["paths"])
        .flat_map(|(path, item)| members(item).map(move |(method, said)| Operation { method, path, said }))
}

fn members(value: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

/// What a reference leads to, or the thing itself.
fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(place) => DOCUMENT.pointer(place.strip_prefix('#').unwrap()).expect(place),
        None => value,
    }
}
