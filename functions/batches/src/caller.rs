//! Who may send files.

use axum::{extract::FromRequestParts, http::request::Parts};
use infra_edge::{
    caller::MachineCaller,
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use mailbox_register::{caller::Scope, directory::Agency};

use crate::SharedApp;

/// An agency that is enrolled for files, with a token for them.
pub(crate) struct Sender(pub(crate) Agency);

impl FromRequestParts<SharedApp> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Problem> {
        let machine = MachineCaller::from_request_parts(parts, app)
            .await?
            .with(Scope::Batches)?;
        let agency = app
            .directory
            .agency(machine.organisation, app.clock.now())
            .await
            .or_unavailable()?;
        agency
            .filter(|agency| agency.files.is_some())
            .map(Self)
            .ok_or_else(|| Kind::Forbidden.into())
    }
}
