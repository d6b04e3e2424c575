//! Who has which address, so that a shared one can be flagged.
//!
//! An entry carries the flag, because a look-up is one read. It changes when somebody else takes or leaves the same
//! address: then that transition sets it, in the same transaction. Addresses stand here as keyed hashes only. Each has
//! a head, whose revision serialises who comes and goes.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    types::{Delete, Put, Update},
};
use mailbox_register::{
    contact::{Address, Channel},
    entry::Registration,
    person::PersonKey,
    secret::Secret,
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
const HEAD: &str = "#";
/// The head, the person by two keys, and two others: all that is needed to decide anything.
const PAGE: i32 = 5;
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
    secret: Secret,
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
    revision: u64,
    others: Vec<PersonKey>,
}

const fn flag(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "mobileShared",
        Channel::Email => "emailShared",
    }
}

impl Addresses {
    /// Addresses in `table`, hashed with `secret`.
    pub const fn new(client: Client, table: String, secret: Secret) -> Self {
        Self { client, table, secret }
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
                    .map(|address| self.key(&address))
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
                shared = self.take(person, &taken, channel, &mut sharing).await?;
            }
            *sharing.flag_of(channel) = Some(shared);
        }
        Ok(sharing)
    }

    /// What it does to the flags that a person's entry, which was lost, is put back: where the person still stands at an
    /// address, the flag alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn putting_back(&self, person: &PersonKey, after: Option<&Registration>) -> Result<Sharing, StoreError> {
        let mut sharing = Sharing::default();
        for channel in Channel::ALL {
            let address = after.and_then(|registration| registration.address(channel));
            let Some(address) = address.map(|address| self.key(&address)) else {
                continue;
            };
            let shared = if self.is_at(&address, person).await? {
                let sharers = self.sharers(&address, [person, person]).await?;
                sharing.writes.push(self.bump(&address, sharers.revision, 0)?);
                !sharers.others.is_empty()
            } else {
                self.take(person, &address, channel, &mut sharing).await?
            };
            *sharing.flag_of(channel) = Some(shared);
        }
        Ok(sharing)
    }

    /// Whether a registration has an address, given as it stands here.
    pub fn is_of(&self, registration: Option<&Registration>, address: &str) -> bool {
        let has = |channel| registration.and_then(|registration| registration.address(channel));
        let theirs = Channel::ALL.into_iter().filter_map(has);
        theirs.map(|theirs| self.key(&theirs)).any(|theirs| theirs == address)
    }

    /// What it does to the flags that a person no longer stands at an address, given as it stands here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn vacating(&self, entries: &Entries, address: &str, person: &PersonKey) -> Result<Sharing, StoreError> {
        let mut sharing = Sharing::default();
        let sharers = self.sharers(address, [person, person]).await?;
        if let [other] = sharers.others.as_slice() {
            let stored = entries.one(other).await?;
            let registration = stored.as_ref().and_then(|stored| stored.entry.registration());
            for channel in Channel::ALL {
                let theirs = registration.and_then(|registration| registration.address(channel));
                if theirs.is_some_and(|theirs| self.key(&theirs) == address) {
                    sharing.others.push((other.clone(), flag(channel), false));
                }
            }
        }
        sharing.writes.push(self.removing(address, person)?);
        sharing.writes.push(self.bump(address, sharers.revision, -1)?);
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
                    .map(|address| self.key(&address))
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
            leaving.writes.push(self.removing(&left, old)?);
            if before.as_ref() == Some(&left) {
                leaving.writes.push(self.bump(&left, sharers.revision, -1)?);
            } else {
                leaving.writes.push(self.adding(&left, new)?);
                leaving.writes.push(self.bump(&left, sharers.revision, 0)?);
            }
            *taking.flag_of(channel) = Some(!sharers.others.is_empty());
        }
        Ok([leaving, taking])
    }

    async fn take(
        &self,
        person: &PersonKey,
        address: &str,
        channel: Channel,
        sharing: &mut Sharing,
    ) -> Result<bool, StoreError> {
        let sharers = self.sharers(address, [person, person]).await?;
        // Of two or more others, each is flagged already.
        if let [other] = sharers.others.as_slice() {
            sharing.others.push((other.clone(), flag(channel), true));
        }
        sharing.writes.push(self.adding(address, person)?);
        sharing.writes.push(self.bump(address, sharers.revision, 1)?);
        Ok(!sharers.others.is_empty())
    }

    /// A person leaves an address. The second key is another of the same person's, who is nobody else.
    async fn leave(
        &self,
        address: &str,
        [person, also]: [&PersonKey; 2],
        channel: Channel,
        sharing: &mut Sharing,
    ) -> Result<(), StoreError> {
        let sharers = self.sharers(address, [person, also]).await?;
        if let [other] = sharers.others.as_slice() {
            sharing.others.push((other.clone(), flag(channel), false));
        }
        sharing.writes.push(self.removing(address, person)?);
        sharing.writes.push(self.bump(address, sharers.revision, -1)?);
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
    async fn sharers(&self, address: &str, keys: [&PersonKey; 2]) -> Result<Sharers, StoreError> {
        for attempt in 0..MAX_READS {
            if let Some(sharers) = self.read(address, keys).await? {
                return Ok(sharers);
            }
            retry::wait(attempt, Duration::from_millis(5), Duration::from_millis(50)).await;
        }
        Err(StoreError::Unavailable("addresses in motion".to_owned()))
    }

    /// One reading; none if the head counts other members than are there.
    async fn read(&self, address: &str, keys: [&PersonKey; 2]) -> Result<Option<Sharers>, StoreError> {
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
        let mut sharers = Sharers {
            revision: 0,
            others: Vec::new(),
        };
        let (mut present, mut counted) = (0, 0);
        for item in items {
            let row: Row = item::read("addresses", item)?;
            if row.person == HEAD {
                sharers.revision = row.revision;
                counted = row.members;
            } else {
                present += 1;
                if keys.iter().all(|key| row.person != key.as_str()) {
                    sharers.others.push(PersonKey::from_stored(row.person));
                }
            }
        }
        Ok((!is_whole || present == counted).then_some(sharers))
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

    fn key(&self, address: &Address) -> String {
        // Mail servers tell case apart nowhere; two spellings are one address.
        let canonical = address.as_str().to_lowercase();
        self.secret.mac("address", &[address.channel().as_str(), &canonical])
    }
}
