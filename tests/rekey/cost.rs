//! What the dual reading costs, in calls; and that what could not be read is never somebody who is not there.

use infra_aws::{addresses::Sharing, register::Register};
use local::{
    database::table_name,
    database_faults::{Fault, Rule},
    persons::synthetic,
    stack::Options,
};
use mailbox_register::{
    entry::{self, Actor, Command, Transition},
    person::{PersonIdentifier, Population},
};
use serde_json::json;
use stories::{World, start_of_time};

use crate::scene::{Step, left, look_up, pass};

/// A whole list, of whom a hundred are nobody.
const PERSONS: usize = 1000;
const NOBODY: usize = 100;

fn list() -> Vec<String> {
    synthetic().skip(10_000).take(PERSONS).collect()
}

/// A register with persons who came in by the old key.
async fn register() -> World {
    let options = Options {
        frozen_at: Some(start_of_time()),
        secrets: Some(Step::Before.clear()),
        ..Options::default()
    };
    let before = World::with(options).await;
    before.stack.settle().await.unwrap();
    let client = before.stack.client().clone();
    let register = Register::new(client, table_name("RegisterTable"), table_name("ChangesTable"));
    for some in list()[NOBODY..].chunks(40) {
        let mut writes = Vec::new();
        for number in some {
            let identifier = PersonIdentifier::parse(number, Population::Synthetic).unwrap();
            let transition = entry::apply(None, &identifier, Command::Reserve, Actor::Citizen, start_of_time());
            let Ok(Transition::Changed(outcome)) = transition else {
                panic!("a person comes in");
            };
            let key = before.stack.secret().person_key(&identifier);
            writes.extend(register.writes(&key, &outcome, &Sharing::default()).unwrap());
        }
        register.commit(writes).await.unwrap();
    }
    before.stack.settle().await.unwrap();
    before
}

/// How often the table of entries is read in lists for one list, and how many of it are found.
async fn reads(world: &World) -> (usize, usize) {
    let list = list();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    world.stack.database_faults().clear();
    let found = look_up(world, &list, "For one").await;
    let calls = world.stack.database_faults().calls();
    let reads = calls.iter().filter(|call| call.operation == "BatchGetItem");
    let registered = found.iter().filter(|person| person["status"] == "registered");
    (reads.count(), registered.count())
}

#[tokio::test]
async fn a_list_costs_one_more_reading_of_those_who_are_not_found_by_the_current_key() {
    let before = register().await;
    let world = async |step: Step| {
        let options = Options {
            frozen_at: Some(start_of_time()),
            database_at: Some(before.stack.database().url().to_owned()),
            database_faults: true,
            secrets: Some(step.clear()),
            ..Options::default()
        };
        World::with(options).await
    };
    let all = PERSONS - NOBODY;
    assert_eq!(reads(&world(Step::Before).await).await, (10, all));
    assert_eq!(reads(&world(Step::Known).await).await, (11, all));
    let switched = world(Step::Switched).await;
    assert_eq!(reads(&switched).await, (20, all), "nobody is moved");

    // What could not be read a second time is asked for until the deadline, and then the whole fails.
    let list = list();
    let body = json!({ "persons": list, "purpose": "For one" });
    let faults = switched.stack.database_faults();
    let reading = || Rule::new(Fault::Unprocessed).on("BatchGetItem").after(10);
    faults.script(reading().times(5));
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    let found = look_up(&switched, &list, "For one").await;
    assert_eq!(
        found.iter().filter(|person| person["status"] == "registered").count(),
        all
    );
    faults.clear();
    faults.script(Rule::new(Fault::Failing).on("BatchGetItem").after(10));
    let post = switched.agency().post("/v1/lookups", &body);
    post.send().await.problem(503, "unavailable");
    faults.clear();

    let counts = pass(&before.stack).await;
    assert_eq!((counts.moved, counts.failures()), (counts.found, 0));
    assert_eq!(reads(&switched).await, (11, all), "everybody is moved");
    assert_eq!(
        reads(&world(Step::After).await).await,
        (10, all),
        "the old secret is gone"
    );
    assert!(left(&before.stack).await.is_nobody());
}
