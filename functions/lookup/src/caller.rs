//! Who may look up.

use axum::{extract::FromRequestParts, http::request};
use infra_edge::{
    caller::MachineCaller,
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use mailbox_register::{
    caller::{Fields, Machine, Parts},
    directory::Agency,
    usage::OwnLimits,
};

use crate::SharedApp;

/// An agency in the directory, with a scope to see something of a person.
pub(crate) struct AgencyCaller {
    pub(crate) machine: Machine,
    pub(crate) fields: Fields,
    /// Limits of its own.
    pub(crate) limits: Option<OwnLimits>,
}

impl FromRequestParts<SharedApp> for AgencyCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, app: &SharedApp) -> Result<Self, Problem> {
        let MachineCaller(machine) = MachineCaller::from_request_parts(parts, app).await?;
        let fields = Fields::of_agency(&machine.scopes);
        if fields.names().is_empty() {
            return Err(Kind::Forbidden.into());
        }
        let agency = agency(&machine, app).await?;
        Ok(Self {
            machine,
            fields,
            limits: agency.limits,
        })
    }
}

/// An agency in the directory that speaks the existing contract, with a scope of today or of earlier years.
pub(crate) struct FormerCaller {
    pub(crate) machine: Machine,
    pub(crate) agency: Agency,
    pub(crate) parts: Parts,
}

impl FromRequestParts<SharedApp> for FormerCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, app: &SharedApp) -> Result<Self, Problem> {
        let MachineCaller(machine) = MachineCaller::from_request_parts(parts, app).await?;
        let parts = Parts::of_agency(&machine.scopes);
        if parts.names().is_empty() {
            return Err(Kind::Forbidden.into());
        }
        let agency = agency(&machine, app).await?;
        Ok(Self { machine, agency, parts })
    }
}

async fn agency(machine: &Machine, app: &SharedApp) -> Result<Agency, Problem> {
    app.directory
        .agency(machine.organisation, app.clock.now())
        .await
        .or_unavailable()?
        .ok_or_else(|| Kind::Forbidden.into())
}
