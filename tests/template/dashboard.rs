//! The dashboard: it shows what alarms watch, and nothing that there is not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{alarms, metrics::Metric, template};

/// What the dashboard consists of. References stand in it as `${SmsQueue.QueueName}`.
pub(crate) fn widgets() -> Vec<Value> {
    let body = &template().resources["Dashboard"].properties["DashboardBody"]["Fn::Sub"];
    let body: Value = serde_json::from_str(body.as_str().expect("a text")).expect("JSON");
    body["widgets"].as_array().expect("widgets").clone()
}

/// The metrics of a widget.
fn metrics(widget: &Value) -> Vec<Metric> {
    let rows = widget["properties"]["metrics"].as_array().into_iter().flatten();
    let metric = |row: &Value| {
        let row = row.as_array().expect("a row");
        if let Some(expression) = row[0]["expression"].as_str() {
            return Metric::of_query(expression);
        }
        let words: Vec<_> = row.iter().map_while(Value::as_str).collect();
        let (pairs, odd) = words[2..].as_chunks::<2>();
        assert!(odd.is_empty(), "{row:?}");
        let dimensions = pairs
            .iter()
            .map(|[name, value]| ((*name).to_owned(), Some((*value).to_owned())));
        Some(Metric {
            namespace: words[0].to_owned(),
            name: words[1].to_owned(),
            dimensions: dimensions.collect(),
        })
    };
    rows.filter_map(metric).collect()
}

#[test]
fn every_metric_of_the_dashboard_is_one_that_somebody_counts() {
    for widget in widgets() {
        let title = widget["properties"]["title"].as_str().expect("a title");
        let metrics = metrics(&widget);
        assert_eq!(metrics.is_empty(), widget["type"] != "metric", "{title}");
        for metric in metrics {
            metric.assert_exists(title);
        }
    }
}

#[test]
fn every_alarm_is_on_the_dashboard_and_so_is_what_it_watches() {
    let widgets = widgets();
    let states = widgets
        .iter()
        .find(|widget| widget["type"] == "alarm")
        .expect("the states of alarms");
    let shown: BTreeSet<_> = states["properties"]["alarms"]
        .as_array()
        .expect("alarms")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let all: BTreeSet<_> = alarms::alarms().map(|(id, _)| format!("${{{id}.Arn}}")).collect();
    assert_eq!(shown, all.iter().map(String::as_str).collect());
    let drawn: BTreeSet<_> = widgets
        .iter()
        .flat_map(metrics)
        .map(|metric| (metric.namespace, metric.name))
        .collect();
    for (id, alarm) in alarms::alarms() {
        for metric in alarms::metrics(alarm) {
            let name = (metric.namespace, metric.name);
            assert!(drawn.contains(&name), "{id}: {name:?}");
        }
    }
}

#[test]
fn whatever_the_dashboard_refers_to_there_is() {
    let body = template().resources["Dashboard"].properties["DashboardBody"]["Fn::Sub"]
        .as_str()
        .expect("a text");
    for reference in body.split("${").skip(1) {
        let name = reference.split(['}', '.']).next().expect("a name");
        // What SAM calls the rule of a function's tick.
        let is_a_tick = name
            .strip_suffix("Tick")
            .is_some_and(|function| template().functions.contains_key(function));
        assert!(
            name.starts_with("AWS::") || is_a_tick || template().resources.contains_key(name),
            "{name}"
        );
    }
}

#[test]
fn no_part_of_the_dashboard_covers_another() {
    let mut taken = BTreeMap::new();
    let mut titles = BTreeSet::new();
    for widget in widgets() {
        let title = widget["properties"]["title"].as_str().expect("a title").to_owned();
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| widget[name].as_u64().expect("a number"));
        assert!(x + width <= 24, "{title}");
        for place in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            let other = taken.insert(place, title.clone());
            assert_eq!(other, None, "{title}");
        }
        assert!(titles.insert(title.clone()), "twice: {title}");
    }
}
