//! Requests that are wrong before anybody asks what they mean.

use reqwest::Method;
use serde_json::{Value, json};
use stories::{EBOKS, OLA, Request, World};

use crate::{batches, letters, refusal::refused};

/// Every route that must have a body, with one that would do.
pub(crate) fn routes_with_body(world: &World) -> Vec<(&'static str, Request<'_>, Value)> {
    let (citizen, provider, agency) = (world.citizen(OLA), world.provider(EBOKS), world.agency());
    let mailbox = json!({ "person": OLA, "address": "ola.nordmann#9YDT" });
    let post = |path| provider.post(path, &Value::Null);
    vec![
        (
            "/v1/me/contact",
            citizen.put("/v1/me/contact", &Value::Null),
            json!({ "email": "ola@example.no" }),
        ),
        (
            "/v1/me/contact/validate",
            citizen.post("/v1/me/contact/validate", &Value::Null),
            json!({ "channel": "sms" }),
        ),
        (
            "/v1/me/mailbox",
            citizen.put("/v1/me/mailbox", &Value::Null),
            json!({ "provider": "e-boks" }),
        ),
        ("/v1/mailboxes", post("/v1/mailboxes"), mailbox),
        (
            "/v1/mailboxes/eligibility",
            post("/v1/mailboxes/eligibility"),
            json!({ "person": OLA }),
        ),
        (
            "/v1/mailboxes/close",
            post("/v1/mailboxes/close"),
            json!({ "person": OLA }),
        ),
        (
            "/v1/lookups",
            agency.post("/v1/lookups", &Value::Null),
            json!({ "persons": [OLA], "purpose": "A permit" }),
        ),
        (
            "/v1/letters",
            letters::agency(world).post("/v1/letters", &Value::Null),
            letters::letter(),
        ),
        (
            "/v1/batches",
            batches::agency(world).post("/v1/batches", &Value::Null),
            json!({ "name": "tax.csv" }),
        ),
    ]
}

/// Routes to which there is nothing to say: without a body, or with an empty object.
async fn routes_without_words(world: &World) -> [(&'static str, Request<'_>); 6] {
    let kari = world.citizen("22885399316");
    let agency = letters::agency(world);
    let announced = agency.post("/v1/letters", &letters::letter()).send().await.expect(202);
    let of_letter = |what: &str| format!("/v1/letters/{}/{what}", announced.body["id"].as_str().unwrap());
    let files = batches::agency(world);
    let approve = format!("/v1/batches/{}/approve", batches::held(world).await);
    let cancel = format!("/v1/batches/{}/cancel", batches::held(world).await);
    [
        ("confirm", kari.post("/v1/me/contact/confirm", &json!({}))),
        ("reserve", kari.put("/v1/me/reservation", &json!({}))),
        ("opened", agency.post(&of_letter("opened"), &json!({}))),
        ("cancel", agency.post(&of_letter("cancel"), &json!({}))),
        ("approve a file", files.post(&approve, &json!({}))),
        ("cancel a file", files.post(&cancel, &json!({}))),
    ]
}

/// Where in a body the texts are, as JSON pointers.
fn texts(body: &Value) -> Vec<String> {
    let below = |(name, value): (String, &Value)| texts(value).into_iter().map(move |rest| format!("/{name}{rest}"));
    match body {
        Value::String(_) => vec![String::new()],
        Value::Array(elements) => (0..)
            .map(|at: u32| at.to_string())
            .zip(elements)
            .flat_map(below)
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .flat_map(below)
            .collect(),
        _ => vec![],
    }
}

#[tokio::test]
async fn a_body_that_is_not_well_formed_json() {
    let world = World::new().await;
    for (route, request, body) in routes_with_body(&world) {
        let (field, value) = body.as_object().unwrap().iter().next().unwrap();
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let well_formed = body.to_string();
        let utf_16: Vec<u8> = well_formed.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let bodies: Vec<Vec<u8>> = vec![
            vec![],
            b" \n".into(),
            b"{".into(),
            well_formed[..well_formed.len() - 1].into(),
            well_formed[..well_formed.len() - 2].into(),
            format!("{well_formed}{well_formed}").into(),
            format!("{well_formed},").into(),
            format!("\u{feff}{well_formed}").into(),
            format!("[{well_formed}]").into(),
            format!("{{\"{field}\":{value},\"{field}\":{value}}}").into(),
            format!("{{\"{field}\":{value},}}").into(),
            format!("{{\"{field}\":{deep}}}").into(),
            format!("{{\"{field}\":{}", "[".repeat(10_000)).into(),
            format!("{{\"{field}\":\"\\ud800\"}}").into(),
            format!("{{\"{field}\":\"\n\"}}").into(),
            format!("{{\"{field}\":1e999}}").into(),
            format!("{{\"{field}\":NaN}}").into(),
            format!("{{'{field}':{value}}}").into(),
            format!("{{{field}:{value}}}").into(),
            format!("// {well_formed}").into(),
            [format!("{{\"{field}\":\"").as_bytes(), b"\xff\"}"].concat(),
            [format!("{{\"{field}\":\"").as_bytes(), b"\xc0\x80\"}"].concat(),
            [format!("{{\"{field}\":\"").as_bytes(), b"\xed\xa0\x80\"}"].concat(),
            utf_16,
            b"null".into(),
            b"7".into(),
            b"\"text\"".into(),
            b"[]".into(),
            field.as_bytes().into(),
        ];
        for (at, bytes) in bodies.into_iter().enumerate() {
            let answer = request.clone().bytes(bytes).send().await;
            refused(format!("{route}, body {at}"), answer, 400, "malformed-json");
        }
    }
    for (route, request) in routes_without_words(&world).await {
        for body in ["{", "{}{}", "[]", "null", "{\"", "\u{feff}{}"] {
            let answer = request.clone().bytes(body).send().await;
            refused(format!("{route}, {body}"), answer, 400, "malformed-json");
        }
        for body in ["", "{}", " { } "] {
            request.clone().bytes(body).send().await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_field_that_the_request_does_not_have() {
    let world = World::new().await;
    let unknown = [
        "validated",
        "version",
        "deliverable",
        "validatedAt",
        "reserved",
        "organisation",
        "__proto__",
        "",
        OLA,
        "per\0son",
    ];
    let mut routes = routes_with_body(&world);
    routes.extend(
        routes_without_words(&world)
            .await
            .map(|(route, request)| (route, request, json!({}))),
    );
    for (route, request, body) in routes {
        let mut fields = unknown.map(str::to_owned).to_vec();
        // Names have one spelling.
        fields.extend(body.as_object().unwrap().keys().map(|field| field.to_uppercase()));
        for field in fields {
            for value in [json!(true), json!(OLA), json!(null)] {
                let mut body = body.clone();
                body[&field] = value;
                let answer = request.clone().json(&body).send().await;
                refused(format!("{route}, {field}"), answer, 400, "unknown-field");
            }
        }
    }
}

#[tokio::test]
async fn a_nul_in_any_text() {
    let world = World::new().await;
    let more = [
        (
            "/v1/me/contact",
            json!({ "mobile": "+46701740699", "language": "nb", "preferredChannel": "sms" }),
        ),
        ("/v1/me/contact/validate", json!({ "code": "123456" })),
        ("/v1/mailboxes", json!({ "certificate": "a certificate" })),
        ("/v1/lookups", json!({ "reference": "a reference" })),
        (
            "/v1/letters",
            json!({ "availableFrom": "2026-03-02T09:00:00Z", "language": "nb" }),
        ),
        (
            "/v1/batches",
            json!({
                "kind": "lookup",
                "purpose": "A permit",
                "reference": "2026/17",
                "compareWith": "5ddff86f-3da9-49d0-a2b1-42f7ee6b4b8c",
            }),
        ),
    ];
    for (route, request, mut body) in routes_with_body(&world) {
        for (_, optional) in more.iter().filter(|(other, _)| *other == route) {
            let optional = optional.as_object().unwrap().clone();
            body.as_object_mut().unwrap().extend(optional);
        }
        for pointer in texts(&body) {
            let mut body = body.clone();
            let text = body.pointer_mut(&pointer).unwrap();
            *text = format!("{}\0", text.as_str().unwrap()).into();
            let answer = request.clone().json(&body).send().await;
            let answer = refused(format!("{route}, {pointer}"), answer, 422, "illegal-character");
            let error = json!({ "pointer": pointer, "code": "illegal-character" });
            assert!(
                answer.body["errors"].as_array().unwrap().contains(&error),
                "{route}, {pointer}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json() {
    let world = World::new().await;
    let mut routes = routes_with_body(&world);
    routes.extend(
        routes_without_words(&world)
            .await
            .map(|(route, request)| (route, request, json!({}))),
    );
    for (route, request, body) in routes {
        let request = request.json(&body);
        refused(
            route,
            request.clone().without("content-type").send().await,
            415,
            "unsupported-media-type",
        );
        for wrong in [
            "",
            "text/plain",
            "text/json",
            "application/jsonp",
            "application/json-patch+json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "application/xml",
            "json",
        ] {
            let answer = request.clone().header("content-type", wrong).send().await;
            refused(format!("{route}, {wrong}"), answer, 415, "unsupported-media-type");
        }
        let two = request.and_header("content-type", "application/json").send().await;
        refused(format!("{route}, two"), two, 415, "unsupported-media-type");
    }
    let provider = world.provider(EBOKS);
    let eligibility = provider.post("/v1/mailboxes/eligibility", &json!({ "person": OLA }));
    for right in ["application/json; charset=utf-8", "Application/JSON"] {
        let answer = eligibility.clone().header("content-type", right).send().await;
        answer.expect(200);
    }
}

#[tokio::test]
async fn an_answer_in_another_form_than_json() {
    let world = World::new().await;
    let routes = routes_with_body(&world)
        .into_iter()
        .map(|(route, request, body)| (route, request.json(&body)));
    let mut routes: Vec<_> = routes.collect();
    routes.push(("/v1/me", world.citizen(OLA).get("/v1/me")));
    routes.push(("/v1/providers", world.nobody().get("/v1/providers")));
    routes.push(("/v1/openapi.json", world.nobody().get("/v1/openapi.json")));
    routes.push(("/v1/letters, the feed", letters::agency(&world).get("/v1/letters")));
    routes.push(("/v1/batches, all", batches::agency(&world).get("/v1/batches")));
    routes.extend(routes_without_words(&world).await);
    routes.push(("/nowhere", world.nobody().get("/nowhere")));
    for (route, request) in routes {
        for accept in [
            "text/html",
            "application/jose",
            "application/json;q=0",
            "text/*, image/png",
            "json",
        ] {
            let answer = request.clone().header("accept", accept).send().await;
            refused(format!("{route}, {accept}"), answer, 406, "not-acceptable");
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit() {
    let world = World::new().await;
    for (route, request, mut body) in routes_with_body(&world) {
        let unpadded = body.to_string();
        // White space counts: up to the limit the body is read, whatever it then says.
        let padded = |length: usize| format!("{}{unpadded}", " ".repeat(length - unpadded.len()));
        let at_the_limit = request.clone().bytes(padded(64 * 1024)).send().await;
        assert_ne!(at_the_limit.status, 413, "{route}");
        for length in [64 * 1024 + 1, 3 * 1024 * 1024] {
            let answer = request.clone().bytes(padded(length)).send().await;
            refused(format!("{route}, {length}"), answer, 413, "payload-too-large");
        }
        let (_, value) = body.as_object_mut().unwrap().iter_mut().next().unwrap();
        *value = "x".repeat(64 * 1024).into();
        refused(route, request.json(&body).send().await, 413, "payload-too-large");
    }
    for (route, request) in routes_without_words(&world).await {
        for length in [64 * 1024 + 1, 3 * 1024 * 1024] {
            let answer = request.clone().bytes(vec![b' '; length]).send().await;
            refused(format!("{route}, {length}"), answer, 413, "payload-too-large");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_nowhere() {
    let world = World::new().await;
    for caller in [world.nobody(), world.citizen(OLA), world.agency()] {
        for path in [
            "/",
            "/v1",
            "/v1/me/",
            "/v1//me",
            "//v1/me",
            "/V1/me",
            "/v1/Me",
            "/v1/m%65",
            "/v1/me%2Fcontact",
            "/v1/me;x=1",
            "/v1/me%00",
            "/v1/me/contact/validate/20914695016",
            "/v1/lookups/20914695016",
            "/v1/mailboxes/20914695016",
            "/v1/letters/",
            "/v1/letters/20914695016/notices",
            "/v1/letters/20914695016/opened/",
            "/v1/letters/20914695016/opened/again",
            "/v1/batches/",
            "/v1/batches/20914695016/rows",
            "/v1/batches/20914695016/approve/",
            "/v1/batches/20914695016/approve/again",
            "/v2/me",
            "/v1/local/persons",
            "/$default",
        ] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let row = format!("{method} {path}");
                refused(row, caller.request(method, path).send().await, 404, "not-found");
            }
        }
    }
}
