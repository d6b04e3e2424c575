//! Who may follow the changes of the register.

use axum::{extract::FromRequestParts, http::request::Parts};
use infra_edge::{
    caller::MachineCaller,
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use mailbox_register::{
    caller::{Fields, Machine, Scope},
    mailbox::ProviderId,
};

use crate::SharedApp;

/// An organisation in the directory with the scope for changes.
pub(crate) struct Follower {
    pub(crate) machine: Machine,
    pub(crate) role: Role,
}

/// In which role an organisation follows changes.
pub(crate) enum Role {
    /// A provider, which sees how it stands with persons itself.
    Provider(ProviderId),
    /// An agency, which sees what its scopes show.
    Agency(Fields),
}

impl Follower {
    /// What the organisation sees of a person, besides `reserved` and `status`.
    pub(crate) fn fields(&self) -> Fields {
        match self.role {
            Role::Agency(fields) => fields,
            Role::Provider(_) => Fields {
                contact: false,
                mailbox: false,
            },
        }
    }
}

impl FromRequestParts<SharedApp> for Follower {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Problem> {
        let machine = MachineCaller::from_request_parts(parts, app)
            .await?
            .with(Scope::ChangesRead)?;
        let (organisation, now) = (machine.organisation, app.clock.now());
        if let Some(provider) = app.directory.provider_of(organisation, now).await.or_unavailable()? {
            let role = Role::Provider(provider.id);
            return Ok(Self { machine, role });
        }
        let agency = app.directory.agency(organisation, now).await.or_unavailable()?;
        agency.ok_or(Kind::Forbidden)?;
        let role = Role::Agency(Fields::of_agency(&machine.scopes));
        Ok(Self { machine, role })
    }
}
