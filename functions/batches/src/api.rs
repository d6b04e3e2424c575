//! What the register's OpenAPI document says of this function's operations.

use axum::http::StatusCode;
use infra_edge::{
    api::{self, Answer, Endpoint, Presence},
    problem::Kind,
};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use utoipa::openapi::{HttpMethod, KnownFormat, ObjectBuilder, OpenApi, SchemaFormat, Type};

use crate::{ask::Ask, show::PageView, view::BatchView};

const FILES: &str = "Files";
/// What a batch is called in examples.
const ID: &str = "2f9fb03f-51c1-4b1c-a3a1-5a4f9b0d7c66";
const NAMED: &str = "The batch's identity, as it was given when the upload was asked for.";

/// This function's part of the document.
pub fn document() -> OpenApi {
    api::document([ask(), list(), show(), approve(), cancel()])
}

fn ask() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/batches",
        FILES,
        "askForUpload",
        "Where can a file be uploaded?",
        "The answer has a request that uploads the file, for an hour. The same key gives the same batch, and another way in.",
    )
    .organisation(&[Scope::Batches])
    .key(Presence::Required)
    .body::<Ask>(vec![(
        "look-ups",
        "Persons to be looked up",
        json!({ "name": "tax.csv", "kind": "lookup", "purpose": "Tax returns", "reference": "2026" }),
    )])
    .answer(
        Answer::of::<BatchView>(StatusCode::CREATED, "The batch, and where its file can be uploaded.")
            .example("upload", "A file is waited for", awaiting())
            .link("showBatch", "id", "$response.body#/id")
            .link("approveBatch", "id", "$response.body#/id")
            .link("cancelBatch", "id", "$response.body#/id"),
    )
    .problems(&[
        Kind::MissingField,
        Kind::InvalidValue,
        Kind::IllegalCharacter,
        Kind::InvalidFileName,
        Kind::InvalidPurpose,
        Kind::InvalidReference,
        Kind::PurposeRequired,
        Kind::UnknownBatch,
        Kind::IdempotencyKeyReused,
    ])
}

fn awaiting() -> Value {
    json!({
        "id": ID,
        "state": "awaiting-upload",
        "name": "tax.csv",
        "kind": "lookup",
        "dryRun": false,
        "createdAt": "2026-11-22T16:04:00Z",
        "percent": 0,
        "rowsDone": 0,
        "upload": {
            "method": "PUT",
            "url": "https://files.example.no/uploads/991825827/tax.csv?X-Amz-Signature=0f3d",
            "headers": { "x-amz-server-side-encryption": "aws:kms" },
            "expiresAt": "2026-11-22T17:04:00Z"
        }
    })
}

fn list() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/batches",
        FILES,
        "listBatches",
        "The organisation's batches, newest first",
        "Those of the last 90 days.",
    )
    .organisation(&[Scope::Batches])
    .query(
        "before",
        "The `next` of the page before.",
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
        json!("2026-11-22T16:04:00Z"),
    )
    .limit(20, 100)
    .answer(Answer::of::<PageView>(StatusCode::OK, "A page of batches.").example(
        "page",
        "One batch",
        json!({ "batches": [done()] }),
    ))
}

fn done() -> Value {
    json!({
        "id": ID,
        "state": "done",
        "name": "tax.csv",
        "kind": "lookup",
        "dryRun": false,
        "createdAt": "2026-11-22T16:04:00Z",
        "percent": 100,
        "rows": 3,
        "rowsDone": 3,
        "counts": {
            "rows": 3,
            "outcomes": { "not-registered": 1, "registered": 2 },
            "errors": {},
            "channels": { "sms": 1 },
            "smsParts": 0,
            "duplicates": 0,
            "firstErrors": []
        }
    })
}

fn show() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/batches/{id}",
        FILES,
        "showBatch",
        "How far a file is",
        "With addresses of result and summary, for a quarter of an hour. Another organisation's batch is not there.",
    )
    .organisation(&[Scope::Batches])
    .id(NAMED)
    .answer(shown("The batch."))
}

fn approve() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/batches/{id}/approve",
        FILES,
        "approveBatch",
        "Let a held file go on",
        "A file that goes on already stays as it is.",
    )
    .organisation(&[Scope::Batches])
    .id(NAMED)
    .key(Presence::Optional)
    .nothing()
    .answer(shown("The batch as it is now."))
    .problems(&[Kind::WrongState])
}

fn cancel() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/batches/{id}/cancel",
        FILES,
        "cancelBatch",
        "Call a file off",
        "What was done with it stays done.",
    )
    .organisation(&[Scope::Batches])
    .id(NAMED)
    .key(Presence::Optional)
    .nothing()
    .answer(shown("The batch as it is now."))
    .problems(&[Kind::WrongState])
}

fn shown(description: &str) -> Answer {
    Answer::of::<BatchView>(StatusCode::OK, description).example("done", "The result is there", done())
}
