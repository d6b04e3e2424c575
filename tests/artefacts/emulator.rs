//! A function's built artefact under AWS's Runtime Interface Emulator: it starts the `bootstrap`, hands it events as Lambda
//! does, and gives what it answers.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::Value;

use crate::artefact;

/// How long the emulator may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A function that waits for events. Dropping it ends the emulator and the function.
pub(crate) struct Emulator {
    emulator: Child,
    port: u16,
    log: PathBuf,
    client: reqwest::Client,
}

impl Emulator {
    /// Starts a function in this environment and no other.
    pub(crate) async fn start(function: &str, environment: &BTreeMap<String, String>) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let bootstrap = artefact::bootstrap(function);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = std::env::temp_dir().join(format!("{function}-{}-{number}.log", std::process::id()));
        let output = File::create(&log).unwrap();
        // Two ports nobody uses: both are asked for before either is given back.
        let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let [port, runtime_api] = listeners.map(|listener| listener.local_addr().unwrap().port());
        let emulator = Command::new(artefact::emulator())
            .arg("--runtime-interface-emulator-address")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--runtime-api-address")
            .arg(format!("127.0.0.1:{runtime_api}"))
            .arg(&bootstrap)
            .current_dir(bootstrap.parent().unwrap())
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let started = Self {
            emulator,
            port,
            log,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < PATIENCE,
                "the emulator does not listen: {}",
                started.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        started
    }

    /// What the function answers to an event.
    pub(crate) async fn invoke(&self, event: &Value) -> Value {
        self.invoke_bytes(event.to_string()).await
    }

    /// What the function answers to whatever this is.
    pub(crate) async fn invoke_bytes(&self, event: impl Into<Vec<u8>>) -> Value {
        let (status, body) = self.try_invoke(event).await;
        assert_eq!(status, StatusCode::OK, "{body} {}", self.log());
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body} {}", self.log()))
    }

    /// The same, if it answers: the emulator's status, and what it passes on.
    pub(crate) async fn try_invoke(&self, event: impl Into<Vec<u8>>) -> (StatusCode, String) {
        let url = format!(
            "http://127.0.0.1:{}/2015-03-31/functions/function/invocations",
            self.port
        );
        let answer = self.client.post(url).body(event.into()).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// The function's process; none if it does not run.
    pub(crate) fn process(&self) -> Option<u32> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.emulator.id())).unwrap();
        let children = threads
            .flatten()
            .map(|thread| fs::read_to_string(thread.path().join("children")));
        children
            .flatten()
            .find_map(|pids| pids.split_whitespace().next()?.parse().ok())
    }

    /// What the emulator and the function have written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let both = self.process().into_iter().chain([self.emulator.id()]);
        let pids: Vec<String> = both.map(|pid| pid.to_string()).collect();
        // Asked, the emulator leaves a function behind that does not listen.
        let _ = Command::new("sh")
            .args(["-c", &format!("kill -KILL {}", pids.join(" "))])
            .status();
        let _ = self.emulator.wait();
        let _ = fs::remove_file(&self.log);
    }
}
