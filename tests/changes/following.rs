//! What agencies and providers read.

use jiff::ToSpan as _;
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, DIGIPOST, EBOKS, OLA, World};

use crate::{end_of, read_on};

const ALL: [Scope; 3] = [Scope::ChangesRead, Scope::ContactRead, Scope::MailboxRead];
/// Has mailboxes with both providers, e-Boks' active.
const SOFIE: &str = "13527248013";
const KARI: &str = "22885399316";

fn events(changes: &[Value]) -> Vec<&Value> {
    changes.iter().map(|change| &change["events"]).collect()
}

#[tokio::test]
async fn a_switch_is_followed_by_the_agency_and_by_both_providers() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let [digipost, eboks] = [DIGIPOST, EBOKS].map(|provider| world.organisation(provider, &[Scope::ChangesRead]));
    let before = end_of(&agency).await;

    let sofie = world.citizen(SOFIE);
    let choice = json!({ "provider": "digipost" });
    sofie.put("/v1/me/mailbox", &choice).send().await.expect(200);
    world.stack.settle().await.unwrap();

    let seen = read_on(&agency, before, 100).await;
    assert_eq!(events(&seen), [&json!(["mailbox-activated"])]);
    assert_eq!(seen[0]["sequence"], before + 1);
    assert_eq!(seen[0]["person"]["person"], SOFIE);
    assert_eq!(seen[0]["person"]["mailbox"]["provider"], "digipost");
    assert!(seen[0].get("standing").is_none());

    for (provider, standing) in [(&digipost, "active"), (&eboks, "registered")] {
        let seen = read_on(provider, before, 100).await;
        assert_eq!(events(&seen), [&json!(["mailbox-activated"])]);
        assert_eq!(seen[0]["standing"], standing);
        // Neither contact details nor the other's mailbox.
        let person = json!({ "person": SOFIE, "status": "registered", "reserved": false });
        assert_eq!(seen[0]["person"], person);
    }
}

#[tokio::test]
async fn a_provider_learns_of_choices_of_its_own_and_of_nothing_else() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let [digipost, eboks] = [DIGIPOST, EBOKS].map(|provider| world.organisation(provider, &[Scope::ChangesRead]));
    let before = end_of(&digipost).await;
    let ola = world.citizen(OLA);
    ola.put("/v1/me/contact", &json!({ "mobile": "+46701740605" }))
        .send()
        .await
        .expect(200);
    ola.put("/v1/me/mailbox", &json!({ "provider": "e-boks" }))
        .send()
        .await
        .expect(202);
    // The choice of one ends that of the other.
    ola.put("/v1/me/mailbox", &json!({ "provider": "digipost" }))
        .send()
        .await
        .expect(202);
    ola.delete("/v1/me/mailbox").send().await.expect(200);
    world.stack.settle().await.unwrap();

    let seen = read_on(&eboks, before, 100).await;
    let pending = json!(["mailbox-choice-pending"]);
    assert_eq!(events(&seen), [&pending, &pending]);
    // What it reads is how things stand now.
    assert!(seen.iter().all(|change| change["standing"] == "none"));
    let seen = read_on(&digipost, before, 100).await;
    assert_eq!(events(&seen), [&pending, &json!(["mailbox-withdrawn"])]);
}

#[tokio::test]
async fn an_agency_sees_what_its_scopes_show() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let before = end_of(&world.organisation(AGENCY, &ALL)).await;
    let ola = world.citizen(OLA);
    ola.put("/v1/me/contact", &json!({ "mobile": "+46701740605" }))
        .send()
        .await
        .expect(200);
    ola.put("/v1/me/mailbox", &json!({ "provider": "e-boks" }))
        .send()
        .await
        .expect(202);
    ola.put("/v1/me/reservation", &json!({})).send().await.expect(200);
    world.stack.settle().await.unwrap();

    let seen = async |scopes: &[Scope]| {
        let agency = world.organisation(AGENCY, &[&[Scope::ChangesRead], scopes].concat());
        let seen = read_on(&agency, before, 100).await;
        let persons = seen.iter().map(|change| change["person"].clone());
        (
            events(&seen).into_iter().cloned().collect::<Vec<_>>(),
            persons.collect::<Vec<_>>(),
        )
    };
    let (events, persons) = seen(&[Scope::ContactRead]).await;
    assert_eq!(events, [json!(["registered", "contact-set"]), json!(["reserved"])]);
    assert!(
        persons
            .iter()
            .all(|person| person["reserved"] == true && person["mobile"]["number"] == "+46701740605")
    );
    let (events, persons) = seen(&[Scope::MailboxRead]).await;
    assert_eq!(
        events,
        [
            json!(["registered"]),
            json!(["mailbox-choice-pending"]),
            json!(["reserved"])
        ]
    );
    assert!(persons.iter().all(|person| person.get("mobile").is_none()));
    let (events, persons) = seen(&[]).await;
    assert_eq!(events, [json!(["registered"]), json!(["reserved"])]);
    assert_eq!(
        persons[0],
        json!({ "person": OLA, "status": "registered", "reserved": true })
    );
}

#[tokio::test]
async fn each_page_is_on_record_before_it_is_shown_and_an_empty_one_is_not() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let before = end_of(&agency).await;
    let records = world.disclosures().await.count();
    let page = agency
        .get(&format!("/v1/changes?after={before}"))
        .send()
        .await
        .expect(200);
    assert_eq!(page.body, json!({ "changes": [], "last": before, "more": false }));
    assert_eq!(world.disclosures().await.count(), records);

    let ola = world.citizen(OLA);
    ola.put("/v1/me/contact", &json!({ "mobile": "+46701740605" }))
        .send()
        .await
        .expect(200);
    ola.put("/v1/me/contact", &json!({ "language": "nn" }))
        .send()
        .await
        .expect(200);
    world.stack.settle().await.unwrap();
    agency
        .get(&format!("/v1/changes?after={before}"))
        .send()
        .await
        .expect(200);
    let after = world.disclosures().await;
    assert_eq!(after.count(), records + 1);
    let of_feed = |row: &&_| {
        let row: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> = row;
        row["purpose"].as_s().unwrap().contains("follow changes") && row["persons"].as_l().unwrap().len() == 1
    };
    assert!(after.items().iter().any(|row| of_feed(&row)));
}

#[tokio::test]
async fn a_deleted_person_is_deleted_and_nothing_more() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let before = end_of(&agency).await;
    world.citizen(SOFIE).delete("/v1/me").send().await.expect(204);
    world.stack.settle().await.unwrap();
    let seen = read_on(&agency, before, 100).await;
    assert_eq!(events(&seen), [&json!(["deleted"])]);
    assert_eq!(
        seen[0]["person"],
        json!({ "person": SOFIE, "status": "deleted", "reserved": false, "canBeNotified": false })
    );
    let eboks = world.organisation(EBOKS, &[Scope::ChangesRead]);
    let seen = read_on(&eboks, before, 100).await;
    assert_eq!(
        (events(&seen), &seen[0]["standing"]),
        (vec![&json!(["deleted"])], &json!("none"))
    );
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let end = end_of(&agency).await;
    for query in ["limit=0", "limit=1001", "after=-1", "after=x", "from=0", "mine=yes"] {
        let answer = agency.get(&format!("/v1/changes?{query}")).send().await;
        answer.problem(400, "invalid-parameter");
    }
    let answer = agency.get(&format!("/v1/changes?after={}", end + 1)).send().await;
    answer.problem(422, "unknown-place");
    let beyond = agency.request(reqwest::Method::POST, "/rest/v2/krr/hentEndringer");
    let beyond = beyond.json(&serde_json::json!({ "fraEndringsId": end + 1 }));
    beyond.send().await.problem(422, "unknown-place");
}

#[tokio::test]
async fn what_the_stream_lost_the_tick_brings() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let before = end_of(&agency).await;
    let ola = world.citizen(OLA);
    ola.put("/v1/me/contact", &json!({ "mobile": "+46701740605" }))
        .send()
        .await
        .expect(200);
    // As if the stream had given its record up.
    let stream = world.stack.database().stream("ChangesTable").unwrap();
    let record = stream.read(1000).unwrap().pop().unwrap();
    stream.handled(&record.sequence_number).unwrap();
    world.stack.settle().await.unwrap();
    assert_eq!(end_of(&agency).await, before);
    world.pass(2.minutes()).await;
    assert_eq!(
        events(&read_on(&agency, before, 10).await),
        [&json!(["registered", "contact-set"])]
    );
}

#[tokio::test]
async fn an_agency_may_follow_those_alone_whom_it_has_to_do_with() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let before = end_of(&agency).await;
    // By a look-up, by a letter; and the third person by neither.
    let lookup = json!({ "persons": [SOFIE], "purpose": "Decision on a building permit" });
    world.agency().post("/v1/lookups", &lookup).send().await.expect(200);
    let letter = json!({
        "person": OLA,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": false },
        "reference": "case-1", "legalNotice": true, "remind": false,
    });
    let sender = world.organisation(AGENCY, &[Scope::LettersWrite]);
    sender.post("/v1/letters", &letter).send().await.expect(202);
    // To be told of everybody by the feed is not to have to do with everybody.
    read_on(&agency, 0, 1000).await;
    world.stack.settle().await.unwrap();
    for person in [SOFIE, OLA, KARI] {
        let citizen = world.citizen(person);
        citizen.put("/v1/me/reservation", &json!({})).send().await.expect(200);
    }
    world.stack.settle().await.unwrap();
    let mine = async || {
        // An access token lasts no year.
        let agency = world.organisation(AGENCY, &ALL);
        let path = format!("/v1/changes?after={before}&mine=true&limit=1000");
        let page = agency.get(&path).send().await.expect(200).body;
        let changes = page["changes"].as_array().unwrap().iter();
        let persons = changes.map(|change| change["person"]["person"].as_str().unwrap().to_owned());
        (persons.collect::<Vec<_>>(), page["last"].clone())
    };
    // Whom it has to do with may not be known yet: what has just happened waits, and nothing is passed over.
    assert_eq!(mine().await, (Vec::new(), json!(before)));
    world.pass(6.minutes()).await;
    assert_eq!(
        mine().await,
        (vec![SOFIE.to_owned(), OLA.to_owned()], json!(before + 3))
    );
    world
        .stack
        .clock()
        .advance(jiff::SignedDuration::from_hours(24 * 390))
        .unwrap();
    assert_eq!(mine().await.0.len(), 2);
    world
        .stack
        .clock()
        .advance(jiff::SignedDuration::from_hours(24 * 10))
        .unwrap();
    // Thirteen months later the agency has nothing to do with them any more.
    assert_eq!(mine().await.0, Vec::<String>::new());
}

/// Nothing that anybody could see has happened: that it happened would tell why the entry is deleted.
#[tokio::test]
async fn who_has_left_and_then_dies_is_not_told_of_again() {
    let world = World::new().await;
    world.stack.settle().await.unwrap();
    let agency = world.organisation(AGENCY, &ALL);
    let before = end_of(&agency).await;
    let sofie = world.citizen(SOFIE);
    sofie.delete("/v1/me").send().await.expect(204);
    let event = json!({ "event": "died", "person": SOFIE });
    world
        .nobody()
        .post("/local/population", &event)
        .send()
        .await
        .expect(202);
    world.stack.settle().await.unwrap();
    world.pass(2.minutes()).await;
    assert_eq!(events(&read_on(&agency, before, 10).await), [&json!(["deleted"])]);
    // The person's own history knows of both.
    let history = sofie.get("/v1/me/history").send().await.expect(200).body;
    let deletions = history["changes"].as_array().unwrap().iter();
    let deletions = deletions.filter(|change| change["events"] == json!([{ "event": "deleted" }]));
    assert_eq!(deletions.count(), 2);
}
