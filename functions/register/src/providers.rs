//! `/v1/providers`: who offers mailboxes. For anyone.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_edge::{problem::Problem, unavailable::OrUnavailable as _};
use mailbox_register::{mailbox::ProviderId, organisation::OrganisationNumber};
use serde::Serialize;
use utoipa::ToSchema;

use crate::SharedApp;

/// A provider of mailboxes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Provider)]
struct ProviderView<'a> {
    provider: &'a ProviderId,
    name: &'a str,
    /// Its organisation number in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<OrganisationNumber>,
    /// Where people get a mailbox.
    sign_up: &'a str,
    /// Where people get help.
    support: &'a str,
}

/// The providers that can be chosen.
#[derive(Serialize, ToSchema)]
pub(crate) struct Providers<'a> {
    providers: Vec<ProviderView<'a>>,
}

/// Lists the providers that can be chosen today.
pub(crate) async fn list(State(app): State<SharedApp>) -> Result<Response, Problem> {
    let now = app.clock.now();
    let all = app.directory.providers(now).await.or_unavailable()?;
    let providers = all
        .iter()
        .filter(|provider| provider.validity.holds(now))
        .map(|provider| ProviderView {
            provider: &provider.id,
            name: provider.name.as_str(),
            organisation: provider.organisation(now),
            sign_up: &provider.sign_up,
            support: &provider.support,
        })
        .collect();
    Ok(Json(Providers { providers }).into_response())
}
