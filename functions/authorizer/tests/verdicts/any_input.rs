//! Whatever comes in: no panic, and nobody let in who has no right to it.

use std::sync::LazyLock;

use mailbox_register::caller::{Citizen, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{
    signer::{ID_PORTEN, encode},
    world::{INVALID, PERSON, World, with},
};

/// One world for all cases, its keys fetched.
static STAGE: LazyLock<(Runtime, World)> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(async {
        let world = World::new().await;
        world.authorizer.prime().await;
        world
    });
    (runtime, world)
});

fn verdict_on(header: &str) -> Verdict {
    let (runtime, world) = &*STAGE;
    runtime.block_on(world.authorizer.verdict(Some(header)))
}

/// JSON of any shape, small.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,8}", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

fn claim_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "iss", "exp", "nbf", "iat", "aud", "scope", "acr", "pid", "consumer", "supplier", "nonce", "at_hash", "sub",
    ])
}

fn header_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "alg", "kid", "typ", "jku", "jwk", "x5u", "x5c", "crit", "zip", "enc", "other",
    ])
}

proptest! {
    #[test]
    fn any_text_is_refused(text in any::<String>(), scheme in prop::sample::select(vec!["", "Bearer "])) {
        prop_assert_eq!(verdict_on(&format!("{scheme}{text}")), INVALID);
    }

    #[test]
    fn any_bytes_as_a_token_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(verdict_on(&format!("Bearer {}", String::from_utf8_lossy(&bytes))), INVALID);
    }

    #[test]
    fn any_three_parts_are_refused(
        header in any_json(), claims in any_json(), signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let part = |value: &Value| encode(value.to_string().as_bytes());
        let token = format!("{}.{}.{}", part(&header), part(&claims), encode(&signature));
        prop_assert_eq!(verdict_on(&format!("Bearer {token}")), INVALID);
    }

    #[test]
    fn any_unsigned_change_of_a_right_token_is_refused(at in any::<prop::sample::Index>(), to in any::<char>()) {
        let token = ID_PORTEN.token(&ID_PORTEN.header(), &STAGE.1.citizen());
        let at = at.index(token.len());
        prop_assume!(!token[at..].starts_with(to));
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assert_eq!(verdict_on(&format!("Bearer {changed}")), INVALID);
    }

    #[test]
    fn any_signed_claim_or_header_makes_no_other_citizen(
        name in claim_name(), claim in any_json(), header in header_name(), parameter in any_json(),
    ) {
        let world = &STAGE.1;
        let claims = with(&world.citizen(), &json!({name: claim}));
        let header = with(&ID_PORTEN.header(), &json!({header: parameter}));
        match verdict_on(&format!("Bearer {}", ID_PORTEN.token(&header, &claims))) {
            Verdict::Citizen(Citizen { person, .. }) => prop_assert_eq!(person.as_str(), PERSON),
            other => prop_assert_eq!(other, INVALID),
        }
    }
}
