//! Alarms: they watch what is really counted, and leave out nothing that can fail.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{FUNCTIONS, folders::sources, function, template};

/// Every alarm of the template: its logical id and properties.
fn alarms() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let resources = template().resources.iter();
    resources
        .filter(|(_, resource)| resource.kind == "AWS::CloudWatch::Alarm")
        .map(|(id, resource)| (id.as_str(), &resource.properties))
}

/// The metrics that an alarm looks at, each with its namespace and dimensions.
fn metrics(alarm: &'static Value) -> Vec<&'static Value> {
    match alarm["Metrics"].as_array() {
        None => vec![alarm],
        Some(metrics) => metrics
            .iter()
            .map(|metric| &metric["MetricStat"]["Metric"])
            .filter(|metric| !metric.is_null())
            .collect(),
    }
}

/// The value of a metric's dimension.
fn dimension(metric: &'static Value, name: &str) -> Option<&'static Value> {
    let dimensions = metric["Dimensions"].as_array()?;
    let found = dimensions.iter().find(|dimension| dimension["Name"] == name);
    found.map(|dimension| &dimension["Value"])
}

#[test]
fn a_metric_that_an_alarm_watches_is_counted_by_the_function_that_it_names() {
    let mut own = 0;
    for (id, alarm) in alarms() {
        for metric in metrics(alarm) {
            if metric["Namespace"] != "MailboxRegister" {
                continue;
            }
            own += 1;
            let name = metric["MetricName"].as_str().expect("a name");
            let function = dimension(metric, "function").and_then(Value::as_str);
            let function = function.unwrap_or_else(|| panic!("{id} does not say whose {name}"));
            let folder = format!("functions/{function}/src");
            // Or by the edge it stands on.
            let is_counted = sources(&[&folder, "infra/edge/src"]).any(|(_, text)| {
                let counted = ["counter", "gauge", "histogram"].map(|kind| format!("{kind}!(\"{name}\""));
                counted.iter().any(|counted| text.contains(counted))
            });
            assert!(is_counted, "{id}: {function} counts no {name}");
        }
    }
    assert!(own > 10);
}

#[test]
fn an_alarm_adds_up_all_that_it_looks_at_and_tells_somebody() {
    for (id, alarm) in alarms() {
        let told = json!({ "Fn::If": ["HasAlarmEmail", [{ "Ref": "AlarmTopic" }], []] });
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&told, &told), "{id}");
        assert!(alarm["AlarmDescription"].is_string(), "{id}");
        let Some(metrics) = alarm["Metrics"].as_array() else {
            continue;
        };
        let is_in = |expression: &str, metric: &str| {
            let mut words = expression.split(|c: char| !c.is_alphanumeric());
            words.any(|word| word == metric)
        };
        let expressions: Vec<_> = metrics
            .iter()
            .filter_map(|metric| metric["Expression"].as_str())
            .collect();
        for metric in metrics.iter().filter(|metric| !metric["MetricStat"].is_null()) {
            let metric = metric["Id"].as_str().expect("an id");
            assert!(
                expressions.iter().any(|expression| is_in(expression, metric)),
                "{id}: {metric}"
            );
        }
    }
}

#[test]
fn every_function_every_queue_and_every_tick_is_watched() {
    let watched = |namespace: &str, metric: &str, name: &str| -> BTreeSet<String> {
        let all = alarms().flat_map(|(_, alarm)| metrics(alarm));
        let these = all.filter(|found| found["Namespace"] == namespace && found["MetricName"] == metric);
        these
            .filter_map(|metric| dimension(metric, name))
            .map(Value::to_string)
            .collect()
    };
    let errors = watched("AWS/Lambda", "Errors", "FunctionName");
    let ticks = watched("AWS/Events", "Invocations", "RuleName");
    for name in FUNCTIONS {
        let (id, _) = function(name);
        assert!(errors.contains(&json!({ "Ref": id }).to_string()), "{name}");
        let events = template().resources[id].properties["Events"].as_object();
        for (event, _) in events
            .into_iter()
            .flatten()
            .filter(|(_, event)| event["Type"] == "Schedule")
        {
            // What SAM calls the rule.
            let rule = format!("{id}{event}");
            assert!(ticks.contains(&json!({ "Ref": rule }).to_string()), "{rule}");
        }
    }
    let waiting = watched("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName");
    let set_aside = watched("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName");
    for (id, queue) in &template().queues {
        let name = json!({ "Fn::GetAtt": [id, "QueueName"] }).to_string();
        let watched = if queue.redrive.is_some() { &waiting } else { &set_aside };
        assert!(watched.contains(&name), "{id}");
    }
}

#[test]
fn limits_are_watched_wherever_they_hold() {
    let watched = |metric: &str, reason: Option<&str>| -> BTreeSet<&str> {
        let all = alarms().flat_map(|(_, alarm)| metrics(alarm));
        let these = all.filter(|found| {
            found["MetricName"] == metric && dimension(found, "reason").and_then(Value::as_str) == reason
        });
        these
            .filter_map(|metric| dimension(metric, "function")?.as_str())
            .collect()
    };
    let limited: BTreeSet<_> = FUNCTIONS
        .into_iter()
        .filter(|name| function(name).1.environment.contains_key("USAGE_TABLE"))
        .collect();
    assert!(limited.len() > 2);
    assert_eq!(watched("UsageUncounted", None), limited);
    assert_eq!(watched("LookupsRefused", Some("misses")), limited);
}
