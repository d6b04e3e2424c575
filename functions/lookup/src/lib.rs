//! HTTP: agencies look recipients up, agencies and providers follow changes. Whatever is disclosed is on record before its
//! answer leaves.

mod api;
mod caller;
mod changes;
mod follow;
mod follower;
mod key_set;
mod lookups;
mod rest;
mod settings;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use infra_aws::{
    directory::Directory, disclosures::Disclosures, feed::Feed, register::Entries, relations::Relations,
    signatures::Signatures,
};
use infra_edge::{app, clock::Clock, usage::Limiter};
use mailbox_register::{person::Population, secret::Secrets};

pub use api::document;
pub use settings::{Clients, Settings};

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Entries, to be read.
    pub register: Entries,
    /// The record of look-ups, to be added to.
    pub disclosures: Disclosures,
    /// What happened to entries, in order.
    pub feed: Feed,
    /// Which persons an organisation has to do with.
    pub relations: Relations,
    /// Agencies and providers.
    pub directory: Directory,
    /// How much organisations may ask for.
    pub limiter: Limiter,
    /// The key that signs answers of the existing contract.
    pub signatures: Signatures,
    /// What person keys are made with.
    pub secrets: Secrets,
    /// Which persons this register holds.
    pub population: Population,
    /// The time.
    pub clock: Clock,
}

pub(crate) type SharedApp = Arc<App>;

/// When a request is given up: a second before Lambda ends the function.
pub const TIME_LIMIT: Duration = Duration::from_secs(14);

/// Every path of this function.
pub const PATHS: [&str; 7] = [
    "/v1/lookups",
    "/v1/changes",
    "/rest/v1/personer",
    "/rest/v2/personer",
    "/rest/v2/krr/hentEndringer",
    "/rest/v2/printSertifikat",
    "/.well-known/jwks.json",
];

/// The function's routes.
pub fn router(app: App) -> Router {
    app::app(
        Router::new()
            .route("/v1/lookups", post(lookups::look_up))
            .route("/v1/changes", get(changes::show))
            .route("/rest/v1/personer", post(rest::look_up_v1))
            .route("/rest/v2/personer", post(rest::look_up_v2))
            .route("/rest/v2/krr/hentEndringer", post(rest::changes))
            .route("/rest/v2/printSertifikat", get(rest::print_certificate))
            .route("/.well-known/jwks.json", get(key_set::show))
            .with_state(Arc::new(app)),
        TIME_LIMIT,
    )
}
