//! Entries, letters and notices are lost, and put back from a moment before.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{Timestamp, ToSpan as _};
use mailbox_register::{
    caller::Scope,
    person::{PersonIdentifier, Population},
};
use operate::{
    command::How,
    erase,
    restore::{self, RestoreError, Restoring},
};
use reqwest::Method;
use serde_json::{Value, json};
use stories::{
    AGENCY, EBOKS, OLA, World,
    tables::{back_up, lose, rows},
};

use crate::{KARI, ONLY_EMAIL, ONLY_MOBILE, UNKNOWN, announce, changes, look_up, of, place, printed};

/// Has a fresh mobile.
const HALF_STALE: &str = "11836566604";
const EMAIL: &str = "ola.then@example.no";
const AGENCYS: [Scope; 3] = [Scope::ContactRead, Scope::MailboxRead, Scope::ChangesRead];

async fn set_contact(world: &World, person: &str, contact: &Value) -> u64 {
    let put = world.citizen(person).put("/v1/me/contact", contact);
    let answer = put.send().await.expect(200);
    answer.etag().trim_matches('"').parse().unwrap()
}

async fn version(world: &World, person: &str) -> u64 {
    let me = world.citizen(person).get("/v1/me").send().await.expect(200);
    me.etag().trim_matches('"').parse().unwrap()
}

fn restoring(as_of: Timestamp, register: &str) -> Restoring {
    Restoring {
        as_of,
        register: register.to_owned(),
        everybody: false,
        notices: None,
        letters: None,
        lost_at: None,
        pace: 60_000.try_into().unwrap(),
    }
}

async fn run(world: &World, restoring: &Restoring, dry_run: bool) -> Value {
    let restored = restore::run(&place(world).await, restoring, &How::unseen(dry_run)).await;
    printed(&restored.unwrap())
}

#[tokio::test]
async fn what_was_lost_comes_back_nothing_is_sent_again_and_who_was_erased_stays_so() {
    let world = World::new().await;
    let mobile = "+46701740690";
    set_contact(
        &world,
        OLA,
        &json!({ "mobile": mobile, "email": EMAIL, "language": "en" }),
    )
    .await;
    let mailbox = json!({ "person": OLA, "address": "ola.nordmann#9YDT" });
    world
        .provider(EBOKS)
        .post("/v1/mailboxes", &mailbox)
        .send()
        .await
        .expect(201);
    announce(&world, OLA, "case-1", "2026-03-02T09:00:00Z").await;
    announce(&world, KARI, "case-2", "2026-03-02T09:30:00Z").await;
    announce(&world, HALF_STALE, "case-3", "2026-03-02T09:30:00Z").await;
    world.stack.settle().await.unwrap();
    let as_of = world.stack.clock().now();
    let mut then = restoring(as_of, &back_up(&world, "register").await);
    then.letters = Some(back_up(&world, "letters").await);
    then.notices = Some(back_up(&world, "notices").await);

    // Life goes on: letters are told of, people change and leave, somebody comes in.
    world.pass(1.hour()).await;
    let last = set_contact(&world, OLA, &json!({ "mobile": mobile, "email": "ola.now@example.no" })).await;
    world.citizen(ONLY_MOBILE).delete("/v1/me").send().await.expect(204);
    let kari = PersonIdentifier::parse(KARI, Population::Synthetic).unwrap();
    erase::run(&place(&world).await, &kari, &How::unseen(false))
        .await
        .unwrap();
    let died = json!({ "event": "died", "person": ONLY_EMAIL });
    let tell = world.nobody().request(Method::POST, "/local/population").json(&died);
    tell.send().await.expect(202);
    set_contact(&world, UNKNOWN, &json!({ "mobile": "+46701740692" })).await;
    world.pass(10.minutes()).await;
    let (_, seen) = changes(&world, AGENCY, &AGENCYS, 0).await;
    let before = world.outbox().await;

    for (table, key) in [("register", "person"), ("letters", "id"), ("notices", "id")] {
        lose(&world, table, key).await;
    }
    world.pass(5.minutes()).await;
    then.lost_at = Some(world.stack.clock().now());
    world.pass(5.minutes()).await;
    assert_eq!(look_up(&world, OLA).await["status"], "not-registered");

    let counted = run(&world, &then, true).await;
    assert!(rows(&world, "register").await.is_empty());
    let restored = run(&world, &then, false).await;
    assert_eq!(
        (&restored["putBackDeleted"], &restored["cameInSince"]),
        (&counted["putBackDeleted"], &json!(1))
    );
    assert_eq!(restored["failed"], 0, "{restored}");
    // One letter's first word was out then, another's went out since; the third was to whom is erased.
    assert_eq!(restored["letters"], 2);
    assert_eq!(
        (&restored["notices"]["waiting"], &restored["notices"]["unknown"]),
        (&json!(2), &json!(1))
    );

    assert_eq!(look_up(&world, OLA).await["email"]["address"], EMAIL);
    assert!(version(&world, OLA).await > last);
    for gone in [ONLY_MOBILE, KARI, ONLY_EMAIL] {
        assert_eq!(look_up(&world, gone).await["status"], "deleted");
    }
    let dead = json!({ "person": ONLY_EMAIL, "address": "per.nordmann#9YDT" });
    world
        .provider(EBOKS)
        .post("/v1/mailboxes", &dead)
        .send()
        .await
        .problem(409, "deleted");
    // Whoever follows the changes goes on from where it was, and hears of it.
    let (since, _) = changes(&world, AGENCY, &AGENCYS, seen).await;
    assert_eq!(of(&since, OLA)[0]["events"], json!(["restored"]));
    // The address that she left since is free again, and hers is her own.
    assert!(restored["vacated"].as_u64() >= Some(2), "{restored}");
    // Whoever came in since has to come in again, and can.
    assert_eq!(look_up(&world, UNKNOWN).await["status"], "not-registered");
    assert_eq!(
        set_contact(&world, UNKNOWN, &json!({ "mobile": "+46701740692" })).await,
        1
    );

    // All that was to come still comes, once; nothing that came before does.
    world.pass(8.days()).await;
    let after = world.outbox().await;
    let new: Vec<_> = after[before.len()..]
        .iter()
        .filter_map(|message| message.kind.as_deref())
        .collect();
    assert_eq!(new, ["code", "letter-reminder", "letter-reminder"]);
    let notices: Vec<_> = after.iter().filter_map(|message| message.notice_id.clone()).collect();
    assert_eq!(notices.iter().collect::<BTreeSet<_>>().len(), notices.len());

    // Done again it does nothing.
    let again = run(&world, &then, false).await;
    assert_eq!(
        (&again["putBack"], &again["putBackDeleted"], &again["cameInSince"]),
        (&json!(0), &json!(0), &json!(0))
    );
    let known = version(&world, OLA).await;
    let next = set_contact(&world, OLA, &json!({ "mobile": "+46701740693" })).await;
    assert_eq!(next, known + 1);
}

#[tokio::test]
async fn what_was_written_over_is_undone_where_that_is_wanted() {
    let world = World::new().await;
    set_contact(&world, OLA, &json!({ "email": EMAIL })).await;
    world.stack.settle().await.unwrap();
    let then = restoring(world.stack.clock().now(), &back_up(&world, "register").await);
    world.pass(1.hour()).await;
    set_contact(&world, OLA, &json!({ "email": "somebody.else@example.no" })).await;
    world.citizen(ONLY_MOBILE).delete("/v1/me").send().await.expect(204);
    // An entry that cannot be read, of which the version is left.
    let kari = PersonIdentifier::parse(KARI, Population::Synthetic).unwrap();
    let kari = world.stack.secret().person_key(&kari);
    let spoil = world.stack.client().update_item().table_name("register");
    let spoil = spoil.key("person", AttributeValue::S(kari.as_str().to_owned()));
    let spoil = spoil.update_expression("SET entry = :nothing");
    let spoil = spoil.expression_attribute_values(":nothing", AttributeValue::S("spoilt".to_owned()));
    spoil.send().await.unwrap();
    world.pass(1.minute()).await;

    let lost = run(&world, &then, false).await;
    assert_eq!((&lost["putBack"], &lost["failed"]), (&json!(1), &json!(0)), "{lost}");
    assert_eq!(look_up(&world, KARI).await["email"]["shared"], false);
    assert_eq!(
        look_up(&world, OLA).await["email"]["address"],
        "somebody.else@example.no"
    );
    let everybody = Restoring {
        everybody: true,
        ..then
    };
    let undone = run(&world, &everybody, false).await;
    assert_eq!(
        (&undone["putBack"], &undone["putBackDeleted"]),
        (&json!(1), &json!(0)),
        "{undone}"
    );
    assert_eq!(look_up(&world, OLA).await["email"]["address"], EMAIL);
    assert_eq!(look_up(&world, ONLY_MOBILE).await["status"], "deleted");
    // Nobody else has that address any more: it is not shared with who takes it.
    set_contact(&world, UNKNOWN, &json!({ "email": "somebody.else@example.no" })).await;
    assert_eq!(look_up(&world, UNKNOWN).await["email"]["shared"], false);
}

#[tokio::test]
async fn a_moment_that_has_not_come_is_refused() {
    let world = World::new().await;
    let ahead = "2026-04-01T00:00:00Z".parse().unwrap();
    let refused = restore::run(&place(&world).await, &restoring(ahead, "register"), &How::unseen(false)).await;
    assert!(matches!(refused, Err(RestoreError::Ahead(_))));
}
