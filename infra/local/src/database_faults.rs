//! A database that fails when it is told to: a proxy in front of the embedded one, for tests.
//!
//! A call is an operation (`X-Amz-Target`) on some tables. The first rule that fits it and is not used up befalls it;
//! every call is put on record, with what befell it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition};
use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{loopback::Server, sdk};

/// DynamoDB's own limit for a request or an answer.
const LARGEST: usize = 16 * 1024 * 1024;

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `ProvisionedThroughputExceededException`; nothing is done.
    Throttled,
    /// `InternalServerError` (500); nothing is done.
    Failing,
    /// `AccessDeniedException`; nothing is done.
    Denied,
    /// `TransactionCanceledException`: another transaction on the first item was in flight; nothing is done.
    Conflict,
    /// The connection ends before anything is done.
    RequestLost,
    /// The call is done, then the connection ends: the caller cannot know.
    AnswerLost,
    /// `BatchGetItem` reads the first half of its keys, rounded down, and leaves the others as `UnprocessedKeys`.
    Unprocessed,
    /// The call stands still until [`DatabaseFaults::let_go`], and is done then.
    Held,
}

/// Which calls a fault befalls: all, unless said otherwise.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    operation: Option<&'static str>,
    table: Option<&'static str>,
    spared: u32,
    left: u32,
    by_chance: bool,
}

impl Rule {
    /// This fault, for every call.
    pub const fn new(fault: Fault) -> Self {
        Self {
            fault,
            operation: None,
            table: None,
            spared: 0,
            left: u32::MAX,
            by_chance: false,
        }
    }

    /// Only for calls of an operation, such as `PutItem`.
    #[must_use]
    pub const fn on(mut self, operation: &'static str) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only for calls that touch a table, by its physical name.
    #[must_use]
    pub const fn of(mut self, table: &'static str) -> Self {
        self.table = Some(table);
        self
    }

    /// Only after so many such calls.
    #[must_use]
    pub const fn after(mut self, calls: u32) -> Self {
        self.spared = calls;
        self
    }

    /// Only so many times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.left = times;
        self
    }

    /// Only for half of the calls. Which ones looks random, and is the same for the same calls in the same order.
    #[must_use]
    pub const fn by_half(mut self) -> Self {
        self.by_chance = true;
        self
    }
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `PutItem` and so on.
    pub operation: String,
    /// The physical names of the tables it touches, each once.
    pub tables: Vec<String>,
    /// What a role has to allow for it: an operation, and a table or index (`register/index/remind`). A transaction needs
    /// what its parts do.
    pub actions: Vec<(String, String)>,
    /// What befell it.
    pub fault: Option<Fault>,
}

/// The running proxy. Dropping it closes the port.
#[derive(Debug)]
pub struct DatabaseFaults {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: String,
    client: Client<HttpConnector, Body>,
    script: Mutex<Script>,
    /// How many calls stand still.
    held: watch::Sender<usize>,
    /// Rung when they may go on.
    let_go: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Script {
    rules: Vec<Rule>,
    calls: Vec<Call>,
}

impl Script {
    fn take(&mut self, call: &Call) -> Option<Fault> {
        let heads = is_heads(self.calls.len() as u64);
        let rule = self.rules.iter_mut().find(|rule| {
            rule.left > 0
                && rule.operation.is_none_or(|operation| operation == call.operation)
                && rule
                    .table
                    .is_none_or(|table| call.tables.iter().any(|touched| touched == table))
                && (heads || !rule.by_chance)
        })?;
        if rule.spared > 0 {
            rule.spared -= 1;
            return None;
        }
        rule.left -= 1;
        Some(rule.fault)
    }
}

/// One of two, without a pattern (the finaliser of `SplitMix64`).
const fn is_heads(number: u64) -> bool {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) & 1 == 0
}

impl DatabaseFaults {
    /// Serves on loopback in front of the database at a URL.
    ///
    /// # Errors
    /// There is no port.
    pub async fn start(database: &str) -> io::Result<Self> {
        let mut connector = HttpConnector::new();
        // Small messages: without it each waits for an acknowledgement.
        connector.set_nodelay(true);
        let shared = Arc::new(Shared {
            database: database.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            script: Mutex::default(),
            held: watch::Sender::new(0),
            let_go: watch::Sender::new(()),
        });
        let answering = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        });
        Ok(Self {
            server: Server::start(service).await?,
            shared,
        })
    }

    /// Where the SDK reaches the database that can fail.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// A client for it, with as many tries as the functions' clients in Lambda have, and shorter waits in between.
    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        let tries = RetryConfig::standard()
            .with_max_attempts(4)
            .with_initial_backoff(Duration::from_millis(10));
        // By default all clients of a process share a budget of retries: one test would use up another's.
        let budget = RetryPartition::custom(self.url().to_owned()).build();
        let config = aws_sdk_dynamodb::Config::from(&sdk::config(self.url())).to_builder();
        aws_sdk_dynamodb::Client::from_conf(config.retry_config(tries).retry_partition(budget).build())
    }

    /// Adds a rule after those there are.
    pub fn script(&self, rule: Rule) {
        self.shared.script().rules.push(rule);
    }

    /// Ends all faults and forgets the calls.
    pub fn clear(&self) {
        *self.shared.script() = Script::default();
    }

    /// Every call so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.script().calls.clone()
    }

    /// Waits until so many calls stand still.
    pub async fn held(&self, calls: usize) {
        // The sender is here, so there is always something to wait for.
        let _ = self.shared.held.subscribe().wait_for(|held| *held >= calls).await;
    }

    /// Whether a call stands still whose caller still waits for it.
    pub fn is_holding(&self) -> bool {
        *self.shared.held.borrow() > 0
    }

    /// Lets every call go on that stands still.
    pub fn let_go(&self) {
        self.shared.let_go.send_replace(());
    }
}

/// A call that stands still, until it goes on or its caller is gone.
struct Holding<'a>(&'a watch::Sender<usize>);

impl<'a> Holding<'a> {
    fn new(held: &'a watch::Sender<usize>) -> Self {
        held.send_modify(|held| *held += 1);
        Self(held)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        // Nothing in between panics.
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error closes the connection without an answer.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), LARGEST).await.map_err(io::Error::other)?;
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let operation = operation(&parts.headers);
        let mut call = Call {
            tables: tables(&asked),
            actions: actions(&operation, &asked),
            operation,
            fault: None,
        };
        let mut let_go = self.let_go.subscribe();
        {
            let mut script = self.script();
            call.fault = script.take(&call);
            script.calls.push(call.clone());
        }
        let forward = |body| self.forward(parts.method.clone(), &parts.headers, body);
        match call.fault {
            None => forward(body).await,
            Some(Fault::Throttled) => Ok(refusal(
                StatusCode::BAD_REQUEST,
                "ProvisionedThroughputExceededException",
                json!({}),
            )),
            Some(Fault::Failing) => Ok(refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerError",
                json!({}),
            )),
            Some(Fault::Denied) => Ok(refusal(StatusCode::BAD_REQUEST, "AccessDeniedException", json!({}))),
            Some(Fault::Conflict) => Ok(refusal(
                StatusCode::BAD_REQUEST,
                "TransactionCanceledException",
                json!({ "CancellationReasons": conflicts(&asked) }),
            )),
            Some(Fault::RequestLost) => Err(io::Error::other("the request is lost")),
            Some(Fault::AnswerLost) => {
                forward(body).await?;
                Err(io::Error::other("the answer is lost"))
            }
            Some(Fault::Unprocessed) => {
                let (read, unread) = halves(&asked);
                let mut answer = json!({ "Responses": {} });
                if read["RequestItems"]
                    .as_object()
                    .is_some_and(|tables| !tables.is_empty())
                {
                    let response = forward(read.to_string().into()).await?;
                    let body = to_bytes(response.into_body(), LARGEST)
                        .await
                        .map_err(io::Error::other)?;
                    answer = serde_json::from_slice(&body)?;
                }
                answer["UnprocessedKeys"] = unread;
                Ok(response(StatusCode::OK, &answer))
            }
            Some(Fault::Held) => {
                let holding = Holding::new(&self.held);
                let _ = let_go.changed().await;
                drop(holding);
                forward(body).await
            }
        }
    }

    async fn forward(&self, method: Method, headers: &HeaderMap, body: Bytes) -> Result<Response<Body>, io::Error> {
        let mut request = Request::builder().method(method).uri(&self.database);
        for (name, value) in headers {
            // The body may be another one by now.
            if name != header::CONTENT_LENGTH {
                request = request.header(name, value);
            }
        }
        let request = request.body(Body::from(body)).map_err(io::Error::other)?;
        let response = self.client.request(request).await.map_err(io::Error::other)?;
        Ok(response.map(Body::new))
    }
}

fn operation(headers: &HeaderMap) -> String {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.split_once('.'));
    operation.map_or_else(String::new, |(_, operation)| operation.to_owned())
}

fn transact_items(asked: &Value) -> impl Iterator<Item = &Value> {
    asked["TransactItems"].as_array().into_iter().flatten()
}

fn tables(asked: &Value) -> Vec<String> {
    let single = asked["TableName"].as_str().into_iter();
    let batch = asked["RequestItems"].as_object().into_iter().flat_map(Map::keys);
    let transaction = transact_items(asked)
        .filter_map(Value::as_object)
        .flat_map(Map::values)
        .filter_map(|action| action["TableName"].as_str());
    let mut tables: Vec<_> = single
        .chain(batch.map(String::as_str))
        .chain(transaction)
        .map(str::to_owned)
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

fn actions(operation: &str, asked: &Value) -> Vec<(String, String)> {
    if operation != "TransactWriteItems" {
        let index = asked["IndexName"].as_str();
        let on = |table: String| index.map_or(table.clone(), |index| format!("{table}/index/{index}"));
        let tables = tables(asked).into_iter();
        return tables.map(|table| (operation.to_owned(), on(table))).collect();
    }
    let mut actions: Vec<_> = transact_items(asked)
        .filter_map(Value::as_object)
        .flatten()
        .map(|(part, action)| {
            let table = action["TableName"].as_str().unwrap_or_default();
            // `Put` needs the right `PutItem`, and so on.
            (format!("{part}Item"), table.to_owned())
        })
        .collect();
    actions.sort_unstable();
    actions.dedup();
    actions
}

/// A reason for each item, as DynamoDB gives them: the first is to blame.
fn conflicts(asked: &Value) -> Vec<Value> {
    transact_items(asked)
        .enumerate()
        .map(|(at, _)| match at {
            0 => json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" }),
            _ => json!({ "Code": "None" }),
        })
        .collect()
}

/// The request with the first half of each table's keys, and the `RequestItems` that hold the others.
fn halves(asked: &Value) -> (Value, Value) {
    let (mut read, mut unread) = (Map::new(), Map::new());
    for (table, wanted) in asked["RequestItems"].as_object().into_iter().flatten() {
        let keys = wanted["Keys"].as_array().map_or(&[][..], Vec::as_slice);
        let (first, rest) = keys.split_at(keys.len() / 2);
        for (half, keys) in [(&mut read, first), (&mut unread, rest)] {
            if !keys.is_empty() {
                let mut wanted = wanted.clone();
                wanted["Keys"] = keys.into();
                half.insert(table.clone(), wanted);
            }
        }
    }
    let mut request = asked.clone();
    request["RequestItems"] = read.into();
    (request, unread.into())
}

fn refusal(status: StatusCode, kind: &str, mut body: Value) -> Response<Body> {
    body["__type"] = format!("com.amazonaws.dynamodb.v20120810#{kind}").into();
    body["message"] = "scripted".into();
    response(status, &body)
}

fn response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.0"),
    );
    response
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        Client,
        error::ProvideErrorMetadata as _,
        types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem},
    };

    use super::*;
    use crate::{database::Database, template::Template};

    struct Faulty {
        _database: Database,
        faults: DatabaseFaults,
        client: Client,
    }

    async fn start() -> Faulty {
        let database = Database::start(&Template::shipped().unwrap().tables, None)
            .await
            .unwrap();
        let faults = DatabaseFaults::start(database.url()).await.unwrap();
        let once = sdk::config(faults.url())
            .into_builder()
            .retry_config(RetryConfig::disabled())
            .build();
        Faulty {
            _database: database,
            faults,
            client: Client::new(&once),
        }
    }

    fn person(name: &str) -> AttributeValue {
        AttributeValue::S(name.to_owned())
    }

    impl Faulty {
        /// The code of the refusal, or "dispatch" where the connection ended.
        async fn put(&self, name: &str) -> Result<(), String> {
            let put = self.client.put_item().table_name("register");
            match put.item("person", person(name)).send().await {
                Ok(_) => Ok(()),
                Err(error) => Err(error.code().unwrap_or("dispatch").to_owned()),
            }
        }

        async fn has(&self, name: &str) -> bool {
            let get = self.client.get_item().table_name("register");
            get.key("person", person(name)).send().await.unwrap().item.is_some()
        }
    }

    #[tokio::test]
    async fn a_fault_befalls_what_its_rule_says_and_has_the_effect_that_it_has() {
        let database = start().await;
        let faults = [
            (Fault::Throttled, "ProvisionedThroughputExceededException", false),
            (Fault::Failing, "InternalServerError", false),
            (Fault::Denied, "AccessDeniedException", false),
            (Fault::RequestLost, "dispatch", false),
            (Fault::AnswerLost, "dispatch", true),
        ];
        for (fault, code, has_effect) in faults {
            let name = format!("{fault:?}");
            database
                .faults
                .script(Rule::new(fault).on("PutItem").of("register").times(1));
            assert_eq!(database.put(&name).await, Err(code.to_owned()));
            assert_eq!(database.has(&name).await, has_effect, "{name}");
            assert_eq!(database.put(&name).await, Ok(()), "{name}: once");
        }
        let calls = database.faults.calls();
        assert_eq!(calls[0].fault, Some(Fault::Throttled));
        assert_eq!((calls[1].operation.as_str(), calls[1].fault), ("GetItem", None));
        assert_eq!(calls[1].tables, ["register"]);
        assert_eq!(calls[1].actions, [("GetItem".to_owned(), "register".to_owned())]);
    }

    #[tokio::test]
    async fn a_transaction_that_conflicts_is_cancelled_as_a_whole() {
        let database = start().await;
        database.faults.script(Rule::new(Fault::Conflict).of("changes"));
        let put = |table: &str| {
            let put = Put::builder().table_name(table).item("person", person("a"));
            let put = put.item("version", AttributeValue::N("1".to_owned())).build().unwrap();
            TransactWriteItem::builder().put(put).build()
        };
        let transaction = database.client.transact_write_items();
        let transaction = transaction
            .transact_items(put("register"))
            .transact_items(put("changes"));
        let error = transaction.send().await.unwrap_err().into_service_error();
        let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            cancelled,
        ) = &error
        else {
            panic!("{error:?}");
        };
        let codes: Vec<_> = cancelled
            .cancellation_reasons()
            .iter()
            .map(|reason| reason.code().unwrap())
            .collect();
        assert_eq!(codes, ["TransactionConflict", "None"]);
        let needed = ["changes", "register"].map(|table| ("PutItem".to_owned(), table.to_owned()));
        assert_eq!(database.faults.calls()[0].actions, needed);
        assert!(!database.has("a").await);
    }

    #[tokio::test]
    async fn unprocessed_keys_come_back_and_the_others_are_read() {
        let database = start().await;
        let names = ["a", "b", "c"];
        for name in names {
            database.put(name).await.unwrap();
        }
        database.faults.script(Rule::new(Fault::Unprocessed));
        let mut unread = names.to_vec();
        for (read, left) in [(1, 2), (1, 1), (0, 1)] {
            let keys = unread
                .iter()
                .map(|name| [("person".to_owned(), person(name))].into())
                .collect();
            let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
            let batch = database.client.batch_get_item().request_items("register", keys);
            let batch = batch.send().await.unwrap();
            assert_eq!(batch.responses().unwrap().values().flatten().count(), read);
            assert_eq!(batch.unprocessed_keys().unwrap()["register"].keys().len(), left);
            unread.truncate(left);
        }
    }

    #[tokio::test]
    async fn a_held_call_is_done_when_it_is_let_go() {
        let database = start().await;
        database.faults.script(Rule::new(Fault::Held).on("PutItem"));
        let watching = async {
            database.faults.held(1).await;
            assert!(!database.has("a").await);
            database.faults.let_go();
        };
        let (put, ()) = tokio::join!(database.put("a"), watching);
        assert_eq!(put, Ok(()));
        assert!(database.has("a").await);
    }

    #[test]
    fn half_of_the_calls_is_half() {
        let heads = (0..1000).filter(|number| is_heads(*number)).count();
        assert!((450..550).contains(&heads), "{heads}");
    }
}
