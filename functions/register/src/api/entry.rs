//! `/v1/me`, the choice of a mailbox, and the reservation.

use axum::http::StatusCode;
use infra_edge::{
    api::{Answer, Endpoint, Presence},
    problem::Kind,
};
use mailbox_register::caller::Scope;
use serde_json::json;
use utoipa::openapi::HttpMethod;

use super::{CITIZEN, contact::entry};
use crate::mailbox::{Choose, Chosen, ChosenPending};

pub(super) fn show() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/me",
        CITIZEN,
        "showEntry",
        "The own entry",
        "What the token's scopes do not cover is left out: contact details need `krr:user/kontaktinformasjon.read`, mailboxes \
         `krr:user/digitalpost.read`.",
    )
    .citizen(&[])
    .answer(entry("The entry, or that there is none.").example(
        "none",
        "Somebody who is not in the register",
        json!({ "person": "02907740652", "status": "not-registered", "reserved": false, "canBeNotified": false }),
    ))
}

pub(super) fn delete() -> Endpoint {
    Endpoint::new(
        HttpMethod::Delete,
        "/v1/me",
        CITIZEN,
        "deleteEntry",
        "Leave the register",
        "Contact details and mailboxes are taken out.",
    )
    .citizen(&[Scope::OwnContactWrite])
    .if_match(Presence::Required)
    .key(Presence::Optional)
    .once()
    .answer(Answer::empty(
        StatusCode::NO_CONTENT,
        "The person is no longer in the register.",
    ))
    .problems(&[Kind::NotRegistered, Kind::Deleted])
}

pub(super) fn choose() -> Endpoint {
    Endpoint::new(
        HttpMethod::Put,
        "/v1/me/mailbox",
        CITIZEN,
        "chooseMailbox",
        "Choose a provider, or switch to it",
        "Where the provider has a mailbox for the person it becomes the active one at once; otherwise the choice waits for \
         the provider, and the answer says where to get a mailbox.",
    )
    .citizen(&[Scope::OwnMailboxWrite])
    .if_match(Presence::Required)
    .key(Presence::Optional)
    .once()
    .body::<Choose>(vec![("e-boks", "Choose e-Boks", json!({ "provider": "e-boks" }))])
    .answer(
        Answer::of::<Chosen<'_>>(StatusCode::OK, "Letters go there now.").etag().example(
            "active",
            "The provider has a mailbox for the person",
            json!({ "mailbox": { "provider": "e-boks", "address": "ola.nordmann#9YDT", "state": "active" } }),
        ),
    )
    .answer(
        Answer::of::<ChosenPending<'_>>(StatusCode::ACCEPTED, "The choice waits for its provider.")
            .etag()
            .example(
                "pending",
                "The provider has no mailbox for the person yet",
                json!({ "pending": {
                    "provider": "e-boks",
                    "signUp": "https://e-boks.example.no/sign-up",
                    "chosenAt": "2026-11-22T16:02:57.892Z"
                } }),
            ),
    )
    .problems(&[
        Kind::MissingField,
        Kind::InvalidValue,
        Kind::IllegalCharacter,
        Kind::UnknownProvider,
        Kind::Reserved,
        Kind::Deleted,
    ])
}

pub(super) fn withdraw() -> Endpoint {
    Endpoint::new(
        HttpMethod::Delete,
        "/v1/me/mailbox",
        CITIZEN,
        "withdrawMailbox",
        "Withdraw the choice",
        "The mailbox stays registered, and no letters go there.",
    )
    .citizen(&[Scope::OwnMailboxWrite])
    .if_match(Presence::Required)
    .key(Presence::Optional)
    .once()
    .answer(entry("The entry as it is now."))
    .problems(&[Kind::NotRegistered, Kind::Deleted])
}

pub(super) fn reserve() -> Endpoint {
    Endpoint::new(
        HttpMethod::Put,
        "/v1/me/reservation",
        CITIZEN,
        "reserve",
        "Refuse digital decisions",
        "Whoever is not in the register comes into it.",
    )
    .citizen(&[Scope::OwnMailboxWrite])
    .if_match(Presence::Required)
    .key(Presence::Optional)
    .once()
    .nothing()
    .answer(entry("The entry as it is now."))
    .problems(&[Kind::Deleted])
}

pub(super) fn undo_reservation() -> Endpoint {
    Endpoint::new(
        HttpMethod::Delete,
        "/v1/me/reservation",
        CITIZEN,
        "undoReservation",
        "Accept digital decisions again",
        "The reservation ends at once.",
    )
    .citizen(&[Scope::OwnMailboxWrite])
    .if_match(Presence::Required)
    .key(Presence::Optional)
    .once()
    .answer(entry("The entry as it is now."))
    .problems(&[Kind::NotRegistered, Kind::Deleted])
}
