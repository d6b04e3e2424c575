//! The persons who get the letters.

use infra_aws::{addresses::Addresses, register::Register, transaction::CommitError};
use jiff::{Timestamp, ToSpan as _};
use mailbox_register::{
    contact::{Channel, EmailAddress, MobileNumber},
    entry::{self, Actor, Command, ContactUpdate, Entry, Transition, Update},
    person::{PersonIdentifier, PersonKey, Population},
};

use crate::{
    database::table_name,
    persons::synthetic,
    stack::{Stack, StackError},
};

/// Mobiles that Sweden reserves for fiction. There are fewer than persons, so persons share them.
const MOBILES: std::ops::RangeInclusive<u64> = 46_701_740_605..=46_701_740_699;
/// Two for each mobile.
const PERSONS: usize = 190;

/// Somebody who can be reached on both channels.
pub(super) struct Person {
    pub(super) key: PersonKey,
    pub(super) entry: Entry,
}

/// Stores persons by the rules and the writes of the functions. Half of them would rather get an SMS, half an e-mail.
pub(super) async fn store(stack: &Stack, now: Timestamp) -> Result<Vec<Person>, StackError> {
    let client = stack.client();
    let register = Register::new(client.clone(), table_name("RegisterTable"), table_name("ChangesTable"));
    let addresses = Addresses::new(client.clone(), table_name("AddressesTable"), stack.secret().clone());
    let registered_at = now.checked_sub(24.hours()).map_err(|_| StackError::TestPersons)?;
    let mut persons = Vec::new();
    // The test persons have the first numbers.
    for ((at, number), mobile) in synthetic().enumerate().take(PERSONS).zip(MOBILES.cycle()) {
        let identifier =
            PersonIdentifier::parse(&number, Population::Synthetic).map_err(|_| StackError::TestPersons)?;
        let key = stack.secret().person_key(&identifier);
        let channel = Channel::ALL[at % Channel::ALL.len()];
        let command = Command::SetContact(contact(at, mobile, channel)?);
        let Ok(Transition::Changed(outcome)) = entry::apply(None, &identifier, command, Actor::Citizen, registered_at)
        else {
            return Err(StackError::TestPersons);
        };
        let sharing = addresses.sharing(&key, None, outcome.entry.registration()).await?;
        let mut writes: Vec<_> = sharing.writes().collect();
        writes.extend(register.writes(&key, &outcome, &sharing)?);
        register.commit(writes).await.map_err(|error| match error {
            CommitError::Store(error) => StackError::Store(error),
            CommitError::Conflict(_) => StackError::TestPersons,
        })?;
        let entry = outcome.entry;
        persons.push(Person { key, entry });
    }
    Ok(persons)
}

fn contact(at: usize, mobile: u64, preferred: Channel) -> Result<ContactUpdate, StackError> {
    let countries = "NO,SE".parse().map_err(|_| StackError::TestPersons)?;
    let email = EmailAddress::parse(&format!("person.{at}@example.no")).map_err(|_| StackError::TestPersons)?;
    let mobile = MobileNumber::parse(&format!("+{mobile}"), &countries).map_err(|_| StackError::TestPersons)?;
    Ok(ContactUpdate {
        email: Update::Set(email),
        mobile: Update::Set(mobile),
        language: None,
        preferred_channel: Some(preferred),
    })
}
