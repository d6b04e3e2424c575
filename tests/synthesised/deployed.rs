//! The synthesised template, read. A reference to a resource is text in it: `${RegisterTable.Arn}`.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::LazyLock};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// How the file is made.
const MADE_BY: &str = "\"$(infra/tools/install sam)/python\" infra/synthesise.py";

/// Every resource, by its logical id.
pub(crate) static RESOURCES: LazyLock<BTreeMap<String, Resource>> = LazyLock::new(read);

/// One resource.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Resource {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) properties: Value,
    pub(crate) deletion_policy: Option<String>,
    pub(crate) update_replace_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Synthesised {
    metadata: Metadata,
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    made_from: Vec<u8>,
}

fn read() -> BTreeMap<String, Resource> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("target/synthesised.json");
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}. Make it: {MADE_BY}", path.display()));
    let synthesised: Synthesised = serde_json::from_slice(&text).expect("the synthesised template");
    let template = fs::read(root.join("template.yaml")).expect("template.yaml");
    assert_eq!(
        synthesised.metadata.made_from,
        Sha256::digest(template).to_vec(),
        "{} is of another template.yaml. Make it anew: {MADE_BY}",
        path.display()
    );
    synthesised.resources
}

/// The resources of a kind, by their logical ids.
pub(crate) fn all(kind: &str) -> impl Iterator<Item = (&'static str, &'static Resource)> {
    let resources = RESOURCES.iter().filter(move |(_, resource)| resource.kind == kind);
    resources.map(|(id, resource)| (id.as_str(), resource))
}

/// The properties of a resource.
pub(crate) fn properties(id: &str) -> &'static Value {
    &RESOURCES
        .get(id)
        .unwrap_or_else(|| panic!("there is no {id}"))
        .properties
}

/// One value or many, as policies have them.
pub(crate) fn list(value: &'static Value) -> Vec<&'static Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

/// What a template says in text.
#[track_caller]
pub(crate) fn text(value: &'static Value) -> &'static str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// `X` of `${X}` or `${X.Arn}`: whose name or ARN this is.
#[track_caller]
pub(crate) fn referred(value: &'static Value) -> &'static str {
    let inner = text(value).strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let inner = inner.unwrap_or_else(|| panic!("no reference: {value}"));
    inner.split_once('.').map_or(inner, |(id, _)| id)
}
