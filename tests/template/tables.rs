//! Tables: each is used, guarded, and open to those functions alone that it is given to.

use std::collections::BTreeSet;

use local::template::Setting;
use serde_json::json;

use crate::{FUNCTIONS, function, template};

/// The tables that a function is given.
fn tables_of(name: &str) -> BTreeSet<&'static str> {
    let (_, function) = function(name);
    let tables = function.environment.values().filter_map(|setting| match setting {
        Setting::Reference(id) if template().tables.contains_key(id) => Some(id.as_str()),
        _ => None,
    });
    tables.collect()
}

#[test]
fn every_table_is_used_by_some_function() {
    let used: BTreeSet<_> = FUNCTIONS.into_iter().flat_map(tables_of).collect();
    let all: BTreeSet<_> = template().tables.keys().map(String::as_str).collect();
    assert_eq!(used, all);
}

#[test]
fn a_functions_role_reaches_the_tables_that_the_function_is_given_and_no_other() {
    for name in FUNCTIONS {
        let (id, _) = function(name);
        let role = template().resources[id].properties["Role"]["Fn::GetAtt"][0].as_str();
        let role = &template().resources[role.expect("a role of its own")].properties["Policies"];
        let role = role.to_string();
        let reached: BTreeSet<_> = template()
            .tables
            .keys()
            .map(String::as_str)
            // As `!GetAtt` and within `!Sub`.
            .filter(|table| {
                // A table's stream is not the table.
                let role = role.replace(&format!("[\"{table}\",\"StreamArn\"]"), "");
                role.contains(&format!("\"{table}\"")) || role.contains(&format!("${{{table}."))
            })
            .collect();
        assert_eq!(reached, tables_of(name), "{name}");
    }
}

#[test]
fn tables_can_be_neither_lost_nor_read_without_the_key() {
    for id in template().tables.keys() {
        let table = &template().resources[id];
        let retain = Some("Retain".to_owned());
        assert_eq!(
            (&table.deletion_policy, &table.update_replace_policy),
            (&retain, &retain),
            "{id}"
        );
        let properties = &table.properties;
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
        assert_eq!(properties["DeletionProtectionEnabled"], true, "{id}");
        assert_eq!(
            properties["PointInTimeRecoverySpecification"],
            json!({ "PointInTimeRecoveryEnabled": true }),
            "{id}"
        );
        assert_eq!(
            properties["SSESpecification"],
            json!({
                "SSEEnabled": true,
                "SSEType": "KMS",
                "KMSMasterKeyId": { "Fn::GetAtt": ["RegisterKey", "Arn"] },
            }),
            "{id}"
        );
        // A name given here would be in the way of a replacement.
        assert!(properties["TableName"].is_null(), "{id}");
    }
    let key = &template().resources["RegisterKey"];
    assert_eq!(key.kind, "AWS::KMS::Key");
    assert_eq!(key.deletion_policy.as_deref(), Some("Retain"));
    assert_eq!(key.properties["EnableKeyRotation"], true);
}

#[test]
fn answers_are_signed_by_a_key_that_stays_and_does_nothing_else() {
    let key = &template().resources["SigningKey"];
    assert_eq!(key.kind, "AWS::KMS::Key");
    assert_eq!(key.deletion_policy.as_deref(), Some("Retain"));
    assert_eq!(key.update_replace_policy.as_deref(), Some("Retain"));
    assert_eq!(key.properties["KeySpec"], "RSA_2048");
    assert_eq!(key.properties["KeyUsage"], "SIGN_VERIFY");
}

/// What was disclosed is put on record, and nobody can take it away again.
#[test]
fn no_function_may_change_or_remove_what_was_disclosed() {
    for name in FUNCTIONS {
        let (id, _) = function(name);
        let role = template().resources[id].properties["Role"]["Fn::GetAtt"][0].as_str();
        let policies = &template().resources[role.expect("a role of its own")].properties["Policies"];
        let statements = policies[0]["PolicyDocument"]["Statement"]
            .as_array()
            .expect("statements");
        for statement in statements {
            let resource = statement["Resource"].to_string();
            let of = |table: &str| resource.contains(&format!("\"{table}\",\"Arn\""));
            let allowed = match name {
                "register" if of("PersonDisclosuresTable") => json!("dynamodb:Query"),
                "disclosures" if of("PersonDisclosuresTable") => json!("dynamodb:PutItem"),
                _ if of("DisclosuresTable") => json!("dynamodb:PutItem"),
                _ if of("ChainsTable") => json!(["dynamodb:GetItem", "dynamodb:PutItem"]),
                _ => {
                    assert!(
                        !resource.contains("DisclosuresTable.") && !of("PersonDisclosuresTable"),
                        "{name}"
                    );
                    continue;
                }
            };
            assert_eq!(statement["Action"], allowed, "{name}");
        }
    }
}
