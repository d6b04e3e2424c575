//! What the tests stand on: a register of their own, and callers who speak HTTP to it.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on says so by a panic"
)]

pub mod log;
pub mod tables;

use aws_sdk_dynamodb::operation::scan::ScanOutput;
use jiff::{Span, Timestamp};
use local::{
    messages::{Channel, Message},
    stack::{Options, Stack},
};
use mailbox_register::caller::{Assurance, Scope};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use uuid::Uuid;

/// Organisation number of the mailbox provider Digipost.
pub const DIGIPOST: &str = "984661185";
/// Organisation number of the mailbox provider e-Boks.
pub const EBOKS: &str = "922020175";
/// Organisation number of an agency in the directory.
pub const AGENCY: &str = "991825827";
/// A person who is not in the register when the stack starts.
pub const OLA: &str = "20914695016";

/// A scope of every kind a citizen's application may have.
pub const CITIZEN_SCOPES: [Scope; 5] = [
    Scope::OwnContactRead,
    Scope::OwnContactWrite,
    Scope::OwnMailboxRead,
    Scope::OwnMailboxWrite,
    Scope::OwnLanguageWrite,
];

/// When every stack's clock stands still: a Monday morning in Norway.
pub fn start_of_time() -> Timestamp {
    "2026-03-02T09:00:00Z".parse().unwrap()
}

/// A register of one test's own. Its clock stands still, and nothing is delivered until the test says so.
pub struct World {
    /// The stack.
    pub stack: Stack,
    client: reqwest::Client,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its JSON; null without one.
    pub body: Value,
    /// Its body as it came.
    pub text: String,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "an answer that is as expected may be all that is asked"
)]
impl Answer {
    /// The answer, which must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// The answer, which must be a problem of this kind and status.
    #[track_caller]
    pub fn problem(self, status: u16, kind: &str) -> Self {
        assert_eq!(
            (self.status.as_u16(), &self.body["type"]),
            (status, &Value::from(format!("urn:problem-type:{kind}"))),
            "{}",
            self.body
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self
    }

    /// The entry's version tag.
    #[track_caller]
    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

impl World {
    /// A new register with the test persons.
    pub async fn new() -> Self {
        Self::with(Options {
            frozen_at: Some(start_of_time()),
            ..Options::default()
        })
        .await
    }

    /// A register started with these options.
    pub async fn with(options: Options) -> Self {
        Self {
            stack: Stack::start(options).await.unwrap(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// A citizen with all scopes and the highest assurance.
    pub fn citizen(&self, person: &str) -> Caller<'_> {
        self.citizen_with(person, Assurance::High, &CITIZEN_SCOPES)
    }

    /// A citizen with an assurance and some scopes.
    pub fn citizen_with(&self, person: &str, assurance: Assurance, scopes: &[Scope]) -> Caller<'_> {
        let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let now = self.stack.clock().now();
        let token = self.stack.tokens().citizen(person, assurance, &scopes, now).unwrap();
        self.bearer(&token)
    }

    /// A provider with the scope for mailboxes.
    pub fn provider(&self, organisation: &str) -> Caller<'_> {
        self.organisation(organisation, &[Scope::MailboxWrite])
    }

    /// An agency with both scopes to see.
    pub fn agency(&self) -> Caller<'_> {
        self.organisation(AGENCY, &[Scope::ContactRead, Scope::MailboxRead])
    }

    /// An organisation with some scopes.
    pub fn organisation(&self, organisation: &str, scopes: &[Scope]) -> Caller<'_> {
        let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let now = self.stack.clock().now();
        let token = self.stack.tokens().organisation(organisation, &scopes, now).unwrap();
        self.bearer(&token)
    }

    /// Whoever has this token.
    pub fn bearer(&self, token: &str) -> Caller<'_> {
        Caller {
            world: self,
            authorization: Some(format!("Bearer {token}")),
        }
    }

    /// Somebody without a token.
    pub fn nobody(&self) -> Caller<'_> {
        Caller {
            world: self,
            authorization: None,
        }
    }

    /// Everything that was sent so far, once all that waits is delivered.
    pub async fn outbox(&self) -> Vec<Message> {
        self.stack.settle().await.unwrap();
        self.stack.messages().accepted()
    }

    /// Uploads a file as the answer of `POST /v1/batches` says.
    pub async fn upload(&self, asked: &Answer, content: impl Into<Vec<u8>>) {
        let upload = &asked.body["upload"];
        let method: Method = upload["method"].as_str().unwrap().parse().unwrap();
        let mut request = self.client.request(method, upload["url"].as_str().unwrap());
        for (name, value) in upload["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let response = request.body(content.into()).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }

    /// Every record of a look-up, as it is stored.
    pub async fn disclosures(&self) -> ScanOutput {
        let scan = self.stack.client().scan().table_name("disclosures");
        scan.send().await.unwrap()
    }

    /// The six digits of the last code sent on a channel.
    pub async fn last_code(&self, channel: Channel) -> String {
        let outbox = self.outbox().await;
        let code = outbox
            .iter()
            .rfind(|message| message.channel == channel && message.kind.as_deref() == Some("code"))
            .unwrap();
        let digits = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
        code.text
            .split(|c: char| !c.is_ascii_digit())
            .find(digits)
            .unwrap()
            .to_owned()
    }

    /// Moves the clock on; what becomes due happens at its time.
    pub async fn pass(&self, span: Span) {
        let now = self.stack.clock().now();
        let target = now.in_tz("Europe/Oslo").unwrap().checked_add(span).unwrap().timestamp();
        self.stack.advance_to(target).await.unwrap();
    }
}

/// Somebody who calls the API.
#[derive(Clone)]
pub struct Caller<'a> {
    world: &'a World,
    authorization: Option<String>,
}

impl<'a> Caller<'a> {
    /// `GET`.
    pub fn get(&self, path: &str) -> Request<'a> {
        self.request(Method::GET, path)
    }

    /// `PUT` with a body, on whatever version there is.
    pub fn put(&self, path: &str, body: &Value) -> Request<'a> {
        self.request(Method::PUT, path).header("if-match", "*").json(body)
    }

    /// `POST` with a body and a key of its own.
    pub fn post(&self, path: &str, body: &Value) -> Request<'a> {
        self.request(Method::POST, path)
            .header("idempotency-key", &Uuid::new_v4().to_string())
            .json(body)
    }

    /// `DELETE`, on whatever version there is.
    pub fn delete(&self, path: &str) -> Request<'a> {
        self.request(Method::DELETE, path).header("if-match", "*")
    }

    /// Any request, with nothing but the token.
    pub fn request(&self, method: Method, path: &str) -> Request<'a> {
        let request = Request {
            client: &self.world.client,
            method,
            url: format!("{}{path}", self.world.stack.url()),
            headers: Vec::new(),
            body: Vec::new(),
        };
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }
}

/// A request to be sent, as often as wanted.
#[derive(Clone)]
pub struct Request<'a> {
    client: &'a reqwest::Client,
    method: Method,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request<'_> {
    /// With a header in place of one of that name.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.without(name).and_header(name, value)
    }

    /// With one more header, also of a name that is there.
    #[must_use]
    pub fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Without the headers of a name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// With the caller's own name for the request.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// With a version the change may be made to.
    #[must_use]
    pub fn if_match(self, etag: &str) -> Self {
        self.header("if-match", etag)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        let bytes = serde_json::to_vec(body).unwrap();
        self.header("content-type", "application/json").bytes(bytes)
    }

    /// With any bytes as its body.
    #[must_use]
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it.
    pub async fn send(&self) -> Answer {
        let mut request = self.client.request(self.method.clone(), &self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        let response = request.body(self.body.clone()).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}
