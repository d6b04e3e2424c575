//! A piece of a file is worked off.

use infra_aws::{files::FileError, steps::Step, transaction::CommitError};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    batch::{
        Kind,
        layout::Layout,
        life::{Batch, BatchId, Chunk, ChunkState, FailureCode, Order, Plan, State},
        reader::{Reader, Row},
        tally::Tally,
    },
    caller::Fields,
    directory::Agency,
    person::{PersonIdentifier, PersonKeys},
};

use crate::{
    App, answer, letters, order,
    stop::{Later, Stop, on_reading},
    summary,
};

/// How long a piece is one worker's alone: longer than any takes, and not so long that a dead worker's waits.
const LEASE: SignedDuration = SignedDuration::from_mins(3);

/// All that is needed to answer a piece.
pub(crate) struct Piece<'a> {
    pub(crate) app: &'a App,
    pub(crate) batch: &'a Batch,
    pub(crate) plan: &'a Plan,
    pub(crate) order: &'a Order,
    pub(crate) agency: &'a Agency,
    /// What the organisation sees of a person.
    pub(crate) fields: Fields,
    /// Which piece, from 1.
    pub(crate) number: u32,
    pub(crate) rows: Vec<Row>,
}

/// The answers to a piece, as the result has them, and what was counted.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) written: Vec<u8>,
    pub(crate) tally: Tally,
}

/// Works a piece off.
pub(crate) async fn work(app: &App, id: BatchId, number: u32) -> Result<(), Later> {
    let Some(batch) = app.batches.get(id).await? else {
        return Ok(());
    };
    let State::Working { plan, .. } = &batch.state else {
        return Ok(());
    };
    let Some(chunk) = app.batches.chunk(id, number).await? else {
        return Ok(());
    };
    let now = app.clock.now();
    let Ok(claimed) = chunk.claim(now.checked_add(LEASE).unwrap_or(Timestamp::MAX), now) else {
        // Somebody is at it, or it is done: then whoever did it may have died before it could ask for more.
        return match chunk.state {
            ChunkState::Done { .. } => ask_for_more(app, &batch, plan, number).await,
            _ => Ok(()),
        };
    };
    if claimed.is_deadly() {
        return give_up(app, &batch, FailureCode::GaveUp.into()).await;
    }
    if !app.batches.save_chunk(id, &chunk, &claimed, now).await? {
        return Ok(());
    }
    match done(app, &batch, plan, &claimed).await {
        Ok(()) => ask_for_more(app, &batch, plan, number).await,
        Err(Stop::Overtaken) => Ok(()),
        Err(Stop::Failed(failure)) => give_up(app, &batch, failure).await,
        Err(Stop::Later(later)) => {
            let waiting = claimed.give_back();
            app.batches.save_chunk(id, &claimed, &waiting, app.clock.now()).await?;
            Err(later)
        }
    }
}

async fn done(app: &App, batch: &Batch, plan: &Plan, chunk: &Chunk) -> Result<(), Stop> {
    let order = batch.order.as_ref().ok_or(FailureCode::InvalidOrder)?;
    // Asked for anew: what was taken from the organisation meanwhile it does not have.
    let agency = app.directory.agency(batch.organisation, app.clock.now()).await?;
    let access = order::access(agency.as_ref(), order.kind)?;
    if !Fields::of_agency(&access.scopes).cover(plan.fields) {
        return Err(FailureCode::NotEnrolled.into());
    }
    let agency = agency.as_ref().ok_or(FailureCode::NotEnrolled)?;
    let piece = Piece {
        app,
        batch,
        plan,
        order,
        agency,
        fields: plan.fields,
        number: chunk.number,
        rows: rows(app, plan, chunk).await?,
    };
    let answers = match order.kind {
        Kind::Lookup => answer::answer(&piece).await?,
        Kind::Letters => letters::answer(&piece).await?,
    };
    let part = batch.objects().part(chunk.number, chunk.tries);
    app.files.put(&part, answers.written).await?;
    let now = app.clock.now();
    let done = Chunk {
        state: ChunkState::Done {
            part: part.clone(),
            tally: answers.tally,
        },
        ..chunk.clone()
    };
    match app.batches.complete(batch.id, &done, now).await {
        Ok(()) => {
            metrics::counter!("BatchRowsAnswered").increment(chunk.rows);
            Ok(())
        }
        Err(CommitError::Conflict(_)) => {
            // Somebody else's answers count. These were seen by nobody.
            app.files.delete(&[part]).await?;
            Err(Stop::Overtaken)
        }
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

/// The rows of a piece.
async fn rows(app: &App, plan: &Plan, chunk: &Chunk) -> Result<Vec<Row>, Stop> {
    let mut reader = Reader::within(plan.layout.clone(), chunk.from);
    let mut rows = Vec::new();
    let mut reading = app
        .files
        .read(&plan.rows_in, chunk.from.offset, Some(chunk.until))
        .await
        .map_err(on_reading)?;
    let mut read = 0;
    while let Some(bytes) = reading.next().await? {
        read += bytes.len() as u64;
        reader.read(&bytes, &mut rows).map_err(|_| FailureCode::Replaced)?;
    }
    if read < chunk.until - chunk.from.offset {
        // S3 broke off in a way that looks like an end.
        return Err(FileError::Unavailable("short".to_owned()).into());
    }
    reader.end(&mut rows).map_err(|_| FailureCode::Replaced)?;
    if rows.len() as u64 == chunk.rows {
        Ok(rows)
    } else {
        // What is read is not what was planned.
        Err(FailureCode::Replaced.into())
    }
}

/// Asks for the piece whose turn it is after this one, and for the result once all pieces are there.
async fn ask_for_more(app: &App, batch: &Batch, plan: &Plan, number: u32) -> Result<(), Later> {
    let ahead = u32::try_from(app.limits.ahead()).unwrap_or(u32::MAX);
    let next = number.saturating_add(ahead);
    if next <= plan.chunks {
        let next = Step::Chunk { chunk: next };
        app.steps.ask(batch, &[next]).await?;
    }
    ask_to_finish(app, batch.id).await
}

/// Asks for the result, if all pieces are there.
async fn ask_to_finish(app: &App, id: BatchId) -> Result<(), Later> {
    let Some(batch) = app.batches.get(id).await? else {
        return Ok(());
    };
    match &batch.state {
        State::Working { plan, .. } if batch.chunks_done >= plan.chunks => {
            Ok(app.steps.ask(&batch, &[Step::Finish]).await?)
        }
        _ => Ok(()),
    }
}

/// Ends a batch that cannot be done. Another piece may have ended it before.
pub(crate) async fn give_up(
    app: &App,
    batch: &Batch,
    failure: mailbox_register::batch::life::Failure,
) -> Result<(), Later> {
    let mut batch = batch.clone();
    for _ in 0..10 {
        if batch.state.is_over() {
            return summary::correct(app, batch.id).await;
        }
        let failed = batch.fail(failure.clone(), app.clock.now());
        // First told, then stored: a worker that dies in between does it again.
        summary::write(app, &failed).await?;
        if app.batches.save(&batch, &failed).await? {
            tracing::warn!(batch = %batch.id, code = %failure.code, "a batch failed");
            if failure.code == FailureCode::GaveUp.as_str() {
                metrics::counter!("BatchesGivenUp").increment(1);
            }
            return Ok(());
        }
        let Some(now) = app.batches.get(batch.id).await? else {
            return Ok(());
        };
        batch = now;
    }
    Err(Later::Races)
}

impl Piece<'_> {
    /// Whether the batch is still to be worked on: it may have been called off meanwhile.
    pub(crate) async fn is_wanted(&self) -> Result<bool, Stop> {
        let batch = self.app.batches.get(self.batch.id).await?;
        Ok(batch.is_some_and(|batch| matches!(batch.state, State::Working { .. })))
    }

    /// Who is meant by each row, where a row means somebody, with the keys that may stand for the person.
    pub(crate) fn persons(
        &self,
    ) -> Vec<Result<(PersonIdentifier, PersonKeys), mailbox_register::batch::reader::RowFault>> {
        let persons = self.rows.iter().map(|row| {
            let recipient = row.recipient(self.order.kind, self.app.population)?;
            let keys = self.app.secrets.keys(&recipient.person);
            Ok((recipient.person, keys))
        });
        persons.collect()
    }

    /// How rows are written.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    /// Puts on record whom the organisation is told of, before it is.
    pub(crate) async fn on_record(&self, persons: &[PersonKeys], fields: Vec<&'static str>) -> Result<(), Stop> {
        if persons.is_empty() {
            return Ok(());
        }
        // The same piece again is the same disclosure.
        let number = self.number.to_string();
        let persons: Vec<_> = persons.iter().map(PersonKeys::current).cloned().collect();
        let request = BatchId::of(
            self.app.secrets.oldest(),
            &["disclosure", &self.batch.id.to_string(), &number],
        );
        let disclosure = infra_aws::disclosures::Disclosure {
            request: request.0,
            organisation: self.batch.organisation,
            supplier: None,
            at: self.app.clock.now(),
            purpose: self.order.purpose.as_str(),
            reference: self
                .order
                .reference
                .as_ref()
                .map(mailbox_register::words::Reference::as_str),
            fields,
            persons: &persons,
        };
        let recorded = self.app.disclosures.record(&disclosure).await;
        Ok(recorded.inspect_err(|_| metrics::counter!("DisclosuresNotRecorded").increment(1))?)
    }
}
