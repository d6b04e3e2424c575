//! `cargo run -p local -- verify-disclosures`: whether the record of who looked whom up is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use infra_aws::{
    disclosures::{Chains, Selection},
    error::StoreError,
    sdk::NoAws,
};
use infra_edge::{clock::Clock, settings::Environment};
use jiff::Timestamp;
use mailbox_register::disclosure::{Chain, Fault};
use tokio::time::Instant;

use crate::{
    clock::MovableClock,
    database::{Database, DatabaseError, table_name},
    sdk,
    template::{Template, TemplateError},
};

/// What a process ends with that could not find out.
pub const UNKNOWN: u8 = 2;
/// Chains looked at at once.
const AT_ONCE: usize = 8;
/// Between two words on how far it is.
const WORD: Duration = Duration::from_secs(10);
/// An index follows its table within seconds: what looks wrong is looked at once more after this.
const SETTLING: Duration = Duration::from_secs(3);

/// Where the record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a stack's data folder.
    Folder(PathBuf),
    /// In AWS, by credentials and region of the environment.
    Aws {
        /// Name of the table with the records.
        disclosures: String,
        /// Name of the table with their chains.
        chains: String,
    },
}

/// Why it cannot be found out.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// There is no register in the folder.
    #[error("there is no register in {}", .0.display())]
    NoRegister(PathBuf),
    /// The template.
    #[error("the template: {0}")]
    Template(#[from] TemplateError),
    /// The database in the folder.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The folder's clock.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The environment.
    #[error(transparent)]
    NoAws(#[from] NoAws),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was found. It names organisations, days and numbers, and no person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Chains looked at.
    pub chains: u64,
    /// Records looked at.
    pub records: u64,
    /// What is wrong.
    pub faults: BTreeMap<Chain, Vec<Fault>>,
}

impl Report {
    /// What a process ends with that has found this.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.faults.is_empty())
    }

    fn add(&mut self, chain: Chain, records: u64, faults: Vec<Fault>) {
        self.chains += 1;
        self.records += records;
        if !faults.is_empty() {
            self.faults.insert(chain, faults);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chains, records, .. } = self;
        if self.faults.is_empty() {
            return writeln!(f, "Whole: {records} records in {chains} chains.");
        }
        let wrong = self.faults.len();
        writeln!(f, "NOT WHOLE: {wrong} of {chains} chains, with {records} records.")?;
        for (chain, faults) in &self.faults {
            for fault in faults {
                writeln!(
                    f,
                    "  organisation {} day {} chain {chain}: {fault}",
                    chain.organisation, chain.day
                )?;
            }
        }
        Ok(())
    }
}

/// Checks the record in a place; `say` hears now and then how far it is.
///
/// # Errors
/// [`VerificationError`].
pub async fn run(place: Place, selection: Selection, say: impl Fn(&str)) -> Result<Report, VerificationError> {
    match place {
        Place::Folder(folder) => {
            if !Database::is_in(&folder) {
                return Err(VerificationError::NoRegister(folder));
            }
            let tables = &Template::shipped()?.tables;
            let database = Database::start(tables, Some(&folder)).await?;
            let client = aws_sdk_dynamodb::Client::new(&sdk::config(database.url()));
            let [disclosures, chains] = ["DisclosuresTable", "ChainsTable"].map(table_name);
            let now = MovableClock::running(Some(&folder))?.now();
            let chains = Chains::new(client, disclosures, chains);
            Ok(verify(&chains, selection, now, SETTLING, say).await?)
        }
        Place::Aws { disclosures, chains } => {
            let environment = Environment::process();
            let config = infra_aws::sdk::config(&|name| environment.optional(name))?;
            // Pages of large records, perhaps over a slow line, and nobody waits for one of them.
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_mins(1))
                .build();
            let config = config.to_builder().timeout_config(timeouts).build();
            let chains = Chains::new(aws_sdk_dynamodb::Client::new(&config), disclosures, chains);
            let now = Clock::system().now();
            Ok(verify(&chains, selection, now, SETTLING, say).await?)
        }
    }
}

/// Checks the chains that are meant, and once more, a while later, those with which something seems wrong.
///
/// # Errors
/// [`StoreError`].
pub async fn verify(
    chains: &Chains,
    selection: Selection,
    now: Timestamp,
    settling: Duration,
    say: impl Fn(&str),
) -> Result<Report, StoreError> {
    let mut work = Work {
        chains,
        selection,
        now,
        report: Report::default(),
        known: BTreeSet::new(),
        said: Instant::now(),
        say,
    };
    if let (Some(organisation), Some(day)) = (selection.organisation, selection.day) {
        work.check(Chains::of(organisation, day).collect()).await?;
    } else {
        let mut from = None;
        loop {
            let page = chains.with_a_head(from).await?;
            work.check(page.chains).await?;
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        // Whoever removes a head leaves its records behind, or else removes the whole day.
        loop {
            let page = chains.with_records(from).await?;
            work.check(page.chains).await?;
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    let mut report = work.report;
    let doubtful: Vec<_> = std::mem::take(&mut report.faults).into_keys().collect();
    if !doubtful.is_empty() {
        tokio::time::sleep(settling).await;
    }
    for chain in doubtful {
        let (_, faults) = chains.check(chain, now).await?;
        if !faults.is_empty() {
            report.faults.insert(chain, faults);
        }
    }
    Ok(report)
}

struct Work<'a, S> {
    chains: &'a Chains,
    selection: Selection,
    now: Timestamp,
    report: Report,
    /// Chains that were looked at.
    known: BTreeSet<Chain>,
    /// When it was last said how far it is.
    said: Instant,
    say: S,
}

impl<S: Fn(&str)> Work<'_, S> {
    /// Checks those that are meant and were not looked at.
    async fn check(&mut self, chains: Vec<Chain>) -> Result<(), StoreError> {
        let new: Vec<_> = chains
            .into_iter()
            .filter(|chain| self.selection.holds(*chain) && self.known.insert(*chain))
            .collect();
        let (of, now) = (self.chains, self.now);
        let mut checked = stream::iter(new)
            .map(async |chain| Ok::<_, StoreError>((chain, of.check(chain, now).await?)))
            .buffer_unordered(AT_ONCE);
        while let Some((chain, (records, faults))) = checked.try_next().await? {
            self.report.add(chain, records, faults);
            if self.said.elapsed() >= WORD {
                self.said = Instant::now();
                let Report {
                    chains,
                    records,
                    faults,
                } = &self.report;
                (self.say)(&format!(
                    "{chains} chains, {records} records, {} in doubt",
                    faults.len()
                ));
            }
        }
        Ok(())
    }
}
