//! What was disclosed of whom, to whom and why: records that are linked, so that none can be removed or changed without
//! it showing.
//!
//! A record says how many there were before it in its chain, and what the one before it hashes to. A chain is an
//! organisation's day in one of a few lanes: a day goes as a whole when its time is over, and workers that write at the same
//! moment seldom want the same chain. What the last record hashes to, and how many there are, stands at the chain's head.

mod check;

use std::{collections::BTreeSet, fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, ToSpan as _, civil::Date};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{contact::norwegian_time, organisation::OrganisationNumber, person::PersonKey};

pub use check::{Check, Fault};

/// Why the register itself tells of a person, where nobody gave a purpose of their own. Persons read it.
pub mod purpose {
    /// A provider asked whether it can be chosen.
    pub const ELIGIBILITY: &str = "To find out whether you can choose this mailbox provider";
    /// A provider was told why it cannot register a mailbox.
    pub const REFUSED_MAILBOX: &str = "To tell this mailbox provider why it cannot register a mailbox for you";
    /// The sender of a letter was told how its notice goes out.
    pub const LETTER: &str = "To notify you of a letter";
    /// Whoever follows the change feed was told of a change.
    pub const CHANGES: &str = "To follow changes in the register";

    /// All of them. By these texts the register tells its own records from others', so that nobody else may give one.
    pub const OWN: [&str; 4] = [ELIGIBILITY, REFUSED_MAILBOX, LETTER, CHANGES];
}

/// The form of records that is written now. It is part of what is hashed: another form is another hash.
const FORM: u8 = 1;

/// One of the chains of an organisation's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lane(u8);

impl Lane {
    /// How many there are.
    pub const COUNT: u8 = 8;

    /// The lane that a random number falls into.
    pub const fn of(number: u8) -> Self {
        Self(number % Self::COUNT)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }
}

impl From<Lane> for String {
    fn from(lane: Lane) -> Self {
        lane.0.to_string()
    }
}

impl TryFrom<String> for Lane {
    type Error = NotAChain;

    fn try_from(text: String) -> Result<Self, NotAChain> {
        let number: u8 = text.parse().map_err(|_| NotAChain)?;
        // One way to write it: a chain has one name.
        (number < Self::COUNT && number.to_string() == text)
            .then_some(Self(number))
            .ok_or(NotAChain)
    }
}

/// A chain: `<organisation>#<day>#<lane>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chain {
    /// Whom was told.
    pub organisation: OrganisationNumber,
    /// The day, in Norwegian time.
    pub day: Date,
    /// Which of the day's.
    pub lane: Lane,
}

/// A text that names no chain.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("not the name of a chain of records")]
pub struct NotAChain;

impl Chain {
    /// Where a record of `at` belongs.
    pub fn of(organisation: OrganisationNumber, at: Timestamp, lane: Lane) -> Self {
        Self {
            organisation,
            day: at.to_zoned(norwegian_time()).date(),
            lane,
        }
    }

    /// When the whole of it goes: `months` after its day is over.
    pub fn expires_at(self, months: i32) -> Timestamp {
        self.day
            .tomorrow()
            .and_then(|day| day.checked_add(months.months()))
            .and_then(|day| day.to_zoned(norwegian_time()))
            .map_or(Timestamp::MAX, |end| end.timestamp())
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.organisation, self.day, self.lane.0)
    }
}

impl From<Chain> for String {
    fn from(chain: Chain) -> Self {
        chain.to_string()
    }
}

impl FromStr for Chain {
    type Err = NotAChain;

    fn from_str(text: &str) -> Result<Self, NotAChain> {
        let mut parts = text.split('#');
        let (Some(organisation), Some(day), Some(lane), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAChain);
        };
        Ok(Self {
            organisation: organisation.parse().map_err(|_| NotAChain)?,
            day: day.parse().map_err(|_| NotAChain)?,
            lane: Lane::try_from(lane.to_owned())?,
        })
    }
}

impl TryFrom<String> for Chain {
    type Error = NotAChain;

    fn try_from(text: String) -> Result<Self, NotAChain> {
        text.parse()
    }
}

/// The SHA-256 of a record, base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(String);

impl Hash {
    fn new(bytes: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)))
    }

    /// What stands before a chain's first record.
    fn before(chain: Chain) -> Self {
        Self::new(chain.to_string().as_bytes())
    }

    /// The hash as tables hold it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One record, as it is written and read: nothing else of it is stored but when it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The form that this record has.
    pub form: u8,
    /// Its identity.
    pub request: Uuid,
    /// Who was told.
    pub organisation: OrganisationNumber,
    /// Who called on that organisation's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<OrganisationNumber>,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub purpose: String,
    /// The organisation's own reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Which parts of the entries were shown.
    pub fields: Vec<String>,
    /// Of whom, in the order asked.
    pub persons: Vec<PersonKey>,
    /// Its chain.
    pub chain: Chain,
    /// Its place in the chain, from 1 on.
    pub number: u64,
    /// The hash of the record before it.
    pub previous: Hash,
}

impl Record {
    /// Its hash: of its JSON, with the fields in the order that they have above.
    ///
    /// # Errors
    /// None, as long as a record can be written as JSON.
    pub fn hash(&self) -> Result<Hash, serde_json::Error> {
        serde_json::to_vec(self).map(|json| Hash::new(&json))
    }
}

/// What a person reads of a record that names them: neither whom else it names, nor what the organisation calls the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// Who was told.
    pub organisation: OrganisationNumber,
    /// Who called on that organisation's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<OrganisationNumber>,
    /// Why.
    pub purpose: String,
    /// What of the person was shown.
    pub fields: Vec<String>,
}

impl Record {
    /// What each of its persons reads of it.
    pub fn told(&self) -> Told {
        Told {
            at: self.at,
            organisation: self.organisation,
            supplier: self.supplier,
            purpose: self.purpose.clone(),
            fields: self.fields.clone(),
        }
    }

    /// Its persons, each once.
    pub fn named(&self) -> BTreeSet<&PersonKey> {
        self.persons.iter().collect()
    }

    /// Its place among all records in the order of time: texts that sort as the records do.
    pub fn place_in_time(&self) -> String {
        format!("{:.9}#{}", self.at, self.request)
    }
}

/// How far a chain is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The chain.
    pub chain: Chain,
    /// How many records it has.
    pub count: u64,
    /// The hash of the last.
    pub hash: Hash,
    /// When the chain goes, in seconds since 1970: the first record says it for all, so that a day goes as a whole.
    pub expires_at: i64,
}

/// What a record says, before it has its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlinked<'a> {
    /// The record's identity.
    pub request: Uuid,
    /// Who called on the organisation's behalf.
    pub supplier: Option<OrganisationNumber>,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub purpose: &'a str,
    /// The organisation's own reference.
    pub reference: Option<&'a str>,
    /// Which parts of the entries were shown.
    pub fields: &'a [&'static str],
    /// Of whom.
    pub persons: &'a [PersonKey],
}

impl Head {
    /// Of a chain without any record, which is kept for some months.
    pub fn start(chain: Chain, months: i32) -> Self {
        Self {
            chain,
            count: 0,
            hash: Hash::before(chain),
            expires_at: chain.expires_at(months).as_second(),
        }
    }

    /// The record that comes next, and the head after it.
    ///
    /// # Errors
    /// None, as long as a record can be written as JSON.
    pub fn append(&self, told: &Unlinked<'_>) -> Result<(Record, Self), serde_json::Error> {
        let record = Record {
            form: FORM,
            request: told.request,
            organisation: self.chain.organisation,
            supplier: told.supplier,
            at: told.at,
            purpose: told.purpose.to_owned(),
            reference: told.reference.map(str::to_owned),
            fields: told.fields.iter().map(|&field| field.to_owned()).collect(),
            persons: told.persons.to_vec(),
            chain: self.chain,
            number: self.count + 1,
            previous: self.hash.clone(),
        };
        let head = Self {
            chain: self.chain,
            count: record.number,
            hash: record.hash()?,
            expires_at: self.expires_at,
        };
        Ok((record, head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Chain {
        "991825827#2026-11-22#3".parse().unwrap()
    }

    #[test]
    fn a_chain_is_an_organisations_norwegian_day_in_a_lane() {
        let at: Timestamp = "2026-11-21T23:30:00Z".parse().unwrap();
        let chain = Chain::of("991825827".parse().unwrap(), at, Lane::of(11));
        assert_eq!(chain.to_string(), "991825827#2026-11-22#3");
        assert_eq!(chain.to_string().parse(), Ok(chain));
        for text in [
            "",
            "991825827#2026-11-22",
            "991825827#2026-11-22#8",
            "991825827#2026-11-22#03",
            "1#2#3",
            "991825827#2026-11-22#3#",
        ] {
            assert_eq!(text.parse::<Chain>(), Err(NotAChain), "{text}");
        }
    }

    #[test]
    fn a_day_goes_as_a_whole_once_its_months_are_over() {
        let expires = chain().expires_at(36).to_string();
        assert_eq!(expires, "2029-11-22T23:00:00Z");
    }

    #[test]
    fn records_sort_in_the_order_of_time_however_their_times_are_written() {
        let told = |at: &str| Unlinked {
            request: Uuid::nil(),
            supplier: None,
            at: at.parse().unwrap(),
            purpose: "Decision on a building permit",
            reference: None,
            fields: &[],
            persons: &[],
        };
        let place = |at: &str| {
            let (record, _) = Head::start(chain(), 36).append(&told(at)).unwrap();
            record.place_in_time()
        };
        let times = [
            "2026-11-22T12:00:00Z",
            "2026-11-22T12:00:00.001Z",
            "2026-11-22T12:00:00.0012Z",
            "2026-11-22T12:00:01Z",
        ];
        let places = times.map(place);
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn what_is_hashed_is_written_down_here() {
        let told = Unlinked {
            request: Uuid::nil(),
            supplier: Some("974760673".parse().unwrap()),
            at: "2026-11-22T12:00:00Z".parse().unwrap(),
            purpose: "Decision on a building permit",
            reference: None,
            fields: &["contact"],
            persons: &[PersonKey::from_stored("v1#a")],
        };
        let (record, head) = Head::start(chain(), 36).append(&told).unwrap();
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            "{\"form\":1,\"request\":\"00000000-0000-0000-0000-000000000000\",\"organisation\":\"991825827\",\
             \"supplier\":\"974760673\",\"at\":\"2026-11-22T12:00:00Z\",\"purpose\":\"Decision on a building permit\",\
             \"fields\":[\"contact\"],\"persons\":[\"v1#a\"],\"chain\":\"991825827#2026-11-22#3\",\"number\":1,\
             \"previous\":\"QPmXxrvW2iRyrzPlab1g25DvD0VD6AnPkv5AMVDuoDY\"}"
        );
        // Whoever changes this makes all records that are stored look changed: it takes another form, read beside this one.
        assert_eq!(head.hash.as_str(), "ZvjgqyuH_PjdxoZhzvw1YLKG3e4Hf7k3c0viDkynfVI");
        assert_eq!(head.count, 1);
    }
}
