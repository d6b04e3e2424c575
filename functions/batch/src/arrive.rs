//! A file has arrived.

use infra_aws::{
    files::{FileError, Found},
    steps::Step,
};
use infra_edge::trace;
use mailbox_register::batch::{
    life::{Batch, BatchId, Failure, FailureCode, State},
    name::NameFault,
    place::Upload,
};
use serde::Deserialize;

use crate::{App, order, stop::Later, summary};

/// An object that was put into the bucket, as S3 tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCreated {
    /// Its key.
    pub key: String,
    /// Its version, where the bucket keeps versions.
    pub version: Option<String>,
    /// What tells its content from another's.
    pub e_tag: String,
    /// What tells this time it was put from others.
    pub sequencer: String,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records", default)]
    records: Vec<Record>,
    /// S3 tries a queue out when it is told to notify it.
    #[serde(rename = "Event")]
    event: Option<String>,
}

#[derive(Deserialize)]
struct Record {
    s3: S3Record,
}

#[derive(Deserialize)]
struct S3Record {
    object: S3Object,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Object {
    key: String,
    version_id: Option<String>,
    #[serde(default)]
    e_tag: String,
    #[serde(default)]
    sequencer: String,
}

/// The objects that a message of S3 tells of; none if it is no message of S3.
pub(crate) fn read(body: &str) -> Option<Vec<ObjectCreated>> {
    let notification: Notification = serde_json::from_str(body).ok()?;
    if notification.records.is_empty() && notification.event.as_deref() != Some("s3:TestEvent") {
        return None;
    }
    let objects = notification.records.into_iter().map(|record| {
        let object = record.s3.object;
        ObjectCreated {
            key: decoded(&object.key),
            version: object.version_id,
            e_tag: object.e_tag.trim_matches('"').to_owned(),
            sequencer: object.sequencer,
        }
    });
    Some(objects.collect())
}

/// A key as it is: S3 writes it into its messages as a form's field.
fn decoded(key: &str) -> String {
    let bytes = key.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = key.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, hex) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                at += 2;
            }
            (b'+', _) => plain.push(b' '),
            (byte, _) => plain.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Begins the batch of a file that has arrived, if it has none yet.
pub(crate) async fn arrive(app: &App, object: &ObjectCreated) -> Result<(), Later> {
    let Ok(upload) = Upload::parse(&object.key) else {
        // Nobody can be told, and a key is not for the log.
        tracing::warn!("a file lies where no organisation can have put it");
        metrics::counter!("FilesOfNobody").increment(1);
        return Ok(());
    };
    // As it is now, not as it was: what was taken away again or replaced is not wanted.
    let found = match app.files.find(&object.key, None).await {
        Ok(found) => found,
        Err(FileError::Denied) => return unreadable(app, object, &upload).await,
        // Taken away again before anybody looked.
        Err(FileError::NotFound) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if found.source.e_tag.trim_matches('"') != object.e_tag {
        // Replaced before anybody looked: what lies there now has a message of its own.
        return Ok(());
    }
    let batch = match asked_for(app, &upload).await? {
        Some(batch) => received(app, batch, found).await?,
        None => dropped(app, object, &upload, found).await?,
    };
    if let Some(batch) = batch {
        match &batch.state {
            // Also where this message comes a second time: the first worker may have died before it could ask.
            State::Received { .. } => app.steps.ask(&batch, &[Step::Plan]).await?,
            State::Failed { .. } => summary::write(app, &batch).await?,
            _ => {}
        }
    }
    // A name that names a person must not stay, whoever's batch it is or is not. Last, because without the file this
    // message means nothing any more.
    if upload.name == Err(NameFault::NamesAPerson) {
        app.files.remove(&object.key, object.version.as_deref()).await?;
    }
    Ok(())
}

/// The batch that was asked for and that such a file belongs to.
async fn asked_for(app: &App, upload: &Upload) -> Result<Option<Batch>, Later> {
    let Some(id) = upload.batch else { return Ok(None) };
    let batch = app.batches.get(id).await?;
    Ok(batch.filter(|batch| {
        batch.organisation == upload.organisation
            && batch.name.is_some()
            && upload.name.as_ref().ok() == batch.name.as_ref()
    }))
}

/// The batch that was asked for, with its file; the first that comes counts.
async fn received(app: &App, batch: Batch, found: Found) -> Result<Option<Batch>, Later> {
    if !matches!(batch.state, State::AwaitingUpload) {
        return Ok(Some(batch));
    }
    let received = batch.then(State::Received { source: found.source }, app.clock.now());
    if app.batches.save(&batch, &received).await? {
        Ok(Some(received))
    } else {
        Ok(app.batches.get(batch.id).await?)
    }
}

/// A file that the register may not even look at: its organisation is told.
async fn unreadable(app: &App, object: &ObjectCreated, upload: &Upload) -> Result<(), Later> {
    let now = app.clock.now();
    let name = upload.name.as_ref().ok().cloned();
    let state = failed(FailureCode::Unreadable, now);
    let batch =
        Batch::new(identity(app, object), upload.organisation, name, None, state, now).caused_by(trace::current());
    summary::write(app, &batch).await?;
    app.batches.add(&batch).await?;
    Ok(())
}

/// The identity of the batch of a file that was dropped: the same message twice is one batch.
fn identity(app: &App, object: &ObjectCreated) -> BatchId {
    let this_time = object.version.as_deref().unwrap_or(&object.sequencer);
    BatchId::of(app.secrets.oldest(), &["dropped", &object.key, this_time])
}

/// The batch of a file that was dropped: the same message twice is one batch.
async fn dropped(app: &App, object: &ObjectCreated, upload: &Upload, found: Found) -> Result<Option<Batch>, Later> {
    let now = app.clock.now();
    let id = identity(app, object);
    let agency = app.directory.agency(upload.organisation, now).await?;
    let order = order::read(upload.kind, &found.metadata, agency.as_ref());
    let (order, state) = match (&upload.name, order) {
        (Err(fault), order) => (order.ok(), failed(*fault, now)),
        (_, Err(failure)) => (None, failed(failure, now)),
        (Ok(_), Ok(order)) => (Some(order), State::Received { source: found.source }),
    };
    let name = upload.name.as_ref().ok().cloned();
    let batch = Batch::new(id, upload.organisation, name, order, state, now).caused_by(trace::current());
    if app.batches.add(&batch).await? {
        metrics::counter!("BatchesReceived").increment(1);
        return Ok(Some(batch));
    }
    Ok(app.batches.get(id).await?)
}

fn failed(failure: impl Into<Failure>, at: jiff::Timestamp) -> State {
    State::Failed {
        at,
        failure: failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_s3_is_read_and_another_is_not() {
        let body = r#"{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"files"},
            "object":{"key":"uploads/991825827/tax+list+%C3%A5r.csv","size":9,"eTag":"abc","sequencer":"0055"}}}]}"#;
        let objects = read(body).unwrap();
        assert_eq!(objects[0].key, "uploads/991825827/tax list år.csv");
        assert_eq!(
            (objects[0].e_tag.as_str(), objects[0].sequencer.as_str()),
            ("abc", "0055")
        );
        assert_eq!(
            read(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"files"}"#),
            Some(vec![])
        );
        for other in [
            "",
            "{}",
            "[]",
            r#"{"Records":[]}"#,
            r#"{"Records":[{"x":1}]}"#,
            r#"{"batch":"x"}"#,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(decoded("100%"), "100%");
    }
}
