//! What people do and what happens to them, in the middle of it.

use jiff::ToSpan as _;
use local::messages::{Channel, Message};
use serde_json::json;
use stories::{DIGIPOST, EBOKS, OLA, World};

use crate::scene::{
    ALL_CHANGES, D_NUMBER, DELETED, House, KARI, ONLY_MOBILE, ONLY_MOBILE_NUMBER, SHARING, SOFIE, Step, UNKNOWN,
    announce, assert_all_moved, changes, history, look_up, pass, purposes, tell,
};

/// Messages of a kind to an address.
async fn sent(world: &World, kind: &str, to: &str) -> usize {
    let outbox = world.outbox().await.into_iter();
    let these = |message: &Message| message.to == to && message.kind.as_deref() == Some(kind);
    outbox.filter(these).count()
}

#[tokio::test]
async fn a_letter_of_before_is_told_of_once_and_reminded_of_after_the_old_secret_is_gone() {
    let house = House::new().await;
    let id = announce(&house.world, ONLY_MOBILE, "before").await;
    assert_eq!(sent(&house.world, "letter-arrived", ONLY_MOBILE_NUMBER).await, 1);

    // Announced again, whichever secret is the current one, it is the same letter.
    let house = house.deploy(Step::Known).await;
    assert_eq!(announce(&house.world, ONLY_MOBILE, "before").await, id);
    let known = announce(&house.world, KARI, "while known").await;
    let house = house.deploy(Step::Switched).await;
    assert_eq!(announce(&house.world, ONLY_MOBILE, "before").await, id);
    assert_eq!(announce(&house.world, KARI, "while known").await, known);
    let house = house.rekeyed().await;
    assert_eq!(announce(&house.world, ONLY_MOBILE, "before").await, id);
    let moved = announce(&house.world, SOFIE, "moved").await;
    assert_eq!(sent(&house.world, "letter-arrived", ONLY_MOBILE_NUMBER).await, 1);

    let house = house.deploy(Step::After).await;
    assert_eq!(announce(&house.world, SOFIE, "moved").await, moved);
    house.world.pass(8.days()).await;
    assert_eq!(sent(&house.world, "letter-reminder", ONLY_MOBILE_NUMBER).await, 1);
}

#[tokio::test]
async fn a_code_under_way_proves_the_number_after_the_person_was_moved() {
    let house = House::new().await.deploy(Step::Known).await;
    let set = json!({ "mobile": "+46701740690" });
    for person in [OLA, KARI] {
        house
            .world
            .citizen(person)
            .put("/v1/me/contact", &set)
            .send()
            .await
            .expect(200);
    }
    let of_kari = house.world.last_code(Channel::Sms).await;
    let house = house.deploy(Step::Switched).await.rekeyed().await;
    let validate = |code: &str| json!({ "channel": "sms", "code": code });
    let post = house
        .world
        .citizen(KARI)
        .post("/v1/me/contact/validate", &validate(&of_kari));
    let entry = post.send().await.expect(200);
    assert!(entry.body["mobile"]["validatedAt"].is_string());
    // Once.
    let again = house
        .world
        .citizen(KARI)
        .post("/v1/me/contact/validate", &validate(&of_kari));
    again.send().await.problem(422, "wrong-code");
    // Another one waits its minute, as if nothing had happened, and then takes the place of the first.
    let ola = house.world.citizen(OLA);
    let ask = json!({ "channel": "sms" });
    ola.post("/v1/me/contact/validate", &ask)
        .send()
        .await
        .problem(429, "too-many-requests");
    house.world.pass(2.minutes()).await;
    ola.post("/v1/me/contact/validate", &ask).send().await.expect(202);
    let code = house.world.last_code(Channel::Sms).await;
    let house = house.deploy(Step::After).await;
    let post = house
        .world
        .citizen(OLA)
        .post("/v1/me/contact/validate", &validate(&code));
    post.send().await.expect(200);
}

#[tokio::test]
async fn who_shares_an_address_is_right_while_some_are_moved_and_some_are_not() {
    let shared = async |world: &World, persons: &[&str]| -> Vec<bool> {
        let found = look_up(world, persons, "For a decision").await;
        found.iter().map(|person| person["mobile"]["shared"] == true).collect()
    };
    let set = |number: Option<&str>| json!({ "mobile": number, "email": "somebody@example.no" });
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let world = &house.world;
    // Ola comes in under the new key; the other one has the number under the old one.
    let put = |person: &str, number| world.citizen(person).put("/v1/me/contact", &set(number));
    put(OLA, Some(ONLY_MOBILE_NUMBER)).send().await.expect(200);
    assert_eq!(shared(world, &[OLA, ONLY_MOBILE]).await, [true, true]);
    put(OLA, None).send().await.expect(200);
    assert_eq!(shared(world, &[ONLY_MOBILE]).await, [false]);
    put(OLA, Some(ONLY_MOBILE_NUMBER)).send().await.expect(200);
    assert_eq!(shared(world, &SHARING).await, [true, true]);
    let house = house.rekeyed().await;
    let world = &house.world;
    assert_eq!(shared(world, &[OLA, ONLY_MOBILE]).await, [true, true]);
    assert_eq!(shared(world, &SHARING).await, [true, true]);
    let house = house.deploy(Step::After).await;
    let world = &house.world;
    let put = |person: &str, number| world.citizen(person).put("/v1/me/contact", &set(number));
    put(OLA, None).send().await.expect(200);
    put(SHARING[0], Some("+46701740690")).send().await.expect(200);
    assert_eq!(shared(world, &[ONLY_MOBILE, SHARING[0], SHARING[1]]).await, [false; 3]);
}

#[tokio::test]
async fn who_was_looked_up_by_whichever_key_and_number_reads_all_of_it() {
    let looked_up = async |world: &World, persons: &[&str], purpose: &str| {
        look_up(world, persons, purpose).await;
        world.pass(1.seconds()).await;
    };
    let house = House::new().await;
    looked_up(&house.world, &[KARI, D_NUMBER, OLA], "For one").await;
    // One number is replaced before, and its person looked up by it ever after.
    let event = json!({ "event": "identifier-replaced", "old": D_NUMBER, "new": UNKNOWN });
    tell(&house.world, &event).await;
    looked_up(&house.world, &[D_NUMBER], "For two").await;
    let house = house.deploy(Step::Known).await;
    looked_up(&house.world, &[KARI, D_NUMBER, OLA], "For three").await;
    let house = house.deploy(Step::Switched).await;
    looked_up(&house.world, &[KARI, D_NUMBER, OLA], "For four").await;
    for limit in [1, 2, 100] {
        let all = ["For four", "For three", "For two", "For one"];
        assert_eq!(purposes(&house.world, UNKNOWN, limit).await, all);
        assert_eq!(
            purposes(&house.world, OLA, limit).await,
            ["For four", "For three", "For one"]
        );
    }
    // Who was looked up before there was an entry comes in now.
    let set = json!({ "email": "ola@example.no" });
    house
        .world
        .citizen(OLA)
        .put("/v1/me/contact", &set)
        .send()
        .await
        .expect(200);
    let house = house.rekeyed().await;
    looked_up(&house.world, &[KARI, D_NUMBER, OLA], "For five").await;
    let house = house.deploy(Step::After).await;
    looked_up(&house.world, &[KARI, D_NUMBER, OLA], "For six").await;
    for limit in [1, 2, 5, 100] {
        let all = ["For six", "For five", "For four", "For three", "For two", "For one"];
        assert_eq!(purposes(&house.world, UNKNOWN, limit).await, all, "{limit}");
        let without_two = ["For six", "For five", "For four", "For three", "For one"];
        assert_eq!(purposes(&house.world, KARI, limit).await, without_two, "{limit}");
        assert_eq!(purposes(&house.world, OLA, limit).await, without_two, "{limit}");
    }
}

#[tokio::test]
async fn numbers_are_replaced_in_the_middle_of_it() {
    const THIRD: &str = "11836566604";
    let replaced = |old: &str, new: &str| json!({ "event": "identifier-replaced", "old": old, "new": new });
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let world = &house.world;
    let before = look_up(world, &[D_NUMBER], "For one").await;
    let of_old = history(world, D_NUMBER, 100).await.len();
    world.pass(1.seconds()).await;
    // From a key of the old secret to one of the new: nobody had the new number.
    tell(world, &replaced(D_NUMBER, OLA)).await;
    let find = async |world: &World| look_up(world, &[D_NUMBER, OLA], "For more").await;
    let after = find(world).await;
    assert_eq!(after[0]["status"], "deleted");
    let mut expected = before[0].clone();
    expected["person"] = json!(OLA);
    assert_eq!(after[1], expected);
    // Both under keys of the old one, and then a third, who died.
    tell(world, &replaced(SOFIE, ONLY_MOBILE)).await;
    tell(world, &json!({ "event": "died", "person": THIRD })).await;
    tell(world, &json!({ "event": "died", "person": UNKNOWN })).await;
    let of_new = history(world, OLA, 100).await;
    assert_eq!(of_new.len(), of_old + 2);
    let mailboxes = world.citizen(ONLY_MOBILE).get("/v1/me").send().await.expect(200).body["mailboxes"].clone();
    assert_eq!(mailboxes.as_array().unwrap().len(), 2);

    let house = house.rekeyed().await.deploy(Step::After).await;
    let world = &house.world;
    assert_eq!(find(world).await, after);
    for limit in [1, 2, 3] {
        assert_eq!(history(world, OLA, limit).await, of_new, "{limit}");
    }
    // The message comes once more, and says nothing new; the next number takes over from there.
    let version = world.citizen(OLA).get("/v1/me").send().await.expect(200).etag();
    tell(world, &replaced(D_NUMBER, OLA)).await;
    assert_eq!(
        world.citizen(OLA).get("/v1/me").send().await.expect(200).etag(),
        version
    );
    tell(world, &replaced(OLA, DELETED)).await;
    assert_eq!(look_up(world, &[DELETED], "For more").await[0]["status"], "registered");
    assert_eq!(look_up(world, &[THIRD], "For more").await[0]["status"], "deleted");
    assert_eq!(purposes(world, DELETED, 100).await.last().unwrap(), "For one");
    // No provider brings in who died without an entry.
    let mailbox = json!({ "person": UNKNOWN, "address": "somebody#9YDT" });
    let post = world.provider(EBOKS).post("/v1/mailboxes", &mailbox);
    post.send().await.problem(409, "deleted");
    assert_all_moved(&world.stack).await;
}

#[tokio::test]
async fn a_number_that_gave_way_to_one_that_nobody_had_leads_to_whoever_comes_in_by_it() {
    let house = House::new().await;
    // The old number has nobody either.
    let event = json!({ "event": "identifier-replaced", "old": UNKNOWN, "new": OLA });
    tell(&house.world, &event).await;
    let house = house.deploy(Step::Known).await.deploy(Step::Switched).await;
    let set = json!({ "email": "ola@example.no" });
    house
        .world
        .citizen(OLA)
        .put("/v1/me/contact", &set)
        .send()
        .await
        .expect(200);
    // Told twice it is the same, though the key that was noted is one of before.
    tell(&house.world, &event).await;
    let house = house.rekeyed().await.deploy(Step::After).await;
    tell(&house.world, &event).await;
    assert_eq!(
        look_up(&house.world, &[OLA], "For one").await[0]["status"],
        "registered"
    );
    let died = json!({ "event": "died", "person": UNKNOWN });
    tell(&house.world, &died).await;
    assert_eq!(look_up(&house.world, &[OLA], "For one").await[0]["status"], "deleted");
}

#[tokio::test]
async fn an_agency_follows_those_it_looked_up_by_the_old_key_through_the_new_one() {
    let house = House::new().await;
    look_up(&house.world, &[KARI], "For one").await;
    house.world.stack.settle().await.unwrap();
    house.world.pass(10.minutes()).await;
    let seen = async |world: &World| {
        let changes = changes(world, &ALL_CHANGES, true).await;
        assert!(changes.iter().all(|change| change["person"]["person"] == KARI));
        changes.len()
    };
    let before = seen(&house.world).await;
    assert!(before > 0);
    let house = house.rotated().await;
    assert_eq!(seen(&house.world).await, before);
    let put = house
        .world
        .citizen(KARI)
        .put("/v1/me/contact", &json!({ "language": "nn" }));
    put.send().await.expect(200);
    house.world.stack.settle().await.unwrap();
    house.world.pass(10.minutes()).await;
    assert_eq!(seen(&house.world).await, before + 1);
}

#[tokio::test]
async fn whom_the_feed_lacks_a_change_of_is_moved_once_it_has_it() {
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let put = house
        .world
        .citizen(KARI)
        .put("/v1/me/contact", &json!({ "language": "nn" }));
    put.send().await.expect(200);
    let counts = pass(&house.world.stack).await;
    assert_eq!((counts.waiting, counts.moved + 1), (1, counts.found));
    house.world.stack.settle().await.unwrap();
    let put = house
        .world
        .citizen(KARI)
        .put("/v1/me/contact", &json!({ "language": "en" }));
    put.send().await.expect(200);
    let house = house.rekeyed().await;
    let of_kari = changes(&house.world, &ALL_CHANGES, false).await;
    let of_kari = of_kari.iter().filter(|change| change["person"]["person"] == KARI);
    let events: Vec<_> = of_kari.map(|change| change["events"].clone()).collect();
    assert_eq!(
        events[events.len() - 2..],
        [json!(["language-set"]), json!(["language-set"])]
    );
}

#[tokio::test]
async fn a_reminder_of_freshness_finds_whoever_was_moved() {
    let house = House::new().await.rotated().await;
    house.world.pass(17.months()).await;
    assert!(sent(&house.world, "freshness-reminder", ONLY_MOBILE_NUMBER).await == 1);
}

#[tokio::test]
async fn a_provider_knows_its_own_mailboxes_by_either_key() {
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let mailbox = |person: &str| json!({ "person": person, "address": "somebody#9YDT" });
    let register = async |world: &World, person: &str, status| {
        let post = world.provider(DIGIPOST).post("/v1/mailboxes", &mailbox(person));
        post.send().await.expect(status);
    };
    // Known before, known by nobody, and known to have left.
    register(&house.world, KARI, 200).await;
    register(&house.world, UNKNOWN, 201).await;
    let left = house.world.provider(DIGIPOST).post("/v1/mailboxes", &mailbox(DELETED));
    left.send().await.problem(409, "deleted");
    let house = house.rekeyed().await.deploy(Step::After).await;
    for person in [KARI, UNKNOWN] {
        register(&house.world, person, 200).await;
    }
    let close = json!({ "person": KARI });
    let post = house.world.provider(DIGIPOST).post("/v1/mailboxes/close", &close);
    post.send().await.expect(200);
}
