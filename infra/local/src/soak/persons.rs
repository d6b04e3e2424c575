//! The persons who get the letters.

use infra_aws::{addresses::Addresses, register::Register, transaction::CommitError};
use jiff::{Timestamp, ToSpan as _};
use mailbox_register::{
    contact::{Channel, EmailAddress, MobileNumber},
    entry::{self, Actor, Command, ContactUpdate, Entry, Registering, Transition, Update},
    person::{PersonIdentifier, PersonKey, Population},
};

use crate::{
    database::table_name,
    persons::{MOBILES, synthetic},
    stack::{Stack, StackError},
};

/// Two for each mobile.
const PERSONS: usize = 190;

/// Providers, and the organisation of each: people have a mailbox with both, so letters may come from either.
const PROVIDERS: [(&str, &str); 2] = [("digipost", "984661185"), ("e-boks", "922020175")];

/// Somebody who can be reached on both channels.
pub(super) struct Person {
    pub(super) key: PersonKey,
    pub(super) entry: Entry,
}

/// Stores persons by the rules and the writes of the functions. Half of them would rather get an SMS, half an e-mail.
pub(super) async fn store(stack: &Stack, now: Timestamp) -> Result<Vec<Person>, StackError> {
    let client = stack.client();
    let register = Register::new(client.clone(), table_name("RegisterTable"), table_name("ChangesTable"));
    let addresses = Addresses::new(client.clone(), table_name("AddressesTable"), stack.secrets().clone());
    let registered_at = now.checked_sub(24.hours()).map_err(|_| StackError::TestPersons)?;
    let mut persons = Vec::new();
    // The test persons have the first numbers.
    for ((at, number), mobile) in synthetic().enumerate().take(PERSONS).zip(MOBILES.cycle()) {
        let identifier =
            PersonIdentifier::parse(&number, Population::Synthetic).map_err(|_| StackError::TestPersons)?;
        let key = stack.secret().person_key(&identifier);
        let channel = Channel::ALL[at % Channel::ALL.len()];
        let mut commands = vec![(Actor::Citizen, Command::SetContact(contact(at, mobile, channel)?))];
        for (provider, organisation) in PROVIDERS {
            commands.push(mailbox(at, provider, organisation)?);
        }
        let mut entry: Option<Entry> = None;
        for (actor, command) in commands {
            let transition = entry::apply(entry.as_ref(), &identifier, command, actor, registered_at);
            let Ok(Transition::Changed(outcome)) = transition else {
                return Err(StackError::TestPersons);
            };
            let before = entry.as_ref().and_then(Entry::registration);
            let sharing = addresses.sharing(&key, before, outcome.entry.registration()).await?;
            let mut writes: Vec<_> = sharing.writes().collect();
            writes.extend(register.writes(&key, &outcome, &sharing)?);
            register.commit(writes).await.map_err(|error| match error {
                CommitError::Store(error) => StackError::Store(error),
                CommitError::Conflict(_) => StackError::TestPersons,
            })?;
            entry = Some(outcome.entry);
        }
        let entry = entry.ok_or(StackError::TestPersons)?;
        persons.push(Person { key, entry });
    }
    Ok(persons)
}

fn mailbox(at: usize, provider: &str, organisation: &str) -> Result<(Actor, Command), StackError> {
    let actor = Actor::Organisation {
        organisation: organisation.parse().map_err(|_| StackError::TestPersons)?,
    };
    let command = Command::RegisterMailbox(Registering {
        provider: provider.parse().map_err(|_| StackError::TestPersons)?,
        address: format!("person.number#{at}")
            .try_into()
            .map_err(|_| StackError::TestPersons)?,
        certificate: Update::Keep,
    });
    Ok((actor, command))
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
