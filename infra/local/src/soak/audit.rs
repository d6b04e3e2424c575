//! The books after a round: what the providers accepted, what the register says of it, and what went wrong in between.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use infra_aws::{
    feed::Feed,
    letters::{Stored, feed_of},
};
use mailbox_register::{
    contact::Channel,
    letter::{LetterId, Outcome},
    notice::{Message, Notice, NoticeId, State},
    organisation::OrganisationNumber,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::report::{Deaths, PerChannel, Repeated, Report, Unknowns};
use crate::{
    database::table_name,
    messages,
    mishaps::{Moment, Record},
    stack::{Stack, StackError},
};

/// What was put in.
#[derive(Default)]
pub(super) struct Injected {
    pub(super) letters: u64,
    pub(super) answers_lost: u64,
    pub(super) refused: u64,
    pub(super) mishaps: Record,
}

/// What is wanted of a notice.
struct Seen {
    letter: Option<LetterId>,
    channel: Channel,
    follows: Option<NoticeId>,
    is_open: bool,
    /// Sent, or arrived.
    is_out: bool,
}

/// The books.
struct Books {
    /// How often a provider accepted each notice.
    accepted: HashMap<NoticeId, PerChannel>,
    notices: HashMap<NoticeId, Seen>,
    /// Notices whose worker died after it had marked them as being sent: no provider was called for them.
    never_called: HashSet<NoticeId>,
    /// Events of each organisation's letters.
    events: HashMap<OrganisationNumber, u64>,
    letters: u64,
    report: Report,
}

/// Holds everything against everything.
pub(super) async fn audit(
    stack: &Stack,
    organisations: &[OrganisationNumber],
    injected: &Injected,
) -> Result<Report, StackError> {
    let mut books = Books::new(injected);
    books.report.held.database = stack.database().size()?;
    stack
        .messages()
        .look(|messages| messages.iter().for_each(|message| books.accepted(message)));
    each(stack, "NoticesTable", |notice: Notice| books.notice(&notice)).await?;
    each(stack, "LettersTable", |stored: Stored| books.letter(&stored)).await?;
    let feed = Feed::new(stack.client().clone(), table_name("FeedTable"));
    for organisation in organisations {
        let head = feed.head(&feed_of(*organisation)).await?;
        books.feed(*organisation, head);
    }
    Ok(books.close(injected))
}

/// Shows every item of a table, a page in memory at a time.
async fn each<T: DeserializeOwned>(stack: &Stack, table: &str, mut show: impl FnMut(T)) -> Result<(), StackError> {
    let scan = stack
        .client()
        .scan()
        .table_name(table_name(table))
        .consistent_read(true);
    let mut items = scan.into_paginator().items().send();
    while let Some(item) = items.next().await {
        let item: HashMap<String, AttributeValue> =
            item.map_err(|error| StackError::Store(infra_aws::error::StoreError::from(error)))?;
        show(serde_dynamo::from_item(item).map_err(|_| StackError::Soak("a row that can be read"))?);
    }
    Ok(())
}

impl Books {
    fn new(injected: &Injected) -> Self {
        let deaths = &injected.mishaps.deaths;
        let report = Report {
            notices: injected.letters,
            duplicates: Repeated {
                messages: injected.mishaps.messages_repeated,
                records: injected.mishaps.records_repeated,
            },
            workers_lost: Deaths::of(deaths),
            answers_lost: injected.answers_lost,
            refused: injected.refused,
            ..Report::default()
        };
        Self {
            accepted: HashMap::new(),
            notices: HashMap::new(),
            never_called: deaths
                .iter()
                .filter(|death| death.moment == Moment::MarkedSending)
                .map(|death| death.notice)
                .collect(),
            events: HashMap::new(),
            letters: 0,
            report,
        }
    }

    fn accepted(&mut self, message: &messages::Message) {
        self.report.held.messages += 1;
        self.report.held.text += [Some(&message.text), message.subject.as_ref(), message.html.as_ref()]
            .into_iter()
            .flatten()
            .map(|text| text.len() as u64)
            .sum::<u64>();
        let channel = match message.channel {
            messages::Channel::Sms => Channel::Sms,
            messages::Channel::Email => Channel::Email,
        };
        self.report.accepted.add(channel, 1);
        let notice = message.notice_id.as_deref().and_then(|id| id.parse::<Uuid>().ok());
        match notice {
            Some(notice) => self.accepted.entry(NoticeId(notice)).or_default().add(channel, 1),
            None => self
                .report
                .wrong(format!("message {} is of no notice", message.message_id)),
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let seen = Seen {
            letter: match notice.message {
                Message::Letter { letter, .. } => Some(letter),
                _ => None,
            },
            channel: notice.channel,
            follows: notice.follows,
            is_open: notice.wake_at().is_some(),
            is_out: matches!(notice.state, State::Sent { .. } | State::Delivered { .. }),
        };
        let accepted = self.accepted.get(&notice.id).copied().unwrap_or_default();
        if accepted.total() > accepted.of(notice.channel) {
            self.report
                .wrong(format!("notice {} went out on the wrong channel", notice.id));
        }
        let (was_accepted, state) = (accepted.total() > 0, notice.state.name());
        match notice.state {
            State::Unknown { .. } => {}
            _ if seen.is_out == was_accepted => {}
            _ if was_accepted => {
                self.report.lost += 1;
                self.report
                    .wrong(format!("notice {} was accepted and is {state}", notice.id));
            }
            _ => {
                self.report.lost += 1;
                self.report
                    .wrong(format!("notice {} is {state}, and no provider has it", notice.id));
            }
        }
        if seen.is_open {
            self.report.open += 1;
            self.report.wrong(format!("notice {} is still {state}", notice.id));
        }
        self.report.followed += u64::from(seen.follows.is_some());
        self.notices.insert(notice.id, seen);
    }

    fn letter(&mut self, stored: &Stored) {
        let letter = &stored.letter;
        self.letters += 1;
        *self.events.entry(letter.announcement.announced_by).or_default() += letter.events.len() as u64;
        if stored.fed != letter.events.len() {
            self.report
                .wrong(format!("the feed lacks something of letter {}", letter.id));
        }
        let notices = letter.notices();
        let mut accepted = PerChannel::default();
        for notice in &notices {
            accepted += self.accepted.get(notice).copied().unwrap_or_default();
            match self.notices.get(notice) {
                Some(seen) if seen.letter == Some(letter.id) => {}
                _ => self
                    .report
                    .wrong(format!("letter {} has no notice {notice}", letter.id)),
            }
        }
        for channel in Channel::ALL {
            let more = accepted.of(channel).saturating_sub(1);
            if more > 0 {
                self.report.sent_twice += more;
                self.report
                    .wrong(format!("letter {} was told of {more} times too often", letter.id));
            }
        }
        if accepted.total() == 0 {
            if !notices.is_empty() && notices.iter().all(|notice| self.never_called.contains(notice)) {
                self.report.untold += 1;
            } else {
                self.report.lost += 1;
                let states: Vec<_> = letter.events.iter().map(|event| format!("{:?}", event.what)).collect();
                self.report.wrong(format!(
                    "nobody was told of letter {}: {}",
                    letter.id,
                    states.join(", ")
                ));
            }
        }
        for notice in &notices {
            let steps: Vec<_> = letter
                .steps()
                .map(|(_, step)| step)
                .filter(|step| step.notice == *notice)
                .collect();
            if steps.iter().any(|step| step.outcome == Outcome::Unknown) {
                self.unknown(*notice, &notices);
            }
        }
    }

    /// What was made of a notice that was unknown.
    fn unknown(&mut self, notice: NoticeId, of_letter: &[NoticeId]) {
        let unknown = &mut self.report.unknown;
        unknown.found += 1;
        let Some(seen) = self.notices.get(&notice) else { return };
        let follower = of_letter
            .iter()
            .filter_map(|id| self.notices.get(id))
            .find(|other| other.follows == Some(notice));
        if seen.is_out {
            unknown.by_report += 1;
        } else if follower.is_some_and(|follower| follower.is_out && follower.channel != seen.channel) {
            unknown.by_other_channel += 1;
        } else if seen.follows.is_some() || follower.is_some_and(|follower| !follower.is_open) {
            unknown.on_both_channels += 1;
        } else {
            unknown.open += 1;
            self.report
                .wrong(format!("what became of notice {notice} is still unknown"));
        }
    }

    fn feed(&mut self, organisation: OrganisationNumber, head: u64) {
        let events = self.events.get(&organisation).copied().unwrap_or_default();
        if head != events {
            self.report.wrong(format!(
                "the feed of {organisation} has {head} entries of {events} events"
            ));
        }
    }

    fn close(mut self, injected: &Injected) -> Report {
        if self.letters != injected.letters {
            self.report.lost += injected.letters.saturating_sub(self.letters);
            self.report
                .wrong(format!("{} letters of {} are there", self.letters, injected.letters));
        }
        let expected = injected.answers_lost + self.never_called.len() as u64;
        let Unknowns { found, .. } = self.report.unknown;
        if found != expected {
            self.report
                .wrong(format!("{found} notices were unknown, and {expected} had to be"));
        }
        for notice in self.accepted.keys() {
            if !self.notices.contains_key(notice) {
                self.report.wrong(format!("notice {notice} went out and is not there"));
            }
        }
        self.report
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use mailbox_register::{
        letter::{self, Announcement, Event, Letter, Sector, Sender, What},
        person::PersonKey,
        secret::Secret,
        words::Reference,
    };

    use super::*;
    use crate::mishaps::Death;

    const ORGANISATION: &str = "991825827";

    fn now() -> Timestamp {
        "2026-03-03T09:00:00Z".parse().unwrap()
    }

    /// A letter, its notices as they came to be, and what the providers accepted.
    struct Story {
        letter: Letter,
        notices: Vec<Notice>,
        ledger: Vec<messages::Message>,
        injected: Injected,
        fed: Option<usize>,
    }

    impl Story {
        /// A letter of which one SMS is to tell.
        fn new() -> Self {
            let organisation = ORGANISATION.parse().unwrap();
            let reference = Reference::parse("letter-1").unwrap();
            let id = LetterId::new(&Secret::new([7; 32]), organisation, &reference);
            let announcement = Announcement {
                person: PersonKey::from_stored("v1#x"),
                announced_by: organisation,
                sender: Sender {
                    organisation,
                    sector: Sector::Public,
                    name_may_be_shown: true,
                },
                reference,
                available_from: now(),
                legal_notice: false,
                remind: false,
                language: None,
            };
            let message = Message::Letter {
                letter: id,
                reminder: false,
                announced_by: organisation,
            };
            let notice = Notice::new(
                NoticeId(Uuid::from_u128(1)),
                announcement.person.clone(),
                Channel::Sms,
                message,
                now(),
            );
            let mut letter = Letter {
                id,
                announcement,
                announced_at: now(),
                opened_at: None,
                cancelled_at: None,
                events: Vec::new(),
            };
            tell(&mut letter, Some(What::Announced));
            tell(&mut letter, letter::planned(&notice));
            Self {
                letter,
                notices: vec![notice],
                ledger: Vec::new(),
                injected: Injected {
                    letters: 1,
                    ..Injected::default()
                },
                fed: None,
            }
        }

        fn accepted(mut self) -> Self {
            let notice = self.notices.last().unwrap();
            let channel = match notice.channel {
                Channel::Sms => messages::Channel::Sms,
                Channel::Email => messages::Channel::Email,
            };
            self.ledger.push(messages::Message {
                at: now(),
                channel,
                to: "ola@example.no".to_owned(),
                subject: None,
                text: "Text".to_owned(),
                html: None,
                kind: None,
                notice_id: Some(notice.id.to_string()),
                message_id: "id".to_owned(),
            });
            self
        }

        /// The last notice goes on.
        fn step(mut self, step: impl FnOnce(&Notice) -> Notice) -> Self {
            let notice = self.notices.last_mut().unwrap();
            *notice = step(notice);
            let news = letter::news(notice);
            tell(&mut self.letter, news);
            self
        }

        fn sent(self) -> Self {
            self.step(|notice| notice.sent("id".to_owned(), now()))
        }

        fn unknown(mut self) -> Self {
            self.injected.answers_lost += 1;
            self.step(|notice| notice.unknown(now()))
        }

        /// A worker died before it called anybody.
        fn died(mut self) -> Self {
            self.injected.mishaps.deaths.push(Death {
                notice: self.notices.last().unwrap().id,
                moment: Moment::MarkedSending,
            });
            self.step(|notice| notice.unknown(now()))
        }

        /// Another notice follows on the other channel.
        fn follow(mut self) -> Self {
            let notice = self.notices.last_mut().unwrap();
            let (followed, following) = notice.follow(NoticeId(Uuid::from_u128(2)), now()).unwrap();
            *notice = followed;
            tell(&mut self.letter, letter::planned(&following));
            self.notices.push(following);
            self
        }

        fn audit(self) -> Report {
            let mut books = Books::new(&self.injected);
            self.ledger.iter().for_each(|message| books.accepted(message));
            self.notices.iter().for_each(|notice| books.notice(notice));
            let events = self.letter.events.len();
            let fed = self.fed.unwrap_or(events);
            books.letter(&Stored {
                letter: self.letter,
                fed,
            });
            books.feed(ORGANISATION.parse().unwrap(), fed as u64);
            books.close(&self.injected)
        }
    }

    fn tell(letter: &mut Letter, what: Option<What>) {
        letter.events.extend(what.map(|what| Event { at: now(), what }));
    }

    #[track_caller]
    fn holds(story: Story) -> Report {
        let report = story.audit();
        assert!(report.holds(), "{report}");
        report
    }

    #[track_caller]
    fn is_wrong(story: Story) -> Report {
        let report = story.audit();
        assert!(!report.holds(), "{report}");
        report
    }

    #[test]
    fn what_was_accepted_once_and_is_known_is_right() {
        let report = holds(Story::new().accepted().sent());
        assert_eq!((report.accepted.sms, report.accepted.email), (1, 0));
    }

    #[test]
    fn what_was_accepted_twice_is_wrong() {
        assert_eq!(is_wrong(Story::new().accepted().accepted().sent()).sent_twice, 1);
    }

    #[test]
    fn what_is_said_to_be_sent_and_no_provider_has_is_wrong() {
        assert_eq!(is_wrong(Story::new().sent()).lost, 2, "the notice, and the letter");
    }

    #[test]
    fn what_a_provider_has_and_the_register_does_not_know_is_wrong() {
        let refused = |notice: &Notice| notice.failed(mailbox_register::notice::Failure::MessageRefused, now());
        assert_eq!(is_wrong(Story::new().accepted().step(refused)).lost, 1);
    }

    #[test]
    fn what_still_waits_is_wrong() {
        let report = is_wrong(Story::new());
        assert_eq!((report.open, report.lost), (1, 1));
    }

    #[test]
    fn an_unknown_notice_is_resolved_by_a_report_or_the_other_channel() {
        let report = holds(Story::new().accepted().unknown().sent());
        assert_eq!((report.unknown.found, report.unknown.by_report), (1, 1));
        let report = holds(Story::new().accepted().unknown().follow().accepted().sent());
        assert_eq!((report.unknown.found, report.unknown.by_other_channel), (1, 1));
        assert_eq!((report.followed, report.accepted.email), (1, 1));
    }

    #[test]
    fn an_unknown_notice_that_nothing_is_made_of_is_wrong() {
        let report = is_wrong(Story::new().accepted().unknown());
        assert_eq!((report.unknown.open, report.open), (1, 1));
    }

    #[test]
    fn a_notice_that_is_unknown_for_no_reason_is_wrong() {
        let mut story = Story::new().accepted().unknown().sent();
        story.injected.answers_lost = 0;
        is_wrong(story);
    }

    #[test]
    fn a_letter_that_nobody_was_told_of_needs_a_reason() {
        let report = holds(Story::new().died().follow().died());
        assert_eq!((report.untold, report.unknown.on_both_channels), (1, 2));
        // The second worker died too, it is said, and the answer was lost.
        assert_eq!(is_wrong(Story::new().died().follow().unknown()).lost, 1);
    }

    #[test]
    fn a_feed_that_lacks_something_is_wrong() {
        let mut story = Story::new().accepted().sent();
        story.fed = Some(1);
        is_wrong(story);
    }

    #[test]
    fn a_letter_that_is_not_there_is_wrong() {
        let mut story = Story::new().accepted().sent();
        story.injected.letters = 2;
        assert_eq!(is_wrong(story).lost, 1);
    }
}
