//! `/.well-known/jwks.json`: what verifies signed answers. For anyone.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_aws::signatures::PublicKey;
use infra_edge::{problem::Problem, unavailable::OrUnavailable as _};
use serde::Serialize;

use crate::SharedApp;

#[derive(Serialize)]
struct KeySet<'a> {
    keys: [&'a PublicKey; 1],
}

/// The key set (RFC 7517).
pub(crate) async fn show(State(app): State<SharedApp>) -> Result<Response, Problem> {
    let key = app.signatures.public_key().await.or_unavailable()?;
    Ok(Json(KeySet { keys: [key] }).into_response())
}
