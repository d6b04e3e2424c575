//! A worker's turn at a batch: taken for a few minutes, and renewed for as long as it works.

use jiff::{SignedDuration, Timestamp};
use mailbox_register::batch::life::Batch;

use crate::{App, stop::Stop};

/// How long a worker may be silent.
const LEASE: SignedDuration = SignedDuration::from_mins(5);
/// How often it says that it is still there.
const RENEWED: SignedDuration = SignedDuration::from_mins(1);

/// Until when a turn lasts that is taken now.
pub(crate) fn until(now: Timestamp) -> Timestamp {
    now.checked_add(LEASE).unwrap_or(Timestamp::MAX)
}

/// Says that this worker is still there, once in a while.
pub(crate) async fn keep(app: &App, batch: &mut Batch) -> Result<(), Stop> {
    if app.clock.now().duration_since(batch.progress_at) < RENEWED {
        return Ok(());
    }
    renew(app, batch).await
}

/// Says that this worker is still there; or finds out that another has taken over.
pub(crate) async fn renew(app: &App, batch: &mut Batch) -> Result<(), Stop> {
    let now = app.clock.now();
    let renewed = batch.renewed(until(now), now);
    if !app.batches.save(batch, &renewed).await? {
        return Err(Stop::Overtaken);
    }
    *batch = renewed;
    Ok(())
}
