//! HTTP: an agency asks where to upload a file, how far it is, and lets it go on or calls it off.

mod api;
mod ask;
mod caller;
mod decide;
mod settings;
mod show;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use infra_aws::{batches::Batches, directory::Directory, files::Files, steps::StepQueue};
use infra_edge::{app, clock::Clock};
use mailbox_register::secret::Secrets;

pub use api::document;
pub use settings::{Clients, Settings};

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Batches.
    pub batches: Batches,
    /// Agencies.
    pub directory: Directory,
    /// The files: requests to them are signed here, none is made.
    pub files: Files,
    /// The queue of steps.
    pub steps: StepQueue,
    /// What batches' identities are made with.
    pub secrets: Secrets,
    /// The time.
    pub clock: Clock,
}

pub(crate) type SharedApp = Arc<App>;

/// When a request is given up: a second before Lambda ends the function.
pub const TIME_LIMIT: Duration = Duration::from_secs(9);

/// Every path of this function.
pub const PATHS: [&str; 4] = [
    "/v1/batches",
    "/v1/batches/{id}",
    "/v1/batches/{id}/approve",
    "/v1/batches/{id}/cancel",
];

/// The function's routes.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .route("/v1/batches", post(ask::ask).get(show::list))
        .route("/v1/batches/{id}", get(show::show))
        .route("/v1/batches/{id}/approve", post(decide::approve))
        .route("/v1/batches/{id}/cancel", post(decide::cancel));
    app::app(routes.with_state(Arc::new(app)), TIME_LIMIT)
}
