//! What an entry's state, or another's right to it, does not allow; and mailboxes that cannot be.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use stories::{DIGIPOST, EBOKS, OLA, World};

use crate::refusal::refused;

/// Has both channels, and an active mailbox with Digipost.
const KARI: &str = "22885399316";
const ONLY_MOBILE: &str = "21836797660";
const ONLY_EMAIL: &str = "22838497199";
const RESERVED: &str = "10915596784";
const DELETED: &str = "49860699787";
const MAILBOX_ONLY: &str = "03896706011";
const UNKNOWN: &str = "02907740652";

fn mailbox(person: &str) -> Value {
    json!({ "person": person, "address": "some.person#9YDT" })
}

#[tokio::test]
async fn a_reserved_person_gets_no_mailbox() {
    let world = World::new().await;
    let (citizen, provider) = (world.citizen(RESERVED), world.provider(EBOKS));
    let before = citizen.get("/v1/me").send().await.body;
    let choice = citizen.put("/v1/me/mailbox", &json!({ "provider": "e-boks" }));
    refused("choose", choice.send().await, 409, "reserved");
    let registration = provider.post("/v1/mailboxes", &mailbox(RESERVED));
    refused("register", registration.send().await, 409, "reserved");
    let asked = provider.post("/v1/mailboxes/eligibility", &json!({ "person": RESERVED }));
    assert_eq!(
        asked.send().await.expect(200).body,
        json!({ "eligible": false, "reason": "reserved" })
    );
    assert_eq!(citizen.get("/v1/me").send().await.body, before);
    // A refusal is no answer to keep: once the reservation is undone the same request is good.
    citizen.delete("/v1/me/reservation").send().await.expect(200);
    registration.send().await.expect(201);
}

#[tokio::test]
async fn a_deleted_person_gets_no_mailbox_and_has_nothing_to_confirm() {
    let world = World::new().await;
    let (citizen, provider) = (world.citizen(DELETED), world.provider(EBOKS));
    refused(
        "register",
        provider.post("/v1/mailboxes", &mailbox(DELETED)).send().await,
        409,
        "deleted",
    );
    let about = json!({ "person": DELETED });
    refused(
        "close",
        provider.post("/v1/mailboxes/close", &about).send().await,
        409,
        "deleted",
    );
    let asked = provider.post("/v1/mailboxes/eligibility", &about).send().await;
    assert_eq!(
        asked.expect(200).body,
        json!({ "eligible": false, "reason": "deleted" })
    );
    refused(
        "confirm",
        citizen.post("/v1/me/contact/confirm", &json!({})).send().await,
        409,
        "deleted",
    );
    // Who left by own wish can come back.
    let contact = json!({ "email": "nils@example.no" });
    citizen.put("/v1/me/contact", &contact).send().await.expect(200);
}

#[tokio::test]
async fn whoever_is_not_registered_has_nothing_to_confirm() {
    let world = World::new().await;
    let confirm = world.citizen(UNKNOWN).post("/v1/me/contact/confirm", &json!({}));
    refused("confirm", confirm.send().await, 404, "not-registered");
}

#[tokio::test]
async fn nobody_is_without_any_contact() {
    let world = World::new().await;
    for (row, person, contact) in [
        ("only a language", OLA, json!({ "language": "nb" })),
        ("nothing", OLA, json!({})),
        (
            "taking away what is not there",
            OLA,
            json!({ "email": null, "mobile": null }),
        ),
        ("the last mobile", ONLY_MOBILE, json!({ "mobile": null })),
        (
            "the last e-mail",
            ONLY_EMAIL,
            json!({ "email": null, "language": "en" }),
        ),
        ("both", KARI, json!({ "email": null, "mobile": null })),
        (
            "only a language, with a mailbox",
            MAILBOX_ONLY,
            json!({ "language": "nb" }),
        ),
    ] {
        let citizen = world.citizen(person);
        let before = citizen.get("/v1/me").send().await.body;
        refused(
            row,
            citizen.put("/v1/me/contact", &contact).send().await,
            422,
            "contact-required",
        );
        assert_eq!(citizen.get("/v1/me").send().await.body, before, "{row}");
    }
    let confirm = world.citizen(MAILBOX_ONLY).post("/v1/me/contact/confirm", &json!({}));
    refused("confirm", confirm.send().await, 422, "contact-required");
    for (person, channel) in [
        (ONLY_MOBILE, "email"),
        (ONLY_EMAIL, "sms"),
        (UNKNOWN, "sms"),
        (DELETED, "email"),
    ] {
        let code = world
            .citizen(person)
            .post("/v1/me/contact/validate", &json!({ "channel": channel }));
        refused("a code to nowhere", code.send().await, 422, "contact-required");
    }
    assert!(world.outbox().await.is_empty());
}

#[tokio::test]
async fn a_provider_closes_no_mailbox_but_its_own() {
    let world = World::new().await;
    let eboks = world.provider(EBOKS);
    // To e-Boks it is all the same: another's mailbox, no mailbox, nobody there.
    let mut bodies = Vec::new();
    for person in [KARI, ONLY_MOBILE, UNKNOWN] {
        let close = eboks.post("/v1/mailboxes/close", &json!({ "person": person }));
        bodies.push(refused(person, close.send().await, 404, "mailbox-not-found").body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let digiposts = json!([{ "provider": "digipost", "address": "kari.nordmann#7QRS", "state": "active" }]);
    let kari = world.citizen(KARI);
    assert_eq!(kari.get("/v1/me").send().await.body["mailboxes"], digiposts);

    // Nor does it change another's: what it registers is its own, beside the other, and takes no choice over.
    let registered = eboks.post("/v1/mailboxes", &mailbox(KARI)).send().await.expect(201);
    assert_eq!(registered.body["active"], false);
    let me = kari.get("/v1/me").send().await.body;
    assert_eq!(me["mailboxes"][0], digiposts[0]);
    let own = eboks.post("/v1/mailboxes/close", &json!({ "person": KARI }));
    own.send().await.expect(200);
    assert_eq!(kari.get("/v1/me").send().await.body["mailboxes"], digiposts);
}

#[tokio::test]
async fn citizens_meet_only_their_own_entry() {
    let world = World::new().await;
    let (ola, kari) = (world.citizen(OLA), world.citizen(KARI));
    let before = kari.get("/v1/me").send().await.body;
    // Kari's version, Kari's identity number and Kari's address lead Ola nowhere.
    for path in [
        "/v1/me/22885399316",
        "/v1/entries/22885399316",
        "/v1/mailboxes/kari.nordmann%237QRS",
    ] {
        refused(path, ola.get(path).send().await, 404, "not-found");
    }
    let named = ola.put("/v1/me/contact", &json!({ "person": KARI, "email": "ola@example.no" }));
    refused("another's number", named.send().await, 400, "unknown-field");
    let asked = ola.get(&format!("/v1/me?person={KARI}")).send().await.expect(200);
    assert_eq!(
        (&asked.body["person"], &asked.body["status"]),
        (&json!(OLA), &json!("not-registered"))
    );
    ola.delete("/v1/me").send().await.expect(204);
    ola.delete("/v1/me/mailbox").send().await.expect(200);
    assert_eq!(kari.get("/v1/me").send().await.body, before);
}

#[tokio::test]
async fn a_provider_that_the_directory_does_not_have_cannot_be_chosen() {
    let world = World::new().await;
    let citizen = world.citizen(KARI);
    let before = citizen.get("/v1/me").send().await.etag();
    let long = "x".repeat(41);
    for provider in [
        "",
        "no-such",
        "E-Boks",
        "e-boks ",
        DIGIPOST,
        EBOKS,
        "../digipost",
        "digipost\n",
        &long,
    ] {
        let answer = citizen
            .put("/v1/me/mailbox", &json!({ "provider": provider }))
            .send()
            .await;
        refused(provider, answer, 422, "unknown-provider");
    }
    for provider in [json!(1), json!(null), json!(["digipost"])] {
        let answer = citizen
            .put("/v1/me/mailbox", &json!({ "provider": provider }))
            .send()
            .await;
        refused(provider, answer, 400, "invalid-value");
    }
    let none = citizen.put("/v1/me/mailbox", &json!({})).send().await;
    refused("none", none, 400, "missing-field");
    assert_eq!(citizen.get("/v1/me").send().await.etag(), before);
}

/// A self-signed certificate, valid from the first of January of one year until that of another.
fn certificate(from: i32, until: i32) -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["mailbox.example.no".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    (params.self_signed(&key).unwrap().pem(), key)
}

#[tokio::test]
async fn a_certificate_is_one_that_is_valid_now() {
    let world = World::new().await;
    let provider = world.provider(EBOKS);
    let with = |certificate: &str| {
        let body = json!({ "person": OLA, "address": "ola.nordmann#9YDT", "certificate": certificate });
        provider.post("/v1/mailboxes", &body)
    };
    let (valid, key) = certificate(2026, 2027);
    let (expired, _) = certificate(2024, 2026);
    let (of_next_year, _) = certificate(2027, 2028);
    let (first_line, rest) = valid.split_once('\n').unwrap();
    let wrong = [
        ("expired", expired),
        ("not yet valid", of_next_year),
        ("garbage", "garbage".to_owned()),
        ("empty", String::new()),
        ("a private key", key.serialize_pem()),
        ("a public key", key.public_key_pem()),
        ("no PEM", rest.to_owned()),
        ("no end", valid.lines().take(3).collect::<Vec<_>>().join("\n")),
        ("an empty one", format!("{first_line}\n-----END CERTIFICATE-----\n")),
        ("cut", format!("{first_line}\n{}", rest.split_once('\n').unwrap().1)),
        ("another label", valid.replace("CERTIFICATE", "X509 CRL")),
        ("two", format!("{valid}{valid}")),
        ("too long", format!("{}{valid}", "\n".repeat(8 * 1024))),
    ];
    for (row, wrong) in &wrong {
        let answer = refused(row, with(wrong).send().await, 422, "invalid-certificate");
        let errors = json!([{ "pointer": "/certificate", "code": "invalid-certificate" }]);
        assert_eq!(answer.body["errors"], errors, "{row}");
    }
    assert_eq!(
        world.citizen(OLA).get("/v1/me").send().await.body["status"],
        "not-registered"
    );

    with(&valid).send().await.expect(201);
    let lookup = json!({ "persons": [OLA], "purpose": "A permit" });
    let found = world.agency().post("/v1/lookups", &lookup).send().await.expect(200);
    assert_eq!(found.body["results"][0]["mailbox"]["certificate"], valid);
    // The one that is there stays when a worse one comes.
    let (_, expired) = &wrong[0];
    refused("expired", with(expired).send().await, 422, "invalid-certificate");
    let found = world.agency().post("/v1/lookups", &lookup).send().await.expect(200);
    assert_eq!(found.body["results"][0]["mailbox"]["certificate"], valid);
}

#[tokio::test]
async fn a_mailbox_address_is_eight_to_a_hundred_visible_characters() {
    let world = World::new().await;
    let provider = world.provider(EBOKS);
    let register = |address: &Value| provider.post("/v1/mailboxes", &json!({ "person": OLA, "address": address }));
    let long = "x".repeat(101);
    for address in [
        "",
        "1234567",
        &long,
        "ola nordmann#9YDT",
        " ola.nordmann#9YDT",
        "ola.nordmann#9YDT\n",
        "ola.nordmann\t#9YDT",
        "ola.nordmann\u{7f}#9YDT",
        "ola.nordmann\u{a0}#9YDT",
        "ola.nordmann\u{200b}#9YDT",
        "\u{202e}ola.nordmann#9YDT",
        "\u{feff}ola.nordmann#9YDT",
    ] {
        refused(
            address,
            register(&address.into()).send().await,
            422,
            "invalid-mailbox-address",
        );
    }
    for address in [json!(12_345_678), json!(null), json!(["ola.nordmann#9YDT"])] {
        refused(&address, register(&address).send().await, 400, "invalid-value");
    }
    refused(
        "none",
        provider.post("/v1/mailboxes", &json!({ "person": OLA })).send().await,
        400,
        "missing-field",
    );
    register(&"x".repeat(100).into()).send().await.expect(201);
    register(&"12345678".into()).send().await.expect(200);
}

#[tokio::test]
async fn a_look_up_has_a_purpose() {
    let world = World::new().await;
    let agency = world.agency();
    let lookup = |field: &str, text: Value| {
        let mut body = json!({ "persons": [KARI], "purpose": "A permit" });
        body[field] = text;
        agency.post("/v1/lookups", &body)
    };
    let (long, longest) = ("x".repeat(201), "x".repeat(200));
    for purpose in [
        "",
        "  ",
        "ab",
        " ab ",
        &long,
        "line\nbreak",
        "a\u{7}bell",
        "\u{85}\u{85}\u{85}",
        "Decision on 20914695016",
        "Decision on 209146 95016",
        // What the register itself puts on record.
        "To follow changes in the register",
    ] {
        refused(
            purpose,
            lookup("purpose", purpose.into()).send().await,
            422,
            "invalid-purpose",
        );
    }
    for reference in ["", " ", &long[..101], "line\r\nbreak", OLA] {
        refused(
            reference,
            lookup("reference", reference.into()).send().await,
            422,
            "invalid-reference",
        );
    }
    for field in ["purpose", "reference"] {
        for wrong in [json!(1), json!(["A permit"]), json!({})] {
            refused(field, lookup(field, wrong).send().await, 400, "invalid-value");
        }
    }
    refused(
        "null",
        lookup("purpose", Value::Null).send().await,
        400,
        "invalid-value",
    );
    let none = agency.post("/v1/lookups", &json!({ "persons": [KARI] })).send().await;
    refused("none", none, 400, "missing-field");
    let disclosures = world.disclosures().await;
    assert_eq!(disclosures.count(), 0);
    lookup("purpose", longest.into()).send().await.expect(200);
    lookup("reference", Value::Null).send().await.expect(200);
}

#[tokio::test]
async fn a_page_of_the_history_is_asked_for_by_a_number_and_by_where_the_last_one_ended() {
    let world = World::new().await;
    let citizen = world.citizen(KARI);
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1&limit=2",
        "before=-1",
        "before=x",
        "before=1.5",
        "before=0-",
        "before=-",
        "before=+0-2",
        "before=0-2-1",
        "before=00-2",
        "before=99999999999999999999",
        "person=22885399316",
    ] {
        let answer = citizen.get(&format!("/v1/me/history?{query}")).send().await;
        refused(query, answer, 400, "invalid-parameter");
    }
    let all = citizen.get("/v1/me/history?limit=100").send().await.expect(200);
    assert_eq!(
        all.body["changes"][0]["version"],
        all.body["changes"].as_array().unwrap().len()
    );
    let first = citizen.get("/v1/me/history?limit=1").send().await.expect(200);
    let next = first.body["next"].as_str().unwrap();
    let page = citizen.get(&format!("/v1/me/history?limit=1&before={next}"));
    let page = page.send().await.expect(200);
    assert_eq!(page.body["changes"][0], all.body["changes"][1]);
}
