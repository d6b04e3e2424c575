//! A batch's life: from the upload of a file to its result.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Kind,
    hold::HoldReason,
    layout::Layout,
    name::{FileName, NameFault},
    place::Objects,
    reader::{FileFault, FileFaultCode},
    tally::Tally,
};
use crate::{
    caller::Fields,
    organisation::OrganisationNumber,
    secret::Secret,
    trace::{self, Trace},
    words::{Purpose, Reference},
};

/// A batch without progress for so long is taken up again.
pub const STALLED_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// How often it is taken up again without getting any further before it is given up: six hours in all, because what
/// waits in a queue behind others, or for a table that is down, is not at fault.
pub const MOST_REVIVALS: u32 = 72;
/// How long an upload may be waited for: a day, and the hour that the last way in is open.
pub const UPLOAD_WITHIN: SignedDuration = SignedDuration::from_hours(25);
/// How long a held batch waits for its organisation.
pub const HELD_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long batches and their results are kept, and how far back another can be compared with.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A batch's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct BatchId(pub Uuid);

impl BatchId {
    /// The identity that follows from what makes a batch this one and no other: the same parts give the same identity.
    pub fn of(secret: &Secret, parts: &[&str]) -> Self {
        let mac = secret.mac_bytes("batch", parts);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl std::fmt::Display for BatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What is done with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Look-ups or letters.
    pub kind: Kind,
    /// Why the persons are looked up.
    pub purpose: Purpose,
    /// The organisation's own name for the file's matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Whether it is only told what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// An earlier batch; the result says what has changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_with: Option<BatchId>,
}

/// The object that holds the file. It is read as it was when the batch began, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The object's key.
    pub key: String,
    /// Its version, where the bucket keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What tells its content from another's.
    pub e_tag: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What the first pass over a file found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// When it was made: what answers say of a person "today" is of this moment, in whatever order pieces are worked off.
    pub at: Timestamp,
    /// How rows are read.
    pub layout: Layout,
    /// What the organisation sees of a person, in every row alike.
    pub fields: Fields,
    /// Where the rows are read from: the object itself, or its unpacked copy.
    pub rows_in: Source,
    /// Into how many pieces the file is divided.
    pub chunks: u32,
    /// SHA-256 of the file as it was uploaded, in hexadecimal.
    pub sha256: String,
    /// What can be counted without looking anybody up.
    pub tally: Tally,
    /// Since when changes are told of; none without an earlier batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_since: Option<Timestamp>,
}

/// The result of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finished {
    /// When.
    pub at: Timestamp,
    /// Everything counted.
    pub tally: Tally,
    /// Key of the object with all rows; none where nothing was asked of the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// SHA-256 of it, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_sha256: Option<String>,
}

/// A worker's right to take a step: until then, and in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// When another worker may take over.
    pub until: Timestamp,
}

/// Where a batch is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Asked for; the file is not there yet.
    AwaitingUpload,
    /// The file is there.
    Received {
        /// The file.
        source: Source,
    },
    /// A worker reads it for the first time.
    Planning {
        /// The file.
        source: Source,
        /// Whose turn it is.
        lease: Lease,
    },
    /// Something about it is unusual: a person of the organisation has to look.
    Held {
        /// What was found.
        plan: Plan,
        /// What is unusual.
        reasons: Vec<HoldReason>,
    },
    /// Its pieces are worked off.
    Working {
        /// What was found.
        plan: Plan,
        /// Since when.
        since: Timestamp,
    },
    /// All pieces are there; a worker puts them together, if there is a lease.
    Finishing {
        /// What was found.
        plan: Plan,
        /// When the work began.
        since: Timestamp,
        /// Whose turn it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<Lease>,
    },
    /// The result is there.
    Done {
        /// What was found.
        plan: Plan,
        /// What came of it.
        finished: Finished,
    },
    /// It cannot be done.
    Failed {
        /// When that was found.
        at: Timestamp,
        /// Why.
        failure: Failure,
    },
    /// The organisation called it off.
    Cancelled {
        /// When.
        at: Timestamp,
        /// How many rows had been answered by then.
        rows: u64,
    },
    /// The same file was dropped shortly before.
    Duplicate {
        /// When that was found.
        at: Timestamp,
        /// The batch that answers it.
        of: BatchId,
    },
}

impl State {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AwaitingUpload => "awaiting-upload",
            Self::Received { .. } => "received",
            Self::Planning { .. } => "planning",
            Self::Held { .. } => "held",
            Self::Working { .. } => "working",
            Self::Finishing { .. } => "finishing",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Duplicate { .. } => "duplicate",
        }
    }

    /// Whether nothing happens to it any more.
    pub const fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Done { .. } | Self::Failed { .. } | Self::Cancelled { .. } | Self::Duplicate { .. }
        )
    }

    /// Whether the register has to see to it that it goes on. What waits for the organisation may wait.
    pub const fn is_ours(&self) -> bool {
        !self.is_over() && !matches!(self, Self::AwaitingUpload | Self::Held { .. })
    }

    /// What the first pass found, once there was one.
    pub const fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Held { plan, .. }
            | Self::Working { plan, .. }
            | Self::Finishing { plan, .. }
            | Self::Done { plan, .. } => Some(plan),
            _ => None,
        }
    }
}

/// Why a batch cannot be done, for the organisation to act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileFailure)]
pub struct Failure {
    /// In words.
    pub code: Cow<'static, str>,
    /// In which line of the file, where that says something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal;)*) => {
        /// Why a batch cannot be done, apart from what stands in the file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FailureCode {
            $($(#[$doc])* $code,)*
        }

        impl FailureCode {
            /// The name that the organisation sees.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }
        }
    };
}

codes! {
    /// The directory has no such agency, or it may not send files of this kind.
    NotEnrolled = "not-enrolled";
    /// No purpose came with the file, and the organisation has no usual one.
    MissingPurpose = "missing-purpose";
    /// What came with the file cannot be read.
    InvalidOrder = "invalid-order";
    /// The file was replaced while it was read.
    Replaced = "file-replaced";
    /// The file is not there any more.
    Gone = "file-gone";
    /// The file may not be read by the register.
    Unreadable = "file-unreadable";
    /// More bytes than a file may have, unpacked.
    TooLarge = "file-too-large";
    /// More rows than a file may have.
    TooManyRows = "too-many-rows";
    /// Its name ends in `.gz`, and it is something else.
    NotGzip = "not-gzip";
    /// It breaks off, or is damaged.
    BrokenGzip = "broken-gzip";
    /// It unpacks to so many times its size that it is no list of persons.
    CompressedTooWell = "compressed-too-well";
    /// There is no such earlier batch of the organisation.
    UnknownComparison = "unknown-comparison";
    /// The upload was not made in time.
    NotUploaded = "not-uploaded";
    /// It was held, and nobody approved it in time.
    NotApproved = "not-approved";
    /// The register could not do it, though it tried for hours. The file may be sent again.
    GaveUp = "gave-up";
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self {
            code: Cow::Borrowed(code.as_str()),
            line: None,
        }
    }
}

impl From<FileFault> for Failure {
    fn from(fault: FileFault) -> Self {
        Self {
            code: Cow::Borrowed(FileFaultCode::as_str(fault.code)),
            line: fault.line,
        }
    }
}

impl From<NameFault> for Failure {
    fn from(fault: NameFault) -> Self {
        Self {
            code: Cow::Borrowed(fault.code()),
            line: None,
        }
    }
}

/// One file on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Its identity.
    pub id: BatchId,
    /// Whose it is.
    pub organisation: OrganisationNumber,
    /// What the organisation calls the file; none where its name cannot be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FileName>,
    /// What is to be done; none where that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// The request that asked for it, or the event that brought its file; none in batches from before that was kept.
    #[serde(default, deserialize_with = "trace::stored", skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last got further.
    pub progress_at: Timestamp,
    /// One more with each step from one state to another: a worker that was overtaken notices.
    pub turn: u64,
    /// How often it was taken up again since it last got further.
    #[serde(default)]
    pub revivals: u32,
    /// Pieces that are done.
    #[serde(default)]
    pub chunks_done: u32,
    /// Rows that are done.
    #[serde(default)]
    pub rows_done: u64,
    /// Where it is.
    #[serde(flatten)]
    pub state: State,
}

/// A step that the batch's state does not allow.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("the batch is not in a state for this")]
pub struct NotNow;

impl Batch {
    /// A batch that begins.
    pub fn new(
        id: BatchId,
        organisation: OrganisationNumber,
        name: Option<FileName>,
        order: Option<Order>,
        state: State,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            organisation,
            name,
            order,
            trace: None,
            created_at: now,
            progress_at: now,
            turn: 1,
            revivals: 0,
            chunks_done: 0,
            rows_done: 0,
            state,
        }
    }

    /// The batch as one that a request or an event has caused.
    #[must_use]
    pub fn caused_by(self, trace: Option<Trace>) -> Self {
        Self { trace, ..self }
    }

    /// The same batch in another state.
    #[must_use]
    pub fn then(&self, state: State, now: Timestamp) -> Self {
        Self {
            progress_at: now,
            turn: self.turn + 1,
            revivals: 0,
            state,
            ..self.clone()
        }
    }

    /// A worker begins to plan.
    ///
    /// # Errors
    /// [`NotNow`]: there is nothing to plan, or another worker is at it.
    pub fn plan(&self, until: Timestamp, now: Timestamp) -> Result<Self, NotNow> {
        let source = match &self.state {
            State::Received { source } => source,
            State::Planning { source, lease } if lease.until <= now => source,
            _ => return Err(NotNow),
        };
        let state = State::Planning {
            source: source.clone(),
            lease: Lease { until },
        };
        Ok(self.step(state))
    }

    /// A worker begins to put the result together.
    ///
    /// # Errors
    /// [`NotNow`]: pieces are missing, or another worker is at it.
    pub fn finish(&self, until: Timestamp, now: Timestamp) -> Result<Self, NotNow> {
        let (plan, since) = match &self.state {
            State::Working { plan, since } if self.chunks_done >= plan.chunks => (plan, since),
            State::Finishing { plan, since, lease } if lease.is_none_or(|lease| lease.until <= now) => (plan, since),
            _ => return Err(NotNow),
        };
        let state = State::Finishing {
            plan: plan.clone(),
            since: *since,
            lease: Some(Lease { until }),
        };
        Ok(self.step(state))
    }

    /// The worker whose turn it is says that it is still there.
    #[must_use]
    pub fn renewed(&self, until: Timestamp, now: Timestamp) -> Self {
        let state = match &self.state {
            State::Planning { source, .. } => State::Planning {
                source: source.clone(),
                lease: Lease { until },
            },
            State::Finishing { plan, since, .. } => State::Finishing {
                plan: plan.clone(),
                since: *since,
                lease: Some(Lease { until }),
            },
            other => other.clone(),
        };
        // Not "further": whoever dies after each sign of life comes to an end some time.
        Self {
            progress_at: now,
            ..self.step(state)
        }
    }

    /// Whether a worker has it now.
    pub fn is_claimed(&self, now: Timestamp) -> bool {
        match &self.state {
            State::Planning { lease, .. } => now < lease.until,
            State::Finishing { lease, .. } => lease.is_some_and(|lease| now < lease.until),
            _ => false,
        }
    }

    /// A worker gives its turn back, because it could not do it now.
    #[must_use]
    pub fn give_back(&self) -> Self {
        let state = match &self.state {
            State::Planning { source, .. } => State::Received { source: source.clone() },
            State::Finishing { plan, since, .. } => State::Finishing {
                plan: plan.clone(),
                since: *since,
                lease: None,
            },
            other => other.clone(),
        };
        self.step(state)
    }

    /// The organisation lets a held batch go on.
    ///
    /// # Errors
    /// [`NotNow`], unless it is held. One that was let go on already is as it should be.
    pub fn approve(&self, now: Timestamp) -> Result<Option<Self>, NotNow> {
        match &self.state {
            State::Held { plan, .. } => {
                // What is said of a person "today" is said of the day of the answer.
                let plan = Plan {
                    at: now,
                    ..plan.clone()
                };
                Ok(Some(self.then(State::Working { plan, since: now }, now)))
            }
            State::Working { .. } | State::Finishing { .. } | State::Done { .. } => Ok(None),
            _ => Err(NotNow),
        }
    }

    /// The organisation calls it off: nothing more is done. What was done stays done.
    ///
    /// # Errors
    /// [`NotNow`], if it is over already. One that was called off is as it should be.
    pub fn cancel(&self, now: Timestamp) -> Result<Option<Self>, NotNow> {
        match &self.state {
            State::Cancelled { .. } => Ok(None),
            state if state.is_over() => Err(NotNow),
            _ => {
                let state = State::Cancelled {
                    at: now,
                    rows: self.rows_done,
                };
                Ok(Some(self.then(state, now)))
            }
        }
    }

    /// It cannot be done.
    #[must_use]
    pub fn fail(&self, failure: impl Into<Failure>, now: Timestamp) -> Self {
        let state = State::Failed {
            at: now,
            failure: failure.into(),
        };
        self.then(state, now)
    }

    /// When the register looks whether it has got any further; none for what is over.
    pub fn looked_at(&self) -> Option<Timestamp> {
        let (since, after) = match &self.state {
            State::AwaitingUpload => (self.created_at, UPLOAD_WITHIN),
            State::Held { .. } => (self.progress_at, HELD_FOR),
            state if state.is_ours() => (self.progress_at, STALLED_AFTER),
            _ => return None,
        };
        Some(since.checked_add(after).unwrap_or(Timestamp::MAX))
    }

    /// What the register does about a batch that has not got any further for a while.
    pub fn revive(&self, now: Timestamp) -> Revival {
        if self.looked_at().is_none_or(|at| now < at) {
            return Revival::Nothing;
        }
        match self.state {
            State::AwaitingUpload => return Revival::GiveUp(self.fail(FailureCode::NotUploaded, now)),
            State::Held { .. } => return Revival::GiveUp(self.fail(FailureCode::NotApproved, now)),
            _ => {}
        }
        if self.revivals >= MOST_REVIVALS {
            return Revival::GiveUp(self.fail(FailureCode::GaveUp, now));
        }
        let mut revived = self.step(self.state.clone());
        revived.revivals += 1;
        // Counted from now: the next look is five minutes on.
        revived.progress_at = now;
        Revival::Again(revived)
    }

    /// A step that is no progress in itself.
    fn step(&self, state: State) -> Self {
        Self {
            turn: self.turn + 1,
            state,
            ..self.clone()
        }
    }

    /// Where its objects lie.
    pub const fn objects(&self) -> Objects {
        Objects {
            organisation: self.organisation,
            batch: self.id,
        }
    }

    /// How much is done, in percent; the first pass counts for nothing.
    pub fn percent(&self) -> u8 {
        match &self.state {
            State::Working { plan, .. } | State::Finishing { plan, .. } => {
                let all = u128::from(plan.tally.rows.max(1));
                // The last percent is the putting together.
                u8::try_from((u128::from(self.rows_done) * 99 / all).min(99)).unwrap_or(99)
            }
            State::Done { .. } => 100,
            _ => 0,
        }
    }

    /// Rows answered in a second, so far.
    pub fn rows_per_second(&self, now: Timestamp) -> Option<f64> {
        let (since, until) = match &self.state {
            State::Working { since, .. } | State::Finishing { since, .. } => (*since, now),
            State::Done { plan, finished } => (plan.at, finished.at),
            _ => return None,
        };
        let seconds = until.duration_since(since).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a speed")]
        (seconds > 0.0 && self.rows_done > 0).then(|| self.rows_done as f64 / seconds)
    }

    /// How long it will take from now on, as far as can be told.
    pub fn seconds_left(&self, now: Timestamp) -> Option<u64> {
        let plan = self.state.plan().filter(|_| self.state.is_ours())?;
        let speed = self.rows_per_second(now)?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        Some((plan.tally.rows.saturating_sub(self.rows_done) as f64 / speed).ceil() as u64)
    }
}

/// What becomes of a batch that has not got any further for a while.
#[derive(Debug, Clone, PartialEq)]
pub enum Revival {
    /// It may take longer, or waits for the organisation.
    Nothing,
    /// Its open steps are asked for once more.
    Again(Batch),
    /// It is given up, and says so.
    GiveUp(Batch),
}

/// One piece of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk {
    /// Which, from 1.
    pub number: u32,
    /// Where it begins.
    pub from: super::reader::Place,
    /// The byte after its last.
    pub until: u64,
    /// How many rows it has.
    pub rows: u64,
    /// How often a worker began it: one that was overtaken notices.
    #[serde(default)]
    pub tries: u32,
    /// How many of these workers never said how it went.
    #[serde(default)]
    pub deaths: u32,
    /// Where it is.
    #[serde(flatten)]
    pub state: ChunkState,
}

/// Where a piece is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ChunkState {
    /// Nobody works on it.
    Waiting,
    /// A worker does.
    Claimed {
        /// Until when it is that worker's alone. The row has another `until`.
        #[serde(rename = "claimedUntil")]
        until: Timestamp,
    },
    /// Its rows are answered.
    Done {
        /// Key of the object with the answers.
        part: String,
        /// What was counted.
        tally: Tally,
    },
}

/// How many workers may die of a piece before the batch is given up.
pub const MOST_DEATHS: u32 = 5;

impl Chunk {
    /// A worker begins it.
    ///
    /// # Errors
    /// [`NotNow`]: it is done, or another worker is at it.
    pub fn claim(&self, until: Timestamp, now: Timestamp) -> Result<Self, NotNow> {
        match self.state {
            ChunkState::Done { .. } => Err(NotNow),
            ChunkState::Claimed { until } if now < until => Err(NotNow),
            ChunkState::Waiting | ChunkState::Claimed { .. } => Ok(Self {
                tries: self.tries + 1,
                deaths: self.deaths + 1,
                state: ChunkState::Claimed { until },
                ..self.clone()
            }),
        }
    }

    /// The worker who has it gives it back, because it could not be done now. That is nothing against the piece.
    #[must_use]
    pub fn give_back(&self) -> Self {
        Self {
            deaths: self.deaths.saturating_sub(1),
            state: ChunkState::Waiting,
            ..self.clone()
        }
    }

    /// Whether too many have died of it.
    pub const fn is_deadly(&self) -> bool {
        self.deaths > MOST_DEATHS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::reader::Place;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_piece_is_stored_and_read_back_whoever_has_it() {
        let waiting = Chunk {
            number: 3,
            from: Place::START,
            until: 4096,
            rows: 12,
            tries: 0,
            deaths: 0,
            state: ChunkState::Waiting,
        };
        let now = at("2026-03-02T09:00:00Z");
        let claimed = waiting.claim(at("2026-03-02T09:03:00Z"), now).unwrap();
        let done = Chunk {
            state: ChunkState::Done {
                part: "work/part".to_owned(),
                tally: Tally::default(),
            },
            ..claimed.clone()
        };
        for chunk in [waiting, claimed.clone(), done.clone()] {
            // As a map: of two fields with one name only the last is kept.
            let stored = serde_json::to_value(&chunk).unwrap();
            assert_eq!(serde_json::from_value::<Chunk>(stored).unwrap(), chunk);
        }
        assert_eq!(claimed.claim(now, at("2026-03-02T09:02:59Z")), Err(NotNow));
        let next = claimed.claim(now, at("2026-03-02T09:03:00Z")).unwrap();
        assert_eq!((next.tries, next.until), (2, 4096));
        assert_eq!(done.claim(now, at("2026-03-03T09:00:00Z")), Err(NotNow));
    }
}
