//! `/.well-known/jwks.json`: what verifies signed answers. For anyone.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_aws::signatures::PublicKey;
use infra_edge::{problem::Problem, unavailable::OrUnavailable as _};
use serde::Serialize;
use utoipa::ToSchema;

use crate::SharedApp;

/// Public keys (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct KeySet<'a> {
    #[schema(value_type = Vec<PublicKey>)]
    keys: [&'a PublicKey; 1],
}

/// The key set (RFC 7517).
pub(crate) async fn show(State(app): State<SharedApp>) -> Result<Response, Problem> {
    let key = app.signatures.public_key().await.or_unavailable()?;
    Ok(Json(KeySet { keys: [key] }).into_response())
}
