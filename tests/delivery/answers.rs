//! What a provider answers, or fails to.

use jiff::{SignedDuration, ToSpan as _};
use local::messages::Fault;
use mailbox_register::contact::Channel::{Email, Sms};
use stories::{World, start_of_time};

use crate::scene::{
    CHANNELS, Parts, WITH_EMAIL, WITH_MOBILE, accepted, add, chosen, clock, lose_stream, script, state, state_of,
    stored,
};

#[tokio::test]
async fn every_answer_of_a_provider_has_one_meaning() {
    let cases = [
        // The fault and how often it comes; the notice at once, its failed tries, and after hours; messages accepted.
        (Email, Fault::Unavailable, 1, "waiting", 1, "delivered", 1),
        // SNS fails without saying how far it got; and a connection that ends after the request was written may have
        // carried it.
        (Sms, Fault::Unavailable, 1, "unknown", 0, "unknown", 0),
        (Sms, Fault::TimeoutBefore, 1, "unknown", 0, "unknown", 0),
        (Email, Fault::TimeoutBefore, 1, "unknown", 0, "unknown", 0),
        // SES reports by the notice, SNS by an answer that nobody got.
        (Sms, Fault::TimeoutAfter, 1, "unknown", 0, "unknown", 1),
        (Email, Fault::TimeoutAfter, 1, "unknown", 0, "delivered", 1),
        (
            Sms,
            Fault::Reject,
            1,
            "failed address-refused",
            0,
            "failed address-refused",
            0,
        ),
        (
            Email,
            Fault::Reject,
            1,
            "failed address-refused",
            0,
            "failed address-refused",
            0,
        ),
        (Sms, Fault::Pause, 1, "waiting", 0, "delivered", 1),
        (Email, Fault::Pause, 1, "waiting", 0, "delivered", 1),
        (Sms, Fault::Suspend, 1, "waiting", 0, "delivered", 1),
        (Email, Fault::Suspend, 1, "waiting", 0, "delivered", 1),
        // Whatever the random wait, three of them take some time.
        (Sms, Fault::Throttle, 3, "waiting", 0, "delivered", 1),
        (Email, Fault::Throttle, 3, "waiting", 0, "delivered", 1),
    ];
    for (channel, fault, count, at_once, attempts, later, messages) in cases {
        let world = World::new().await;
        script(&world, channel, fault, count);
        let notice = add(&world, channel, 1).await.remove(0);
        world.stack.settle().await.unwrap();
        let now = stored(&world, notice.id).await;
        assert_eq!(
            (state_of(&now).as_str(), now.attempts),
            (at_once, attempts),
            "{fault:?} {channel:?}"
        );
        world.pass(2.hours()).await;
        // However often it is queued again.
        Parts::of(&world).enqueue(&notice).await;
        world.stack.settle().await.unwrap();
        let told = accepted(&world, notice.id).len();
        let end = state(&world, notice.id).await;
        assert_eq!((end.as_str(), told), (later, messages), "{fault:?} {channel:?}");
    }
}

#[tokio::test]
async fn tries_that_failed_come_later_each_time() {
    let world = World::new().await;
    script(&world, Email, Fault::Unavailable, 3);
    let notice = chosen(&world, WITH_EMAIL).await;
    world.stack.settle().await.unwrap();
    world.pass(1.hours()).await;
    let told = accepted(&world, notice.id);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].at, start_of_time() + SignedDuration::from_secs(30 + 60 + 120));
    assert_eq!(stored(&world, notice.id).await.attempts, 3);
}

#[tokio::test]
async fn a_provider_that_nobody_reaches_has_taken_nothing_so_it_is_tried_again() {
    let world = World::new().await;
    let cut_off = Parts::without_providers(&world).notify(clock(&world));
    for channel in CHANNELS {
        let notice = add(&world, channel, 1).await.remove(0);
        notify::send(&cut_off, notice.id).await.unwrap();
        let now = stored(&world, notice.id).await;
        assert_eq!((state_of(&now).as_str(), now.attempts), ("waiting", 1));
        world.pass(1.hours()).await;
        assert_eq!(
            (
                state(&world, notice.id).await.as_str(),
                accepted(&world, notice.id).len()
            ),
            ("delivered", 1)
        );
    }
}

#[tokio::test]
async fn a_closed_channel_waits_until_it_opens_and_the_other_goes_on() {
    let world = World::new().await;
    for (closed, open, fault) in [(Sms, Email, Fault::Pause), (Email, Sms, Fault::Suspend)] {
        let start = world.stack.clock().now();
        script(&world, closed, fault, 5);
        let waiting = add(&world, closed, 1).await.remove(0);
        let other = add(&world, open, 1).await.remove(0);
        world.pass(24.minutes()).await;
        assert_eq!(accepted(&world, other.id)[0].at, start);
        let now = stored(&world, waiting.id).await;
        assert_eq!((state_of(&now).as_str(), now.attempts), ("waiting", 0));
        assert_eq!(accepted(&world, waiting.id).len(), 0);
        world.pass(1.hours()).await;
        let told = accepted(&world, waiting.id);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].at, start + SignedDuration::from_mins(25));
        assert_eq!(state(&world, waiting.id).await, "delivered");
    }
}

#[tokio::test]
async fn what_comes_out_of_the_queue_before_its_time_waits_for_it() {
    let world = World::new().await;
    script(&world, Sms, Fault::Pause, 1);
    let notice = chosen(&world, WITH_MOBILE).await;
    let parts = Parts::of(&world);
    world.stack.settle().await.unwrap();
    let waiting = stored(&world, notice.id).await;
    for _ in 0..3 {
        parts.enqueue(&notice).await;
        world.stack.settle().await.unwrap();
    }
    assert_eq!(stored(&world, notice.id).await, waiting);
    assert_eq!(accepted(&world, notice.id).len(), 0);
    world.pass(1.hours()).await;
    assert_eq!(accepted(&world, notice.id).len(), 1);
}

#[tokio::test]
async fn a_queue_message_that_is_lost_is_queued_again() {
    let world = World::new().await;
    let notice = chosen(&world, WITH_MOBILE).await;
    let parts = Parts::of(&world);
    let dispatch = parts.dispatch(clock(&world));
    dispatch::handle(&dispatch, dispatch::Event::Tick).await.unwrap();
    assert_eq!(parts.take_all().await.len(), 1);
    lose_stream(&world);
    world.pass(14.minutes()).await;
    assert_eq!(accepted(&world, notice.id).len(), 0);
    world.pass(1.minutes()).await;
    assert_eq!(accepted(&world, notice.id).len(), 1);
}
