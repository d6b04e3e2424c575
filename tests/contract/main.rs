//! The existing register's contract: what its documentation shows, and what its clients read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod citizen;
mod clients;
mod documented;
mod readers;
mod refusals;
mod scopes;
mod signed;

use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, DIGIPOST, Request, World};

/// E-mail and mobile, both validated, and a mailbox with Digipost.
const KARI: &str = "22885399316";
/// Reserved; has e-mail and mobile.
const ANNE: &str = "10915596784";
/// Was in the register and left it.
const NILS: &str = "49860699787";
/// Never in the register.
const UNKNOWN: &str = "02907740652";

fn persons(persons: &[&str]) -> Value {
    json!({ "personidentifikatorer": persons })
}

/// A look-up as clients make it: no key, no purpose.
fn look_up<'a>(caller: &Caller<'a>, version: u8, of: &[&str]) -> Request<'a> {
    let path = format!("/rest/v{version}/personer");
    caller.request(reqwest::Method::POST, &path).json(&persons(of))
}

/// An agency by what its token says.
fn with_scopes<'a>(world: &'a World, scopes: &[&str]) -> Caller<'a> {
    let now = world.stack.clock().now();
    let token = world.stack.tokens().organisation(AGENCY, scopes, now).unwrap();
    world.bearer(&token)
}

/// A person's mailbox with Digipost gets a certificate, which is returned.
async fn give_certificate(world: &World, person: &str, address: &str) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["mailbox.example.no".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem();
    let body = json!({ "person": person, "address": address, "certificate": pem });
    let provider = world.organisation(DIGIPOST, &[Scope::MailboxWrite]);
    provider.post("/v1/mailboxes", &body).send().await.expect(200);
    pem
}
