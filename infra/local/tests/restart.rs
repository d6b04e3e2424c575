//! The stack as a process that is killed at any moment and started again on the same data: nothing is lost, and nothing
//! is sent twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::Client;
use local::{
    database::Database,
    messages::{Channel, Message},
    persons::synthetic,
    sdk,
    template::Template,
};
use reqwest::Method;
use serde_json::{Value, json};

const OLA: &str = "20914695016";
const EBOKS: &str = "922020175";
const DIGIPOST: &str = "984661185";
const AGENCY: &str = "991825827";
const MOBILE: &str = "+46701740699";

/// A running stack. Dropping it kills it.
struct Process {
    child: Child,
    url: String,
    http: reqwest::Client,
    ready_after: Duration,
}

impl Process {
    /// Starts it on a folder and waits until it is ready.
    async fn start(folder: &Path) -> Self {
        let started = Instant::now();
        let mut child = spawn(folder);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // What it prints first is the tour, which names its port.
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| Some(format!("http://{}", line.split_once("http://")?.1)))
            .expect("it prints where it is");
        let end = url.rfind(|c: char| c.is_ascii_digit()).unwrap();
        let process = Self {
            child,
            url: url[..=end].to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            ready_after: started.elapsed(),
        };
        let health = process.http.get(format!("{}/local/health", process.url)).send().await;
        assert_eq!(health.unwrap().status(), 200);
        process
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_local"))
        .args(["--port", "0", "--data"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL on Unix.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A request of the story, made with the same key as often as it is made.
struct Step {
    who: Value,
    method: Method,
    path: &'static str,
    body: Value,
    answer: u16,
}

impl Step {
    fn citizen(method: Method, path: &'static str, body: Value, answer: u16) -> Self {
        let who = json!({ "citizen": OLA });
        Self {
            who,
            method,
            path,
            body,
            answer,
        }
    }

    fn provider(organisation: &str, address: &str) -> Self {
        Self {
            who: json!({ "organisation": organisation }),
            method: Method::POST,
            path: "/v1/mailboxes",
            body: json!({ "person": OLA, "address": address }),
            answer: 201,
        }
    }
}

fn steps() -> Vec<Step> {
    let choice = |provider| json!({ "provider": provider });
    vec![
        Step::citizen(
            Method::PUT,
            "/v1/me/contact",
            json!({ "mobile": MOBILE, "language": "en" }),
            200,
        ),
        Step::citizen(Method::PUT, "/v1/me/mailbox", choice("e-boks"), 202),
        Step::provider(EBOKS, "ola.nordmann#9YDT"),
        Step::provider(DIGIPOST, "ola.nordmann#4ABC"),
        Step::citizen(Method::PUT, "/v1/me/mailbox", choice("digipost"), 200),
        Step::citizen(Method::PUT, "/v1/me/contact", json!({ "mobile": "+46701740698" }), 200),
    ]
}

impl Process {
    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.http.post(format!("{}{path}", self.url)).json(body).send().await;
        answer.unwrap().json().await.unwrap_or_default()
    }

    async fn token(&self, who: &Value) -> String {
        self.post("/local/tokens", who).await["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn request(&self, step: &Step) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(step.method.clone(), format!("{}{}", self.url, step.path));
        // Each step is another request, also where two have the same path.
        let key = format!("{} {}", step.path, step.body).replace([' ', ','], "-");
        request
            .bearer_auth(self.token(&step.who).await)
            .header("if-match", "*")
            .header("idempotency-key", key)
            .json(&step.body)
    }

    async fn advance(&self, span: &str) {
        let moved = self.post("/local/time", &json!({ "advance": span })).await;
        assert!(moved["now"].is_string(), "{moved}");
    }

    /// The answer to a step that may have been begun, or done, before the process was killed.
    async fn finish(&self, step: &Step) -> (u16, Value) {
        let answer = answer(self.request(step).await).await.unwrap();
        if answer.0 != 409 {
            return answer;
        }
        // A worker that is dead now had begun.
        self.advance("PT61S").await;
        self::answer(self.request(step).await).await.unwrap()
    }

    async fn get(&self, who: &Value, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(self.token(who).await).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

/// The answer to a request; none if the connection ends before it is there.
async fn answer(request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
    let answer = request.send().await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}

/// Plays the story; during each step the process is killed, after a number of milliseconds that `delay` gives.
/// Returns how many of the steps had been answered by then.
async fn play(folder: &Path, delay: impl Fn(usize) -> u64) -> usize {
    let mut process = Process::start(folder).await;
    let mut answered = 0;
    for (number, step) in steps().iter().enumerate() {
        let sent = tokio::spawn(answer(process.request(step).await));
        tokio::time::sleep(Duration::from_millis(delay(number))).await;
        drop(process);
        let before = sent.await.unwrap();
        process = Process::start(folder).await;
        let after = process.finish(step).await;
        assert_eq!(after.0, step.answer, "{} {}", step.path, after.1);
        if let Some(before) = before {
            assert_eq!(before, after, "{}", step.path);
            answered += 1;
        }
    }
    // What was in a queue is queued again after a quarter of an hour.
    process.advance("PT20M").await;
    process.advance("PT20M").await;
    found(&process).await;
    answered
}

/// Everything that was asked for is there, once.
async fn found(process: &Process) {
    let citizen = json!({ "citizen": OLA });
    let me = process.get(&citizen, "/v1/me").await;
    assert_eq!(me["mobile"]["number"], "+46701740698");
    let mailboxes = json!([
        { "provider": "digipost", "address": "ola.nordmann#4ABC", "state": "active" },
        { "provider": "e-boks", "address": "ola.nordmann#9YDT", "state": "registered" },
    ]);
    assert_eq!(me["mailboxes"], mailboxes);
    let history = process.get(&citizen, "/v1/me/history").await;
    let versions = history["changes"].as_array().unwrap().iter();
    let versions: Vec<_> = versions.map(|change| change["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (1..=steps().len() as u64).rev().collect::<Vec<_>>());
    let lookup = json!({ "persons": [OLA], "purpose": "Decision on a building permit" });
    let agency = process.token(&json!({ "organisation": AGENCY })).await;
    let request = process.http.post(format!("{}/v1/lookups", process.url));
    let (status, found) = answer(request.bearer_auth(agency).json(&lookup)).await.unwrap();
    assert_eq!(
        (status, &found["results"][0]["mailbox"]["provider"]),
        (200, &json!("digipost"))
    );
}

/// Every notice came to its end: sent by exactly one message, or its outcome unknown and at most one, or, a code that has
/// run out or is not needed any more, none.
async fn each_notice_was_sent_once(folder: &Path) {
    let ledger = fs::read_to_string(folder.join("messages.jsonl")).unwrap();
    let mut messages = HashMap::<(String, Channel), usize>::new();
    for line in ledger.lines() {
        let message: Message = serde_json::from_str(line).unwrap();
        *messages
            .entry((message.notice_id.unwrap(), message.channel))
            .or_default() += 1;
    }
    let database = Database::start(&Template::shipped().unwrap().tables, Some(folder))
        .await
        .unwrap();
    let client = Client::new(&sdk::config(database.url()));
    let notices = client.scan().table_name("notices").send().await.unwrap().items.unwrap();
    let mut kinds = HashMap::<String, usize>::new();
    for notice in notices {
        let text = |name: &str| notice[name].as_s().unwrap().clone();
        let channel = match text("channel").as_str() {
            "sms" => Channel::Sms,
            _ => Channel::Email,
        };
        let sent = messages.remove(&(text("id"), channel)).unwrap_or_default();
        let (kind, state) = (text("kind"), text("state"));
        match state.as_str() {
            // A report comes a second after the message: what is killed sooner is only sent.
            "sent" | "delivered" => assert_eq!(sent, 1, "{kind}"),
            "unknown" => assert!(sent <= 1, "{kind}"),
            // The process was killed before it was sent; later there is another number to prove.
            "expired" | "cancelled" if kind == "code" => assert_eq!(sent, 0),
            other => panic!("{kind} is {other}"),
        }
        *kinds.entry(kind).or_default() += 1;
    }
    assert_eq!(messages.len(), 0, "each message belongs to a notice");
    let expected = [("mailbox-chosen", 2), ("code", 2), ("address-changed", 1)];
    assert_eq!(kinds, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
}

#[tokio::test]
async fn a_stack_that_is_killed_again_and_again_loses_nothing_and_sends_nothing_twice() {
    const ROUNDS: usize = 5;
    let mut answered = 0;
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        // From before the request is read until after its SMS is out.
        let delay = |step| ((round * 13 + step * 29) % 60) as u64;
        answered += play(folder.path(), delay).await;
        each_notice_was_sent_once(folder.path()).await;
    }
    println!(
        "{answered} of {} requests were answered before the kill",
        ROUNDS * steps().len()
    );
}

#[tokio::test]
async fn a_stack_killed_while_it_starts_has_its_persons_after_the_next_start() {
    let killed = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (folder, first) in killed.iter().zip([20, 50]) {
        for milliseconds in (first..600).step_by(60) {
            let mut child = spawn(folder.path());
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let undisturbed = tempfile::tempdir().unwrap();
    let persons = async |folder| {
        let process = Process::start(folder).await;
        let persons = process.http.get(format!("{}/local/persons", process.url)).send().await;
        let persons: Value = persons.unwrap().json().await.unwrap();
        let mut seen = Vec::new();
        for person in persons.as_array().unwrap() {
            let who = json!({ "citizen": person["person"] });
            let history = process.get(&who, "/v1/me/history").await;
            let changes = history["changes"].as_array().unwrap().iter();
            seen.push(changes.map(|change| change["events"].clone()).collect::<Vec<_>>());
        }
        seen
    };
    let undisturbed = persons(undisturbed.path()).await;
    for folder in &killed {
        assert_eq!(persons(folder.path()).await, undisturbed);
    }
}

impl Process {
    /// Asks for a batch, and uploads its file. The same request after a restart is the same batch.
    async fn file(&self, content: &str) -> String {
        let agency = self.token(&json!({ "organisation": AGENCY })).await;
        let request = self.http.post(format!("{}/v1/batches", self.url)).bearer_auth(agency);
        let request = request.header("idempotency-key", "tax-2026");
        let asked = answer(request.json(&json!({ "name": "tax-2026.csv" }))).await.unwrap();
        assert_eq!(asked.0, 201, "{}", asked.1);
        if let Some(url) = asked.1["upload"]["url"].as_str() {
            let put = self.http.put(url).body(content.to_owned()).send().await.unwrap();
            assert_eq!(put.status(), 200);
        }
        asked.1["id"].as_str().unwrap().to_owned()
    }

    /// How far a batch is.
    async fn batch(&self, id: &str) -> Value {
        self.get(&json!({ "organisation": AGENCY }), &format!("/v1/batches/{id}"))
            .await
    }

    /// Waits for a batch's result.
    async fn result(&self, id: &str) -> String {
        let begun = Instant::now();
        loop {
            let batch = self.batch(id).await;
            if let Some(url) = batch["result"]["url"].as_str() {
                return self.http.get(url).send().await.unwrap().text().await.unwrap();
            }
            assert!(begun.elapsed() < Duration::from_mins(2), "{batch}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_file_that_is_worked_on_while_the_stack_is_killed_has_each_row_answered_once() {
    let persons: Vec<_> = synthetic().take(20_000).collect();
    let rows = persons.iter().enumerate();
    let rows: Vec<_> = rows.map(|(at, person)| format!("{person},case {at}\n")).collect();
    let content = format!("person,reference\n{}", rows.concat());
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path()).await;
    let id = process.file(&content).await;
    let mut killed_at = Vec::new();
    // In the first pass, among the pieces, while they are put together: sooner or later, as the machine is.
    for milliseconds in [20, 90, 160, 230, 300] {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        killed_at.push(process.batch(&id).await["state"].clone());
        drop(process);
        process = Process::start(folder.path()).await;
        assert_eq!(process.file(&content).await, id);
    }
    let result = process.result(&id).await;
    let answered: Vec<_> = result.lines().skip(1).collect();
    assert_eq!(answered.len(), persons.len(), "killed when it was {killed_at:?}");
    for (at, (row, person)) in answered.iter().zip(&persons).enumerate() {
        assert!(row.starts_with(&format!("{person},case {at},")), "{row}");
    }
    println!("killed when it was {killed_at:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_is_ready_soon_and_needs_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    println!("ready after {:?}, {kilobytes} kB resident", process.ready_after);
    // Meant are 2 s and 100 MB, of a machine that does nothing else.
    assert!(process.ready_after < Duration::from_secs(10));
    assert!(kilobytes < 150_000);
}
