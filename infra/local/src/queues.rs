//! SQS: the template's queues, in memory, served for the real SDK.
//!
//! The queues themselves (winterbaume-sqs) count visibility by the machine's clock and forget everything at the end of
//! the process. That costs nothing here: a message only names a notice, and what is lost the tick finds again in the
//! outbox. They take batches that the service refuses; those are refused here, before they get there.
//!
//! # Fair queues
//!
//! In AWS a standard queue is fair: when one tenant has a backlog, the messages of the others are received first, and
//! none is held back while another of the same tenant is in flight. A tenant is a `MessageGroupId`; every message
//! without one is a tenant of its own ("How Amazon SQS fair queues work"). winterbaume takes the group and forgets it,
//! so which message is received next is decided here (`queues/fair.rs`): tenants take turns, one message each, and one
//! that has 30 messages or more in flight comes after all that have fewer. AWS starts to reorder only once it has seen
//! a tenant be noisy, by shares of what is in flight and of processing time that it calls approximate; a short backlog
//! is therefore received in a fairer order here than there. Neither promises an order. Messages without a group are
//! received oldest first, as from a queue that is not fair.
//!
//! FIFO queues are not told apart: the template has none.

mod backend;
mod fair;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::watch;
use winterbaume_core::{MockRequest, MockResponse, MockService as _};
use winterbaume_sqs::SqsService;

use self::backend::FairBackend;
use crate::loopback::Server;
use crate::sdk;
use crate::template::{Queue, physical_name};

/// What the region is taken from.
const SERVICE_URL: &str = "https://sqs.eu-north-1.amazonaws.com/";

/// A message, or all messages of a batch together, with their attributes (1 MiB: "Amazon SQS message quotas").
const LARGEST_MESSAGE: usize = 1024 * 1024;

/// Most entries of a batch.
const LARGEST_BATCH: usize = 10;

/// Most characters of a `MessageGroupId`.
const LONGEST_GROUP: usize = 128;

/// The system attribute that a message's group is given back in.
const GROUP: &str = "MessageGroupId";

/// The system attribute that a message's trace header is sent and given back in.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// Where it is kept meanwhile: the queues behind keep a message's own attributes, and none is called so, because the
/// service keeps names that begin with `AWS.` to itself.
const KEPT_TRACE_HEADER: &str = "AWS.TraceHeader";

/// Why the queues cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum QueuesError {
    /// No port can be had.
    #[error("queues: {0}")]
    Io(#[from] io::Error),
    /// A definition is refused.
    #[error("queue {queue}: {answer}")]
    Refused {
        /// Logical id of the queue.
        queue: String,
        /// What the service answered.
        answer: String,
    },
}

/// The running queues. Dropping it closes the port and forgets all messages.
#[derive(Debug)]
pub struct Queues {
    server: Server,
    names: BTreeMap<String, String>,
    arrivals: watch::Sender<u64>,
}

#[derive(Clone)]
struct Shared {
    service: Arc<SqsService>,
    backend: Arc<FairBackend>,
    arrivals: watch::Sender<u64>,
}

impl Queues {
    /// Creates the queues and serves them on loopback.
    ///
    /// # Errors
    /// A definition is refused, or there is no port.
    pub async fn start(queues: &BTreeMap<String, Queue>) -> Result<Self, QueuesError> {
        let (arrivals, _) = watch::channel(0);
        let backend = Arc::new(FairBackend::new());
        let shared = Shared {
            service: Arc::new(SqsService::with_backend(backend.clone())),
            backend,
            arrivals: arrivals.clone(),
        };
        for (id, queue) in queues {
            create(&shared.service, id, queue).await?;
        }
        let router = Router::new()
            .fallback(answer)
            // More than the service takes, so that it is the service's own refusal that is seen.
            .layer(DefaultBodyLimit::max(4 * LARGEST_MESSAGE))
            .with_state(shared);
        Ok(Self {
            server: Server::start_router(router).await?,
            names: queues.keys().map(|id| (id.clone(), queue_name(id))).collect(),
            arrivals,
        })
    }

    /// Where the SDK reaches the service.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The URL of the queue with this logical id, as a function is given it.
    pub fn queue_url(&self, logical_id: &str) -> Option<String> {
        let name = self.names.get(logical_id)?;
        Some(format!("{}/{}/{name}", self.server.url(), sdk::ACCOUNT))
    }

    /// Changes whenever a message may have become visible by a request: no need to poll faster than queues' own timeouts.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }
}

/// The name of the queue with this logical id: `SmsQueue` → `sms`.
pub fn queue_name(logical_id: &str) -> String {
    physical_name(logical_id, "Queue")
}

/// The ARN of the queue with this logical id.
pub fn queue_arn(logical_id: &str) -> String {
    format!(
        "arn:aws:sqs:{}:{}:{}",
        sdk::REGION,
        sdk::ACCOUNT,
        queue_name(logical_id)
    )
}

async fn create(service: &SqsService, id: &str, queue: &Queue) -> Result<(), QueuesError> {
    let mut attributes = json!({
        "VisibilityTimeout": queue.visibility_timeout.to_string(),
        "MessageRetentionPeriod": queue.retention.to_string(),
    });
    if let Some(redrive) = &queue.redrive {
        let policy = json!({
            "deadLetterTargetArn": queue_arn(&redrive.queue),
            "maxReceiveCount": redrive.max_receive_count,
        });
        attributes["RedrivePolicy"] = json!(policy.to_string());
    }
    let body = json!({"QueueName": queue_name(id), "Attributes": attributes});
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_static("AmazonSQS.CreateQueue"));
    let response = service.handle(request(headers, body.to_string().into())).await;
    if response.status == StatusCode::OK.as_u16() {
        return Ok(());
    }
    Err(QueuesError::Refused {
        queue: id.to_owned(),
        answer: String::from_utf8_lossy(&response.body).into_owned(),
    })
}

fn request(headers: HeaderMap, body: Bytes) -> MockRequest {
    MockRequest {
        method: "POST".to_owned(),
        uri: SERVICE_URL.to_owned(),
        headers,
        body,
    }
}

async fn answer(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let action = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.strip_prefix("AmazonSQS."))
        .unwrap_or_default()
        .to_owned();
    // What is not JSON reads as empty, and is refused here or behind.
    let mut input: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Err(refusal) = check(&action, &input) {
        return refusal.response();
    }
    let failed = take_refused(&action, &mut input);
    let kept = keep_trace_headers(&action, &mut input);
    let body = if failed.is_empty() && !kept {
        body
    } else {
        input.to_string().into()
    };
    let mut response = shared.service.handle(request(headers, body)).await;
    if response.status == StatusCode::OK.as_u16() {
        if action.starts_with("SendMessage") || action.starts_with("ChangeMessageVisibility") {
            shared.arrivals.send_modify(|count| *count += 1);
        }
        if !failed.is_empty() {
            rewrite(&mut response, |output| output["Failed"] = failed.into());
        }
        if action == "ReceiveMessage" {
            rewrite(&mut response, |output| {
                if asks_for(&input, GROUP) {
                    name_groups(&shared.backend, &input, output);
                }
                give_trace_headers_back(&input, output);
            });
        }
    }
    passed_on(response)
}

fn rewrite(response: &mut MockResponse, change: impl FnOnce(&mut Value)) {
    if let Ok(mut output) = serde_json::from_slice::<Value>(&response.body) {
        change(&mut output);
        response.body = output.to_string().into();
    }
}

fn asks_for(input: &Value, attribute: &str) -> bool {
    // The latter is the deprecated name of the former.
    ["MessageSystemAttributeNames", "AttributeNames"]
        .iter()
        .filter_map(|list| input[list].as_array())
        .flatten()
        .any(|name| name == attribute || name == "All")
}

/// Gives the received messages their groups, which the queues behind do not tell.
fn name_groups(backend: &FairBackend, input: &Value, output: &mut Value) {
    let queue = input["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next());
    let messages = output.get_mut("Messages").and_then(Value::as_array_mut);
    for message in messages.into_iter().flatten() {
        let group = message["ReceiptHandle"]
            .as_str()
            .and_then(|handle| backend.group(queue?, handle));
        if let Some(group) = group {
            message["Attributes"][GROUP] = json!(*group);
        }
    }
}

/// Puts the trace headers of sent messages where the queues behind keep them. Says whether there were any.
fn keep_trace_headers(action: &str, input: &mut Value) -> bool {
    let messages = match action {
        "SendMessage" => std::slice::from_mut(input),
        "SendMessageBatch" => input["Entries"].as_array_mut().map_or(&mut [][..], Vec::as_mut_slice),
        _ => return false,
    };
    let mut any = false;
    for message in messages {
        let sent = message
            .get_mut("MessageSystemAttributes")
            .and_then(Value::as_object_mut);
        if let Some(header) = sent.and_then(|sent| sent.remove(TRACE_HEADER)) {
            message["MessageAttributes"][KEPT_TRACE_HEADER] = header;
            any = true;
        }
    }
    any
}

/// Gives received messages their trace headers, to whoever asks for them.
fn give_trace_headers_back(input: &Value, output: &mut Value) {
    let messages = output.get_mut("Messages").and_then(Value::as_array_mut);
    for message in messages.into_iter().flatten() {
        let own = message.get_mut("MessageAttributes").and_then(Value::as_object_mut);
        let Some(mut header) = own.and_then(|own| own.remove(KEPT_TRACE_HEADER)) else {
            continue;
        };
        if asks_for(input, TRACE_HEADER) {
            message["Attributes"][TRACE_HEADER] = header["StringValue"].take();
        }
    }
}

fn passed_on(response: MockResponse) -> Response<Body> {
    let mut passed = Response::new(Body::from(response.body));
    *passed.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *passed.headers_mut() = response.headers;
    passed
}

/// What the service refuses and the queues behind would take ("Quotas" and each action's "Errors" in the SQS API
/// reference).
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    EmptyBatchRequest,
    TooManyEntriesInBatchRequest,
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    MessageTooLong,
    MaximumReceive,
    Group(String),
}

impl Refusal {
    fn code_and_message(&self) -> (&'static str, Cow<'static, str>) {
        let (code, message) = match self {
            Self::EmptyBatchRequest => (
                "AWS.SimpleQueueService.EmptyBatchRequest",
                "There should be at least one entry in the request.",
            ),
            Self::TooManyEntriesInBatchRequest => (
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                "Maximum number of entries per request are 10.",
            ),
            Self::BatchEntryIdsNotDistinct => (
                "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
                "Two or more batch entries in the request have the same Id.",
            ),
            Self::BatchRequestTooLong => (
                "AWS.SimpleQueueService.BatchRequestTooLong",
                "Batch requests cannot be longer than 1048576 bytes.",
            ),
            Self::MessageTooLong => (
                "InvalidParameterValue",
                "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
            ),
            Self::MaximumReceive => (
                "InvalidParameterValue",
                "Value for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
            ),
            Self::Group(group) => {
                let message = format!(
                    "Value {group} for parameter {GROUP} is invalid. Reason: {GROUP} can only include alphanumeric and \
                     punctuation characters. 1 to {LONGEST_GROUP} in length."
                );
                return ("InvalidParameterValue", message.into());
            }
        };
        (code, message.into())
    }

    fn response(&self) -> Response<Body> {
        let (code, message) = self.code_and_message();
        let body = json!({"__type": code, "message": message}).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.0"),
        );
        response
    }
}

fn check(action: &str, input: &Value) -> Result<(), Refusal> {
    let size = |message: &Value| message["MessageBody"].as_str().map_or(0, str::len);
    match action {
        "SendMessage" if size(input) > LARGEST_MESSAGE => Err(Refusal::MessageTooLong),
        "SendMessage" => check_group(input),
        "ReceiveMessage" => match input["MaxNumberOfMessages"].as_i64() {
            None | Some(1..=10) => Ok(()),
            Some(_) => Err(Refusal::MaximumReceive),
        },
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => {
            let entries = input["Entries"].as_array().map_or(&[][..], Vec::as_slice);
            let ids: BTreeSet<Option<&str>> = entries.iter().map(|entry| entry["Id"].as_str()).collect();
            if entries.is_empty() {
                Err(Refusal::EmptyBatchRequest)
            } else if entries.len() > LARGEST_BATCH {
                Err(Refusal::TooManyEntriesInBatchRequest)
            } else if ids.len() < entries.len() {
                Err(Refusal::BatchEntryIdsNotDistinct)
            } else if entries.iter().map(size).sum::<usize>() > LARGEST_MESSAGE {
                Err(Refusal::BatchRequestTooLong)
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }
}

fn check_group(message: &Value) -> Result<(), Refusal> {
    match message[GROUP].as_str() {
        Some(group) if !is_group(group) => Err(Refusal::Group(group.to_owned())),
        _ => Ok(()),
    }
}

fn is_group(group: &str) -> bool {
    (1..=LONGEST_GROUP).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Takes out of a batch the messages that the service refuses one by one. Returns their entries in the response.
fn take_refused(action: &str, input: &mut Value) -> Vec<Value> {
    let mut failed = Vec::new();
    if action == "SendMessageBatch"
        && let Some(entries) = input["Entries"].as_array_mut()
    {
        entries.retain(|entry| {
            let Err(refusal) = check_group(entry) else { return true };
            let (code, message) = refusal.code_and_message();
            failed.push(json!({"Id": entry["Id"], "SenderFault": true, "Code": code, "Message": message}));
            false
        });
    }
    failed
}

#[cfg(test)]
mod tests;
