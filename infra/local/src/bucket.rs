//! S3: buckets in a folder, served for the real SDK.
//!
//! Objects are files in `buckets/<bucket>/<key>`, read and written as streams. What that cannot be is refused: keys with
//! `.`, `..` or nothing between two slashes, and long ones. Of two keys of which one is the folder of the other, only
//! one can have an object. A file that somebody copies there by hand is an object as well.
//!
//! # Who may
//!
//! Requests need not be signed: the port is on loopback and there is nothing to protect. One that is signed, in its header
//! or as a presigned URL, must be signed with the credentials of [`crate::sdk::config`], and a presigned URL must not
//! have expired. That goes by the machine's clock, as does an object's age, wherever the stack's clock has been moved to.
//!
//! # Events
//!
//! As in AWS, an object is there before it is told of ([`Buckets::take_events`]). Events are not kept: what this process
//! does not tell of the next one finds by [`Buckets::objects`].

mod events;
mod faults;
mod gate;
mod shelf;
mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
};

use axum::http::Request;
use hyper::{body::Incoming, service::service_fn};
use s3s::{Body, HttpError, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::sync::watch;

pub use self::{
    events::{Creation, ObjectCreated, notification},
    faults::BucketFault,
};
use self::{
    faults::{BROKEN, Faults},
    gate::{Gate, Signers},
    shelf::Shelf,
    store::Store,
};
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
    shelf: Arc<Shelf>,
    faults: Arc<Faults>,
    _temporary: Option<TempDir>,
}

impl Buckets {
    /// Creates the buckets with these logical ids and serves them on loopback, in `folder` or in a temporary one.
    ///
    /// # Errors
    /// The folder cannot be used, or there is no port.
    pub async fn start(buckets: &BTreeSet<String>, folder: Option<&Path>) -> Result<Self, BucketsError> {
        let (root, temporary) = if let Some(folder) = folder {
            (folder.join("buckets"), None)
        } else {
            let temporary = tempfile::tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let names: BTreeMap<String, String> = buckets
            .iter()
            .map(|id| (id.clone(), physical_name(id, "Bucket")))
            .collect();
        let shelf = Arc::new(Shelf::open(&root, names.values().map(String::as_str))?);
        let files = FileSystem::new(&root).map_err(BucketsError::Store)?;
        let known: Arc<BTreeSet<String>> = Arc::new(names.values().cloned().collect());
        let faults = Arc::new(Faults::default());

        let mut builder = S3ServiceBuilder::new(Store::new(files, Arc::clone(&shelf), Arc::clone(&known)));
        builder.set_auth(Signers);
        builder.set_access(Gate {
            buckets: known,
            faults: Arc::clone(&faults),
        });
        let service = builder.build();
        let served = service_fn(move |request: Request<Incoming>| {
            let service = service.clone();
            async move {
                let response = service.call(request.map(Body::from)).await?;
                if response.headers().contains_key(BROKEN) {
                    return Err(HttpError::new("broken, as scripted".into()));
                }
                Ok(response)
            }
        });
        Ok(Self {
            server: Server::start(served).await?,
            names,
            shelf,
            faults,
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

    /// What was created in any bucket since this was last asked, in order.
    pub fn take_events(&self) -> Vec<ObjectCreated> {
        self.shelf.take_created()
    }

    /// Changes whenever there may be new events.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.shelf.arrivals()
    }

    /// The objects of the bucket with this name whose keys begin so, in the order of their keys: what an earlier run may
    /// not have told of.
    ///
    /// # Errors
    /// There is no such bucket, or its folder cannot be read.
    pub fn objects(&self, bucket: &str, prefix: &str) -> io::Result<Vec<ObjectCreated>> {
        self.shelf.objects(bucket, prefix)
    }

    /// Has the next `times` calls of an operation (`GetObject`) fail.
    pub fn fail_next(&self, operation: &str, times: u32, how: BucketFault) {
        self.fail_next_under("", operation, times, how);
    }

    /// Has the next `times` calls of an operation (`GetObject`) fail that are about a key with this prefix.
    pub fn fail_next_under(&self, prefix: &str, operation: &str, times: u32, how: BucketFault) {
        self.faults.script(operation, prefix, times, how);
    }

    /// Forgets the faults that have not come about.
    pub fn clear_faults(&self) {
        self.faults.clear();
    }
}

#[cfg(test)]
mod tests;
