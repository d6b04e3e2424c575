//! A run of everything at once: faults of the providers, lost workers, repeated and lost messages, in a random order.

use std::collections::{HashMap, HashSet};

use aws_lambda_events::event::sqs::SqsMessage;
use dispatch::Event;
use fastrand::Rng;
use futures_util::future;
use infra_aws::queues::SendMessage;
use jiff::SignedDuration;
use local::messages::Fault;
use mailbox_register::{
    contact::Channel,
    notice::{Notice, NoticeId},
};
use stories::World;
use uuid::Uuid;

use crate::scene::{
    CHANNELS, Moment, Parts, add_named, batch, clock, lose_stream, notices, script, sleep, state_of, work_until,
};

const ROUNDS: usize = 6;
/// New notices of each channel in each round, and at the most so many of its faults and lost workers: fewer than
/// calls, so that every fault befalls one.
const NEW: usize = 25;
const FAULTS: usize = 10;
const LOST: usize = 5;

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
    /// Faults that leave a caller without knowing whether its message went out; of those, messages that did.
    lost_answers: usize,
    accepted_unseen: usize,
    refused: usize,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        Self {
            parts: Parts::of(&world),
            world,
            random: Rng::with_seed(seed),
            all: HashMap::new(),
            lost_answers: 0,
            accepted_unseen: 0,
            refused: 0,
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
            sleep(&self.world, SignedDuration::from_secs(self.random.i64(0..90)));
        }
        // Quiet: no more faults, all that was put off gets its time.
        for _ in 0..12 {
            sleep(&self.world, SignedDuration::from_mins(20));
            self.world.stack.tick().await.unwrap();
        }
        self.check().await;
    }

    fn faults(&mut self, channel: Channel) {
        for _ in 0..FAULTS {
            let faults = [
                Fault::Throttle,
                Fault::Unavailable,
                Fault::TimeoutBefore,
                Fault::TimeoutAfter,
                Fault::Reject,
                Fault::Pause,
                Fault::Suspend,
            ];
            let fault = faults[self.random.usize(..faults.len())];
            script(&self.world, channel, fault, 1);
            match (fault, channel) {
                (Fault::TimeoutAfter, _) => {
                    self.lost_answers += 1;
                    self.accepted_unseen += 1;
                }
                // An SNS that fails does not say how far it got.
                (Fault::TimeoutBefore, _) | (Fault::Unavailable, Channel::Sms) => self.lost_answers += 1,
                (Fault::Reject, _) => self.refused += 1,
                _ => {}
            }
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
            self.lost_answers += usize::from(moment == Moment::MarkedSending);
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
        let sent = self.all.len() - self.lost_answers - self.refused;
        let expected = [
            ("sent".to_owned(), sent),
            ("unknown".to_owned(), self.lost_answers),
            ("failed address-refused".to_owned(), self.refused),
            // Each of them was followed on the other channel, on which these persons have no address.
            ("failed no-address".to_owned(), self.lost_answers + self.refused),
        ];
        let expected = expected.into_iter().filter(|(_, count)| *count > 0);
        assert_eq!(ends, expected.collect());
        assert_eq!(ledger.len(), sent + self.accepted_unseen);
    }
}
