//! The own entry by the existing register's contract.

use axum::http::StatusCode;
use infra_edge::{
    api::{Answer, Endpoint},
    krr::{self, ChangePerson, Person},
    problem::Kind,
};
use mailbox_register::caller::Scope;
use serde_json::json;
use utoipa::openapi::HttpMethod;

pub(super) fn show() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/rest/v1/person",
        krr::TAG,
        "krrShowPerson",
        "The logged-in citizen",
        "What the token's scopes do not cover is left out.",
    )
    .citizen(&[])
    .problems(&[Kind::AnswerTooLarge])
    .answer(person())
}

pub(super) fn change() -> Endpoint {
    Endpoint::new(
        HttpMethod::Patch,
        "/rest/v1/person",
        krr::TAG,
        "krrChangePerson",
        "Change the language",
        "Whatever version of the entry there is. Unknown fields are ignored.",
    )
    .citizen(&[Scope::OwnLanguageWrite])
    .tolerant_body::<ChangePerson>(vec![(
        "english",
        "To be written to in English",
        json!({ "spraak": "en" }),
    )])
    .answer(person())
    .problems(&[
        Kind::AnswerTooLarge,
        Kind::MissingField,
        Kind::InvalidValue,
        Kind::IllegalCharacter,
        Kind::UnknownLanguage,
        Kind::ContactRequired,
        Kind::Deleted,
    ])
}

fn person() -> Answer {
    Answer::of::<Person<'_>>(StatusCode::OK, "The citizen, as the existing contract writes one.")
        .signed(krr::SIGNED)
        .example(
            "person",
            "Somebody with both addresses and a mailbox",
            json!({
                "personidentifikator": "22885399316",
                "reservasjon": "NEI",
                "status": "AKTIV",
                "varslingsstatus": "KAN_VARSLES",
                "kontaktinformasjon": {
                    "epostadresse": "kari@example.no",
                    "epostadresse_oppdatert": "2026-01-02T09:00:00Z",
                    "mobiltelefonnummer": "+46701740605",
                    "mobiltelefonnummer_oppdatert": "2026-01-02T09:00:00Z",
                    "mobiltelefonnummer_sist_verifisert": "2026-01-02T09:00:00Z"
                },
                "digital_post": { "postkasseadresse": "kari.nordmann#7QRS", "postkasseleverandoeradresse": "984661185" },
                "spraak": "en"
            }),
        )
}
