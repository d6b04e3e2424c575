//! A run of everything at once: faults of the providers, lost workers, repeated and lost messages, late and repeated
//! reports, in a random order.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use aws_lambda_events::event::sqs::SqsMessage;
use dispatch::Event;
use fastrand::Rng;
use futures_util::future;
use infra_aws::queues::SendMessage;
use jiff::SignedDuration;
use local::messages::{Fault, Report};
use mailbox_register::{
    contact::Channel,
    notice::{Notice, NoticeId},
};
use stories::World;
use uuid::Uuid;

use crate::{
    reporting::{hand_on, reported},
    scene::{
        CHANNELS, Moment, Parts, add_named, batch, clock, lose_stream, notices, outbox, script, sleep, state_of,
        work_until,
    },
};

const ROUNDS: usize = 6;
/// New notices of each channel in each round, and at the most so many of its faults and lost workers: fewer than
/// calls, so that every fault befalls one.
const NEW: usize = 12;
const FAULTS: usize = 6;
const LOST: usize = 4;
/// Longest time from one round to the next, in seconds: all rounds together are over before the other channel is used.
const LONGEST_ROUND: i64 = 400;
/// Most steps of the quiet time: each channel is left alone for longer than a step after some of the faults.
const MOST_QUIET: usize = 120;

#[tokio::test]
async fn whatever_happens_nothing_is_sent_twice_and_nothing_is_lost() {
    let seed = std::env::var("DELIVERY_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    // Shown where the test fails: run it again with DELIVERY_SEED set to this.
    println!("seed {seed}");
    Run::new(seed).await.run().await;
}

struct Run {
    world: World,
    parts: Parts,
    random: Rng,
    all: HashMap<NoticeId, Notice>,
    /// What must become of notices that something befell, and how many.
    ends: HashMap<&'static str, usize>,
    /// Of those, messages that a provider took.
    accepted: usize,
    /// Reports that nobody has got yet.
    reports: Vec<Report>,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        Self {
            parts: Parts::of(&world),
            world,
            random: Rng::with_seed(seed),
            all: HashMap::new(),
            ends: HashMap::new(),
            accepted: 0,
            reports: Vec::new(),
        }
    }

    async fn run(mut self) {
        for _ in 0..ROUNDS {
            // Only the last round's records come at all, and too late.
            lose_stream(&self.world);
            for channel in CHANNELS {
                self.faults(channel);
                let new: Vec<_> = (0..NEW)
                    .map(|_| NoticeId(Uuid::from_u128(self.random.u128(..))))
                    .collect();
                let new = add_named(&self.world, channel, &new).await;
                self.all.extend(new.into_iter().map(|notice| (notice.id, notice)));
            }
            self.dispatch().await;
            self.repeat_some().await;
            self.work().await;
            sleep(
                &self.world,
                SignedDuration::from_secs(self.random.i64(0..LONGEST_ROUND)),
            );
            self.report_some().await;
        }
        // Quiet: nobody is lost any more, all faults are met, all that was put off gets its time.
        for _ in 0..MOST_QUIET {
            self.report_all().await;
            if outbox(&self.world).due_at().await.unwrap().is_empty() {
                break;
            }
            self.parts
                .minute(&self.world, &self.parts.notify(clock(&self.world)))
                .await;
            sleep(&self.world, SignedDuration::from_mins(6));
        }
        self.check().await;
    }

    fn faults(&mut self, channel: Channel) {
        for _ in 0..FAULTS {
            // What becomes of the notice in the end, where the fault decides that, and whether its provider took it.
            let faults = [
                (Fault::Throttle, None),
                ([Fault::Pause, Fault::Suspend][self.random.usize(..2)], None),
                (
                    Fault::Unavailable,
                    // An SNS that fails does not say how far it got.
                    (channel == Channel::Sms).then_some(("unknown", 0)),
                ),
                (Fault::TimeoutBefore, Some(("unknown", 0))),
                (
                    Fault::TimeoutAfter,
                    Some(match channel {
                        Channel::Sms => ("unknown", 1),
                        Channel::Email => ("delivered", 1),
                    }),
                ),
                (Fault::Reject, Some(("failed address-refused", 0))),
                (Fault::Bounce, Some(("failed address-refused", 1))),
                (Fault::SoftBounce, Some(("failed undelivered", 1))),
                (Fault::SpendLimit, Some(("failed undelivered", 1))),
                (Fault::Delay, Some(("delivered", 1))),
                (Fault::NoReport, Some(("sent", 1))),
            ];
            let (fault, end) = faults[self.random.usize(..faults.len())];
            script(&self.world, channel, fault, 1);
            if let Some((end, accepted)) = end {
                *self.ends.entry(end).or_default() += 1;
                self.accepted += accepted;
            }
        }
    }

    /// Some of the reports that came, in another order, some of them twice; the others have time.
    async fn report_some(&mut self) {
        self.reports.extend(reported(&self.world));
        self.random.shuffle(&mut self.reports);
        let receipts = self.parts.receipts(clock(&self.world));
        for report in mem::take(&mut self.reports) {
            let times = self.random.usize(..3);
            if times == 0 {
                self.reports.push(report);
                continue;
            }
            for _ in 0..times {
                hand_on(&receipts, &report).await;
            }
        }
    }

    async fn report_all(&mut self) {
        self.reports.extend(reported(&self.world));
        let receipts = self.parts.receipts(clock(&self.world));
        for report in self.reports.drain(..) {
            hand_on(&receipts, &report).await;
        }
    }

    /// A tick, or two at once.
    async fn dispatch(&mut self) {
        let dispatch = self.parts.dispatch(clock(&self.world));
        let ticks = (0..self.random.usize(1..=2)).map(|_| dispatch::handle(&dispatch, Event::Tick));
        for done in future::join_all(ticks).await {
            assert!(done.is_ok());
        }
    }

    /// Messages for any notices, whatever became of them.
    async fn repeat_some(&mut self) {
        let mut ids: Vec<_> = self.all.keys().copied().collect();
        ids.sort();
        for _ in 0..NEW {
            let id = ids[self.random.usize(..ids.len())];
            self.parts.enqueue(&self.all[&id]).await;
        }
    }

    /// Workers take what is in the queues. Some messages are lost, some workers, and of the others two work at once.
    async fn work(&mut self) {
        let mut taken = self.parts.take_all().await;
        // In an order that the seed alone decides.
        taken.sort_by(|one, other| one.body.cmp(&other.body));
        self.random.shuffle(&mut taken);
        let mut lost = HashMap::new();
        let mut handled: Vec<SqsMessage> = Vec::new();
        for message in taken {
            let SendMessage { notice } = serde_json::from_str(message.body.as_deref().unwrap()).unwrap();
            // What follows a refused notice on the other channel goes its own way.
            let Some(known) = self.all.get(&notice) else {
                handled.push(message);
                continue;
            };
            let lost = lost.entry(known.channel).or_insert(0);
            match self.random.u8(..10) {
                0 => {}
                1..=2 if *lost < LOST => {
                    *lost += 1;
                    self.lose_worker(notice).await;
                }
                _ => handled.push(message),
            }
        }
        let (one, other) = (
            self.parts.notify(clock(&self.world)),
            self.parts.notify(clock(&self.world)),
        );
        for messages in handled.chunks(10) {
            let again = (0..3).map(|_| handled[self.random.usize(..handled.len())].clone());
            let again = again.collect();
            tokio::join!(
                notify::handle(&one, batch(messages.to_vec())),
                notify::handle(&other, batch(again))
            );
        }
    }

    async fn lose_worker(&mut self, notice: NoticeId) {
        let moments = [Moment::Read, Moment::Claimed, Moment::Written, Moment::MarkedSending];
        let moment = moments[self.random.usize(..moments.len())];
        if let Some(worker) = work_until(&self.world, notice, moment, clock(&self.world)).await {
            if moment == Moment::MarkedSending {
                *self.ends.entry("unknown").or_default() += 1;
            }
            worker.lose().await;
        }
    }

    async fn check(&self) {
        let mut ends: HashMap<String, usize> = HashMap::new();
        for notice in notices(&self.world).await {
            *ends.entry(state_of(&notice)).or_default() += 1;
        }
        let ledger = self.world.stack.messages().accepted();
        let told: HashSet<_> = ledger.iter().map(|message| message.notice_id.clone()).collect();
        assert_eq!(told.len(), ledger.len(), "one message at the most for each notice");
        let nothing_befell = self.all.len() - self.ends.values().sum::<usize>();
        let mut expected = self.ends.clone();
        *expected.entry("delivered").or_default() += nothing_befell;
        // Whatever came to nothing was followed on the other channel, on which these persons have no address.
        let came_to_nothing = ["unknown", "failed address-refused", "failed undelivered"];
        let followed = came_to_nothing.map(|end| self.ends.get(end).copied().unwrap_or_default());
        expected.insert("failed no-address", followed.iter().sum());
        expected.retain(|_, count| *count > 0);
        let expected: HashMap<String, usize> = expected
            .into_iter()
            .map(|(end, count)| (end.to_owned(), count))
            .collect();
        assert_eq!(ends, expected);
        assert_eq!(ledger.len(), nothing_befell + self.accepted);
    }
}
