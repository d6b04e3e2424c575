//! The real parts under a run: a world, the functions on it, and all that lies between them, such as messages on their
//! way, to be delivered, repeated or lost as the run says.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    time::Duration,
};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use dispatch::{Event, REQUEUE};
use futures_util::{FutureExt as _, future};
use infra_aws::{
    addresses::Addresses,
    caps::{Caps, DailyCaps},
    changes::Changes,
    circuits::Circuits,
    directory::Directory,
    email::EmailSender,
    feed::Feed,
    letters::Letters,
    notices::Notices,
    outbox::Outbox,
    postmarks::Postmarks,
    queues::{SendMessage, SendQueues},
    register::Register,
    sending,
    sms::SmsSender,
};
use infra_edge::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use leaky_bucket::RateLimiter;
use local::{
    database::{StreamRecord, stream_event, table_name},
    messages::{self, Report},
    sdk,
    template::{EventSource, Source, Template},
};
use mailbox_register::{
    contact::Channel,
    notice::{Message, Notice, NoticeId},
    secret::Secrets,
};
use notify::Pace;
use receipts::source::Sources;
use serde_json::{Value, json};
use stories::World;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::{
    seen::Seen,
    sleeper::{Sleeper, Stopped},
    steps::{Look, Ticking},
    watch::Watch,
};

/// Who owns the register, as messages say.
pub(crate) const OWNER: &str = "Kontaktregisteret";
const CONFIGURATION_SET: &str = "notices";
/// The first mobile that is no test person's, and how many of the range for fiction follow.
const FIRST_MOBILE: u64 = 46_701_740_615;
const MOBILES: u64 = 85;

/// Where the parts are: enough to make functions on them in any thread.
#[derive(Clone)]
pub(crate) struct Places {
    database: String,
    messages: String,
    queues: String,
    sms_queue: String,
    email_queue: String,
    secrets: Secrets,
}

impl Places {
    fn of(world: &World) -> Self {
        let (stack, queues) = (&world.stack, world.stack.queues());
        Self {
            database: stack.database().url().to_owned(),
            messages: stack.messages().url().to_owned(),
            queues: queues.url().to_owned(),
            sms_queue: queues.queue_url("SmsQueue").unwrap(),
            email_queue: queues.queue_url("EmailQueue").unwrap(),
            secrets: stack.secrets().clone(),
        }
    }

    /// The same, but nobody listens where the providers should be.
    fn without_providers(&self) -> Self {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let messages = format!("http://{}", closed.local_addr().unwrap());
        Self {
            messages,
            ..self.clone()
        }
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&sdk::config(&self.database))
    }

    /// `notify` on these parts.
    pub(crate) fn notify(&self, clock: Clock) -> notify::App {
        let dynamodb = self.dynamodb();
        let sender = sending::config(&sdk::config(&self.messages));
        let table = |id: &str| table_name(id);
        let unlimited = || {
            RateLimiter::builder()
                .initial(1_000_000)
                .max(1_000_000)
                .refill(1_000_000)
                .interval(Duration::from_millis(1))
                .build()
        };
        let caps = DailyCaps {
            per_number: 100_000,
            in_all: 10_000_000,
        };
        notify::App {
            outbox: outbox(&dynamodb),
            register: register(&dynamodb),
            postmarks: Postmarks::new(dynamodb.clone(), table("PostmarksTable")),
            circuits: Circuits::new(dynamodb.clone(), table("SendingTable")),
            caps: Caps::new(
                dynamodb.clone(),
                table("SendingTable"),
                self.secrets.oldest().clone(),
                caps,
            ),
            pace: Pace {
                sms: unlimited(),
                email: unlimited(),
            },
            directory: Directory::new(dynamodb, table("DirectoryTable")),
            sms: SmsSender::new(aws_sdk_sns::Client::new(&sender), "Register".to_owned()),
            email: EmailSender::new(
                aws_sdk_ses::Client::new(&sender),
                "no-reply@register.example.no".to_owned(),
                CONFIGURATION_SET.to_owned(),
            ),
            secrets: self.secrets.clone(),
            owner: OWNER.parse().unwrap(),
            clock,
        }
    }
}

fn outbox(dynamodb: &aws_sdk_dynamodb::Client) -> Outbox {
    Outbox {
        notices: Notices::new(dynamodb.clone(), table_name("NoticesTable")),
        letters: Letters::new(dynamodb.clone(), table_name("LettersTable")),
    }
}

fn register(dynamodb: &aws_sdk_dynamodb::Client) -> Register {
    Register::new(
        dynamodb.clone(),
        table_name("RegisterTable"),
        table_name("ChangesTable"),
    )
}

/// A message of a send queue, taken from there.
#[derive(Clone)]
pub(crate) struct Flying {
    pub(crate) notice: NoticeId,
    record: SqsMessage,
}

impl Flying {
    /// Whether it is the same message of the queue.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.record.message_id == other.record.message_id
    }
}

/// Who gets messages.
#[derive(Clone, Copy)]
pub(crate) enum Workers {
    One,
    /// Two at once.
    Two,
    /// One that reaches no provider.
    CutOff,
}

/// A world for many runs, one after the other.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) outbox: Outbox,
    pub(crate) register: Register,
    pub(crate) addresses: Addresses,
    dispatch: dispatch::App,
    /// Two workers, the first of which can be made to die, and one that reaches no provider.
    notify: [notify::App; 2],
    cut_off: notify::App,
    receipts: receipts::App,
    sqs: aws_sdk_sqs::Client,
    places: Places,
    sources: &'static [EventSource],
    dispatch_watch: Watch,
    notify_watch: Watch,
    sleeper: Sleeper,
    heard: broadcast::Receiver<messages::Message>,
    persons: Box<dyn Iterator<Item = String> + Send>,
    addresses_given: u64,
    /// How much of each organisation's feed is read.
    pub(crate) read: HashMap<&'static str, u64>,
    /// Of the run: what the streams gave and nobody got yet, and what somebody got.
    pub(crate) records: Vec<StreamRecord>,
    pub(crate) old_records: Vec<StreamRecord>,
    /// The same of the send queues, and of the reports.
    pub(crate) flying: Vec<Flying>,
    pub(crate) handled: Vec<Flying>,
    pub(crate) reports: Vec<Report>,
    pub(crate) old_reports: Vec<Report>,
    /// Notices that were met, each as it was then.
    met: HashMap<NoticeId, Notice>,
    /// Of all runs.
    pub(crate) seen: Seen,
}

impl House {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let places = Places::of(&world);
        let dynamodb = places.dynamodb();
        let sqs = aws_sdk_sqs::Client::new(&sdk::config(&places.queues));
        let clock = world.stack.clock().clock();
        let (dispatch_watch, notify_watch) = (Watch::new(clock.clone()), Watch::new(clock.clone()));
        let queues = SendQueues::new(sqs.clone(), places.sms_queue.clone(), places.email_queue.clone());
        let function = Template::shipped().unwrap().functions.values();
        let mut dispatchers = function.filter(|function| function.code.as_deref() == Some("functions/dispatch"));
        Self {
            outbox: outbox(&dynamodb),
            register: register(&dynamodb),
            addresses: Addresses::new(dynamodb.clone(), table_name("AddressesTable"), places.secrets.clone()),
            dispatch: dispatch::App {
                outbox: outbox(&dynamodb),
                changes: Changes::new(dynamodb.clone(), table_name("ChangesTable")),
                feed: Feed::new(dynamodb.clone(), table_name("FeedTable")),
                circuits: Circuits::new(dynamodb.clone(), table_name("SendingTable")),
                changes_table: table_name("ChangesTable"),
                letters_table: table_name("LettersTable"),
                queues,
                clock: dispatch_watch.clock(),
                requeue: REQUEUE,
            },
            notify: [places.notify(notify_watch.clock()), places.notify(clock.clone())],
            cut_off: places.without_providers().notify(clock.clone()),
            receipts: receipts::App {
                outbox: outbox(&dynamodb),
                postmarks: Postmarks::new(dynamodb.clone(), table_name("PostmarksTable")),
                register: register(&dynamodb),
                circuits: Circuits::new(dynamodb.clone(), table_name("SendingTable")),
                sources: Sources {
                    account: sdk::ACCOUNT.to_owned(),
                    email_topic: messages::email_events_topic_arn(),
                    configuration_set: CONFIGURATION_SET.to_owned(),
                    sms_log_groups: [messages::sms_delivered_log_group(), messages::sms_failed_log_group()],
                },
                clock: clock.clone(),
            },
            sqs,
            sources: &dispatchers.next().unwrap().event_sources,
            dispatch_watch,
            notify_watch,
            sleeper: Sleeper::start(places.clone(), clock),
            heard: world.stack.messages().subscribe(),
            persons: Box::new(local::persons::synthetic().skip(1000)),
            addresses_given: 0,
            read: HashMap::new(),
            records: Vec::new(),
            old_records: Vec::new(),
            flying: Vec::new(),
            handled: Vec::new(),
            reports: Vec::new(),
            old_reports: Vec::new(),
            met: HashMap::new(),
            seen: Seen::default(),
            places,
            world,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.stack.clock().now()
    }

    /// Moves the clock, and nothing happens meanwhile.
    pub(crate) fn set(&self, to: Timestamp) {
        self.world.stack.clock().set(to).unwrap();
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        self.world.stack.clock().advance(time).unwrap();
    }

    /// A new run begins at a time, also before that of the last: what that has left behind is of no concern.
    pub(crate) async fn begin(&mut self, start: Timestamp) {
        self.set(start);
        self.world.stack.messages().reset().unwrap();
        self.flush();
        for channel in Channel::ALL {
            let circuit = aws_sdk_dynamodb::types::AttributeValue::S(format!("circuit#{}", channel.as_str()));
            let delete = self.world.stack.client().delete_item();
            let delete = delete.table_name(table_name("SendingTable")).key("what", circuit);
            delete.send().await.unwrap();
        }
        self.hear();
    }

    /// Forgets what is on its way.
    fn flush(&mut self) {
        self.records.clear();
        self.old_records.clear();
        self.flying.clear();
        self.handled.clear();
        self.reports.clear();
        self.old_reports.clear();
        self.met.clear();
    }

    /// An identity number that was not given before.
    pub(crate) fn new_person(&mut self) -> String {
        self.persons.next().unwrap()
    }

    /// An address: an e-mail that nobody has, a mobile that nobody in this run has.
    pub(crate) fn new_address(&mut self, channel: Channel) -> String {
        self.addresses_given += 1;
        match channel {
            Channel::Sms => format!("+{}", FIRST_MOBILE + self.addresses_given % MOBILES),
            Channel::Email => format!("person-{}@example.no", self.addresses_given),
        }
    }

    /// What the providers have accepted since it was last asked.
    pub(crate) fn hear(&mut self) -> Vec<messages::Message> {
        let mut heard = Vec::new();
        while let Ok(message) = self.heard.try_recv() {
            heard.push(message);
        }
        heard
    }

    /// Faults still to come on a channel.
    pub(crate) fn faults(&self, channel: Channel) -> Vec<messages::Fault> {
        let of_channel = |fault: &messages::ScriptedFault| fault.channel == of_provider(channel);
        let scripted = self.world.stack.messages().scripted().into_iter().filter(of_channel);
        scripted
            .flat_map(|scripted| std::iter::repeat_n(scripted.fault, scripted.count as usize))
            .collect()
    }

    /// A notice as it is now.
    pub(crate) async fn notice(&mut self, id: NoticeId) -> Notice {
        let notice = self.outbox.notices.get(id).await.unwrap().unwrap();
        self.met.insert(id, notice.clone());
        notice
    }

    /// A notice: what of it does not change.
    pub(crate) async fn met(&mut self, id: NoticeId) -> Notice {
        match self.met.get(&id) {
            Some(met) => met.clone(),
            None => self.notice(id).await,
        }
    }

    // What lies between the functions.

    /// Takes what the streams have.
    pub(crate) fn take_records(&mut self) {
        for source in self.sources {
            let Source::Stream { table } = &source.source else {
                continue;
            };
            let stream = self.world.stack.database().stream(table).unwrap();
            loop {
                let batch = stream.read(1000).unwrap();
                let Some(last) = batch.last() else { break };
                stream.handled(&last.sequence_number).unwrap();
                self.records
                    .extend(batch.into_iter().filter(|record| source.delivers(&record.record)));
            }
        }
    }

    /// Delivers records, one table's after the other's as two event sources do.
    pub(crate) async fn deliver_records(&self, records: &[StreamRecord]) -> bool {
        let of = |record: &StreamRecord| record.record["eventSourceARN"].as_str().unwrap_or_default().to_owned();
        let mut rest = records;
        let mut is_done = true;
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|record| of(record) == of(first)).count();
            let (batch, others) = rest.split_at(same);
            let event = Event::try_from(stream_event(batch)).unwrap();
            let answer = dispatch::handle(&self.dispatch, event).await.unwrap();
            is_done &= answer.batch_item_failures.is_empty();
            rest = others;
        }
        is_done
    }

    /// Takes what is in the send queues, in an order that the run alone decides.
    pub(crate) async fn take_messages(&mut self, order: impl Fn(&Notice) -> String) {
        let mut taken = Vec::new();
        for url in [self.places.sms_queue.clone(), self.places.email_queue.clone()] {
            loop {
                let receive = self.sqs.receive_message().queue_url(&url).max_number_of_messages(10);
                let messages = receive.send().await.unwrap().messages.unwrap_or_default();
                if messages.is_empty() {
                    break;
                }
                for message in messages {
                    // It is on its way in the run now: the queue itself would give it again by the machine's clock.
                    let delete = self.sqs.delete_message().queue_url(&url);
                    let receipt = message.receipt_handle().unwrap_or_default();
                    delete.receipt_handle(receipt).send().await.unwrap();
                    let body: SendMessage = serde_json::from_str(message.body().unwrap_or_default()).unwrap();
                    let mut record = SqsMessage::default();
                    record.message_id = message.message_id;
                    record.body = message.body;
                    let notice = body.notice;
                    taken.push((order(&self.met(notice).await), Flying { notice, record }));
                }
            }
        }
        taken.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.flying.extend(taken.into_iter().map(|(_, flying)| flying));
    }

    /// A message for a notice that is in no queue.
    pub(crate) fn message_for(notice: NoticeId) -> Flying {
        let mut record = SqsMessage::default();
        record.message_id = Some(Uuid::new_v4().to_string());
        record.body = Some(serde_json::to_string(&SendMessage { notice }).unwrap());
        Flying { notice, record }
    }

    /// Workers get messages, each the same ones. Gives those that have to come again, and the others.
    pub(crate) async fn work(&self, messages: Vec<Flying>, workers: Workers) -> (Vec<Flying>, Vec<Flying>) {
        let mut event = SqsEvent::default();
        event.records = messages.iter().map(|message| message.record.clone()).collect();
        let workers = match workers {
            Workers::One => &self.notify[..1],
            Workers::Two => &self.notify[..],
            Workers::CutOff => std::slice::from_ref(&self.cut_off),
        };
        let answers = future::join_all(workers.iter().map(|app| notify::handle(app, event.clone()))).await;
        let failures = answers.into_iter().flat_map(|answer| answer.batch_item_failures);
        let failed: HashSet<_> = failures.map(|failure| failure.item_identifier).collect();
        let comes_again = |message: &Flying| failed.contains(message.record.message_id.as_deref().unwrap_or_default());
        messages.into_iter().partition(comes_again)
    }

    /// A worker gets a message and dies at a look at the clock. Says whether it got that far.
    pub(crate) async fn work_and_die(&self, message: &Flying, after: Look) -> bool {
        self.notify_watch.dies_at(after as u32);
        let work = notify::send(&self.notify[0], message.notice);
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        self.notify_watch.lives_on();
        ended.is_err()
    }

    /// A worker gets a message and stops at a look at the clock; none, if it ended before.
    pub(crate) async fn work_and_stop(&self, message: &Flying, after: Look) -> Option<Stopped> {
        self.sleeper.work(message.notice, after as u32).await
    }

    pub(crate) async fn tick(&self, how: Ticking) {
        let tick = || dispatch::handle(&self.dispatch, Event::Tick);
        match how {
            Ticking::Once => drop(tick().await.unwrap()),
            Ticking::Twice => {
                let (one, other) = tokio::join!(tick(), tick());
                assert!(one.is_ok() && other.is_ok());
            }
            Ticking::Dies(look) => {
                self.dispatch_watch.dies_at(look);
                let ended = AssertUnwindSafe(tick()).catch_unwind().await;
                self.dispatch_watch.lives_on();
                assert!(!matches!(ended, Ok(Err(_))));
            }
        }
    }

    /// Takes the reports that are due.
    pub(crate) fn take_reports(&mut self) {
        let due = self.world.stack.messages().take_reports(self.now());
        self.reports.extend(due);
    }

    pub(crate) async fn deliver_report(&self, report: &Report) {
        let event = match report {
            Report::Email { envelope, .. } => {
                let envelope: Value = serde_json::from_str(envelope).unwrap();
                json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": envelope }] })
            }
            Report::Sms { payload } => payload.clone(),
        };
        let event = receipts::Event::try_from(event).unwrap();
        receipts::handle(&self.receipts, event).await.unwrap();
    }

    /// When a notice has to be looked at next; and whether any should have been by now.
    pub(crate) async fn due(&self) -> (Option<Timestamp>, bool) {
        let now = self.now();
        let due = self.outbox.notices.due_at().await.unwrap();
        let next = due.iter().copied().filter(|at| *at > now).min();
        (next, due.into_iter().any(|at| at <= now))
    }
}

/// A channel as the providers' stand-in names it.
pub(crate) const fn of_provider(channel: Channel) -> messages::Channel {
    match channel {
        Channel::Sms => messages::Channel::Sms,
        Channel::Email => messages::Channel::Email,
    }
}

/// The letter a notice is of, and whether it is the reminder.
pub(crate) const fn of_letter(notice: &Notice) -> Option<(mailbox_register::letter::LetterId, bool)> {
    match notice.message {
        Message::Letter { letter, reminder, .. } => Some((letter, reminder)),
        _ => None,
    }
}
