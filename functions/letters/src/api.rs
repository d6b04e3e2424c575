//! What the register's OpenAPI document says of this function's operations.

use axum::http::StatusCode;
use infra_edge::{
    api::{self, Answer, Endpoint, Presence},
    problem::Kind,
};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use utoipa::openapi::{HttpMethod, OpenApi};

use crate::{
    announce::Announce,
    feed::PageView,
    view::{AnnouncedView, LetterView},
};

const LETTERS: &str = "Letters";
/// What a letter is called in examples.
const ID: &str = "4dc94ab4-7f0a-4b3c-9a55-0f3d1c2b6a90";
const NAMED: &str = "The letter's identity, as its announcement was answered.";

/// This function's part of the document.
pub fn document() -> OpenApi {
    api::document([announce(), feed(), show(), opened(), cancel()])
}

fn announce() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/letters",
        LETTERS,
        "announceLetter",
        "A letter has arrived",
        "One letter for each `reference` of the organisation: the same order again gets the same answer. The answer says which \
         notices will be sent, on which channel and when, or why nobody can be notified. An agency announces its own letters \
         to anyone, a provider any sender's to persons with a mailbox of its own.",
    )
    .organisation(&[Scope::LettersWrite])
    .key(Presence::Required)
    .once()
    .body::<Announce>(vec![(
        "legal-notice",
        "An agency's own letter, with a reminder",
        json!({
            "person": "22885399316",
            "sender": { "organisation": "991825827", "sector": "public", "nameMayBeShown": true },
            "reference": "case-1",
            "legalNotice": true,
            "remind": true
        }),
    )])
    .answer(
        Answer::of::<AnnouncedView>(StatusCode::ACCEPTED, "The letter is known.")
            .example(
                "reachable",
                "An SMS, and a reminder",
                json!({ "id": ID, "notices": [
                    { "channel": "sms", "dueAt": "2026-11-23T08:00:00Z", "reminder": false },
                    { "channel": "sms", "dueAt": "2026-11-30T08:00:00Z", "reminder": true }
                ] }),
            )
            .example(
                "unreachable",
                "Nobody can be notified",
                json!({
                    "id": ID,
                    "notices": [],
                    "unreachable": { "reason": "stale", "fault": "caller", "retryable": true }
                }),
            )
            .link("showLetter", "id", "$response.body#/id")
            .link("openLetter", "id", "$response.body#/id")
            .link("cancelLetter", "id", "$response.body#/id"),
    )
    .problems(&[
        Kind::MissingField,
        Kind::InvalidValue,
        Kind::IllegalCharacter,
        Kind::InvalidIdentifier,
        Kind::InvalidReference,
        Kind::InvalidAvailability,
        Kind::InvalidLegalNotice,
        Kind::UnknownLanguage,
        Kind::ReferenceReused,
        Kind::MailboxNotFound,
        Kind::TooManyMisses,
    ])
}

fn feed() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/letters",
        LETTERS,
        "followLetters",
        "What happened to the organisation's letters",
        "`sequence` has no gaps, `number` counts the events of one letter. Ask again with `last`.",
    )
    .organisation(&[Scope::LettersWrite])
    .after()
    .limit(100, 1000)
    .answer(Answer::of::<PageView>(StatusCode::OK, "A page of what happened.").example(
        "page",
        "A letter was announced, and an SMS was sent",
        json!({
            "changes": [
                { "sequence": 1, "letter": ID, "reference": "case-1", "number": 1, "at": "2026-11-22T16:03:01Z", "event": "announced" },
                {
                    "sequence": 2, "letter": ID, "reference": "case-1", "number": 2, "at": "2026-11-23T08:00:02Z", "event": "notice",
                    "notice": "b8f4f0de-3c44-4a2e-8d55-3d3a8f0c7f11", "channel": "sms", "reminder": false, "state": "sent"
                }
            ],
            "last": 2,
            "more": false
        }),
    ))
}

fn show() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/letters/{id}",
        LETTERS,
        "showLetter",
        "What became of a letter's notices",
        "A letter that another organisation announced is not there.",
    )
    .organisation(&[Scope::LettersWrite])
    .id(NAMED)
    .answer(shown("The letter."))
}

fn opened() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/letters/{id}/opened",
        LETTERS,
        "openLetter",
        "The person has opened the letter",
        "What no provider was called for yet is called off. It can be repeated, and the first time counts.",
    )
    .organisation(&[Scope::LettersWrite])
    .id(NAMED)
    .key(Presence::Optional)
    .nothing()
    .answer(shown("The letter as it is now."))
}

fn cancel() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/letters/{id}/cancel",
        LETTERS,
        "cancelLetter",
        "Call a letter off",
        "What no provider was called for yet is called off. It can be repeated, and the first time counts.",
    )
    .organisation(&[Scope::LettersWrite])
    .id(NAMED)
    .key(Presence::Optional)
    .nothing()
    .answer(shown("The letter as it is now."))
}

fn shown(description: &str) -> Answer {
    Answer::of::<LetterView<'_>>(StatusCode::OK, description).example("letter", "An SMS was sent", letter())
}

fn letter() -> Value {
    json!({
        "id": ID,
        "reference": "case-1",
        "sender": { "organisation": "991825827", "sector": "public", "nameMayBeShown": true },
        "announcedAt": "2026-11-22T16:03:01Z",
        "availableFrom": "2026-11-22T16:03:01Z",
        "legalNotice": true,
        "remind": false,
        "notices": [{
            "id": "b8f4f0de-3c44-4a2e-8d55-3d3a8f0c7f11",
            "reminder": false,
            "at": "2026-11-23T08:00:02Z",
            "channel": "sms",
            "state": "sent",
            "history": [
                { "at": "2026-11-22T16:03:01Z", "channel": "sms", "state": "planned", "dueAt": "2026-11-23T08:00:00Z" },
                { "at": "2026-11-23T08:00:02Z", "channel": "sms", "state": "sent" }
            ]
        }]
    })
}
