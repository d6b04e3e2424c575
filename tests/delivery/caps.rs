//! How many SMS may go out in a day, Norwegian time: to one number, and in all.

use infra_aws::caps::DailyCaps;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use local::messages::{Channel::Email, Fault};
use mailbox_register::{contact::Channel::Sms, notice::Notice};
use serde_json::json;
use stories::World;

use crate::scene::{
    Parts, WITH_BOTH, WITH_MOBILE, accepted, add, add_for, batch, clock, lose_stream, notices, script, sleep, state,
    state_of,
};

/// As many as the template has it, and the stack with it.
const PER_NUMBER: usize = 20;
const CAPS: DailyCaps = DailyCaps {
    per_number: 20,
    in_all: 100_000,
};

/// How many SMS were accepted.
fn sms_sent(world: &World) -> usize {
    let mut told = world.stack.messages().accepted();
    told.retain(|message| message.channel != Email);
    told.len()
}

/// So many of these have come to this.
async fn count(world: &World, notices: &[Notice], end: &str) -> usize {
    let mut count = 0;
    for notice in notices {
        count += usize::from(state(world, notice.id).await == end);
    }
    count
}

fn set_clock(world: &World, to: &str) {
    world.stack.clock().set(to.parse::<Timestamp>().unwrap()).unwrap();
}

#[tokio::test]
async fn the_twenty_first_sms_of_a_day_to_one_number_goes_by_e_mail() {
    let world = World::new().await;
    let notices = add_for(&world, WITH_BOTH, Sms, PER_NUMBER).await;
    world.stack.settle().await.unwrap();
    assert_eq!(count(&world, &notices, "sent").await, PER_NUMBER);
    assert_eq!(world.stack.messages().accepted().len(), PER_NUMBER);

    let over = add_for(&world, WITH_BOTH, Sms, 2).await;
    world.pass(1.hours()).await;
    assert_eq!(count(&world, &over, "failed too-many").await, 2);
    assert_eq!(sms_sent(&world), PER_NUMBER);
    let mut by_email = self::notices(&world).await;
    by_email.retain(|notice| notice.follows.is_some_and(|id| over.iter().any(|over| over.id == id)));
    assert_eq!(by_email.len(), 2);
    for notice in by_email {
        assert_eq!(
            (state_of(&notice).as_str(), accepted(&world, notice.id).len()),
            ("delivered", 1)
        );
    }
}

#[tokio::test]
async fn without_an_e_mail_what_is_too_much_for_a_number_is_not_sent_at_all() {
    let world = World::new().await;
    let notices = add(&world, Sms, PER_NUMBER + 1).await;
    world.pass(4.days()).await;
    assert_eq!(count(&world, &notices, "delivered").await, PER_NUMBER);
    assert_eq!(count(&world, &notices, "failed too-many").await, 1);
    assert_eq!(world.stack.messages().accepted().len(), PER_NUMBER);
}

#[tokio::test]
async fn workers_at_once_do_not_send_more_than_one_after_the_other() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let notices = add(&world, Sms, 30).await;
    lose_stream(&world);
    for notice in &notices {
        parts.enqueue(notice).await;
    }
    let queued = parts.take_all().await;
    let workers = [(); 3].map(|()| parts.capped(clock(&world), CAPS));
    let [one, another, third] = &workers;
    tokio::join!(
        notify::handle(one, batch(queued[..10].to_vec())),
        notify::handle(another, batch(queued[10..20].to_vec())),
        notify::handle(third, batch(queued[20..].to_vec())),
    );
    assert_eq!(count(&world, &notices, "sent").await, PER_NUMBER);
    assert_eq!(count(&world, &notices, "failed too-many").await, 10);
    assert_eq!(world.stack.messages().accepted().len(), PER_NUMBER);
}

#[tokio::test]
async fn persons_who_share_a_number_share_its_day_and_no_other_number_pays_for_it() {
    const SHARING: [&str; 2] = ["27904797001", "08918059610"];
    let world = World::new().await;
    let ten = add_for(&world, SHARING[0], Sms, 10).await;
    let eleven = add_for(&world, SHARING[1], Sms, 11).await;
    let another = add_for(&world, WITH_MOBILE, Sms, 1).await;
    world.stack.settle().await.unwrap();
    let all = [ten, eleven].concat();
    assert_eq!(count(&world, &all, "sent").await, PER_NUMBER);
    assert_eq!(count(&world, &all, "failed too-many").await, 1);
    assert_eq!(count(&world, &another, "sent").await, 1);
}

#[tokio::test]
async fn a_code_counts_too_and_one_too_many_is_not_sent_elsewhere() {
    let world = World::new().await;
    let citizen = world.citizen(WITH_BOTH);
    add_for(&world, WITH_BOTH, Sms, PER_NUMBER - 1).await;
    world.stack.settle().await.unwrap();
    let send = json!({ "channel": "sms" });
    citizen.post("/v1/me/contact/validate", &send).send().await.expect(202);
    world.stack.settle().await.unwrap();
    assert_eq!(sms_sent(&world), PER_NUMBER);
    sleep(&world, SignedDuration::from_mins(10));
    citizen.post("/v1/me/contact/validate", &send).send().await.expect(202);
    world.pass(1.days()).await;
    assert_eq!(world.stack.messages().accepted().len(), PER_NUMBER);
    let mut codes = notices(&world).await;
    codes.retain(|notice| notice.message.kind() == "code");
    let mut ends: Vec<_> = codes.iter().map(state_of).collect();
    ends.sort();
    assert_eq!(ends, ["delivered", "failed too-many"]);
}

#[tokio::test]
async fn the_next_norwegian_day_counts_anew() {
    // Winter, summer, and the night that is an hour shorter.
    for (last, first) in [
        ("2026-03-02T22:59:59Z", "2026-03-02T23:00:00Z"),
        ("2026-07-01T21:59:59Z", "2026-07-01T22:00:00Z"),
        ("2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z"),
    ] {
        let world = World::new().await;
        set_clock(&world, last);
        let before = add(&world, Sms, PER_NUMBER + 1).await;
        world.stack.settle().await.unwrap();
        assert_eq!(count(&world, &before, "failed too-many").await, 1);
        set_clock(&world, first);
        let after = add(&world, Sms, PER_NUMBER + 1).await;
        world.stack.settle().await.unwrap();
        assert_eq!(count(&world, &after, "sent").await, PER_NUMBER);
        assert_eq!(count(&world, &after, "failed too-many").await, 1);
    }
}

#[tokio::test]
async fn what_is_over_the_total_of_a_day_waits_for_the_next_one_and_e_mail_goes_on() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let few = DailyCaps {
        per_number: 1000,
        in_all: 3,
    };
    let worker = parts.capped(clock(&world), few);
    let sms = add(&world, Sms, 5).await;
    let mails = add(&world, mailbox_register::contact::Channel::Email, 5).await;
    parts.minute(&world, &worker).await;
    assert_eq!(count(&world, &sms, "sent").await, 3);
    assert_eq!(count(&world, &sms, "waiting").await, 2);
    assert_eq!(count(&world, &mails, "sent").await, 5);
    // Norwegian midnight is fourteen hours away.
    for _ in 0..13 {
        sleep(&world, SignedDuration::from_hours(1));
        parts.minute(&world, &worker).await;
        assert_eq!(count(&world, &sms, "waiting").await, 2);
        assert_eq!(sms_sent(&world), 3);
    }
    sleep(&world, SignedDuration::from_hours(1));
    parts.minute(&world, &worker).await;
    assert_eq!(count(&world, &sms, "sent").await, 5);
}

#[tokio::test]
async fn who_waits_for_room_in_the_day_does_not_use_up_the_number_s_own() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let full = DailyCaps {
        per_number: 20,
        in_all: 1,
    };
    let worker = parts.capped(clock(&world), full);
    set_clock(&world, "2026-03-02T23:30:00Z");
    add_for(&world, WITH_BOTH, Sms, 1).await;
    parts.minute(&world, &worker).await;
    assert_eq!(sms_sent(&world), 1);
    // From half past midnight to midnight: two SMS to a number that has had none are tried each hour.
    let waiting = add(&world, Sms, 2).await;
    for _ in 0..23 {
        parts.minute(&world, &worker).await;
        assert_eq!(count(&world, &waiting, "waiting").await, 2);
        sleep(&world, SignedDuration::from_hours(1));
    }
    // Somebody has raised the total.
    parts.minute(&world, &parts.capped(clock(&world), CAPS)).await;
    assert_eq!(count(&world, &waiting, "sent").await, 2);
}

#[tokio::test]
async fn what_the_provider_did_not_take_is_no_sms_to_the_number() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    script(&world, Sms, Fault::Throttle, 30);
    let worker = parts.capped(clock(&world), CAPS);
    let notice = add(&world, Sms, 1).await;
    for _ in 0..40 {
        parts.minute(&world, &worker).await;
        sleep(&world, SignedDuration::from_mins(1));
    }
    assert_eq!(count(&world, &notice, "sent").await, 1);
    assert_eq!(parts.calls(Sms), 31);
}

#[tokio::test]
async fn a_number_that_has_had_enough_does_not_keep_the_one_that_tries_a_closed_channel() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let worker = parts.capped(clock(&world), CAPS);
    add_for(&world, WITH_BOTH, Sms, PER_NUMBER).await;
    parts.minute(&world, &worker).await;
    script(&world, Sms, Fault::Pause, 1);
    let closed = add(&world, Sms, 1).await;
    parts.minute(&world, &worker).await;
    sleep(&world, SignedDuration::from_mins(5));
    // The first to come when the time is up is one too many; the next one tries, and gets through.
    let over = add_for(&world, WITH_BOTH, Sms, 1).await;
    lose_stream(&world);
    notify::send(&worker, over[0].id).await.unwrap();
    assert_eq!(count(&world, &over, "failed too-many").await, 1);
    notify::send(&worker, closed[0].id).await.unwrap();
    assert_eq!(count(&world, &closed, "sent").await, 1);
}
