//! The record, read to see whether it is whole: for the operator. No function may do this.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use jiff::{Timestamp, civil::Date};
use mailbox_register::{
    disclosure::{Chain, Check, Fault, Head, Lane, Record},
    organisation::OrganisationNumber,
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    error::StoreError,
    item::{self, Item, text},
    many,
};

/// The index by chain and number.
const INDEX: &str = "chain";
/// Records read in one call: a record can be 300 kB, and an answer 16 MB.
const TOGETHER: i32 = 25;
/// How long what DynamoDB leaves unread is asked for again: nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The least that a stack can be told to keep records for (`DisclosureMonths`).
const FEWEST_MONTHS: i32 = 1;

/// A chain's head, as of now.
pub(super) async fn head(client: &Client, table: &str, chain: Chain) -> Result<Option<Head>, StoreError> {
    let found = client
        .get_item()
        .table_name(table)
        .key("chain", text(chain.to_string()))
        .consistent_read(true)
        .send()
        .await?;
    found.item.map(|row| item::read("chains", row)).transpose()
}

/// Which chains are meant: all, unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Those of one organisation.
    pub organisation: Option<OrganisationNumber>,
    /// Those of one day.
    pub day: Option<Date>,
}

impl Selection {
    /// Whether a chain is meant.
    pub fn holds(&self, chain: Chain) -> bool {
        self.organisation
            .is_none_or(|organisation| organisation == chain.organisation)
            && self.day.is_none_or(|day| day == chain.day)
    }
}

/// A page of chains, and where the next begins.
#[derive(Debug)]
pub struct Page {
    /// The chains; one may be there several times.
    pub chains: Vec<Chain>,
    /// None after the last page.
    pub next: Option<Item>,
}

/// A record as it is kept.
#[derive(Debug)]
pub struct Kept {
    /// Its number, as the index has it.
    pub number: u64,
    /// None if it cannot be read.
    pub record: Option<Record>,
    /// When it goes, in seconds since 1970.
    pub expires_at: i64,
}

/// A page of records, and where the next begins.
#[derive(Debug)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<Kept>,
    /// None after the last page.
    pub next: Option<Item>,
}

/// The tables `disclosures` and `chains`, to be read.
#[derive(Debug, Clone)]
pub struct Chains {
    client: Client,
    disclosures: String,
    heads: String,
}

/// A record's keys in the index.
#[derive(Deserialize)]
struct Place {
    /// Whatever somebody put there: a record's own is a UUID.
    request: String,
    number: u64,
}

/// A name of a chain.
#[derive(Deserialize)]
struct Name {
    chain: Chain,
}

impl Chains {
    /// Records in `disclosures`, their chains' heads in `chains`.
    pub const fn new(client: Client, disclosures: String, chains: String) -> Self {
        Self {
            client,
            disclosures,
            heads: chains,
        }
    }

    /// A page of all chains that have a head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn with_a_head(&self, from: Option<Item>) -> Result<Page, StoreError> {
        let scan = self.client.scan().table_name(&self.heads);
        page(scan, from).await
    }

    /// A page of the chains that records say they are in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn with_records(&self, from: Option<Item>) -> Result<Page, StoreError> {
        let scan = self.client.scan().table_name(&self.disclosures).index_name(INDEX);
        page(scan, from).await
    }

    /// The chains that an organisation can have on a day.
    pub fn of(organisation: OrganisationNumber, day: Date) -> impl Iterator<Item = Chain> {
        Lane::all().map(move |lane| Chain {
            organisation,
            day,
            lane,
        })
    }

    /// Goes through a chain's records, and says how many it has seen and what is wrong with them. What is past its time at
    /// `now` is no longer there, whether DynamoDB has got round to it or not. That a chain is past its time its head may say
    /// alone no sooner than its day allows, and never while one of its records is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check(&self, chain: Chain, now: Timestamp) -> Result<(u64, Vec<Fault>), StoreError> {
        let head = self.head(chain).await?;
        let is_over = chain.expires_at(FEWEST_MONTHS) <= now
            && head.as_ref().is_some_and(|head| head.expires_at <= now.as_second());
        let mut check = Check::new(chain, head);
        let mut from = None;
        loop {
            let page = self.records(chain, from, now).await?;
            for kept in page.records {
                check.see(kept.number, kept.record.as_ref());
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        let seen = check.seen();
        if is_over && seen == 0 {
            return Ok((0, Vec::new()));
        }
        let head = self.head(chain).await?;
        Ok((seen, check.end(head.as_ref())))
    }

    /// A head that cannot be read is none.
    async fn head(&self, chain: Chain) -> Result<Option<Head>, StoreError> {
        match head(&self.client, &self.heads, chain).await {
            Err(StoreError::Unreadable(_)) => Ok(None),
            read => read,
        }
    }

    /// A page of a chain's records, in order. What is past its time at `now` is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn records(&self, chain: Chain, from: Option<Item>, now: Timestamp) -> Result<RecordPage, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.disclosures)
            .index_name(INDEX)
            .key_condition_expression("#chain = :chain")
            .expression_attribute_names("#chain", "chain")
            .expression_attribute_values(":chain", text(chain.to_string()))
            .limit(TOGETHER)
            .set_exclusive_start_key(from)
            .send()
            .await?;
        let places: Vec<Place> = page
            .items
            .into_iter()
            .flatten()
            .map(|row| item::read("disclosures", row))
            .collect::<Result<_, _>>()?;
        let mut rows = self.rows(&places).await?;
        let records = places.into_iter().filter_map(|Place { request, number }| {
            // It may have gone since the index was read: the next number shows it.
            let mut row = rows.remove(&request)?;
            let expires_at = match row.remove("expiresAt") {
                Some(AttributeValue::N(at)) => at.parse().ok()?,
                _ => i64::MAX,
            };
            (expires_at > now.as_second()).then(|| Kept {
                number,
                record: item::read("disclosures", row).ok(),
                expires_at,
            })
        });
        Ok(RecordPage {
            records: records.collect(),
            next: page.last_evaluated_key,
        })
    }

    async fn rows(&self, places: &[Place]) -> Result<HashMap<String, Item>, StoreError> {
        if places.is_empty() {
            return Ok(HashMap::new());
        }
        let keys = places
            .iter()
            .map(|place| Item::from([("request".to_owned(), text(place.request.as_str()))]));
        let deadline = Instant::now() + PATIENCE;
        let rows = many::get(&self.client, &self.disclosures, keys, true, deadline).await?;
        let by_request = |row: Item| Some((row.get("request")?.as_s().ok()?.clone(), row));
        Ok(rows.into_iter().filter_map(by_request).collect())
    }
}

async fn page(
    scan: aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder,
    from: Option<Item>,
) -> Result<Page, StoreError> {
    let page = scan
        .projection_expression("#chain")
        .expression_attribute_names("#chain", "chain")
        .set_exclusive_start_key(from)
        .send()
        .await?;
    // What names no chain is missing in its own.
    let names = page
        .items
        .into_iter()
        .flatten()
        .filter_map(|row| item::read("chains", row).ok());
    Ok(Page {
        chains: names.map(|Name { chain }| chain).collect(),
        next: page.last_evaluated_key,
    })
}
