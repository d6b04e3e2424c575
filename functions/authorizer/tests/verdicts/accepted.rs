//! Who is let in, and as whom.

use mailbox_register::{
    caller::{Assurance, Citizen, Machine, Scope, Scopes, Verdict},
    person::{PersonIdentifier, Population},
};
use serde_json::{Value, json};

use crate::{
    signer::{ID_PORTEN, MASKINPORTEN},
    world::{AUDIENCE, PERSON, World, with},
};

fn citizen(assurance: Assurance) -> Verdict {
    Verdict::Citizen(Citizen {
        person: PersonIdentifier::parse(PERSON, Population::Synthetic).unwrap(),
        assurance,
        scopes: Scopes::from_iter([Scope::OwnContactRead]),
    })
}

fn organisation(supplier: Option<&str>) -> Verdict {
    Verdict::Organisation(Machine {
        organisation: "991825827".parse().unwrap(),
        supplier: supplier.map(|number| number.parse().unwrap()),
        scopes: Scopes::from_iter([Scope::MailboxRead]),
    })
}

#[tokio::test]
async fn a_citizen_with_any_known_assurance() {
    let world = World::new().await;
    for (acr, assurance) in [
        ("idporten-loa-low", Assurance::Low),
        ("idporten-loa-substantial", Assurance::Substantial),
        ("idporten-loa-high", Assurance::High),
    ] {
        let claims = with(&world.citizen(), &json!({"acr": acr}));
        assert_eq!(world.signed(&ID_PORTEN, &claims).await, citizen(assurance));
    }
    assert_eq!((world.id_porten.fetches(), world.maskinporten.fetches()), (1, 0));
}

#[tokio::test]
async fn an_organisation_for_itself_or_for_another() {
    let world = World::new().await;
    let claims = world.organisation();
    assert_eq!(world.signed(&MASKINPORTEN, &claims).await, organisation(None));

    let delegated = json!({
        "supplier": {"authority": "iso6523-actorid-upis", "ID": "0192:984661185"},
        "delegation_source": "https://altinn.example.no",
    });
    assert_eq!(
        world.signed(&MASKINPORTEN, &with(&claims, &delegated)).await,
        organisation(Some("984661185"))
    );
    assert_eq!((world.id_porten.fetches(), world.maskinporten.fetches()), (0, 1));
}

#[tokio::test]
async fn the_issuer_decides_what_kind_of_caller_it_is() {
    let world = World::new().await;
    let with_pid = with(
        &world.organisation(),
        &json!({"pid": PERSON, "acr": "idporten-loa-high"}),
    );
    assert_eq!(world.signed(&MASKINPORTEN, &with_pid).await, organisation(None));

    let consumer = world.organisation()["consumer"].clone();
    let with_consumer = with(&world.citizen(), &json!({"consumer": consumer}));
    assert_eq!(world.signed(&ID_PORTEN, &with_consumer).await, citizen(Assurance::High));
}

#[tokio::test]
async fn an_organisation_without_any_known_scope_is_known_all_the_same() {
    let world = World::new().await;
    for scope in [Value::Null, json!(""), json!("krr:global/digitalpost.readonly other")] {
        let claims = with(&world.organisation(), &json!({"scope": scope}));
        let Verdict::Organisation(machine) = world.signed(&MASKINPORTEN, &claims).await else {
            panic!("refused without scope");
        };
        assert_eq!(machine.scopes, Scopes::default());
    }
}

#[tokio::test]
async fn the_audience_may_be_one_of_several_or_for_organisations_none() {
    let world = World::new().await;
    let several = json!({"aud": ["https://other.example.no", AUDIENCE]});
    assert_eq!(
        world.signed(&ID_PORTEN, &with(&world.citizen(), &several)).await,
        citizen(Assurance::High)
    );
    for audience in [
        Value::Null,
        json!("unspecified"),
        json!(AUDIENCE),
        several["aud"].clone(),
    ] {
        let claims = with(&world.organisation(), &json!({"aud": audience}));
        assert_eq!(world.signed(&MASKINPORTEN, &claims).await, organisation(None));
    }
}

#[tokio::test]
async fn without_a_name_of_its_own_the_register_takes_citizens_for_any_audience() {
    let world = World::with_settings(&[("ID_PORTEN_AUDIENCE", "")]).await;
    for audience in [Value::Null, json!("https://other.example.no")] {
        let claims = with(&world.citizen(), &json!({"aud": audience}));
        assert_eq!(world.signed(&ID_PORTEN, &claims).await, citizen(Assurance::High));
    }
}

#[tokio::test]
async fn every_pinned_algorithm_counts_where_the_key_allows_it() {
    let world = World::new().await;
    let any_algorithm = with(&ID_PORTEN.published(), &json!({"alg": null, "use": null}));
    world.id_porten.answers(crate::key_server::keys(&[any_algorithm]));
    for algorithm in ["RS256", "RS384", "RS512"] {
        let header = with(&ID_PORTEN.header(), &json!({"alg": algorithm}));
        let token = ID_PORTEN.token(&header, &world.citizen());
        assert_eq!(world.verdict(&token).await, citizen(Assurance::High), "{algorithm}");
    }
}

#[tokio::test]
async fn the_scheme_has_no_case_and_may_stand_apart() {
    let world = World::new().await;
    let token = ID_PORTEN.token(&ID_PORTEN.header(), &world.citizen());
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR   "] {
        let header = format!("{scheme}{token}");
        assert_eq!(
            world.authorizer.verdict(Some(&header)).await,
            citizen(Assurance::High),
            "{scheme}"
        );
    }
}

#[tokio::test]
async fn clocks_may_differ_by_less_than_a_minute() {
    let world = World::new().await;
    let now = world.now();
    for times in [
        json!({"exp": now - 59}),
        format!(r#"{{"exp": {}.5}}"#, now - 60).parse().unwrap(),
        json!({"nbf": now + 60}),
        json!({"iat": now + 60}),
        json!({"iat": null}),
    ] {
        let claims = with(&world.citizen(), &times);
        assert_eq!(
            world.signed(&ID_PORTEN, &claims).await,
            citizen(Assurance::High),
            "{times}"
        );
    }
}

#[tokio::test]
async fn a_token_of_exactly_eight_kilobytes_is_read() {
    let world = World::new().await;
    let token = crate::refused::token_of_length(&world, 8 * 1024);
    assert_eq!(world.verdict(&token).await, citizen(Assurance::High));
}
