//! `/local/…`: what a developer and the tests do to the stack from outside.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use infra_aws::population::PopulationEvent;
use jiff::Span;
use mailbox_register::{
    caller::{Assurance, Scope},
    contact::norwegian_time,
    organisation::OrganisationNumber,
    person::PersonIdentifier,
};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::{
    directory::CITIZEN_SCOPES,
    messages::ScriptedFault,
    persons::PERSONS,
    stack::{Inner, StackError},
};

pub(crate) fn router(stack: Arc<Inner>) -> Router {
    Router::new()
        .route("/local/health", get(async || Json(json!({ "status": "ready" }))))
        .route("/local/tokens", post(tokens))
        .route("/local/outbox", get(outbox))
        .route("/local/persons", get(async || Json(PERSONS)))
        .route("/local/time", post(time).get(show_time))
        .route("/local/faults", post(faults))
        .route("/local/population", post(population))
        .route("/local/stack", get(described))
        .route("/local/reset", post(reset))
        .with_state(stack)
}

/// What is wrong with a request to the stack itself. Said in full: there is nobody here to hide it from.
struct Refusal(StatusCode, String);

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<StackError> for Refusal {
    fn from(error: StackError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

fn bad_request(why: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, why.into())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TokenRequest {
    Citizen {
        citizen: String,
        #[serde(default = "high")]
        assurance: Assurance,
        scopes: Option<Vec<String>>,
    },
    Organisation {
        organisation: OrganisationNumber,
        scopes: Option<Vec<String>>,
    },
}

const fn high() -> Assurance {
    Assurance::High
}

fn names(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|scope| scope.as_str().to_owned()).collect()
}

async fn tokens(
    State(stack): State<Arc<Inner>>,
    request: Result<Json<TokenRequest>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(request) = request.map_err(|_| {
        bad_request(
            r#"{"citizen": "20914695016", "assurance": "high"} or {"organisation": "984661185", "scopes": ["…"]} is wanted"#,
        )
    })?;
    let now = stack.clock.now();
    let token = match request {
        TokenRequest::Citizen {
            citizen,
            assurance,
            scopes,
        } => {
            let scopes = scopes.unwrap_or_else(|| names(&CITIZEN_SCOPES));
            stack.tokens.citizen(&citizen, assurance, &scopes, now)
        }
        TokenRequest::Organisation { organisation, scopes } => {
            let scopes = scopes.unwrap_or_else(|| names(&stack.directory.default_scopes(organisation)));
            stack.tokens.organisation(&organisation.to_string(), &scopes, now)
        }
    };
    let token = token.map_err(StackError::from)?;
    Ok(Json(json!({ "token": token })).into_response())
}

/// Shows what was sent. What a request just asked for is sent first, so that nobody has to wait and ask again.
async fn outbox(State(stack): State<Arc<Inner>>) -> Result<Response, Refusal> {
    stack.settle().await?;
    Ok(Json(stack.messages.accepted()).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance: Span,
}

async fn time(
    State(stack): State<Arc<Inner>>,
    request: Result<Json<Move>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(Move { advance }) = request
        .map_err(|_| bad_request(r#"{"advance": "P7D"} is wanted: an ISO 8601 duration of days, hours, minutes"#))?;
    if advance.is_negative() {
        return Err(bad_request("time only moves on"));
    }
    let target = stack
        .clock
        .now()
        .to_zoned(norwegian_time())
        .checked_add(advance)
        .map_err(|error| bad_request(error.to_string()))?;
    stack.advance_to(target.timestamp()).await?;
    Ok(show_time(State(stack)).await)
}

async fn show_time(State(stack): State<Arc<Inner>>) -> Response {
    Json(json!({ "now": stack.clock.now() })).into_response()
}

async fn faults(
    State(stack): State<Arc<Inner>>,
    request: Result<Json<ScriptedFault>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(fault) = request.map_err(|error| bad_request(error.body_text()))?;
    stack.messages.script(fault);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An event of the population register. It is queued, numbers sealed, and applied at once where the stack drives itself.
#[derive(Deserialize)]
struct Told {
    /// The event's identity, to tell of it again; without it, a new one.
    id: Option<Uuid>,
    #[serde(flatten)]
    event: PopulationEvent<PersonIdentifier>,
}

async fn population(
    State(stack): State<Arc<Inner>>,
    request: Result<Json<Told>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(Told { id, event }) = request.map_err(|_| {
        bad_request(
            r#"{"event": "died", "person": "20914695016"} (or "emigrated"), or {"event": "identifier-replaced", "old": "…", "new": "…"} is wanted"#,
        )
    })?;
    let id = id.unwrap_or_else(Uuid::new_v4);
    stack.tell_of(id, &event).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response())
}

/// What `aws cloudformation describe-stacks` would print of this stack, and the environment in which `operate` reaches it.
async fn described(State(stack): State<Arc<Inner>>) -> Result<Response, Refusal> {
    Ok(Json(stack.described()?).into_response())
}

async fn reset(State(stack): State<Arc<Inner>>) -> Result<Response, Refusal> {
    stack.reset().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
