//! A world's outbox, and workers and dispatchers that do as a test tells them.

use std::{
    panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sns::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};
use dispatch::{Event, REQUEUE};
use infra_aws::{
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
    queues::SendQueues,
    register::Register,
    sending,
    sms::SmsSender,
    transaction,
};
use infra_edge::clock::Clock;
use jiff::SignedDuration;
use leaky_bucket::RateLimiter;
use local::{
    database::{StreamRecord, stream_event, table_name},
    messages,
    messages::{Fault, ScriptedFault},
    sdk,
};
use mailbox_register::{
    contact::Channel,
    notice::{Message, Notice, NoticeId},
    person::{PersonIdentifier, Population},
    secret::Secrets,
};
use notify::Pace;
use receipts::source::Sources;
use serde_json::{Value, json};
use stories::{DIGIPOST, World};
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;

use crate::reporting;

/// A person with a mobile and no e-mail, and the mobile.
pub(crate) const WITH_MOBILE: &str = "21836797660";
pub(crate) const MOBILE: &str = "+46701740606";
/// A person with an e-mail and no mobile, and the e-mail.
pub(crate) const WITH_EMAIL: &str = "22838497199";
pub(crate) const EMAIL: &str = "per@example.no";
/// A person with both.
pub(crate) const WITH_BOTH: &str = "22885399316";

/// The configuration set that the stack's own functions know, too.
pub(crate) const CONFIGURATION_SET: &str = "EmailConfiguration";

pub(crate) const CHANNELS: [Channel; 2] = [Channel::Sms, Channel::Email];

/// A worker's moments, each named by what it has just done. It looks at the clock at each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Read = 1,
    Claimed = 3,
    Written = 5,
    MarkedSending = 6,
    Called = 7,
    /// Of an SMS: which notice its answer belongs to.
    Noted = 8,
}

/// Where the parts are.
#[derive(Clone)]
struct Addresses {
    database: String,
    messages: String,
    queues: String,
    sms_queue: String,
    email_queue: String,
    secrets: Secrets,
}

/// How often a provider was called, whatever came of it.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// The parts, and connections to them: for one thread.
pub(crate) struct Parts {
    addresses: Addresses,
    dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) sns: aws_sdk_sns::Client,
    ses: aws_sdk_ses::Client,
    sms_calls: Calls,
    email_calls: Calls,
}

impl Parts {
    pub(crate) fn of(world: &World) -> Self {
        Self::at(Addresses::of(world))
    }

    /// As of the world, but nobody listens where SNS and SES should be.
    pub(crate) fn without_providers(world: &World) -> Self {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let messages = format!("http://{}", closed.local_addr().unwrap());
        let addresses = Addresses::of(world);
        Self::at(Addresses { messages, ..addresses })
    }

    /// As of the world, but there is no queue for e-mail.
    pub(crate) fn without_email_queue(world: &World) -> Self {
        let addresses = Addresses::of(world);
        let email_queue = format!("{}-gone", addresses.email_queue);
        Self::at(Addresses {
            email_queue,
            ..addresses
        })
    }

    fn at(addresses: Addresses) -> Self {
        let sender = sending::config(&sdk::config(&addresses.messages));
        let (sms_calls, email_calls) = (Calls::default(), Calls::default());
        let sns = aws_sdk_sns::config::Builder::from(&sender).interceptor(sms_calls.clone());
        let ses = aws_sdk_ses::config::Builder::from(&sender).interceptor(email_calls.clone());
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk::config(&addresses.database)),
            sqs: aws_sdk_sqs::Client::new(&sdk::config(&addresses.queues)),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            ses: aws_sdk_ses::Client::from_conf(ses.build()),
            sms_calls,
            email_calls,
            addresses,
        }
    }

    /// How often these parts' workers have called a channel's provider.
    pub(crate) fn calls(&self, channel: Channel) -> usize {
        let calls = match channel {
            Channel::Sms => &self.sms_calls,
            Channel::Email => &self.email_calls,
        };
        calls.0.load(Ordering::SeqCst)
    }

    /// `notify` on these parts, with room for any number of messages.
    pub(crate) fn notify(&self, clock: Clock) -> notify::App {
        let caps = DailyCaps {
            per_number: 1000,
            in_all: 100_000,
        };
        self.capped(clock, caps)
    }

    /// `notify` on these parts, with room for so many SMS in a day.
    pub(crate) fn capped(&self, clock: Clock, caps: DailyCaps) -> notify::App {
        let (dynamodb, secret) = (self.dynamodb.clone(), self.addresses.secrets.oldest().clone());
        let unlimited = || {
            RateLimiter::builder()
                .initial(10_000)
                .interval(Duration::from_millis(1))
                .refill(100)
                .build()
        };
        notify::App {
            outbox: self.outbox(),
            register: Register::new(
                dynamodb.clone(),
                table_name("RegisterTable"),
                table_name("ChangesTable"),
            ),
            postmarks: Postmarks::new(dynamodb.clone(), table_name("PostmarksTable")),
            circuits: Circuits::new(dynamodb.clone(), table_name("SendingTable")),
            caps: Caps::new(dynamodb, table_name("SendingTable"), secret, caps),
            pace: Pace {
                sms: unlimited(),
                email: unlimited(),
            },
            directory: Directory::new(self.dynamodb.clone(), table_name("DirectoryTable")),
            sms: SmsSender::new(self.sns.clone(), "Register".to_owned()),
            email: EmailSender::new(
                self.ses.clone(),
                "no-reply@register.example.no".to_owned(),
                CONFIGURATION_SET.to_owned(),
            ),
            secrets: self.addresses.secrets.clone(),
            owner: "Kontaktregisteret".parse().unwrap(),
            clock,
        }
    }

    /// `dispatch` on these parts.
    pub(crate) fn dispatch(&self, clock: Clock) -> dispatch::App {
        dispatch::App {
            outbox: self.outbox(),
            changes: Changes::new(self.dynamodb.clone(), table_name("ChangesTable")),
            feed: Feed::new(self.dynamodb.clone(), table_name("FeedTable")),
            circuits: Circuits::new(self.dynamodb.clone(), table_name("SendingTable")),
            changes_table: table_name("ChangesTable"),
            letters_table: table_name("LettersTable"),
            queues: self.send_queues(),
            clock,
            requeue: REQUEUE,
        }
    }

    /// `receipts` on these parts.
    pub(crate) fn receipts(&self, clock: Clock) -> receipts::App {
        self.receipts_from(reporting::sources(), clock)
    }

    /// The same, which takes reports from these sources alone.
    pub(crate) fn receipts_from(&self, sources: Sources, clock: Clock) -> receipts::App {
        receipts::App {
            outbox: self.outbox(),
            postmarks: Postmarks::new(self.dynamodb.clone(), table_name("PostmarksTable")),
            register: Register::new(
                self.dynamodb.clone(),
                table_name("RegisterTable"),
                table_name("ChangesTable"),
            ),
            circuits: Circuits::new(self.dynamodb.clone(), table_name("SendingTable")),
            sources,
            clock,
        }
    }

    fn outbox(&self) -> Outbox {
        Outbox {
            notices: Notices::new(self.dynamodb.clone(), table_name("NoticesTable")),
            letters: Letters::new(self.dynamodb.clone(), table_name("LettersTable")),
        }
    }

    fn send_queues(&self) -> SendQueues {
        let Addresses {
            sms_queue, email_queue, ..
        } = self.addresses.clone();
        SendQueues::new(self.sqs.clone(), sms_queue, email_queue)
    }

    /// Puts a notice into its send queue, whatever state it is in.
    pub(crate) async fn enqueue(&self, notice: &Notice) {
        self.send_queues().send(notice).await.unwrap();
    }

    /// Puts anything into the send queue of a channel.
    pub(crate) async fn enqueue_text(&self, channel: Channel, body: &str) {
        let url = self.queue_url(channel);
        let send = self.sqs.send_message().queue_url(url).message_body(body);
        send.send().await.unwrap();
    }

    fn queue_url(&self, channel: Channel) -> &str {
        match channel {
            Channel::Sms => &self.addresses.sms_queue,
            Channel::Email => &self.addresses.email_queue,
        }
    }

    /// So many minutes as they pass in AWS: at the end of each a tick, and a worker on what it put into the queues. The
    /// stream brings nothing, and what the providers report stays with them.
    pub(crate) async fn minutes(&self, world: &World, count: u32) {
        for _ in 0..count {
            sleep(world, SignedDuration::from_mins(1));
            self.minute(world, &self.notify(clock(world))).await;
        }
    }

    /// What happens each minute, with this worker.
    pub(crate) async fn minute(&self, world: &World, worker: &notify::App) {
        lose_stream(world);
        let dispatch = self.dispatch(clock(world));
        dispatch::handle(&dispatch, Event::Tick).await.unwrap();
        for messages in self.take_all().await.chunks(10) {
            let answer = notify::handle(worker, batch(messages.to_vec())).await;
            assert_eq!(answer.batch_item_failures.len(), 0);
        }
    }

    /// Everything that is to be had from both send queues now.
    pub(crate) async fn take_all(&self) -> Vec<SqsMessage> {
        let mut taken = Vec::new();
        for channel in CHANNELS {
            taken.extend(self.take(self.queue_url(channel)).await);
        }
        taken
    }

    /// Everything that is to be had from a queue now. Nobody else gets it for minutes, as from a worker that dies
    /// with it.
    pub(crate) async fn take(&self, url: &str) -> Vec<SqsMessage> {
        let mut taken = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(url).max_number_of_messages(10);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return taken;
            }
            for message in messages {
                let mut record = SqsMessage::default();
                record.message_id = message.message_id;
                record.body = message.body;
                taken.push(record);
            }
        }
    }
}

impl Addresses {
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
}

/// The world's clock, so far ahead of it.
pub(crate) fn ahead(world: &World, by: SignedDuration) -> Clock {
    let clock = world.stack.clock().clone();
    Clock::new(move || clock.now() + by)
}

/// The world's clock.
pub(crate) fn clock(world: &World) -> Clock {
    ahead(world, SignedDuration::ZERO)
}

/// Moves the clock, and nothing happens meanwhile: as if all had been down.
pub(crate) fn sleep(world: &World, time: SignedDuration) {
    world.stack.clock().advance(time).unwrap();
}

/// Digipost registers a mailbox for the person, who is to be told. The notice waits for the stream.
pub(crate) async fn chosen(world: &World, person: &str) -> Notice {
    let known = ids(&notices(world).await);
    let mailbox = json!({ "person": person, "address": "some.person#4ABC" });
    let registered = world.provider(DIGIPOST).post("/v1/mailboxes", &mailbox).send().await;
    assert_eq!(registered.expect(201).body["active"], true);
    let mut new = notices(world).await;
    new.retain(|notice| !known.contains(&notice.id));
    assert_eq!(new.len(), 1);
    new.remove(0)
}

/// Adds notices of a chosen mailbox to the outbox, as the register does. They are for whoever has that channel alone.
pub(crate) async fn add(world: &World, channel: Channel, count: usize) -> Vec<Notice> {
    let random = |_| NoticeId(Uuid::new_v4());
    add_named(world, channel, &(0..count).map(random).collect::<Vec<_>>()).await
}

/// The same, with names.
pub(crate) async fn add_named(world: &World, channel: Channel, ids: &[NoticeId]) -> Vec<Notice> {
    let message = Message::MailboxChosen {
        provider: "digipost".parse().unwrap(),
    };
    let person = person_with(channel);
    let new = |id: &NoticeId| new_notice(world, person, *id, channel, message.clone());
    let added: Vec<_> = ids.iter().map(new).collect();
    store(world, &added).await;
    added
}

/// Adds notices of a chosen mailbox for any person.
pub(crate) async fn add_for(world: &World, person: &str, channel: Channel, count: usize) -> Vec<Notice> {
    let message = Message::MailboxChosen {
        provider: "digipost".parse().unwrap(),
    };
    let new = |_| new_notice(world, person, NoticeId(Uuid::new_v4()), channel, message.clone());
    let added: Vec<_> = (0..count).map(new).collect();
    store(world, &added).await;
    added
}

/// Adds a notice that says anything.
pub(crate) async fn add_message(world: &World, channel: Channel, message: Message) -> Notice {
    let notice = new_notice(world, person_with(channel), NoticeId(Uuid::new_v4()), channel, message);
    store(world, std::slice::from_ref(&notice)).await;
    notice
}

/// Whoever has that channel alone.
pub(crate) const fn person_with(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => WITH_MOBILE,
        Channel::Email => WITH_EMAIL,
    }
}

fn new_notice(world: &World, person: &str, id: NoticeId, channel: Channel, message: Message) -> Notice {
    let person = PersonIdentifier::parse(person, Population::Synthetic).unwrap();
    let key = world.stack.secret().person_key(&person);
    Notice::new(id, key, channel, message, world.stack.clock().now())
}

async fn store(world: &World, notices: &[Notice]) {
    for transaction in notices.chunks(100) {
        let writes = transaction.iter().map(|notice| outbox(world).adding(notice).unwrap());
        let client = world.stack.client();
        transaction::commit(client, writes.collect()).await.unwrap();
    }
}

/// The table of notices, as the register writes to it.
pub(crate) fn outbox(world: &World) -> Notices {
    Notices::new(world.stack.client().clone(), table_name("NoticesTable"))
}

/// All notices there are.
pub(crate) async fn notices(world: &World) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut pages = world
        .stack
        .client()
        .scan()
        .table_name(table_name("NoticesTable"))
        .consistent_read(true)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        notices.extend(serde_dynamo::from_items::<_, Notice>(page.unwrap().items.unwrap()).unwrap());
    }
    notices
}

/// A notice as it is now.
pub(crate) async fn stored(world: &World, id: NoticeId) -> Notice {
    outbox(world).get(id).await.unwrap().unwrap()
}

/// The name of the state a notice is in now, and why it failed if it did.
pub(crate) async fn state(world: &World, id: NoticeId) -> String {
    state_of(&stored(world, id).await)
}

pub(crate) fn state_of(notice: &Notice) -> String {
    let stored = serde_json::to_value(notice).unwrap();
    let words = [&stored["state"], &stored["reason"]];
    words
        .into_iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn ids(notices: &[Notice]) -> Vec<NoticeId> {
    notices.iter().map(|notice| notice.id).collect()
}

/// What a provider accepted for a notice.
pub(crate) fn accepted(world: &World, id: NoticeId) -> Vec<messages::Message> {
    let mut all = world.stack.messages().accepted();
    all.retain(|message| message.notice_id == Some(id.to_string()));
    all
}

/// What befalls the channel's next calls.
pub(crate) fn script(world: &World, channel: Channel, fault: Fault, count: u32) {
    let channel = match channel {
        Channel::Sms => messages::Channel::Sms,
        Channel::Email => messages::Channel::Email,
    };
    world.stack.messages().script(ScriptedFault { channel, fault, count });
}

/// The records of notices to be sent that the stream has not delivered yet.
pub(crate) fn stream(world: &World) -> Vec<StreamRecord> {
    let mut records = world
        .stack
        .database()
        .stream("NoticesTable")
        .unwrap()
        .read(1000)
        .unwrap();
    records.retain(|record| record.record["dynamodb"]["NewImage"]["state"]["S"] == "waiting");
    records
}

/// Nobody will ever see what is in the stream now.
pub(crate) fn lose_stream(world: &World) {
    let stream = world.stack.database().stream("NoticesTable").unwrap();
    while let Some(last) = stream.read(1000).unwrap().last() {
        stream.handled(&last.sequence_number).unwrap();
    }
}

/// An event as Lambda delivers it.
pub(crate) fn event(records: &[StreamRecord]) -> Event {
    Event::try_from(stream_event(records)).unwrap()
}

/// One batch of a queue.
pub(crate) fn batch(records: Vec<SqsMessage>) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = records;
    event
}

/// A worker that has stopped in the middle of a notice.
pub(crate) struct Stopped {
    release: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

impl Stopped {
    /// It goes on where it stopped, and ends.
    pub(crate) async fn wake(self) {
        self.release.send(()).unwrap();
        self.task.await.unwrap();
    }

    /// It never goes on.
    pub(crate) async fn lose(self) {
        drop(self.release);
        assert!(self.task.await.unwrap_err().is_panic());
    }
}

/// Has a worker send a notice, up to a moment. None, if it ended before, there being nothing to do for it.
pub(crate) async fn work_until(world: &World, id: NoticeId, moment: Moment, by: Clock) -> Option<Stopped> {
    let (arrived, arrival) = oneshot::channel();
    let (release, released) = mpsc::channel();
    let stop = Mutex::new(Some((arrived, released)));
    let looks = AtomicU32::new(0);
    let clock = Clock::new(move || {
        if looks.fetch_add(1, Ordering::SeqCst) + 1 == moment as u32 {
            let (arrived, released): (oneshot::Sender<()>, mpsc::Receiver<()>) = stop.lock().unwrap().take().unwrap();
            arrived.send(()).unwrap();
            if released.recv().is_err() {
                // Nothing of it runs any more; and nobody is told.
                panic::resume_unwind(Box::new("lost"));
            }
        }
        by.now()
    });
    let addresses = Addresses::of(world);
    // It blocks where it stops, so it has a thread of its own, and connections of that thread's.
    let task = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .unwrap()
            .block_on(async { notify::send(&Parts::at(addresses).notify(clock), id).await.unwrap() });
    });
    if arrival.await.is_ok() {
        return Some(Stopped { release, task });
    }
    task.await.unwrap();
    None
}
