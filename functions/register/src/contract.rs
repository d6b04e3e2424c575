//! `/v1/openapi.json`: the contract of all operations. For anyone.

use std::collections::BTreeMap;

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use serde_json::Value;
use utoipa::ToSchema;

/// As it is committed: that it is what the code says is tested.
const DOCUMENT: &[u8] = include_bytes!("../../../infra/openapi.json");

/// An OpenAPI document. To describe it in its own terms would take the whole of its specification.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is written by `local openapi`; this says what it looks like")]
pub(crate) struct Contract {
    /// The version of the specification.
    #[schema(pattern = "^3\\.1\\.[0-9]+$")]
    openapi: String,
    info: BTreeMap<String, Value>,
    paths: BTreeMap<String, Value>,
}

/// Shows the document.
pub(crate) async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
