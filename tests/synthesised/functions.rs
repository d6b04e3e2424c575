//! Functions: each with its own log, limits that suit what calls it, and somewhere for what fails.

use std::collections::BTreeSet;

use serde_json::json;

use crate::deployed::{RESOURCES, all, list, properties, referred, text};

/// Every function's memory in MB, time limit in seconds, and log group.
const FUNCTIONS: [(&str, u64, u64, &str); 12] = [
    ("AuthorizerFunction", 256, 8, "AuthorizerLogs"),
    ("BatchFunction", 1769, 900, "BatchLogs"),
    ("BatchesFunction", 256, 10, "BatchesLogs"),
    ("DisclosuresFunction", 1024, 60, "DisclosuresLogs"),
    ("DispatchFunction", 256, 50, "DispatchLogs"),
    ("FreshnessFunction", 256, 50, "FreshnessLogs"),
    ("LettersFunction", 256, 10, "LettersLogs"),
    ("LookupFunction", 1024, 15, "LookupLogs"),
    ("NotifyFunction", 256, 30, "NotifyLogs"),
    ("PopulationFunction", 256, 30, "PopulationLogs"),
    ("ReceiptsFunction", 256, 30, "ReceiptsLogs"),
    ("RegisterFunction", 256, 10, "RegisterLogs"),
];

#[test]
fn each_function_has_its_memory_its_time_and_its_log() {
    let found = all("AWS::Lambda::Function").map(|(id, function)| {
        let properties = &function.properties;
        let memory = properties["MemorySize"].as_u64().expect("memory");
        let timeout = properties["Timeout"].as_u64().expect("a time limit");
        (id, memory, timeout, referred(&properties["LoggingConfig"]["LogGroup"]))
    });
    assert_eq!(found.collect::<Vec<_>>(), FUNCTIONS);
}

#[test]
fn all_functions_are_traced_log_json_and_run_the_same() {
    for (id, function) in all("AWS::Lambda::Function") {
        let properties = &function.properties;
        assert_eq!(properties["TracingConfig"], json!({ "Mode": "Active" }), "{id}");
        assert_eq!(properties["LoggingConfig"]["LogFormat"], "JSON", "{id}");
        // A metric is a log line: none is filtered away.
        assert_eq!(properties["LoggingConfig"]["ApplicationLogLevel"], "TRACE", "{id}");
        assert_eq!(
            (&properties["Runtime"], &properties["Handler"]),
            (&json!("provided.al2023"), &json!("bootstrap")),
            "{id}"
        );
        assert_eq!(properties["Architectures"], json!(["arm64"]), "{id}");
        // Nobody calls one by a URL of its own, past the API and its authorizer.
        assert!(RESOURCES.values().all(|resource| resource.kind != "AWS::Lambda::Url"));
    }
}

#[test]
fn a_function_that_answers_a_request_ends_before_the_request_does() {
    // The API gives an authorizer ten seconds and an answer thirty.
    let mut answer = BTreeSet::new();
    for (id, permission) in all("AWS::Lambda::Permission") {
        if permission.properties["Principal"] != "apigateway.amazonaws.com" {
            continue;
        }
        let function = referred(&permission.properties["FunctionName"]);
        answer.insert(function);
        let limit = if text(&permission.properties["SourceArn"]).contains("/authorizers/") {
            10
        } else {
            30
        };
        assert!(
            properties(function)["Timeout"].as_u64().expect("a time limit") < limit,
            "{id}"
        );
    }
    assert_eq!(answer.len(), 5);
}

#[test]
fn what_is_called_without_an_answer_says_what_becomes_of_a_call_that_fails() {
    // A rule, a topic and a log group do not wait. A queue and a stream are read: `sources`.
    let mut called = BTreeSet::new();
    for (_, permission) in all("AWS::Lambda::Permission") {
        if permission.properties["Principal"] != "apigateway.amazonaws.com" {
            called.insert(referred(&permission.properties["FunctionName"]));
        }
    }
    let configured: BTreeSet<_> = all("AWS::Lambda::EventInvokeConfig")
        .map(|(_, config)| referred(&config.properties["FunctionName"]))
        .collect();
    assert_eq!(called, configured);
    for (id, config) in all("AWS::Lambda::EventInvokeConfig") {
        let retries = config.properties["MaximumRetryAttempts"].as_u64().expect("a number");
        let age = config.properties["MaximumEventAgeInSeconds"]
            .as_u64()
            .expect("a number");
        let set_aside = &config.properties["DestinationConfig"]["OnFailure"]["Destination"];
        let is_a_tick = all("AWS::Events::Rule").any(|(_, rule)| {
            list(&rule.properties["Targets"])
                .iter()
                .any(|target| referred(&target["Arn"]) == referred(&config.properties["FunctionName"]))
        });
        if is_a_tick {
            // The next one does what this one left: a second try would only run beside it.
            assert_eq!((retries, age), (0, 60), "{id}");
        } else {
            assert_eq!(retries, 2, "{id}");
            assert_eq!(set_aside, "${ReportsBucket.Arn}", "{id}");
        }
    }
}

#[test]
fn a_tick_ends_before_the_next_and_is_not_caught_up_on() {
    let mut ticks = BTreeSet::new();
    for (id, rule) in all("AWS::Events::Rule") {
        assert_eq!(rule.properties["ScheduleExpression"], "rate(1 minute)", "{id}");
        for target in list(&rule.properties["Targets"]) {
            let function = referred(&target["Arn"]);
            ticks.insert(function);
            let retry = json!({ "MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0 });
            assert_eq!(target["RetryPolicy"], retry, "{id}");
            // `batch` works on files for longer than that; its tick only asks for that, and ends itself.
            let within = if function == "BatchFunction" { 900 } else { 59 };
            assert!(
                properties(function)["Timeout"].as_u64().expect("a time limit") <= within,
                "{id}"
            );
        }
    }
    assert_eq!(
        ticks,
        BTreeSet::from(["BatchFunction", "DispatchFunction", "FreshnessFunction"])
    );
}

#[test]
fn no_part_of_the_account_is_set_apart_for_one_function() {
    // What a function does at once is limited where its work comes from: the API's throttle, the queues' `MaximumConcurrency`,
    // the streams' shards. A reservation would take from all others what this one does not use, and a queue's message that
    // meets it would lose one of its tries.
    for (id, function) in all("AWS::Lambda::Function") {
        assert!(function.properties["ReservedConcurrentExecutions"].is_null(), "{id}");
    }
    let stage = properties("ApiApiGatewayDefaultStage");
    assert_eq!(stage["DefaultRouteSettings"]["ThrottlingRateLimit"], 500);
    assert_eq!(stage["DefaultRouteSettings"]["ThrottlingBurstLimit"], 1000);
}
