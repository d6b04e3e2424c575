//! What the process logs, line by line as a function writes it.

use std::sync::OnceLock;

use infra_edge::telemetry;
use serde_json::Value;
use stories::log::Log;

/// Listens to the whole process, from whichever test is the first on.
pub(crate) fn listen() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        tracing::subscriber::set_global_default(telemetry::logs("info", log.clone())).unwrap();
        log
    });
    log.clone()
}

/// The lines that were written within such spans.
pub(crate) fn within(log: &Log, is_meant: impl Fn(&Value) -> bool) -> Vec<Value> {
    let text = log.text();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &Value| is_meant(&line["span"])).collect()
}
