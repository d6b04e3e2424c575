//! What the register's OpenAPI document says of this function's operations.

mod rest;

use axum::http::StatusCode;
use infra_edge::{
    api::{self, Answer, Endpoint},
    problem::Kind,
};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use utoipa::openapi::{HttpMethod, ObjectBuilder, OpenApi, Type};

use crate::{
    changes::{DEFAULT_LIMIT, MAX_LIMIT, PageView},
    key_set::KeySet,
    lookups::{self, LookUp},
};

const AGENCY: &str = "Agencies";

/// This function's part of the document.
pub fn document() -> OpenApi {
    api::document([
        look_up(),
        changes(),
        rest::look_up_v1(),
        rest::look_up_v2(),
        rest::changes(),
        rest::print_certificate(),
        key_set(),
    ])
}

fn look_up() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/lookups",
        AGENCY,
        "lookUp",
        "Look persons up",
        "As many answers as persons, in their order. Somebody unknown is `not-registered`, never an error. Fields that the \
         token's scopes do not cover are left out. The look-up is on record, and the persons can read who asked and why.",
    )
    .organisation(&[Scope::ContactRead, Scope::MailboxRead])
    .limited()
    .body::<LookUp>(vec![(
        "three",
        "Three persons",
        json!({
            "persons": ["22885399316", "10915596784", "02907740652"],
            "purpose": "Decision on a building permit",
            "reference": "2026/17"
        }),
    )])
    .answer(
        Answer::of::<lookups::Answer<'_>>(StatusCode::OK, "The persons.")
            .quotas()
            .example("three", "One with a mailbox, one reserved, one unknown", json!({ "results": persons() })),
    )
    .problems(&[
        Kind::MissingField,
        Kind::InvalidValue,
        Kind::IllegalCharacter,
        Kind::InvalidIdentifier,
        Kind::TooFewIdentifiers,
        Kind::TooManyIdentifiers,
        Kind::InvalidPurpose,
        Kind::InvalidReference,
    ])
}

fn persons() -> Value {
    json!([
        {
            "person": "22885399316",
            "status": "registered",
            "reserved": false,
            "canBeNotified": true,
            "language": "nb",
            "email": {
                "address": "kari@example.no",
                "updatedAt": "2026-01-02T09:00:00Z",
                "validatedAt": "2026-01-02T09:00:00Z",
                "shared": false,
                "deliverable": true
            },
            "mailbox": { "provider": "digipost", "organisation": "984661185", "address": "kari.nordmann#7QRS" }
        },
        { "person": "10915596784", "status": "registered", "reserved": true, "canBeNotified": false, "language": "nb" },
        { "person": "02907740652", "status": "not-registered", "reserved": false, "canBeNotified": false }
    ])
}

fn changes() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/changes",
        AGENCY,
        "showChanges",
        "What happened to entries, in one order",
        "Begin with `after=0`, ask again with `last`; `more` says whether to do so at once. Each change carries the person as \
         of now, as far as the caller's scopes show one. A provider sees what concerns its own mailboxes. Every page is on \
         record as a look-up of each person on it.",
    )
    .organisation(&[Scope::ChangesRead])
    .after()
    .limit(DEFAULT_LIMIT, MAX_LIMIT)
    .query(
        "mine",
        "Only persons whom the organisation has asked about, looked up or sent a letter within 13 months.",
        ObjectBuilder::new().schema_type(Type::Boolean).default(Some(json!(false))),
        json!(true),
    )
    .answer(Answer::of::<PageView<'_>>(StatusCode::OK, "A page of changes.").example(
        "page",
        "An agency reads that somebody switched",
        json!({
            "changes": [{
                "sequence": 8,
                "at": "2026-11-22T16:02:57.892Z",
                "events": ["mailbox-activated"],
                "person": persons()[0]
            }],
            "last": 8,
            "more": false
        }),
    ))
}

fn key_set() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/.well-known/jwks.json",
        "Open to anyone",
        "showKeys",
        "The key that verifies signed answers",
        "A key set (RFC 7517). Signed answers name the key by `kid`.",
    )
    .anyone()
    .answer(Answer::of::<KeySet<'_>>(StatusCode::OK, "The keys.").example(
        "keys",
        "One key, shortened",
        json!({ "keys": [{
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": "m3RnXfbNb8nVbaAqmTPHUz9zwxBVkMSMoDVnVfDXHhk",
            "n": "sXch0V",
            "e": "AQAB"
        }] }),
    ))
}
