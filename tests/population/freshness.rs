//! Whoever has not said for sixteen months that contact details are right is reminded, once.

use std::collections::BTreeMap;

use jiff::{SignedDuration, ToSpan as _};
use local::{
    messages::{Channel, Fault, Message, ScriptedFault},
    stack::Options,
};
use serde_json::json;
use stories::{OLA, World, start_of_time};

use crate::{ONLY_MOBILE, RESERVED, died, sent, tell};

const KIND: &str = "freshness-reminder";
const EMAIL: &str = "ola@example.no";
const MOBILE: &str = "+46701740699";

async fn register_ola(world: &World) {
    let contact = json!({ "mobile": MOBILE, "email": EMAIL, "language": "en" });
    world
        .citizen(OLA)
        .put("/v1/me/contact", &contact)
        .send()
        .await
        .expect(200);
}

/// All reminders that went out.
async fn reminders(world: &World) -> Vec<Message> {
    let all = world.outbox().await.into_iter();
    all.filter(|message| message.kind.as_deref() == Some(KIND)).collect()
}

#[tokio::test]
async fn ola_is_reminded_after_sixteen_months_and_again_sixteen_after_confirming() {
    let world = World::new().await;
    register_ola(&world).await;
    let before = world.citizen(OLA).get("/v1/me").send().await.expect(200);
    assert_eq!(before.body["email"]["freshUntil"], "2027-09-02T08:00:00Z");
    world.pass(15.months().days(29)).await;
    assert_eq!(sent(&world, KIND, EMAIL).await.len(), 0);
    world.pass(1.days()).await;
    let [reminder] = sent(&world, KIND, EMAIL).await.try_into().unwrap();
    assert_eq!(reminder.channel, Channel::Email);
    assert!(reminder.text.contains("within two months"), "{}", reminder.text);
    assert_eq!(sent(&world, KIND, MOBILE).await.len(), 0);

    let ola = world.citizen(OLA);
    let history = ola.get("/v1/me/history?limit=1").send().await.expect(200);
    assert_eq!(
        history.body["changes"][0]["events"],
        json!([{ "event": "freshness-reminded", "channels": ["sms", "email"] }])
    );
    assert_eq!(history.body["changes"][0]["by"], "register");

    world.pass(1.months()).await;
    assert_eq!(sent(&world, KIND, EMAIL).await.len(), 1);
    let confirmed = world.citizen(OLA).post("/v1/me/contact/confirm", &json!({}));
    let confirmed = confirmed.send().await.expect(200);
    assert_eq!(confirmed.body["email"]["freshUntil"], "2029-02-02T09:00:00Z");
    world.pass(15.months()).await;
    assert_eq!(sent(&world, KIND, EMAIL).await.len(), 1);
    world.pass(1.months()).await;
    assert_eq!(sent(&world, KIND, EMAIL).await.len(), 2);
    // Nobody is told twice, nor that it is too late.
    world.pass(10.months()).await;
    assert_eq!(sent(&world, KIND, EMAIL).await.len(), 2);
    let stale = world.citizen(OLA).get("/v1/me").send().await.expect(200);
    assert_eq!(stale.body["canBeNotified"], false);
}

#[tokio::test]
async fn each_is_written_to_in_the_own_language_where_messages_arrive() {
    let world = World::new().await;
    // The test persons said two months ago that their details are right.
    world.pass(17.months()).await;
    let mut told: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for reminder in reminders(&world).await {
        told.entry(reminder.to.clone()).or_default().push(reminder);
    }
    assert!(told.values().all(|messages| messages.len() == 1), "{told:?}");
    let text = |to: &str| told.get(to).map(|messages| messages[0].text.as_str());
    assert!(text("mahtte@example.no").unwrap().contains("Almmolaš suorgi"));
    assert!(text("kari@example.no").unwrap().contains("Det offentlige"));
    // By SMS to whoever has no e-mail; by e-mail to whom no SMS reaches, and to the reserved.
    assert!(text("+46701740606").unwrap().contains("Det offentlige"));
    assert!(text("olav@example.no").is_some() && text("+46701740613").is_none());
    assert!(text("anne@example.no").is_some(), "{RESERVED} is reserved");
    // Too late for one, and the other has left.
    assert_eq!((text("lars@example.no"), text("nils@example.no")), (None, None));
}

#[tokio::test]
async fn nobody_is_reminded_at_night() {
    let world = World::new().await;
    world.stack.clock().advance(SignedDuration::from_hours(12)).unwrap();
    register_ola(&world).await;
    world.pass(16.months().hours(10)).await;
    assert_eq!(sent(&world, KIND, EMAIL).await.len(), 0);
    world.pass(1.hours()).await;
    assert_eq!(sent(&world, KIND, EMAIL).await.len(), 1);
    let [only_mobile] = sent(&world, KIND, "+46701740606").await.try_into().unwrap();
    assert_eq!(only_mobile.channel, Channel::Sms, "{ONLY_MOBILE}");
}

#[tokio::test]
async fn two_ticks_at_once_remind_once() {
    let world = World::new().await;
    register_ola(&world).await;
    world
        .stack
        .clock()
        .set("2027-07-02T10:00:00Z".parse().unwrap())
        .unwrap();
    let (one, other) = tokio::join!(world.stack.tick(), world.stack.tick());
    one.unwrap();
    other.unwrap();
    world.stack.tick().await.unwrap();
    assert_eq!(sent(&world, KIND, EMAIL).await.len(), 1);
    let told = reminders(&world).await;
    let mut addresses: Vec<_> = told.iter().map(|reminder| &reminder.to).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), told.len());
}

#[tokio::test]
async fn a_wave_is_spread_over_the_minutes() {
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        parameters: BTreeMap::from([("RemindersPerMinute", "2".to_owned())]),
        ..Options::default()
    })
    .await;
    world
        .stack
        .clock()
        .set("2027-06-02T10:00:00Z".parse().unwrap())
        .unwrap();
    let mut told = Vec::new();
    for minute in 1..=10 {
        world.stack.tick().await.unwrap();
        told.push(reminders(&world).await.len());
        assert!(told[minute - 1] <= 2 * minute, "{told:?}");
    }
    assert_eq!(told[..4], [2, 4, 6, 8]);
    assert_eq!(told[8], told[9], "{told:?}");
}

#[tokio::test]
async fn whoever_says_meanwhile_that_details_are_right_or_dies_is_not_reminded() {
    for dies in [false, true] {
        let world = World::new().await;
        let contact = json!({ "mobile": MOBILE });
        world
            .citizen(OLA)
            .put("/v1/me/contact", &contact)
            .send()
            .await
            .expect(200);
        // The reminder waits: SNS has no room.
        world
            .stack
            .clock()
            .set("2027-07-02T10:00:00Z".parse().unwrap())
            .unwrap();
        world.stack.messages().script(ScriptedFault {
            channel: Channel::Sms,
            fault: Fault::Throttle,
            count: 50,
        });
        world.stack.tick().await.unwrap();
        if dies {
            tell(&world, &died(OLA)).await;
        } else {
            let confirm = world.citizen(OLA).post("/v1/me/contact/confirm", &json!({}));
            confirm.send().await.expect(200);
        }
        world.pass(6.hours()).await;
        assert_eq!(sent(&world, KIND, MOBILE).await.len(), 0, "dies: {dies}");
        assert!(!reminders(&world).await.is_empty());
    }
}

#[tokio::test]
async fn an_undeliverable_email_gives_way_to_sms() {
    let world = World::new().await;
    register_ola(&world).await;
    world
        .stack
        .clock()
        .set("2027-07-02T10:00:00Z".parse().unwrap())
        .unwrap();
    world.stack.messages().script(ScriptedFault {
        channel: Channel::Email,
        fault: Fault::Reject,
        count: 50,
    });
    world.stack.tick().await.unwrap();
    world.pass(2.hours()).await;
    assert_eq!(sent(&world, KIND, MOBILE).await.len(), 1);
}
