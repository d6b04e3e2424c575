//! What is kept: encrypted with the register's key, closed to everybody else, for as long as it should be.

use std::collections::BTreeSet;

use serde_json::json;

use crate::deployed::{RESOURCES, Resource, all, list, referred, text};

const KEY: &str = "${RegisterKey.Arn}";

fn stays(resource: &Resource) -> bool {
    let retain = Some("Retain");
    (
        resource.deletion_policy.as_deref(),
        resource.update_replace_policy.as_deref(),
    ) == (retain, retain)
}

/// The resources that a policy of a kind closes to whoever comes without TLS.
fn need_tls(kind: &str, which: &str, action: &str) -> BTreeSet<&'static str> {
    let mut closed = BTreeSet::new();
    for (_, policy) in all(kind) {
        for statement in list(&policy.properties["PolicyDocument"]["Statement"]) {
            let is_it = statement["Effect"] == "Deny"
                && statement["Principal"] == "*"
                && statement["Action"] == action
                && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": "false" } });
            if is_it {
                let named: BTreeSet<_> = list(&statement["Resource"]).into_iter().map(text).collect();
                let of = list(&policy.properties[which]).into_iter().map(referred);
                closed.extend(of.filter(|id| named.contains(format!("${{{id}.Arn}}").as_str())));
            }
        }
    }
    closed
}

#[test]
fn tables_can_be_neither_lost_nor_read_without_the_key() {
    let mut tables = 0;
    for (id, table) in all("AWS::DynamoDB::Table") {
        tables += 1;
        assert!(stays(table), "{id}");
        let properties = &table.properties;
        assert_eq!(properties["DeletionProtectionEnabled"], true, "{id}");
        assert_eq!(
            properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true,
            "{id}"
        );
        let encryption = json!({ "SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": KEY });
        assert_eq!(properties["SSESpecification"], encryption, "{id}");
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
    }
    assert!(tables > 15);
}

#[test]
fn buckets_are_closed_encrypted_emptied_and_need_tls() {
    let with_tls = need_tls("AWS::S3::BucketPolicy", "Bucket", "s3:*");
    for (id, bucket) in all("AWS::S3::Bucket") {
        assert!(stays(bucket), "{id}");
        let properties = &bucket.properties;
        let encryption = json!([{
            "BucketKeyEnabled": true,
            "ServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY },
        }]);
        assert_eq!(
            properties["BucketEncryption"]["ServerSideEncryptionConfiguration"], encryption,
            "{id}"
        );
        let closed = json!({
            "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true,
        });
        assert_eq!(properties["PublicAccessBlockConfiguration"], closed, "{id}");
        assert_eq!(
            properties["OwnershipControls"]["Rules"],
            json!([{ "ObjectOwnership": "BucketOwnerEnforced" }]),
            "{id}"
        );
        let rules = list(&properties["LifecycleConfiguration"]["Rules"]);
        assert!(rules.iter().any(|rule| rule["ExpirationInDays"].is_u64()), "{id}");
        assert!(with_tls.contains(id), "{id}");
    }
}

#[test]
fn queues_and_topics_are_encrypted_and_queues_need_tls() {
    let with_tls = need_tls("AWS::SQS::QueuePolicy", "Queues", "sqs:*");
    for (id, queue) in all("AWS::SQS::Queue") {
        assert_eq!(queue.properties["KmsMasterKeyId"], KEY, "{id}");
        assert!(with_tls.contains(id), "{id}");
    }
    for (id, topic) in all("AWS::SNS::Topic") {
        assert_eq!(topic.properties["KmsMasterKeyId"], KEY, "{id}");
    }
}

#[test]
fn every_log_is_encrypted_and_forgotten_in_time() {
    let mut logs = BTreeSet::new();
    for (id, log) in all("AWS::Logs::LogGroup") {
        logs.insert(id);
        assert_eq!(log.properties["KmsKeyId"], KEY, "{id}");
        // What SNS writes names telephone numbers.
        let days = if id.starts_with("Sms") { 1 } else { 90 };
        assert_eq!(log.properties["RetentionInDays"], days, "{id}");
    }
    // Whoever writes a log writes one of these: a group that is made by itself is kept for ever, without the key.
    let mut written: BTreeSet<_> = all("AWS::Lambda::Function")
        .map(|(_, function)| referred(&function.properties["LoggingConfig"]["LogGroup"]))
        .collect();
    written.extend(
        all("AWS::ApiGatewayV2::Stage")
            .map(|(_, stage)| referred(&stage.properties["AccessLogSettings"]["DestinationArn"])),
    );
    written
        .extend(all("AWS::Logs::SubscriptionFilter").map(|(_, filter)| referred(&filter.properties["LogGroupName"])));
    assert_eq!(written, logs);
}

#[test]
fn every_kind_of_resource_is_one_that_these_tests_know() {
    // Another that keeps anything wants a test of its own above.
    let kinds: BTreeSet<_> = RESOURCES.values().map(|resource| resource.kind.as_str()).collect();
    let known = BTreeSet::from([
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::ApiMapping",
        "AWS::ApiGatewayV2::DomainName",
        "AWS::ApiGatewayV2::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::Logs::SubscriptionFilter",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SES::ConfigurationSet",
        "AWS::SES::ConfigurationSetEventDestination",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    ]);
    assert_eq!(kinds, known);
}
