//! Once a minute: what nobody carries on is taken up again, and in the end given up with a word.

use infra_edge::trace;
use jiff::Timestamp;
use mailbox_register::batch::life::{Batch, BatchId, ChunkState, Revival, State};

use crate::{App, plan::ask_for_open_steps, stop::Later, summary};

/// Batches looked at in one tick. Those looked at are not due again for minutes.
const LOOKED_AT: i32 = 200;

/// Why a tick did not do all it should have. The next one does the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failures} batches could not be looked at, the last because: {last}")]
pub struct TickFailed {
    failures: usize,
    last: Later,
}

pub(crate) async fn tick(app: &App) -> Result<(), TickFailed> {
    let due = app.batches.stalled(app.clock.now(), LOOKED_AT).await;
    let due = due.map_err(|error| TickFailed {
        failures: 0,
        last: error.into(),
    })?;
    let mut failed: Option<TickFailed> = None;
    for id in due {
        if let Err(last) = look_up(app, id).await {
            let failures = failed.map_or(0, |failed| failed.failures) + 1;
            failed = Some(TickFailed { failures, last });
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn look_up(app: &App, id: BatchId) -> Result<(), Later> {
    match app.batches.get(id).await? {
        Some(batch) => trace::caused_by(batch.trace, look_at(app, &batch)).await,
        None => Ok(()),
    }
}

async fn look_at(app: &App, batch: &Batch) -> Result<(), Later> {
    let id = batch.id;
    match batch.revive(app.clock.now()) {
        Revival::Nothing => {}
        Revival::Again(revived) => {
            if app.batches.save(batch, &revived).await? {
                tracing::warn!(batch = %id, state = revived.state.name(), revivals = revived.revivals, "taken up again");
                metrics::counter!("BatchesTakenUpAgain").increment(1);
                ask_for_open_steps(app, &revived).await?;
            }
        }
        Revival::GiveUp(failed) => {
            // First told, then stored: a worker that dies in between does it again.
            summary::write(app, &failed).await?;
            if app.batches.save(batch, &failed).await? {
                tracing::warn!(batch = %id, "given up");
                // A file that was never uploaded is the organisation's own affair.
                if !matches!(batch.state, State::AwaitingUpload) {
                    metrics::counter!("BatchesGivenUp").increment(1);
                }
            } else {
                summary::correct(app, id).await?;
            }
        }
    }
    Ok(())
}

/// Takes up every batch that is not over, whoever has it: for a house with one process, after which no worker is left.
///
/// # Errors
/// [`TickFailed`].
pub async fn adopt(app: &App) -> Result<(), TickFailed> {
    let failed = |last: Later| TickFailed { failures: 1, last };
    let open = app.batches.stalled(Timestamp::MAX, LOOKED_AT).await;
    for id in open.map_err(|error| failed(error.into()))? {
        release(app, id).await.map_err(failed)?;
    }
    Ok(())
}

/// Takes a batch from whoever has it, and asks for its open steps.
async fn release(app: &App, id: BatchId) -> Result<(), Later> {
    let Some(batch) = app.batches.get(id).await? else {
        return Ok(());
    };
    let released = batch.give_back();
    if !batch.state.is_ours() || !app.batches.save(&batch, &released).await? {
        return Ok(());
    }
    let mut after = 0;
    while let page = app.batches.chunks(id, after).await?
        && let Some(last) = page.last()
    {
        after = last.number;
        for chunk in &page {
            if let ChunkState::Claimed { .. } = chunk.state {
                let waiting = chunk.give_back();
                app.batches.save_chunk(id, chunk, &waiting, app.clock.now()).await?;
            }
        }
    }
    ask_for_open_steps(app, &released).await
}
