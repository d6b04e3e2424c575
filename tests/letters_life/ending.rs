//! What must hold when a run has come to rest: of each letter, its notices, its place in the feed, and of each person's
//! entry.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    caller::Scope,
    contact::Channel,
    entry::Event as EntryEvent,
    letter::{self, LetterId, Outcome, What},
    notice::{Failure, Notice, NoticeId, SENDING_LIMIT, State},
};
use serde_json::{Value, json};

use crate::{
    letter::{Letter, told},
    life::{Life, Wrong, ensure},
    steps::{By, Closing},
};

/// Within so long a word goes out when everything works: a night, and what was waited for before and after it.
const ENOUGH: SignedDuration = SignedDuration::from_hours(24);

impl Life<'_> {
    /// Looks at everything once more.
    pub(crate) async fn look_back(&mut self) -> Result<(), Wrong> {
        for person in 0..self.persons.len() {
            self.look_at_person(person).await?;
        }
        let mut events = HashMap::new();
        let numbers: Vec<_> = self.letters.keys().copied().collect();
        for number in numbers {
            let id = self.letters[&number].id;
            let lived = self.look_at_letter(number).await;
            let lived = lived.map_err(|wrong| format!("letter {number}: {wrong}"))?;
            events.insert(id, lived);
        }
        self.look_at_feeds(&events).await
    }

    /// The versions of a person's entry have no gap, and each is in its history.
    async fn look_at_person(&self, number: usize) -> Result<(), Wrong> {
        let person = &self.persons[number];
        let key = self.keys.iter().find(|(_, of)| **of == number).unwrap().0;
        let stored = self.house.register.entries().at(key).await.unwrap().stored;
        let changes = self
            .house
            .register
            .changes()
            .history(std::slice::from_ref(key), None, 1000)
            .await
            .unwrap();
        let versions: Vec<_> = changes.iter().map(|change| change.version).rev().collect();
        let latest = stored.as_ref().map_or(0, |stored| stored.entry.version);
        ensure!(
            versions == (1..=latest).collect::<Vec<_>>(),
            "person {number} has version {latest}, and a history of {versions:?}"
        );
        // What the model knows of the addresses, the register knows.
        let registration = stored.as_ref().and_then(|stored| stored.entry.registration());
        for channel in Channel::ALL {
            let address = registration.and_then(|registration| registration.address(channel));
            let known = person.now().point(channel).map(|point| point.address.as_str());
            ensure!(
                address.as_ref().map(mailbox_register::contact::Address::as_str) == known,
                "person {number} is not as the model says"
            );
        }
        // Nobody's address is marked that no provider has refused.
        let dead = changes
            .iter()
            .flat_map(|change| &change.events)
            .filter_map(|event| match event {
                EntryEvent::ContactUndeliverable { channel } => Some(*channel),
                _ => None,
            });
        for channel in dead {
            ensure!(
                self.spoiled.contains(&(number, channel)),
                "person {number} is marked as not to be reached by {}",
                channel.as_str()
            );
        }
        Ok(())
    }

    /// Looks at a letter and gives its events, as the feed must have them.
    async fn look_at_letter(&mut self, number: usize) -> Result<Vec<Value>, Wrong> {
        let stored = self.stored(self.letters[&number].id).await;
        let lines: Vec<_> = stored.letter.events.iter().map(told).collect();
        let looked = self.look_at_notices(number, &stored.letter).await;
        looked.map_err(|wrong| format!("{wrong}\n  {}", lines.join("\n  ")))?;
        for line in &lines {
            // Without the times.
            let words = line.split(' ').skip(1).filter(|word| !word.ends_with('Z'));
            self.house
                .seen
                .note(format!("event {}", words.collect::<Vec<_>>().join(" ")));
        }
        let letter = &self.letters[&number];
        ensure!(
            stored.fed == lines.len() && stored.unfed().is_empty(),
            "{} of {} events are in the feed",
            stored.fed,
            lines.len()
        );
        check_closing(letter, &stored.letter)?;
        if self.run.is_calm {
            let (foretold, words) = letter.foretold(&self.persons[letter.order.person]);
            ensure!(
                lines == foretold,
                "what happened is not what had to\n  {}\n  and had to be\n  {}",
                lines.join("\n  "),
                foretold.join("\n  ")
            );
            let told = self
                .told
                .iter()
                .filter(|told| told.of.is_some_and(|(of, _)| of == number));
            let told: Vec<_> = told
                .map(|told| (told.message.at, told.channel, told.message.to.clone()))
                .collect();
            let words: Vec<_> = words.into_iter().map(|word| (word.at, word.channel, word.to)).collect();
            for _ in &words {
                self.house.seen.note("checked: foretold");
            }
            ensure!(told == words, "the providers got {told:?}, and should have {words:?}");
        }
        let events = stored.letter.events.iter();
        Ok(events.map(|event| serde_json::to_value(event).unwrap()).collect())
    }

    /// Each notice of a letter has come to an end, the letter says so, and the end is true.
    async fn look_at_notices(&mut self, number: usize, letter: &letter::Letter) -> Result<(), Wrong> {
        let mut notices: Vec<Notice> = Vec::new();
        for id in letter.notices() {
            notices.push(self.house.notice(id).await);
        }
        for (at, notice) in notices.iter().enumerate() {
            ensure!(
                notice.ended_at().is_some(),
                "a notice has not come to an end: {:?}",
                notice.state
            );
            let last = letter.steps().filter(|(_, step)| step.notice == notice.id).last();
            let last = last.map(|(_, step)| What::Notice(step.clone()));
            ensure!(
                last == letter::news(notice),
                "a notice is {:?}, and the letter says {last:?}",
                notice.state
            );
            let kind = crate::house::of_letter(notice);
            ensure!(
                kind.is_some_and(|(of, _)| of == letter.id),
                "a notice is of another letter"
            );
            let same = |other: &Notice| (crate::house::of_letter(other), other.channel) == (kind, notice.channel);
            ensure!(
                !notices[..at].iter().any(same),
                "there are two notices of one kind on one channel"
            );
            let taken = self.told.iter().any(|told| told.notice == notice.id);
            let is_true = match notice.state {
                State::Sent { .. } | State::Delivered { .. } => taken,
                State::Failed { reason, .. } => match reason {
                    Failure::Undelivered => taken,
                    // Before it was taken, or after.
                    Failure::AddressRefused => true,
                    _ => !taken,
                },
                State::Unknown { .. } => true,
                _ => !taken,
            };
            ensure!(
                is_true,
                "a notice is {:?}, and a provider took it: {taken}",
                notice.state
            );
        }
        for is_reminder in [false, true] {
            self.was_told(number, letter, &notices, is_reminder)?;
        }
        Ok(())
    }

    /// A letter that stayed open was told of, if there was a way and enough time; by the other channel, if one came to
    /// nothing.
    fn was_told(
        &mut self,
        number: usize,
        stored: &letter::Letter,
        notices: &[Notice],
        is_reminder: bool,
    ) -> Result<(), Wrong> {
        let letter = &self.letters[&number];
        let Some(deadline) = letter.deadline(is_reminder) else {
            return Ok(());
        };
        if letter.closed.is_some() || deadline < self.quiet_since + ENOUGH {
            return Ok(());
        }
        let told = |channel: Option<Channel>| {
            self.told.iter().any(|told| {
                told.of == Some((number, is_reminder)) && channel.is_none_or(|channel| channel == told.channel)
            })
        };
        // A reminder is a second word.
        if is_reminder && !stored.was_told() {
            ensure!(
                !told(None) || had_a_first_word(stored),
                "a reminder came without a first word"
            );
            return Ok(());
        }
        let (person, is_legal) = (letter.order.person, letter.order.is_legal);
        let open = Channel::ALL.into_iter().filter(|channel| {
            !self.spoiled.contains(&(person, *channel))
                && self.persons[person].was_reachable(*channel, is_legal, letter.announced_at, deadline)
        });
        for channel in open {
            self.house.seen.note(if is_reminder {
                "checked: told again"
            } else {
                "checked: told"
            });
            ensure!(
                told(None),
                "nobody was told, and the person was there to be told by {}",
                channel.as_str()
            );
            let nothing_on_the_other = stored.steps().find(|(_, step)| {
                step.reminder == is_reminder
                    && step.channel != channel
                    && is_root(notices, step.notice)
                    && matches!(
                        step.outcome,
                        Outcome::Failed {
                            reason: Failure::AddressRefused | Failure::MessageRefused | Failure::Undelivered
                        }
                    )
            });
            if let Some((at, _)) = nothing_on_the_other
                && at.max(self.quiet_since) + ENOUGH <= deadline
            {
                self.house.seen.note("checked: told by the other channel");
                ensure!(
                    told(Some(channel)),
                    "one channel came to nothing, and the person was not told by {}",
                    channel.as_str()
                );
            }
        }
        Ok(())
    }

    /// The feed of each organisation has no gap; each letter's events stand in it, all of them, once, in order.
    async fn look_at_feeds(&mut self, letters: &HashMap<LetterId, Vec<Value>>) -> Result<(), Wrong> {
        let mut fed: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for by in [By::Agency, By::Provider] {
            let organisation = by.organisation();
            let after = self.house.read.get(organisation).copied().unwrap_or(0);
            let caller = self.house.world.organisation(organisation, &[Scope::LettersWrite]);
            let page = caller
                .get(&format!("/v1/letters?after={after}&limit=1000"))
                .send()
                .await;
            ensure!(
                page.status == 200 && page.body["more"] == false,
                "the feed is answered {}",
                page.body
            );
            let changes = page.body["changes"].as_array().unwrap();
            for (sequence, change) in (after + 1..).zip(changes) {
                ensure!(
                    change["sequence"] == sequence,
                    "the feed has a gap before {}",
                    change["sequence"]
                );
                let id = change["letter"].as_str().unwrap_or_default().to_owned();
                let known = self.letters.values().find(|letter| letter.id.to_string() == id);
                ensure!(
                    known.is_some_and(|letter| letter.order.by == by),
                    "somebody else's letter is in the feed"
                );
                fed.entry(id).or_default().push(change.clone());
            }
            self.house.read.insert(organisation, after + changes.len() as u64);
        }
        for letter in self.letters.values() {
            let (id, reference) = (letter.id.to_string(), &letter.request["reference"]);
            let events = (1..).zip(&letters[&letter.id]).map(|(number, event)| {
                let mut change = event.clone();
                change["letter"] = id.clone().into();
                change["reference"] = reference.clone();
                change["number"] = json!(number);
                change
            });
            let changes = fed.remove(&id).unwrap_or_default().into_iter().map(|mut change| {
                change.as_object_mut().unwrap().remove("sequence");
                change
            });
            let (changes, events): (Vec<_>, Vec<_>) = (changes.collect(), events.collect());
            ensure!(changes == events, "the feed has {changes:?}, and the letter {events:?}");
        }
        Ok(())
    }
}

/// Whether a notice is the first on its way: none that follows another.
fn is_root(notices: &[Notice], id: NoticeId) -> bool {
    notices.iter().any(|notice| notice.id == id && notice.follows.is_none())
}

/// A letter is closed once, by what happened first, and nothing is planned for it afterwards.
fn check_closing(letter: &Letter, stored: &letter::Letter) -> Result<(), Wrong> {
    let closings = stored
        .events
        .iter()
        .filter(|event| matches!(event.what, What::Opened | What::Cancelled));
    let closings: Vec<_> = closings.map(|event| (event.at, event.what == What::Opened)).collect();
    let closed = letter.closed.as_ref();
    let expected: Vec<_> = closed
        .iter()
        .map(|closed| (closed.at, closed.how == Closing::Opened))
        .collect();
    ensure!(
        closings == expected,
        "it was closed by {closings:?}, and should be by {expected:?}"
    );
    let at = |wanted: bool| {
        closed
            .filter(|closed| (closed.how == Closing::Opened) == wanted)
            .map(|closed| closed.at)
    };
    let stored_at: (Option<Timestamp>, Option<Timestamp>) = (stored.opened_at, stored.cancelled_at);
    ensure!(
        stored_at == (at(true), at(false)),
        "it says of itself that it was closed {stored_at:?}"
    );
    let after = stored
        .events
        .iter()
        .skip_while(|event| !matches!(event.what, What::Opened | What::Cancelled));
    let mut planned = after
        .filter(|event| matches!(&event.what, What::Notice(step) if matches!(step.outcome, Outcome::Planned { .. })));
    ensure!(planned.next().is_none(), "something was planned after it was closed");
    Ok(())
}

/// Whether there was a first word when the reminder went out, though it has come to nothing since: a bounce may be
/// reported days later. What is reported while a reminder is on its way comes too late for it.
fn had_a_first_word(letter: &letter::Letter) -> bool {
    let sent = letter.events.iter().rposition(|event| {
        matches!(&event.what, What::Notice(step)
            if step.reminder && matches!(step.outcome, Outcome::Sent | Outcome::Unknown))
    });
    let Some(sent) = sent else { return false };
    let on_its_way_at = letter.events[sent].at - SENDING_LIMIT;
    (0..=sent).rev().any(|end| {
        let mut then = letter.clone();
        then.events.truncate(end);
        (end == sent || letter.events[end].at >= on_its_way_at) && then.was_told()
    })
}
