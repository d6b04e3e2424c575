//! A run on the real parts, step by step, and the model beside it. Whatever a provider takes is judged at once.

use std::collections::{BTreeMap, HashMap, HashSet};

use infra_aws::letters::Stored;
use jiff::{SignedDuration, Timestamp};
use local::messages::{self, ScriptedFault};
use mailbox_register::{
    caller::Scope,
    contact::Channel,
    letter::LetterId,
    notice::{NoticeId, State},
    person::{PersonIdentifier, PersonKey, Population},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    beginnings, calendar,
    house::{House, Workers, of_letter, of_provider},
    letter::{Closed, Letter},
    person::{Details, Person, Point},
    sleeper::Stopped,
    steps::{By, Change, Closing, Moment, Order, Run, Step},
};

/// What is wrong, in words.
pub(crate) type Wrong = String;

/// Ends with what is wrong, unless something holds.
macro_rules! ensure {
    ($holds:expr, $($wrong:tt)+) => {
        if !$holds {
            return Err(format!($($wrong)+));
        }
    };
}
pub(crate) use ensure;

/// Between two steps, so that what follows is later.
const MOMENT: SignedDuration = SignedDuration::from_millis(1);
/// Between two steps of a calm run: reports have come by then.
const PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// A message that a provider took.
pub(crate) struct Told {
    pub(crate) message: messages::Message,
    pub(crate) notice: NoticeId,
    pub(crate) channel: Channel,
    /// The letter, and whether it is the reminder; none: it is of something else.
    pub(crate) of: Option<(usize, bool)>,
}

/// A run that is under way.
pub(crate) struct Life<'a> {
    pub(crate) house: &'a mut House,
    pub(crate) run: &'a Run,
    pub(crate) persons: Vec<Person>,
    pub(crate) keys: HashMap<PersonKey, usize>,
    pub(crate) letters: BTreeMap<usize, Letter>,
    pub(crate) told: Vec<Told>,
    /// Persons and channels on which a provider refused something for good, lost it, or may have.
    pub(crate) spoiled: HashSet<(usize, Channel)>,
    /// A worker that stopped, and what it had read by then if it had.
    pub(crate) stopped: Option<(Stopped, NoticeId, Option<Vec<Details>>)>,
    /// Since when nothing goes wrong any more.
    pub(crate) quiet_since: Timestamp,
}

/// Does a run from beginning to end and says what is wrong.
pub(crate) async fn live(house: &mut House, run: &Run) -> Result<(), Wrong> {
    house.begin(run.start).await;
    let mut persons = Vec::new();
    let mut keys = HashMap::new();
    for beginning in &run.persons {
        let person = beginnings::begin(house, beginning, run.start).await;
        keys.insert(key(house, &person), persons.len());
        persons.push(person);
    }
    let mut life = Life {
        house,
        run,
        persons,
        keys,
        letters: BTreeMap::new(),
        told: Vec::new(),
        spoiled: HashSet::new(),
        stopped: None,
        quiet_since: run.start,
    };
    for (at, step) in run.steps.iter().enumerate() {
        life.house.pass(MOMENT);
        let done = life.step(step).await;
        done.map_err(|wrong| format!("at {}, in step {at}, {step:?}: {wrong}", life.house.now()))?;
        if run.is_calm {
            let next = life.house.now() + PAUSE;
            life.busily(next).await?;
        }
    }
    let rested = life.come_to_rest().await;
    rested.map_err(|wrong| format!("at {}, when all was quiet: {wrong}", life.house.now()))?;
    life.look_back().await.map_err(|wrong| format!("in the end: {wrong}"))
}

fn key(house: &House, person: &Person) -> PersonKey {
    let identifier = PersonIdentifier::parse(&person.identifier, Population::Synthetic).unwrap();
    house.world.stack.secret().person_key(&identifier)
}

impl Life<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), Wrong> {
        match step {
            Step::Announce(order) => self.announce(order).await,
            Step::AnnounceAgain { letter, same_key } => self.announce_again(*letter, *same_key).await,
            Step::Close { letter, how } => self.close(*letter, *how).await,
            Step::CloseMeanwhile { letter, how } => self.close_meanwhile(*letter, *how).await,
            Step::CloseStopped { how } => match self.of_stopped().await {
                Some(letter) => self.close(letter, *how).await,
                None => Ok(()),
            },
            Step::Change { person, what } => self.change(*person, *what).await,
            Step::Pass { to, is_busy } => self.pass(*to, *is_busy).await,
            Step::Tick(how) => {
                self.house.tick(*how).await;
                Ok(())
            }
            Step::Stream(how) => {
                self.stream(*how).await;
                Ok(())
            }
            Step::Queue(how) => self.queue(*how).await,
            Step::Fault { channel, fault, count } => {
                self.house.world.stack.messages().script(ScriptedFault {
                    channel: of_provider(*channel),
                    fault: *fault,
                    count: *count,
                });
                Ok(())
            }
            Step::WorkerDies { message, after } => self.worker_dies(*message, *after).await,
            Step::WorkerStops { message, after } => self.worker_stops(*message, *after).await,
            Step::WorkerGoesOn { is_lost } => self.worker_goes_on(*is_lost).await,
            Step::Reports(how) => {
                self.reports(*how).await;
                Ok(())
            }
        }
    }

    fn letter(&self, number: usize) -> Option<&Letter> {
        self.letters.get(&number)
    }

    // What organisations do.

    async fn announce(&mut self, order: &Order) -> Result<(), Wrong> {
        let now = self.house.now();
        let person = &self.persons[order.person];
        // Its digits could make up an identity number, once in a great many.
        let name = Uuid::new_v4().to_string().replace(|c: char| c.is_ascii_digit(), "x");
        let reference = format!("letter {name}");
        let request = order.request(&person.identifier, &reference, now);
        let key = Uuid::new_v4().to_string();
        let organisation = order.by.organisation();
        let announced = self.ask(organisation, &request, &key).await;
        if order.by == By::Provider && !person.now().has_mailbox {
            ensure!(
                announced.0 == 404,
                "a letter to nobody's mailbox is answered {announced:?}"
            );
            return Ok(());
        }
        let (status, answer) = announced;
        ensure!(status == 202, "an announcement is answered {status} {answer}");
        let id = LetterId(answer["id"].as_str().unwrap_or_default().parse().unwrap());
        let letter = Letter {
            id,
            order: order.clone(),
            request,
            key,
            answer,
            announced_at: now,
            available_from: now + order.available_in.unwrap_or_default(),
            closed: None,
        };
        self.check_answer(&letter)?;
        self.letters.insert(order.letter, letter);
        Ok(())
    }

    /// The answer says what the model does, but for addresses that do not work any more.
    fn check_answer(&self, letter: &Letter) -> Result<(), Wrong> {
        let person = &self.persons[letter.order.person];
        let foretold = letter.foretold_answer(person);
        if letter.answer == foretold {
            return Ok(());
        }
        let is_spoiled = Channel::ALL
            .into_iter()
            .any(|channel| self.spoiled.contains(&(letter.order.person, channel)));
        let reason = letter.answer["unreachable"]["reason"].as_str();
        let may_be = match foretold["unreachable"]["reason"].as_str() {
            None => match letter.planned(false) {
                None => matches!(reason, Some("undeliverable" | "stale")),
                Some((channel, due)) => {
                    let details = person.at(letter.announced_at);
                    let reminder = letter.planned(true);
                    details.may_be_told(channel, letter.order.is_legal, letter.announced_at)
                        && due == letter.due(channel, false)
                        && reminder.is_some() == letter.order.remind
                        && reminder.is_none_or(|planned| planned == (channel, letter.due(channel, true)))
                }
            },
            // What does not work and is stale besides does not work.
            Some("stale") => reason == Some("undeliverable"),
            Some(_) => false,
        };
        ensure!(
            is_spoiled && may_be,
            "an announcement is answered {}, and should be {foretold}",
            letter.answer
        );
        Ok(())
    }

    async fn announce_again(&self, letter: usize, same_key: bool) -> Result<(), Wrong> {
        let Some(letter) = self.letter(letter) else {
            return Ok(());
        };
        let key = if same_key {
            letter.key.clone()
        } else {
            Uuid::new_v4().to_string()
        };
        let (status, answer) = self.ask(letter.order.by.organisation(), &letter.request, &key).await;
        ensure!(
            (status, &answer) == (202, &letter.answer),
            "an announcement come again is answered {status} {answer}, and was {}",
            letter.answer
        );
        Ok(())
    }

    async fn ask(&self, organisation: &str, request: &Value, key: &str) -> (u16, Value) {
        let caller = self.house.world.organisation(organisation, &[Scope::LettersWrite]);
        let answer = caller.post("/v1/letters", request).key(key).send().await;
        (answer.status.as_u16(), answer.body)
    }

    /// The request that says that a letter was opened, or calls it off.
    fn closing(&self, letter: &Letter, how: Closing) -> stories::Request<'_> {
        let organisation = letter.order.by.organisation();
        let caller = self.house.world.organisation(organisation, &[Scope::LettersWrite]);
        let verb = match how {
            Closing::Opened => "opened",
            Closing::Cancelled => "cancel",
        };
        caller.post(&format!("/v1/letters/{}/{verb}", letter.id), &json!({}))
    }

    async fn close(&mut self, number: usize, how: Closing) -> Result<(), Wrong> {
        let Some(letter) = self.letter(number) else {
            return Ok(());
        };
        let answer = self.closing(letter, how).send().await;
        self.closed(number, how, &answer).await
    }

    /// The letter is closed while a worker has all messages there are.
    async fn close_meanwhile(&mut self, number: usize, how: Closing) -> Result<(), Wrong> {
        self.take_messages().await;
        let flying = std::mem::take(&mut self.house.flying);
        let Some(letter) = self.letter(number) else {
            self.house.flying = flying;
            return Ok(());
        };
        let notices: Vec<_> = flying.iter().map(|message| message.notice).collect();
        let faults = self.faults();
        let request = self.closing(letter, how);
        let (answer, (again, done)) = tokio::join!(request.send(), self.house.work(flying, Workers::One));
        self.house.flying = again;
        self.house.handled.extend(done);
        self.spoil(&faults, &notices).await;
        self.listen(None).await?;
        self.closed(number, how, &answer).await
    }

    /// The letter of which a worker that stopped has a notice.
    async fn of_stopped(&mut self) -> Option<usize> {
        let (_, notice, _) = self.stopped.as_ref()?;
        let (id, _) = of_letter(&self.house.met(*notice).await)?;
        let found = self.letters.iter().find(|(_, letter)| letter.id == id)?;
        Some(*found.0)
    }

    /// A letter was closed, if it was not before.
    async fn closed(&mut self, number: usize, how: Closing, answer: &stories::Answer) -> Result<(), Wrong> {
        ensure!(answer.status == 200, "it is answered {} {}", answer.status, answer.body);
        let now = self.house.now();
        let mut on_the_way = HashSet::new();
        for notice in self.stored(self.letters[&number].id).await.letter.notices() {
            let notice = self.house.notice(notice).await;
            if matches!(notice.state, State::Sending { .. }) {
                on_the_way.insert(notice.id);
            }
        }
        let letter = self.letters.get_mut(&number).unwrap();
        let closed = letter.closed.get_or_insert(Closed {
            at: now,
            how,
            on_the_way,
        });
        let (said, other) = match closed.how {
            Closing::Opened => ("openedAt", "cancelledAt"),
            Closing::Cancelled => ("cancelledAt", "openedAt"),
        };
        ensure!(
            answer.body[said] == closed.at.to_string() && answer.body[other].is_null(),
            "what happened first does not stand in {}",
            answer.body
        );
        Ok(())
    }

    /// A letter as it is stored.
    pub(crate) async fn stored(&self, id: LetterId) -> Stored {
        self.house.outbox.letters.get(id).await.unwrap().unwrap()
    }

    // What persons do.

    async fn change(&mut self, number: usize, what: Change) -> Result<(), Wrong> {
        let now = self.house.now();
        let address = match what {
            Change::NewAddress(channel) => self.house.new_address(channel),
            _ => String::new(),
        };
        let citizen = self.house.world.citizen(&self.persons[number].identifier);
        let name = |channel: Channel| match channel {
            Channel::Sms => "mobile",
            Channel::Email => "email",
        };
        let set = |details: Value| citizen.put("/v1/me/contact", &details);
        let request = match what {
            Change::NewAddress(channel) => set(json!({ name(channel): address })),
            Change::Remove(channel) => set(json!({ name(channel): null })),
            Change::Prefer(channel) => set(json!({ "preferredChannel": channel.as_str() })),
            Change::Speak(language) => set(json!({ "language": language.code() })),
            Change::Confirm => citizen.post("/v1/me/contact/confirm", &json!({})),
            Change::Reserve => citizen.put("/v1/me/reservation", &json!({})),
            Change::Unreserve => citizen.delete("/v1/me/reservation"),
            Change::Leave => citizen.delete("/v1/me"),
        };
        let answer = request.send().await;
        let after = after(self.persons[number].now(), what, address, now);
        match (answer.status.as_u16(), after) {
            (200 | 204, Some(after)) => self.persons[number].becomes(now, after),
            // Refused, as by the model; or one code too many today.
            (400..429, None) | (429, _) => {}
            (status, after) => {
                return Err(format!(
                    "it is answered {status} {}, and should be {after:?}",
                    answer.body
                ));
            }
        }
        Ok(())
    }

    // What time does.

    fn moment(&self, to: Moment) -> Option<Timestamp> {
        let now = self.house.now();
        Some(match to {
            Moment::In(time) => now + time,
            Moment::At(hour, off) => calendar::next_at(now, hour) + off,
            Moment::Deadline { letter, off } => self.letter(letter)?.deadline(false)? + off,
            Moment::Reminder { letter, off } => self.letter(letter)?.due(Channel::Email, true) + off,
        })
    }

    async fn pass(&mut self, to: Moment, is_busy: bool) -> Result<(), Wrong> {
        match self.moment(to).filter(|to| *to > self.house.now()) {
            Some(to) if is_busy => self.busily(to).await,
            Some(to) => {
                self.house.set(to);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// What the register knows after a change; none, if it refuses it.
fn after(before: &Details, what: Change, address: String, now: Timestamp) -> Option<Details> {
    let mut after = before.clone();
    let enter = |details: &mut Details| {
        details.is_registered = true;
        details.has_left = false;
    };
    match what {
        Change::NewAddress(channel) => {
            enter(&mut after);
            *after.point_mut(channel) = Some(Point { address, since: now });
        }
        Change::Remove(channel) => *after.point_mut(channel) = None,
        Change::Prefer(channel) => after.prefers = Some(channel),
        Change::Speak(language) => after.language = Some(language),
        Change::Confirm => {
            for channel in Channel::ALL {
                if let Some(point) = after.point_mut(channel) {
                    point.since = now;
                }
            }
        }
        Change::Reserve => {
            enter(&mut after);
            after.is_reserved = true;
            return Some(after);
        }
        Change::Unreserve => {
            after.is_reserved = false;
            return Some(after);
        }
        Change::Leave => {
            return Some(Details {
                has_left: before.is_registered || before.has_left,
                ..Details::default()
            });
        }
    }
    // Whoever sets contact details has some.
    (after.mobile.is_some() || after.email.is_some()).then_some(after)
}
