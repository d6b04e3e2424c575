//! Who has which address, so that a shared one can be flagged.
//!
//! An entry carries the flag, because a look-up is one read. It changes when somebody else takes or leaves the same
//! address: then that transition sets it, in the same transaction. Addresses stand here as keyed hashes only. Each has
//! a head, whose revision serialises who comes and goes.
//!
//! While one secret gives way to the next an address has two hashes. A person stands under the one that is made with the
//! secret of the person's key; who shares the address is read from both, and whoever comes or goes moves both heads on.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    types::{Delete, Put, Update},
};
use mailbox_register::{
    contact::{Address, Channel},
    entry::{Entry, Registration},
    person::{KeyVersion, PersonKey},
    secret::{Secret, Secrets},
};

use serde::Deserialize;

use crate::{
    error::StoreError,
    item::{self, number, text},
    register::Entries,
    retry,
    transaction::{Part, Write},
};

/// Sorts before every person key.
pub(crate) const HEAD: &str = "#";
/// The head, the person by two keys, and two others: all that is needed to decide anything.
const PAGE: i32 = 5;
/// Why nothing can be said of an address: a key is of a secret that is not known here.
const UNKNOWN_SECRET: &str = "a key of another secret";
/// Readings until head and members belong together.
const MAX_READS: u32 = 5;

/// A head, or one person who has the address.
#[derive(Deserialize)]
struct Row {
    person: String,
    #[serde(default)]
    revision: u64,
    #[serde(default)]
    members: usize,
}

/// The table `addresses`.
#[derive(Debug, Clone)]
pub struct Addresses {
    client: Client,
    table: String,
    secrets: Secrets,
}

/// An address as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hashes(Vec<(KeyVersion, String)>);

impl Hashes {
    /// The one that a person stands under.
    fn of(&self, person: &PersonKey) -> Result<&str, StoreError> {
        let version = person.version();
        let hash = self.0.iter().find(|(known, _)| Some(*known) == version);
        hash.map(|(_, hash)| hash.as_str())
            .ok_or_else(|| StoreError::Unavailable(UNKNOWN_SECRET.to_owned()))
    }

    fn has(&self, address: &str) -> bool {
        self.0.iter().any(|(_, hash)| hash == address)
    }
}

/// What a transition does to the flags.
#[derive(Debug, Default)]
pub struct Sharing {
    /// The flag of the person's new e-mail.
    pub(crate) email: Option<bool>,
    /// The flag of the person's new mobile.
    pub(crate) mobile: Option<bool>,
    /// Other persons' flags.
    pub(crate) others: Vec<(PersonKey, &'static str, bool)>,
    /// The writes to the table itself.
    pub(crate) writes: Vec<Write>,
}

impl Sharing {
    /// The writes to the table `addresses`; those to the entries are the register's.
    pub fn writes(&self) -> impl Iterator<Item = Write> {
        self.writes.iter().cloned()
    }

    const fn flag_of(&mut self, channel: Channel) -> &mut Option<bool> {
        match channel {
            Channel::Sms => &mut self.mobile,
            Channel::Email => &mut self.email,
        }
    }
}

/// Who has an address now: at the most two others are needed to decide anything.
struct Sharers {
    /// The heads' revisions, of each hash.
    revisions: Vec<(String, u64)>,
    others: Vec<PersonKey>,
}

const fn flag(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "mobileShared",
        Channel::Email => "emailShared",
    }
}

impl Addresses {
    /// Addresses in `table`, hashed with `secrets`.
    pub const fn new(client: Client, table: String, secrets: Secrets) -> Self {
        Self { client, table, secrets }
    }

    /// What a transition from one registration to another does to the flags.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sharing(
        &self,
        person: &PersonKey,
        before: Option<&Registration>,
        after: Option<&Registration>,
    ) -> Result<Sharing, StoreError> {
        let mut sharing = Sharing::default();
        for channel in Channel::ALL {
            let address = |registration: Option<&Registration>| {
                registration
                    .and_then(|registration| registration.address(channel))
                    .map(|address| self.hashes(&address))
            };
            let (left, taken) = (address(before), address(after));
            if left == taken {
                continue;
            }
            if let Some(left) = left {
                self.leave(&left, [person, person], channel, &mut sharing).await?;
            }
            let mut shared = false;
            if let Some(taken) = taken {
                shared = self.take([person, person], &taken, channel, &mut sharing).await?;
            }
            *sharing.flag_of(channel) = Some(shared);
        }
        Ok(sharing)
    }

    /// What it does to the flags that a person's entry, which was lost, is put back: where the person still stands at an
    /// address, the flag alone. The second key is another of the same person's, who is nobody else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn putting_back(
        &self,
        [person, also]: [&PersonKey; 2],
        after: Option<&Registration>,
    ) -> Result<Sharing, StoreError> {
        let mut sharing = Sharing::default();
        for channel in Channel::ALL {
            let address = after.and_then(|registration| registration.address(channel));
            let Some(address) = address.map(|address| self.hashes(&address)) else {
                continue;
            };
            let place = address.of(person)?;
            let shared = if self.is_at(place, person).await? {
                let sharers = self.sharers(&address, [person, also]).await?;
                sharing.writes.extend(self.bumps(&sharers, &[])?);
                !sharers.others.is_empty()
            } else {
                self.take([person, also], &address, channel, &mut sharing).await?
            };
            *sharing.flag_of(channel) = Some(shared);
        }
        Ok(sharing)
    }

    /// Whether a person, of whom this is registered, has an address, given as it stands here.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], where the person's key is of a secret that is not known here.
    pub fn is_of(
        &self,
        person: &PersonKey,
        registration: Option<&Registration>,
        address: &str,
    ) -> Result<bool, StoreError> {
        for channel in Channel::ALL {
            let theirs = registration.and_then(|registration| registration.address(channel));
            let theirs = theirs.map(|theirs| self.hashes(&theirs));
            if let Some(theirs) = theirs
                && theirs.of(person)? == address
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What it does to the flags that a person no longer stands at an address, given as it stands here.
    ///
    /// Which address it is only the entry of another who stands there can tell. Where an address has two hashes, the only other
    /// one may stand under the second, and keeps the flag.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn vacating(&self, entries: &Entries, address: &str, person: &PersonKey) -> Result<Sharing, StoreError> {
        let mut sharing = Sharing::default();
        sharing.writes.push(self.removing(address, person)?);
        let (revision, others) = self.settled(address, [person, person]).await?;
        if let [other] = others.as_slice() {
            let found = entries.at(other).await?;
            let registration = found.entry().and_then(Entry::registration);
            for channel in Channel::ALL {
                let theirs = registration.and_then(|registration| registration.address(channel));
                let theirs = theirs.map(|theirs| self.hashes(&theirs));
                let Some(theirs) = theirs.filter(|theirs| theirs.has(address)) else {
                    continue;
                };
                let sharers = self.sharers(&theirs, [person, person]).await?;
                if sharers.others.len() == 1 {
                    sharing.others.push((other.clone(), flag(channel), false));
                }
                sharing.writes.extend(self.bumps(&sharers, &[(address, -1)])?);
                return Ok(sharing);
            }
        }
        sharing.writes.push(self.bump(address, revision, -1)?);
        Ok(sharing)
    }

    async fn is_at(&self, address: &str, person: &PersonKey) -> Result<bool, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("address", text(address))
            .key("person", text(person.as_str()))
            .consistent_read(true)
            .send()
            .await?;
        Ok(found.item.is_some())
    }

    /// What it does to the flags that one person's registration moves to another identifier: first what it does to the
    /// entry that gives way, and to everybody else, then to the one that takes over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn moving(
        &self,
        (old, left): (&PersonKey, Option<&Registration>),
        (new, before, after): (&PersonKey, Option<&Registration>, Option<&Registration>),
    ) -> Result<[Sharing; 2], StoreError> {
        let [mut leaving, mut taking] = [Sharing::default(), Sharing::default()];
        for channel in Channel::ALL {
            let address = |registration: Option<&Registration>| {
                registration
                    .and_then(|registration| registration.address(channel))
                    .map(|address| self.hashes(&address))
            };
            let (left, before, after) = (address(left), address(before), address(after));
            let Some(left) = left else { continue };
            *leaving.flag_of(channel) = Some(false);
            if after.as_ref() != Some(&left) {
                self.leave(&left, [old, new], channel, &mut leaving).await?;
                continue;
            }
            // The person had it before and has it afterwards: nothing changes for those who share it.
            let sharers = self.sharers(&left, [old, new]).await?;
            let mut places = vec![(left.of(old)?, -1)];
            leaving.writes.push(self.removing(left.of(old)?, old)?);
            if before.as_ref() != Some(&left) {
                places.push((left.of(new)?, 1));
                leaving.writes.push(self.adding(left.of(new)?, new)?);
            }
            leaving.writes.extend(self.bumps(&sharers, &places)?);
            *taking.flag_of(channel) = Some(!sharers.others.is_empty());
        }
        Ok([leaving, taking])
    }

    /// What moves a person, who has these addresses, from a key of one secret to that of the next. Nothing changes for anybody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn rekeying(
        &self,
        (from, to): (&PersonKey, &PersonKey),
        registration: &Registration,
    ) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        for address in Channel::ALL
            .into_iter()
            .filter_map(|channel| registration.address(channel))
        {
            let hashes = self.hashes(&address);
            let (left, taken) = (hashes.of(from)?, hashes.of(to)?);
            let sharers = self.sharers(&hashes, [from, to]).await?;
            writes.push(self.removing(left, from)?);
            writes.push(self.adding(taken, to)?);
            writes.extend(self.bumps(&sharers, &[(left, -1), (taken, 1)])?);
        }
        Ok(writes)
    }

    /// A person takes an address. The second key is another of the same person's, who is nobody else.
    async fn take(
        &self,
        [person, also]: [&PersonKey; 2],
        address: &Hashes,
        channel: Channel,
        sharing: &mut Sharing,
    ) -> Result<bool, StoreError> {
        let place = address.of(person)?;
        let sharers = self.sharers(address, [person, also]).await?;
        // Of two or more others, each is flagged already.
        if let [other] = sharers.others.as_slice() {
            sharing.others.push((other.clone(), flag(channel), true));
        }
        sharing.writes.push(self.adding(place, person)?);
        sharing.writes.extend(self.bumps(&sharers, &[(place, 1)])?);
        Ok(!sharers.others.is_empty())
    }

    /// A person leaves an address. The second key is another of the same person's, who is nobody else.
    async fn leave(
        &self,
        address: &Hashes,
        [person, also]: [&PersonKey; 2],
        channel: Channel,
        sharing: &mut Sharing,
    ) -> Result<(), StoreError> {
        let place = address.of(person)?;
        let sharers = self.sharers(address, [person, also]).await?;
        if let [other] = sharers.others.as_slice() {
            sharing.others.push((other.clone(), flag(channel), false));
        }
        sharing.writes.push(self.removing(place, person)?);
        sharing.writes.extend(self.bumps(&sharers, &[(place, -1)])?);
        Ok(())
    }

    fn adding(&self, address: &str, person: &PersonKey) -> Result<Write, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .item("address", text(address))
            .item("person", text(person.as_str()))
            // The head's count holds only if each comes once and goes once.
            .condition_expression("attribute_not_exists(person)");
        Write::put(Part::Address, put)
    }

    fn removing(&self, address: &str, person: &PersonKey) -> Result<Write, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("address", text(address))
            .key("person", text(person.as_str()))
            .condition_expression("attribute_exists(person)");
        Write::delete(Part::Address, delete)
    }

    /// Who has an address besides one person, who may have two keys, read so that head and members belong together: a query may see a
    /// transaction's writes in part.
    async fn sharers(&self, address: &Hashes, keys: [&PersonKey; 2]) -> Result<Sharers, StoreError> {
        let mut all = Sharers {
            revisions: Vec::new(),
            others: Vec::new(),
        };
        for (_, hash) in &address.0 {
            let (revision, others) = self.settled(hash, keys).await?;
            all.revisions.push((hash.clone(), revision));
            all.others.extend(others);
        }
        Ok(all)
    }

    async fn settled(&self, hash: &str, keys: [&PersonKey; 2]) -> Result<(u64, Vec<PersonKey>), StoreError> {
        for attempt in 0..MAX_READS {
            if let Some(read) = self.read(hash, keys).await? {
                return Ok(read);
            }
            retry::wait(attempt, Duration::from_millis(5), Duration::from_millis(50)).await;
        }
        Err(StoreError::Unavailable("addresses in motion".to_owned()))
    }

    /// One reading of the head's revision and the others; none if the head counts other members than are there.
    async fn read(&self, address: &str, keys: [&PersonKey; 2]) -> Result<Option<(u64, Vec<PersonKey>)>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("address = :address")
            .expression_attribute_values(":address", text(address))
            .consistent_read(true)
            .limit(PAGE)
            .send()
            .await?;
        let items = page.items.unwrap_or_default();
        let is_whole = page.last_evaluated_key.is_none();
        let (mut revision, mut others) = (0, Vec::new());
        let (mut present, mut counted) = (0, 0);
        for item in items {
            let row: Row = item::read("addresses", item)?;
            if row.person == HEAD {
                revision = row.revision;
                counted = row.members;
            } else {
                present += 1;
                if keys.iter().all(|key| row.person != key.as_str()) {
                    others.push(PersonKey::from_stored(row.person));
                }
            }
        }
        Ok((!is_whole || present == counted).then_some((revision, others)))
    }

    /// Moves the heads on, from what was read: all of them, so that nobody who read the other one goes by it.
    fn bumps(&self, read: &Sharers, places: &[(&str, i8)]) -> Result<Vec<Write>, StoreError> {
        let members = |hash: &str| {
            places
                .iter()
                .filter(|(place, _)| *place == hash)
                .map(|(_, by)| by)
                .sum()
        };
        let heads = read.revisions.iter();
        heads
            .map(|(hash, revision)| self.bump(hash, *revision, members(hash)))
            .collect()
    }

    fn bump(&self, address: &str, revision: u64, members: i8) -> Result<Write, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("address", text(address))
            .key("person", text(HEAD))
            .update_expression("SET revision = :next ADD members :members")
            .condition_expression("attribute_not_exists(revision) OR revision = :revision")
            .expression_attribute_values(":next", number(revision + 1))
            .expression_attribute_values(":members", number(members))
            .expression_attribute_values(":revision", number(revision));
        Write::update(Part::Address, update)
    }

    fn hashes(&self, address: &Address) -> Hashes {
        // Mail servers tell case apart nowhere; two spellings are one address.
        let canonical = address.as_str().to_lowercase();
        let parts = [address.channel().as_str(), &canonical];
        let hash = |secret: &Secret| (secret.version(), secret.mac("address", &parts));
        Hashes(self.secrets.each().map(hash).collect())
    }
}
