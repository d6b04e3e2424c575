//! One stand-in for the two calls that reach people: SNS `Publish` to a telephone number and SES (v1) `SendEmail`.
//!
//! Both speak the AWS Query protocol, so one port serves both. Whatever is accepted stands in the ledger, in memory and, with a data folder, on
//! disk before it is answered: the ledger is what "sent once" is counted by. Faults are scripted per channel.
//!
//! What became of a message is reported a moment later, in the form in which AWS reports it: the events of SES as a queue gets them, the
//! delivery status log of SNS as a function gets it. Whoever runs the stand-in takes the reports and hands them on.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use jiff::Timestamp;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::loopback::Server;

mod email_events;
mod faults;
mod ledger;
mod reports;
mod request;
mod sms_log;

pub use email_events::{EMAIL_EVENTS_TOPIC, email_events_topic_arn};
pub use faults::{Fault, ScriptedFault};
pub use ledger::{Channel, Message};
pub use reports::Report;
pub use request::{EMAIL_KIND_TAG, EMAIL_NOTICE_TAG, SMS_KIND_ATTRIBUTE, SMS_NOTICE_ATTRIBUTE};
pub use sms_log::{SMS_LOG_FILTER, sms_delivered_log_group, sms_failed_log_group};

use faults::{Refusal, Script};
use ledger::Ledger;
use reports::{Reports, Sending};
use request::{Action, Draft};

/// SES takes 10 MB a message by default; anything near that is a mistake here.
const LARGEST_REQUEST: usize = 10 * 1024 * 1024;

/// How many messages a slow subscriber may lag behind.
const SUBSCRIBER_LAG: usize = 1024;

/// The running stand-in. Dropping it closes the port; what is on disk stays.
#[derive(Debug)]
pub struct Messages {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    state: Mutex<State>,
    accepted: broadcast::Sender<Message>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    script: Script,
    reports: Reports,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The connection ends without an answer.
#[derive(Debug)]
struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("broken off by a scripted fault")
    }
}

impl Error for BrokenOff {}

impl Messages {
    /// Serves on loopback. `clock` says when a message was accepted; the ledger in `folder` is read, and added to. Messages in it whose reports
    /// may not have been handed on before are reported again.
    ///
    /// # Errors
    /// There is no port, or the ledger on disk cannot be read.
    pub async fn start(
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        folder: Option<&Path>,
    ) -> io::Result<Self> {
        let (accepted, _) = broadcast::channel(SUBSCRIBER_LAG);
        let (ledger, sendings) = Ledger::open(folder)?;
        let shared = Arc::new(Shared {
            clock: Box::new(clock),
            state: Mutex::new(State {
                reports: Reports::open(folder, ledger.messages(), sendings),
                ledger,
                script: Script::default(),
            }),
            accepted,
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

    /// Where the SDK reaches SNS and SES.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Every message accepted, oldest first.
    pub fn accepted(&self) -> Vec<Message> {
        self.shared.state().ledger.messages().to_vec()
    }

    /// What `look` makes of every message accepted, oldest first: of many, without a copy of each.
    pub fn look<T>(&self, look: impl FnOnce(&[Message]) -> T) -> T {
        look(self.shared.state().ledger.messages())
    }

    /// Each message accepted from now on. A subscriber that lags far behind loses the oldest ones; [`Messages::accepted`] has all.
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.shared.accepted.subscribe()
    }

    /// Adds a fault. Faults of one channel befall its requests in the order in which they were added.
    pub fn script(&self, fault: ScriptedFault) {
        self.shared.state().script.add(fault);
    }

    /// The faults still to come, in their order.
    pub fn scripted(&self) -> Vec<ScriptedFault> {
        self.shared.state().script.to_come()
    }

    /// Gives and forgets the reports that are due at `now`, oldest first. Those given before count as handed on: they do not come again after a
    /// restart. So one caller takes them, and takes more only when it has handed these on.
    pub fn take_reports(&self, now: Timestamp) -> Vec<Report> {
        let State { ledger, reports, .. } = &mut *self.shared.state();
        reports.take(now, ledger.messages())
    }

    /// When the next report is due, be it now or later.
    pub fn next_report_at(&self) -> Option<Timestamp> {
        self.shared.state().reports.next_at()
    }

    /// Forgets all messages, those on disk too, all reports and faults still to come, and who opted out.
    ///
    /// # Errors
    /// The ledger on disk cannot be emptied.
    pub fn reset(&self) -> io::Result<()> {
        let mut state = self.shared.state();
        state.script = Script::default();
        state.reports.clear()?;
        state.ledger.clear()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // The ledger is appended to as the last step of a change, so a panic elsewhere has left it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, BrokenOff> {
        let signed = request
            .headers()
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256 "));
        let Ok(body) = to_bytes(Body::new(request.into_body()), LARGEST_REQUEST).await else {
            return Err(BrokenOff);
        };
        let action = match Action::parse(&body) {
            Ok(action) => action,
            Err(refusal) => return Ok(refusal.response(None)),
        };
        let channel = action.channel();
        if !signed {
            return Ok(Refusal::unsigned().response(Some(channel)));
        }
        let fault = self.state().script.take(channel);
        if let Some(fault) = fault {
            if fault == Fault::TimeoutBefore {
                return Err(BrokenOff);
            }
            if let Some(refusal) = fault.refusal(&action) {
                return Ok(refusal.response(Some(channel)));
            }
        }
        let draft = match action.check() {
            Ok(draft) => draft,
            Err(refusal) => return Ok(refusal.response(Some(channel))),
        };
        let Ok(message) = self.accept(draft, fault) else {
            return Ok(Refusal::unavailable(channel).response(Some(channel)));
        };
        if fault == Some(Fault::TimeoutAfter) {
            return Err(BrokenOff);
        }
        Ok(receipt(&message))
    }

    fn accept(&self, draft: Draft, fault: Option<Fault>) -> io::Result<Message> {
        let State { ledger, reports, .. } = &mut *self.state();
        let outcome = fault.and_then(Fault::outcome);
        let sending = Sending {
            outcome: outcome.unwrap_or_else(|| reports.usual(&draft.to)),
            ..draft.sending
        };
        let message = Message {
            at: (self.clock)(),
            channel: draft.channel,
            to: draft.to,
            subject: draft.subject,
            text: draft.text,
            html: draft.html,
            kind: draft.kind,
            notice_id: draft.notice_id,
            message_id: Uuid::new_v4().to_string(),
        };
        ledger.append(message.clone(), &sending)?;
        reports.expect(ledger.messages().len() - 1, &message, sending);
        // Nobody may be listening.
        let _ = self.accepted.send(message.clone());
        Ok(message)
    }
}

fn receipt(message: &Message) -> Response<Body> {
    let (action, namespace) = match message.channel {
        Channel::Sms => ("Publish", faults::SNS_NAMESPACE),
        Channel::Email => ("SendEmail", faults::SES_NAMESPACE),
    };
    let id = &message.message_id;
    let request = Uuid::new_v4();
    xml(
        StatusCode::OK,
        format!(
            "<{action}Response xmlns=\"{namespace}\"><{action}Result><MessageId>{id}</MessageId></{action}Result>\
             <ResponseMetadata><RequestId>{request}</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

fn xml(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

#[cfg(test)]
mod tests;
