//! The existing register's contract for agencies.

use axum::http::StatusCode;
use infra_edge::{
    api::{Answer, Endpoint},
    krr::{self, Changes, LookUp, Page, Persons, PrintCertificate},
    problem::Kind,
};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use utoipa::openapi::HttpMethod;

/// Scopes of today and of earlier years, of which each shows something of a person.
const SHOWING: [Scope; 7] = [
    Scope::ContactRead,
    Scope::MailboxRead,
    Scope::FormerContactRead,
    Scope::FormerNoticeRead,
    Scope::FormerLanguageRead,
    Scope::FormerMailboxRead,
    Scope::FormerCertificateRead,
];

pub(super) fn look_up_v1() -> Endpoint {
    let description = "The fields that were always documented. Unknown fields of the request are ignored.";
    look_up("/rest/v1/personer", "krrLookUpV1", description)
}

pub(super) fn look_up_v2() -> Endpoint {
    let description = "Also when an address was proved, whether it is shared, and when the person reserved. Unknown fields of \
        the request are ignored.";
    look_up("/rest/v2/personer", "krrLookUpV2", description)
}

fn look_up(path: &'static str, id: &'static str, description: &'static str) -> Endpoint {
    Endpoint::new(HttpMethod::Post, path, krr::TAG, id, "Look persons up", description)
        .organisation(&SHOWING)
        .limited()
        .tolerant_body::<LookUp>(vec![(
            "two",
            "Two persons",
            json!({ "personidentifikatorer": ["22885399316", "02907740652"] }),
        )])
        .answer(
            Answer::of::<Persons<'_>>(StatusCode::OK, "The persons, in the order of the request.")
                .quotas()
                .signed(krr::SIGNED)
                .example(
                    "two",
                    "One with a mailbox, one unknown",
                    json!({ "personer": persons() }),
                ),
        )
        .problems(&[
            Kind::AnswerTooLarge,
            Kind::MissingField,
            Kind::InvalidValue,
            Kind::InvalidIdentifier,
            Kind::TooFewIdentifiers,
            Kind::TooManyIdentifiers,
        ])
}

fn persons() -> Value {
    json!([
        {
            "personidentifikator": "22885399316",
            "reservasjon": "NEI",
            "status": "AKTIV",
            "varslingsstatus": "KAN_VARSLES",
            "kontaktinformasjon": {
                "epostadresse": "kari@example.no",
                "epostadresse_oppdatert": "2026-01-02T09:00:00Z",
                "mobiltelefonnummer": "+46701740605",
                "mobiltelefonnummer_oppdatert": "2026-01-02T09:00:00Z"
            },
            "digital_post": { "postkasseadresse": "kari.nordmann#7QRS", "postkasseleverandoeradresse": "984661185" },
            "spraak": "nb"
        },
        {
            "personidentifikator": "02907740652",
            "reservasjon": "NEI",
            "status": "IKKE_REGISTRERT",
            "varslingsstatus": "KAN_IKKE_VARSLES"
        }
    ])
}

pub(super) fn changes() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/rest/v2/krr/hentEndringer",
        krr::TAG,
        "krrShowChanges",
        "Persons who have changed, each once and as of now",
        "Of the next 1000 changes. Ask again from `tilEndringsId` until it is `sisteEndringsId`. For agencies.",
    )
    .organisation(&[Scope::ChangesRead])
    .tolerant_body::<Changes>(vec![("all", "From the first change on", json!({ "fraEndringsId": 0 }))])
    .answer(
        Answer::of::<Page<'_>>(StatusCode::OK, "A page of persons.")
            .signed(krr::SIGNED)
            .example(
                "page",
                "One person has changed",
                json!({ "list": [persons()[0]], "fraEndringsId": 0, "tilEndringsId": 8, "sisteEndringsId": 8 }),
            ),
    )
    .problems(&[
        Kind::AnswerTooLarge,
        Kind::MissingField,
        Kind::InvalidValue,
        Kind::UnknownPlace,
    ])
}

pub(super) fn print_certificate() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/rest/v2/printSertifikat",
        krr::TAG,
        "krrShowPrintCertificate",
        "What letters that are printed are encrypted for",
        "The print service's address and certificate. It is `not-found` where the directory has no print service.",
    )
    .organisation(&[
        Scope::MailboxRead,
        Scope::FormerMailboxRead,
        Scope::FormerCertificateRead,
    ])
    .answer(
        Answer::of::<PrintCertificate<'_>>(StatusCode::OK, "The print service.")
            .signed(krr::SIGNED)
            .example(
                "print",
                "A certificate, shortened",
                json!({
                    "postkasseleverandoerAdresse": "984661185",
                    "x509Sertifikat": "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+g\n-----END CERTIFICATE-----\n"
                }),
            ),
    )
    .problems(&[Kind::AnswerTooLarge, Kind::NotFound])
}
