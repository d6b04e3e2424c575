//! Who has which address, so that a shared one can be flagged.
//!
//! An entry carries the flag, because a look-up is one read. It changes when somebody else takes or leaves the same
//! address: then that transition sets it, in the same transaction. Addresses stand here as keyed hashes only. Each has
//! a head, whose revision serialises who comes and goes.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Delete, Put, Update},
};
use mailbox_register::{
    contact::{Address, Channel},
    entry::Registration,
    person::PersonKey,
    secret::Secret,
};

use crate::{
    error::StoreError,
    item::{number, text},
    transaction::{Part, Write},
};

/// Sorts before every person key.
const HEAD: &str = "#";

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
                self.leave(person, &left, channel, &mut sharing).await?;
            }
            let mut shared = false;
            if let Some(taken) = taken {
                shared = self.take(person, &taken, channel, &mut sharing).await?;
            }
            match channel {
                Channel::Sms => sharing.mobile = Some(shared),
                Channel::Email => sharing.email = Some(shared),
            }
        }
        Ok(sharing)
    }

    async fn take(
        &self,
        person: &PersonKey,
        address: &str,
        channel: Channel,
        sharing: &mut Sharing,
    ) -> Result<bool, StoreError> {
        let sharers = self.sharers(address, person).await?;
        // Of two or more others, each is flagged already.
        if let [other] = sharers.others.as_slice() {
            sharing.others.push((other.clone(), flag(channel), true));
        }
        let put = Put::builder()
            .table_name(&self.table)
            .item("address", text(address))
            .item("person", text(person.as_str()));
        sharing.writes.push(Write::put(Part::Address, put)?);
        sharing.writes.push(self.bump(address, sharers.revision)?);
        Ok(!sharers.others.is_empty())
    }

    async fn leave(
        &self,
        person: &PersonKey,
        address: &str,
        channel: Channel,
        sharing: &mut Sharing,
    ) -> Result<(), StoreError> {
        let sharers = self.sharers(address, person).await?;
        if let [other] = sharers.others.as_slice() {
            sharing.others.push((other.clone(), flag(channel), false));
        }
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("address", text(address))
            .key("person", text(person.as_str()));
        sharing.writes.push(Write::delete(Part::Address, delete)?);
        sharing.writes.push(self.bump(address, sharers.revision)?);
        Ok(())
    }

    async fn sharers(&self, address: &str, person: &PersonKey) -> Result<Sharers, StoreError> {
        // The head, the person, and two others.
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("address = :address")
            .expression_attribute_values(":address", text(address))
            .consistent_read(true)
            .limit(4)
            .send()
            .await?;
        let mut sharers = Sharers {
            revision: 0,
            others: Vec::new(),
        };
        for item in page.items.unwrap_or_default() {
            match (item.get("person"), item.get("revision")) {
                (Some(AttributeValue::S(key)), Some(AttributeValue::N(revision))) if key == HEAD => {
                    sharers.revision = revision.parse().map_err(|_| StoreError::Unreadable("addresses"))?;
                }
                (Some(AttributeValue::S(key)), _) if key != person.as_str() => {
                    sharers.others.push(PersonKey::from_stored(key));
                }
                _ => {}
            }
        }
        Ok(sharers)
    }

    fn bump(&self, address: &str, revision: u64) -> Result<Write, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("address", text(address))
            .key("person", text(HEAD))
            .update_expression("SET revision = :next")
            .condition_expression("attribute_not_exists(revision) OR revision = :revision")
            .expression_attribute_values(":next", number(revision + 1))
            .expression_attribute_values(":revision", number(revision));
        Write::update(Part::Address, update)
    }

    fn key(&self, address: &Address) -> String {
        // Mail servers tell case apart nowhere; two spellings are one address.
        let canonical = address.as_str().to_lowercase();
        self.secret.mac("address", &[address.channel().as_str(), &canonical])
    }
}
