//! `/v1/me/contact`.

use axum::http::StatusCode;
use infra_edge::{
    api::{Answer, Endpoint, Presence},
    problem::Kind,
};
use mailbox_register::caller::Scope;
use serde_json::json;
use utoipa::openapi::HttpMethod;

use super::{CITIZEN, own_entry};
use crate::{
    contact::SetContact,
    validate::{SentAgain, Validate},
    view::OwnView,
};

pub(super) fn set() -> Endpoint {
    Endpoint::new(
        HttpMethod::Put,
        "/v1/me/contact",
        CITIZEN,
        "setContact",
        "Set e-mail, mobile, language",
        "What is left out stays, `null` takes an address away; of e-mail and mobile one has to be left. A new address gets \
         a code, the one it replaces is told. Whoever is not in the register comes into it.",
    )
    .citizen(&[Scope::OwnContactWrite])
    .if_match(Presence::Required)
    .key(Presence::Optional)
    .once()
    .body::<SetContact>(vec![
        (
            "both",
            "A mobile and an e-mail",
            json!({ "mobile": "+46701740699", "email": "ola@example.no", "language": "en" }),
        ),
        (
            "take-away",
            "No e-mail any more",
            json!({ "email": null, "preferredChannel": "sms" }),
        ),
    ])
    .answer(entry("The entry as it is now."))
    .problems(&[
        Kind::InvalidValue,
        Kind::IllegalCharacter,
        Kind::ContactRequired,
        Kind::NumberNotAllowed,
        Kind::EmailNotDeliverable,
        Kind::UnknownLanguage,
        Kind::UnknownChannel,
        Kind::Deleted,
        Kind::TooManyRequests,
    ])
}

pub(super) fn confirm() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/me/contact/confirm",
        CITIZEN,
        "confirmContact",
        "The contact details are still right",
        "Their freshness begins anew.",
    )
    .citizen(&[Scope::OwnContactWrite])
    .key(Presence::Required)
    .once()
    .if_match(Presence::Optional)
    .nothing()
    .answer(entry("The entry as it is now."))
    .problems(&[Kind::NotRegistered, Kind::Deleted, Kind::ContactRequired])
}

pub(super) fn validate() -> Endpoint {
    Endpoint::new(
        HttpMethod::Post,
        "/v1/me/contact/validate",
        CITIZEN,
        "validateContact",
        "Prove an address by the code that was sent to it",
        "A code is good for ten minutes and five tries. Without `code` it is sent again, once a minute and ten times a day at \
         the most.",
    )
    .citizen(&[Scope::OwnContactWrite])
    .key(Presence::Required)
    .once()
    .if_match(Presence::Optional)
    .body::<Validate>(vec![
        (
            "code",
            "The code that came by SMS",
            json!({ "channel": "sms", "code": "215626" }),
        ),
        ("again", "Send a code again", json!({ "channel": "sms" })),
    ])
    .answer(entry("The code was right: the entry as it is now."))
    .answer(
        Answer::of::<SentAgain>(StatusCode::ACCEPTED, "A code is on its way.").example(
            "again",
            "A code is on its way",
            json!({ "channel": "sms" }),
        ),
    )
    .problems(&[
        Kind::MissingField,
        Kind::InvalidValue,
        Kind::IllegalCharacter,
        Kind::UnknownChannel,
        Kind::ContactRequired,
        Kind::WrongCode,
        Kind::TooManyRequests,
        Kind::NotRegistered,
        Kind::Deleted,
    ])
}

/// An answer that is the citizen's own entry.
pub(super) fn entry(description: &str) -> Answer {
    Answer::of::<OwnView<'_>>(StatusCode::OK, description).etag().example(
        "entry",
        "An entry with both addresses and a mailbox",
        own_entry(),
    )
}
