//! The change feed: what happened to entries, numbered without a gap, for agencies and providers to follow.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod following;
mod writers;

use serde_json::Value;
use stories::Caller;

/// Everything after a number, by pages of a size, as a client reads it.
pub(crate) async fn read_on(follower: &Caller<'_>, mut after: u64, limit: u16) -> Vec<Value> {
    let mut changes = Vec::new();
    loop {
        let path = format!("/v1/changes?after={after}&limit={limit}");
        let page = follower.get(&path).send().await.expect(200).body;
        changes.extend(page["changes"].as_array().unwrap().iter().cloned());
        let last = page["last"].as_u64().unwrap();
        if page["more"] == false {
            return changes;
        }
        assert!(last > after, "a page brings a reader on");
        after = last;
    }
}

/// The number that the last page ends with.
pub(crate) async fn end_of(follower: &Caller<'_>) -> u64 {
    let mut after = 0;
    loop {
        let path = format!("/v1/changes?after={after}&limit=1000");
        let page = follower.get(&path).send().await.expect(200).body;
        after = page["last"].as_u64().unwrap();
        if page["more"] == false {
            return after;
        }
    }
}
