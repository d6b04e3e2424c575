//! Streams and queues: one bad record stops nothing, nothing is tried for ever, and what is given up on is kept.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    deployed::{all, properties, referred, text},
    policies::{rights, role_of},
};

/// What the mapping reads: a stream or a queue.
fn is_a_stream(mapping: &'static serde_json::Value) -> bool {
    text(&mapping["EventSourceArn"]).ends_with(".StreamArn}")
}

#[test]
fn every_source_says_which_records_failed() {
    for (id, mapping) in all("AWS::Lambda::EventSourceMapping") {
        assert_eq!(
            mapping.properties["FunctionResponseTypes"],
            json!(["ReportBatchItemFailures"]),
            "{id}"
        );
        assert!(mapping.properties["Enabled"].is_null(), "{id}");
    }
}

#[test]
fn every_stream_is_read_once_halves_what_fails_gives_up_in_the_end_and_says_so() {
    let mut read = Vec::new();
    for (id, mapping) in all("AWS::Lambda::EventSourceMapping") {
        let mapping = &mapping.properties;
        if !is_a_stream(mapping) {
            continue;
        }
        read.push(referred(&mapping["EventSourceArn"]));
        assert_eq!(mapping["BisectBatchOnFunctionError"], true, "{id}");
        // -1 is "for ever", which is a day: the stream's own.
        let attempts = mapping["MaximumRetryAttempts"].as_i64();
        assert!(
            attempts.is_some_and(|attempts| (1..=10_000).contains(&attempts)),
            "{id}"
        );
        let age = mapping["MaximumRecordAgeInSeconds"].as_i64();
        assert!(age.is_some_and(|age| (60..86_400).contains(&age)), "{id}");
        // From the oldest on: what came before the mapping was made is not left out.
        assert_eq!(mapping["StartingPosition"], "TRIM_HORIZON", "{id}");
        let aside = referred(&mapping["DestinationConfig"]["OnFailure"]["Destination"]);
        assert_eq!(properties(aside)["MessageRetentionPeriod"], 1_209_600, "{id}: {aside}");
        let rights = rights(role_of(referred(&mapping["FunctionName"])));
        assert!(
            rights
                .iter()
                .any(|right| right.action == "sqs:SendMessage" && right.is_on(aside)),
            "{id}: {aside}"
        );
    }
    let streams = all("AWS::DynamoDB::Table").filter(|(_, table)| !table.properties["StreamSpecification"].is_null());
    read.sort_unstable();
    assert_eq!(read, streams.map(|(id, _)| id).collect::<Vec<_>>());
}

#[test]
fn every_queue_that_is_read_has_its_dead_letters_and_hides_what_is_worked_on() {
    let mut dead_letters = BTreeSet::new();
    let mut read = BTreeSet::new();
    for (id, mapping) in all("AWS::Lambda::EventSourceMapping") {
        let mapping = &mapping.properties;
        if is_a_stream(mapping) {
            dead_letters.insert(referred(&mapping["DestinationConfig"]["OnFailure"]["Destination"]));
            continue;
        }
        let source = referred(&mapping["EventSourceArn"]);
        let queue = properties(source);
        read.insert(source);
        // Each such limit holds for this queue alone, and leaves a message where it is.
        assert!(
            mapping["ScalingConfig"]["MaximumConcurrency"]
                .as_u64()
                .is_some_and(|most| most >= 2),
            "{id}"
        );
        let redrive = &queue["RedrivePolicy"];
        let aside = referred(&redrive["deadLetterTargetArn"]);
        dead_letters.insert(aside);
        // Fewer than five would set aside what meets a throttle: Lambda's own advice.
        assert!(
            redrive["maxReceiveCount"].as_u64().is_some_and(|most| most >= 5),
            "{id}"
        );
        // SQS counts from the first sending, also for what was set aside.
        let kept = |queue: &serde_json::Value| queue["MessageRetentionPeriod"].as_u64().expect("a number");
        assert!(kept(properties(aside)) > kept(queue), "{id}");
        let timeout = properties(referred(&mapping["FunctionName"]))["Timeout"]
            .as_u64()
            .expect("a number");
        let hidden = queue["VisibilityTimeout"].as_u64().expect("a number");
        if mapping["BatchSize"] == 1 {
            // Nothing is put back because of others: whoever has not ended by then never will.
            assert!(hidden > timeout, "{id}");
        } else {
            // "At least six times the function timeout": Lambda's own advice for SQS.
            assert!(hidden >= 6 * timeout, "{id}");
        }
    }
    let all: BTreeSet<_> = all("AWS::SQS::Queue").map(|(id, _)| id).collect();
    assert_eq!(read.union(&dead_letters).copied().collect::<BTreeSet<_>>(), all);
    assert!(read.is_disjoint(&dead_letters));
}
