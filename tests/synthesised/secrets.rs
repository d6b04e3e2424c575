//! Keys: who can use which, and for what.

use std::collections::BTreeSet;

use crate::{
    deployed::{all, properties},
    policies::{Right, all_rights, role_of, roles_allowed},
};

/// The key that wraps the secret behind every person key. It is made before the stack: a parameter.
const PERSON_KEY: &str = "arn:aws:kms:eu-north-1:123456789012:key/00000000-0000-4000-8000-000000000000";

/// Those that turn an identity number into a person's key, or hash what a caller gives, and so hold the secret. One that
/// did it for the others would be asked for every person of every list, would see all their numbers, and would give each
/// of them the same power: whoever may ask for any key has the secret in all but name.
const HOLD_THE_SECRET: [&str; 7] = [
    "BatchFunction",
    "BatchesFunction",
    "LettersFunction",
    "LookupFunction",
    "NotifyFunction",
    "PopulationFunction",
    "RegisterFunction",
];

fn roles(functions: &[&str]) -> BTreeSet<&'static str> {
    functions.iter().map(|function| role_of(function)).collect()
}

#[test]
fn the_secret_behind_person_keys_is_unwrapped_by_seven_functions_and_nobody_else() {
    assert_eq!(
        roles_allowed(|right| right.resource == PERSON_KEY),
        roles(&HOLD_THE_SECRET)
    );
    for (role, right) in all_rights().filter(|(_, right)| right.resource == PERSON_KEY) {
        // Not to wrap another, not to grant, not to look at the key.
        assert_eq!((right.action, right.is_allowed), ("kms:Decrypt", true), "{role}");
    }
    let given = all("AWS::Lambda::Function").filter(|(_, function)| {
        let variables = function.properties["Environment"]["Variables"]
            .as_object()
            .expect("variables");
        variables.contains_key("PERSON_KEY_WRAPPED")
    });
    let given: BTreeSet<_> = given.map(|(id, _)| id).collect();
    assert_eq!(given, BTreeSet::from(HOLD_THE_SECRET));
}

#[test]
fn no_key_is_reached_but_by_its_name() {
    let known = [
        PERSON_KEY,
        "${RegisterKey.Arn}",
        "${SigningKey.Arn}",
        "${PopulationKey.Arn}",
    ];
    for (role, right) in all_rights().filter(|(_, right)| right.action.starts_with("kms:")) {
        assert!(known.contains(&right.resource), "{role}: {right}");
    }
}

#[test]
fn the_registers_key_is_used_through_the_services_that_store_and_not_by_itself() {
    let through = ["dynamodb", "s3", "sqs"]
        .map(|service| format!("StringEquals kms:ViaService {service}.eu-north-1.amazonaws.com"));
    for (role, right) in all_rights().filter(|(_, right)| right.is_on("RegisterKey")) {
        assert!(
            right
                .condition
                .as_ref()
                .is_some_and(|condition| through.contains(condition)),
            "{role}: {right}"
        );
    }
}

#[test]
fn numbers_are_unsealed_by_population_and_answers_signed_by_the_two_that_give_them() {
    let with = |key: &'static str| move |right: &Right| right.is_on(key);
    assert_eq!(roles_allowed(with("PopulationKey")), roles(&["PopulationFunction"]));
    assert_eq!(
        roles_allowed(with("SigningKey")),
        roles(&["LookupFunction", "RegisterFunction"])
    );
    let actions: BTreeSet<_> = all_rights()
        .filter(|(_, right)| right.is_on("SigningKey"))
        .map(|(_, right)| right.action)
        .collect();
    assert_eq!(actions, BTreeSet::from(["kms:GetPublicKey", "kms:Sign"]));
}

#[test]
fn keys_stay_and_are_turned_over_where_they_can_be() {
    for (id, key) in all("AWS::KMS::Key") {
        assert_eq!(key.deletion_policy.as_deref(), Some("Retain"), "{id}");
        assert_eq!(key.update_replace_policy.as_deref(), Some("Retain"), "{id}");
        assert_eq!(key.properties["PendingWindowInDays"], 30, "{id}");
        // KMS turns over none that signs: who verifies would have to learn of it.
        let signs = properties(id)["KeyUsage"] == "SIGN_VERIFY";
        assert_eq!(
            key.properties["EnableKeyRotation"].as_bool().unwrap_or(false),
            !signs,
            "{id}"
        );
    }
}
