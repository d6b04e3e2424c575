//! SQS: the template's queues, in memory, served for the real SDK.
//!
//! The queues themselves (winterbaume-sqs) count visibility by the machine's clock and forget everything at the end of the process. That costs
//! nothing here: a message only names a notice, and what is lost the tick finds again in the outbox.
//! They take batches that the service refuses; those are refused here, before they get there.

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

use crate::loopback::Server;
use crate::sdk;
use crate::template::{Queue, physical_name};

/// What the region is taken from.
const SERVICE_URL: &str = "https://sqs.eu-north-1.amazonaws.com/";

/// A message, or all messages of a batch together, with their attributes (1 MiB: "Amazon SQS message quotas").
const LARGEST_MESSAGE: usize = 1024 * 1024;

/// Most entries of a batch.
const LARGEST_BATCH: usize = 10;

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
    arrivals: watch::Sender<u64>,
}

impl Queues {
    /// Creates the queues and serves them on loopback.
    ///
    /// # Errors
    /// A definition is refused, or there is no port.
    pub async fn start(queues: &BTreeMap<String, Queue>) -> Result<Self, QueuesError> {
        let (arrivals, _) = watch::channel(0);
        let shared = Shared {
            service: Arc::new(SqsService::new()),
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
    if let Err(refusal) = check(&action, &body) {
        return refusal.response();
    }
    let response = shared.service.handle(request(headers, body)).await;
    let may_show_messages = action.starts_with("SendMessage") || action.starts_with("ChangeMessageVisibility");
    if may_show_messages && response.status == StatusCode::OK.as_u16() {
        shared.arrivals.send_modify(|count| *count += 1);
    }
    passed_on(response)
}

fn passed_on(response: MockResponse) -> Response<Body> {
    let mut passed = Response::new(Body::from(response.body));
    *passed.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *passed.headers_mut() = response.headers;
    passed
}

/// What the service refuses and the queues behind would take ("Quotas" and each action's "Errors" in the SQS API reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    EmptyBatchRequest,
    TooManyEntriesInBatchRequest,
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    MessageTooLong,
    MaximumReceive,
}

impl Refusal {
    fn response(self) -> Response<Body> {
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
        };
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

fn check(action: &str, body: &[u8]) -> Result<(), Refusal> {
    // What is not JSON is refused behind.
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Ok(());
    };
    let size = |message: &Value| message["MessageBody"].as_str().map_or(0, str::len);
    match action {
        "SendMessage" if size(&body) > LARGEST_MESSAGE => Err(Refusal::MessageTooLong),
        "ReceiveMessage" => match body["MaxNumberOfMessages"].as_i64() {
            None | Some(1..=10) => Ok(()),
            Some(_) => Err(Refusal::MaximumReceive),
        },
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => {
            let entries = body["Entries"].as_array().map_or(&[][..], Vec::as_slice);
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

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::Client;
    use aws_sdk_sqs::error::ProvideErrorMetadata as _;
    use aws_sdk_sqs::types::{Message, SendMessageBatchRequestEntry};

    use super::*;
    use crate::template::{Redrive, Template};

    async fn start() -> (Queues, Client, String) {
        let queues = Queues::start(&Template::shipped().unwrap().queues).await.unwrap();
        let client = Client::new(&sdk::config(queues.url()));
        let url = queues.queue_url("SmsQueue").unwrap();
        (queues, client, url)
    }

    async fn send(client: &Client, url: &str, body: &str) {
        client
            .send_message()
            .queue_url(url)
            .message_body(body)
            .send()
            .await
            .unwrap();
    }

    async fn receive(client: &Client, url: &str) -> Vec<Message> {
        client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .send()
            .await
            .unwrap()
            .messages
            .unwrap_or_default()
    }

    fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
        SendMessageBatchRequestEntry::builder()
            .id(id)
            .message_body(body)
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn a_message_is_received_hidden_and_deleted() {
        let (_queues, client, url) = start().await;
        send(&client, &url, "n-1").await;
        let messages = receive(&client, &url).await;
        assert_eq!(messages[0].body(), Some("n-1"));
        assert!(receive(&client, &url).await.is_empty());
        client
            .delete_message()
            .queue_url(&url)
            .receipt_handle(messages[0].receipt_handle().unwrap())
            .send()
            .await
            .unwrap();
        let attributes = client
            .get_queue_attributes()
            .queue_url(&url)
            .send()
            .await
            .unwrap()
            .attributes
            .unwrap();
        let count = |name: &str| attributes[&name.into()].as_str();
        assert_eq!(count("ApproximateNumberOfMessagesNotVisible"), "0");
        assert_eq!(count("VisibilityTimeout"), "180");
        assert_eq!(count("QueueArn"), queue_arn("SmsQueue"));
    }

    #[tokio::test]
    async fn queues_are_apart() {
        let (queues, client, url) = start().await;
        send(&client, &url, "n-1").await;
        let other = queues.queue_url("EmailQueue").unwrap();
        assert!(receive(&client, &other).await.is_empty());
        assert_eq!(queues.queue_url("Nothing"), None);
    }

    #[tokio::test]
    async fn what_failed_comes_again_and_ends_in_the_dead_letter_queue() {
        let (queues, client, url) = start().await;
        let template = Template::shipped().unwrap();
        let Some(Redrive {
            queue,
            max_receive_count,
        }) = &template.queues["SmsQueue"].redrive
        else {
            panic!("no dead-letter queue");
        };
        send(&client, &url, "poison").await;
        for attempt in 1..=*max_receive_count {
            let messages = receive(&client, &url).await;
            assert_eq!(messages.len(), 1, "attempt {attempt}");
            client
                .change_message_visibility()
                .queue_url(&url)
                .receipt_handle(messages[0].receipt_handle().unwrap())
                .visibility_timeout(0)
                .send()
                .await
                .unwrap();
        }
        assert!(receive(&client, &url).await.is_empty());
        let dead = receive(&client, &queues.queue_url(queue).unwrap()).await;
        assert_eq!(dead[0].body(), Some("poison"));
    }

    #[tokio::test]
    async fn arrivals_are_announced() {
        let (queues, client, url) = start().await;
        let mut arrivals = queues.arrivals();
        assert!(!arrivals.has_changed().unwrap());
        send(&client, &url, "n-1").await;
        assert!(arrivals.has_changed().unwrap());
        arrivals.mark_unchanged();
        assert_eq!(receive(&client, &url).await.len(), 1);
        assert!(!arrivals.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_batch_of_ten_is_taken() {
        let (_queues, client, url) = start().await;
        let entries = (0..10).map(|number| entry(&number.to_string(), "n"));
        let sent = client
            .send_message_batch()
            .queue_url(&url)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .unwrap();
        assert_eq!((sent.successful().len(), sent.failed().len()), (10, 0));
        assert_eq!(receive(&client, &url).await.len(), 10);
    }

    #[tokio::test]
    async fn a_batch_that_the_service_would_refuse_is_refused() {
        let (_queues, client, url) = start().await;
        let long = "x".repeat(LARGEST_MESSAGE / 2 + 1);
        let cases = [
            (vec![], "EmptyBatchRequest"),
            (
                (0..11).map(|n| entry(&n.to_string(), "n")).collect(),
                "TooManyEntriesInBatchRequest",
            ),
            (vec![entry("a", "n"), entry("a", "n")], "BatchEntryIdsNotDistinct"),
            (vec![entry("a", &long), entry("b", &long)], "BatchRequestTooLong"),
        ];
        for (entries, code) in cases {
            let error = client
                .send_message_batch()
                .queue_url(&url)
                .set_entries(Some(entries))
                .send()
                .await
                .unwrap_err();
            let expected = format!("AWS.SimpleQueueService.{code}");
            assert_eq!(error.code(), Some(expected.as_str()));
        }
        assert!(receive(&client, &url).await.is_empty());
        let error = client
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(11)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some("InvalidParameterValue"));
    }

    #[tokio::test]
    async fn an_unknown_queue_is_refused_with_the_services_code() {
        let (queues, client, _) = start().await;
        let error = client
            .send_message()
            .queue_url(format!("{}/{}/nowhere", queues.url(), sdk::ACCOUNT))
            .message_body("n")
            .send()
            .await
            .unwrap_err();
        assert!(error.into_service_error().is_queue_does_not_exist());
    }
}
