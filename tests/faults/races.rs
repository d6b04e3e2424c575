//! Writers who meet at one entry: no update is lost, and one mailbox is active. And those who meet at one letter: whoever
//! has opened it is not told of it.

use jiff::ToSpan as _;
use local::{
    database_faults::{Fault, Rule},
    persons::synthetic,
};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, DIGIPOST, EBOKS, OLA, World};

use crate::{confirmations, entry, faults, fragile_with_ola, mailbox_of, version};

const TRANSACTION: &str = "TransactWriteItems";
const ROUNDS: usize = 20;

/// The mailboxes by provider: address and state.
fn mailboxes(entry: &Value) -> Vec<(&str, &str, &str)> {
    let mut mailboxes: Vec<_> = entry["mailboxes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mailbox| {
            let text = |name: &str| mailbox[name].as_str().unwrap();
            (text("provider"), text("address"), text("state"))
        })
        .collect();
    mailboxes.sort_unstable();
    mailboxes
}

#[tokio::test]
async fn of_two_writers_on_one_version_one_is_told_that_it_is_no_longer_so() {
    let world = fragile_with_ola().await;
    let ola = world.citizen(OLA);
    let seen = ola.get("/v1/me").send().await.etag();
    let choose = |provider: &str| {
        let request = ola.put("/v1/me/mailbox", &json!({ "provider": provider }));
        request.if_match(&seen)
    };
    // The first has read the entry and stands before its write when the second is done.
    faults(&world).script(Rule::new(Fault::Held).on(TRANSACTION).times(1));
    let (first, second) = (choose("e-boks"), choose("digipost"));
    let second = async {
        faults(&world).held(1).await;
        let answer = second.send().await;
        faults(&world).let_go();
        answer
    };
    let (first, second) = tokio::join!(first.send(), second);
    second.expect(202);
    first.problem(412, "precondition-failed");
    assert_eq!(entry(&world, OLA).await.body["pendingChoice"]["provider"], "digipost");
    assert_eq!(version(&world, OLA).await, 2);
}

#[tokio::test]
async fn a_change_made_between_reading_and_writing_is_not_overwritten() {
    let world = fragile_with_ola().await;
    let (ola, eboks, digipost) = (world.citizen(OLA), world.provider(EBOKS), world.provider(DIGIPOST));
    for (provider, address) in [(&eboks, "ola.nordmann#9YDT"), (&digipost, "ola.nordmann#4ABC")] {
        let request = provider.post("/v1/mailboxes", &mailbox_of(OLA, address));
        request.send().await.expect(201);
    }
    // e-Boks has read that it is the active one, and updates its mailbox; meanwhile Ola switches.
    faults(&world).script(Rule::new(Fault::Held).on(TRANSACTION).times(1));
    let update = eboks.post("/v1/mailboxes", &mailbox_of(OLA, "ola.nordmann#NEW1"));
    let switch = async {
        faults(&world).held(1).await;
        let switch = ola.put("/v1/me/mailbox", &json!({ "provider": "digipost" }));
        switch.send().await.expect(200);
        faults(&world).let_go();
    };
    let (updated, ()) = tokio::join!(update.send(), switch);
    assert_eq!(updated.expect(200).body["active"], false);
    assert_eq!(
        mailboxes(&entry(&world, OLA).await.body),
        [
            ("digipost", "ola.nordmann#4ABC", "active"),
            ("e-boks", "ola.nordmann#NEW1", "registered")
        ]
    );
}

#[tokio::test]
async fn of_two_providers_at_once_both_are_registered_and_one_is_active() {
    let world = World::new().await;
    let (eboks, digipost) = (world.provider(EBOKS), world.provider(DIGIPOST));
    for (round, person) in synthetic().take(ROUNDS).enumerate() {
        let contact = json!({ "email": format!("person{round}@example.no") });
        let citizen = world.citizen(&person);
        citizen.put("/v1/me/contact", &contact).send().await.expect(200);
        let body = mailbox_of(&person, "somebody#9YDT");
        let requests = [
            eboks.post("/v1/mailboxes", &body),
            digipost.post("/v1/mailboxes", &body),
        ];
        let (first, second) = tokio::join!(requests[0].send(), requests[1].send());
        let active = [first, second].map(|answer| answer.expect(201).body["active"].as_bool().unwrap());

        let entry = entry(&world, &person).await;
        let state = |active| if active { "active" } else { "registered" };
        assert_ne!(active[0], active[1]);
        assert_eq!(
            mailboxes(&entry.body),
            [
                ("digipost", "somebody#9YDT", state(active[1])),
                ("e-boks", "somebody#9YDT", state(active[0]))
            ]
        );
        assert_eq!(entry.etag(), "\"3\"");
    }
    assert_eq!(confirmations(&world).await.len(), ROUNDS);
}

#[tokio::test]
async fn a_citizen_who_switches_while_both_providers_update_loses_nothing() {
    let world = World::new().await;
    let (eboks, digipost) = (world.provider(EBOKS), world.provider(DIGIPOST));
    for person in synthetic().skip(ROUNDS).take(ROUNDS) {
        for provider in [&eboks, &digipost] {
            let request = provider.post("/v1/mailboxes", &mailbox_of(&person, "somebody#9YDT"));
            request.send().await.expect(201);
        }
        let updates = [
            eboks.post("/v1/mailboxes", &mailbox_of(&person, "somebody#EBOK")),
            digipost.post("/v1/mailboxes", &mailbox_of(&person, "somebody#DIGI")),
        ];
        let citizen = world.citizen(&person);
        let switch = citizen.put("/v1/me/mailbox", &json!({ "provider": "digipost" }));
        let contact = citizen.put("/v1/me/contact", &json!({ "email": "somebody@example.no" }));
        let (first, second, switch, contact) =
            tokio::join!(updates[0].send(), updates[1].send(), switch.send(), contact.send());
        for answer in [first, second, switch, contact] {
            answer.expect(200);
        }
        let entry = entry(&world, &person).await;
        assert_eq!(
            mailboxes(&entry.body),
            [
                ("digipost", "somebody#DIGI", "active"),
                ("e-boks", "somebody#EBOK", "registered")
            ]
        );
        assert_eq!(entry.body["email"]["address"], "somebody@example.no");
        assert_eq!(entry.etag(), "\"6\"");
    }
}

#[tokio::test]
async fn a_letter_that_is_opened_while_its_message_is_handed_over_is_not_told_of() {
    // The first word, and the reminder.
    for (notice, an_hour_before) in [(0, 23.hours()), (1, 7.days().hours(23))] {
        let world = fragile_with_ola().await;
        let agency = || world.organisation(AGENCY, &[Scope::LettersWrite]);
        let letter = json!({
            "person": OLA,
            "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
            "reference": "2026/1",
            "availableFrom": "2026-03-03T09:00:00Z",
            "legalNotice": true,
            "remind": true,
        });
        let announced = agency().post("/v1/letters", &letter).send().await.expect(202);
        let path = format!("/v1/letters/{}", announced.body["id"].as_str().unwrap());
        world.pass(an_hour_before).await;
        let before = world.outbox().await.len();
        // A worker has marked the message as being sent, so that nobody else can call it off, and looks at the letter a
        // second time; meanwhile Ola opens it.
        faults(&world).script(Rule::new(Fault::Held).on("GetItem").of("letters").after(1).times(1));
        let open = async {
            faults(&world).held(1).await;
            let opened = agency().post(&format!("{path}/opened"), &json!({})).send().await;
            assert_eq!(opened.expect(200).body["notices"][notice]["state"], "planned");
            faults(&world).let_go();
        };
        tokio::join!(world.pass(2.hours()), open);
        let letter = agency().get(&path).send().await.expect(200).body;
        assert_eq!(letter["notices"][notice]["state"], "cancelled");
        assert_eq!(world.outbox().await.len(), before);
    }
}
