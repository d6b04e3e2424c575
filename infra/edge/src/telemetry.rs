//! What is logged and counted: ids, routes, kinds and figures. Never a body, a header, a token or a person.

use std::{sync::OnceLock, time::Duration};

use axum::http::{Method, StatusCode};
use mailbox_register::caller::Verdict;
use tracing::Subscriber;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
};

use crate::settings::Environment;

type Flush = Box<dyn Fn() -> std::io::Result<()> + Send + Sync>;

static METRICS: OnceLock<Flush> = OnceLock::new();

/// Starts JSON logs and CloudWatch metrics (embedded metric format, on the same standard output) for a function.
///
/// Called once, in `main`. Without it (in the local stack and in tests) logs and metrics go wherever those want.
pub fn start(function: &'static str, environment: &Environment<'_>) {
    let level = environment.optional("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
    if tracing::subscriber::set_global_default(logs(&level, std::io::stdout)).is_err() {
        return;
    }
    let collector = metrics_cloudwatch_embedded::Builder::new()
        .cloudwatch_namespace("MailboxRegister")
        .with_dimension("function", function)
        .init();
    if let Ok(collector) = collector {
        METRICS.get_or_init(|| Box::new(|| collector.flush(std::io::stdout())));
    }
}

/// The log, as a function writes it: a JSON object a line.
pub fn logs<W>(level: &str, writer: W) -> impl Subscriber + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // The innermost alone: it says all that those around it do, see `trace`.
        .with_current_span(true)
        .with_span_list(false)
        .with_max_level(LevelFilter::TRACE)
        .with_target(false)
        .with_writer(writer)
        .finish()
        .with(filter(level))
}

/// What is logged: the house's own crates from one level on, all others from `warn`. The SDK and HTTP crates log
/// requests and headers below that. Names and levels are all there is to filter by: `EnvFilter` takes patterns, too, and brings
/// an engine of regular expressions along.
pub fn filter(level: &str) -> Targets {
    let level = level.parse().unwrap_or(LevelFilter::WARN);
    let own = [
        "authorizer",
        "batch",
        "batches",
        "disclosures",
        "dispatch",
        "freshness",
        "infra_aws",
        "infra_edge",
        "letters",
        "lookup",
        "notify",
        "population",
        "receipts",
        "register",
    ]
    .map(|name| (name, level));
    Targets::new().with_default(LevelFilter::WARN).with_targets(own)
}

/// Writes what was counted since the last time. Called at the end of every event: Lambda may freeze after it.
pub fn flush() {
    if let Some(flush) = METRICS.get()
        && let Err(error) = flush()
    {
        tracing::warn!(%error, "metrics could not be written");
    }
}

/// One request, once it is answered.
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) route: &'a str,
    pub(crate) caller: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) duration: Duration,
    pub(crate) panicked: bool,
}

pub(crate) fn request(request: &Request<'_>) {
    let milliseconds = request.duration.as_secs_f64() * 1000.0;
    let status = request.status.as_u16();
    // A caller's fault is not ours: it is no error in our logs.
    if request.status.is_server_error() {
        tracing::error!(
            method = request.method,
            route = request.route,
            caller = request.caller,
            status,
            milliseconds,
            panicked = request.panicked,
            "failed"
        );
    } else {
        tracing::info!(
            method = request.method,
            route = request.route,
            caller = request.caller,
            status,
            milliseconds,
            "answered"
        );
    }
    metrics::counter!("Requests", "route" => request.route.to_owned(), "status" => status.to_string()).increment(1);
    metrics::histogram!("Duration", "route" => request.route.to_owned()).record(milliseconds);
    flush();
}

/// A method in common use, or `other`: a caller can write anything there.
pub(crate) fn method_label(method: &Method) -> &'static str {
    ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}

/// The kind of caller, never which.
pub(crate) const fn caller_label(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Citizen(_) => "citizen",
        Verdict::Organisation(_) => "organisation",
        Verdict::Refused { .. } => "none",
    }
}
