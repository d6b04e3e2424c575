//! The document has what the code has, and nothing else.

use std::collections::BTreeSet;

use infra_edge::problem::Kind;
use reqwest::Method;
use serde_json::Value;
use stories::World;

use crate::{DOCUMENT, members, operations, resolved, schemas::faults};

#[test]
fn the_committed_document_is_what_the_code_says() {
    let committed = include_str!("../../infra/openapi.json");
    let said = local::openapi::text().unwrap();
    assert!(
        committed == said,
        "infra/openapi.json is not current. Run: cargo run -p local -- openapi --write"
    );
}

#[tokio::test]
async fn it_is_served_to_anyone() {
    let world = World::new().await;
    let answer = world.nobody().get("/v1/openapi.json").send().await.expect(200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(&answer.body, &*DOCUMENT);
    assert!(answer.body["openapi"].as_str().unwrap().starts_with("3.1."));
}

#[tokio::test]
async fn every_method_that_a_path_takes_is_described_and_no_other() {
    const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "PATCH"];
    let world = World::new().await;
    let paths = [&register::PATHS[..], &lookup::PATHS, &letters::PATHS, &batches::PATHS].concat();
    let mut taken = BTreeSet::new();
    for path in paths {
        for method in METHODS {
            let method: Method = method.parse().unwrap();
            let answer = world.nobody().request(method.clone(), path).send().await;
            if answer.status != 405 {
                taken.insert((path.to_owned(), method.to_string()));
            }
        }
    }
    let described: BTreeSet<_> = operations()
        .map(|operation| (operation.path.to_owned(), operation.method.to_uppercase()))
        .collect();
    assert_eq!(described, taken);
}

#[test]
fn every_kind_of_problem_has_an_example() {
    let examples = &DOCUMENT["components"]["examples"];
    let mut shown = BTreeSet::new();
    for (name, example) in members(examples) {
        let example = &example["value"];
        let slug = name.strip_prefix("rest.").unwrap_or(name);
        let kind = Kind::ALL.iter().find(|kind| kind.slug() == slug).expect(name);
        assert_eq!(example["type"], format!("urn:problem-type:{slug}"));
        assert_eq!(example["status"], kind.status().as_u16());
        assert_eq!(
            faults(&DOCUMENT["components"]["schemas"]["Problem"], example),
            [""; 0],
            "{name}"
        );
        shown.insert(slug);
    }
    let all: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
    assert_eq!(shown, all);
}

#[test]
fn every_kind_of_problem_is_one_of_some_operation() {
    let mut named: BTreeSet<_> = operations()
        .flat_map(|operation| operation.responses().collect::<Vec<_>>())
        .flat_map(|(_, response)| members(&response["content"]["application/problem+json"]["examples"]))
        .map(|(name, _)| name)
        .collect();
    // Answered by what is no operation.
    named.insert(Kind::MethodNotAllowed.slug());
    let all: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
    assert_eq!(named, all);
}

#[test]
fn every_operation_has_examples_that_fit_their_schemas() {
    for operation in operations() {
        let id = operation.id();
        if let Some(body) = operation.said.get("requestBody") {
            check(&format!("{id}, request"), &body["content"]["application/json"]);
        }
        for parameter in operation.said["parameters"].as_array().into_iter().flatten() {
            assert_eq!(
                faults(&parameter["schema"], &parameter["example"]),
                [""; 0],
                "{id}, {}",
                parameter["name"]
            );
        }
        for (status, response) in operation.responses() {
            assert!(response["description"].is_string(), "{id}, {status}");
            for (media, content) in members(&response["content"]) {
                check(&format!("{id}, {status}, {media}"), content);
            }
            for (name, header) in members(&response["headers"]) {
                let header = resolved(header);
                assert_eq!(
                    faults(&header["schema"], &header["example"]),
                    [""; 0],
                    "{id}, {status}, {name}"
                );
            }
        }
    }
}

fn check(place: &str, content: &'static Value) {
    let several = members(&content["examples"]).map(|(_, example)| &resolved(example)["value"]);
    let examples: Vec<_> = content.get("example").into_iter().chain(several).collect();
    assert!(!examples.is_empty(), "{place}: no example");
    for example in examples {
        assert_eq!(faults(&content["schema"], example), [""; 0], "{place}: {example}");
    }
}
