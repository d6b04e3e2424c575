//! The pieces are put together to one result, however large: a few pieces are in memory at a time.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use infra_aws::files::{FileError, Files};
use mailbox_register::batch::{
    Kind,
    layout::Layout,
    life::{Batch, BatchId, Chunk, ChunkState, FailureCode, Finished, Plan, State},
    name::Format,
    tally::Tally,
};
use sha2::{Digest as _, Sha256};

use crate::{
    App, answer,
    hex::hex,
    lease, letters,
    stop::{Later, Stop},
    summary, work,
};

/// Pieces fetched ahead.
const AHEAD: usize = 4;
/// Pieces between two looks at the clock.
const TOGETHER: usize = 64;
/// Pages of leftovers removed at the end; what is left goes by the bucket's own rules.
const REMOVED_PAGES: usize = 20;

/// Puts a batch's result together.
pub(crate) async fn finish(app: &App, id: BatchId) -> Result<(), Later> {
    let Some(batch) = app.batches.get(id).await? else {
        return Ok(());
    };
    let now = app.clock.now();
    let Ok(claimed) = batch.finish(lease::until(now), now) else {
        return Ok(());
    };
    if !app.batches.save(&batch, &claimed).await? {
        return Ok(());
    }
    let mut finishing = Finishing { app, batch: claimed };
    match finishing.run().await {
        Ok((plan, finished)) => {
            let done = finishing.batch.then(State::Done { plan, finished }, app.clock.now());
            // First told, then stored: a worker that dies in between does it again.
            summary::write(app, &done).await?;
            if !app.batches.save(&finishing.batch, &done).await? {
                return summary::correct(app, id).await;
            }
            tracing::info!(batch = %id, rows = done.rows_done, "a batch is done");
            metrics::counter!("BatchesDone").increment(1);
            tidy(app, &done).await;
            Ok(())
        }
        Err(Stop::Failed(failure)) => work::give_up(app, &finishing.batch, failure).await,
        Err(Stop::Overtaken) => Ok(()),
        Err(Stop::Later(later)) => {
            app.batches.save(&finishing.batch, &finishing.batch.give_back()).await?;
            Err(later)
        }
    }
}

/// Removes what was needed on the way. It does no harm where it stays.
pub(crate) async fn tidy(app: &App, batch: &Batch) {
    let work = batch.objects().work();
    for _ in 0..REMOVED_PAGES {
        let Ok(keys) = app.files.keys(&work).await else {
            return;
        };
        if keys.is_empty() || app.files.delete(&keys).await.is_err() {
            return;
        }
    }
}

struct Finishing<'a> {
    app: &'a App,
    batch: Batch,
}

impl Finishing<'_> {
    async fn run(&mut self) -> Result<(Plan, Finished), Stop> {
        let app = self.app;
        let State::Finishing { plan, .. } = &self.batch.state else {
            return Err(Stop::Overtaken);
        };
        let plan = plan.clone();
        let format = match plan.layout {
            Layout::Csv { .. } => Format::Csv,
            Layout::JsonLines => Format::JsonLines,
        };
        let key = self.batch.objects().result(format);
        let mut writing = app.files.write(key.clone());
        let mut hash = Sha256::new();
        let header = self.header(&plan)?;
        hash.update(&header);
        writing.write(&header).await?;

        let mut tally = Tally {
            duplicates: plan.tally.duplicates,
            ..Tally::default()
        };
        let mut seen = 0;
        loop {
            let page = app.batches.chunks(self.batch.id, seen).await?;
            if page.is_empty() {
                break;
            }
            let parts = parts(&page, seen)?;
            seen += u32::try_from(parts.len()).unwrap_or(u32::MAX);
            for parts in parts.chunks(TOGETHER) {
                let fetching: Vec<_> = parts.iter().map(|(part, _)| whole(&app.files, part)).collect();
                let mut contents = stream::iter(fetching).buffered(AHEAD);
                while let Some(content) = contents.try_next().await? {
                    hash.update(&content);
                    writing.write(&content).await?;
                }
                for (_, counted) in parts {
                    tally.merge(counted);
                }
                lease::keep(app, &mut self.batch).await?;
            }
        }
        if seen != plan.chunks || tally.rows != plan.tally.rows {
            return Err(Later::Files(FileError::Unavailable("pieces missing".to_owned())).into());
        }
        // What another worker finished since must not be overwritten.
        lease::renew(app, &mut self.batch).await?;
        writing.finish().await?;
        let finished = Finished {
            at: app.clock.now(),
            tally,
            result: Some(key),
            result_sha256: Some(hex(&hash.finalize())),
        };
        Ok((plan, finished))
    }

    /// The result's first line.
    fn header(&self, plan: &Plan) -> Result<Vec<u8>, Stop> {
        let order = self.batch.order.as_ref().ok_or(FailureCode::InvalidOrder)?;
        Ok(match order.kind {
            Kind::Letters => letters::header(&plan.layout),
            Kind::Lookup => answer::header(&plan.layout, plan.fields, plan.compared_since.is_some()),
        })
    }
}

/// The objects of a page of pieces, with what was counted: all of them done, and none left out.
fn parts(page: &[Chunk], seen: u32) -> Result<Vec<(&str, &Tally)>, Stop> {
    let parts = page.iter().zip(seen + 1..).map(|(chunk, number)| match &chunk.state {
        ChunkState::Done { part, tally } if chunk.number == number => Ok((part.as_str(), tally)),
        _ => Err(Stop::Later(Later::Files(FileError::Unavailable(
            "pieces missing".to_owned(),
        )))),
    });
    parts.collect()
}

async fn whole(files: &Files, key: &str) -> Result<Vec<u8>, FileError> {
    let found = files.find(key, None).await?;
    let mut reading = files.read(&found.source, 0, None).await?;
    let mut content = Vec::with_capacity(usize::try_from(found.source.size).unwrap_or(0));
    while let Some(bytes) = reading.next().await? {
        content.extend_from_slice(&bytes);
    }
    Ok(content)
}
