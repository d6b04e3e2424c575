//! Addresses that nothing reaches: nobody writes there again until the person says that they are right.

use jiff::{SignedDuration, ToSpan as _};
use local::messages::{self, Fault};
use mailbox_register::contact::Channel::{self, Email, Sms};
use serde_json::{Value, json};
use stories::{EBOKS, World};

use crate::{
    reporting::{hand_on, reported},
    scene::{
        EMAIL, MOBILE, Parts, WITH_BOTH, accepted, add, add_for, clock, notices, person_with, script, sleep, state,
        state_of,
    },
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

const fn field(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "mobile",
        Channel::Email => "email",
    }
}

/// Whether the address of whoever has that channel alone is a good one, as the person and an agency see it.
pub(crate) async fn is_deliverable(world: &World, channel: Channel) -> bool {
    let person = person_with(channel);
    let me = world.citizen(person).get("/v1/me").send().await.expect(200);
    let lookup = json!({ "persons": [person], "purpose": "Decision on a building permit" });
    let found = world.agency().post("/v1/lookups", &lookup).send().await.expect(200);
    let seen = [&me.body, &found.body["results"][0]].map(|seen| seen[field(channel)]["deliverable"].as_bool().unwrap());
    assert_eq!(seen[0], seen[1]);
    seen[0]
}

/// The person says anew that the address is right.
pub(crate) async fn say_again(world: &World, channel: Channel) {
    let address = match channel {
        Channel::Sms => MOBILE,
        Channel::Email => EMAIL,
    };
    let contact = json!({ field(channel): address });
    let citizen = world.citizen(person_with(channel));
    citizen.put("/v1/me/contact", &contact).send().await.expect(200);
}

/// What happened last to the person's entry, and by whom.
async fn last_change(world: &World, channel: Channel) -> (Value, Value) {
    let citizen = world.citizen(person_with(channel));
    let history = citizen.get("/v1/me/history").send().await.expect(200);
    let last = &history.body["changes"][0];
    (last["by"].clone(), last["events"].clone())
}

/// A message that this befalls, and what is reported of it.
async fn told_while(world: &World, channel: Channel, fault: Fault) -> String {
    script(world, channel, fault, 1);
    let notice = add(world, channel, 1).await.remove(0).id;
    world.stack.settle().await.unwrap();
    sleep(world, SECOND);
    world.stack.settle().await.unwrap();
    let end = state(world, notice).await;
    let told = accepted(world, notice).len();
    // That was the end of it.
    world.pass(4.days()).await;
    assert_eq!(
        (state(world, notice).await, accepted(world, notice).len()),
        (end.clone(), told)
    );
    end
}

#[tokio::test]
async fn an_address_that_is_refused_for_good_is_marked_and_not_tried_again() {
    let cases = [
        (Sms, Fault::OptedOut, "failed address-refused"),
        (Sms, Fault::InvalidNumber, "failed address-refused"),
        // Refused by the call itself.
        (Sms, Fault::Reject, "failed address-refused"),
        // Suppressed, and not there.
        (Email, Fault::OptedOut, "failed address-refused"),
        (Email, Fault::Bounce, "failed address-refused"),
        (Email, Fault::Reject, "failed address-refused"),
        // Whoever calls it spam has got it, and wants no more.
        (Email, Fault::Complaint, "delivered"),
    ];
    for (channel, fault, end) in cases {
        let world = World::new().await;
        assert!(is_deliverable(&world, channel).await);
        assert_eq!(told_while(&world, channel, fault).await, end, "{fault:?}");
        assert!(!is_deliverable(&world, channel).await, "{fault:?}");
        let marked = json!([{ "event": "contact-undeliverable", "channel": channel.as_str() }]);
        assert_eq!(
            last_change(&world, channel).await,
            (json!("register"), marked),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_message_that_fails_says_nothing_of_its_address() {
    let cases = [
        (Sms, Fault::Unreachable, "failed undelivered"),
        (Sms, Fault::SpendLimit, "failed undelivered"),
        (Sms, Fault::Complaint, "delivered"),
        (Sms, Fault::NoReport, "sent"),
        (Email, Fault::SoftBounce, "failed undelivered"),
        (Email, Fault::SpendLimit, "failed undelivered"),
        (Email, Fault::Delay, "delivered"),
        (Email, Fault::NoReport, "sent"),
    ];
    for (channel, fault, end) in cases {
        let world = World::new().await;
        let before = last_change(&world, channel).await;
        assert_eq!(told_while(&world, channel, fault).await, end, "{channel:?} {fault:?}");
        assert!(is_deliverable(&world, channel).await, "{channel:?} {fault:?}");
        assert_eq!(last_change(&world, channel).await, before);
    }
}

#[tokio::test]
async fn whoever_stops_the_messages_has_got_the_one_that_was_answered_and_gets_no_other() {
    let world = World::new().await;
    assert_eq!(told_while(&world, Sms, Fault::Complaint).await, "delivered");
    assert!(is_deliverable(&world, Sms).await);
    let next = add(&world, Sms, 1).await.remove(0).id;
    world.pass(1.minutes()).await;
    assert_eq!(state(&world, next).await, "failed address-refused");
    assert!(!is_deliverable(&world, Sms).await);
}

#[tokio::test]
async fn saving_the_address_anew_makes_it_a_good_one() {
    for (channel, fault) in [(Sms, Fault::InvalidNumber), (Email, Fault::Bounce)] {
        let world = World::new().await;
        told_while(&world, channel, fault).await;
        say_again(&world, channel).await;
        assert!(is_deliverable(&world, channel).await);
        let again = json!([{ "event": "contact-deliverable-again", "channel": channel.as_str() }]);
        assert_eq!(last_change(&world, channel).await, (json!("citizen"), again));
        assert_eq!(told_while(&world, channel, Fault::Delay).await, "delivered");
        assert!(is_deliverable(&world, channel).await);
    }
}

#[tokio::test]
async fn a_code_that_arrives_makes_the_address_a_good_one() {
    for (channel, sent_by, fault) in [
        (Sms, messages::Channel::Sms, Fault::InvalidNumber),
        (Email, messages::Channel::Email, Fault::Bounce),
    ] {
        let world = World::new().await;
        told_while(&world, channel, fault).await;
        let citizen = world.citizen(person_with(channel));
        let send = json!({ "channel": channel.as_str() });
        citizen.post("/v1/me/contact/validate", &send).send().await.expect(202);
        assert!(!is_deliverable(&world, channel).await);
        let code = json!({ "channel": channel.as_str(), "code": world.last_code(sent_by).await });
        citizen.post("/v1/me/contact/validate", &code).send().await.expect(200);
        assert!(is_deliverable(&world, channel).await);
        let proved = json!([{ "event": "contact-validated", "channel": channel.as_str() }]);
        assert_eq!(last_change(&world, channel).await, (json!("citizen"), proved));
    }
}

#[tokio::test]
async fn a_report_of_a_former_address_says_nothing_of_the_new_one() {
    for (channel, fault, contact) in [
        (Sms, Fault::OptedOut, json!({ "mobile": "+46701740658" })),
        (Email, Fault::Bounce, json!({ "email": "per.ny@example.no" })),
    ] {
        let world = World::new().await;
        script(&world, channel, fault, 1);
        let notice = add(&world, channel, 1).await.remove(0).id;
        world.stack.settle().await.unwrap();
        let citizen = world.citizen(person_with(channel));
        citizen.put("/v1/me/contact", &contact).send().await.expect(200);
        world.pass(1.minutes()).await;
        assert_eq!(state(&world, notice).await, "failed address-refused");
        assert!(is_deliverable(&world, channel).await);
    }
}

#[tokio::test]
async fn a_report_that_comes_again_does_not_undo_what_the_person_has_said_since() {
    for (channel, fault) in [(Sms, Fault::InvalidNumber), (Email, Fault::Bounce)] {
        let world = World::new().await;
        let receipts = Parts::of(&world).receipts(clock(&world));
        script(&world, channel, fault, 1);
        add(&world, channel, 1).await;
        world.stack.settle().await.unwrap();
        sleep(&world, SECOND);
        let reports = reported(&world);
        for report in &reports {
            hand_on(&receipts, report).await;
        }
        assert!(!is_deliverable(&world, channel).await);
        sleep(&world, SignedDuration::from_hours(1));
        say_again(&world, channel).await;
        for report in &reports {
            hand_on(&receipts, report).await;
        }
        assert!(is_deliverable(&world, channel).await, "{channel:?}");
    }
}

#[tokio::test]
async fn whoever_cannot_be_reached_by_sms_is_told_by_e_mail_at_once_and_from_then_on() {
    let world = World::new().await;
    script(&world, Sms, Fault::OptedOut, 1);
    let notice = add_for(&world, WITH_BOTH, Sms, 1).await.remove(0).id;
    world.stack.settle().await.unwrap();
    sleep(&world, SECOND);
    world.stack.settle().await.unwrap();
    let ends: Vec<_> = notices(&world)
        .await
        .iter()
        .map(|told| (told.follows, state_of(told)))
        .collect();
    assert_eq!(ends.len(), 2);
    assert!(ends.contains(&(None, "failed address-refused".to_owned())));
    assert!(ends.contains(&(Some(notice), "sent".to_owned())));

    let mailbox = json!({ "person": WITH_BOTH, "address": "kari.nordmann#9YDT" });
    let registered = world.provider(EBOKS).post("/v1/mailboxes", &mailbox);
    registered.send().await.expect(201);
    let choice = json!({ "provider": "e-boks" });
    world
        .citizen(WITH_BOTH)
        .put("/v1/me/mailbox", &choice)
        .send()
        .await
        .expect(200);
    let outbox = world.outbox().await;
    let told: Vec<_> = outbox.iter().map(|message| message.channel).collect();
    assert_eq!(
        told,
        [
            messages::Channel::Sms,
            messages::Channel::Email,
            messages::Channel::Email
        ]
    );
}
