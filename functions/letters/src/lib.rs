//! HTTP: a letter has arrived, was opened, was called off; and what became of its notices.

mod announce;
mod api;
mod callers;
mod close;
mod feed;
mod settings;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use infra_aws::{
    directory::Directory, disclosures::Disclosures, feed::Feed, outbox::Outbox, register::Entries, requests::Requests,
};
use infra_edge::{app, clock::Clock, usage::Limiter};
use mailbox_register::{person::Population, secret::Secrets};

pub use api::document;
pub use settings::Settings;

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Entries, to be read.
    pub register: Entries,
    /// Letters and their notices.
    pub outbox: Outbox,
    /// What happened to letters, in the order in which each organisation reads it.
    pub feed: Feed,
    /// Answers given to requests.
    pub requests: Requests,
    /// The record of what was told of a person, to be added to.
    pub disclosures: Disclosures,
    /// Agencies and providers.
    pub directory: Directory,
    /// How much organisations may ask for.
    pub limiter: Limiter,
    /// What person keys and letters' identities are made with.
    pub secrets: Secrets,
    /// Which persons this register holds.
    pub population: Population,
    /// The time.
    pub clock: Clock,
}

pub(crate) type SharedApp = Arc<App>;

/// When a request is given up: a second before Lambda ends the function.
pub const TIME_LIMIT: Duration = Duration::from_secs(9);

/// Every path of this function.
pub const PATHS: [&str; 4] = [
    "/v1/letters",
    "/v1/letters/{id}",
    "/v1/letters/{id}/opened",
    "/v1/letters/{id}/cancel",
];

/// The function's routes.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .route("/v1/letters", post(announce::announce).get(feed::show))
        .route("/v1/letters/{id}", get(view::show))
        .route("/v1/letters/{id}/opened", post(close::opened))
        .route("/v1/letters/{id}/cancel", post(close::cancel));
    app::app(routes.with_state(Arc::new(app)), TIME_LIMIT)
}
