//! What the providers report back: early, late, twice, in another order, of nothing, and of others.

use jiff::{SignedDuration, ToSpan as _};
use local::messages::{Fault, Report};
use mailbox_register::{
    contact::Channel::{self, Email, Sms},
    notice::NoticeId,
};
use receipts::source::Sources;
use serde_json::{Value, json};
use stories::World;
use uuid::Uuid;

use crate::{
    reporting::{event, hand_on, kind, notification, reported, sources},
    scene::{
        CHANNELS, Moment, Parts, WITH_BOTH, accepted, add, add_for, clock, lose_stream, notices, script, sleep, state,
        stored, work_until,
    },
    undeliverable::{is_deliverable, say_again},
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A notice that a worker has just sent, and all that is reported of it.
async fn sent(world: &World, parts: &Parts, channel: Channel, fault: Fault) -> (NoticeId, Vec<Report>) {
    script(world, channel, fault, 1);
    let notice = add(world, channel, 1).await.remove(0).id;
    lose_stream(world);
    notify::send(&parts.notify(clock(world)), notice).await.unwrap();
    sleep(world, SECOND);
    (notice, reported(world))
}

/// The report of another kind in place of the one that SES wrote.
fn rewritten(report: &Report, rewrite: impl FnOnce(&mut Value)) -> Report {
    let Report::Email { topic_arn, envelope } = report else {
        panic!("SNS writes a log");
    };
    let mut envelope: Value = serde_json::from_str(envelope).unwrap();
    let mut event: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    rewrite(&mut event);
    envelope["Message"] = event.to_string().into();
    Report::Email {
        topic_arn: topic_arn.clone(),
        envelope: envelope.to_string(),
    }
}

fn bounced(report: &Report, lasting: &str) -> Report {
    rewritten(report, |event| {
        event["eventType"] = "Bounce".into();
        event["bounce"] = json!({
            "bounceType": lasting,
            "bounceSubType": "General",
            "bouncedRecipients": [],
            "timestamp": event["mail"]["timestamp"],
        });
    })
}

#[tokio::test]
async fn a_report_of_an_sms_that_comes_before_its_worker_has_the_answer_waits_for_it() {
    let cases = [
        (Fault::Delay, "delivered", true),
        (Fault::Unreachable, "failed undelivered", true),
        (Fault::OptedOut, "failed address-refused", false),
    ];
    for (fault, end, deliverable) in cases {
        let world = World::new().await;
        let receipts = Parts::of(&world).receipts(clock(&world));
        script(&world, Sms, fault, 1);
        let notice = add(&world, Sms, 1).await.remove(0).id;
        let worker = work_until(&world, notice, Moment::Called, clock(&world)).await;
        sleep(&world, SECOND);
        for report in reported(&world) {
            hand_on(&receipts, &report).await;
            // Which notice it is about only the worker knows.
            assert_eq!(state(&world, notice).await, "sending");
            hand_on(&receipts, &report).await;
        }
        worker.unwrap().wake().await;
        assert_eq!(state(&world, notice).await, end);
        assert_eq!(is_deliverable(&world, Sms).await, deliverable, "{fault:?}");
    }
}

#[tokio::test]
async fn a_report_that_comes_before_its_worker_has_stored_the_answer_is_not_taken_back() {
    let cases = [
        (Sms, Moment::Noted, Fault::Delay, "delivered"),
        (Sms, Moment::Noted, Fault::Unreachable, "failed undelivered"),
        (Sms, Moment::Noted, Fault::OptedOut, "failed address-refused"),
        // The worker has not even the answer.
        (Email, Moment::Called, Fault::Delay, "delivered"),
        (Email, Moment::Called, Fault::SoftBounce, "failed undelivered"),
        (Email, Moment::Called, Fault::Bounce, "failed address-refused"),
        (Email, Moment::Called, Fault::Complaint, "delivered"),
    ];
    for (channel, moment, fault, end) in cases {
        let world = World::new().await;
        let receipts = Parts::of(&world).receipts(clock(&world));
        script(&world, channel, fault, 1);
        let notice = add(&world, channel, 1).await.remove(0).id;
        let worker = work_until(&world, notice, moment, clock(&world)).await;
        sleep(&world, SECOND);
        for report in reported(&world) {
            hand_on(&receipts, &report).await;
        }
        let over = stored(&world, notice).await;
        assert_eq!(state(&world, notice).await, end, "{fault:?}");
        worker.unwrap().wake().await;
        assert_eq!(stored(&world, notice).await, over, "{fault:?}");
    }
}

#[tokio::test]
async fn of_an_e_mail_whose_worker_is_lost_or_whose_answer_is_lost_the_report_tells() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    for fault in [Fault::TimeoutAfter, Fault::Delay] {
        script(&world, Email, fault, 1);
        let notice = add_for(&world, WITH_BOTH, Email, 1).await.remove(0).id;
        lose_stream(&world);
        if fault == Fault::TimeoutAfter {
            notify::send(&parts.notify(clock(&world)), notice).await.unwrap();
        } else {
            let worker = work_until(&world, notice, Moment::Called, clock(&world)).await;
            worker.unwrap().lose().await;
            parts.minutes(&world, 2).await;
        }
        assert_eq!(state(&world, notice).await, "unknown");
        world.pass(1.minutes()).await;
        assert_eq!(state(&world, notice).await, "delivered");
        let told = world.stack.messages().accepted().len();
        // So the other channel has nothing to say.
        world.pass(4.days()).await;
        assert_eq!(world.stack.messages().accepted().len(), told);
        assert_eq!(accepted(&world, notice).len(), 1);
    }
}

#[tokio::test]
async fn an_sms_of_which_nothing_is_known_is_followed_and_a_late_report_of_it_changes_nothing_else() {
    let world = World::new().await;
    let notice = add_for(&world, WITH_BOTH, Sms, 1).await.remove(0).id;
    // It is stopped with the answer in its hand, and goes on after everybody has given it up.
    let worker = work_until(&world, notice, Moment::Called, clock(&world)).await;
    let report = {
        sleep(&world, SECOND);
        reported(&world).remove(0)
    };
    world.pass(2.hours()).await;
    assert_eq!(state(&world, notice).await, "unknown");
    worker.unwrap().wake().await;
    assert_eq!(state(&world, notice).await, "unknown");
    let told = world.stack.messages().accepted().len();
    assert_eq!(told, 2);
    hand_on(&Parts::of(&world).receipts(clock(&world)), &report).await;
    assert_eq!(state(&world, notice).await, "delivered");
    world.pass(4.days()).await;
    assert_eq!(world.stack.messages().accepted().len(), told);
}

#[tokio::test]
async fn whatever_their_order_and_number_reports_take_an_e_mail_to_one_end_and_never_back() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let receipts = parts.receipts(clock(&world));
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let cases = [
        // What is reported besides "Send" and "Delivery", the end, and whether the address is a good one.
        (Fault::Delay, "DeliveryDelay", "delivered", true),
        (Fault::Complaint, "Complaint", "delivered", false),
        // The stand-in does not report that an e-mail both arrives and bounces: written here.
        (Fault::Delay, "Bounce", "failed address-refused", false),
    ];
    for (fault, third, end, deliverable) in cases {
        for order in orders {
            let (notice, mut reports) = sent(&world, &parts, Email, fault).await;
            reports.sort_by_key(|report| {
                let known = ["Send", "Delivery"];
                known
                    .iter()
                    .position(|known| kind(report) == *known)
                    .unwrap_or(known.len())
            });
            if third == "Bounce" {
                reports[2] = bounced(&reports[1], "Permanent");
            }
            assert_eq!(
                reports.iter().map(kind).collect::<Vec<_>>(),
                ["Send", "Delivery", third]
            );
            let mut highest = 0;
            for report in order.into_iter().chain(order).map(|index| &reports[index]) {
                tokio::join!(hand_on(&receipts, report), hand_on(&receipts, report));
                let height = height(&state(&world, notice).await);
                assert!(height >= highest, "{third} {order:?}");
                highest = height;
            }
            assert_eq!(state(&world, notice).await, end, "{third} {order:?}");
            assert_eq!(is_deliverable(&world, Email).await, deliverable, "{third} {order:?}");
            say_again(&world, Email).await;
        }
    }
}

/// How far a notice has come.
fn height(state: &str) -> usize {
    let heights = ["sent", "delivered", "failed address-refused"];
    heights.iter().position(|height| *height == state).unwrap()
}

#[tokio::test]
async fn an_absence_notice_after_the_delivery_changes_nothing() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let (notice, reports) = sent(&world, &parts, Email, Fault::Delay).await;
    let receipts = parts.receipts(clock(&world));
    for report in &reports {
        hand_on(&receipts, report).await;
    }
    let delivered = stored(&world, notice).await;
    hand_on(&receipts, &bounced(&reports[0], "Transient")).await;
    assert_eq!(stored(&world, notice).await, delivered);
    assert!(is_deliverable(&world, Email).await);
}

#[tokio::test]
async fn a_report_that_is_three_days_late_is_noted_and_nobody_is_told_anew_after_the_deadline() {
    for (hours, told_by_email) in [(71, 1), (72, 0)] {
        let world = World::new().await;
        let receipts = Parts::of(&world).receipts(clock(&world));
        for (fault, end) in [(Fault::Delay, "delivered"), (Fault::Unreachable, "failed undelivered")] {
            script(&world, Sms, fault, 1);
            let notice = add_for(&world, WITH_BOTH, Sms, 1).await.remove(0).id;
            world.stack.settle().await.unwrap();
            sleep(&world, SECOND);
            let report = reported(&world).remove(0);
            sleep(&world, hours * HOUR - SECOND);
            world.stack.tick().await.unwrap();
            assert_eq!(state(&world, notice).await, "sent");
            hand_on(&receipts, &report).await;
            assert_eq!(state(&world, notice).await, end);
        }
        world.pass(1.days()).await;
        let mut told = world.stack.messages().accepted();
        told.retain(|message| message.channel == local::messages::Channel::Email);
        assert_eq!(told.len(), told_by_email, "{hours} hours");
    }
}

#[tokio::test]
async fn a_report_of_a_message_that_is_none_of_ours_changes_nothing() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let (_, reports) = sent(&world, &parts, Email, Fault::Bounce).await;
    // Somebody else in the account sends, too.
    script(&world, Sms, Fault::OptedOut, 1);
    let publish = parts.sns.publish().phone_number("+46701740657").message("Hi");
    publish.send().await.unwrap();
    sleep(&world, SECOND);
    let others = reported(&world);
    assert_eq!(others.len(), 1);
    let before = notices(&world).await;
    let receipts = parts.receipts(clock(&world));
    for report in reports {
        let of_another_notice = rewritten(&report, |event| {
            event["mail"]["tags"]["notice-id"] = json!([Uuid::new_v4()]);
        });
        let without_notice = rewritten(&report, |event| {
            event["mail"]["tags"]
                .as_object_mut()
                .unwrap()
                .remove("notice-id")
                .unwrap();
        });
        hand_on(&receipts, &of_another_notice).await;
        hand_on(&receipts, &without_notice).await;
    }
    hand_on(&receipts, &others[0]).await;
    assert_eq!(notices(&world).await, before);
    for channel in CHANNELS {
        assert!(is_deliverable(&world, channel).await);
    }
}

#[tokio::test]
async fn a_report_from_elsewhere_is_refused_and_does_not_come_again() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let (sms, mut reports) = sent(&world, &parts, Sms, Fault::OptedOut).await;
    let (email, of_email) = sent(&world, &parts, Email, Fault::Bounce).await;
    reports.extend(of_email);
    assert_eq!(reports.len(), 3);
    let before = notices(&world).await;

    // Whoever expects reports from there gets ours instead.
    let elsewhere = |text: &str| text.replace("123456789012", "210987654321");
    let ours = sources();
    let another_account = Sources {
        account: elsewhere(&ours.account),
        ..sources()
    };
    for report in &reports {
        hand_on(&parts.receipts_from(another_account.clone(), clock(&world)), report).await;
    }
    let another_source = Sources {
        email_topic: elsewhere(&ours.email_topic),
        sms_log_groups: ours.sms_log_groups.clone().map(|group| elsewhere(&group)),
        ..sources()
    };
    for report in &reports {
        hand_on(&parts.receipts_from(another_source.clone(), clock(&world)), report).await;
    }
    let another_set = Sources {
        configuration_set: "Newsletter".to_owned(),
        ..sources()
    };
    let only_arrivals = Sources {
        sms_log_groups: [ours.sms_log_groups[0].clone(), ours.sms_log_groups[0].clone()],
        ..sources()
    };
    hand_on(&parts.receipts_from(only_arrivals, clock(&world)), &reports[0]).await;
    for report in &reports[1..] {
        hand_on(&parts.receipts_from(another_set.clone(), clock(&world)), report).await;
    }
    assert_eq!(notices(&world).await, before);
    for channel in CHANNELS {
        assert!(is_deliverable(&world, channel).await);
    }

    for report in &reports {
        hand_on(&parts.receipts(clock(&world)), report).await;
    }
    for (notice, channel) in [(sms, Sms), (email, Email)] {
        assert_eq!(state(&world, notice).await, "failed address-refused");
        assert!(!is_deliverable(&world, channel).await);
    }
}

#[tokio::test]
async fn a_request_to_confirm_a_subscription_is_refused_and_does_not_come_again() {
    let world = World::new().await;
    let receipts = Parts::of(&world).receipts(clock(&world));
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        let envelope = json!({
            "Type": kind,
            "MessageId": Uuid::new_v4(),
            "Token": "2336412f37",
            "TopicArn": sources().email_topic,
            "Message": "You have chosen to subscribe to the topic. Visit the SubscribeURL included in this message.",
            "SubscribeURL": "https://sns.eu-north-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
            "Timestamp": "2026-03-02T09:00:00.000Z",
        });
        assert_eq!(receipts::handle(&receipts, notification(&envelope)).await, Ok(()));
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_read_comes_again_and_does_not_keep_its_neighbours_back() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let (notice, reports) = sent(&world, &parts, Email, Fault::Delay).await;
    let broken = rewritten(&reports[0], |event| event["eventType"] = "Teleported".into());
    let sns = |report: &Report| match report {
        Report::Email { envelope, .. } => json!({ "Sns": serde_json::from_str::<Value>(envelope).unwrap() }),
        Report::Sms { .. } => panic!("it is an e-mail"),
    };
    let records: Vec<_> = [&broken].into_iter().chain(&reports).map(sns).collect();
    let all = receipts::Event::try_from(json!({ "Records": records })).unwrap();
    let receipts = parts.receipts(clock(&world));
    assert!(receipts::handle(&receipts, all).await.is_err());
    assert_eq!(state(&world, notice).await, "delivered");
    assert!(receipts::handle(&receipts, event(&broken)).await.is_err());
}
