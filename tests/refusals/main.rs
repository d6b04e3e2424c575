//! What is refused, and how: by status, by problem type, and with nothing but the register's own words.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod authorisation;
mod batches;
mod codes;
mod contact;
mod entries;
mod http_syntax;
mod letters;
mod persons;
mod refusal;
mod requests;
mod tokens;
