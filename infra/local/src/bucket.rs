//! S3: buckets in a folder, served for the real SDK.
//!
//! Requests need not be signed: the port is on loopback and there is nothing to protect. Events of S3 are not sent.
//! The store behind (s3s-fs) would make a bucket that it is asked to put something into; one that the template does not have is refused here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use s3s::Body;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;

use crate::loopback::Server;
use crate::template::physical_name;

/// Why the buckets cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BucketsError {
    /// No port, or no folder.
    #[error("buckets: {0}")]
    Io(#[from] io::Error),
    /// The file store refuses its folder.
    #[error("buckets: {0:?}")]
    Store(s3s_fs::Error),
}

/// The buckets being served. Dropping it closes the port, and removes the objects unless they have a folder of their own.
#[derive(Debug)]
pub struct Buckets {
    server: Server,
    names: BTreeMap<String, String>,
    _temporary: Option<TempDir>,
}

impl Buckets {
    /// Creates the buckets with these logical ids and serves them on loopback, in `folder` or in a temporary one.
    ///
    /// # Errors
    /// The folder cannot be used, or there is no port.
    pub async fn start(buckets: &BTreeSet<String>, folder: Option<&Path>) -> Result<Self, BucketsError> {
        let (root, temporary) = if let Some(folder) = folder {
            (folder.to_owned(), None)
        } else {
            let temporary = tempfile::tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let names: BTreeMap<String, String> = buckets
            .iter()
            .map(|id| (id.clone(), physical_name(id, "Bucket")))
            .collect();
        for name in names.values() {
            fs::create_dir_all(root.join(name))?;
        }
        fs::create_dir_all(&root)?;
        let store = FileSystem::new(&root).map_err(BucketsError::Store)?;
        let service = S3ServiceBuilder::new(store).build();
        let known: Arc<BTreeSet<String>> = Arc::new(names.values().cloned().collect());
        let guarded = service_fn(move |request: Request<Incoming>| {
            let (service, known) = (service.clone(), Arc::clone(&known));
            async move {
                if is_in(&known, request.uri().path()) {
                    service.call(request.map(Body::from)).await
                } else {
                    Ok(no_such_bucket())
                }
            }
        });
        Ok(Self {
            server: Server::start(guarded).await?,
            names,
            _temporary: temporary,
        })
    }

    /// Where the SDK reaches the service. It has to be told to put the bucket into the path (`force_path_style`).
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The name of the bucket with this logical id: `UploadsBucket` → `uploads`.
    pub fn name(&self, logical_id: &str) -> Option<&str> {
        self.names.get(logical_id).map(String::as_str)
    }
}

/// Whether the path begins with a bucket. The root, where buckets are listed, is nobody's.
fn is_in(buckets: &BTreeSet<String>, path: &str) -> bool {
    let bucket = path.trim_start_matches('/').split('/').next();
    bucket.is_some_and(|bucket| bucket.is_empty() || buckets.contains(bucket))
}

fn no_such_bucket() -> Response<Body> {
    let error = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
    let mut response = Response::new(Body::from(error.to_owned()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loopback::tests::exchange;

    async fn start(folder: Option<&Path>) -> Buckets {
        let buckets = BTreeSet::from(["UploadsBucket".to_owned()]);
        Buckets::start(&buckets, folder).await.unwrap()
    }

    async fn call(buckets: &Buckets, method: &str, path: &str, body: &str) -> String {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        exchange(buckets.url(), &request).await
    }

    #[tokio::test]
    async fn an_object_is_put_read_in_part_listed_and_deleted() {
        let buckets = start(None).await;
        assert_eq!(buckets.name("UploadsBucket"), Some("uploads"));
        let path = "/uploads/984661185/persons.csv";
        let put = call(&buckets, "PUT", path, "person\n20914695016\n").await;
        assert!(put.starts_with("HTTP/1.1 200 "), "{put}");

        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nrange: bytes=7-17\r\nconnection: close\r\n\r\n");
        let part = exchange(buckets.url(), &request).await;
        assert!(part.starts_with("HTTP/1.1 206 "), "{part}");
        assert!(part.ends_with("\r\n20914695016"), "{part}");

        let list = call(&buckets, "GET", "/uploads?list-type=2&prefix=984661185/", "").await;
        assert!(list.contains("<Key>984661185/persons.csv</Key>"), "{list}");

        call(&buckets, "DELETE", path, "").await;
        let gone = call(&buckets, "GET", path, "").await;
        assert!(gone.starts_with("HTTP/1.1 404 "), "{gone}");
        assert!(gone.contains("NoSuchKey"), "{gone}");
    }

    #[tokio::test]
    async fn a_bucket_that_is_not_in_the_template_is_not_there() {
        let buckets = start(None).await;
        let answer = call(&buckets, "PUT", "/other/object", "x").await;
        assert!(answer.contains("NoSuchBucket"), "{answer}");
        assert_eq!(buckets.name("OtherBucket"), None);
    }

    #[tokio::test]
    async fn objects_in_a_folder_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        call(&start(Some(folder.path())).await, "PUT", "/uploads/a", "content").await;
        let answer = call(&start(Some(folder.path())).await, "GET", "/uploads/a", "").await;
        assert!(answer.ends_with("content"), "{answer}");
    }

    #[tokio::test]
    async fn a_key_cannot_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("buckets");
        let buckets = start(Some(&root)).await;
        call(&buckets, "PUT", "/uploads/../../outside", "x").await;
        call(&buckets, "PUT", "/uploads/%2e%2e/%2e%2e/outside", "x").await;
        assert!(!folder.path().join("outside").exists());
    }
}
