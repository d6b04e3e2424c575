//! Who may announce letters.

use axum::{extract::FromRequestParts, http::request::Parts};
use infra_edge::{
    caller::MachineCaller,
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use mailbox_register::{
    caller::{Machine, Scope},
    mailbox::ProviderId,
    usage::OwnLimits,
};

use crate::SharedApp;

/// An organisation in the directory with the scope for letters.
pub(crate) struct Announcer {
    pub(crate) machine: Machine,
    pub(crate) role: Role,
    /// Limits of its own.
    pub(crate) limits: Option<OwnLimits>,
}

/// In which role an organisation announces letters.
pub(crate) enum Role {
    /// A provider, whose mailboxes letters of all kinds of senders arrive in.
    Provider(ProviderId),
    /// An agency, with letters of its own.
    Agency,
}

impl FromRequestParts<SharedApp> for Announcer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Problem> {
        let machine = MachineCaller::from_request_parts(parts, app)
            .await?
            .with(Scope::LettersWrite)?;
        let (organisation, now) = (machine.organisation, app.clock.now());
        if let Some(provider) = app.directory.provider_of(organisation, now).await.or_unavailable()? {
            return Ok(Self {
                machine,
                role: Role::Provider(provider.id),
                limits: provider.limits,
            });
        }
        let agency = app.directory.agency(organisation, now).await.or_unavailable()?;
        let limits = agency.ok_or(Kind::Forbidden)?.limits;
        let role = Role::Agency;
        Ok(Self { machine, role, limits })
    }
}
