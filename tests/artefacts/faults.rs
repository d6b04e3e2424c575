//! What goes wrong is an answer. The process lives, and has the next event.

use std::process::Command;

use local::{
    database_faults::{Fault, Rule},
    stack::Options,
};
use mailbox_register::caller::Scope;
use reqwest::StatusCode;
use serde_json::{Value, json};
use stories::AGENCY;

use crate::{
    artefact,
    emulator::Emulator,
    event::event,
    house::{House, KARI, UNREADABLE_RECORD, body, request},
};

/// An agency that may look persons up, as the authorizer tells of it.
fn agency() -> Value {
    json!({"caller": "organisation", "organisation": AGENCY, "scopes": Scope::ContactRead.as_str()})
}

fn look_up() -> Value {
    request(
        "POST",
        "/v1/lookups",
        &agency(),
        &json!({"persons": [KARI], "purpose": "Decision on a building permit"}),
    )
}

/// An event that a function has an answer to.
fn good_event(function: &str) -> Value {
    match function {
        "authorizer" => event("authorizer", &[("authorization", json!(""))]),
        "register" | "lookup" | "letters" | "batches" => request("GET", "/v1/nowhere", &agency(), &Value::Null),
        "freshness" | "dispatch" => event("schedule", &[]),
        "receipts" | "disclosures" | "notify" | "population" | "batch" => json!({"Records": []}),
        other => panic!("{other} is unknown"),
    }
}

#[tokio::test]
async fn a_malformed_event_is_an_error_and_the_next_one_is_answered_by_the_same_process() {
    let house = House::new().await;
    for (name, _) in artefact::functions() {
        let function = house.start(name).await;
        let good = function.invoke(&good_event(name)).await;
        assert!(good.get("errorType").is_none(), "{name}: {good}");
        let process = function.process().unwrap();
        for malformed in [
            "no JSON",
            "7",
            "[]",
            r#"{"Records": "20914695016"}"#,
            r#"{"Records": [{"body": {}}]}"#,
            "",
        ] {
            let answer = function.invoke_bytes(malformed).await;
            assert!(
                answer["errorType"].is_string() && answer["errorMessage"].is_string(),
                "{name}, {malformed}: {answer}"
            );
        }
        assert_eq!(
            function.invoke(&good_event(name)).await["statusCode"],
            good["statusCode"],
            "{name}"
        );
        assert_eq!(function.process(), Some(process), "{name}: {}", function.log());
    }
}

/// Lets a process have this much memory more than it has, or as much as it likes again.
fn limit_memory(process: u32, more: Option<u64>) {
    let limit = more.map_or("unlimited".to_owned(), |more| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kilobytes: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
        (kilobytes * 1024 + more).to_string()
    });
    let set = Command::new("prlimit")
        .arg(format!("--pid={process}"))
        .arg(format!("--as={limit}:unlimited"))
        .status();
    assert!(set.unwrap().success());
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_process_lives() {
    let house = House::new().await;
    let asked = json!({"persons": [KARI], "purpose": "Decision on a building permit"});
    house
        .world
        .agency()
        .post("/v1/lookups", &asked)
        .send()
        .await
        .expect(200);
    let [record] = house.records("DisclosuresTable").try_into().unwrap();
    let copied = event("stream", &[("record", record), ("table", json!("disclosures"))]);

    // To look a name up takes a thread, of which tokio panics if the system has no memory for it. Nothing in the artefact
    // panics by itself.
    let mut environment = house.environment("disclosures");
    let database = environment.get_mut("AWS_ENDPOINT_URL_DYNAMODB").unwrap();
    *database = database.replace("127.0.0.1", "localhost");
    let disclosures = Emulator::start("disclosures", &environment).await;
    assert_eq!(
        disclosures.invoke(&json!({"Records": []})).await,
        json!({"batchItemFailures": []})
    );
    let process = disclosures.process().unwrap();

    limit_memory(process, Some(1024 * 1024));
    let answer = disclosures.invoke(&copied).await;
    let message = answer["errorMessage"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(
        message.starts_with("Lambda panicked: OS can't spawn worker thread"),
        "{answer}"
    );

    limit_memory(process, None);
    let answer = disclosures.invoke(&copied).await;
    assert_eq!(
        answer,
        json!({"batchItemFailures": [{"itemIdentifier": UNREADABLE_RECORD}]})
    );
    assert_eq!(disclosures.process(), Some(process), "{}", disclosures.log());
}

#[tokio::test]
async fn a_function_that_cannot_reach_its_table_says_so_and_goes_on_when_it_can() {
    let house = House::with(Options {
        database_faults: true,
        ..Options::default()
    })
    .await;
    let faults = house.world.stack.database_faults();
    let lookup = house.start("lookup").await;
    let notify = house.start("notify").await;
    let dispatch = house.start("dispatch").await;
    let notice = json!({"notice": uuid::Uuid::new_v4()}).to_string();
    let queued = event("sqs", &[("queue", json!("register-SmsQueue")), ("body", json!(notice))]);
    let of_message = |id: &str| json!({ "itemIdentifier": id });
    let both = [
        of_message("059f36b4-87a3-44ab-83d2-661975830a7d"),
        of_message("2e1424d4-f796-459a-8184-9c92662be6da"),
    ];

    faults.script(Rule::new(Fault::RequestLost));
    let answer = lookup.invoke(&look_up()).await;
    assert_eq!(
        (&answer["statusCode"], &body(&answer)["type"]),
        (&json!(503), &json!("urn:problem-type:unavailable"))
    );
    assert_eq!(notify.invoke(&queued).await, json!({ "batchItemFailures": both }));
    let answer = dispatch.invoke(&event("schedule", &[])).await;
    let message = answer["errorMessage"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(message.contains("could not be worked on"), "{answer}");
    let processes = [&lookup, &notify, &dispatch].map(Emulator::process);

    faults.clear();
    assert_eq!(lookup.invoke(&look_up()).await["statusCode"], 200);
    assert_eq!(notify.invoke(&queued).await, json!({ "batchItemFailures": both[1..] }));
    assert_eq!(
        dispatch.invoke(&event("schedule", &[])).await,
        json!({"batchItemFailures": []})
    );
    assert_eq!([&lookup, &notify, &dispatch].map(Emulator::process), processes);
    assert!(processes.iter().all(Option::is_some));
}

#[tokio::test]
async fn a_function_without_its_secret_does_not_start_until_it_has_it() {
    let house = House::new().await;
    house.world.stack.kms().set_down(true);
    let lookup = house.start("lookup").await;
    let (status, answer) = lookup.try_invoke(look_up().to_string()).await;
    assert_eq!((status, answer.as_str()), (StatusCode::BAD_GATEWAY, ""));
    house.world.stack.kms().set_down(false);
    assert_eq!(lookup.invoke(&look_up()).await["statusCode"], 200);
}

#[tokio::test]
async fn a_function_that_lacks_a_setting_names_it_and_does_not_start() {
    let house = House::new().await;
    let mut environment = house.environment("dispatch");
    environment.remove("NOTICES_TABLE");
    let dispatch = Emulator::start("dispatch", &environment).await;
    let (status, answer) = dispatch.try_invoke(event("schedule", &[]).to_string()).await;
    assert_eq!((status, answer.as_str()), (StatusCode::BAD_GATEWAY, ""));
    assert!(dispatch.log().contains("NOTICES_TABLE"), "{}", dispatch.log());
}
