//! Who may follow the changes of the register.

use axum::{extract::FromRequestParts, http::request::Parts};
use infra_aws::changes::FeedEntry;
use infra_edge::{
    caller::MachineCaller,
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use mailbox_register::{
    caller::{Fields, Machine, Scope},
    entry::Event,
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

impl Role {
    /// Whether an organisation learns of a change at all.
    pub(crate) fn is_told(&self, entry: &FeedEntry) -> bool {
        match self {
            // What concerns mailboxes of others is not its business.
            Self::Provider(provider) => entry.providers.contains(provider),
            Self::Agency(_) => entry.events.iter().any(|event| self.learns_of(event)),
        }
    }

    /// Whether an organisation learns of an event.
    pub(crate) const fn learns_of(&self, event: &Event) -> bool {
        match self {
            Self::Provider(_) => !event.is_of_contact(),
            Self::Agency(Fields { contact, mailbox }) => {
                (*contact || !event.is_of_contact()) && (*mailbox || !event.is_of_mailbox())
            }
        }
    }
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
