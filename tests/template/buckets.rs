//! Buckets: closed to everybody else, emptied by themselves, and open to those functions alone that work on files.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use local::template::Setting;
use mailbox_register::batch::{
    Kind,
    life::{BatchId, HELD_FOR},
    name::FileName,
    place,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{FUNCTIONS, function, template};

/// The bucket of agencies' files.
const FILES: &str = "FilesBucket";

/// What a bucket is defined as.
fn properties(id: &str) -> &'static Value {
    &template().resources[id].properties
}

/// The rule for objects that begin so.
fn rule(prefix: Option<&str>) -> &'static Value {
    let rules = properties(FILES)["LifecycleConfiguration"]["Rules"].as_array();
    let mut found = rules
        .expect("rules")
        .iter()
        .filter(|rule| rule["Prefix"].as_str() == prefix);
    let rule = found.next().unwrap_or_else(|| panic!("no rule for {prefix:?}"));
    assert!(found.next().is_none(), "two rules for {prefix:?}");
    assert_eq!(rule["Status"], "Enabled");
    rule
}

#[test]
fn a_bucket_is_encrypted_private_and_spoken_to_by_tls_alone() {
    assert_eq!(
        template().buckets,
        BTreeSet::from([FILES.to_owned(), "ReportsBucket".to_owned()])
    );
    for id in &template().buckets {
        let resource = &template().resources[id];
        let retain = Some("Retain".to_owned());
        assert_eq!(
            (&resource.deletion_policy, &resource.update_replace_policy),
            (&retain, &retain),
            "{id}"
        );
        let bucket = properties(id);
        let [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            .as_array()
            .expect("a rule")
            .as_slice()
        else {
            panic!("one rule: {id}")
        };
        let by = &encryption["ServerSideEncryptionByDefault"];
        assert_eq!(by["SSEAlgorithm"], "aws:kms", "{id}");
        assert_eq!(
            by["KMSMasterKeyID"],
            json!({ "Fn::GetAtt": ["RegisterKey", "Arn"] }),
            "{id}"
        );
        for closed in [
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        ] {
            assert_eq!(bucket["PublicAccessBlockConfiguration"][closed], true, "{id}: {closed}");
        }
        // A name given here would be in the way of a replacement.
        assert!(bucket["BucketName"].is_null(), "{id}");
        let mut policies = template().resources.values().filter(|resource| {
            resource.kind == "AWS::S3::BucketPolicy" && resource.properties["Bucket"] == json!({ "Ref": id })
        });
        let policy = &policies
            .next()
            .unwrap_or_else(|| panic!("{id} has no policy"))
            .properties;
        let statements = policy["PolicyDocument"]["Statement"].as_array().expect("statements");
        let whole = json!([{ "Fn::GetAtt": [id, "Arn"] }, { "Fn::Sub": format!("${{{id}.Arn}}/*") }]);
        let needs_tls = statements.iter().any(|statement| {
            statement["Effect"] == "Deny"
                && statement["Principal"] == "*"
                && statement["Action"] == "s3:*"
                && statement["Resource"] == whole
                && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": "false" } })
        });
        assert!(needs_tls, "{id}: {statements:?}");
    }
    // A list that is given makes agencies' uploads the register's own objects.
    let rules = &properties(FILES)["OwnershipControls"]["Rules"];
    assert_eq!(rules, &json!([{ "ObjectOwnership": "BucketOwnerEnforced" }]));
}

#[test]
fn an_upload_is_read_to_its_end_as_it_was_and_nothing_stays_for_long() {
    assert_eq!(properties(FILES)["VersioningConfiguration"]["Status"], "Enabled");
    for (prefix, days) in [(place::UPLOADS, 14), ("results/", 30), ("work/", 14)] {
        let rule = rule(Some(prefix));
        assert_eq!(rule["ExpirationInDays"], days, "{prefix}");
        let earlier = &rule["NoncurrentVersionExpiration"]["NoncurrentDays"];
        assert!(earlier.as_u64().is_some_and(|days| days <= 2), "{prefix}: {earlier}");
    }
    assert_eq!(
        rule(None)["AbortIncompleteMultipartUpload"],
        json!({ "DaysAfterInitiation": 1 })
    );
    // The file is there for longer than anything waits that is about it: its message, and the organisation's decision.
    let days = rule(Some(place::UPLOADS))["ExpirationInDays"]
        .as_i64()
        .expect("a number");
    let there = SignedDuration::from_hours(24 * days);
    let waits = SignedDuration::from_secs(template().queues["BatchQueue"].retention.into());
    assert!(waits < there && HELD_FOR < there);
    // Every key that the code makes up falls under one of the rules.
    let objects = place::Objects {
        organisation: "991825827".parse().expect("a number"),
        batch: BatchId(Uuid::nil()),
    };
    let name = FileName::parse("tax.csv").expect("a name");
    let upload = place::Upload::key(objects.organisation, Kind::Lookup, objects.batch, &name);
    for (key, prefix) in [
        (upload, place::UPLOADS),
        (objects.result(name.format()), "results/"),
        (objects.summary(), "results/"),
        (objects.rows(1), "work/"),
        (objects.part(1, 1), "work/"),
    ] {
        assert!(key.starts_with(prefix), "{key}");
    }
}

#[test]
fn each_upload_becomes_a_message_to_the_function_that_works_on_files() {
    assert_eq!(
        properties(FILES)["NotificationConfiguration"],
        json!({ "QueueConfigurations": [{
            "Event": "s3:ObjectCreated:*",
            "Queue": { "Fn::GetAtt": ["BatchQueue", "Arn"] },
            "Filter": { "S3Key": { "Rules": [{ "Name": "prefix", "Value": place::UPLOADS }] } },
        }] })
    );
    let (_, batch) = function("batch");
    let queues = batch.event_sources.iter().map(|source| &source.source);
    let queues: Vec<_> = queues.collect();
    assert_eq!(
        queues,
        [&local::template::Source::Queue {
            queue: "BatchQueue".to_owned()
        }]
    );
    // S3 may put into the queue, which is encrypted: for that it needs the key.
    let policy = template().resources["UploadsAreToldOf"].properties.to_string();
    for part in [
        "s3.amazonaws.com",
        "sqs:SendMessage",
        "\"BatchQueue\"",
        "aws:SourceAccount",
    ] {
        assert!(policy.contains(part), "{part}");
    }
    let key = &template().resources["RegisterKey"].properties["KeyPolicy"]["Statement"];
    let is_s3s = |statement: &Value| statement["Principal"] == json!({ "Service": "s3.amazonaws.com" });
    let statement = key
        .as_array()
        .expect("statements")
        .iter()
        .find(|statement| is_s3s(statement));
    assert_eq!(
        statement.expect("S3 may use the key")["Action"],
        json!(["kms:Decrypt", "kms:GenerateDataKey"])
    );
}

/// What a function's role allows in a bucket, by what keys begin with; the bucket itself by an empty text.
fn allowed(name: &str, bucket: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (id, _) = function(name);
    let role = template().resources[id].properties["Role"]["Fn::GetAtt"][0].as_str();
    let policies = &properties(role.expect("a role of its own"))["Policies"];
    let statements = policies[0]["PolicyDocument"]["Statement"]
        .as_array()
        .expect("statements");
    let mut allowed = BTreeMap::<_, BTreeSet<_>>::new();
    for statement in statements {
        let resource = &statement["Resource"];
        let prefix = if *resource == json!({ "Fn::GetAtt": [bucket, "Arn"] }) {
            String::new()
        } else {
            let key = resource["Fn::Sub"].as_str().unwrap_or_default();
            let Some(key) = key.strip_prefix(&format!("${{{bucket}.Arn}}/")) else {
                continue;
            };
            key.strip_suffix('*').expect("all keys that begin so").to_owned()
        };
        let actions = match &statement["Action"] {
            Value::Array(actions) => actions.iter().filter_map(Value::as_str).collect(),
            action => vec![action.as_str().expect("an action")],
        };
        let of_prefix = allowed.entry(prefix).or_default();
        of_prefix.extend(actions.into_iter().map(str::to_owned));
    }
    allowed
}

#[test]
fn a_function_reaches_the_files_that_are_its_business_and_no_others() {
    let rights = |rights: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
        let rights = rights.iter().map(|(prefix, actions)| {
            let actions = actions.iter().map(|action| format!("s3:{action}"));
            ((*prefix).to_owned(), actions.collect())
        });
        rights.collect()
    };
    // What is found is read in the version that was found, so whoever reads needs the right for versions as well.
    let batch: &[(&str, &[&str])] = &[
        ("", &["ListBucket"]),
        (
            place::UPLOADS,
            &["GetObject", "GetObjectVersion", "DeleteObject", "DeleteObjectVersion"],
        ),
        ("results/", &["PutObject"]),
        ("work/", &["GetObject", "GetObjectVersion", "PutObject", "DeleteObject"]),
    ];
    // They are signed into addresses: nothing else is done with them.
    let batches: &[(&str, &[&str])] = &[(place::UPLOADS, &["PutObject"]), ("results/", &["GetObject"])];
    for name in FUNCTIONS {
        let expected = match name {
            "batch" => rights(batch),
            "batches" => rights(batches),
            _ => rights(&[]),
        };
        assert_eq!(allowed(name, FILES), expected, "{name}");
        let (_, function) = function(name);
        let is_given = function
            .environment
            .values()
            .any(|setting| *setting == Setting::Reference(FILES.to_owned()));
        assert_eq!(is_given, !expected.is_empty(), "{name}");
    }
}
