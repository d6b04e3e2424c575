//! `cargo run -p local -- verify-disclosures`: whether the record of who looked whom up is whole; and `copy-disclosures`,
//! which gives persons, and the relations of organisations, what they lack of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use infra_aws::{
    disclosures::{Chains, Copies, Selection},
    error::StoreError,
    person_disclosures::PersonDisclosures,
    relations::Relations,
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
        /// Name of the table with what persons read.
        persons: String,
        /// Name of the table with whom organisations have to do with.
        relations: String,
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

/// The tables of a place, and its time.
struct Tables {
    chains: Chains,
    copies: Copies,
    now: Timestamp,
    /// Serves the tables of a folder.
    _database: Option<Database>,
}

impl Tables {
    async fn open(place: Place) -> Result<Self, VerificationError> {
        match place {
            Place::Folder(folder) => {
                if !Database::is_in(&folder) {
                    return Err(VerificationError::NoRegister(folder));
                }
                let database = Database::start(&Template::shipped()?.tables, Some(&folder)).await?;
                let client = aws_sdk_dynamodb::Client::new(&sdk::config(database.url()));
                let [disclosures, chains, persons, relations] = [
                    "DisclosuresTable",
                    "ChainsTable",
                    "PersonDisclosuresTable",
                    "RelationsTable",
                ]
                .map(table_name);
                Ok(Self {
                    chains: Chains::new(client.clone(), disclosures, chains),
                    copies: Copies {
                        persons: PersonDisclosures::new(client.clone(), persons),
                        relations: Relations::new(client, relations),
                    },
                    now: MovableClock::running(Some(&folder))?.now(),
                    _database: Some(database),
                })
            }
            Place::Aws {
                disclosures,
                chains,
                persons,
                relations,
            } => {
                let environment = Environment::process();
                let config = infra_aws::sdk::config(&|name| environment.optional(name))?;
                // Pages of large records, perhaps over a slow line, and nobody waits for one of them.
                let timeouts = TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(Duration::from_mins(1))
                    .build();
                let client = aws_sdk_dynamodb::Client::new(&config.to_builder().timeout_config(timeouts).build());
                Ok(Self {
                    chains: Chains::new(client.clone(), disclosures, chains),
                    copies: Copies {
                        persons: PersonDisclosures::new(client.clone(), persons),
                        relations: Relations::new(client, relations),
                    },
                    now: Clock::system().now(),
                    _database: None,
                })
            }
        }
    }
}

/// Checks the record in a place; `say` hears now and then how far it is.
///
/// # Errors
/// [`VerificationError`].
pub async fn run(place: Place, selection: Selection, say: impl Fn(&str)) -> Result<Report, VerificationError> {
    let tables = Tables::open(place).await?;
    Ok(verify(&tables.chains, selection, tables.now, SETTLING, say).await?)
}

/// Gives persons and relations what they lack of the record in a place. Says how many records that was looked at.
///
/// # Errors
/// [`VerificationError`].
pub async fn run_copy(place: Place, selection: Selection, say: impl Fn(&str)) -> Result<u64, VerificationError> {
    let tables = Tables::open(place).await?;
    Ok(copy(&tables.chains, &tables.copies, selection, tables.now, say).await?)
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
    let mut report = Report::default();
    let mut word = Word::new(say);
    walk(chains, selection, async |new| {
        let mut checked = stream::iter(new)
            .map(async |chain| Ok::<_, StoreError>((chain, chains.check(chain, now).await?)))
            .buffer_unordered(AT_ONCE);
        while let Some((chain, (records, faults))) = checked.try_next().await? {
            report.add(chain, records, faults);
            word.now_and_then(|| {
                let Report {
                    chains,
                    records,
                    faults,
                } = &report;
                format!("{chains} chains, {records} records, {} in doubt", faults.len())
            });
        }
        Ok(())
    })
    .await?;
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

/// Gives persons and relations what they lack of the chains that are meant: what the function `disclosures` gave up on. Says how many
/// records it looked at.
///
/// # Errors
/// [`StoreError`].
pub async fn copy(
    chains: &Chains,
    copies: &Copies,
    selection: Selection,
    now: Timestamp,
    say: impl Fn(&str),
) -> Result<u64, StoreError> {
    let mut records = 0;
    let mut word = Word::new(say);
    walk(chains, selection, async |new| {
        for chain in new {
            let mut from = None;
            loop {
                let page = chains.records(chain, from, now).await?;
                for kept in page.records {
                    let Some(record) = kept.record else { continue };
                    copies.add(&record, kept.expires_at).await?;
                    records += 1;
                    word.now_and_then(|| format!("{records} records"));
                }
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(())
    })
    .await?;
    Ok(records)
}

/// Shows each chain that is meant once, many at a time.
async fn walk(
    chains: &Chains,
    selection: Selection,
    mut show: impl AsyncFnMut(Vec<Chain>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if let (Some(organisation), Some(day)) = (selection.organisation, selection.day) {
        return show(Chains::of(organisation, day).collect()).await;
    }
    let mut known = BTreeSet::new();
    // Whoever removes a head leaves its records behind, or else removes the whole day.
    for of_records in [false, true] {
        let mut from = None;
        loop {
            let page = if of_records {
                chains.with_records(from).await?
            } else {
                chains.with_a_head(from).await?
            };
            let new = page
                .chains
                .into_iter()
                .filter(|chain| selection.holds(*chain) && known.insert(*chain));
            show(new.collect()).await?;
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Says now and then how far it is.
struct Word<S> {
    said: Instant,
    say: S,
}

impl<S: Fn(&str)> Word<S> {
    fn new(say: S) -> Self {
        Self {
            said: Instant::now(),
            say,
        }
    }

    fn now_and_then(&mut self, text: impl FnOnce() -> String) {
        if self.said.elapsed() >= WORD {
            self.said = Instant::now();
            (self.say)(&text());
        }
    }
}
