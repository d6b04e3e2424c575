//! Buckets as functions, agencies and the stack see them.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use aws_sdk_s3::{
    Client,
    config::Credentials,
    error::{ProvideErrorMetadata, SdkError},
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier},
};
use reqwest::StatusCode;

use super::*;
use crate::{loopback::tests::exchange, sdk};

const KEY: &str = "uploads/991825827/persons.csv";
const MIB: usize = 1024 * 1024;

async fn start(folder: Option<&Path>) -> Buckets {
    let buckets = BTreeSet::from(["FilesBucket".to_owned()]);
    Buckets::start(&buckets, folder).await.unwrap()
}

fn client(buckets: &Buckets) -> Client {
    let config = aws_sdk_s3::config::Builder::from(&sdk::config(buckets.url())).force_path_style(true);
    Client::from_conf(config.build())
}

async fn put(buckets: &Buckets, key: &str, content: &str) -> String {
    let put = client(buckets).put_object().bucket("files").key(key);
    let output = put.body(content.as_bytes().to_vec().into()).send().await.unwrap();
    output.e_tag.unwrap()
}

async fn get(buckets: &Buckets, key: &str) -> String {
    let output = client(buckets)
        .get_object()
        .bucket("files")
        .key(key)
        .send()
        .await
        .unwrap();
    String::from_utf8(output.body.collect().await.unwrap().to_vec()).unwrap()
}

/// The code of a refusal.
fn code<T>(answer: Result<T, impl ProvideErrorMetadata>) -> String {
    answer.err().unwrap().code().unwrap_or("none").to_owned()
}

/// Puts an object of two parts.
async fn put_parts(buckets: &Buckets, key: &str, parts: [Vec<u8>; 2]) -> String {
    let client = client(buckets);
    let create = client.create_multipart_upload().bucket("files").key(key);
    let upload = create.metadata("kind", "lookup").send().await.unwrap();
    let id = upload.upload_id.unwrap();
    let mut completed = CompletedMultipartUpload::builder();
    for (part, number) in parts.into_iter().zip(1..) {
        let put = client
            .upload_part()
            .bucket("files")
            .key(key)
            .upload_id(&id)
            .part_number(number);
        let answer = put.body(part.into()).send().await.unwrap();
        let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag);
        completed = completed.parts(part.build());
    }
    let complete = client
        .complete_multipart_upload()
        .bucket("files")
        .key(key)
        .upload_id(&id);
    let answer = complete.multipart_upload(completed.build()).send().await.unwrap();
    assert_eq!(answer.key.as_deref(), Some(key));
    answer.e_tag.unwrap()
}

#[tokio::test]
async fn an_object_is_put_read_in_part_listed_and_deleted() {
    let buckets = start(None).await;
    assert_eq!(buckets.name("FilesBucket"), Some("files"));
    let client = client(&buckets);
    let put = client.put_object().bucket("files").key(KEY).metadata("purpose", "tax");
    let body = ByteStream::from_static(b"person\n20914695016\n");
    let e_tag = put.body(body).send().await.unwrap().e_tag.unwrap();

    let head = client.head_object().bucket("files").key(KEY).send().await.unwrap();
    assert_eq!(head.content_length, Some(19));
    assert_eq!(head.e_tag.as_ref(), Some(&e_tag));
    assert_eq!(head.metadata.unwrap()["purpose"], "tax");

    let part = client
        .get_object()
        .bucket("files")
        .key(KEY)
        .range("bytes=7-17")
        .if_match(&e_tag);
    let part = part.send().await.unwrap();
    assert_eq!(part.metadata.as_ref().unwrap()["purpose"], "tax");
    assert_eq!(part.body.collect().await.unwrap().to_vec(), b"20914695016");

    let list = client
        .list_objects_v2()
        .bucket("files")
        .prefix("uploads/991825827/")
        .send()
        .await
        .unwrap();
    let [listed] = list.contents() else {
        panic!("one object")
    };
    assert_eq!(
        (listed.key(), listed.size(), listed.e_tag()),
        (Some(KEY), Some(19), Some(&*e_tag))
    );

    client.delete_object().bucket("files").key(KEY).send().await.unwrap();
    assert_eq!(
        code(client.get_object().bucket("files").key(KEY).send().await),
        "NoSuchKey"
    );
    let head = client.head_object().bucket("files").key(KEY).send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
}

#[tokio::test]
async fn a_reader_of_one_version_is_not_given_another() {
    let buckets = start(None).await;
    let client = client(&buckets);
    let old = put(&buckets, KEY, "a long first version").await;
    let new = put(&buckets, KEY, "second").await;

    // A range that the new version does not have: that it is another version is what the reader has to know.
    for range in ["bytes=0-3", "bytes=10-12"] {
        let read = client.get_object().bucket("files").key(KEY).range(range).if_match(&old);
        assert_eq!(code(read.send().await), "PreconditionFailed", "{range}");
    }
    let head = client
        .head_object()
        .bucket("files")
        .key(KEY)
        .if_match(&old)
        .send()
        .await
        .unwrap_err();
    assert_eq!(head.raw_response().unwrap().status().as_u16(), 412);
    client
        .head_object()
        .bucket("files")
        .key(KEY)
        .if_match(&new)
        .send()
        .await
        .unwrap();
    let known = client
        .get_object()
        .bucket("files")
        .key(KEY)
        .if_none_match(&new)
        .send()
        .await
        .unwrap_err();
    assert_eq!(known.raw_response().unwrap().status().as_u16(), 304);
}

#[tokio::test]
async fn a_writer_replaces_only_the_version_that_it_knows() {
    let buckets = start(None).await;
    let client = client(&buckets);
    let write = |content: &'static [u8]| {
        client
            .put_object()
            .bucket("files")
            .key(KEY)
            .body(ByteStream::from_static(content))
    };
    let first = write(b"first").if_none_match("*").send().await.unwrap().e_tag.unwrap();
    assert_eq!(
        code(write(b"again").if_none_match("*").send().await),
        "PreconditionFailed"
    );
    write(b"second").if_match(&first).send().await.unwrap();
    assert_eq!(
        code(write(b"third").if_match(&first).send().await),
        "PreconditionFailed"
    );
    assert_eq!(get(&buckets, KEY).await, "second");
    assert_eq!(buckets.take_events().len(), 2);
}

#[tokio::test]
async fn each_object_that_is_created_is_told_of_when_it_is_there() {
    let buckets = start(None).await;
    let client = client(&buckets);
    let mut arrivals = buckets.arrivals();
    put(&buckets, KEY, "first").await;
    assert!(arrivals.has_changed().unwrap());
    arrivals.mark_unchanged();
    put(&buckets, KEY, "second").await;
    let copy = client
        .copy_object()
        .bucket("files")
        .key("results/a")
        .copy_source(format!("files/{KEY}"));
    copy.send().await.unwrap();
    put_parts(&buckets, "results/b", [vec![b'a'; 5 * MIB], vec![b'b'; 10]]).await;
    client
        .delete_object()
        .bucket("files")
        .key("results/a")
        .send()
        .await
        .unwrap();

    let events = buckets.take_events();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.key.as_str(), event.size, event.creation))
        .collect();
    assert_eq!(
        told,
        [
            (KEY, 5, Creation::Put),
            (KEY, 6, Creation::Put),
            ("results/a", 6, Creation::Copy),
            ("results/b", 5 * MIB as u64 + 10, Creation::CompleteMultipartUpload),
        ]
    );
    assert!(events[0].sequencer < events[1].sequencer);
    assert_ne!(events[0].e_tag, events[1].e_tag);
    assert_eq!(events[1].e_tag, events[2].e_tag);
    assert!(buckets.take_events().is_empty());

    // Who asks what lies there gets the same, but for how it came to be.
    let lies: Vec<_> = buckets.objects("files", "").unwrap();
    assert_eq!(
        lies[0],
        ObjectCreated {
            creation: Creation::Put,
            ..events[3].clone()
        }
    );
    assert_eq!(lies[1], events[1]);
    assert_eq!(lies.len(), 2);
    assert!(buckets.objects("other", "").is_err());
}

#[tokio::test]
async fn parts_become_one_object() {
    let buckets = start(None).await;
    let client = client(&buckets);
    // What is known of an earlier object, or of one that was deleted, says nothing of this one.
    put(&buckets, KEY, "before").await;
    let (first, second) = (vec![b'a'; 5 * MIB], b"the end".to_vec());
    let e_tag = put_parts(&buckets, KEY, [first, second]).await;
    assert!(e_tag.ends_with("-2\""), "{e_tag}");

    let object = client.get_object().bucket("files").key(KEY).send().await.unwrap();
    assert_eq!(object.metadata.as_ref().unwrap()["kind"], "lookup");
    assert_eq!(object.e_tag.as_ref(), Some(&e_tag));
    let bytes = object.body.collect().await.unwrap().to_vec();
    assert_eq!(bytes.len(), 5 * MIB + 7);
    assert!(bytes.ends_with(b"athe end"));
    let over = format!("bytes={}-{}", 5 * MIB - 1, 5 * MIB + 2);
    let range = client
        .get_object()
        .bucket("files")
        .key(KEY)
        .range(over)
        .if_match(&e_tag)
        .send()
        .await
        .unwrap();
    assert_eq!(range.body.collect().await.unwrap().to_vec(), b"athe");
}

#[tokio::test]
async fn parts_that_are_given_up_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let buckets = start(Some(folder.path())).await;
    let client = client(&buckets);
    let upload = client
        .create_multipart_upload()
        .bucket("files")
        .key(KEY)
        .send()
        .await
        .unwrap();
    let id = upload.upload_id.unwrap();
    let part = client
        .upload_part()
        .bucket("files")
        .key(KEY)
        .upload_id(&id)
        .part_number(1);
    part.body(ByteStream::from_static(b"some")).send().await.unwrap();
    let parts = client
        .list_parts()
        .bucket("files")
        .key(KEY)
        .upload_id(&id)
        .send()
        .await
        .unwrap();
    assert_eq!((parts.parts().len(), parts.key()), (1, Some(KEY)));
    client
        .abort_multipart_upload()
        .bucket("files")
        .key(KEY)
        .upload_id(&id)
        .send()
        .await
        .unwrap();

    let late = client
        .upload_part()
        .bucket("files")
        .key(KEY)
        .upload_id(&id)
        .part_number(2);
    assert_eq!(
        code(late.body(ByteStream::from_static(b"late")).send().await),
        "NoSuchUpload"
    );
    assert!(buckets.objects("files", "").unwrap().is_empty());
    assert!(buckets.take_events().is_empty());
    assert_eq!(names(&folder.path().join("buckets")), [".aside", "files"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_arrives_damaged_or_cut_off_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let buckets = start(Some(folder.path())).await;
    put(&buckets, KEY, "good").await;
    let damaged = client(&buckets)
        .put_object()
        .bucket("files")
        .key(KEY)
        .content_md5("1B2M2Y8AsgTpgAmY7PhCfg==");
    let damaged = damaged.body(ByteStream::from_static(b"damaged")).send().await;
    assert_eq!(code(damaged), "BadDigest");
    assert_eq!(get(&buckets, KEY).await, "good");

    let address = buckets.url().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("PUT /files/{KEY} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\ncut");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
        .await
        .unwrap();
    drop(stream);
    // Another call shows that the server has gone on.
    put(&buckets, "uploads/991825827/other.csv", "other").await;
    assert_eq!(get(&buckets, KEY).await, "good");
    assert_eq!(buckets.take_events().len(), 2);
}

#[tokio::test]
async fn a_presigned_url_needs_nothing_but_a_client() {
    let buckets = start(None).await;
    let client = client(&buckets);
    let minute = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let to = client
        .put_object()
        .bucket("files")
        .key(KEY)
        .metadata("batch", "42")
        .content_type("text/csv");
    let to = to.presigned(minute.clone()).await.unwrap();
    let mut put = reqwest::Client::new().put(to.uri()).body("person\n20914695016\n");
    for (name, value) in to.headers() {
        put = put.header(name, value);
    }
    let answer = put.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    assert_eq!(buckets.take_events().len(), 1);

    let from = client
        .get_object()
        .bucket("files")
        .key(KEY)
        .presigned(minute)
        .await
        .unwrap();
    let answer = reqwest::get(from.uri()).await.unwrap();
    assert_eq!(answer.headers()["x-amz-meta-batch"], "42");
    assert_eq!(answer.headers()["content-type"], "text/csv");
    assert_eq!(answer.text().await.unwrap(), "person\n20914695016\n");

    // The signature is for this object and this method.
    let other = from.uri().replace("persons.csv", "other.csv");
    assert_eq!(reqwest::get(other).await.unwrap().status(), StatusCode::FORBIDDEN);
    let replaced = reqwest::Client::new().put(from.uri()).body("x").send().await.unwrap();
    assert_eq!(replaced.status(), StatusCode::FORBIDDEN);
    assert_eq!(get(&buckets, KEY).await, "person\n20914695016\n");
}

#[tokio::test]
async fn an_expired_presigned_url_is_refused() {
    let buckets = start(None).await;
    put(&buckets, KEY, "content").await;
    let hour_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let expired = PresigningConfig::builder()
        .start_time(hour_ago)
        .expires_in(Duration::from_mins(1));
    let from = client(&buckets).get_object().bucket("files").key(KEY);
    let from = from.presigned(expired.build().unwrap()).await.unwrap();
    let answer = reqwest::get(from.uri()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.text().await.unwrap().contains("Request has expired"));
}

#[tokio::test]
async fn who_signs_must_be_known_and_who_does_not_need_not() {
    let buckets = start(None).await;
    put(&buckets, KEY, "content").await;
    for (access, secret, refusal) in [
        ("stranger", "local", "InvalidAccessKeyId"),
        ("local", "guess", "SignatureDoesNotMatch"),
    ] {
        let config = aws_sdk_s3::config::Builder::from(&sdk::config(buckets.url()))
            .force_path_style(true)
            .credentials_provider(Credentials::new(access, secret, None, None, "test"));
        let stranger = Client::from_conf(config.build());
        let answer = stranger.get_object().bucket("files").key(KEY).send().await;
        assert_eq!(code(answer), refusal);
    }
    let unsigned = reqwest::get(format!("{}/files/{KEY}", buckets.url())).await.unwrap();
    assert_eq!(unsigned.text().await.unwrap(), "content");
}

#[tokio::test]
async fn calls_fail_as_scripted_and_then_no_more() {
    let buckets = start(None).await;
    let config = aws_sdk_s3::config::Builder::from(&sdk::config(buckets.url()))
        .force_path_style(true)
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled());
    let client = Client::from_conf(config.build());
    put(&buckets, KEY, "content").await;
    let get = || client.get_object().bucket("files").key(KEY).send();
    for (how, refusal) in [
        (BucketFault::AccessDenied, "AccessDenied"),
        (BucketFault::NoSuchKey, "NoSuchKey"),
        (BucketFault::SlowDown, "SlowDown"),
    ] {
        buckets.fail_next("GetObject", 2, how);
        assert_eq!(code(get().await), refusal);
        assert_eq!(code(get().await), refusal);
        get().await.unwrap();
    }
    buckets.fail_next("GetObject", 1, BucketFault::Broken);
    assert!(matches!(get().await, Err(SdkError::DispatchFailure(_))));
    get().await.unwrap();

    buckets.fail_next_under("results/", "GetObject", 1, BucketFault::NoSuchKey);
    get().await.unwrap();
    let result = client.get_object().bucket("files").key("results/a").send().await;
    assert_eq!(code(result), "NoSuchKey");
    buckets.fail_next("GetObject", 1, BucketFault::AccessDenied);
    buckets.clear_faults();
    get().await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_is_not_in_the_template_is_not_there() {
    let buckets = start(None).await;
    let client = client(&buckets);
    let put = client
        .put_object()
        .bucket("other")
        .key("a")
        .body(ByteStream::from_static(b"x"));
    assert_eq!(code(put.send().await), "NoSuchBucket");
    assert_eq!(
        code(client.create_bucket().bucket("other").send().await),
        "NoSuchBucket"
    );
    let list = client.list_buckets().send().await.unwrap();
    assert_eq!(
        list.buckets()
            .iter()
            .map(|bucket| bucket.name().unwrap())
            .collect::<Vec<_>>(),
        ["files"]
    );
    assert_eq!(buckets.name("OtherBucket"), None);
}

#[tokio::test]
async fn objects_in_a_folder_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let before = start(Some(folder.path())).await;
    put(&before, KEY, "content").await;
    let told = before.take_events();
    drop(before);
    let after = start(Some(folder.path())).await;
    assert_eq!(get(&after, KEY).await, "content");
    assert!(after.take_events().is_empty());
    assert_eq!(after.objects("files", "uploads/").unwrap(), told);
    assert!(after.objects("files", "results/").unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_is_copied_into_the_folder_is_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let buckets = start(Some(folder.path())).await;
    let path = folder.path().join("buckets/files/uploads/991825827");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("persons.csv"), "person\n").unwrap();
    let [object] = &buckets.objects("files", "uploads/").unwrap()[..] else {
        panic!("one object")
    };
    assert_eq!((object.key.as_str(), object.size), (KEY, 7));
    let read = client(&buckets)
        .get_object()
        .bucket("files")
        .key(KEY)
        .if_match(&object.e_tag);
    assert_eq!(
        read.send().await.unwrap().body.collect().await.unwrap().to_vec(),
        b"person\n"
    );
}

#[tokio::test]
async fn folders_are_no_objects() {
    let buckets = start(None).await;
    let client = client(&buckets);
    put(&buckets, KEY, "content").await;
    let folder = client
        .get_object()
        .bucket("files")
        .key("uploads/991825827")
        .send()
        .await;
    assert_eq!(code(folder), "NoSuchKey");
    let key = ObjectIdentifier::builder().key(KEY).build().unwrap();
    let all = Delete::builder().objects(key).build().unwrap();
    let deleted = client
        .delete_objects()
        .bucket("files")
        .delete(all)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.deleted().len(), 1);
    put(&buckets, "uploads", "now a file").await;
    assert_eq!(get(&buckets, "uploads").await, "now a file");
}

#[tokio::test]
async fn a_key_cannot_lead_out_of_its_bucket() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let buckets = start(Some(folder.path())).await;
    let call = async |method: &str, path: &str| {
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx");
        exchange(buckets.url(), &request).await
    };
    for path in [
        "/files/../../secret",
        "/files/%2e%2e/%2e%2e/secret",
        "/files/a/../../../secret",
        "/files//secret",
    ] {
        for method in ["PUT", "GET", "HEAD", "DELETE"] {
            let answer = call(method, path).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{method} {path}: {answer}");
        }
    }
    let client = client(&buckets);
    let copy = client
        .copy_object()
        .bucket("files")
        .key("a")
        .copy_source("files/../../secret");
    assert_eq!(code(copy.send().await), "InvalidArgument");
    assert_eq!(fs::read_to_string(folder.path().join("secret")).unwrap(), "secret");
    let long = format!("uploads/{}", "a".repeat(200));
    let put = client
        .put_object()
        .bucket("files")
        .key(long)
        .body(ByteStream::from_static(b"x"));
    assert_eq!(code(put.send().await), "KeyTooLongError");
}
