//! What a piece of work follows from: shown in every line that is logged on the way, and kept with what is stored.
//!
//! A line has `span.trace`, the request that caused it all; `span.xray`, the invocation's own trace, where that is
//! another; and in HTTP functions `span.request`, which the caller was told.

use std::{fmt::Display, future::Future, pin::Pin};

use aws_lambda_events::event::sqs::SqsMessage;
use lambda_http::Context;
use mailbox_register::trace::{ATTRIBUTE, Trace};
use tracing::{Instrument as _, Span, error_span};

tokio::task_local! {
    static CURRENT: Current;
}

/// Where a task is.
#[derive(Clone, Copy, Default)]
struct Current {
    /// The invocation's own trace.
    xray: Option<Trace>,
    /// What caused the work.
    cause: Option<Trace>,
}

impl Current {
    fn get() -> Self {
        CURRENT.try_with(|current| *current).unwrap_or_default()
    }

    /// What its lines have. Errors have it at every level of the log.
    fn span(self, request: Option<&str>) -> Span {
        let xray = self
            .xray
            .filter(|xray| Some(xray.id()) != self.cause.map(|cause| cause.id()));
        error_span!(
            "work",
            request,
            trace = self.cause.map(|cause| tracing::field::display(cause.id())),
            xray = xray.map(|xray| tracing::field::display(xray.id())),
        )
    }

    async fn scope<F: Future>(self, request: Option<&str>, work: Pin<Box<F>>) -> F::Output {
        let span = self.span(request);
        CURRENT.scope(self, work.instrument(span)).await
    }
}

/// What the work at hand follows from, to be kept with what it stores.
pub fn current() -> Option<Trace> {
    Current::get().cause
}

// Work is boxed: scopes stand in each other, and each would keep a copy of the room that the one within it needs.

/// Does the work of an invocation, under the trace that Lambda gives it: never under a header of the caller's.
pub fn invocation<F: Future>(context: &Context, work: F) -> impl Future<Output = F::Output> + use<F> {
    let xray = context.xray_trace_id.as_deref().and_then(Trace::parse);
    Current { xray, cause: xray }.scope(None, Box::pin(work))
}

/// Does the work of a request, which the gateway calls so.
pub fn request<F: Future>(id: &str, work: F) -> impl Future<Output = F::Output> {
    let work = Box::pin(work);
    async move { Current::get().scope(Some(id), work).await }
}

/// Does work that follows from a request of earlier. Where that is not known, it follows from the invocation.
pub fn caused_by<F: Future>(trace: Option<Trace>, work: F) -> impl Future<Output = F::Output> {
    let work = Box::pin(work);
    async move {
        let Current { xray, cause } = Current::get();
        let cause = trace.or(cause);
        Current { xray, cause }.scope(None, work).await
    }
}

/// Handles a queue's message under the trace that it carries, and says whether that was managed. The log has why not.
pub fn message<E: Display>(
    message: &SqsMessage,
    work: impl Future<Output = Result<(), E>>,
) -> impl Future<Output = bool> {
    let handled = async move {
        let handled = work.await;
        handled
            .inspect_err(|error| tracing::error!(%error, "a message could not be handled"))
            .is_ok()
    };
    caused_by(of_message(message), handled)
}

/// The trace that a queue's message carries.
pub fn of_message(message: &SqsMessage) -> Option<Trace> {
    let attribute = message.message_attributes.get(ATTRIBUTE)?;
    Trace::parse(attribute.string_value.as_deref()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const CAUSE: &str = "Root=1-5759e900-ad862e3fe1be46a994272794;Sampled=0";

    fn context(trace: &str) -> Context {
        let mut context = Context::default();
        context.xray_trace_id = Some(trace.to_owned());
        context
    }

    #[tokio::test]
    async fn work_follows_from_its_invocation_unless_it_is_known_better() {
        let (own, cause) = (Trace::parse(OWN), Trace::parse(CAUSE));
        assert_eq!(current(), None);
        invocation(&context(OWN), async {
            assert_eq!(current(), own);
            request("id", async { assert_eq!(current(), own) }).await;
            caused_by(cause, async { assert_eq!(current(), cause) }).await;
            caused_by(None, async { assert_eq!(current(), own) }).await;
            assert_eq!(current(), own);
        })
        .await;
        invocation(&context("Root=ola@example.no"), async { assert_eq!(current(), None) }).await;
    }
}
