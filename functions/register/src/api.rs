//! What the register's OpenAPI document says of this function's operations.

mod contact;
mod entry;
mod mailboxes;
mod open;
mod reading;
mod rest;

use infra_edge::api;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

/// Tag of what citizens do.
const CITIZEN: &str = "Citizens";
/// Tag of what providers do.
const PROVIDER: &str = "Mailbox providers";

/// This function's part of the document.
pub fn document() -> OpenApi {
    api::document([
        entry::show(),
        entry::delete(),
        contact::set(),
        contact::confirm(),
        contact::validate(),
        entry::choose(),
        entry::withdraw(),
        entry::reserve(),
        entry::undo_reservation(),
        reading::history(),
        reading::disclosures(),
        mailboxes::register(),
        mailboxes::eligibility(),
        mailboxes::close(),
        open::providers(),
        open::contract(),
        rest::show(),
        rest::change(),
    ])
}

/// A citizen's own entry.
fn own_entry() -> Value {
    json!({
        "person": "20914695016",
        "status": "registered",
        "reserved": false,
        "canBeNotified": true,
        "language": "en",
        "email": {
            "address": "ola@example.no",
            "updatedAt": "2026-11-22T16:02:57.723Z",
            "shared": false,
            "deliverable": true,
            "freshUntil": "2028-05-22T15:02:57.723Z"
        },
        "mobile": {
            "number": "+46701740699",
            "updatedAt": "2026-11-22T16:02:57.723Z",
            "verifiedAt": "2026-11-22T16:03:31.108Z",
            "validatedAt": "2026-11-22T16:03:31.108Z",
            "shared": false,
            "deliverable": true,
            "freshUntil": "2028-05-22T15:03:31.108Z"
        },
        "mailbox": { "provider": "e-boks", "organisation": "922020175", "address": "ola.nordmann#9YDT" },
        "mailboxes": [{ "provider": "e-boks", "address": "ola.nordmann#9YDT", "state": "active" }]
    })
}
