//! The log says what happened and nothing of whom.
//!
//! A process of its own: `tracing` remembers per process whether anybody listens, and the other tests do not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../verdicts/key_server.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod key_server;
#[path = "../verdicts/signer.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod signer;
#[path = "../verdicts/world.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod world;

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

use crate::{
    key_server::Answer,
    signer::{ID_PORTEN, MASKINPORTEN, OTHER},
    world::{PERSON, World, with},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

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

#[tokio::test]
async fn outcomes_and_reasons_are_logged_and_nothing_of_the_token() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);

    let world = World::new().await;
    let citizen = world.citizen();
    let expired = with(&citizen, &json!({"exp": 0}));
    let marked_key = with(&OTHER.header(), &json!({"kid": "marked-key-id"}));
    let tokens = [
        ID_PORTEN.token(&ID_PORTEN.header(), &citizen),
        MASKINPORTEN.token(&MASKINPORTEN.header(), &world.organisation()),
        ID_PORTEN.token(&ID_PORTEN.header(), &expired),
        OTHER.token(&marked_key, &citizen),
    ];
    for token in &tokens {
        world.verdict(token).await;
    }
    world.advance(jiff::SignedDuration::from_hours(25));
    world.id_porten.answers(Answer::Status(500, json!({})));
    world.verdict(&tokens[0]).await;
    drop(guard);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in [
        r#""outcome":"citizen""#,
        r#""outcome":"organisation""#,
        r#""reason":"expired""#,
        r#""reason":"unknown-key""#,
        r#""reason":"keys-unavailable""#,
        r#""issuer":"id-porten","reason":"status","status":500"#,
    ] {
        assert!(log.contains(told), "{told} in {log}");
    }
    for token in &tokens {
        for part in token.split('.') {
            assert!(!log.contains(part));
        }
    }
    for personal in [PERSON, "marked-key-id", "a-client", "pairwise", "991825827"] {
        assert!(!log.contains(personal), "{personal}");
    }
}
