//! Who looked whom up, when, why, and which fields were shown: linked records, only ever added to.
//!
//! A record and its chain's new head are stored together, or not at all; see [`mailbox_register::disclosure`].

mod copying;
mod reading;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, types::Put};
use jiff::Timestamp;
use mailbox_register::{
    disclosure::{Chain, Head, Lane, Record, Unlinked},
    organisation::OrganisationNumber,
    person::PersonKey,
};
use uuid::Uuid;

use crate::{
    error::StoreError,
    item::{self, number, text},
    retry,
    transaction::{self, CommitError, Part, Write},
};

pub use copying::Copies;
pub use reading::{Chains, Selection};

/// Tries while others write to the same chain.
const MAX_RACES: u32 = 16;
/// How long somebody waits for others of this instance at the same chain. Then the table decides whose turn it is.
const PATIENCE: Duration = Duration::from_millis(500);
/// Organisations whose heads are remembered: more than ever call one instance, and a bound on its memory.
const MAX_HEADS: usize = 1000;

/// One look-up.
#[derive(Debug)]
pub struct Disclosure<'a> {
    /// Its identity.
    pub request: Uuid,
    /// Who looked up.
    pub organisation: OrganisationNumber,
    /// Who called on that organisation's behalf.
    pub supplier: Option<OrganisationNumber>,
    /// When.
    pub at: Timestamp,
    /// Why, in the organisation's words.
    pub purpose: &'a str,
    /// The organisation's own reference.
    pub reference: Option<&'a str>,
    /// Which parts of the entries were shown; `reserved` and `status` always are.
    pub fields: Vec<&'static str>,
    /// Whom, in the order asked.
    pub persons: &'a [PersonKey],
}

/// Where records and their chains are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The table `disclosures`.
    pub disclosures: String,
    /// The table `chains`.
    pub chains: String,
    /// For how many months after its day a record is kept.
    pub months: i32,
}

/// The head of an organisation's chain as this instance left it. Who holds it adds to that chain.
type Kept = Arc<tokio::sync::Mutex<Option<Head>>>;

/// The tables `disclosures` and `chains`, to be added to.
#[derive(Debug, Clone)]
pub struct Disclosures {
    client: Client,
    place: Place,
    /// Drawn at the start: instances of a busy organisation seldom want the same chain.
    lane: Lane,
    heads: Arc<Mutex<HashMap<OrganisationNumber, Kept>>>,
}

impl Disclosures {
    /// Records in these tables.
    pub fn new(client: Client, place: Place) -> Self {
        Self {
            client,
            place,
            lane: Lane::of(Uuid::new_v4().as_bytes()[15]),
            heads: Arc::default(),
        }
    }

    /// Puts a look-up on record. Until this has succeeded nothing may be disclosed. The same `request` again is the same
    /// record.
    ///
    /// It is one call as long as no other instance writes to the chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record(&self, disclosure: &Disclosure<'_>) -> Result<(), StoreError> {
        let chain = Chain::of(disclosure.organisation, disclosure.at, self.lane);
        let told = Unlinked {
            request: disclosure.request,
            supplier: disclosure.supplier,
            at: disclosure.at,
            purpose: disclosure.purpose,
            reference: disclosure.reference,
            fields: &disclosure.fields,
            persons: disclosure.persons,
        };
        let kept = self.kept(chain.organisation);
        let mut unkept = None;
        let mut slot = tokio::time::timeout(PATIENCE, kept.lock()).await;
        let kept = slot.as_deref_mut().unwrap_or(&mut unkept);
        for race in 0..MAX_RACES {
            if race > 0 {
                retry::wait(race, Duration::from_millis(5), Duration::from_millis(200)).await;
            }
            // Taken out, so that it is read anew unless this ends well.
            let head = if let Some(head) = kept.take().filter(|head| head.chain == chain) {
                head
            } else {
                let stored = reading::head(&self.client, &self.place.chains, chain).await?;
                stored.unwrap_or_else(|| Head::start(chain, self.place.months))
            };
            let unwritable = |_| StoreError::Unwritable("disclosures");
            let (record, next) = head.append(&told).map_err(unwritable)?;
            match transaction::commit(&self.client, self.appending(&head, &record, &next)?).await {
                Ok(()) => {
                    *kept = Some(next);
                    return Ok(());
                }
                // It is there: this very call, whose answer was lost, or the same piece of a file before.
                Err(CommitError::Conflict(Part::Disclosure)) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("races for a chain".to_owned()))
    }

    /// The record first: of two conditions that do not hold the first is told, and a record that is there is what counts.
    fn appending(&self, head: &Head, record: &Record, next: &Head) -> Result<Vec<Write>, StoreError> {
        let mut row = item::write("disclosures", record)?;
        row.insert("expiresAt".to_owned(), number(head.expires_at));
        let record = Put::builder()
            .table_name(&self.place.disclosures)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(#request)")
            .expression_attribute_names("#request", "request");
        let mut moving = Put::builder()
            .table_name(&self.place.chains)
            .set_item(Some(item::write("chains", next)?));
        moving = if head.count == 0 {
            moving
                .condition_expression("attribute_not_exists(#chain)")
                .expression_attribute_names("#chain", "chain")
        } else {
            moving
                .condition_expression("#count = :count AND #hash = :hash")
                .expression_attribute_names("#count", "count")
                .expression_attribute_names("#hash", "hash")
                .expression_attribute_values(":count", number(head.count))
                .expression_attribute_values(":hash", text(head.hash.as_str()))
        };
        Ok(vec![
            Write::put(Part::Disclosure, record)?,
            Write::put(Part::Chain, moving)?,
        ])
    }

    fn kept(&self, organisation: OrganisationNumber) -> Kept {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.len() >= MAX_HEADS && !heads.contains_key(&organisation) {
            heads.clear();
        }
        Arc::clone(heads.entry(organisation).or_default())
    }
}
