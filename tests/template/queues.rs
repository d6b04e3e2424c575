//! Queues, and what Lambda does between a stream or a queue and a function: nothing is lost on the way.

use std::collections::BTreeSet;

use local::template::{Setting, Source};
use serde_json::{Value, json};

use crate::{FUNCTIONS, function, template};

#[test]
fn every_queue_has_a_dead_letter_queue_or_is_one() {
    let queues = &template().queues;
    let mut dead_letters = BTreeSet::new();
    for queue in queues.values() {
        dead_letters.extend(queue.redrive.as_ref().map(|redrive| redrive.queue.as_str()));
    }
    for name in FUNCTIONS {
        let (_, function) = function(name);
        dead_letters.extend(
            function
                .event_sources
                .iter()
                .filter_map(|source| source.on_failure.as_deref()),
        );
    }
    for (id, queue) in queues {
        assert_ne!(queue.redrive.is_some(), dead_letters.contains(id.as_str()), "{id}");
        let key = &template().resources[id].properties["KmsMasterKeyId"];
        assert_eq!(key, &json!({ "Fn::GetAtt": ["RegisterKey", "Arn"] }), "{id}");
        if let Some(redrive) = &queue.redrive {
            // What is set aside is kept for longer than it would have waited: SQS counts from the first sending.
            assert!(queues[&redrive.queue].retention > queue.retention, "{id}");
        }
    }
    assert!(
        dead_letters.iter().all(|id| queues.contains_key(*id)),
        "{dead_letters:?}"
    );
}

#[test]
fn one_bad_record_neither_stops_a_stream_nor_its_neighbours() {
    let mut streams = 0;
    for name in FUNCTIONS {
        let (_, function) = function(name);
        for source in &function.event_sources {
            assert!(source.partial_batches, "{name}");
            let Source::Stream { table } = &source.source else {
                continue;
            };
            streams += 1;
            assert!(template().tables[table].stream_specification.is_some(), "{name}");
            assert!(source.bisect, "{name}");
            assert!(source.maximum_age.is_some(), "{name}");
            assert!(source.maximum_retries.is_some(), "{name}");
            assert!(source.on_failure.is_some(), "{name}");
        }
    }
    let with_a_stream = template()
        .tables
        .values()
        .filter(|table| table.stream_specification.is_some());
    assert_eq!(streams, with_a_stream.count());
}

#[test]
fn a_batch_still_being_worked_on_is_not_handed_out_again() {
    let (mut filled, mut read) = (BTreeSet::new(), BTreeSet::new());
    for name in FUNCTIONS {
        let (_, function) = function(name);
        filled.extend(function.environment.values().filter_map(|setting| match setting {
            Setting::Reference(id) if template().queues.contains_key(id) => Some(id),
            _ => None,
        }));
        for source in &function.event_sources {
            if let Source::Queue { queue } = &source.source {
                read.insert(queue);
                let visibility = template().queues[queue].visibility_timeout;
                if is_one_at_a_time(source_of(name, queue)) {
                    // Nothing is put back because of others: whoever has not ended by then never will.
                    assert!(visibility > function.timeout, "{queue}");
                } else {
                    // "At least six times the function timeout": Lambda's own advice for SQS.
                    assert!(visibility >= 6 * function.timeout, "{queue}");
                }
            }
        }
    }
    // A queue that is filled is read, and the other way round. This one is filled from outside.
    let from_outside = "PopulationQueue".to_owned();
    filled.insert(&from_outside);
    assert_eq!(filled, read);
}

/// What Lambda is told of a queue that a function reads.
fn source_of(name: &str, queue: &str) -> &'static Value {
    let (id, _) = function(name);
    let events = template().resources[id].properties["Events"].as_object();
    let source = events.into_iter().flatten().find_map(|(_, event)| {
        let arn = &event["Properties"]["Queue"];
        (*arn == json!({ "Fn::GetAtt": [queue, "Arn"] })).then_some(&event["Properties"])
    });
    source.unwrap_or_else(|| panic!("{name} does not read {queue}"))
}

/// Whether messages are handed out singly, and no more at once than are worked on.
fn is_one_at_a_time(source: &Value) -> bool {
    source["BatchSize"] == 1 && !source["ScalingConfig"]["MaximumConcurrency"].is_null()
}
