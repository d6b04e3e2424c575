//! S3's operations: those of the store behind (s3s-fs), and what it leaves out.
//!
//! It knows no `If-Match` and `If-None-Match` of readers, tells nobody of new objects, and forgets to remove what it knew
//! of an object when that goes. What it makes of two writers at once, or a writer and a reader, is chance.

use std::{collections::BTreeSet, io, sync::Arc};

use s3s::{
    S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopySource, CreateMultipartUploadInput,
        CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
        DeletedObject, ETag, ETagCondition, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
        GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
        ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
        ListPartsInput, ListPartsOutput, PutObjectInput, PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput,
        UploadPartInput, UploadPartOutput,
    },
};
use s3s_fs::FileSystem;
use tokio::sync::{Mutex, RwLock};

use super::{
    events::Creation,
    gate::check_bucket,
    shelf::{ASIDE, Aside, Shelf, check_key, joined_key},
};

/// The store.
pub(super) struct Store {
    files: FileSystem,
    shelf: Arc<Shelf>,
    buckets: Arc<BTreeSet<String>>,
    /// Held by readers until they have the file open, and by writers while they move files to their places: an object and
    /// what is known of it lie in several.
    places: RwLock<()>,
    /// Parts of the same object have the same place aside.
    joining: Mutex<()>,
}

impl Store {
    pub(super) fn new(files: FileSystem, shelf: Arc<Shelf>, buckets: Arc<BTreeSet<String>>) -> Self {
        Self {
            files,
            shelf,
            buckets,
            places: RwLock::default(),
            joining: Mutex::default(),
        }
    }

    /// Whether a reader gets the object that there is.
    fn check_read(&self, bucket: &str, key: &str, wanted: &Condition) -> S3Result<()> {
        if !self.shelf.has(bucket, key) {
            return Err(no_such_key());
        }
        if wanted.is_none() {
            return Ok(());
        }
        let e_tag = self.e_tag(bucket, key)?;
        if wanted
            .r#match
            .as_ref()
            .is_some_and(|wanted| !fits(e_tag.as_ref(), wanted))
        {
            return Err(precondition_failed());
        }
        if wanted
            .none_match
            .as_ref()
            .is_some_and(|known| fits(e_tag.as_ref(), known))
        {
            return Err(S3Error::new(S3ErrorCode::NotModified));
        }
        Ok(())
    }

    /// Whether a writer may replace the object that there is, or is not.
    fn check_write(&self, bucket: &str, key: &str, wanted: &Condition) -> S3Result<()> {
        if wanted.is_none() {
            return Ok(());
        }
        let e_tag = self.e_tag(bucket, key)?;
        match &wanted.r#match {
            Some(_) if e_tag.is_none() => return Err(no_such_key()),
            Some(wanted) if !fits(e_tag.as_ref(), wanted) => return Err(precondition_failed()),
            _ => {}
        }
        if wanted
            .none_match
            .as_ref()
            .is_some_and(|known| fits(e_tag.as_ref(), known))
        {
            return Err(precondition_failed());
        }
        Ok(())
    }

    fn e_tag(&self, bucket: &str, key: &str) -> S3Result<Option<ETag>> {
        let e_tag = self.shelf.e_tag(bucket, key).map_err(internal)?;
        Ok(e_tag.map(ETag::Strong))
    }

    /// Refuses to copy what nobody may read.
    fn check_source(&self, source: &CopySource) -> S3Result<()> {
        let CopySource::Bucket { bucket, key, .. } = source else {
            return Err(S3Error::new(S3ErrorCode::NotImplemented));
        };
        check_bucket(&self.buckets, bucket)?;
        check_key(bucket, key)?;
        if self.shelf.has(bucket, key) {
            Ok(())
        } else {
            Err(no_such_key())
        }
    }

    async fn put(&self, aside: &Aside<'_>, to: &Destination, creation: Creation) -> S3Result<()> {
        let _alone = self.places.write().await;
        self.check_write(&to.bucket, &to.key, &to.condition)?;
        self.shelf.put(aside, &to.bucket, &to.key, creation).map_err(internal)
    }
}

/// The `ETag`s that there must be, or must not.
#[derive(Default)]
struct Condition {
    r#match: Option<ETagCondition>,
    none_match: Option<ETagCondition>,
}

impl Condition {
    const fn is_none(&self) -> bool {
        self.r#match.is_none() && self.none_match.is_none()
    }
}

/// What becomes of something that is written aside.
struct Destination {
    bucket: String,
    key: String,
    condition: Condition,
}

fn fits(e_tag: Option<&ETag>, condition: &ETagCondition) -> bool {
    e_tag.is_some_and(|e_tag| match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => e_tag.weak_cmp(wanted),
    })
}

fn no_such_key() -> S3Error {
    S3Error::with_message(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

fn precondition_failed() -> S3Error {
    S3Error::with_message(
        S3ErrorCode::PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold",
    )
}

/// An upload that the store does not know it takes for another's.
fn no_such_upload(error: S3Error) -> S3Error {
    match error.code() {
        S3ErrorCode::AccessDenied | S3ErrorCode::InvalidRequest => S3Error::with_message(
            S3ErrorCode::NoSuchUpload,
            "The specified upload does not exist. It may have been aborted or completed.",
        ),
        _ => error,
    }
}

fn internal(error: io::Error) -> S3Error {
    S3Error::internal_error(error)
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = &mut request.input;
        let aside = self.shelf.aside();
        let to = Destination {
            bucket: std::mem::replace(&mut input.bucket, ASIDE.to_owned()),
            key: std::mem::replace(&mut input.key, aside.key()),
            condition: Condition {
                r#match: input.if_match.take(),
                none_match: input.if_none_match.take(),
            },
        };
        let response = self.files.put_object(request).await?;
        self.put(&aside, &to, Creation::Put).await?;
        Ok(response)
    }

    async fn copy_object(&self, mut request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = &mut request.input;
        let aside = self.shelf.aside();
        let to = Destination {
            bucket: std::mem::replace(&mut input.bucket, ASIDE.to_owned()),
            key: std::mem::replace(&mut input.key, aside.key()),
            condition: Condition::default(),
        };
        let response = {
            let _reading = self.places.read().await;
            self.check_source(&request.input.copy_source)?;
            self.files.copy_object(request).await?
        };
        self.put(&aside, &to, Creation::Copy).await?;
        Ok(response)
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &request.input;
        let wanted = Condition {
            r#match: input.if_match.clone(),
            none_match: input.if_none_match.clone(),
        };
        let _reading = self.places.read().await;
        self.check_read(&input.bucket, &input.key, &wanted)?;
        // The file is open when this returns: what comes into its place later is not seen.
        self.files.get_object(request).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = &request.input;
        let wanted = Condition {
            r#match: input.if_match.clone(),
            none_match: input.if_none_match.clone(),
        };
        let _reading = self.places.read().await;
        self.check_read(&input.bucket, &input.key, &wanted)?;
        self.files.head_object(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let _alone = self.places.write().await;
        let input = request.input;
        self.shelf.delete(&input.bucket, &input.key).map_err(internal)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = request.input;
        for object in &delete.objects {
            check_key(&bucket, &object.key)?;
        }
        let _alone = self.places.write().await;
        let mut deleted = Vec::new();
        for object in delete.objects {
            self.shelf.delete(&bucket, &object.key).map_err(internal)?;
            deleted.push(DeletedObject {
                key: Some(object.key),
                ..DeletedObject::default()
            });
        }
        let is_quiet = delete.quiet == Some(true);
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!is_quiet).then_some(deleted),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        self.files.list_objects(request).await
    }

    async fn list_objects_v2(
        &self,
        mut request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        // The store says that it encodes the keys, but does not.
        request.input.encoding_type = None;
        let bucket = request.input.bucket.clone();
        let _reading = self.places.read().await;
        let mut response = self.files.list_objects_v2(request).await?;
        for object in response.output.contents.iter_mut().flatten() {
            if let Some(key) = &object.key {
                object.e_tag = self.e_tag(&bucket, key)?;
            }
        }
        Ok(response)
    }

    async fn list_buckets(&self, request: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let mut response = self.files.list_buckets(request).await?;
        if let Some(buckets) = &mut response.output.buckets {
            buckets.retain(|bucket| bucket.name.as_ref().is_some_and(|name| self.buckets.contains(name)));
        }
        Ok(response)
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(request).await
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.files.get_bucket_location(request).await
    }

    async fn create_multipart_upload(
        &self,
        mut request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let (bucket, key) = set_aside(&mut request.input.bucket, &mut request.input.key);
        let mut response = self.files.create_multipart_upload(request).await?;
        response.output.bucket = Some(bucket);
        response.output.key = Some(key);
        Ok(response)
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.files.upload_part(request).await.map_err(no_such_upload)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let _reading = self.places.read().await;
        self.check_source(&request.input.copy_source)?;
        self.files.upload_part_copy(request).await.map_err(no_such_upload)
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let mut response = self.files.list_parts(request).await?;
        if let Some(parts) = &mut response.output.parts {
            parts.sort_by_key(|part| part.part_number);
        }
        Ok(response)
    }

    async fn complete_multipart_upload(
        &self,
        mut request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let _joining = self.joining.lock().await;
        let input = &mut request.input;
        let condition = Condition {
            r#match: input.if_match.take(),
            none_match: input.if_none_match.take(),
        };
        let (bucket, key) = set_aside(&mut input.bucket, &mut input.key);
        let aside = self.shelf.joined_aside(&bucket, &key);
        let to = Destination { bucket, key, condition };
        let mut output = self
            .files
            .complete_multipart_upload(request)
            .await
            .map_err(no_such_upload)?
            .output;
        // The answer may be put off for as long as joining takes. There is nothing to be told of before.
        if let Some(joined) = output.future.take() {
            output = joined.await?;
        }
        self.put(&aside, &to, Creation::CompleteMultipartUpload).await?;
        output.bucket = Some(to.bucket);
        output.key = Some(to.key);
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        mut request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        set_aside(&mut request.input.bucket, &mut request.input.key);
        self.files.abort_multipart_upload(request).await.map_err(no_such_upload)
    }
}

/// Has parts put aside, and gives back where they are to go.
fn set_aside(bucket: &mut String, key: &mut String) -> (String, String) {
    let joined = joined_key(bucket, key);
    (
        std::mem::replace(bucket, ASIDE.to_owned()),
        std::mem::replace(key, joined),
    )
}
