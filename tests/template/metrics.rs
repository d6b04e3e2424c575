//! Metrics that the template names: ours are counted by the code under these very dimensions, and AWS's exist.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{FUNCTIONS, folders::sources};

/// A metric, as an alarm or the dashboard names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Metric {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Its dimensions. One that is asked for with any value has none.
    pub(crate) dimensions: BTreeMap<String, Option<String>>,
}

/// AWS's metrics that are watched, each with the dimensions under which there is one.
const OF_AWS: [(&str, &str, &[&str]); 13] = [
    ("AWS/ApiGateway", "4xx", &["ApiId"]),
    ("AWS/ApiGateway", "5xx", &["ApiId"]),
    ("AWS/ApiGateway", "Count", &["ApiId"]),
    ("AWS/ApiGateway", "Latency", &["ApiId"]),
    ("AWS/DynamoDB", "ThrottledRequests", &["Operation", "TableName"]),
    ("AWS/Events", "Invocations", &["RuleName"]),
    ("AWS/Lambda", "ConcurrentExecutions", &[]),
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "IteratorAge", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &[]),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", &["QueueName"]),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", &["QueueName"]),
    ("AWS/SNS", "SMSMonthToDateSpentUSD", &[]),
];

impl Metric {
    /// Of `Namespace`, `MetricName` and `Dimensions`, as alarms have them.
    pub(crate) fn of_alarm(metric: &Value) -> Self {
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        Self {
            namespace: text(&metric["Namespace"]),
            name: text(&metric["MetricName"]),
            dimensions: dimensions
                .map(|dimension| (text(&dimension["Name"]), Some(text(&dimension["Value"]))))
                .collect(),
        }
    }

    /// Of `SELECT SUM(name) FROM SCHEMA("namespace", dimension, …)`, if it is one.
    pub(crate) fn of_query(expression: &str) -> Option<Self> {
        let (_, rest) = expression.strip_prefix("SELECT ")?.split_once('(')?;
        let (name, rest) = rest.split_once(") FROM SCHEMA(\"")?;
        let (namespace, rest) = rest.split_once('"')?;
        let (dimensions, _) = rest.split_once(')')?;
        let dimensions = dimensions.split(',').map(str::trim).filter(|name| !name.is_empty());
        Some(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions.map(|name| (name.to_owned(), None)).collect(),
        })
    }

    /// The names of its dimensions.
    fn names(&self) -> BTreeSet<&str> {
        self.dimensions.keys().map(String::as_str).collect()
    }

    /// Fails where nobody would ever write this metric: CloudWatch then shows nothing, and no alarm.
    #[track_caller]
    pub(crate) fn assert_exists(&self, whose: &str) {
        if self.namespace != "MailboxRegister" {
            let found = OF_AWS.iter().any(|(namespace, name, names)| {
                (*namespace, *name) == (&self.namespace, &self.name) && self.names() == names.iter().copied().collect()
            });
            assert!(found, "{whose}: {self:?}");
            return;
        }
        let functions = match self.dimensions.get("function") {
            None => panic!("{whose} does not say whose {} it is", self.name),
            Some(None) => FUNCTIONS.to_vec(),
            Some(Some(function)) => vec![function.as_str()],
        };
        let is_counted = functions.iter().any(|function| {
            // Or by the edge it stands on.
            let folders = [&format!("functions/{function}/src"), "infra/edge/src"];
            let mut counted = sources(&folders).flat_map(|(_, text)| labels(&text, &self.name));
            counted.any(|labels| {
                let labels: BTreeSet<_> = labels.iter().map(String::as_str).chain(["function"]).collect();
                labels == self.names()
            })
        });
        assert!(is_counted, "{whose}: nobody counts {self:?}");
    }
}

/// A value, or where it comes from.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The labels of each place in a source that counts a metric.
fn labels(source: &str, name: &str) -> Vec<BTreeSet<String>> {
    let mut found = Vec::new();
    for kind in ["counter", "gauge", "histogram"] {
        for (at, start) in source.match_indices(&format!("{kind}!(\"{name}\"")) {
            let arguments = &source[at + kind.len() + 1..];
            let mut depth = 0;
            let end = arguments.char_indices().find_map(|(at, c)| {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                (depth == 0).then_some(at)
            });
            let arguments = &arguments[..end.unwrap_or_else(|| panic!("{start} does not end"))];
            let mut before: Vec<_> = arguments.split("=>").collect();
            before.pop();
            let label = |before: &str| before.rsplit('"').nth(1).map(str::to_owned);
            found.push(before.into_iter().filter_map(label).collect());
        }
    }
    found
}

#[test]
fn labels_are_found_however_a_count_is_laid_out() {
    let source = r#"
        metrics::counter!("Notices", "channel" => notice.channel.as_str(),
            "state" => state(&notice)).increment(1);
        metrics::counter!("Other").increment(1);
        metrics::histogram!("Age", "feed" => "changes").record(1.0);
    "#;
    let set = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(labels(source, "Notices"), [set(&["channel", "state"])]);
    assert_eq!(labels(source, "Other"), [set(&[])]);
    assert_eq!(labels(source, "Age"), [set(&["feed"])]);
    assert!(labels(source, "Ag").is_empty());
}
