//! Alarms: they watch what is really counted, and leave out nothing that can fail.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{FUNCTIONS, function, metrics::Metric, template};

/// Every alarm of the template: its logical id and properties.
pub(crate) fn alarms() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let resources = template().resources.iter();
    resources
        .filter(|(_, resource)| resource.kind == "AWS::CloudWatch::Alarm")
        .map(|(id, resource)| (id.as_str(), &resource.properties))
}

/// The metrics that an alarm looks at.
pub(crate) fn metrics(alarm: &'static Value) -> Vec<Metric> {
    let Some(metrics) = alarm["Metrics"].as_array() else {
        return vec![Metric::of_alarm(alarm)];
    };
    let metric = |metric: &Value| match &metric["MetricStat"]["Metric"] {
        Value::Null => metric["Expression"].as_str().and_then(Metric::of_query),
        metric => Some(Metric::of_alarm(metric)),
    };
    metrics.iter().filter_map(metric).collect()
}

/// The value of a metric's dimension.
fn dimension<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    metric.dimensions.get(name)?.as_deref()
}

#[test]
fn a_metric_that_an_alarm_watches_is_counted_by_the_function_that_it_names() {
    let mut own = 0;
    for (id, alarm) in alarms() {
        for metric in metrics(alarm) {
            own += usize::from(metric.namespace == "MailboxRegister");
            metric.assert_exists(id);
        }
    }
    assert!(own > 10);
}

#[test]
fn an_alarm_reckons_with_ten_metrics_at_the_most() {
    // More CloudWatch does not take, and says so only when the stack is deployed.
    for (id, alarm) in alarms() {
        let metrics = alarm["Metrics"].as_array().into_iter().flatten();
        let (read, reckoned): (Vec<_>, Vec<_>) = metrics.partition(|metric| metric["Expression"].is_null());
        assert!(read.len() <= 10 && reckoned.len() <= 10, "{id}");
    }
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
        let these = all.filter(|found| (found.namespace.as_str(), found.name.as_str()) == (namespace, metric));
        these
            .filter_map(|metric| dimension(&metric, name).map(str::to_owned))
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
    let watched = |metric: &str, reason: Option<&str>| -> BTreeSet<String> {
        let all = alarms().flat_map(|(_, alarm)| metrics(alarm));
        let these = all.filter(|found| found.name == metric && dimension(found, "reason") == reason);
        these
            .filter_map(|metric| dimension(&metric, "function").map(str::to_owned))
            .collect()
    };
    let limited: BTreeSet<_> = FUNCTIONS
        .into_iter()
        .filter(|name| function(name).1.environment.contains_key("USAGE_TABLE"))
        .map(str::to_owned)
        .collect();
    assert!(limited.len() > 2);
    assert_eq!(watched("UsageUncounted", None), limited);
    assert_eq!(watched("LookupsRefused", Some("misses")), limited);
}

#[test]
fn what_is_not_put_on_record_is_watched_wherever_records_are_written() {
    let watched: BTreeSet<_> = alarms()
        .flat_map(|(_, alarm)| metrics(alarm))
        .filter(|metric| metric.name == "DisclosuresNotRecorded")
        .filter_map(|metric| dimension(&metric, "function").map(str::to_owned))
        .collect();
    let write: BTreeSet<_> = FUNCTIONS
        .into_iter()
        .filter(|name| function(name).1.environment.contains_key("CHAINS_TABLE"))
        .map(str::to_owned)
        .collect();
    assert!(write.len() > 3);
    assert_eq!(watched, write);
}
