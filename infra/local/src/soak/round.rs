//! One round: letters in waves, the clock moved on after each, and then time enough for whatever is still open.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use fastrand::Rng;
use infra_aws::{letters::Letters, notices::Notices, outbox::Outbox, transaction::CommitError};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    letter::{Announcement, Letter, LetterId, Sector, Sender},
    notice::{Notice, NoticeId},
    organisation::OrganisationNumber,
    words::Reference,
};
use uuid::Uuid;

use super::{
    Options,
    audit::{self, Injected},
    persons::{self, Person},
    report::Report,
};
use crate::{
    database::table_name,
    messages::{Channel, Fault, ScriptedFault},
    mishaps::{Mishaps, befalls},
    stack::{self, Stack, StackError},
};

/// Letters that are announced together, as from one morning's print run.
const WAVE: u64 = 250;
/// Letters of one transaction: with its notice each is two writes, and DynamoDB takes a hundred.
const TRANSACTION: usize = 50;
/// Between two waves: longer than a lease, and than a call can last.
const STEP: SignedDuration = SignedDuration::from_mins(2);
/// Between two looks at what is still open, and the most of them: well past the hour after which the other channel is
/// used, and past a night in which no telephone may ring.
const QUIET_STEP: SignedDuration = SignedDuration::from_mins(10);
const MOST_QUIET_STEPS: u32 = 150;
/// Calls on a channel for which it is settled in advance what befalls them: more than a wave makes.
const CALLS_AHEAD: u32 = 500;
/// Two providers of mailboxes and two agencies.
const ORGANISATIONS: [&str; 4] = ["984661185", "922020175", "991825827", "974760673"];

/// What befalls deliveries and workers in a round.
pub(super) fn mishaps(options: &Options, seed: u64) -> Arc<Mishaps> {
    Arc::new(Mishaps::new(options.odds, seed))
}

/// A stack on which the clock stands still.
pub(super) fn stack_options(now: Timestamp, mishaps: &Arc<Mishaps>) -> stack::Options {
    // A few persons get all letters, in one day.
    let no_cap = || u32::MAX.to_string();
    stack::Options {
        frozen_at: Some(now),
        parameters: BTreeMap::from([("SmsPerNumberPerDay", no_cap()), ("SmsPerDay", no_cap())]),
        mishaps: Some(Arc::clone(mishaps)),
        ..stack::Options::default()
    }
}

/// A round on its stack.
pub(super) struct Round<'a> {
    stack: &'a Stack,
    mishaps: &'a Mishaps,
    options: &'a Options,
    outbox: Outbox,
    random: Rng,
    /// Faults that were scripted, befallen or still to come.
    lost: u64,
    refused: u64,
}

impl<'a> Round<'a> {
    pub(super) fn new(stack: &'a Stack, mishaps: &'a Mishaps, options: &'a Options, seed: u64) -> Self {
        let client = stack.client();
        Self {
            stack,
            mishaps,
            options,
            outbox: Outbox {
                notices: Notices::new(client.clone(), table_name("NoticesTable")),
                letters: Letters::new(client.clone(), table_name("LettersTable")),
            },
            // Other lots than the mishaps', which draw in the order of deliveries.
            random: Rng::with_seed(!seed),
            lost: 0,
            refused: 0,
        }
    }

    /// Announces letters and has them told of, until there is nothing left to do.
    pub(super) async fn run(mut self, letters: u64) -> Result<Report, StackError> {
        let persons = persons::store(self.stack, self.stack.clock().now()).await?;
        let mut announced = 0;
        while announced < letters {
            let wave = announced..letters.min(announced + WAVE);
            announced = wave.end;
            self.script();
            self.announce(&persons, wave).await?;
            self.stack.settle().await?;
            self.stack.clock().advance(STEP)?;
            self.stack.tick().await?;
        }
        self.quiet().await?;
        let left = |fault| {
            let to_come = self.stack.messages().scripted();
            let left = to_come.iter().filter(|scripted| scripted.fault == fault);
            left.map(|scripted| u64::from(scripted.count)).sum::<u64>()
        };
        let injected = Injected {
            letters,
            answers_lost: self.lost - left(Fault::TimeoutAfter),
            refused: self.refused - left(Fault::Throttle) - left(Fault::Unavailable),
            mishaps: self.mishaps.record(),
        };
        let organisations = organisations()?;
        audit::audit(self.stack, &organisations, &injected).await
    }

    /// Lets time pass until no notice waits for anything and no report is to come.
    async fn quiet(&self) -> Result<(), StackError> {
        for _ in 0..MOST_QUIET_STEPS {
            let is_open = !self.outbox.notices.due_at().await?.is_empty();
            if !is_open && self.stack.messages().next_report_at().is_none() {
                break;
            }
            self.stack.clock().advance(QUIET_STEP)?;
            self.stack.tick().await?;
        }
        Ok(())
    }

    /// Settles what befalls the calls of the next wave.
    fn script(&mut self) {
        for channel in [Channel::Sms, Channel::Email] {
            let to_come = self.stack.messages().scripted();
            let of_channel = to_come.iter().filter(|scripted| scripted.channel == channel);
            let ahead: u32 = of_channel.map(|scripted| scripted.count).sum();
            for _ in ahead..CALLS_AHEAD {
                let fault = self.fault(channel);
                self.stack.messages().script(ScriptedFault {
                    channel,
                    fault,
                    count: 1,
                });
            }
        }
    }

    fn fault(&mut self, channel: Channel) -> Fault {
        if befalls(&mut self.random, self.options.lost) {
            self.lost += 1;
            return Fault::TimeoutAfter;
        }
        if befalls(&mut self.random, self.options.refused) {
            self.refused += 1;
            // An SNS that fails does not say how far it got: that is a lost answer.
            return if channel == Channel::Email && self.random.bool() {
                Fault::Unavailable
            } else {
                Fault::Throttle
            };
        }
        // The script has one entry for each call, and this one changes nothing but that SES reports once more.
        Fault::Delay
    }

    /// Announces letters as the function does, without its answer.
    async fn announce(&mut self, persons: &[Person], numbers: Range<u64>) -> Result<(), StackError> {
        let organisations = organisations()?;
        let mut letters = Vec::new();
        for (number, organisation) in numbers.zip(organisations.iter().cycle()) {
            let person = &persons[self.random.usize(..persons.len())];
            letters.push(self.letter(number, *organisation, person)?);
        }
        for letters in letters.chunks(TRANSACTION) {
            let mut writes = Vec::new();
            for (letter, notices) in letters {
                writes.push(self.outbox.letters.announcing(letter)?);
                for notice in notices {
                    writes.push(self.outbox.notices.adding(notice)?);
                }
            }
            self.outbox.commit(writes).await.map_err(|error| match error {
                CommitError::Store(error) => StackError::Store(error),
                CommitError::Conflict(_) => StackError::Soak("letters that are not new"),
            })?;
        }
        Ok(())
    }

    fn letter(
        &mut self,
        number: u64,
        organisation: OrganisationNumber,
        person: &Person,
    ) -> Result<(Letter, Vec<Notice>), StackError> {
        let now = self.stack.clock().now();
        let reference =
            Reference::parse(&format!("letter-{number}")).map_err(|_| StackError::Soak("a letter's reference"))?;
        let id = LetterId::new(self.stack.secret(), organisation, &reference);
        let announcement = Announcement {
            person: person.key.clone(),
            announced_by: organisation,
            sender: Sender {
                organisation,
                sector: Sector::Public,
                name_may_be_shown: self.random.bool(),
            },
            reference,
            available_from: now,
            legal_notice: self.random.bool(),
            remind: false,
            language: None,
        };
        let mut notice = || NoticeId(Uuid::from_u128(self.random.u128(..)));
        let ids = [notice(), notice()];
        Ok(Letter::announce(id, announcement, Some(&person.entry), ids, now))
    }
}

fn organisations() -> Result<Vec<OrganisationNumber>, StackError> {
    let numbers = ORGANISATIONS.iter().map(|number| number.parse());
    numbers
        .collect::<Result<_, _>>()
        .map_err(|_| StackError::Soak("an organisation's number"))
}
