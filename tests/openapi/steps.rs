//! Every example of a request, in an order in which each succeeds.

use serde_json::{Value, json};
use stories::{Answer, Caller, Request, World};

use crate::{DOCUMENT, Operation, members, operations, resolved, schemas::faults};

/// Sends examples, and checks each answer by what the document says of it.
pub(crate) struct Steps<'a> {
    pub(crate) world: &'a World,
    /// What the paths name.
    pub(crate) id: String,
    done: Vec<(String, String)>,
}

impl<'a> Steps<'a> {
    pub(crate) const fn new(world: &'a World) -> Self {
        Self {
            world,
            id: String::new(),
            done: Vec::new(),
        }
    }

    /// Sends an operation's example; `nothing` for an operation without a body.
    pub(crate) async fn send(&mut self, caller: &Caller<'_>, operation: &str, example: &str, status: u16) -> Answer {
        self.send_with(caller, operation, example, status, |body| body).await
    }

    /// The same, with a body that is the example but for what only the moment can tell.
    pub(crate) async fn send_with(
        &mut self,
        caller: &Caller<'_>,
        operation: &str,
        example: &str,
        status: u16,
        change: impl FnOnce(Value) -> Value,
    ) -> Answer {
        self.done.push((operation.to_owned(), example.to_owned()));
        let operation = operations().find(|known| known.id() == operation).expect(operation);
        let mut request = self.addressed(caller, operation);
        if let Some(body) = operation.said.get("requestBody") {
            let body = &body["content"]["application/json"]["examples"][example]["value"];
            assert!(!body.is_null(), "{}: no example {example}", operation.id());
            request = request.json(&change(body.clone()));
        }
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{}, {example}: {}", operation.id(), answer.text);
        check(operation, &answer);
        answer
    }

    /// A request with the examples of all parameters, but a key and an identity of its own.
    fn addressed<'b>(&self, caller: &Caller<'b>, operation: Operation) -> Request<'b> {
        let mut path = operation.path.replace("{id}", &self.id);
        let mut headers = Vec::new();
        let mut separator = '?';
        for parameter in operation.said["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let example = match &parameter["example"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            match (parameter["in"].as_str().unwrap(), name) {
                ("query", _) => {
                    path = format!("{path}{separator}{name}={example}");
                    separator = '&';
                }
                ("header", "Idempotency-Key") => headers.push((name, uuid::Uuid::new_v4().to_string())),
                ("header", _) => headers.push((name, example)),
                _ => {}
            }
        }
        let method = operation.method.to_uppercase().parse().unwrap();
        headers
            .iter()
            .fold(caller.request(method, &path), |request, (name, value)| {
                request.header(name, value)
            })
    }

    /// Every example was sent.
    pub(crate) fn assert_complete(&self) {
        for operation in operations() {
            let body = &operation.said["requestBody"]["content"]["application/json"]["examples"];
            let examples: Vec<_> = match members(body).map(|(name, _)| name).collect::<Vec<_>>() {
                none if none.is_empty() => vec!["nothing"],
                some => some,
            };
            for example in examples {
                let step = (operation.id().to_owned(), example.to_owned());
                assert!(self.done.contains(&step), "{step:?} was not tried");
            }
        }
    }
}

/// An answer is one that its operation is said to have.
fn check(operation: Operation, answer: &Answer) {
    let id = operation.id();
    let status = answer.status.as_str().to_owned();
    let (_, response) = operation
        .responses()
        .find(|(known, _)| *known == status)
        .unwrap_or_else(|| panic!("{id}: {status} is not described"));
    for (name, header) in members(&response["headers"]) {
        let header = resolved(header);
        let value = answer.headers.get(name).map(|value| value.to_str().unwrap());
        let is_needed = header["required"] == json!(true);
        assert!(value.is_some() || !is_needed, "{id}, {status}: no {name}");
        if let Some(value) = value {
            let value = match header["schema"]["type"].as_str() {
                Some("integer") => json!(value.parse::<u64>().unwrap()),
                _ => json!(value),
            };
            assert_eq!(faults(&header["schema"], &value), [""; 0], "{id}, {status}, {name}");
        }
    }
    let Some(media) = answer.headers.get("content-type") else {
        assert!(
            response.get("content").is_none() && answer.text.is_empty(),
            "{id}, {status}"
        );
        return;
    };
    let content = &response["content"][media.to_str().unwrap()];
    assert!(!content.is_null(), "{id}, {status}: {media:?} is not described");
    // That the document describes itself is another test's.
    if answer.body != *DOCUMENT {
        assert_eq!(
            faults(&content["schema"], &answer.body),
            [""; 0],
            "{id}, {status}: {}",
            answer.body
        );
    }
}
