//! Many write, two feed, and whoever reads misses nothing and reads nothing twice.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::{join_all, join3};
use infra_aws::{
    changes::{FEED, FeedEntry},
    feed::{Feed, Numbered},
};
use infra_edge::{clock::Clock, settings::Environment};
use jiff::ToSpan as _;
use local::{
    database::table_name,
    database_faults::{Fault, Rule},
    persons::synthetic,
    stack::Options,
};
use mailbox_register::{
    caller::Scope,
    person::{PersonIdentifier, Population},
};
use serde_json::{Value, json};
use stories::{AGENCY, EBOKS, World, start_of_time};

use crate::{end_of, read_on};

const ALL: [Scope; 3] = [Scope::ChangesRead, Scope::ContactRead, Scope::MailboxRead];
const WRITERS: usize = 8;
const TRANSITIONS: usize = 200;
const PERSONS: usize = 12;

/// `dispatch` on the world's tables, a while later than the world: so its tick leaves nothing to the stream.
fn dispatch(world: &World) -> dispatch::App {
    let given = |name: &str| match name {
        "SMS_QUEUE_URL" => world.stack.queues().queue_url("SmsQueue"),
        "EMAIL_QUEUE_URL" => world.stack.queues().queue_url("EmailQueue"),
        table => table.strip_suffix("_TABLE").map(str::to_ascii_lowercase),
    };
    let settings = dispatch::Settings::read(&Environment::new(&given)).unwrap();
    let later = world.stack.clock().now().checked_add(10.minutes()).unwrap();
    let sqs = aws_sdk_sqs::Client::new(&local::sdk::config(world.stack.queues().url()));
    settings.app(world.stack.client(), &sqs, Clock::new(move || later))
}

/// All of the feed, as it is stored.
async fn stored(world: &World) -> Vec<Numbered<FeedEntry>> {
    let feed = Feed::new(world.stack.client().clone(), table_name("FeedTable"));
    feed.after(FEED, 0, 100_000).await.unwrap()
}

/// Numbers without a gap, and each person's versions in order, each once.
fn in_order(entries: &[Numbered<FeedEntry>]) -> HashMap<String, u64> {
    let mut versions = HashMap::new();
    for (number, Numbered { sequence, entry }) in (1..).zip(entries) {
        assert_eq!(*sequence, number);
        let version = versions.entry(entry.person.as_str().to_owned()).or_insert(0);
        assert_eq!(entry.version, *version + 1);
        *version = entry.version;
    }
    versions
}

/// Reads on, with pauses of its own, until it has met so many changes.
async fn reader(world: &World, limit: u16, pause: Duration, until: usize) -> Vec<Value> {
    let agency = world.organisation(AGENCY, &ALL);
    let mut changes: Vec<Value> = Vec::new();
    let mut after = 0;
    while changes.len() < until {
        let path = format!("/v1/changes?after={after}&limit={limit}");
        let page = agency.get(&path).send().await.expect(200).body;
        changes.extend(page["changes"].as_array().unwrap().iter().cloned());
        after = page["last"].as_u64().unwrap();
        tokio::time::sleep(pause).await;
    }
    changes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_write_two_feed_and_three_read_everything_once_and_in_order() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let before = usize::try_from(end_of(&world.organisation(AGENCY, &ALL)).await).unwrap();
    let all = before + WRITERS * TRANSITIONS;
    let persons: Vec<_> = synthetic().take(PERSONS).collect();
    let is_over = AtomicBool::new(false);

    let writing = async {
        join_all((0..WRITERS).map(async |writer| {
            for step in 0..TRANSITIONS {
                // Each person is written by several, so that each write meets others.
                let person = &persons[(writer + step) % PERSONS];
                // Nobody else says the same, so it is a change.
                let mailbox = json!({ "person": person, "address": format!("writer.{writer}.{step}") });
                loop {
                    let answer = world.provider(EBOKS).post("/v1/mailboxes", &mailbox).send().await;
                    match answer.status.as_u16() {
                        200 | 201 => break,
                        // Too many races for one person.
                        status => assert_eq!(status, 503, "{}", answer.body),
                    }
                }
            }
        }))
        .await;
    };
    let feeding = async {
        let dispatch = dispatch(&world);
        let by_stream = async {
            while !is_over.load(Ordering::Relaxed) {
                world.stack.settle().await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let by_tick = async {
            while !is_over.load(Ordering::Relaxed) {
                dispatch::handle(&dispatch, dispatch::Event::Tick).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        Box::pin(futures_util::future::join(by_stream, by_tick)).await;
    };
    let reading = async {
        let reading = [(1000, 10), (17, 5), (60, 80)];
        let readers = reading.map(|(limit, pause)| reader(&world, limit, Duration::from_millis(pause), all));
        let read = join_all(readers).await;
        is_over.store(true, Ordering::Relaxed);
        read
    };
    let ((), (), read) = join3(writing, feeding, reading).await;

    for read in &read {
        let numbers: Vec<_> = read.iter().map(|change| change["sequence"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=all as u64).collect::<Vec<_>>());
    }
    let what = |read: &[Value]| -> Vec<(Value, Value)> {
        let change = |change: &Value| (change["person"]["person"].clone(), change["events"].clone());
        read.iter().map(change).collect()
    };
    assert!(read.iter().all(|other| what(other) == what(&read[0])));
    let versions = in_order(&stored(&world).await);
    for person in &persons {
        let key = world
            .stack
            .secret()
            .person_key(&PersonIdentifier::parse(person, Population::Synthetic).unwrap());
        let me = world.citizen(person).get("/v1/me").send().await.expect(200);
        assert_eq!(me.etag(), format!("\"{}\"", versions[key.as_str()]));
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_gives_no_change_a_second_number() {
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        database_faults: true,
        ..Options::default()
    })
    .await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let before = end_of(&agency).await;
    let persons: Vec<_> = synthetic().take(3).collect();
    for (at, person) in persons.iter().enumerate() {
        let contact = json!({ "email": format!("person.{at}@example.no") });
        world
            .citizen(person)
            .put("/v1/me/contact", &contact)
            .send()
            .await
            .expect(200);
    }
    let faults = world.stack.database_faults();
    faults.script(
        Rule::new(Fault::AnswerLost)
            .on("TransactWriteItems")
            .of("feed")
            .times(6),
    );
    for _ in 0..4 {
        world.stack.settle().await.unwrap();
    }
    faults.clear();
    world.pass(2.minutes()).await;
    assert_eq!(read_on(&agency, before, 10).await.len(), persons.len());
    in_order(&stored(&world).await);
}

#[tokio::test]
async fn a_feed_that_cannot_be_written_goes_on_where_it_stopped() {
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        database_faults: true,
        ..Options::default()
    })
    .await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let before = end_of(&agency).await;
    let person = synthetic().next().unwrap();
    let citizen = world.citizen(&person);
    // More than one transaction takes.
    for step in 0..120 {
        let language = ["nb", "nn"][step % 2];
        let contact = json!({ "email": "person@example.no", "language": language });
        citizen.put("/v1/me/contact", &contact).send().await.expect(200);
    }
    // The stream has given them up, and what the tick does fails at first.
    let stream = world.stack.database().stream("ChangesTable").unwrap();
    let last = stream.read(1000).unwrap().pop().unwrap();
    stream.handled(&last.sequence_number).unwrap();
    let faults = world.stack.database_faults();
    faults.script(Rule::new(Fault::Failing).on("TransactWriteItems").of("feed").times(5));
    world.pass(1.minutes()).await;
    assert_eq!(end_of(&agency).await, before);
    world.pass(5.minutes()).await;
    assert_eq!(read_on(&agency, before, 50).await.len(), 120);
    in_order(&stored(&world).await);
}
