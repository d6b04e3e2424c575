//! The first pass over a file: it is read once, as a stream, and divided into pieces.

use futures_util::{StreamExt as _, stream};
use infra_aws::{files::Writing, steps::Step};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::batch::{
    Kind,
    hold::{hold, usual},
    life::{Batch, BatchId, Chunk, ChunkState, Failure, FailureCode, Finished, KEPT_FOR, Order, Plan, Source, State},
    name::FileName,
    persons::Persons,
    place::Upload,
    reader::{Place, Reader, Row},
    tally::Tally,
};
use mailbox_register::caller::Fields;
use sha2::{Digest as _, Sha256};

use crate::{
    App,
    finish::tidy,
    hex::hex,
    lease, order,
    stop::{Later, Stop, on_reading},
    summary,
};

/// Bytes of a piece, at the least the last row's beginning: long rows make short pieces.
const CHUNK_BYTES: u64 = 1024 * 1024;
/// The same file under the same name within this time is the same batch.
const SAME_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// Between the time that a change says of itself and the moment it can be read.
const STORING: SignedDuration = SignedDuration::from_mins(1);
/// Earlier files that say what is usual.
const USUAL_FILES: usize = 10;
/// An organisation's batches looked through for earlier ones: pages, and batches of one.
const PAGES: usize = 10;
const PAGE: i32 = 100;
/// Pieces asked for by one call, and calls at once.
const ASKED_IN_ONE: usize = 10;
const ASKED_AT_ONCE: usize = 4;

/// Plans a batch.
pub(crate) async fn plan(app: &App, id: BatchId) -> Result<(), Later> {
    let Some(batch) = app.batches.get(id).await? else {
        return Ok(());
    };
    let now = app.clock.now();
    let Ok(claimed) = batch.plan(lease::until(now), now) else {
        return carry_on(app, &batch).await;
    };
    if !app.batches.save(&batch, &claimed).await? {
        return Ok(());
    }
    let mut planning = Planning { app, batch: claimed };
    let next = match planning.run().await {
        Ok(state) => planning.batch.then(state, app.clock.now()),
        Err(Stop::Failed(failure)) => planning.batch.fail(failure, app.clock.now()),
        Err(Stop::Overtaken) => return Ok(()),
        Err(Stop::Later(later)) => {
            app.batches.save(&planning.batch, &planning.batch.give_back()).await?;
            return Err(later);
        }
    };
    if !matches!(next.state, State::Working { .. }) {
        // First told, then stored: a worker that dies in between does it again.
        summary::write(app, &next).await?;
    }
    if !app.batches.save(&planning.batch, &next).await? {
        return summary::correct(app, id).await;
    }
    tracing::info!(batch = %id, state = next.state.name(), "a file was planned");
    ask_for_open_steps(app, &next).await
}

/// Does what belongs to a state that somebody else stored: a worker that died before it could ask for the next step, or
/// the organisation, which approves and calls off.
async fn carry_on(app: &App, batch: &Batch) -> Result<(), Later> {
    if let State::Cancelled { .. } = batch.state {
        summary::write(app, batch).await?;
        tidy(app, batch).await;
        return Ok(());
    }
    if batch.is_claimed(app.clock.now()) {
        return Ok(());
    }
    ask_for_open_steps(app, batch).await
}

/// Asks for the next steps of a batch: of its pieces the first that are open. Each that is done asks for one more, so that
/// a file of any size has a few messages in the queue.
pub(crate) async fn ask_for_open_steps(app: &App, batch: &Batch) -> Result<(), Later> {
    let steps = match &batch.state {
        State::Received { .. } | State::Planning { .. } => vec![Step::Plan],
        State::Finishing { .. } => vec![Step::Finish],
        State::Working { plan, .. } if batch.chunks_done >= plan.chunks => vec![Step::Finish],
        State::Working { .. } => {
            let mut open = Vec::new();
            let mut after = 0;
            while open.len() < app.limits.ahead() {
                let page = app.batches.chunks(batch.id, after).await?;
                let Some(last) = page.last() else { break };
                after = last.number;
                let waiting = page
                    .iter()
                    .filter(|chunk| !matches!(chunk.state, ChunkState::Done { .. }))
                    .map(|chunk| Step::Chunk { chunk: chunk.number });
                open.extend(waiting);
            }
            open.truncate(app.limits.ahead());
            open
        }
        _ => return Ok(()),
    };
    let calls: Vec<_> = steps
        .chunks(ASKED_IN_ONE)
        .map(|steps| app.steps.ask(batch, steps))
        .collect();
    let asked: Vec<_> = stream::iter(calls).buffer_unordered(ASKED_AT_ONCE).collect().await;
    asked.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}

struct Planning<'a> {
    app: &'a App,
    batch: Batch,
}

/// What the pass over the file comes to.
struct Pass {
    rows_in: Source,
    sha256: String,
    seen: Seen,
}

impl Planning<'_> {
    async fn run(&mut self) -> Result<State, Stop> {
        let State::Planning { source, .. } = &self.batch.state else {
            return Err(Stop::Overtaken);
        };
        let source = source.clone();
        let (Some(order), Some(name)) = (self.batch.order.clone(), self.batch.name.clone()) else {
            return Err(FailureCode::InvalidOrder.into());
        };
        let agency = self
            .app
            .directory
            .agency(self.batch.organisation, self.app.clock.now())
            .await?;
        let access = order::access(agency.as_ref(), order.kind)?;
        let fields = Fields::of_agency(&access.scopes);
        let earlier = self.earlier().await?;
        let compared_since = self.compared_since(&order, &name, &earlier).await?;
        let pass = self.pass(&source, &order, &name).await?;
        if let Some(of) = self.duplicate(&source, &order, &name, &pass.sha256).await? {
            let at = self.app.clock.now();
            return Ok(State::Duplicate { at, of });
        }
        let at = self.app.clock.now();
        let Some(layout) = pass.seen.reader.layout().cloned() else {
            return Err(Stop::Overtaken);
        };
        let tally = pass.seen.tally;
        let (rows, bad_rows) = (tally.rows, tally.bad_rows());
        let plan = Plan {
            at,
            layout,
            fields,
            rows_in: pass.rows_in,
            chunks: u32::try_from(pass.seen.chunks.len()).unwrap_or(u32::MAX),
            sha256: pass.sha256,
            tally,
            compared_since,
        };
        if order.dry_run && order.kind == Kind::Lookup {
            // What would happen is known: nobody has to be looked up for it.
            let tally = plan.tally.clone();
            let finished = Finished {
                at,
                tally,
                result: None,
                result_sha256: None,
            };
            return Ok(State::Done { plan, finished });
        }
        self.app.batches.add_chunks(self.batch.id, pass.seen.chunks, at).await?;
        let reasons = if order.dry_run {
            Vec::new()
        } else {
            let usual = usual_rows(&earlier, order.kind);
            hold(rows, bad_rows, usual, self.app.limits.bad_percent)
        };
        Ok(if reasons.is_empty() {
            State::Working { plan, since: at }
        } else {
            State::Held { plan, reasons }
        })
    }

    /// Reads the file once.
    async fn pass(&mut self, source: &Source, order: &Order, name: &FileName) -> Result<Pass, Stop> {
        let app = self.app;
        if source.size > app.limits.bytes {
            return Err(FailureCode::TooLarge.into());
        }
        let mut copy = name
            .is_compressed()
            .then(|| app.files.write(self.batch.objects().rows(self.batch.turn)));
        let mut unpacking = crate::unpack::Unpacking::new(name.is_compressed(), app.limits.bytes);
        let mut seen = Seen::new(order.kind, name);
        let mut hash = Sha256::new();
        let mut plain = Vec::new();
        let mut reading = app.files.read(source, 0, None).await.map_err(on_reading)?;
        let mut read = 0;
        while let Some(bytes) = reading.next().await? {
            hash.update(&bytes);
            read += bytes.len() as u64;
            for step in bytes.chunks(unpacking.step()) {
                unpacking.push(step, &mut plain)?;
                seen.take(app, &plain)?;
                write(copy.as_mut(), &plain).await?;
            }
            lease::keep(app, &mut self.batch).await?;
        }
        if read < source.size {
            // S3 broke off in a way that looks like an end.
            return Err(infra_aws::files::FileError::Unavailable("short".to_owned()).into());
        }
        let rest = unpacking.finish()?;
        seen.take(app, &rest)?;
        write(copy.as_mut(), &rest).await?;
        seen.end(app)?;
        let rows_in = match copy {
            Some(copy) => copy.finish().await?,
            None => source.clone(),
        };
        Ok(Pass {
            rows_in,
            sha256: hex(&hash.finalize()),
            seen,
        })
    }

    /// Since when changes are told of: since an earlier batch that was named, or the last of the same name.
    async fn compared_since(
        &self,
        order: &Order,
        name: &FileName,
        earlier: &[Batch],
    ) -> Result<Option<Timestamp>, Stop> {
        if order.kind != Kind::Lookup {
            return match order.compare_with {
                Some(_) => Err(FailureCode::UnknownComparison.into()),
                None => Ok(None),
            };
        }
        if let Some(id) = order.compare_with {
            let named = self.app.batches.get(id).await?;
            let named = named.filter(|named| named.organisation == self.batch.organisation);
            let at = named.as_ref().and_then(looked_up_at);
            return at.map(Some).ok_or_else(|| FailureCode::UnknownComparison.into());
        }
        let of_this_name = earlier.iter().filter(|earlier| earlier.name.as_ref() == Some(name));
        Ok(of_this_name.filter_map(looked_up_at).max())
    }

    /// The organisation's batches before this one, newest first.
    async fn earlier(&self) -> Result<Vec<Batch>, Stop> {
        let mut before = self.batch.created_at;
        let since = before.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
        let mut earlier = Vec::new();
        for _ in 0..PAGES {
            let page = self.app.batches.of(self.batch.organisation, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = last.created_at;
            earlier.extend(page.into_iter().filter(|earlier| earlier.created_at >= since));
            if before < since {
                break;
            }
        }
        Ok(earlier)
    }

    /// The batch that had this very file shortly before. Whoever asked for an upload wants it done; a file that was
    /// dropped twice is dropped by mistake.
    async fn duplicate(
        &self,
        source: &Source,
        order: &Order,
        name: &FileName,
        sha256: &str,
    ) -> Result<Option<BatchId>, Stop> {
        if Upload::parse(&source.key).is_ok_and(|upload| upload.batch.is_some()) {
            return Ok(None);
        }
        let (id, now) = (self.batch.id, self.app.clock.now());
        let organisation = self.batch.organisation.to_string();
        let kind = order.kind.as_str();
        let dry_run = order.dry_run.to_string();
        let content = [organisation.as_str(), kind, &dry_run, name.as_str(), sha256];
        let content = self.app.secrets.oldest().mac("content", &content);
        let mut replacing = None;
        for _ in 0..3 {
            let first = self
                .app
                .batches
                .first_with(&content, id, replacing, SAME_WITHIN, now)
                .await?;
            if first == id {
                return Ok(None);
            }
            let earlier = self.app.batches.get(first).await?;
            match earlier.map(|earlier| earlier.state) {
                // That one came to nothing: this one is not the same again.
                None | Some(State::Failed { .. } | State::Cancelled { .. }) => replacing = Some(first),
                Some(_) => return Ok(Some(first)),
            }
        }
        Err(Later::Races.into())
    }
}

async fn write(copy: Option<&mut Writing>, plain: &[u8]) -> Result<(), Stop> {
    if let Some(copy) = copy {
        copy.write(plain).await?;
    }
    Ok(())
}

/// How many rows files of a kind usually had.
fn usual_rows(earlier: &[Batch], kind: Kind) -> Option<u64> {
    let rows = earlier.iter().filter_map(|earlier| match &earlier.state {
        State::Done { plan, .. } if earlier.order.as_ref().is_some_and(|order| order.kind == kind) => {
            Some(plan.tally.rows)
        }
        _ => None,
    });
    usual(&rows.take(USUAL_FILES).collect::<Vec<_>>())
}

/// When a batch looked its persons up, if it did.
fn looked_up_at(batch: &Batch) -> Option<Timestamp> {
    let order = batch.order.as_ref()?;
    match &batch.state {
        // What was being stored at that moment may have been seen, or not: better told twice than never.
        State::Done { plan, .. } if order.kind == Kind::Lookup && !order.dry_run => plan.at.checked_sub(STORING).ok(),
        _ => None,
    }
}

/// What was seen of a file so far.
struct Seen {
    kind: Kind,
    reader: Reader,
    rows: Vec<Row>,
    persons: Persons,
    tally: Tally,
    chunks: Vec<Chunk>,
    /// Where the piece begins that is not full yet.
    from: Option<Place>,
    in_chunk: u64,
    /// Where the last row ended.
    end: u64,
}

impl Seen {
    fn new(kind: Kind, name: &FileName) -> Self {
        Self {
            kind,
            reader: Reader::from_start(kind, name.format()),
            rows: Vec::new(),
            persons: Persons::default(),
            tally: Tally::default(),
            chunks: Vec::new(),
            from: None,
            in_chunk: 0,
            end: 0,
        }
    }

    fn take(&mut self, app: &App, plain: &[u8]) -> Result<(), Stop> {
        let result = self.reader.read(plain, &mut self.rows);
        result.map_err(Failure::from)?;
        self.count(app)
    }

    fn end(&mut self, app: &App) -> Result<(), Stop> {
        let result = self.reader.end(&mut self.rows);
        result.map_err(Failure::from)?;
        self.count(app)?;
        self.cut();
        Ok(())
    }

    fn count(&mut self, app: &App) -> Result<(), Stop> {
        for row in std::mem::take(&mut self.rows) {
            if self.tally.rows >= app.limits.rows {
                return Err(FailureCode::TooManyRows.into());
            }
            let recipient = row.recipient(self.kind, app.population);
            match recipient {
                Ok(recipient) => {
                    self.tally.rows += 1;
                    if !self.persons.insert(&recipient.person) {
                        self.tally.duplicates += 1;
                    }
                }
                Err(fault) => self.tally.error(row.line, fault),
            }
            self.from.get_or_insert(row.start);
            self.in_chunk += 1;
            self.end = row.end.offset;
            let bytes = self.from.map_or(0, |from| self.end - from.offset);
            if self.in_chunk >= app.limits.chunk_rows || bytes >= CHUNK_BYTES {
                self.cut();
            }
        }
        Ok(())
    }

    /// The piece ends here.
    fn cut(&mut self) {
        let Some(from) = self.from.take() else { return };
        self.chunks.push(Chunk {
            number: u32::try_from(self.chunks.len() + 1).unwrap_or(u32::MAX),
            from,
            until: self.end,
            rows: std::mem::take(&mut self.in_chunk),
            tries: 0,
            deaths: 0,
            state: ChunkState::Waiting,
        });
    }
}
