//! Test persons in the states that a client must handle. All of them synthetic.

use infra_aws::{
    addresses::Addresses,
    register::{Located, Register},
    transaction::CommitError,
};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use mailbox_register::{
    contact::{EmailAddress, MobileNumber, mobile::AllowedCountries},
    entry::{self, Actor, Command, ContactUpdate, DeletionReason, Entry, Registering, Transition, Update},
    language::Language,
    mailbox::ProviderId,
    person::{PersonIdentifier, Population},
    secret::Secrets,
};
use serde::Serialize;

use crate::stack::StackError;

/// A test person, as `GET /local/persons` shows one.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct TestPerson {
    /// The synthetic identity number.
    pub person: &'static str,
    /// The state in a word or two.
    pub state: &'static str,
    /// What a client has to deal with.
    pub description: &'static str,
    #[serde(skip)]
    story: fn(&mut Story) -> Result<(), StackError>,
}

/// Every test person.
pub const PERSONS: [TestPerson; 16] = [
    TestPerson {
        person: "20914695016",
        state: "new",
        description: "not in the register yet: the person of the tour",
        story: |_| Ok(()),
    },
    TestPerson {
        person: "22885399316",
        state: "complete",
        description: "e-mail and mobile, both validated, and an active mailbox with Digipost",
        story: |story| {
            story.contact(Some("kari@example.no"), Some("+46701740605"))?;
            story.run(|story| Ok(Command::Validate(story.mobile("+46701740605")?.into())))?;
            story.run(|_| Ok(Command::Validate(email("kari@example.no")?.into())))?;
            story.mailbox("digipost", "kari.nordmann#7QRS")
        },
    },
    TestPerson {
        person: "21836797660",
        state: "only-mobile",
        description: "a mobile and no e-mail",
        story: |story| story.contact(None, Some("+46701740606")),
    },
    TestPerson {
        person: "22838497199",
        state: "only-email",
        description: "an e-mail and no mobile",
        story: |story| story.contact(Some("per@example.no"), None),
    },
    TestPerson {
        person: "10915596784",
        state: "reserved",
        description: "refuses digital decisions; has e-mail and mobile",
        story: |story| {
            story.contact(Some("anne@example.no"), Some("+46701740607"))?;
            story.run(|_| Ok(Command::Reserve))
        },
    },
    TestPerson {
        person: "41814061033",
        state: "stale",
        description: "a D-number; e-mail and mobile last confirmed 19 months ago",
        story: |story| {
            story.months_ago(19);
            story.contact(Some("lars@example.no"), Some("+46701740608"))
        },
    },
    TestPerson {
        person: "11836566604",
        state: "half-stale",
        description: "a fresh mobile, and an e-mail of 19 months ago",
        story: |story| {
            story.months_ago(19);
            story.contact(Some("ingrid@example.no"), None)?;
            story.months_ago(1);
            story.contact(None, Some("+46701740609"))
        },
    },
    TestPerson {
        person: "49860699787",
        state: "deleted",
        description: "was in the register and left it",
        story: |story| {
            story.contact(Some("nils@example.no"), None)?;
            story.run(|_| Ok(Command::Delete(DeletionReason::OwnWish)))
        },
    },
    TestPerson {
        person: "41664061188",
        state: "pending-choice",
        description: "chose e-Boks, which has no mailbox for the person yet",
        story: |story| {
            story.contact(None, Some("+46701740610"))?;
            story.run(|_| Ok(Command::Choose(provider("e-boks")?)))
        },
    },
    TestPerson {
        person: "13527248013",
        state: "two-mailboxes",
        description: "mailboxes with e-Boks (active) and Digipost",
        story: |story| {
            story.contact(Some("sofie@example.no"), Some("+46701740611"))?;
            story.mailbox("e-boks", "sofie.hansen#2KLM")?;
            story.mailbox("digipost", "sofie.hansen#8TUV")
        },
    },
    TestPerson {
        person: "04867705991",
        state: "northern-sami",
        description: "wants to be written to in Northern Sami",
        story: |story| {
            story.contact(Some("mahtte@example.no"), Some("+46701740612"))?;
            story.language(Language::Se)
        },
    },
    TestPerson {
        person: "14874424642",
        state: "undeliverable-mobile",
        description: "the mobile gets no SMS any more, the e-mail works",
        story: |story| {
            story.contact(Some("olav@example.no"), Some("+46701740613"))?;
            story.run(|story| Ok(Command::MarkUndeliverable(story.mobile("+46701740613")?.into())))
        },
    },
    TestPerson {
        person: "03896706011",
        state: "mailbox-only",
        description: "an active mailbox with Digipost, neither e-mail nor mobile",
        story: |story| story.mailbox("digipost", "marit.lie#5WXY"),
    },
    TestPerson {
        person: "27904797001",
        state: "shared-mobile",
        description: "shares the mobile with another person",
        story: |story| story.contact(Some("eva@example.no"), Some("+46701740614")),
    },
    TestPerson {
        person: "08918059610",
        state: "shared-mobile",
        description: "the other person with that mobile",
        story: |story| story.contact(Some("jon@example.no"), Some("+46701740614")),
    },
    TestPerson {
        person: "02907740652",
        state: "unknown",
        description: "never in the register",
        story: |_| Ok(()),
    },
];

/// What happened to one person so far.
struct Story {
    identifier: PersonIdentifier,
    countries: AllowedCountries,
    now: Timestamp,
    at: Timestamp,
    outcomes: Vec<entry::Outcome>,
}

impl Story {
    fn months_ago(&mut self, months: i32) {
        self.at = months_before(self.now, months);
    }

    fn run(&mut self, command: impl FnOnce(&Self) -> Result<Command, StackError>) -> Result<(), StackError> {
        let command = command(self)?;
        let actor = match &command {
            Command::RegisterMailbox(_) | Command::CloseMailbox(_) => Actor::Organisation {
                organisation: "984661185".parse().map_err(|_| StackError::TestPersons)?,
            },
            Command::MarkUndeliverable(_) => Actor::Register,
            _ => Actor::Citizen,
        };
        let entry = self.outcomes.last().map(|outcome| &outcome.entry);
        match entry::apply(entry, &self.identifier, command, actor, self.at) {
            Ok(Transition::Changed(outcome)) => self.outcomes.push(*outcome),
            Ok(Transition::Unchanged) | Err(_) => return Err(StackError::TestPersons),
        }
        Ok(())
    }

    fn contact(&mut self, address: Option<&str>, number: Option<&str>) -> Result<(), StackError> {
        self.run(|story| {
            Ok(Command::SetContact(ContactUpdate {
                email: address.map_or(Ok(Update::Keep), |text| email(text).map(Update::Set))?,
                mobile: number.map_or(Ok(Update::Keep), |text| story.mobile(text).map(Update::Set))?,
                language: None,
                preferred_channel: None,
            }))
        })
    }

    fn language(&mut self, language: Language) -> Result<(), StackError> {
        self.run(|_| {
            Ok(Command::SetContact(ContactUpdate {
                email: Update::Keep,
                mobile: Update::Keep,
                language: Some(language),
                preferred_channel: None,
            }))
        })
    }

    fn mailbox(&mut self, name: &str, address: &str) -> Result<(), StackError> {
        self.run(|_| {
            Ok(Command::RegisterMailbox(Registering {
                provider: provider(name)?,
                address: address.to_owned().try_into().map_err(|_| StackError::TestPersons)?,
                certificate: Update::Keep,
            }))
        })
    }

    fn mobile(&self, text: &str) -> Result<MobileNumber, StackError> {
        MobileNumber::parse(text, &self.countries).map_err(|_| StackError::TestPersons)
    }
}

fn email(text: &str) -> Result<EmailAddress, StackError> {
    EmailAddress::parse(text).map_err(|_| StackError::TestPersons)
}

fn provider(name: &str) -> Result<ProviderId, StackError> {
    name.parse().map_err(|_| StackError::TestPersons)
}

fn months_before(now: Timestamp, months: i32) -> Timestamp {
    now.to_zoned(TimeZone::UTC)
        .checked_sub(months.months())
        .map_or(now, |zoned| zoned.timestamp())
}

/// Where test persons are stored.
pub(crate) struct Place<'a> {
    pub(crate) register: &'a Register,
    pub(crate) addresses: &'a Addresses,
    pub(crate) secrets: &'a Secrets,
}

/// Stores of every test person what is not there yet, by the same rules and the same writes as the functions. Nobody is
/// told anything.
pub(crate) async fn store(place: &Place<'_>, now: Timestamp) -> Result<(), StackError> {
    for person in PERSONS {
        let identifier =
            PersonIdentifier::parse(person.person, Population::Synthetic).map_err(|_| StackError::TestPersons)?;
        let keys = place.secrets.keys(&identifier);
        let Located { key, stored } = place.register.entries().find(&keys).await?;
        let stored = stored.map_or(0, |stored| stored.entry.version);
        let mut story = Story {
            identifier,
            countries: "NO,SE".parse().map_err(|_| StackError::TestPersons)?,
            now,
            at: months_before(now, 2),
            outcomes: Vec::new(),
        };
        (person.story)(&mut story)?;
        let mut before: Option<Entry> = None;
        for outcome in story.outcomes {
            // A start that was killed has left a part of the story; whoever has lived on since is past its end.
            if outcome.entry.version <= stored {
                before = Some(outcome.entry);
                continue;
            }
            let outcome = outcome.under(&key, &keys);
            let sharing = place
                .addresses
                .sharing(
                    &key,
                    before.as_ref().and_then(Entry::registration),
                    outcome.entry.registration(),
                )
                .await?;
            let mut writes: Vec<_> = sharing.writes().collect();
            writes.extend(place.register.writes(&key, &outcome, &sharing)?);
            place.register.commit(writes).await.map_err(|error| match error {
                CommitError::Store(error) => StackError::Store(error),
                CommitError::Conflict(_) => StackError::TestPersons,
            })?;
            before = Some(outcome.entry);
        }
    }
    Ok(())
}

/// Mobiles that Sweden reserves for fiction. There are fewer than persons, so persons share them.
pub(crate) const MOBILES: std::ops::RangeInclusive<u64> = 46_701_740_605..=46_701_740_699;

/// Synthetic identity numbers (month +80), each once, of persons born from 1940 on: as many as a test wants.
pub fn synthetic() -> impl Iterator<Item = String> {
    const FIRST_WEIGHTS: [u32; 9] = [3, 7, 6, 1, 8, 9, 4, 5, 2];
    const SECOND_WEIGHTS: [u32; 10] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
    fn control(weights: &[u32], digits: &str) -> Option<char> {
        let digits = digits.chars().filter_map(|digit| digit.to_digit(10));
        let sum: u32 = weights.iter().zip(digits).map(|(weight, digit)| weight * digit).sum();
        char::from_digit((11 - sum % 11) % 11, 10)
    }
    let dates = (40..100).flat_map(|year| (81..=92).flat_map(move |month| (1..=28).map(move |day| (day, month, year))));
    dates
        .flat_map(|(day, month, year)| (0..1000).map(move |individual| format!("{day:02}{month}{year}{individual:03}")))
        .filter_map(|mut digits| {
            digits.push(control(&FIRST_WEIGHTS, &digits)?);
            digits.push(control(&SECOND_WEIGHTS, &digits)?);
            Some(digits)
        })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn generated_persons_are_synthetic_and_each_is_another() {
        let persons: Vec<_> = synthetic().take(5000).collect();
        for person in &persons {
            assert!(PersonIdentifier::parse(person, Population::Synthetic).is_ok());
        }
        assert_eq!(persons.iter().collect::<HashSet<_>>().len(), persons.len());
    }

    #[test]
    fn test_persons_are_who_they_say() {
        let numbers: HashSet<_> = PERSONS.iter().map(|person| person.person).collect();
        assert_eq!(numbers.len(), PERSONS.len());
    }
}
