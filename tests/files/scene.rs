//! An agency's side of the bucket, and a worker that is handed one message at a time.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::Write as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use flate2::{Compression, write::GzEncoder};
use jiff::SignedDuration;
use local::{bucket::notification, database_faults::DatabaseFaults, sdk, stack::Options};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, World, start_of_time};
use tokio::sync::Notify;

/// An agency that sees mailboxes and nothing else, and has no usual purpose.
pub(crate) const SMALL_AGENCY: &str = "974760673";

/// Has e-mail, mobile and mailbox.
pub(crate) const KARI: &str = "22885399316";
pub(crate) const WITH_MOBILE: &str = "21836797660";
pub(crate) const WITH_EMAIL: &str = "22838497199";
pub(crate) const RESERVED: &str = "10915596784";
pub(crate) const DELETED: &str = "49860699787";
pub(crate) const UNKNOWN: &str = "02907740652";
/// Of the right form but for its control digits.
pub(crate) const MISTYPED: &str = "41804061033";

/// Longer than anybody's lease, and than a batch may stand still.
pub(crate) const LONG_ENOUGH: SignedDuration = SignedDuration::from_secs(5 * 60 + 1);

const BUCKET: &str = "FilesBucket";
const QUEUE: &str = "BatchQueue";

/// A register with a bucket, and an agency's access to it.
pub(crate) struct House {
    pub(crate) world: World,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    batch: Arc<batch::App>,
}

impl House {
    /// Pieces of three rows, and as many bad rows as one likes.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same, with some of the template's parameters.
    pub(crate) async fn with(parameters: &[(&'static str, &str)]) -> Self {
        Self::start(parameters, false).await
    }

    /// The same, and its database can fail.
    pub(crate) async fn fragile() -> Self {
        let house = Self::start(&[], true).await;
        house.faults().clear();
        house
    }

    async fn start(parameters: &[(&'static str, &str)], database_faults: bool) -> Self {
        let usual = [("FileChunkRows", "3"), ("FileHoldPercent", "100")];
        let parameters: BTreeMap<_, _> = usual.iter().chain(parameters).copied().collect();
        let world = World::with(Options {
            frozen_at: Some(start_of_time()),
            database_faults,
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            ..Options::default()
        })
        .await;
        let s3 = infra_aws::files::config(&sdk::config(world.stack.buckets().url()));
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::new(&sdk::config(world.stack.queues().url())),
            batch: world.stack.batch(),
            world,
        }
    }

    pub(crate) fn faults(&self) -> &DatabaseFaults {
        self.world.stack.database_faults()
    }

    fn bucket(&self) -> &str {
        self.world.stack.buckets().name(BUCKET).unwrap()
    }

    /// The agency's system, which asks over HTTP.
    pub(crate) fn agency(&self) -> Caller<'_> {
        self.organisation(AGENCY)
    }

    pub(crate) fn organisation(&self, organisation: &str) -> Caller<'_> {
        self.world.organisation(organisation, &[Scope::Batches])
    }

    /// Moves the clock, and nothing happens on the way.
    pub(crate) fn wait(&self, time: SignedDuration) {
        self.world.stack.clock().advance(time).unwrap();
    }

    /// Does everything that there is to do.
    pub(crate) async fn settle(&self) {
        self.world.stack.settle().await.unwrap();
    }

    /// The agency drops a file.
    pub(crate) async fn drop_file(&self, name: &str, content: impl Into<Vec<u8>>) {
        self.drop_as(name, content, &[]).await;
    }

    /// The same, with what the agency says of it.
    pub(crate) async fn drop_as(&self, name: &str, content: impl Into<Vec<u8>>, said: &[(&str, &str)]) {
        self.put(&format!("uploads/{AGENCY}/{name}"), content, said).await;
    }

    /// Anything under any key.
    pub(crate) async fn put(&self, key: &str, content: impl Into<Vec<u8>>, said: &[(&str, &str)]) {
        let mut request = self.s3.put_object().bucket(self.bucket()).key(key);
        for (name, value) in said {
            request = request.metadata(*name, *value);
        }
        request.body(content.into().into()).send().await.unwrap();
    }

    pub(crate) async fn delete(&self, key: &str) {
        let request = self.s3.delete_object().bucket(self.bucket()).key(key);
        request.send().await.unwrap();
    }

    /// What lies under a key.
    pub(crate) async fn object(&self, key: &str) -> Option<Vec<u8>> {
        let request = self.s3.get_object().bucket(self.bucket()).key(key);
        let found = request.send().await.ok()?;
        Some(found.body.collect().await.unwrap().to_vec())
    }

    /// The keys that begin so.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let objects = self.world.stack.buckets().objects(self.bucket(), prefix).unwrap();
        objects.into_iter().map(|object| object.key).collect()
    }

    /// The agency's batches, newest first.
    pub(crate) async fn batches(&self) -> Vec<Value> {
        self.batches_of(AGENCY).await
    }

    pub(crate) async fn batches_of(&self, organisation: &str) -> Vec<Value> {
        let page = self
            .organisation(organisation)
            .get("/v1/batches?limit=100")
            .send()
            .await;
        page.expect(200).body["batches"].as_array().unwrap().clone()
    }

    /// The one batch of a file of this name.
    pub(crate) async fn batch_of(&self, name: &str) -> Value {
        let mut batches = self.batches().await;
        batches.retain(|batch| batch["name"] == name);
        assert_eq!(batches.len(), 1, "{name}: {batches:?}");
        batches.remove(0)
    }

    /// The summary that lies beside where a batch's result is.
    pub(crate) async fn summary(&self, batch: &Value) -> Value {
        self.summary_of(AGENCY, batch).await
    }

    pub(crate) async fn summary_of(&self, organisation: &str, batch: &Value) -> Value {
        let key = format!("results/{organisation}/{}/summary.json", id(batch));
        let summary = self.object(&key).await.unwrap_or_else(|| panic!("no {key}: {batch}"));
        serde_json::from_slice(&summary).unwrap()
    }

    /// The summary of the one batch of a file of this name.
    pub(crate) async fn summary_for(&self, name: &str) -> Value {
        self.summary(&self.batch_of(name).await).await
    }

    /// The result of the one batch of a file of this name, which must be done.
    pub(crate) async fn result_for(&self, name: &str) -> Vec<u8> {
        let summary = self.summary_for(name).await;
        assert_eq!(summary["state"], "done", "{summary}");
        self.object(summary["result"].as_str().unwrap()).await.unwrap()
    }

    /// Drops a file, lets it be worked off, and fetches the rows of the result.
    pub(crate) async fn answered(&self, name: &str, content: impl Into<Vec<u8>>) -> Vec<BTreeMap<String, String>> {
        self.drop_file(name, content).await;
        self.settle().await;
        let result = self.result_for(name.rsplit('/').next().unwrap()).await;
        if name.contains("jsonl") {
            json_rows(&result)
        } else {
            rows(&result)
        }
    }

    /// What the queue holds and the bucket has to tell, taken from both: from now on it is the test's to hand on.
    pub(crate) async fn messages(&self) -> Vec<String> {
        let now = self.world.stack.clock().now();
        let created = self.world.stack.buckets().take_events();
        let told = created.iter().filter(|object| object.key.starts_with("uploads/"));
        let mut bodies: Vec<_> = told.map(|object| notification(object, now).to_string()).collect();
        let url = self.world.stack.queues().queue_url(QUEUE).unwrap();
        loop {
            let request = self.sqs.receive_message().queue_url(&url).max_number_of_messages(10);
            let received = request.send().await.unwrap().messages.unwrap_or_default();
            if received.is_empty() {
                return bodies;
            }
            for message in received {
                let handle = message.receipt_handle().unwrap();
                let request = self.sqs.delete_message().queue_url(&url).receipt_handle(handle);
                request.send().await.unwrap();
                bodies.push(message.body.unwrap());
            }
        }
    }

    /// The only message there is.
    pub(crate) async fn message(&self) -> String {
        let mut messages = self.messages().await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// Hands a worker a message. Says whether it is done with, or has to come again.
    pub(crate) async fn hand(&self, body: &str) -> bool {
        hand(Arc::clone(&self.batch), body.to_owned()).await
    }

    /// Hands workers messages, and those that follow from them, until there are none. All must be done with.
    pub(crate) async fn hand_all(&self, mut bodies: Vec<String>) {
        while !bodies.is_empty() {
            for body in bodies {
                assert!(self.hand(&body).await, "{body}");
            }
            bodies = self.messages().await;
        }
    }

    /// The tick of the minute, and nothing else.
    pub(crate) async fn tick(&self) -> Result<(), batch::TickFailed> {
        batch::handle(&self.batch, batch::Event::Tick).await.map(|_| ())
    }

    /// A worker that dies of a message at a point of its work: after `steps` steps, in the middle of the next one or just
    /// before it. Says whether it died: one that has less to do is done before.
    pub(crate) async fn die_of(&self, body: &str, steps: u32, is_amid: bool) -> bool {
        let mut worker = self.worker(body);
        worker.go_on(steps).await;
        if !is_amid && !worker.is_done() {
            worker.wake().await;
        }
        !worker.is_done()
    }

    /// A worker that goes on when it is told to.
    pub(crate) fn worker(&self, body: &str) -> Worker {
        let bell = Arc::new(Bell::default());
        bell.rung.notify_one();
        Worker {
            work: Some(Box::pin(hand(Arc::clone(&self.batch), body.to_owned()))),
            bell,
        }
    }

    /// How often something was put on record.
    pub(crate) async fn disclosures(&self) -> usize {
        self.world.disclosures().await.items().len()
    }
}

/// A worker at one message. Dropping it is its death.
pub(crate) struct Worker {
    work: Option<Pin<Box<dyn Future<Output = bool>>>>,
    bell: Arc<Bell>,
}

impl Worker {
    /// It makes so many steps, if it has so many to make: from one thing that it waits for to the next. Then it stands
    /// still, and does not see whether what it waits for last happens.
    pub(crate) async fn go_on(&mut self, steps: u32) {
        for _ in 0..steps {
            if self.work.is_some() {
                self.bell.rung.notified().await;
            }
            let Some(work) = &mut self.work else { return };
            let waker = Waker::from(Arc::clone(&self.bell));
            if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                assert!(done);
                self.work = None;
            }
        }
    }

    /// What it waits for has happened.
    pub(crate) async fn wake(&self) {
        if self.work.is_some() {
            self.bell.rung.notified().await;
            self.bell.rung.notify_one();
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.work.is_none()
    }

    /// It goes on to the end. Says whether the message is done with.
    pub(crate) async fn end(self) -> bool {
        match self.work {
            Some(work) => work.await,
            None => true,
        }
    }
}

/// Rung when a worker can go on.
#[derive(Default)]
struct Bell {
    rung: Notify,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.notify_one();
    }
}

async fn hand(batch: Arc<batch::App>, body: String) -> bool {
    let mut record = SqsMessage::default();
    record.message_id = Some("1".to_owned());
    record.body = Some(body);
    let mut event = SqsEvent::default();
    event.records = vec![record];
    let answer = batch::handle(&batch, batch::Event::Queue(Box::new(event))).await;
    answer.unwrap().batch_item_failures.is_empty()
}

/// A batch's identity.
pub(crate) fn id(batch: &Value) -> &str {
    let id = batch.get("id").or_else(|| batch.get("batch"));
    id.and_then(Value::as_str).unwrap()
}

/// The rows of a table, each cell under its column's name.
pub(crate) fn rows(table: &[u8]) -> Vec<BTreeMap<String, String>> {
    let header = table.split(|byte| *byte == b'\n').next().unwrap();
    let separator = if header.contains(&b';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(table);
    reader.deserialize().map(Result::unwrap).collect()
}

/// The rows of JSON Lines, what is not a text as JSON has it.
pub(crate) fn json_rows(lines: &[u8]) -> Vec<BTreeMap<String, String>> {
    let rows = std::str::from_utf8(lines).unwrap().lines().map(|line| {
        let row: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        let cell = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        row.into_iter().map(|(name, value)| (name, cell(value))).collect()
    });
    rows.collect()
}

/// The cells of a column; empty where a row has none.
pub(crate) fn column<'a>(rows: &'a [BTreeMap<String, String>], name: &str) -> Vec<&'a str> {
    rows.iter()
        .map(|row| row.get(name).map_or("", String::as_str))
        .collect()
}

/// Each on a line of its own.
pub(crate) fn lines(lines: impl IntoIterator<Item = impl Display>) -> String {
    lines
        .into_iter()
        .fold(String::new(), |text, line| text + &format!("{line}\n"))
}

/// A table with a line for each person, whose references are `1`, `2` and so on.
pub(crate) fn table(persons: &[&str]) -> String {
    let rows = persons.iter().zip(1..);
    lines(
        ["person,reference".to_owned()]
            .into_iter()
            .chain(rows.map(|(person, number)| format!("{person},{number}"))),
    )
}

/// Compressed by gzip.
pub(crate) fn packed(plain: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// The code and the line that a batch failed with.
pub(crate) fn failure(summary: &Value) -> (&str, Option<u64>) {
    assert_eq!(summary["state"], "failed", "{summary}");
    let failure = &summary["failure"];
    (failure["code"].as_str().unwrap(), failure["line"].as_u64())
}

/// The body of a request for an upload.
pub(crate) fn upload(name: &str) -> Value {
    json!({ "name": name })
}
