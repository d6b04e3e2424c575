//! Files in S3: read as a stream, written piece by piece, whatever their size.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_s3::{
    Client,
    config::{RequestChecksumCalculation, ResponseChecksumValidation, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier},
};
use aws_types::SdkConfig;
use bytes::BytesMut;
use mailbox_register::batch::life::Source;

use crate::error;

/// Bytes of one part of an upload: at least five MiB by S3's rule; ten thousand of them are eighty GiB.
const PART: usize = 8 * 1024 * 1024;
/// Objects deleted by one call, S3's limit.
const DELETED_AT_ONCE: usize = 1000;

/// A file that cannot be read or written.
///
/// Holds a stable name of the cause only: SDK errors can repeat names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("the file is not there")]
    NotFound,
    /// It is another than it was.
    #[error("the file was replaced")]
    Replaced,
    /// It may not be read or written.
    #[error("access to the file is denied")]
    Denied,
    /// S3 is down, throttled or too slow, or broke off: the same can succeed later.
    #[error("the file store is unavailable: {0}")]
    Unavailable(String),
}

impl<E: ProvideErrorMetadata> From<SdkError<E, HttpResponse>> for FileError {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let by_code = |code: &str| match code {
            "NoSuchKey" | "NotFound" | "NoSuchVersion" | "NoSuchBucket" => Some(Self::NotFound),
            "PreconditionFailed" => Some(Self::Replaced),
            "AccessDenied" | "Forbidden" | "KMS.DisabledException" => Some(Self::Denied),
            _ => None,
        };
        // The answer to a HEAD has no body, and so no code.
        let is_bare = error.as_service_error().is_some_and(|error| error.code().is_none());
        let status = error.raw_response().map(|response| response.status().as_u16());
        let by_status = match status.filter(|_| is_bare) {
            Some(403) => Some(Self::Denied),
            Some(404) => Some(Self::NotFound),
            Some(412) => Some(Self::Replaced),
            _ => None,
        };
        let cause = error::cause(&error);
        by_code(cause)
            .or(by_status)
            .unwrap_or_else(|| Self::Unavailable(cause.to_owned()))
    }
}

impl FileError {
    fn broken_off(_: aws_sdk_s3::primitives::ByteStreamError) -> Self {
        Self::Unavailable("stream".to_owned())
    }
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The object as it is now.
    pub source: Source,
    /// What its owner says of it.
    pub metadata: HashMap<String, String>,
}

/// A request that somebody without an account can make for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presigned {
    /// Where.
    pub url: String,
    /// Headers that go with it.
    pub headers: Vec<(String, String)>,
}

/// The configuration of the client: longer waits than for a table, because parts of files are large.
pub fn config(sdk: &SdkConfig) -> aws_sdk_s3::Config {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(30))
        .operation_timeout(Duration::from_secs(90))
        .build();
    aws_sdk_s3::config::Builder::from(sdk)
        .timeout_config(timeouts)
        // A stand-in has no host name for each bucket.
        .force_path_style(sdk.endpoint_url().is_some())
        // A URL that is handed out must not ask for a checksum of a body that is not known yet.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build()
}

/// One bucket.
#[derive(Debug, Clone)]
pub struct Files {
    client: Client,
    bucket: String,
}

impl Files {
    /// The files in `bucket`.
    pub const fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// An object as it is now, or a version of it.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn find(&self, key: &str, version: Option<&str>) -> Result<Found, FileError> {
        let found = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned))
            .send()
            .await?;
        let source = Source {
            key: key.to_owned(),
            version: found.version_id.filter(|version| version != "null"),
            e_tag: found.e_tag.unwrap_or_default(),
            size: found
                .content_length
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or(0),
        };
        Ok(Found {
            source,
            metadata: found.metadata.unwrap_or_default(),
        })
    }

    /// The bytes of a source from `from` up to `until`, or to its end.
    ///
    /// # Errors
    /// [`FileError`], [`FileError::Replaced`] among them: what is read is what was found.
    pub async fn read(&self, source: &Source, from: u64, until: Option<u64>) -> Result<Reading, FileError> {
        let until = until.unwrap_or(source.size);
        if from >= until {
            return Ok(Reading(ByteStream::default()));
        }
        let read = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(&source.key)
            .set_version_id(source.version.clone())
            .if_match(&source.e_tag)
            .range(format!("bytes={from}-{}", until - 1))
            .send()
            .await?;
        Ok(Reading(read.body))
    }

    /// A small file as a whole.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn put(&self, key: &str, content: Vec<u8>) -> Result<Source, FileError> {
        let size = content.len() as u64;
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type(key))
            .body(content.into())
            .send()
            .await?;
        Ok(Source {
            key: key.to_owned(),
            version: put.version_id,
            e_tag: put.e_tag.unwrap_or_default(),
            size,
        })
    }

    /// A file that is written piece by piece.
    pub fn write(&self, key: String) -> Writing {
        Writing {
            files: self.clone(),
            key,
            buffer: BytesMut::new(),
            size: 0,
            upload: None,
        }
    }

    /// Deletes objects. One that is not there is as it should be.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn delete(&self, keys: &[String]) -> Result<(), FileError> {
        for keys in keys.chunks(DELETED_AT_ONCE) {
            let ids: Result<Vec<_>, _> = keys
                .iter()
                .map(|key| ObjectIdentifier::builder().key(key).build())
                .collect();
            let delete = ids.and_then(|ids| Delete::builder().set_objects(Some(ids)).quiet(true).build());
            let delete = delete.map_err(|_| FileError::Unavailable("construction".to_owned()))?;
            self.client
                .delete_objects()
                .bucket(&self.bucket)
                .delete(delete)
                .send()
                .await?;
        }
        Ok(())
    }

    /// Removes one version of an object for good: where the bucket keeps versions, one that is merely deleted stays
    /// behind for a while, with its key.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn remove(&self, key: &str, version: Option<&str>) -> Result<(), FileError> {
        let delete = self.client.delete_object().bucket(&self.bucket).key(key);
        delete.set_version_id(version.map(str::to_owned)).send().await?;
        Ok(())
    }

    /// Keys that begin with `prefix`: a page of them.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, FileError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .send()
            .await?;
        let keys = page.contents.unwrap_or_default().into_iter();
        Ok(keys.filter_map(|object| object.key).collect())
    }

    /// A request that uploads a file to `key`.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn presign_upload(&self, key: &str, valid: Duration) -> Result<Presigned, FileError> {
        let request = self.client.put_object().bucket(&self.bucket).key(key);
        presigned(request.presigned(validity(valid)?).await)
    }

    /// A request that downloads `key`.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn presign_download(&self, key: &str, valid: Duration) -> Result<Presigned, FileError> {
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        presigned(request.presigned(validity(valid)?).await)
    }
}

fn validity(valid: Duration) -> Result<PresigningConfig, FileError> {
    PresigningConfig::expires_in(valid).map_err(|_| FileError::Unavailable("construction".to_owned()))
}

fn presigned<E: ProvideErrorMetadata>(
    result: Result<aws_sdk_s3::presigning::PresignedRequest, SdkError<E, HttpResponse>>,
) -> Result<Presigned, FileError> {
    let request = result?;
    let headers = request
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(Presigned {
        url: request.uri().to_owned(),
        headers: headers.collect(),
    })
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.') {
        Some((_, "csv")) => "text/csv; charset=utf-8",
        Some((_, "json")) => "application/json",
        Some((_, "jsonl")) => "application/jsonl",
        _ => "application/octet-stream",
    }
}

/// A file being read.
#[derive(Debug)]
pub struct Reading(ByteStream);

impl Reading {
    /// Some more of its bytes; none at its end.
    ///
    /// # Errors
    /// [`FileError::Unavailable`], if it broke off.
    pub async fn next(&mut self) -> Result<Option<bytes::Bytes>, FileError> {
        self.0.try_next().await.map_err(FileError::broken_off)
    }
}

/// A file being written. Nothing of it can be seen until it is finished.
#[derive(Debug)]
pub struct Writing {
    files: Files,
    key: String,
    /// What is not yet sent, in memory that is used again for each part.
    buffer: BytesMut,
    size: u64,
    upload: Option<Upload>,
}

/// An upload in parts.
#[derive(Debug)]
struct Upload {
    id: String,
    parts: Vec<CompletedPart>,
}

impl Writing {
    /// Writes more.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), FileError> {
        self.size += bytes.len() as u64;
        if self.upload.is_some() || self.buffer.len() + bytes.len() >= PART {
            // At once as much as a part takes: a buffer that grows is copied, and leaves holes.
            self.buffer.reserve(PART.saturating_sub(self.buffer.len()));
        }
        while self.buffer.len() + bytes.len() >= PART {
            let (now, later) = bytes.split_at(PART - self.buffer.len());
            self.buffer.extend_from_slice(now);
            bytes = later;
            self.part().await?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    async fn part(&mut self) -> Result<(), FileError> {
        let (client, bucket) = (&self.files.client, &self.files.bucket);
        let upload = if let Some(upload) = &mut self.upload {
            upload
        } else {
            let created = client
                .create_multipart_upload()
                .bucket(bucket)
                .key(&self.key)
                .content_type(content_type(&self.key))
                .send()
                .await?;
            self.upload.insert(Upload {
                id: created.upload_id.unwrap_or_default(),
                parts: Vec::new(),
            })
        };
        let number = i32::try_from(upload.parts.len() + 1).unwrap_or(i32::MAX);
        let body = std::mem::take(&mut self.buffer).freeze();
        let sent = client
            .upload_part()
            .bucket(bucket)
            .key(&self.key)
            .upload_id(&upload.id)
            .part_number(number)
            .body(body.clone().into())
            .send()
            .await?;
        if let Ok(mut again) = body.try_into_mut() {
            again.clear();
            self.buffer = again;
        }
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
        upload.parts.push(part.build());
        Ok(())
    }

    /// The file is complete.
    ///
    /// # Errors
    /// [`FileError`]; what was written is then removed by the bucket's own rules.
    pub async fn finish(mut self) -> Result<Source, FileError> {
        if self.upload.is_none() {
            return self.files.put(&self.key, self.buffer.to_vec()).await;
        }
        if !self.buffer.is_empty() {
            self.part().await?;
        }
        let upload = self.upload.take();
        let (id, parts) = upload.map(|upload| (upload.id, upload.parts)).unwrap_or_default();
        let done = self
            .files
            .client
            .complete_multipart_upload()
            .bucket(&self.files.bucket)
            .key(&self.key)
            .upload_id(id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await?;
        Ok(Source {
            key: self.key,
            version: done.version_id,
            e_tag: done.e_tag.unwrap_or_default(),
            size: self.size,
        })
    }
}
