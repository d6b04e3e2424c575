//! What the process logs, line by line as a function writes it.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use infra_edge::telemetry;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

/// All that was logged so far, by all tests of the process.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl Log {
    /// Listens to the whole process, from whichever test is the first on.
    pub(crate) fn listen() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Self::default();
            tracing::subscriber::set_global_default(telemetry::logs("info", log.clone())).unwrap();
            log
        });
        log.clone()
    }

    /// Everything, as it was written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that were written within such spans.
    pub(crate) fn lines(&self, is_meant: impl Fn(&Value) -> bool) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| is_meant(&line["span"])).collect()
    }
}
