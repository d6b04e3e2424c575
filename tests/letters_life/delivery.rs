//! Steps of all that lies between the functions, and of workers: what is delivered, repeated and lost, who dies, and
//! what happens when everything works again.

use jiff::{SignedDuration, Timestamp};
use local::messages::{self, Fault};
use mailbox_register::{
    contact::Channel,
    letter::{LetterId, Outcome},
    notice::{Notice, NoticeId},
};

use crate::{
    house::{Flying, House, Workers, of_letter},
    life::{Life, Told, Wrong, ensure},
    person::Details,
    steps::{Look, Queueing, Reporting, Streaming, Ticking},
};

/// When all is quiet, what is due is seen to in so large steps.
const STRIDE: SignedDuration = SignedDuration::from_mins(10);
/// What the streams lost is left to the tick for so long.
const STREAM_TIME: SignedDuration = SignedDuration::from_secs(31);
/// More looks than any run needs to come to rest.
const MOST_LOOKS: usize = 200;

/// Faults still to come, of both channels.
pub(crate) type Faults = [(Channel, Vec<Fault>); 2];

/// Whether a fault leaves a message refused, lost, or unknown.
const fn is_hard(fault: Fault, channel: Channel) -> bool {
    match fault {
        Fault::Throttle | Fault::Pause | Fault::Suspend | Fault::Delay | Fault::NoReport => false,
        // An SNS that fails does not say how far it got.
        Fault::Unavailable => matches!(channel, Channel::Sms),
        _ => true,
    }
}

impl Life<'_> {
    pub(crate) async fn stream(&mut self, how: Streaming) {
        let house = &mut *self.house;
        house.take_records();
        let delivered = match how {
            Streaming::Old => {
                let old = house.old_records.clone();
                house.deliver_records(&old).await;
                return;
            }
            Streaming::Lost => {
                house.records.clear();
                return;
            }
            Streaming::Half => {
                let half = house.records.len().div_ceil(2);
                house.records.drain(..half).collect()
            }
            Streaming::All | Streaming::Twice => std::mem::take(&mut house.records),
        };
        let times = if matches!(how, Streaming::Twice) { 2 } else { 1 };
        for _ in 0..times {
            house.deliver_records(&delivered).await;
        }
        if !delivered.is_empty() {
            house.old_records = delivered;
        }
    }

    /// Takes messages from the queues, those of earlier letters first.
    pub(crate) async fn take_messages(&mut self) {
        let letters = &self.letters;
        let number = |id: LetterId| {
            letters
                .iter()
                .find(|(_, letter)| letter.id == id)
                .map_or(0, |(number, _)| *number)
        };
        let order = |notice: &Notice| {
            let of = of_letter(notice).map(|(letter, is_reminder)| (number(letter), is_reminder));
            format!("{of:?} {} {}", notice.channel.as_str(), notice.message.kind())
        };
        self.house.take_messages(order).await;
    }

    pub(crate) async fn queue(&mut self, how: Queueing) -> Result<(), Wrong> {
        self.take_messages().await;
        let count = self.house.flying.len();
        match how {
            Queueing::All => {
                for message in std::mem::take(&mut self.house.flying) {
                    self.work(vec![message], Workers::One).await?;
                }
                Ok(())
            }
            Queueing::Twice => {
                let all = std::mem::take(&mut self.house.flying);
                self.work(all, Workers::Two).await
            }
            Queueing::CutOff => {
                let all = std::mem::take(&mut self.house.flying);
                self.work(all, Workers::CutOff).await
            }
            Queueing::One(which) if count > 0 => {
                let one = self.house.flying.remove(which % count);
                self.work(vec![one], Workers::One).await
            }
            Queueing::Lost(which) if count > 0 => {
                self.house.flying.remove(which % count);
                Ok(())
            }
            Queueing::Old(which) if !self.house.handled.is_empty() => {
                let old = self.house.handled[which % self.house.handled.len()].clone();
                self.work(vec![old], Workers::One).await
            }
            Queueing::Early(which) => match self.any_notice(which).await {
                Some(notice) => self.work(vec![House::message_for(notice)], Workers::One).await,
                None => Ok(()),
            },
            Queueing::One(_) | Queueing::Lost(_) | Queueing::Old(_) => Ok(()),
        }
    }

    /// Any notice of any letter.
    async fn any_notice(&self, which: usize) -> Option<NoticeId> {
        let count = self.letters.len().max(1);
        let letter = self.letters.values().nth(which % count)?;
        let notices = self.stored(letter.id).await.letter.notices();
        notices.get(which / count % notices.len().max(1)).copied()
    }

    async fn work(&mut self, messages: Vec<Flying>, workers: Workers) -> Result<(), Wrong> {
        let notices: Vec<_> = messages.iter().map(|message| message.notice).collect();
        let faults = self.faults();
        let (again, done) = self.house.work(messages, workers).await;
        self.house.flying.extend(again);
        self.house.handled.extend(done);
        self.spoil(&faults, &notices).await;
        self.listen(None).await
    }

    /// A message that a worker will not get to the end of: one on its way, or else one come again for any notice.
    async fn unlucky(&mut self, which: usize) -> Option<Flying> {
        self.take_messages().await;
        let count = self.house.flying.len();
        if count > 0 {
            return Some(self.house.flying[which % count].clone());
        }
        self.any_notice(which).await.map(House::message_for)
    }

    /// A worker has got to the end all the same.
    fn handled(&mut self, message: Flying) {
        self.house.flying.retain(|flying| !flying.is(&message));
        self.house.handled.push(message);
    }

    pub(crate) async fn worker_dies(&mut self, which: usize, after: Look) -> Result<(), Wrong> {
        let Some(message) = self.unlucky(which).await else {
            return Ok(());
        };
        let faults = self.faults();
        let died = self.house.work_and_die(&message, after).await;
        self.spoil(&faults, &[message.notice]).await;
        if died {
            self.house.seen.note(format!("died {after:?}"));
            if after >= Look::MarkedSending {
                self.spoil_all(message.notice).await;
            }
        } else {
            self.handled(message);
        }
        self.listen(None).await
    }

    pub(crate) async fn worker_stops(&mut self, which: usize, after: Look) -> Result<(), Wrong> {
        self.worker_goes_on(false).await?;
        let Some(message) = self.unlucky(which).await else {
            return Ok(());
        };
        let faults = self.faults();
        let stopped = self.house.work_and_stop(&message, after).await;
        self.spoil(&faults, &[message.notice]).await;
        self.listen(None).await?;
        let Some(stopped) = stopped else {
            self.handled(message);
            return Ok(());
        };
        self.house.seen.note(format!("stopped {after:?}"));
        if after >= Look::MarkedSending {
            self.spoil_all(message.notice).await;
        }
        let read = self.persons.iter().map(|person| person.now().clone());
        let read = (after >= Look::Written).then(|| read.collect());
        self.stopped = Some((stopped, message.notice, read));
        Ok(())
    }

    pub(crate) async fn worker_goes_on(&mut self, is_lost: bool) -> Result<(), Wrong> {
        let Some((stopped, notice, read)) = self.stopped.take() else {
            return Ok(());
        };
        let faults = self.faults();
        if is_lost {
            stopped.lose().await;
        } else {
            stopped.go_on().await;
        }
        self.spoil(&faults, &[notice]).await;
        self.listen(read.as_deref()).await
    }

    pub(crate) async fn reports(&mut self, how: Reporting) {
        let house = &mut *self.house;
        house.take_reports();
        let count = house.reports.len();
        let mut delivered = match how {
            Reporting::All | Reporting::Backwards | Reporting::Twice => std::mem::take(&mut house.reports),
            Reporting::One(which) if count > 0 => vec![house.reports.remove(which % count)],
            Reporting::Lost(which) => {
                if count > 0 {
                    house.reports.remove(which % count);
                }
                return;
            }
            Reporting::Old(which) if !house.old_reports.is_empty() => {
                vec![house.old_reports[which % house.old_reports.len()].clone()]
            }
            Reporting::One(_) | Reporting::Old(_) => return,
        };
        match how {
            Reporting::Backwards => delivered.reverse(),
            Reporting::Twice => delivered.extend(delivered.clone()),
            _ => {}
        }
        for report in &delivered {
            house.deliver_report(report).await;
        }
        house.old_reports.extend(delivered);
    }

    // What comes of it.

    pub(crate) fn faults(&self) -> Faults {
        Channel::ALL.map(|channel| (channel, self.house.faults(channel)))
    }

    /// Notes on which channels a provider has refused or lost something since there were these faults.
    pub(crate) async fn spoil(&mut self, before: &Faults, notices: &[NoticeId]) {
        for (channel, before) in before {
            let left = self.house.faults(*channel).len();
            let mut befell = before[..before.len() - left].iter();
            for fault in befell.clone() {
                let what = format!("fault {} {fault:?}", channel.as_str());
                self.house.seen.note(what);
            }
            if befell.any(|fault| is_hard(*fault, *channel)) {
                for notice in notices {
                    let person = self.house.met(*notice).await.person;
                    self.spoiled.insert((self.keys[&person], *channel));
                }
            }
        }
    }

    /// Nobody knows what became of a notice.
    async fn spoil_all(&mut self, notice: NoticeId) {
        let notice = self.house.notice(notice).await;
        self.spoiled.insert((self.keys[&notice.person], notice.channel));
    }

    /// Judges what the providers took since the last time. `read`: what was known of the persons when it was written,
    /// if that was not now.
    pub(crate) async fn listen(&mut self, read: Option<&[Details]>) -> Result<(), Wrong> {
        for message in self.house.hear() {
            let id = message.notice_id.as_deref().unwrap_or_default();
            let notice = NoticeId(id.parse().map_err(|_| "a message without its notice".to_owned())?);
            let of = of_letter(&self.house.met(notice).await);
            let of = of.and_then(|(id, is_reminder)| {
                let number = self.letters.iter().find(|(_, letter)| letter.id == id)?.0;
                Some((*number, is_reminder))
            });
            let channel = match message.channel {
                messages::Channel::Sms => Channel::Sms,
                messages::Channel::Email => Channel::Email,
            };
            let told = Told {
                message,
                notice,
                channel,
                of,
            };
            self.judge(&told, read)
                .await
                .map_err(|wrong| format!("{wrong}: {:?}, letter {:?}", told.message, told.of))?;
            self.note(&told, read.is_some());
            self.told.push(told);
        }
        Ok(())
    }

    fn note(&mut self, told: &Told, is_late: bool) {
        let is_closed = told
            .of
            .is_some_and(|(letter, _)| self.letters[&letter].closed.is_some());
        let seen = &mut self.house.seen;
        let kind = told.message.kind.as_deref().unwrap_or_default();
        seen.note(format!("taken {} {kind}", told.channel.as_str()));
        if is_late {
            seen.note("taken late");
        }
        if is_closed {
            seen.note("taken late, of a closed letter");
        }
    }

    async fn judge(&self, told: &Told, read: Option<&[Details]>) -> Result<(), Wrong> {
        let same = |before: &&Told| before.channel == told.channel && before.notice == told.notice;
        ensure!(
            self.told.iter().find(same).is_none(),
            "a notice was sent twice on one channel"
        );
        let Some((number, is_reminder)) = told.of else {
            return Ok(());
        };
        let same = |before: &&Told| before.channel == told.channel && before.of == told.of;
        ensure!(
            self.told.iter().find(same).is_none(),
            "the same was said twice on one channel"
        );
        let letter = &self.letters[&number];
        let person = letter.order.person;
        let details = read.map_or_else(|| self.persons[person].now(), |read| &read[person]);
        if let Some(fault) = letter.fault(
            &told.message,
            (told.notice, told.channel, is_reminder),
            details,
            read.is_some(),
        ) {
            return Err(fault.to_owned());
        }
        if is_reminder && !self.told.iter().any(|before| before.of == Some((number, false))) {
            let letter = self.stored(letter.id).await.letter;
            let mut steps = letter.steps();
            ensure!(
                steps.any(|(_, step)| !step.reminder && step.outcome == Outcome::Unknown),
                "a reminder came without a first word"
            );
        }
        Ok(())
    }

    // When everything works.

    /// Delivers everything there is, and what follows from it.
    async fn everything(&mut self) -> Result<(), Wrong> {
        loop {
            self.house.take_records();
            self.take_messages().await;
            self.house.take_reports();
            let house = &self.house;
            if house.records.is_empty() && house.flying.is_empty() && house.reports.is_empty() {
                return Ok(());
            }
            self.stream(Streaming::All).await;
            self.queue(Queueing::All).await?;
            self.reports(Reporting::All).await;
        }
    }

    /// Time passes, and what becomes due happens at its time.
    pub(crate) async fn busily(&mut self, to: Timestamp) -> Result<(), Wrong> {
        for _ in 0..MOST_LOOKS {
            let (next, is_due) = self.house.due().await;
            if is_due {
                self.house.tick(Ticking::Once).await;
            }
            self.everything().await?;
            let (next, _) = if is_due { self.house.due().await } else { (next, false) };
            let reported = self.house.world.stack.messages().next_report_at();
            let Some(next) = next.into_iter().chain(reported).min().filter(|next| *next <= to) else {
                break;
            };
            self.house.set(next.max(self.house.now()));
        }
        self.house.set(to);
        Ok(())
    }

    /// Nothing goes wrong any more, and time passes until nothing is to be done.
    pub(crate) async fn come_to_rest(&mut self) -> Result<(), Wrong> {
        self.worker_goes_on(false).await?;
        self.house.take_reports();
        let coming = self.house.world.stack.messages().take_reports(Timestamp::MAX);
        self.house.reports.extend(coming);
        self.house.world.stack.messages().reset().unwrap();
        self.quiet_since = self.house.now();
        if self.run.is_calm {
            return self.rest_calmly().await;
        }
        self.house.pass(STREAM_TIME);
        for _ in 0..MOST_LOOKS {
            self.everything().await?;
            self.house.tick(Ticking::Once).await;
            self.everything().await?;
            let (next, is_due) = self.house.due().await;
            let reported = self.house.world.stack.messages().next_report_at();
            let next = next.into_iter().chain(reported).min();
            if next.is_none() && !is_due {
                return Ok(());
            }
            let stride = self.house.now() + STRIDE;
            self.house.set(next.map_or(stride, |next| next.max(stride)));
        }
        Err("it comes to no end".to_owned())
    }

    async fn rest_calmly(&mut self) -> Result<(), Wrong> {
        let end = self.house.now() + SignedDuration::from_hours(30 * 24);
        self.busily(end).await?;
        let (next, is_due) = self.house.due().await;
        ensure!(next.is_none() && !is_due, "it comes to no end");
        Ok(())
    }
}
