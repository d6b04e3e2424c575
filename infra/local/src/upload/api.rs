//! The calls that an agency's system makes.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use futures_util::stream;
use reqwest::{
    Body, Client, Method, RequestBuilder, Response, StatusCode,
    header::{CONTENT_LENGTH, RETRY_AFTER},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use tokio::{fs::File, io::AsyncReadExt as _, sync::Mutex};
use uuid::Uuid;

use super::{Kind, UploadError, progress::Progress};

/// How often a call is made that is turned away for now, or to a service that is not well.
const TRIES: u32 = 10;
/// Between two of them, when nobody says how long.
const PAUSE: Duration = Duration::from_secs(1);
/// For an answer of the API, which none takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of the file that are read at a time.
const PIECE: usize = 256 * 1024;

/// What is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purpose: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compare_with: Option<&'a str>,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    AwaitingUpload,
    Received,
    Planning,
    Held,
    Working,
    Finishing,
    Done,
    Failed,
    Cancelled,
    Duplicate,
    /// One that came later than this program.
    #[serde(other)]
    Other,
}

impl State {
    /// Whether there is nothing to wait for.
    pub(super) const fn is_last(self) -> bool {
        matches!(
            self,
            Self::Held | Self::Done | Self::Failed | Self::Cancelled | Self::Duplicate
        )
    }
}

/// Why a batch failed.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    pub(super) code: String,
    pub(super) line: Option<u64>,
}

/// Where something can be fetched.
#[derive(Debug, Deserialize)]
pub(super) struct Link {
    url: String,
}

/// Where something can be put.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// How far a batch is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) upload: Option<Target>,
    pub(super) percent: Option<f64>,
    pub(super) rows: Option<u64>,
    pub(super) rows_done: Option<u64>,
    pub(super) rows_per_second: Option<f64>,
    pub(super) seconds_left: Option<f64>,
    #[serde(default)]
    pub(super) counts: Map<String, Value>,
    pub(super) fault: Option<Fault>,
    #[serde(default)]
    pub(super) hold: Vec<String>,
    pub(super) duplicate_of: Option<String>,
    pub(super) result: Option<Link>,
    pub(super) summary: Option<Link>,
}

/// A refusal of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// What is wrong.
    pub title: String,
    /// Its name for programs.
    pub code: Option<String>,
    /// The fields that it is about, and what is wrong with each.
    pub fields: Vec<(String, String)>,
}

impl Problem {
    /// The refusal in an answer: problem+json, or what a proxy or the stack itself says.
    fn read(status: StatusCode, body: &str) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Shape {
            r#type: Option<String>,
            code: Option<String>,
            title: Option<String>,
            error: Option<String>,
            message: Option<String>,
            errors: Vec<Field>,
        }
        #[derive(Deserialize)]
        struct Field {
            pointer: String,
            code: String,
        }
        let shape: Shape = serde_json::from_str(body).unwrap_or_default();
        let slug = shape.r#type.and_then(|name| Some(name.rsplit_once(':')?.1.to_owned()));
        let title = shape.title.or(shape.error).or(shape.message);
        Self {
            status: status.as_u16(),
            title: title.unwrap_or_else(|| status.canonical_reason().unwrap_or("A refusal").to_owned()),
            code: shape.code.or(slug),
            fields: shape
                .errors
                .into_iter()
                .map(|field| (field.pointer, field.code))
                .collect(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.title.trim_end_matches('.');
        match &self.code {
            Some(code) => write!(f, "The register refuses: {title} ({code}, {}).", self.status)?,
            None => write!(f, "The register refuses: {title} ({}).", self.status)?,
        }
        for (pointer, code) in &self.fields {
            write!(f, "\n  {pointer}: {code}")?;
        }
        Ok(())
    }
}

/// The register as the agency reaches it.
pub(super) struct Api {
    http: Client,
    url: String,
    organisation: String,
    /// Tokens last two minutes, files may take longer.
    token: Mutex<Option<String>>,
}

impl Api {
    pub(super) fn new(url: &str, organisation: &str) -> Result<Self, UploadError> {
        Ok(Self {
            // The stack is on this machine, behind no proxy.
            http: Client::builder().no_proxy().build()?,
            url: url.trim_end_matches('/').to_owned(),
            organisation: organisation.to_owned(),
            token: Mutex::default(),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Asks for a batch. Asked again with the same key it is the same batch.
    pub(super) async fn create(&self, order: &Order<'_>, key: Uuid) -> Result<Batch, UploadError> {
        let url = format!("{}/v1/batches", self.url);
        self.call(|| {
            let request = self.http.post(&url).json(order);
            request.header("idempotency-key", key.to_string())
        })
        .await
    }

    /// Asks how far a batch is.
    pub(super) async fn batch(&self, id: &str) -> Result<Batch, UploadError> {
        let url = format!("{}/v1/batches/{id}", self.url);
        self.call(|| self.http.get(&url)).await
    }

    async fn call<T: DeserializeOwned>(&self, request: impl Fn() -> RequestBuilder) -> Result<T, UploadError> {
        let mut renewed = false;
        let mut tries = 1;
        loop {
            let token = self.token().await?;
            let answer = self.send(request().bearer_auth(token)).await?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer.json().await?);
            }
            if status == StatusCode::UNAUTHORIZED && !renewed {
                renewed = true;
                *self.token.lock().await = None;
            } else if is_for_now(status) && tries < TRIES {
                tries += 1;
                tokio::time::sleep(pause(&answer)).await;
            } else {
                return Err(UploadError::Refused(Problem::read(status, &answer.text().await?)));
            }
        }
    }

    async fn token(&self) -> Result<String, UploadError> {
        #[derive(Deserialize)]
        struct Given {
            token: String,
        }
        let mut token = self.token.lock().await;
        if let Some(token) = &*token {
            return Ok(token.clone());
        }
        let url = format!("{}/local/tokens", self.url);
        let organisation = json!({ "organisation": self.organisation });
        let answer = self.send(self.http.post(url).json(&organisation)).await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(UploadError::Refused(Problem::read(status, &answer.text().await?)));
        }
        let given = answer.json::<Given>().await?.token;
        *token = Some(given.clone());
        Ok(given)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, UploadError> {
        request.timeout(PATIENCE).send().await.map_err(|error| {
            if error.is_connect() {
                UploadError::NothingListens(self.url.clone())
            } else {
                error.into()
            }
        })
    }

    /// Puts the file where the register wants it.
    pub(super) async fn put(
        &self,
        target: &Target,
        path: &Path,
        size: u64,
        progress: &Progress,
    ) -> Result<(), UploadError> {
        let method: Method = target.method.parse().map_err(|_| UploadError::Lacks("how to upload"))?;
        let mut tries = 1;
        loop {
            let file = File::open(path).await;
            let file = file.map_err(|error| UploadError::File(path.to_owned(), error))?;
            progress.uploading(size);
            let mut request = self.http.request(method.clone(), &target.url);
            for (name, value) in &target.headers {
                request = request.header(name, value);
            }
            // S3 wants to know it beforehand, and a stream does not.
            request = request.header(CONTENT_LENGTH, size);
            let answer = request.body(streamed(file, progress.clone())).send().await?;
            if answer.status().is_success() {
                return Ok(());
            }
            if !is_for_now(answer.status()) || tries == TRIES {
                return Err(refused_by_store(answer).await?);
            }
            tries += 1;
            tokio::time::sleep(pause(&answer)).await;
        }
    }

    /// Begins to fetch something.
    pub(super) async fn get(&self, link: &Link) -> Result<Response, UploadError> {
        let answer = self.http.get(&link.url).send().await?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(refused_by_store(answer).await?)
        }
    }
}

fn streamed(file: File, progress: Progress) -> Body {
    Body::wrap_stream(stream::try_unfold((file, progress), async |(mut file, progress)| {
        let mut piece = Vec::with_capacity(PIECE);
        file.read_buf(&mut piece).await?;
        progress.moved(piece.len());
        let next = (!piece.is_empty()).then_some((piece, (file, progress)));
        Ok::<_, std::io::Error>(next)
    }))
}

/// Whether it is worth while to try again.
fn is_for_now(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

fn pause(answer: &Response) -> Duration {
    let seconds = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs)
}

async fn refused_by_store(answer: Response) -> Result<UploadError, reqwest::Error> {
    let status = answer.status().as_u16();
    let body = answer.text().await?;
    Ok(UploadError::Store {
        status,
        code: s3_code(&body).unwrap_or("no code").to_owned(),
    })
}

/// The code in S3's answer: `<Error><Code>AccessDenied</Code>…`.
fn s3_code(body: &str) -> Option<&str> {
    Some(body.split_once("<Code>")?.1.split_once("</Code>")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_says_no_more_than_is_wanted() {
        let order = Order {
            name: "persons.csv",
            kind: Kind::Lookup,
            purpose: None,
            dry_run: false,
            compare_with: None,
        };
        assert_eq!(json!(order), json!({"name": "persons.csv", "kind": "lookup"}));
        let order = Order {
            name: "letters.jsonl.gz",
            kind: Kind::Letters,
            purpose: Some("Property tax"),
            dry_run: true,
            compare_with: Some("e1f5b0a2"),
        };
        assert_eq!(
            json!(order),
            json!({
                "name": "letters.jsonl.gz",
                "kind": "letters",
                "purpose": "Property tax",
                "dryRun": true,
                "compareWith": "e1f5b0a2",
            })
        );
    }

    #[test]
    fn a_batch_is_read_in_any_state() {
        let batch: Batch = serde_json::from_value(json!({
            "id": "b1", "state": "awaiting-upload",
            "upload": {"method": "PUT", "url": "http://127.0.0.1:1/files/a", "headers": {"x-amz-meta-kind": "lookup"},
                       "expiresAt": "2026-03-03T09:05:00Z"},
        }))
        .unwrap();
        assert_eq!(batch.state, State::AwaitingUpload);
        assert_eq!(batch.upload.unwrap().headers["x-amz-meta-kind"], "lookup");

        let batch: Batch = serde_json::from_value(json!({
            "id": "b1", "state": "held", "percent": 0, "counts": {"rows": 3}, "hold": ["many-bad-rows"],
        }))
        .unwrap();
        assert!(batch.state.is_last());
        assert_eq!(batch.hold, ["many-bad-rows"]);

        let batch: Batch = serde_json::from_value(json!({"id": "b1", "state": "resting"})).unwrap();
        assert!(!batch.state.is_last());
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_where() {
        let body = r#"{"type":"urn:problem-type:invalid-value","title":"A value is not valid.","status":400,
            "fault":"client","retryable":false,"errors":[{"pointer":"/name","code":"invalid-value"}]}"#;
        let problem = Problem::read(StatusCode::BAD_REQUEST, body);
        assert_eq!(
            problem.to_string(),
            "The register refuses: A value is not valid (invalid-value, 400).\n  /name: invalid-value"
        );
        let stack = Problem::read(StatusCode::BAD_REQUEST, r#"{"error":"an organisation is wanted"}"#);
        assert_eq!(
            stack.to_string(),
            "The register refuses: an organisation is wanted (400)."
        );
        let bare = Problem::read(StatusCode::NOT_FOUND, "gone");
        assert_eq!(bare.to_string(), "The register refuses: Not Found (404).");
    }

    #[test]
    fn the_store_says_its_reason_in_xml() {
        let body =
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        assert_eq!(s3_code(body), Some("AccessDenied"));
        assert_eq!(s3_code("<html>"), None);
    }
}
