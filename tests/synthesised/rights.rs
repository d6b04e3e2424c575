//! Least privilege: what each role may do is listed, and it may do nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::{
    deployed::{RESOURCES, all, list, properties, referred, text},
    policies::{all_rights, condition, is_allowed, rights, role_of, roles_allowed},
};

/// The list: under each role, a line for each resource. A change of rights is a change of this file.
const RIGHTS: &str = include_str!("rights.txt");
/// Who else is let in: under each resource, a line for each principal.
const LET_IN: &str = include_str!("let_in.txt");

/// The lines of a list, under their headings.
fn listed(list: &'static str) -> BTreeMap<String, BTreeSet<String>> {
    let mut listed = BTreeMap::<String, BTreeSet<String>>::new();
    let mut heading = None;
    for line in list
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        if line.starts_with(' ') {
            let under = heading.clone().expect("a heading before all lines");
            assert!(
                listed.entry(under).or_default().insert(line.trim().to_owned()),
                "twice: {line}"
            );
        } else {
            assert!(!listed.contains_key(line), "twice: {line}");
            listed.insert(line.to_owned(), BTreeSet::new());
            heading = Some(line.to_owned());
        }
    }
    listed
}

/// What the template has and the list lacks, and the other way round.
#[track_caller]
fn assert_as_listed(found: &BTreeMap<String, BTreeSet<String>>, file: &str, list: &'static str) {
    let listed = listed(list);
    let mut differences = Vec::new();
    for id in found.keys().chain(listed.keys()).collect::<BTreeSet<_>>() {
        let (found, listed) = (found.get(id), listed.get(id));
        let (found, listed) = (found.cloned().unwrap_or_default(), listed.cloned().unwrap_or_default());
        differences.extend(
            found
                .difference(&listed)
                .map(|line| format!("{id}: not listed: {line}")),
        );
        differences.extend(listed.difference(&found).map(|line| format!("{id}: not given: {line}")));
    }
    assert!(
        differences.is_empty(),
        "tests/synthesised/{file}:\n{}",
        differences.join("\n")
    );
    assert_eq!(found.keys().collect::<Vec<_>>(), listed.keys().collect::<Vec<_>>());
}

#[test]
fn a_role_may_do_what_is_listed_and_nothing_else() {
    let mut found = BTreeMap::new();
    for (role, _) in all("AWS::IAM::Role") {
        let mut by_resource = BTreeMap::<_, BTreeSet<_>>::new();
        for right in rights(role) {
            let actions = by_resource.entry((right.is_allowed, right.resource, right.condition));
            actions.or_default().insert(right.action);
        }
        let lines = by_resource
            .into_iter()
            .map(|((is_allowed, resource, condition), actions)| {
                let effect = if is_allowed { "" } else { "never: " };
                let actions: Vec<_> = actions.into_iter().collect();
                let condition = condition
                    .map(|condition| format!(" if {condition}"))
                    .unwrap_or_default();
                format!("{effect}{resource}: {}{condition}", actions.join(" "))
            });
        found.insert(role.to_owned(), lines.collect());
    }
    assert_as_listed(&found, "rights.txt", RIGHTS);
}

#[test]
fn whoever_else_is_let_in_is_listed() {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for (id, resource) in &*RESOURCES {
        let properties = &resource.properties;
        let (resources, document) = match resource.kind.as_str() {
            "AWS::KMS::Key" => (vec![id.as_str()], &properties["KeyPolicy"]),
            "AWS::SQS::QueuePolicy" => (
                list(&properties["Queues"]).into_iter().map(referred).collect(),
                &properties["PolicyDocument"],
            ),
            "AWS::SNS::TopicPolicy" => (
                list(&properties["Topics"]).into_iter().map(referred).collect(),
                &properties["PolicyDocument"],
            ),
            "AWS::S3::BucketPolicy" => (vec![referred(&properties["Bucket"])], &properties["PolicyDocument"]),
            // A function's own policy, in other words.
            "AWS::Lambda::Permission" => {
                assert_eq!(properties["Action"], "lambda:InvokeFunction", "{id}");
                let line = format!(
                    "{} from {}",
                    text(&properties["Principal"]),
                    text(&properties["SourceArn"])
                );
                found
                    .entry(referred(&properties["FunctionName"]).to_owned())
                    .or_default()
                    .insert(line);
                continue;
            }
            kind => {
                let is_known = !kind.ends_with("Policy") || kind == "AWS::IAM::ManagedPolicy";
                assert!(is_known, "{id}: {kind} lets in nobody knows whom");
                continue;
            }
        };
        for statement in list(&document["Statement"])
            .into_iter()
            .filter(|statement| is_allowed(statement))
        {
            let [(kind, principal)] = statement["Principal"]
                .as_object()
                .expect("a principal")
                .iter()
                .collect::<Vec<_>>()[..]
            else {
                panic!("{id}: one kind of principal")
            };
            let actions: Vec<_> = list(&statement["Action"]).into_iter().map(text).collect();
            let condition = condition(statement)
                .map(|condition| format!(" if {condition}"))
                .unwrap_or_default();
            let line = format!("{kind} {}: {}{condition}", text(principal), actions.join(" "));
            for resource in &resources {
                found.entry((*resource).to_owned()).or_default().insert(line.clone());
            }
        }
    }
    assert_as_listed(&found, "let_in.txt", LET_IN);
}

#[test]
fn look_up_cannot_write_the_register() {
    let role = role_of("LookupFunction");
    let on_entries = rights(role).into_iter().filter(|right| right.is_on("RegisterTable"));
    let actions: BTreeSet<_> = on_entries.map(|right| right.action).collect();
    assert_eq!(actions, BTreeSet::from(["dynamodb:BatchGetItem", "dynamodb:GetItem"]));
    // Nor by the way of what happened, or of what is still to be said.
    for table in ["ChangesTable", "NoticesTable", "LettersTable", "CodesTable"] {
        assert!(!rights(role).iter().any(|right| right.is_on(table)), "{table}");
    }
}

#[test]
fn notify_cannot_read_who_looked_whom_up() {
    for table in [
        "DisclosuresTable",
        "ChainsTable",
        "PersonDisclosuresTable",
        "RelationsTable",
    ] {
        let rights = rights(role_of("NotifyFunction"));
        let found: Vec<_> = rights.iter().filter(|right| right.resource.contains(table)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn nobody_changes_or_removes_who_looked_whom_up_and_no_function_reads_the_record() {
    for (role, right) in all_rights() {
        let may = match () {
            () if right.is_on("DisclosuresTable") => &["dynamodb:PutItem"][..],
            // Each for the function that owns the copies, or reads them for the citizen.
            () if right.is_on("PersonDisclosuresTable") && role == role_of("DisclosuresFunction") => {
                &["dynamodb:PutItem"]
            }
            () if right.is_on("PersonDisclosuresTable") && role == role_of("RegisterFunction") => &["dynamodb:Query"],
            () if right.is_on("PersonDisclosuresTable") => &[],
            () if right.is_on("ChainsTable") => &["dynamodb:GetItem", "dynamodb:PutItem"],
            () => continue,
        };
        assert!(may.contains(&right.action), "{role}: {right}");
    }
    let reads_the_stream = roles_allowed(|right| right.resource == "${DisclosuresTable.StreamArn}");
    assert_eq!(reads_the_stream, BTreeSet::from([role_of("DisclosuresFunction")]));
}

#[test]
fn no_right_is_wider_than_what_it_is_for() {
    // Each with why it cannot be narrower.
    const WIDE: [(&str, &str); 10] = [
        // X-Ray's actions know no resource.
        ("xray:PutTraceSegments", "*"),
        ("xray:PutTelemetryRecords", "*"),
        // It lists names and knows no resource; Lambda asks for it when a stream's mapping is made.
        ("dynamodb:ListStreams", "*"),
        // A telephone number is no resource. Whatever has an ARN is denied: the next test.
        ("sns:Publish", "*"),
        // Objects have the names that they get: an organisation's, a batch's, a time's.
        ("s3:PutObject", "${FilesBucket.Arn}/uploads/*"),
        ("s3:GetObject", "${FilesBucket.Arn}/results/*"),
        ("s3:*Object*", "${FilesBucket.Arn}/uploads/*"),
        ("s3:PutObject", "${FilesBucket.Arn}/results/*"),
        ("s3:*Object*", "${FilesBucket.Arn}/work/*"),
        ("s3:PutObject", "${ReportsBucket.Arn}/*"),
    ];
    let is_like = |action: &str, allowed: &str| match allowed {
        "s3:*Object*" => action.starts_with("s3:") && action.contains("Object"),
        allowed => action == allowed,
    };
    let mut used = BTreeSet::new();
    for (role, right) in all_rights().filter(|(_, right)| right.is_allowed) {
        assert!(!right.action.contains('*'), "{role}: {right}");
        if right.resource.contains('*') {
            let allowed = WIDE
                .iter()
                .find(|(action, resource)| is_like(right.action, action) && right.resource == *resource);
            used.insert(allowed.unwrap_or_else(|| panic!("{role}: {right}")));
        }
    }
    assert_eq!(used.len(), WIDE.len(), "{used:?}");
}

#[test]
fn text_messages_go_to_telephone_numbers_alone_and_only_notify_sends_them() {
    let sends =
        |right: &crate::policies::Right| ["sns:", "ses:"].iter().any(|service| right.action.starts_with(service));
    assert_eq!(roles_allowed(sends), BTreeSet::from([role_of("NotifyFunction")]));
    let rights = rights(role_of("NotifyFunction"));
    let denied: Vec<_> = rights
        .iter()
        .filter(|right| !right.is_allowed)
        .map(ToString::to_string)
        .collect();
    assert_eq!(denied, ["not sns:Publish on arn:aws:sns:*:*:*"]);
}

#[test]
fn each_function_has_a_role_of_its_own_that_only_lambda_takes_on() {
    let functions: Vec<_> = all("AWS::Lambda::Function").map(|(id, _)| id).collect();
    let mut roles: BTreeSet<_> = functions.iter().map(|function| role_of(function)).collect();
    assert_eq!(roles.len(), functions.len());
    for role in &roles {
        let trusted = &properties(role)["AssumeRolePolicyDocument"]["Statement"];
        let lambda = json!([{ "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" }]);
        assert_eq!(trusted, &lambda, "{role}");
    }
    // With it SNS writes what became of text messages.
    roles.insert("SmsLogging");
    assert_eq!(roles, all("AWS::IAM::Role").map(|(id, _)| id).collect());
    // A policy that is put onto a role from outside of it would be seen by none of these tests.
    assert_eq!(all("AWS::IAM::Policy").count(), 0);
    for (id, policy) in all("AWS::IAM::ManagedPolicy") {
        for onto in ["Roles", "Groups", "Users"] {
            assert!(policy.properties[onto].is_null(), "{id}");
        }
    }
}
