//! A provider that serves nobody for a while: its channel is left alone but for a message now and then, nothing is lost,
//! and the other channel goes on.

use jiff::SignedDuration;
use local::messages::Fault;
use mailbox_register::{
    code::{Challenge, IssuedFor},
    contact::{Address, Channel, EmailAddress},
    notice::{Message, Notice},
};
use stories::World;
use uuid::Uuid;

use crate::{
    reporting::{hand_on, reported},
    scene::{
        CHANNELS, EMAIL, Moment, Parts, accepted, add, add_message, batch, clock, lose_stream, script, sleep, state,
        state_of, stored, work_until,
    },
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// As many as a provider gets that fails for good.
const FOR_EVER: u32 = 1_000_000;

/// A worker on these notices, all at once.
async fn work(world: &World, parts: &Parts, notices: &[Notice]) {
    lose_stream(world);
    for notice in notices {
        parts.enqueue(notice).await;
    }
    let answer = notify::handle(&parts.notify(clock(world)), batch(parts.take_all().await)).await;
    assert_eq!(answer.batch_item_failures.len(), 0);
}

/// None of them was sent, none has failed, and no try was used up.
async fn all_wait(world: &World, notices: &[Notice]) {
    for notice in notices {
        let now = stored(world, notice.id).await;
        assert_eq!((state_of(&now).as_str(), now.attempts), ("waiting", 0));
    }
}

/// Each of them was sent, and once.
async fn all_sent(world: &World, notices: &[Notice]) {
    for notice in notices {
        let told = accepted(world, notice.id).len();
        assert_eq!((state(world, notice.id).await.as_str(), told), ("sent", 1));
    }
}

#[tokio::test]
async fn a_provider_that_throttles_for_a_while_is_asked_on_and_no_try_is_used_up() {
    for channel in CHANNELS {
        let world = World::new().await;
        let parts = Parts::of(&world);
        script(&world, channel, Fault::Throttle, 33);
        let notices = add(&world, channel, 5).await;
        // Five calls a minute.
        parts.minutes(&world, 6).await;
        assert_eq!(parts.calls(channel), 30);
        all_wait(&world, &notices).await;
        parts.minutes(&world, 2).await;
        assert_eq!(parts.calls(channel), 33 + 5);
        all_sent(&world, &notices).await;
        for notice in notices {
            assert_eq!(stored(&world, notice.id).await.attempts, 0);
        }
    }
}

/// All providers fail for half an hour, each in this way: the circuit opens after ten calls in a row, then one message a
/// minute tries, and when they work again all go out.
async fn half_an_hour(channel: Channel, is_reached: bool) {
    let world = World::new().await;
    let (whole, failing) = if is_reached {
        script(&world, channel, Fault::Unavailable, FOR_EVER);
        (Parts::of(&world), Parts::of(&world))
    } else {
        (Parts::of(&world), Parts::without_providers(&world))
    };
    let notices = add(&world, channel, 15).await;
    for notice in &notices {
        work(&world, &failing, std::slice::from_ref(notice)).await;
    }
    assert_eq!(failing.calls(channel), 10);
    all_wait(&world, &notices[10..]).await;

    failing.minutes(&world, 30).await;
    let probes = failing.calls(channel) - 10;
    // Whoever waits for the end of a minute comes in the next one: the random wait decides in which.
    assert!((10..=30).contains(&probes), "{probes}");
    let mut tries = 0;
    for notice in &notices {
        let now = stored(&world, notice.id).await;
        assert_eq!(state_of(&now), "waiting");
        tries += now.attempts;
    }
    assert_eq!(usize::try_from(tries).unwrap(), 10 + probes);
    assert_eq!(world.stack.messages().accepted().len(), 0);

    // Nothing has been sent, so that nothing but the faults is forgotten.
    world.stack.messages().reset().unwrap();
    whole.minutes(&world, 4).await;
    // Those that failed themselves come back by themselves, the others at once.
    for notice in &notices {
        let now = stored(&world, notice.id).await;
        assert!(now.attempts > 0 || state_of(&now) == "sent");
    }
    sleep(&world, SignedDuration::from_hours(1));
    whole.minutes(&world, 1).await;
    all_sent(&world, &notices).await;
    assert_eq!(whole.calls(channel), notices.len());
}

#[tokio::test]
async fn while_e_mail_fails_for_half_an_hour_one_message_a_minute_tries_and_then_all_go_out() {
    half_an_hour(Channel::Email, true).await;
}

#[tokio::test]
async fn while_no_provider_is_reached_for_half_an_hour_one_message_a_minute_tries_and_then_all_go_out() {
    half_an_hour(Channel::Sms, false).await;
    half_an_hour(Channel::Email, false).await;
}

#[tokio::test]
async fn failures_of_many_at_once_are_failures_in_a_row() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    script(&world, Channel::Email, Fault::Unavailable, FOR_EVER);
    let notices = add(&world, Channel::Email, 60).await;
    // Ten at once, as a worker has them.
    for ten in notices.chunks(10).take(3) {
        work(&world, &parts, ten).await;
    }
    let calls = parts.calls(Channel::Email);
    assert!((10..=20).contains(&calls), "{calls}");
    work(&world, &parts, &notices[30..]).await;
    assert_eq!(parts.calls(Channel::Email), calls);
}

#[tokio::test]
async fn failures_with_a_success_in_between_leave_the_channel_open() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    for _ in 0..3 {
        script(&world, Channel::Email, Fault::Unavailable, 9);
        script(&world, Channel::Email, Fault::Delay, 1);
    }
    for notice in add(&world, Channel::Email, 30).await {
        work(&world, &parts, &[notice]).await;
    }
    assert_eq!(parts.calls(Channel::Email), 30);
    assert_eq!(world.stack.messages().accepted().len(), 3);
}

#[tokio::test]
async fn while_a_provider_takes_nothing_one_message_tries_thirty_wait_and_the_other_channel_goes_on() {
    for (channel, fault) in [(Channel::Sms, Fault::Pause), (Channel::Email, Fault::Suspend)] {
        let world = World::new().await;
        let parts = Parts::of(&world);
        script(&world, channel, fault, 1);
        let first = add(&world, channel, 1).await;
        work(&world, &parts, &first).await;
        assert_eq!(parts.calls(channel), 1);
        let waiting = add(&world, channel, 30).await;
        let others = add(&world, channel.other(), 3).await;
        work(&world, &parts, &[waiting.clone(), others.clone()].concat()).await;
        assert_eq!(parts.calls(channel), 1);
        all_wait(&world, &[first.clone(), waiting.clone()].concat()).await;
        all_sent(&world, &others).await;

        // Nobody comes back before five minutes are over, and a little later all have.
        parts.minutes(&world, 4).await;
        sleep(&world, MINUTE - SECOND);
        work(&world, &parts, &waiting).await;
        assert_eq!(parts.calls(channel), 1);
        sleep(&world, SECOND + MINUTE / 2);

        // The one that tries is on the way when all others come.
        let trying = work_until(&world, first[0].id, Moment::MarkedSending, clock(&world)).await;
        work(&world, &parts, &waiting).await;
        assert_eq!(parts.calls(channel), 1);
        all_wait(&world, &waiting).await;
        trying.unwrap().wake().await;
        all_sent(&world, &first).await;
        parts.minutes(&world, 3).await;
        all_sent(&world, &waiting).await;
        assert_eq!(parts.calls(channel), 1 + waiting.len());
    }
}

#[tokio::test]
async fn of_thirty_that_come_at_once_when_the_time_is_up_one_tries() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    script(&world, Channel::Sms, Fault::Pause, FOR_EVER);
    let notices = add(&world, Channel::Sms, 30).await;
    work(&world, &parts, &notices[..1]).await;
    work(&world, &parts, &notices).await;
    for tries in 1..=5 {
        assert_eq!(parts.calls(Channel::Sms), tries);
        all_wait(&world, &notices).await;
        // A random wait of half a minute at the most: then all of them are due.
        sleep(&world, 5 * MINUTE + MINUTE / 2);
        work(&world, &parts, &notices).await;
    }
}

#[tokio::test]
async fn when_the_one_that_tries_is_lost_another_tries() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    script(&world, Channel::Sms, Fault::Pause, 1);
    let notices = add(&world, Channel::Sms, 11).await;
    work(&world, &parts, &notices[..1]).await;
    work(&world, &parts, &notices).await;
    sleep(&world, 5 * MINUTE + MINUTE / 2);
    let lost = work_until(&world, notices[0].id, Moment::MarkedSending, clock(&world)).await;
    lost.unwrap().lose().await;
    parts.minutes(&world, 1).await;
    assert_eq!(parts.calls(Channel::Sms), 1);
    // It had a minute and a half; then come the others.
    parts.minutes(&world, 3).await;
    all_sent(&world, &notices[1..]).await;
    assert_eq!(state(&world, notices[0].id).await, "unknown");
    assert_eq!(accepted(&world, notices[0].id).len(), 0);
}

#[tokio::test]
async fn what_waits_for_a_closed_channel_expires_at_its_deadline_and_is_not_sent_later() {
    for (channel, fault) in [(Channel::Sms, Fault::Pause), (Channel::Email, Fault::Suspend)] {
        let world = World::new().await;
        let parts = Parts::of(&world);
        script(&world, channel, fault, FOR_EVER);
        let notices = add(&world, channel, 5).await;
        parts.minutes(&world, 1).await;
        sleep(&world, 29 * MINUTE);
        // Half an hour younger, so it has half an hour more.
        let late = add(&world, channel, 1).await;
        parts.minutes(&world, 1).await;

        sleep(&world, SignedDuration::from_hours(72) - 31 * MINUTE - SECOND);
        parts.minute(&world, &parts.notify(clock(&world))).await;
        all_wait(&world, &[notices.clone(), late.clone()].concat()).await;
        sleep(&world, 6 * MINUTE);
        parts.minute(&world, &parts.notify(clock(&world))).await;
        for notice in &notices {
            assert_eq!(state(&world, notice.id).await, "expired");
        }
        all_wait(&world, &late).await;

        world.stack.messages().reset().unwrap();
        parts.minutes(&world, 10).await;
        all_sent(&world, &late).await;
        assert_eq!(world.stack.messages().accepted().len(), 1);
    }
}

#[tokio::test]
async fn a_code_that_waits_for_a_closed_channel_expires_when_it_has_run_out() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    script(&world, Channel::Email, Fault::Pause, FOR_EVER);
    let address: Address = EmailAddress::parse(EMAIL).unwrap().into();
    let code = Message::Code {
        challenge: Challenge::new(Uuid::from_u128(1)),
        address: IssuedFor::new(world.stack.secret(), &address),
    };
    let notice = add_message(&world, Channel::Email, code).await;
    parts.minutes(&world, 9).await;
    all_wait(&world, std::slice::from_ref(&notice)).await;
    parts.minutes(&world, 3).await;
    assert_eq!(state(&world, notice.id).await, "expired");
}

/// A world in which SNS has taken an SMS, and then reported that the month's money is spent. Thirty SMS come after it.
async fn spent(count: u32) -> (World, Parts, Vec<Notice>) {
    let world = World::new().await;
    let parts = Parts::of(&world);
    script(&world, Channel::Sms, Fault::SpendLimit, count);
    let first = add(&world, Channel::Sms, 1).await;
    work(&world, &parts, &first).await;
    all_sent(&world, &first).await;
    sleep(&world, SECOND);
    report(&world, &parts).await;
    assert_eq!(state(&world, first[0].id).await, "failed undelivered");

    let waiting = add(&world, Channel::Sms, 30).await;
    let mails = add(&world, Channel::Email, 3).await;
    work(&world, &parts, &[waiting.clone(), mails.clone()].concat()).await;
    all_sent(&world, &mails).await;
    all_wait(&world, &waiting).await;
    assert_eq!(parts.calls(Channel::Sms), 1);
    (world, parts, waiting)
}

async fn report(world: &World, parts: &Parts) {
    let receipts = parts.receipts(clock(world));
    for report in reported(world) {
        hand_on(&receipts, &report).await;
    }
}

#[tokio::test]
async fn spent_money_that_only_the_delivery_log_tells_of_closes_sms_until_there_is_money_again() {
    let (world, parts, waiting) = spent(1).await;
    parts.minutes(&world, 4).await;
    assert_eq!(parts.calls(Channel::Sms), 1);
    parts.minutes(&world, 4).await;
    report(&world, &parts).await;
    parts.minutes(&world, 3).await;
    assert_eq!(parts.calls(Channel::Sms), 1 + waiting.len());
    for notice in &waiting {
        assert_eq!(accepted(&world, notice.id).len(), 1);
    }
}

#[tokio::test]
async fn while_the_money_is_spent_no_more_than_one_sms_in_five_minutes_is_given_away() {
    let (world, parts, waiting) = spent(FOR_EVER).await;
    for _ in 0..30 {
        parts.minutes(&world, 1).await;
        report(&world, &parts).await;
    }
    let mut given = 0;
    for notice in &waiting {
        given += usize::from(state(&world, notice.id).await != "waiting");
    }
    assert!(given <= 6, "{given} of {}", waiting.len());
}

#[tokio::test]
async fn what_waits_for_money_expires_at_its_deadline() {
    let (world, parts, waiting) = spent(FOR_EVER).await;
    sleep(&world, SignedDuration::from_hours(72));
    parts.minute(&world, &parts.notify(clock(&world))).await;
    for notice in &waiting {
        assert_eq!(state(&world, notice.id).await, "expired");
    }
    assert_eq!(parts.calls(Channel::Sms), 1);
}
