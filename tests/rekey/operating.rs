//! What an operator does to persons who were moved, or will be.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::ToSpan as _;
use mailbox_register::person::{PersonIdentifier, Population};
use operate::{
    command::How,
    erase,
    place::{Place, Where},
    restore::{self, Restoring},
};
use serde::Serialize;
use serde_json::{Value, json};
use stories::{
    OLA, World,
    tables::{back_up, lose},
};

use crate::scene::{
    D_NUMBER, House, KARI, ONLY_MOBILE, SHARING, Step, announce, assert_all_moved, history, items, left, look_up, pass,
    tell,
};

/// Never in the register: what a D-number gives way to.
const NEW_NUMBER: &str = "02907740652";

async fn place(world: &World) -> Place {
    let meant = Where {
        local: Some(world.stack.url().to_owned()),
        ..Where::default()
    };
    Place::open(&meant).await.unwrap()
}

fn printed(summary: &impl Serialize) -> Value {
    serde_json::to_value(summary).unwrap()
}

async fn set_contact(world: &World, person: &str, email: &str) {
    let contact = json!({ "mobile": "+46701740690", "email": email });
    let put = world.citizen(person).put("/v1/me/contact", &contact);
    put.key(email).send().await.expect(200);
    world.stack.settle().await.unwrap();
}

async fn erase(world: &World, person: &str, dry_run: bool) -> Value {
    let person = PersonIdentifier::parse(person, Population::Synthetic).unwrap();
    let erased = erase::run(&place(world).await, &person, &How::unseen(dry_run)).await;
    printed(&erased.unwrap())
}

async fn restore(world: &World, restoring: &Restoring, dry_run: bool) -> Value {
    let restored = restore::run(&place(world).await, restoring, &How::unseen(dry_run)).await;
    printed(&restored.unwrap())
}

/// What stands in a table under one of a person's keys, of either secret.
async fn under_keys(world: &World, table: &str, attribute: &str, person: &str) -> usize {
    let person = PersonIdentifier::parse(person, Population::Synthetic).unwrap();
    let keys: Vec<_> = Step::Switched.secrets().keys(&person).each().cloned().collect();
    let items = items(&world.stack, table).await;
    let are = |value: &AttributeValue| {
        let value = value.as_s().unwrap();
        keys.iter().any(|key| value.ends_with(key.as_str()))
    };
    items.iter().filter(|item| item.get(attribute).is_some_and(are)).count()
}

#[tokio::test]
async fn who_was_moved_is_erased_under_every_key_that_there_ever_was() {
    let house = House::new().await;
    set_contact(&house.world, D_NUMBER, "one@example.no").await;
    announce(&house.world, D_NUMBER, "before").await;
    look_up(&house.world, &[D_NUMBER], "For one").await;
    // The number is another one from now on; both entries are moved, and the newer one changes afterwards.
    let replaced = json!({ "event": "identifier-replaced", "old": D_NUMBER, "new": NEW_NUMBER });
    tell(&house.world, &replaced).await;
    set_contact(&house.world, NEW_NUMBER, "two@example.no").await;
    let house = house.deploy(Step::Known).await.deploy(Step::Switched).await;
    let house = house.rekeyed().await;
    set_contact(&house.world, NEW_NUMBER, "three@example.no").await;
    announce(&house.world, NEW_NUMBER, "after").await;
    let house = house.deploy(Step::After).await;

    let counted = erase(&house.world, NEW_NUMBER, true).await;
    let erased = erase(&house.world, NEW_NUMBER, false).await;
    assert_eq!((&erased["rows"], &erased["waiting"]), (&counted["rows"], &json!(0)));
    assert_eq!((&erased["entries"], &erased["anew"]), (&json!(2), &json!(2)));
    assert_eq!(erased["rows"]["LettersTable"], 2);
    for number in [D_NUMBER, NEW_NUMBER] {
        for (table, attribute) in [
            ("LettersTable", "person"),
            ("NoticesTable", "person"),
            ("CodesTable", "person"),
            ("RelationsTable", "relation"),
            ("AddressesTable", "person"),
        ] {
            assert_eq!(
                under_keys(&house.world, table, attribute, number).await,
                0,
                "{table} of {number}"
            );
        }
        // The last word alone.
        assert_eq!(under_keys(&house.world, "ChangesTable", "person", number).await, 1);
        assert_eq!(
            look_up(&house.world, &[number], "For two").await[0]["status"],
            "deleted"
        );
    }
    let again = erase(&house.world, D_NUMBER, false).await;
    assert_eq!((&again["entries"], &again["anew"]), (&json!(2), &json!(0)));
    assert_eq!(again["rows"]["ChangesTable"], 0);
}

#[tokio::test]
async fn who_is_erased_before_being_moved_stays_so_and_loses_no_last_word() {
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    assert_eq!(erase(&house.world, KARI, false).await["anew"], 1);
    let house = house.rekeyed().await;
    let again = erase(&house.world, KARI, false).await;
    assert_eq!((&again["entries"], &again["anew"]), (&json!(1), &json!(0)));
    assert_eq!(under_keys(&house.world, "ChangesTable", "person", KARI).await, 1);
}

/// A register that is backed up by then, moved and changed afterwards, and lost.
async fn lost_since(step: Step) -> (House, Restoring) {
    let house = House::new().await;
    set_contact(&house.world, OLA, "then@example.no").await;
    let house = house.deploy(Step::Known).await.deploy(Step::Switched).await;
    let then = Restoring {
        as_of: house.world.stack.clock().now(),
        register: back_up(&house.world, "register").await,
        everybody: false,
        notices: None,
        letters: None,
        lost_at: None,
        pace: 60_000.try_into().unwrap(),
    };
    let house = house.rekeyed().await;
    house.world.pass(1.hour()).await;
    set_contact(&house.world, OLA, "since@example.no").await;
    house
        .world
        .citizen(ONLY_MOBILE)
        .delete("/v1/me")
        .send()
        .await
        .expect(204);
    house.world.stack.settle().await.unwrap();
    assert_eq!(erase(&house.world, KARI, false).await["anew"], 1);
    house.world.stack.settle().await.unwrap();
    let house = if step == Step::Switched {
        house
    } else {
        house.deploy(step).await
    };
    lose(&house.world, "register", "person").await;
    (house, then)
}

#[tokio::test]
async fn who_was_moved_since_is_put_back_under_the_new_key_and_nothing_that_happened_under_it_is_forgotten() {
    for step in [Step::Switched, Step::After] {
        let (house, then) = lost_since(step).await;
        let world = &house.world;
        let shared = |found: &[Value]| found[0]["mobile"]["shared"].clone();
        let counted = restore(world, &then, true).await;
        let restored = restore(world, &then, false).await;
        assert_eq!(restored["failed"], 0, "{step:?}: {restored}");
        assert_eq!(
            (&restored["putBack"], &restored["putBackDeleted"]),
            (&counted["putBack"], &counted["putBackDeleted"])
        );
        assert_all_moved(&world.stack).await;
        let found = look_up(world, &[OLA, SHARING[0], ONLY_MOBILE, KARI], "For three").await;
        assert_eq!(found[0]["email"]["address"], "then@example.no");
        assert_eq!(shared(&found[..1]), false);
        assert_eq!(shared(&found[1..]), true);
        assert_eq!(
            (&found[2]["status"], &found[3]["status"]),
            (&json!("deleted"), &json!("deleted"))
        );
        // The history goes on from where it was, in order, under whichever key.
        let versions: Vec<_> = history(world, OLA, 2).await;
        let versions: Vec<_> = versions
            .iter()
            .map(|change| change["version"].as_u64().unwrap())
            .collect();
        assert_eq!(versions, [3, 2, 1], "{step:?}");
        // Done again it does nothing, and there is nobody left to be moved.
        let again = restore(world, &then, false).await;
        assert_eq!(
            (&again["putBack"], &again["putBackDeleted"], &again["vacated"]),
            (&json!(0), &json!(0), &json!(0)),
            "{step:?}: {again}"
        );
        if step == Step::Switched {
            assert_eq!(pass(&world.stack).await.found, 0);
            assert!(left(&world.stack).await.is_nobody());
        }
        set_contact(world, OLA, "next@example.no").await;
        // Whoever comes with the key of before is sent on.
        let ola = PersonIdentifier::parse(OLA, Population::Synthetic).unwrap();
        let before = Step::Before.secrets().person_key(&ola);
        let entries = infra_aws::register::Entries::new(world.stack.client().clone(), "register".to_owned());
        assert_eq!(
            entries.at(&before).await.unwrap().key,
            Step::After.secrets().person_key(&ola)
        );
    }
}

#[tokio::test]
async fn the_word_where_to_comes_back_as_well() {
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let house = house.rekeyed().await.deploy(Step::After).await;
    let world = &house.world;
    let then = Restoring {
        as_of: world.stack.clock().now(),
        register: back_up(world, "register").await,
        everybody: false,
        notices: None,
        letters: None,
        lost_at: None,
        pace: 60_000.try_into().unwrap(),
    };
    let all = items(&world.stack, "RegisterTable").await;
    for item in all.iter().filter(|item| item.contains_key("movedTo")) {
        let delete = world.stack.client().delete_item().table_name("register");
        delete.key("person", item["person"].clone()).send().await.unwrap();
    }
    let restored = restore(world, &then, false).await;
    let moved = all.iter().filter(|item| item.contains_key("movedTo")).count();
    assert_eq!(
        (&restored["earlierKeys"], &restored["putBack"]),
        (&json!(moved), &json!(0))
    );
    let back = items(&world.stack, "RegisterTable").await;
    assert_eq!(back.len(), all.len());
    assert!(all.iter().all(|item| back.contains(item)));
}
