//! Every way to learn something of a person is seen by that person.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use local::tokens::{AUDIENCE, Issuer, MASKINPORTEN_ISSUER, Signing};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, EBOKS, World};

use crate::{KARI, RESERVED, SOFIE, UNKNOWN, look_up, seen, wait};

/// Another agency, which calls on the first one's behalf.
const SUPPLIER: &str = "974760673";

/// What tells somebody of a person: all of it is walked below.
const DISCLOSING: [&str; 9] = [
    "/v1/lookups",
    "/v1/changes",
    "/rest/v1/personer",
    "/rest/v2/personer",
    "/rest/v2/krr/hentEndringer",
    "/v1/letters",
    "/v1/mailboxes",
    "/v1/mailboxes/eligibility",
    "/v1/batches",
];

/// What does not, and why.
const OTHERS: [(&str, &str); 20] = [
    ("/rest/v1/person", "own"),
    ("/rest/v2/printSertifikat", "tells of nobody"),
    ("/.well-known/jwks.json", "tells of nobody"),
    ("/v1/me", "own"),
    ("/v1/me/contact", "own"),
    ("/v1/me/contact/confirm", "own"),
    ("/v1/me/contact/validate", "own"),
    ("/v1/me/mailbox", "own"),
    ("/v1/me/reservation", "own"),
    ("/v1/me/history", "own"),
    ("/v1/me/disclosures", "own"),
    (
        "/v1/mailboxes/close",
        "tells a provider of its own mailbox, and is in the history",
    ),
    ("/v1/providers", "tells of nobody"),
    ("/v1/openapi.json", "tells of nobody"),
    ("/v1/letters/{id}", "covered by the letter's record"),
    ("/v1/letters/{id}/opened", "tells the register"),
    ("/v1/letters/{id}/cancel", "tells the register"),
    ("/v1/batches/{id}", "covered by its pieces' records"),
    ("/v1/batches/{id}/approve", "tells the register"),
    ("/v1/batches/{id}/cancel", "tells the register"),
];

#[test]
fn of_every_route_it_is_known_whether_it_tells_of_a_person() {
    let known: BTreeSet<&str> = DISCLOSING.into_iter().chain(OTHERS.map(|(path, _)| path)).collect();
    let all = [&register::PATHS[..], &lookup::PATHS, &letters::PATHS, &batches::PATHS].concat();
    for path in all {
        assert!(known.contains(path), "does {path} tell somebody of a person?");
    }
}

/// The agency, called for by its supplier.
fn supplied(world: &World) -> Caller<'_> {
    let tokens = world.stack.tokens();
    let now = world.stack.clock().now().as_second();
    let id = |number: &str| json!({ "authority": "iso6523-actorid-upis", "ID": format!("0192:{number}") });
    let header = json!({ "alg": "RS256", "kid": tokens.key_id(Issuer::Maskinporten) });
    let claims = json!({
        "iss": MASKINPORTEN_ISSUER, "aud": AUDIENCE, "consumer": id(AGENCY), "supplier": id(SUPPLIER),
        "delegation_source": "https://www.altinn.no", "scope": Scope::MailboxRead.as_str(), "client_id": "client",
        "iat": now, "exp": now + 100, "jti": "1",
    });
    let token = tokens.mint_raw(&header, &claims, Signing::Key(Issuer::Maskinporten));
    world.bearer(&token.unwrap())
}

fn letter(person: &str, reference: &str) -> Value {
    json!({
        "person": person,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
        "reference": reference,
        "legalNotice": true,
        "remind": true,
    })
}

/// The agency sends a file in which Sofie has two rows, and gets its result.
async fn send_file(world: &World, order: &Value) {
    let agency = world.organisation(AGENCY, &[Scope::Batches]);
    let asked = agency.post("/v1/batches", order).send().await.expect(201);
    let file = format!("person,reference\n{SOFIE},a\n{UNKNOWN},b\n{SOFIE},c\nnobody,d\n");
    world.upload(&asked, file).await;
    world.stack.settle().await.unwrap();
    let path = format!("/v1/batches/{}", asked.body["id"].as_str().unwrap());
    let batch = agency.get(&path).send().await.expect(200);
    assert_eq!(batch.body["state"], "done", "{}", batch.body);
}

#[tokio::test]
async fn whoever_is_told_of_a_person_in_whatever_way_is_seen_by_that_person() {
    let world = World::with(local::stack::Options {
        frozen_at: Some(stories::start_of_time()),
        parameters: [("FileHoldPercent", "100".to_owned())].into(),
        ..local::stack::Options::default()
    })
    .await;
    let a_second = || wait(&world, SignedDuration::from_secs(1));
    let eboks = world.provider(EBOKS);
    let agency = json!({ "number": AGENCY, "name": "Digitaliseringsdirektoratet" });
    let provider = json!({ "number": EBOKS, "name": "e-Boks" });
    let mut expected = Vec::new();
    let mut expect = |organisation: &Value, purpose: &str, fields: &[&str], supplier: Option<&Value>| {
        let mut entry = json!({
            "at": world.stack.clock().now(), "organisation": organisation, "purpose": purpose, "fields": fields,
        });
        if let Some(supplier) = supplier {
            entry["supplier"] = supplier.clone();
        }
        expected.insert(0, entry);
        a_second();
    };

    let about = json!({ "person": SOFIE });
    eboks.post("/v1/mailboxes/eligibility", &about).send().await.expect(200);
    let purpose = "To find out whether you can choose this mailbox provider";
    expect(&provider, purpose, &["reserved", "status"], None);

    let purpose = "Decision on a building permit";
    let request = world
        .agency()
        .post("/v1/lookups", &look_up(&[SOFIE, UNKNOWN, SOFIE], purpose));
    request.send().await.expect(200);
    expect(&agency, purpose, &["contact", "mailbox"], None);

    let request = supplied(&world).post("/v1/lookups", &look_up(&[SOFIE], purpose));
    request.send().await.expect(200);
    let supplier = json!({ "number": SUPPLIER, "name": "Brønnøysundregistrene" });
    expect(&agency, purpose, &["mailbox"], Some(&supplier));

    for (number, organisation) in [(AGENCY, &agency), (EBOKS, &provider)] {
        let sender = world.organisation(number, &[Scope::LettersWrite]);
        let request = sender.post("/v1/letters", &letter(SOFIE, "2026/1"));
        let announced = request.send().await.expect(202);
        expect(organisation, "To notify you of a letter", &["reachability"], None);
        // What becomes of it is told to whoever was told of it.
        let path = format!("/v1/letters/{}", announced.body["id"].as_str().unwrap());
        sender.get(&path).send().await.expect(200);
        sender.get("/v1/letters").send().await.expect(200);
        request.send().await.expect(202);
    }

    let persons = json!({ "personidentifikatorer": [SOFIE] });
    for version in ["v1", "v2"] {
        let path = format!("/rest/{version}/personer");
        world.agency().post(&path, &persons).send().await.expect(200);
        expect(
            &agency,
            "Letters and notices to recipients",
            &["contact", "mailbox"],
            None,
        );
    }

    world.stack.settle().await.unwrap();
    wait(&world, SignedDuration::from_mins(6));
    let follower = world.organisation(AGENCY, &[Scope::ChangesRead, Scope::MailboxRead]);
    let purpose = "To follow changes in the register";
    let changes = follower
        .get("/v1/changes?mine=true&limit=1000")
        .send()
        .await
        .expect(200);
    expect(&agency, purpose, &["mailbox"], None);
    let sofie = world.citizen(SOFIE);
    sofie.put("/v1/me/reservation", &json!({})).send().await.expect(200);
    sofie.delete("/v1/me/reservation").send().await.expect(200);
    world.stack.settle().await.unwrap();
    let from = json!({ "fraEndringsId": changes.body["last"] });
    let path = "/rest/v2/krr/hentEndringer";
    follower.post(path, &from).send().await.expect(200);
    expect(&agency, purpose, &["mailbox"], None);

    let purpose = "Tax assessment of 2026";
    let mut order = json!({ "name": "tax.csv", "purpose": purpose });
    send_file(&world, &order).await;
    expect(&agency, purpose, &["contact", "mailbox"], None);
    // Looking nobody up is no look-up; of letters it is told what would become of them.
    order["dryRun"] = json!(true);
    send_file(&world, &order).await;
    a_second();
    order["kind"] = json!("letters");
    send_file(&world, &order).await;
    expect(&agency, purpose, &["reachability"], None);
    order["dryRun"] = json!(false);
    send_file(&world, &order).await;
    expect(&agency, purpose, &["reachability"], None);

    world.stack.settle().await.unwrap();
    assert_eq!(seen(&world, SOFIE).await, expected);
    // Whoever is not in the register is told of all the same: that is what was learned.
    let of_unknown = seen(&world, UNKNOWN).await;
    assert_eq!(of_unknown.len(), 4, "{of_unknown:#?}");
    assert_eq!(seen(&world, KARI).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_refusal_that_tells_why_is_on_record() {
    let world = World::new().await;
    let mailbox = json!({ "person": RESERVED, "address": "somebody#9YDT" });
    let eboks = world.provider(EBOKS);
    let answer = eboks.post("/v1/mailboxes", &mailbox).send().await;
    answer.problem(409, "reserved");
    world.stack.settle().await.unwrap();
    let [refused] = seen(&world, RESERVED).await.try_into().unwrap();
    assert_eq!(refused["organisation"], json!({ "number": EBOKS, "name": "e-Boks" }));
    assert_eq!(
        refused["purpose"],
        "To tell this mailbox provider why it cannot register a mailbox for you"
    );
}

#[tokio::test]
async fn whoever_is_refused_has_learned_nothing_and_leaves_no_record() {
    let world = World::new().await;
    let good = look_up(&[KARI], "Decision on a building permit");
    let agency = world.agency();
    let bad = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (request, status) in [
        (world.nobody().post("/v1/lookups", &good), 401),
        (world.citizen(KARI).post("/v1/lookups", &good), 401),
        (
            world
                .organisation(AGENCY, &[Scope::LettersWrite])
                .post("/v1/lookups", &good),
            403,
        ),
        (
            world
                .organisation("313600947", &[Scope::ContactRead])
                .post("/v1/lookups", &good),
            403,
        ),
        (
            agency.post("/v1/lookups", &bad("persons", json!([KARI, "nobody"]))),
            400,
        ),
        (
            agency.post("/v1/lookups", &bad("persons", json!(vec![KARI; 1001]))),
            400,
        ),
        (agency.post("/v1/lookups", &bad("persons", json!([]))), 400),
        (agency.post("/v1/lookups", &bad("purpose", json!("no"))), 422),
        (agency.post("/v1/lookups", &bad("curiosity", json!(true))), 400),
        (
            world.organisation(AGENCY, &[]).post("/v1/letters", &letter(KARI, "1")),
            403,
        ),
        (
            agency.post("/v1/mailboxes/eligibility", &json!({ "person": KARI })),
            403,
        ),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    }
    world.stack.settle().await.unwrap();
    assert_eq!(world.disclosures().await.count(), 0);
    assert_eq!(seen(&world, KARI).await, [] as [Value; 0]);
}
