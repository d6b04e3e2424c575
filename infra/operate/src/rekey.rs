//! `operate rekey`: everybody is moved from the previous secret's keys to the current one's.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use clap::Args;
use infra_aws::{
    error::StoreError,
    rekey::{Counts, Left, NothingToMove, Pace, Rekey, Tables},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    command::How,
    end::{End, Summary},
    pace,
    place::{Place, PlaceError},
};

/// Between two passes, when the feed lacked changes of some persons: it has them within seconds.
const FEED_CATCHES_UP: Duration = Duration::from_secs(10);
/// Passes for those who had to wait.
const MOST_PASSES: u32 = 5;
/// Parts of the table that are read at once.
const SEGMENTS: u16 = 8;

/// How it is done.
#[derive(Debug, Clone, Copy, Args)]
pub struct Rekeying {
    /// Moves nobody and only looks what still needs the previous secret.
    #[arg(long)]
    pub verify: bool,
    /// Most persons moved in a second.
    #[arg(long, default_value = "500", value_name = "PERSONS")]
    pub per_second: NonZeroU32,
}

/// Why nothing can be done.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    /// The place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The step of the rotation.
    #[error("{0}: deploy with PersonKeyWrapped and PersonKeyWrappedPrevious first")]
    NothingToMove(#[from] NothingToMove),
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rekeyed {
    dry_run: bool,
    stopped: bool,
    /// Items that were read, entries or not.
    read: u64,
    /// Entries that were to be moved.
    found: u64,
    moved: u64,
    /// Moved by somebody else meanwhile.
    before: u64,
    /// Could not be moved, by the cause.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failed: BTreeMap<String, u64>,
    seconds: u64,
    /// Entries that are still to be moved.
    left: u64,
    /// Addresses that still stand under previous keys.
    left_addresses: u64,
    /// Letters that were announced by the previous secret.
    letters_of_previous_secret: u64,
    /// From then on nothing at all needs the previous secret; nobody is lost without it from the moment when `left` is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    letters_kept_until: Option<Timestamp>,
}

impl Rekeyed {
    fn add(&mut self, counts: &Counts) {
        self.read += counts.read;
        self.found += counts.found;
        self.moved += counts.moved;
        self.before += counts.before;
        for (cause, count) in &counts.failed {
            *self.failed.entry(cause.clone()).or_default() += count;
        }
    }

    fn set(&mut self, left: &Left) {
        self.left = left.entries;
        self.left_addresses = left.addresses;
        self.letters_of_previous_secret = left.letters;
        self.letters_kept_until = left.letters_until;
    }
}

impl Summary for Rekeyed {
    fn end(&self) -> End {
        // A dry run has looked at everybody, which was all there was to do.
        End::unless(self.stopped || (!self.dry_run && (self.left > 0 || self.left_addresses > 0)))
    }
}

/// Does it, or only counts.
///
/// # Errors
/// [`RekeyError`]. Who was moved is; run again it goes on.
pub async fn run(place: &Place, rekeying: &Rekeying, how: &How) -> Result<Rekeyed, RekeyError> {
    let tables = Tables {
        register: place.value("RegisterTable")?,
        changes: place.value("ChangesTable")?,
        addresses: place.value("AddressesTable")?,
        letters: place.value("LettersTable")?,
    };
    let tool = Rekey::new(place.dynamodb(), tables, place.secrets().await?)?;
    let begun = Instant::now();
    let mut rekeyed = Rekeyed {
        dry_run: how.dry_run,
        ..Rekeyed::default()
    };
    if !rekeying.verify {
        move_all(&tool, rekeying, how, &mut rekeyed).await?;
    }
    rekeyed.stopped = how.stop.is_asked();
    if !rekeyed.stopped {
        rekeyed.set(&tool.left().await?);
    }
    rekeyed.seconds = begun.elapsed().as_secs();
    how.progress.end();
    Ok(rekeyed)
}

async fn move_all(tool: &Rekey, rekeying: &Rekeying, how: &How, rekeyed: &mut Rekeyed) -> Result<(), StoreError> {
    let turns = pace::Pace::per_minute(
        rekeying
            .per_second
            .saturating_mul(NonZeroU32::new(60).unwrap_or(NonZeroU32::MIN)),
    );
    let pace = Pace {
        segments: SEGMENTS,
        at_once: 8,
    };
    for _ in 0..MOST_PASSES {
        let so_far = Mutex::new(Counts::default());
        let told = |page: &Counts| {
            let mut so_far = so_far.lock().unwrap_or_else(PoisonError::into_inner);
            so_far.add(page);
            let counts = [
                ("read", so_far.read),
                ("to move", so_far.found),
                ("moved", so_far.moved),
            ];
            how.progress.counted("persons", &counts);
        };
        let counts = tool
            .pass(
                pace,
                how.dry_run,
                async || turns.turn().await,
                || how.stop.is_asked(),
                told,
            )
            .await?;
        rekeyed.add(&counts);
        if how.dry_run || counts.waiting == 0 || how.stop.is_asked() {
            break;
        }
        tokio::time::sleep(FEED_CATCHES_UP).await;
    }
    Ok(())
}
