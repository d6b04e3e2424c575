//! What changed, and who was told of the citizen.

use axum::http::StatusCode;
use infra_edge::api::{Answer, Endpoint};
use mailbox_register::caller::Scope;
use serde_json::json;
use utoipa::openapi::{HttpMethod, ObjectBuilder, Type};

use super::CITIZEN;
use crate::{disclosures::DisclosuresView, history::History};

pub(super) fn history() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/me/history",
        CITIZEN,
        "showHistory",
        "What changed, newest first",
        "What happened under former identity numbers comes after. A page can be shorter than asked for, and still have a \
         next one.",
    )
    .citizen(&[Scope::OwnContactRead])
    .query(
        "before",
        "The `next` of the page before.",
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^(0|[1-9][0-9]{0,18})(-(0|[1-9][0-9]{0,18}))?$")),
        json!("0-7"),
    )
    .limit(50, 100)
    .answer(Answer::of::<History>(StatusCode::OK, "A page of changes.").example(
        "history",
        "A provider registered a mailbox, after the citizen came into the register",
        json!({ "changes": [
            {
                "version": 2,
                "at": "2026-11-22T16:02:57.892Z",
                "by": "organisation",
                "organisation": "922020175",
                "events": [
                    { "event": "mailbox-registered", "provider": "e-boks" },
                    { "event": "mailbox-activated", "provider": "e-boks" }
                ]
            },
            {
                "version": 1,
                "at": "2026-11-22T16:02:57.723Z",
                "by": "citizen",
                "events": [
                    { "event": "registered" },
                    { "event": "contact-set", "channel": "sms" },
                    { "event": "language-set", "language": "en" }
                ]
            }
        ] }),
    ))
}

pub(super) fn disclosures() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/me/disclosures",
        CITIZEN,
        "showDisclosures",
        "Who was told of the citizen, newest first",
        "Also under former identity numbers. A page can be shorter than asked for, and still have a next one. Seconds may \
         pass before a look-up is there.",
    )
    .citizen(&[Scope::OwnContactRead])
    .query(
        "before",
        "The `next` of the page before: a text without a meaning to its reader.",
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::Custom("place-of-disclosures".to_owned())))
            .pattern(Some("^[A-Za-z0-9_-]+$")),
        json!("MjAyNi0xMS0yMlQxNjowMjo1OC4yMDdaIzRkYzk0YWI0LTdmMGEtNGIzYy05YTU1LTBmM2QxYzJiNmE5MA"),
    )
    .limit(50, 100)
    .answer(Answer::of::<DisclosuresView<'_>>(StatusCode::OK, "A page of disclosures.").example(
        "disclosures",
        "An agency looked the citizen up",
        json!({ "disclosures": [{
            "at": "2026-11-22T16:02:58.207Z",
            "organisation": { "number": "991825827", "name": "Digitaliseringsdirektoratet" },
            "purpose": "Decision on a building permit",
            "fields": ["contact", "mailbox"]
        }] }),
    ))
}
