//! HTTP: a citizen's own entry, and a provider's mailboxes.

mod api;
mod callers;
mod contact;
mod contract;
mod disclosures;
mod effect;
mod history;
mod keys;
mod mailbox;
mod mailboxes;
mod me;
mod providers;
mod reservation;
mod rest;
mod settings;
mod validate;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post, put},
};
use infra_aws::{
    addresses::Addresses, codes::Codes, directory::Directory, disclosures::Disclosures, notices::Notices,
    person_disclosures::PersonDisclosures, register::Register, requests::Requests, signatures::Signatures,
};
use infra_edge::{app, clock::Clock, usage::Limiter};
use mailbox_register::{contact::mobile::AllowedCountries, person::Population, secret::Secrets};

pub use api::document;
pub use settings::{Clients, Settings};

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Entries and their history.
    pub register: Register,
    /// The outbox.
    pub notices: Notices,
    /// Answers given to requests.
    pub requests: Requests,
    /// Verification codes.
    pub codes: Codes,
    /// Providers.
    pub directory: Directory,
    /// Who shares an address.
    pub addresses: Addresses,
    /// The record of what providers were told of a person, to be added to.
    pub disclosures: Disclosures,
    /// How much organisations may ask for.
    pub limiter: Limiter,
    /// The key that signs answers of the existing contract.
    pub signatures: Signatures,
    /// What persons may read of that record.
    pub person_disclosures: PersonDisclosures,
    /// What person keys are made with.
    pub secrets: Secrets,
    /// Which persons this register holds.
    pub population: Population,
    /// Countries whose mobiles get SMS.
    pub countries: AllowedCountries,
    /// The time.
    pub clock: Clock,
}

pub(crate) type SharedApp = Arc<App>;

/// When a request is given up: a second before Lambda ends the function.
pub const TIME_LIMIT: Duration = Duration::from_secs(9);

/// Every path of this function.
pub const PATHS: [&str; 14] = [
    "/v1/me",
    "/v1/me/contact",
    "/v1/me/contact/confirm",
    "/v1/me/contact/validate",
    "/v1/me/mailbox",
    "/v1/me/reservation",
    "/v1/me/history",
    "/v1/me/disclosures",
    "/v1/mailboxes",
    "/v1/mailboxes/eligibility",
    "/v1/mailboxes/close",
    "/v1/providers",
    "/v1/openapi.json",
    "/rest/v1/person",
];

/// The function's routes.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .route("/v1/me", get(me::show).delete(me::delete))
        .route("/v1/me/contact", put(contact::set))
        .route("/v1/me/contact/confirm", post(contact::confirm))
        .route("/v1/me/contact/validate", post(validate::validate))
        .route("/v1/me/mailbox", put(mailbox::choose).delete(mailbox::withdraw))
        .route(
            "/v1/me/reservation",
            put(reservation::reserve).delete(reservation::undo),
        )
        .route("/v1/me/history", get(history::show))
        .route("/v1/me/disclosures", get(disclosures::show))
        .route("/v1/mailboxes", post(mailboxes::register))
        .route("/v1/mailboxes/eligibility", post(mailboxes::eligibility))
        .route("/v1/mailboxes/close", post(mailboxes::close))
        .route("/v1/providers", get(providers::list))
        .route("/v1/openapi.json", get(contract::show))
        .route("/rest/v1/person", get(rest::show).patch(rest::change));
    app::app(routes.with_state(Arc::new(app)), TIME_LIMIT)
}
