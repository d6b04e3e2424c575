//! Workers that are lost, stopped for a while, or have the wrong time. Others take over what they held, but never what
//! may have gone out.

use jiff::{SignedDuration, ToSpan as _};
use mailbox_register::{contact::Channel, notice::NoticeId};
use stories::World;

use crate::scene::{CHANNELS, Moment, Parts, accepted, add, ahead, sleep, state, stored, work_until};

/// Where a worker stops; whether the provider has the message by then; the notice's state then, and once others had
/// their turn.
const MOMENTS: [(Moment, usize, &str, &str); 5] = [
    (Moment::Read, 0, "waiting", "sent"),
    (Moment::Claimed, 0, "claimed", "sent"),
    (Moment::Written, 0, "claimed", "sent"),
    (Moment::MarkedSending, 0, "sending", "unknown"),
    (Moment::Called, 1, "sending", "unknown"),
];

struct Case {
    /// How far the worker's clock is off.
    its_clock: SignedDuration,
    /// How far the others' clocks are off.
    other_clocks: SignedDuration,
    /// How long it is stopped.
    stopped_for: SignedDuration,
    /// Whether it ever goes on.
    lost: bool,
    /// Whether it calls at last, where others know only that it may have: it is late by their clocks, not by its own.
    calls: bool,
}

const NO_TIME: SignedDuration = SignedDuration::ZERO;
const A_MINUTE: SignedDuration = SignedDuration::from_secs(60);
const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);
const IN_TIME: Case = Case {
    its_clock: NO_TIME,
    other_clocks: NO_TIME,
    stopped_for: NO_TIME,
    lost: false,
    calls: false,
};

#[tokio::test]
async fn a_worker_that_is_lost() {
    let lost = Case {
        stopped_for: A_MINUTE,
        lost: true,
        ..IN_TIME
    };
    run(&lost).await;
}

#[tokio::test]
async fn a_worker_that_is_stopped_for_a_minute_and_goes_on_as_if_nothing_had_been() {
    let stopped = Case {
        stopped_for: A_MINUTE,
        ..IN_TIME
    };
    run(&stopped).await;
}

#[tokio::test]
async fn a_worker_among_others_whose_clocks_are_five_minutes_fast() {
    let slower = Case {
        other_clocks: FIVE_MINUTES,
        calls: true,
        ..IN_TIME
    };
    run(&slower).await;
}

#[tokio::test]
async fn a_worker_whose_clock_is_five_minutes_slow() {
    let slow = Case {
        its_clock: -FIVE_MINUTES,
        calls: true,
        ..IN_TIME
    };
    run(&slow).await;
}

async fn run(case: &Case) {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let mut ends = Vec::new();
    for channel in CHANNELS {
        for (moment, told_by_then, held, end) in MOMENTS {
            let notice = add(&world, channel, 1).await.remove(0).id;
            let seen = async || (state(&world, notice).await, accepted(&world, notice).len());
            // So that it is due by a slow clock too.
            sleep(&world, FIVE_MINUTES);
            let worker = work_until(&world, notice, moment, ahead(&world, case.its_clock)).await;
            let worker = worker.unwrap();
            assert_eq!(seen().await, (held.to_owned(), told_by_then), "{moment:?}");

            sleep(&world, case.stopped_for);
            others(&world, &parts, notice, case.other_clocks).await;
            let told = usize::from(end == "sent").max(told_by_then);
            assert_eq!(seen().await, (end.to_owned(), told), "{moment:?}");

            let over = stored(&world, notice).await;
            if case.lost {
                worker.lose().await;
            } else {
                worker.wake().await;
            }
            assert_eq!(stored(&world, notice).await, over, "{moment:?}");
            let calls_late = case.calls && moment == Moment::MarkedSending;
            let told = told + usize::from(calls_late);
            // SES reports by the notice; SNS by its answer, which a lost worker took with it.
            let is_reported = channel == Channel::Email || end == "sent" || !case.lost;
            let end = if told > 0 && is_reported {
                "delivered"
            } else {
                "unknown"
            };
            ends.push((over, end, told));
        }
    }
    // Nobody else adds anything to that.
    for (notice, ..) in &ends {
        parts.enqueue(notice).await;
    }
    world.pass(2.hours()).await;
    for (notice, end, told) in ends {
        assert_eq!(accepted(&world, notice.id).len(), told);
        assert_eq!(state(&world, notice.id).await, end);
    }
}

/// Another worker that gets the notice out of the queue, the tick, and again a worker.
async fn others(world: &World, parts: &Parts, notice: NoticeId, by: SignedDuration) {
    let (dispatch, notify) = (parts.dispatch(ahead(world, by)), parts.notify(ahead(world, by)));
    notify::send(&notify, notice).await.unwrap();
    dispatch::handle(&dispatch, dispatch::Event::Tick).await.unwrap();
    notify::send(&notify, notice).await.unwrap();
}

#[tokio::test]
async fn a_held_notice_is_left_alone_until_the_lease_ends() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    for (moment, lease) in [(Moment::Claimed, 30), (Moment::MarkedSending, 60)] {
        let notice = add(&world, Channel::Sms, 1).await.remove(0).id;
        let worker = work_until(&world, notice, moment, ahead(&world, NO_TIME))
            .await
            .unwrap();
        let held = stored(&world, notice).await;
        sleep(&world, SignedDuration::from_secs(lease - 1));
        others(&world, &parts, notice, NO_TIME).await;
        assert_eq!(stored(&world, notice).await, held, "{moment:?}");
        // It comes back just in time.
        worker.wake().await;
        assert_eq!(
            (state(&world, notice).await.as_str(), accepted(&world, notice).len()),
            ("sent", 1),
            "{moment:?}"
        );
    }
}
