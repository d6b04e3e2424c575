//! What the authorizer says of tokens, against real signatures and a key server on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accepted;
mod any_input;
mod event;
mod key_server;
mod key_sets;
mod refused;
mod signer;
mod world;
