//! An upload as the agency sees it, to a register of which only the answers are there.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use aws_sdk_s3::presigning::PresigningConfig;
use axum::{
    Json, Router,
    extract::State as Stands,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    bucket::{BucketFault, Buckets},
    loopback::Server,
    sdk,
};

const FILE: &str = "person\n20914695016\n";
const KEY: &str = "uploads/991825827/b1.csv";

/// A register that answers each look at a batch with the next of some states.
struct Register {
    buckets: Buckets,
    states: Vec<Value>,
    looks: AtomicU32,
    tokens: AtomicU32,
    calls: AtomicU32,
}

impl Register {
    fn client(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&sdk::config(self.buckets.url())).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Whether the token has not expired: each third call finds that it has.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let call = self.calls.fetch_add(1, Relaxed);
        let token = format!("Bearer token-{}", self.tokens.load(Relaxed));
        headers["authorization"] == token.as_str() && call % 3 != 2
    }
}

fn refused() -> Response {
    let problem = json!({"type": "urn:problem-type:invalid-token", "title": "The token is not valid.", "status": 401});
    (StatusCode::UNAUTHORIZED, Json(problem)).into_response()
}

async fn create(Stands(register): Stands<Arc<Register>>, headers: HeaderMap, Json(order): Json<Value>) -> Response {
    if !register.admits(&headers) {
        return refused();
    }
    assert_eq!(
        order,
        json!({"name": "persons.csv", "kind": "lookup", "purpose": "Property tax"})
    );
    assert!(headers.contains_key("idempotency-key"));
    let minute = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let put = register
        .client()
        .put_object()
        .bucket("files")
        .key(KEY)
        .metadata("kind", "lookup");
    let put = put.presigned(minute).await.unwrap();
    let with: std::collections::BTreeMap<_, _> = put.headers().collect();
    let upload =
        json!({"method": put.method(), "url": put.uri(), "headers": with, "expiresAt": "2026-03-03T08:06:00Z"});
    let batch = json!({"id": "b1", "state": "awaiting-upload", "upload": upload});
    (StatusCode::CREATED, Json(batch)).into_response()
}

async fn look(Stands(register): Stands<Arc<Register>>, headers: HeaderMap) -> Response {
    if !register.admits(&headers) {
        return refused();
    }
    let look = register.looks.fetch_add(1, Relaxed) as usize;
    let mut batch = register.states[look.min(register.states.len() - 1)].clone();
    batch["id"] = json!("b1");
    if batch["state"] == "done" {
        let minute = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
        for (what, key) in [("result", "results/b1.csv"), ("summary", "results/b1.json")] {
            let get = register
                .client()
                .get_object()
                .bucket("files")
                .key(key)
                .presigned(minute.clone());
            batch[what] = json!({"url": get.await.unwrap().uri(), "expiresAt": "2026-03-03T08:06:00Z"});
        }
    }
    Json(batch).into_response()
}

async fn token(Stands(register): Stands<Arc<Register>>, Json(who): Json<Value>) -> Json<Value> {
    assert_eq!(who, json!({"organisation": "991825827"}));
    let number = register.tokens.fetch_add(1, Relaxed) + 1;
    Json(json!({"token": format!("token-{number}")}))
}

struct Scene {
    register: Arc<Register>,
    _server: Server,
    folder: TempDir,
    options: Options,
}

impl Scene {
    async fn new(states: Vec<Value>) -> Self {
        let names = BTreeSet::from(["FilesBucket".to_owned()]);
        let register = Arc::new(Register {
            buckets: Buckets::start(&names, None).await.unwrap(),
            states,
            looks: AtomicU32::new(0),
            tokens: AtomicU32::new(0),
            calls: AtomicU32::new(0),
        });
        for (key, content) in [
            ("results/b1.csv", "person,reserved\n20914695016,false\n"),
            ("results/b1.json", r#"{"counts": {"rows": 1, "found": 1}}"#),
        ] {
            let put = register.client().put_object().bucket("files").key(key);
            put.body(content.as_bytes().to_vec().into()).send().await.unwrap();
        }
        register.buckets.take_events();
        let router = Router::new()
            .route("/local/tokens", post(token))
            .route("/v1/batches", post(create))
            .route("/v1/batches/b1", get(look))
            .with_state(Arc::clone(&register));
        let server = Server::start_router(router).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("persons.csv");
        std::fs::write(&file, FILE).unwrap();
        let options = Options {
            file,
            organisation: "991825827".to_owned(),
            kind: Kind::Lookup,
            purpose: Some("Property tax".to_owned()),
            dry_run: false,
            compare_with: None,
            url: format!("{}/", server.url()),
            out: None,
        };
        Self {
            register,
            _server: server,
            folder,
            options,
        }
    }

    async fn run(&self) -> Result<Outcome, UploadError> {
        run(&self.options, &Progress::hidden()).await
    }
}

#[tokio::test]
async fn a_file_is_sent_and_its_result_put_beside_it() {
    let scene = Scene::new(vec![
        json!({"state": "received"}),
        json!({"state": "working", "percent": 40, "rowsPerSecond": 12.5, "secondsLeft": 3}),
        json!({"state": "done", "percent": 100, "counts": {"rows": 1, "outcomes": {"found": 1}}}),
    ])
    .await;
    // The store is not well at first.
    scene
        .register
        .buckets
        .fail_next_under("uploads/", "PutObject", 1, BucketFault::SlowDown);
    let outcome = scene.run().await.unwrap();

    let [sent] = &scene.register.buckets.take_events()[..] else {
        panic!("one object")
    };
    assert_eq!((sent.key.as_str(), sent.size), (KEY, FILE.len() as u64));
    let Outcome::Done { counts, files, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(counts.len(), 2);
    let result = files.result.unwrap();
    assert_eq!(result, scene.folder.path().join("persons.csv.result.csv"));
    assert_eq!(
        std::fs::read_to_string(result).unwrap(),
        "person,reserved\n20914695016,false\n"
    );
    assert!(files.summary.unwrap().exists());
    // Nothing half is left.
    assert_eq!(std::fs::read_dir(scene.folder.path()).unwrap().count(), 3);
}

#[tokio::test]
async fn a_batch_that_is_held_is_not_waited_for() {
    let scene = Scene::new(vec![json!({"state": "held", "hold": ["many-bad-rows"]})]).await;
    let outcome = scene.run().await.unwrap();
    assert_eq!(outcome.exit_code(), 3);
    assert!(outcome.to_string().contains("Batch b1 is held: many-bad-rows."));
}

#[tokio::test]
async fn a_batch_that_fails_says_why() {
    let scene = Scene::new(vec![
        json!({"state": "failed", "fault": {"code": "no-person-column", "line": 1}}),
    ])
    .await;
    let outcome = scene.run().await.unwrap();
    assert_eq!(outcome.to_string(), "Batch b1 failed: no-person-column, in line 1.\n");
}

#[tokio::test]
async fn a_store_that_refuses_is_named_as_such() {
    let scene = Scene::new(vec![json!({"state": "received"})]).await;
    scene
        .register
        .buckets
        .fail_next_under("uploads/", "PutObject", 1, BucketFault::AccessDenied);
    let error = scene.run().await.unwrap_err();
    assert_eq!(error.to_string(), "The file store refuses: AccessDenied (403).");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn result_and_summary_are_named_after_the_file() {
    let file = Path::new("lists/persons.csv.gz");
    assert_eq!(
        beside(file, None, "result.csv"),
        Path::new("lists/persons.csv.gz.result.csv")
    );
    assert_eq!(
        beside(file, Some(Path::new("out")), "summary.json"),
        Path::new("out/persons.csv.gz.summary.json")
    );
}

#[tokio::test]
async fn where_nothing_listens_it_is_said_how_to_start_a_stack() {
    let scene = Scene::new(Vec::new()).await;
    // Port 1 is nobody's.
    let nobody = Options {
        url: "http://127.0.0.1:1/".to_owned(),
        ..scene.options.clone()
    };
    let error = run(&nobody, &Progress::hidden()).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(
        error.to_string(),
        "Nothing listens at http://127.0.0.1:1. Start a stack in another terminal with `cargo run -p local`, and try again."
    );
    let folder = Options {
        file: scene.folder.path().to_owned(),
        ..nobody
    };
    assert!(matches!(
        run(&folder, &Progress::hidden()).await,
        Err(UploadError::Name(_))
    ));
}
