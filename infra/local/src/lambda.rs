//! What Lambda gives a function with each event: the trace of its invocation.

use std::future::Future;

use infra_edge::{clock::Clock, trace};
use lambda_http::Context;
use mailbox_register::trace::Trace;
use uuid::Uuid;

/// The context of an invocation. A caller whose header names a trace is taken at its word, as API Gateway does; whatever
/// else stands in the header counts for nothing.
pub(crate) fn context(header: Option<&str>) -> Context {
    let id = Uuid::new_v4().as_u128();
    let (unique, parent) = (id >> 32, Uuid::new_v4().as_u64_pair().0);
    let began = Clock::system().now().as_second();
    let root = match header.and_then(Trace::parse) {
        Some(trace) => trace.id().to_string(),
        None => format!("1-{began:08x}-{unique:024x}"),
    };
    let mut context = Context::default();
    context.xray_trace_id = Some(format!("Root={root};Parent={parent:016x};Sampled=1;Lineage=1:local:0"));
    context
}

/// Has a function handle an event that nobody's request brings.
pub(crate) async fn invoked<F: Future>(work: F) -> F::Output {
    trace::invocation(&context(None), work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_has_its_callers_trace_or_one_of_its_own() {
        let trace = |header| Trace::parse(&context(header).xray_trace_id.unwrap());
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8";
        let (named, given) = (Trace::parse(header).unwrap(), trace(Some(header)).unwrap());
        assert_eq!(given.id(), named.id());
        assert_ne!(given, named, "another place in it");
        for header in [None, Some("Root=1-5759e988-ola@example.no"), Some("")] {
            assert!(!context(header).xray_trace_id.unwrap().contains("ola"));
        }
    }
}
