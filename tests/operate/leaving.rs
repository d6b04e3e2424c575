//! A provider leaves the market.

use jiff::ToSpan as _;
use local::messages::Message;
use mailbox_register::caller::Scope;
use operate::{
    command::How,
    provider_leaves::{self, Leave, LeaveError, Then},
};
use serde_json::{Value, json};
use stories::{EBOKS, OLA, World};

use crate::{KARI, changes, look_up, of, place, printed, sent};

/// Mailboxes with e-Boks, which is the active one, and Digipost.
const SOFIE: &str = "13527248013";
const HER_MOBILE: &str = "+46701740611";
/// Chose e-Boks, which has no mailbox for the person yet.
const WAITING: &str = "41664061188";
const THEIR_MOBILE: &str = "+46701740610";
const OLAS_MOBILE: &str = "+46701740690";

fn leave(then: Then) -> Leave {
    Leave {
        provider: "e-boks".parse().unwrap(),
        by: "2026-03-20".parse().unwrap(),
        then,
        pace: 60_000.try_into().unwrap(),
    }
}

fn to_digipost() -> Leave {
    leave(Then {
        to: Some("digipost".parse().unwrap()),
        to_only_other: false,
        end: false,
    })
}

/// Has a mobile, and a mailbox with e-Boks alone.
async fn register_ola(world: &World) {
    let contact = json!({ "mobile": OLAS_MOBILE, "language": "en" });
    let put = world.citizen(OLA).put("/v1/me/contact", &contact);
    put.send().await.expect(200);
    let mailbox = json!({ "person": OLA, "address": "ola.nordmann#9YDT" });
    let post = world.provider(EBOKS).post("/v1/mailboxes", &mailbox);
    post.send().await.expect(201);
    world.stack.settle().await.unwrap();
}

async fn run(world: &World, leave: &Leave, dry_run: bool) -> Value {
    let left = provider_leaves::run(&place(world).await, leave, &How::unseen(dry_run)).await;
    printed(&left.unwrap())
}

/// What people were told of it.
async fn told(world: &World) -> Vec<Message> {
    sent(world, "provider-leaves").await
}

#[tokio::test]
async fn everybody_is_moved_or_has_to_choose_and_is_told_once() {
    let world = World::new().await;
    register_ola(&world).await;
    let providers = [Scope::ChangesRead];
    let (_, seen) = changes(&world, EBOKS, &providers, 0).await;
    let before = look_up(&world, SOFIE).await;

    let counted = run(&world, &to_digipost(), true).await;
    assert_eq!(counted["were"], json!({ "active": 2, "pending": 1 }));
    assert_eq!(counted["moved"], json!({ "digipost": 1 }));
    assert_eq!((&counted["ended"], &counted["told"]["sms"]), (&json!(2), &json!(3)));
    world.pass(1.minute()).await;
    assert_eq!(look_up(&world, SOFIE).await, before);
    assert!(told(&world).await.is_empty());

    let mut done = run(&world, &to_digipost(), false).await;
    assert_eq!(
        (done["dryRun"].take(), counted["dryRun"].as_bool()),
        (json!(false), Some(true))
    );
    done["dryRun"] = json!(true);
    assert_eq!(done, counted);
    world.pass(1.minute()).await;
    let mailbox = &look_up(&world, SOFIE).await["mailbox"];
    assert_eq!(mailbox["provider"], "digipost");
    assert_eq!(look_up(&world, OLA).await["mailbox"], Value::Null);
    let me = world.citizen(WAITING).get("/v1/me").send().await.expect(200);
    assert_eq!(me.body["pendingChoice"], Value::Null);
    let told_now = told(&world).await;
    let mut numbers: Vec<_> = told_now.iter().map(|message| message.to.as_str()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [THEIR_MOBILE, HER_MOBILE, OLAS_MOBILE]);
    let text = |to: &str| told_now.iter().find(|message| message.to == to).unwrap().text.clone();
    assert!(text(HER_MOBILE).contains("e-Boks slutter 2026-03-20. Postkassen din er Digipost."));
    assert!(text(OLAS_MOBILE).contains("e-Boks ends as digital mailbox on 2026-03-20."));

    // Again it finds nobody, and nobody is told again.
    let again = run(&world, &to_digipost(), false).await;
    assert_eq!(again["were"], json!({}));
    world.pass(1.day()).await;
    assert_eq!(told(&world).await.len(), 3);

    // The person reads who it was, and the provider how it stands with her.
    let history = world.citizen(SOFIE).get("/v1/me/history").send().await.expect(200);
    let last = &history.body["changes"][0];
    assert_eq!(last["by"], "operator");
    let expected = json!([
        { "event": "mailbox-provider-leaves", "provider": "e-boks", "on": "2026-03-20" },
        { "event": "mailbox-activated", "provider": "digipost", "before": "e-boks" },
    ]);
    assert_eq!(last["events"], expected);
    let (since, _) = changes(&world, EBOKS, &providers, seen).await;
    let standing = |person| of(&since, person)[0]["standing"].clone();
    assert_eq!(
        (standing(SOFIE), standing(WAITING)),
        (json!("registered"), json!("none"))
    );
}

#[tokio::test]
async fn from_the_day_on_it_can_be_chosen_by_nobody_and_its_mailboxes_are_closed() {
    let world = World::new().await;
    register_ola(&world).await;
    run(&world, &to_digipost(), false).await;
    let choose = |person| {
        let choice = json!({ "provider": "e-boks" });
        world.citizen(person).put("/v1/me/mailbox", &choice)
    };
    // Until then somebody may still choose it, and is moved on the day.
    world.pass(2.minutes()).await;
    choose(KARI).send().await.expect(202);
    let before = told(&world).await.len();
    world.pass(18.days()).await;
    choose(SOFIE).send().await.problem(422, "unknown-provider");
    let mailbox = json!({ "person": KARI, "address": "kari.nordmann#9YDT" });
    let register = world.provider(EBOKS).post("/v1/mailboxes", &mailbox);
    assert_eq!(register.send().await.status, 403);

    let done = run(&world, &to_digipost(), false).await;
    assert_eq!(done["were"], json!({ "pending": 1, "registered": 2 }));
    world.pass(1.minute()).await;
    assert_eq!(told(&world).await.len(), before + 1);
    let me = world.citizen(SOFIE).get("/v1/me").send().await.expect(200);
    assert_eq!(me.body["mailboxes"].as_array().unwrap().len(), 1);
    assert_eq!(run(&world, &to_digipost(), false).await["were"], json!({}));
}

#[tokio::test]
async fn at_night_nobody_is_told_and_whoever_chooses_meanwhile_has_chosen() {
    let world = World::new().await;
    register_ola(&world).await;
    world.pass(13.hours()).await;
    run(&world, &to_digipost(), false).await;
    world.pass(1.minute()).await;
    assert!(told(&world).await.is_empty());
    world.citizen(SOFIE).delete("/v1/me/mailbox").send().await.expect(200);
    assert_eq!(run(&world, &to_digipost(), false).await["were"], json!({}));
    world.pass(12.hours()).await;
    let told = told(&world).await;
    let mut numbers: Vec<_> = told.iter().map(|message| message.to.as_str()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [THEIR_MOBILE, OLAS_MOBILE]);
}

#[tokio::test]
async fn a_run_that_was_stopped_goes_on_where_it_was() {
    let world = World::new().await;
    register_ola(&world).await;
    let how = How::unseen(false);
    how.stop.ask();
    let stopped = provider_leaves::run(&place(&world).await, &to_digipost(), &how).await;
    let stopped = printed(&stopped.unwrap());
    assert_eq!((&stopped["stopped"], &stopped["were"]), (&json!(true), &json!({})));
    let done = run(&world, &to_digipost(), false).await;
    assert_eq!(done["were"], json!({ "active": 2, "pending": 1 }));
}

#[tokio::test]
async fn nobody_is_moved_to_whom_nobody_can_choose() {
    let world = World::new().await;
    let place = place(&world).await;
    let to = |to: &str| {
        leave(Then {
            to: Some(to.parse().unwrap()),
            to_only_other: false,
            end: false,
        })
    };
    let how = How::unseen(false);
    let unknown = provider_leaves::run(&place, &to("posten"), &how).await;
    assert!(matches!(unknown, Err(LeaveError::Unknown(_))));
    let itself = provider_leaves::run(&place, &to("e-boks"), &how).await;
    assert!(matches!(itself, Err(LeaveError::NotInForce(_))));
}
