//! What is looked at before a call is carried out: who signed it, which bucket and key it is about, and whether a test
//! wants it to fail.

use std::{collections::BTreeSet, sync::Arc};

use s3s::{
    S3Error, S3ErrorCode, S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
};

use super::{faults::Faults, shelf::check_key};

/// The one who may sign: the credentials of [`crate::sdk::config`].
const ACCESS_KEY: &str = "local";
const SECRET_KEY: &str = "local";

/// Knows the secret key of the one access key there is.
pub(super) struct Signers;

#[async_trait::async_trait]
impl S3Auth for Signers {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY {
            Ok(SecretKey::from(SECRET_KEY))
        } else {
            Err(S3Error::with_message(
                S3ErrorCode::InvalidAccessKeyId,
                "The access key here is `local`, and so is the secret key.",
            ))
        }
    }
}

/// Lets calls in, signed or not.
pub(super) struct Gate {
    pub(super) buckets: Arc<BTreeSet<String>>,
    pub(super) faults: Arc<Faults>,
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, call: &mut S3AccessContext<'_>) -> S3Result<()> {
        let path = call.s3_path();
        if let Some(bucket) = path.get_bucket_name() {
            check_bucket(&self.buckets, bucket)?;
        }
        let key = path.get_object_key().unwrap_or_default();
        if !key.is_empty() {
            check_key(path.get_bucket_name().unwrap_or_default(), key)?;
        }
        self.faults.check(call.s3_op().name(), key)
    }
}

/// The store behind would make a bucket that it is asked to put something into.
pub(super) fn check_bucket(buckets: &BTreeSet<String>, bucket: &str) -> S3Result<()> {
    if buckets.contains(bucket) {
        Ok(())
    } else {
        Err(S3Error::with_message(
            S3ErrorCode::NoSuchBucket,
            "The specified bucket does not exist",
        ))
    }
}
