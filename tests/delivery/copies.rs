//! Streams and queues deliver at least once, and in any order.

use dispatch::Event;
use local::messages::Channel;
use serde_json::json;
use stories::World;

use crate::scene::{
    MOBILE, Parts, WITH_MOBILE, accepted, add, batch, chosen, clock, event, lose_stream, notices, state, stream,
};

#[tokio::test]
async fn a_stream_record_delivered_again_and_again_is_one_sms() {
    let world = World::new().await;
    let notice = chosen(&world, WITH_MOBILE).await;
    let record = stream(&world).remove(0);
    let copies = [record.clone(), record.clone(), record];
    let dispatch = Parts::of(&world).dispatch(clock(&world));
    let deliver = async || dispatch::handle(&dispatch, event(&copies)).await.unwrap();
    assert_eq!(deliver().await, dispatch::Answer::default());
    deliver().await;
    world.stack.settle().await.unwrap();
    // Also when all is over.
    deliver().await;
    world.stack.settle().await.unwrap();
    let told = accepted(&world, notice.id);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].channel, told[0].to.as_str()), (Channel::Sms, MOBILE));
    assert_eq!(world.stack.messages().accepted().len(), 1);
}

#[tokio::test]
async fn a_batch_that_fails_half_way_is_delivered_again_and_sends_each_once() {
    let world = World::new().await;
    let sms = add(&world, mailbox_register::contact::Channel::Sms, 2).await;
    let mails = add(&world, mailbox_register::contact::Channel::Email, 2).await;
    let records = stream(&world);
    let half = Parts::without_email_queue(&world).dispatch(clock(&world));
    let answer = dispatch::handle(&half, event(&records)).await.unwrap();
    let failed = answer
        .batch_item_failures
        .iter()
        .map(|failure| &failure.item_identifier);
    let unsent = records.iter().skip(2).map(|record| &record.sequence_number);
    assert!(failed.eq(unsent));
    // Lambda delivers from the first failure on; whoever answers nothing at all gets the whole batch again.
    let whole = Parts::of(&world).dispatch(clock(&world));
    for again in [&records[2..], &records[..]] {
        assert_eq!(
            dispatch::handle(&whole, event(again)).await.unwrap(),
            dispatch::Answer::default()
        );
    }
    world.stack.settle().await.unwrap();
    for notice in sms.iter().chain(&mails) {
        assert_eq!(accepted(&world, notice.id).len(), 1);
    }
}

#[tokio::test]
async fn a_queue_that_repeats_itself_in_any_order_sends_each_notice_once_to_the_address_of_now() {
    const NEW: &str = "+46701740650";
    let world = World::new().await;
    let told = chosen(&world, WITH_MOBILE).await;
    let changed = json!({ "mobile": NEW });
    world
        .citizen(WITH_MOBILE)
        .put("/v1/me/contact", &changed)
        .send()
        .await
        .expect(200);
    let all = notices(&world).await;
    assert_eq!(all.len(), 3);

    // The newest first, each three times, two workers at once.
    let parts = Parts::of(&world);
    lose_stream(&world);
    for notice in all.iter().rev().cycle().take(9) {
        parts.enqueue(notice).await;
    }
    let mut queued = parts.take_all().await;
    queued.reverse();
    assert_eq!(queued.len(), 9);
    let (one, other) = (parts.notify(clock(&world)), parts.notify(clock(&world)));
    let both = tokio::join!(
        notify::handle(&one, batch(queued.clone())),
        notify::handle(&other, batch(queued)),
    );
    assert_eq!(
        (both.0.batch_item_failures.len(), both.1.batch_item_failures.len()),
        (0, 0)
    );

    let mut sent: Vec<_> = world.stack.messages().accepted();
    sent.sort_by_key(|message| message.kind.clone());
    let sent: Vec<_> = sent
        .iter()
        .map(|message| (message.kind.as_deref().unwrap(), message.to.as_str()))
        .collect();
    // The address that was replaced is the one to be warned.
    assert_eq!(
        sent,
        [("address-changed", MOBILE), ("code", NEW), ("mailbox-chosen", NEW)]
    );
    assert_eq!(accepted(&world, told.id).len(), 1);
}

#[tokio::test]
async fn what_was_sent_is_over_for_the_tick_too() {
    let world = World::new().await;
    let notice = chosen(&world, WITH_MOBILE).await;
    world.stack.settle().await.unwrap();
    let parts = Parts::of(&world);
    dispatch::handle(&parts.dispatch(clock(&world)), Event::Tick)
        .await
        .unwrap();
    assert_eq!(parts.take_all().await.len(), 0);
    assert_eq!(state(&world, notice.id).await, "sent");
}
