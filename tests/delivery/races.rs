//! Stream, ticks and workers that all want the same notices at once; and a stream that nobody reads.

use std::collections::HashSet;

use dispatch::Event;
use jiff::{SignedDuration, ToSpan as _};
use mailbox_register::{
    contact::Channel,
    notice::{Notice, NoticeId},
};
use stories::World;
use uuid::Uuid;

use crate::scene::{CHANNELS, Parts, accepted, add, add_named, batch, clock, event, lose_stream, sleep, state, stream};

async fn many(world: &World) -> Vec<Notice> {
    let mut all = Vec::new();
    for channel in CHANNELS {
        all.extend(add(world, channel, 15).await);
    }
    all
}

/// Each was sent once, and this has become of it.
async fn each_was_sent_once(world: &World, notices: &[Notice], end: &str) {
    for notice in notices {
        assert_eq!(state(world, notice.id).await, end);
    }
    let ledger = world.stack.messages().accepted();
    let told: HashSet<_> = ledger
        .iter()
        .map(|message| message.notice_id.clone().unwrap())
        .collect();
    assert_eq!((told.len(), ledger.len()), (notices.len(), notices.len()));
}

#[tokio::test]
async fn stream_and_ticks_and_workers_at_once_send_each_notice_once() {
    let world = World::new().await;
    let notices = many(&world).await;
    let (parts, records) = (Parts::of(&world), stream(&world));
    let dispatchers: Vec<_> = (0..4).map(|_| parts.dispatch(clock(&world))).collect();
    let worker = async |wait_for_messages: bool| {
        let worker = parts.notify(clock(&world));
        let mut handled = 0;
        loop {
            let taken = parts.take_all().await;
            if taken.is_empty() && (handled > 0 || !wait_for_messages) {
                return handled;
            }
            handled += taken.len();
            // Twice, as a queue may.
            tokio::join!(
                notify::handle(&worker, batch(taken.clone())),
                notify::handle(&worker, batch(taken))
            );
        }
    };
    let dispatched = tokio::join!(
        dispatch::handle(&dispatchers[0], Event::Tick),
        dispatch::handle(&dispatchers[1], Event::Tick),
        dispatch::handle(&dispatchers[2], event(&records)),
        dispatch::handle(&dispatchers[3], event(&records)),
        worker(true),
        worker(true),
    );
    assert_eq!(dispatched.0, Ok(()).map(|()| dispatch::Answer::default()));
    assert_eq!(dispatched.1, dispatched.0);
    let left = worker(false).await;
    // All four found most of them, or this would be no race.
    let queued = dispatched.4 + dispatched.5 + left;
    assert!(queued > notices.len() * 2, "{queued}");
    // Who lost the race for a claim too often has its message again after a while.
    world.pass(20.minutes()).await;
    each_was_sent_once(&world, &notices, "delivered").await;
}

#[tokio::test]
async fn without_the_stream_the_tick_finds_all() {
    let world = World::new().await;
    let notices = many(&world).await;
    // The consumer was down for longer than the stream keeps its records.
    sleep(&world, SignedDuration::from_hours(25));
    lose_stream(&world);
    world.stack.settle().await.unwrap();
    assert_eq!(accepted(&world, notices[0].id).len(), 0);
    world.stack.tick().await.unwrap();
    each_was_sent_once(&world, &notices, "sent").await;
}

#[tokio::test]
async fn one_tick_finds_more_than_a_page() {
    let world = World::new().await;
    // All in one partition of the index.
    let numbers = (1..=101).map(|number| NoticeId(Uuid::from_u128(number)));
    add_named(&world, Channel::Sms, &numbers.collect::<Vec<_>>()).await;
    let parts = Parts::of(&world);
    dispatch::handle(&parts.dispatch(clock(&world)), Event::Tick)
        .await
        .unwrap();
    let queued = parts.take_all().await;
    let queued: HashSet<_> = queued.into_iter().map(|message| message.body).collect();
    assert_eq!(queued.len(), 101);
}
