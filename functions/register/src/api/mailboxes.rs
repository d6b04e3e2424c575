//! What providers do.

use axum::http::StatusCode;
use infra_edge::{
    api::{Answer, Endpoint, Presence},
    problem::Kind,
};
use mailbox_register::caller::Scope;
use serde_json::json;
use utoipa::openapi::HttpMethod;

use super::PROVIDER;
use crate::mailboxes::{About, Closed, Eligibility, RegisterMailbox, Registered};

pub(super) fn register() -> Endpoint {
    let registered = |status, description: &str| {
        Answer::of::<Registered>(status, description).example(
            "active",
            "The active mailbox, confirmed by SMS",
            json!({ "active": true, "confirmation": "sms" }),
        )
    };
    Endpoint::new(
        HttpMethod::Post,
        "/v1/mailboxes",
        PROVIDER,
        "registerMailbox",
        "Register a mailbox, or update it",
        "It becomes the active one if the citizen chose the provider, or has said nothing at all. The citizen is told then.",
    )
    .organisation(&[Scope::MailboxWrite])
    .key(Presence::Required)
    .once()
    .body::<RegisterMailbox>(vec![(
        "mailbox",
        "A mailbox without a certificate",
        json!({ "person": "20914695016", "address": "ola.nordmann#9YDT" }),
    )])
    .answer(registered(StatusCode::CREATED, "The mailbox is there."))
    .answer(registered(StatusCode::OK, "The mailbox was there, and is as asked."))
    .problems(&[
        Kind::MissingField,
        Kind::InvalidValue,
        Kind::IllegalCharacter,
        Kind::InvalidIdentifier,
        Kind::InvalidMailboxAddress,
        Kind::InvalidCertificate,
        Kind::Reserved,
        Kind::Deleted,
        Kind::TooManyMisses,
    ])
}

pub(super) fn eligibility() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/mailboxes/eligibility",
        PROVIDER,
        "askEligibility",
        "May this person choose the provider?",
        "The question is on record like a look-up, counts as one, and the person can read it.",
    )
    .organisation(&[Scope::MailboxWrite])
    .limited()
    .body::<About>(vec![("person", "One person", json!({ "person": "10915596784" }))])
    .answer(
        Answer::of::<Eligibility>(StatusCode::OK, "Whether, and if not, why.")
            .quotas()
            .example("yes", "The person may", json!({ "eligible": true }))
            .example(
                "reserved",
                "The person refuses digital decisions",
                json!({ "eligible": false, "reason": "reserved" }),
            ),
    )
    .problems(&[
        Kind::MissingField,
        Kind::IllegalCharacter,
        Kind::InvalidIdentifier,
        Kind::TooManyIdentifiers,
    ])
}

pub(super) fn close() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/mailboxes/close",
        PROVIDER,
        "closeMailbox",
        "Close the provider's mailbox",
        "To close it again is the same answer. Somebody who is not in the register is somebody without a mailbox.",
    )
    .organisation(&[Scope::MailboxWrite])
    .key(Presence::Required)
    .once()
    .body::<About>(vec![("person", "One person", json!({ "person": "22885399316" }))])
    .answer(Answer::of::<Closed>(StatusCode::OK, "The mailbox is closed.").example(
        "closed",
        "The mailbox is closed",
        json!({ "closed": true }),
    ))
    .problems(&[
        Kind::MissingField,
        Kind::IllegalCharacter,
        Kind::InvalidIdentifier,
        Kind::MailboxNotFound,
        Kind::Reserved,
        Kind::Deleted,
        Kind::TooManyMisses,
    ])
}
