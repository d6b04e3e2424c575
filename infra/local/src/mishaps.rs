//! What goes wrong between queues, streams and workers: a delivery comes twice, a worker dies at its work.
//!
//! Whom it befalls is drawn by lot. What befell whom is kept, to be held against the outcome.

use std::{
    panic,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use fastrand::Rng;
use infra_aws::queues::SendMessage;
use infra_edge::clock::Clock;
use mailbox_register::notice::NoticeId;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::lambda::invoked;

tokio::task_local! {
    /// The worker that the task plays, if it is to die.
    static DOOMED: Doomed;
}

/// How often something goes wrong, in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Odds {
    /// Deliveries of queues and streams that come twice.
    pub duplicates: f64,
    /// Workers that die.
    pub crashes: f64,
}

/// When a worker dies, by what it has just done. It looks at the clock at each of these moments, for the so manieth
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Moment {
    /// It has claimed the notice.
    Claimed = 3,
    /// It has written the message.
    Prepared = 5,
    /// It has marked the notice as being sent, and not called the provider yet.
    MarkedSending = 6,
}

impl Moment {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Claimed, Self::Prepared, Self::MarkedSending];
}

/// A worker that died.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    /// The notice that it held.
    pub notice: NoticeId,
    /// When it died.
    pub moment: Moment,
}

/// What befell deliveries and workers so far.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Messages of queues that were delivered a second time.
    pub messages_repeated: u64,
    /// Records of streams that were.
    pub records_repeated: u64,
    /// Workers that died.
    pub deaths: Vec<Death>,
}

/// The lots, and what they brought.
#[derive(Debug)]
pub struct Mishaps {
    odds: Odds,
    random: Mutex<Rng>,
    record: Mutex<Record>,
}

#[derive(Clone)]
struct Doomed {
    notice: NoticeId,
    moment: Moment,
    looks: Arc<AtomicU32>,
}

impl Mishaps {
    /// Lots drawn by `seed`: the same for the same deliveries in the same order.
    pub fn new(odds: Odds, seed: u64) -> Self {
        Self {
            odds,
            random: Mutex::new(Rng::with_seed(seed)),
            record: Mutex::default(),
        }
    }

    /// What befell deliveries and workers so far.
    pub fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// The clock by which the workers go, and at which they die.
    pub(crate) fn clock(self: &Arc<Self>, clock: Clock) -> Clock {
        let mishaps = Arc::clone(self);
        Clock::new(move || {
            // Most who ask are not doomed, or are no workers at all.
            let _ = DOOMED.try_with(|worker| mishaps.look(worker));
            clock.now()
        })
    }

    fn look(&self, worker: &Doomed) {
        if worker.looks.fetch_add(1, Ordering::Relaxed) + 1 == worker.moment as u32 {
            lock(&self.record).deaths.push(Death {
                notice: worker.notice,
                moment: worker.moment,
            });
            // Nothing of it runs any more; and nobody is told.
            panic::resume_unwind(Box::new("a worker was lost"));
        }
    }

    /// Those of a stream's records that are delivered a second time.
    pub(crate) fn repeated<T: Clone>(&self, records: &[T]) -> Vec<T> {
        let again = self.drawn(records);
        lock(&self.record).records_repeated += again.len() as u64;
        again
    }

    /// Has workers take a batch, some of it twice at the same time. One that dies takes nobody else's message with it.
    pub(crate) async fn work(&self, notify: &Arc<notify::App>, messages: Vec<SqsMessage>) -> SqsBatchResponse {
        let again = self.drawn(&messages);
        lock(&self.record).messages_repeated += again.len() as u64;
        let mut workers = JoinSet::new();
        let mut spared = Vec::new();
        for message in messages {
            match self.doom(&message) {
                None => spared.push(message),
                Some(doomed) => {
                    let app = Arc::clone(notify);
                    workers.spawn(DOOMED.scope(doomed, async move {
                        invoked(notify::handle(&app, batch(vec![message]))).await
                    }));
                }
            }
        }
        for messages in [spared, again] {
            let app = Arc::clone(notify);
            workers.spawn(async move { invoked(notify::handle(&app, batch(messages))).await });
        }
        let mut answer = SqsBatchResponse::default();
        // A message that fails in either delivery comes once more.
        for failed in workers.join_all().await {
            answer.batch_item_failures.extend(failed.batch_item_failures);
        }
        answer
    }

    fn doom(&self, message: &SqsMessage) -> Option<Doomed> {
        let SendMessage { notice } = serde_json::from_str(message.body.as_deref()?).ok()?;
        let mut random = lock(&self.random);
        befalls(&mut random, self.odds.crashes).then(|| Doomed {
            notice,
            moment: Moment::ALL[random.usize(..Moment::ALL.len())],
            looks: Arc::default(),
        })
    }

    fn drawn<T: Clone>(&self, deliveries: &[T]) -> Vec<T> {
        let mut random = lock(&self.random);
        let mut drawn = deliveries.to_vec();
        drawn.retain(|_| befalls(&mut random, self.odds.duplicates));
        drawn
    }
}

/// Whether the lot falls on this one.
pub(crate) fn befalls(random: &mut Rng, percent: f64) -> bool {
    random.f64() * 100.0 < percent
}

fn batch(messages: Vec<SqsMessage>) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = messages;
    event
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step, so a panic elsewhere has left it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
