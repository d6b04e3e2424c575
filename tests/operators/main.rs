//! What operators are told: that something went wrong is counted where an alarm looks, and no more often than it happened.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on says so by a panic")]

use std::collections::BTreeMap;

use jiff::{SignedDuration, ToSpan as _};
use local::{
    database_faults::{Fault, Rule},
    messages::{self, ScriptedFault},
    stack::Options,
};
use mailbox_register::caller::Scope;
use metrics_cloudwatch_embedded::{Builder, Collector};
use serde_json::{Value, json};
use stories::{AGENCY, World, start_of_time};

const KARI: &str = "22885399316";

/// What was counted since the last time, by name and labels; of figures the largest.
fn counted(collector: &Collector) -> BTreeMap<String, f64> {
    let mut lines = Vec::new();
    collector.flush(&mut lines).unwrap();
    let mut counted = BTreeMap::new();
    for line in String::from_utf8(lines).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            assert_eq!(directive["Namespace"], "MailboxRegister");
            let [dimensions] = directive["Dimensions"].as_array().unwrap().as_slice() else {
                panic!("one set of dimensions: {line}")
            };
            let dimensions = dimensions.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let dimensions: Vec<_> = dimensions
                .map(|name| format!(" {name}={}", line[name].as_str().unwrap()))
                .collect();
            let dimensions = dimensions.concat();
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                let figures = match &line[name] {
                    Value::Array(figures) => figures.iter().collect(),
                    figure => vec![figure],
                };
                let figures: Vec<_> = figures.into_iter().map(|figure| figure.as_f64().unwrap()).collect();
                let largest = figures.into_iter().fold(0.0, f64::max);
                counted.insert(format!("{name}{dimensions}"), largest);
            }
        }
    }
    counted
}

#[tokio::test]
async fn operators_learn_of_what_nobody_else_would_tell_them() {
    // The one of this process.
    let collector = Builder::new().cloudwatch_namespace("MailboxRegister").init().unwrap();
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        database_faults: true,
        ..Options::default()
    })
    .await;
    let mobile = json!({ "mobile": "+46701740656" });
    world
        .citizen(KARI)
        .put("/v1/me/contact", &mobile)
        .send()
        .await
        .expect(200);
    world.stack.settle().await.unwrap();

    // A look-up that cannot be put on record is counted, once for each request; one that can is not.
    let faults = world.stack.database_faults();
    let look_up = json!({ "persons": [KARI], "purpose": "Decision on a building permit" });
    let agency = world.agency();
    agency.post("/v1/lookups", &look_up).send().await.expect(200);
    assert_eq!(counted(collector).get("DisclosuresNotRecorded"), None);
    faults.script(Rule::new(Fault::Denied).of("chains"));
    agency
        .post("/v1/lookups", &look_up)
        .send()
        .await
        .problem(503, "unavailable");
    faults.clear();
    agency.post("/v1/lookups", &look_up).send().await.expect(200);
    assert_eq!(counted(collector).get("DisclosuresNotRecorded"), Some(&1.0));

    // A message whose answer is lost is counted once, however often the tick looks at it.
    let unknown = "NoticesUnknown channel=sms";
    world.stack.messages().script(ScriptedFault {
        channel: messages::Channel::Sms,
        fault: messages::Fault::TimeoutBefore,
        count: 1,
    });
    let letter = json!({
        "person": KARI,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
        "reference": "2026/1", "legalNotice": true, "remind": false,
    });
    let sender = world.organisation(AGENCY, &[Scope::LettersWrite]);
    sender.post("/v1/letters", &letter).send().await.expect(202);
    world.stack.settle().await.unwrap();
    world.stack.tick().await.unwrap();
    assert_eq!(counted(collector).get(unknown), Some(&1.0));
    world.pass(3.hours()).await;
    assert_eq!(counted(collector).get(unknown), None);

    // What the stream loses is behind until a tick sees to it: it says for how long, of each feed.
    let lag = |counted: &BTreeMap<String, f64>| {
        ["changes", "letters"].map(|feed| counted.get(&format!("FeedLagSeconds feed={feed}")).copied())
    };
    world.stack.tick().await.unwrap();
    assert_eq!(lag(&counted(collector)), [Some(0.0), Some(0.0)]);
    let mobile = json!({ "mobile": "+46701740657" });
    world
        .citizen(KARI)
        .put("/v1/me/contact", &mobile)
        .send()
        .await
        .expect(200);
    let stream = world.stack.database().stream("ChangesTable").unwrap();
    while let Some(last) = stream.read(1000).unwrap().last() {
        stream.handled(&last.sequence_number).unwrap();
    }
    world.stack.clock().advance(SignedDuration::from_mins(10)).unwrap();
    world.stack.tick().await.unwrap();
    assert_eq!(lag(&counted(collector)), [Some(600.0), Some(0.0)]);
    world.stack.tick().await.unwrap();
    assert_eq!(lag(&counted(collector)), [Some(0.0), Some(0.0)]);
}
