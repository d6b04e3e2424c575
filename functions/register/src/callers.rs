//! Who may call which route. A route's first argument is one of these: nothing of the request is read before.

use axum::{extract::FromRequestParts, http::request::Parts};
use infra_edge::{
    caller::{CitizenCaller, MachineCaller},
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use mailbox_register::{
    caller::{Citizen, Machine, Scope},
    directory::Provider,
};

use crate::SharedApp;

macro_rules! citizens {
    ($($(#[$doc:meta])* $name:ident($scope:ident);)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) Citizen);

        impl FromRequestParts<SharedApp> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Problem> {
                let citizen = CitizenCaller::from_request_parts(parts, app).await?;
                citizen.with(Scope::$scope).map(Self)
            }
        }
    )*};
}

citizens! {
    /// May see the citizen's own contact details and history.
    ContactReader(OwnContactRead);
    /// May change the citizen's own contact details, and delete the entry.
    ContactWriter(OwnContactWrite);
    /// May choose a mailbox, and reserve.
    MailboxWriter(OwnMailboxWrite);
    /// May change the language.
    LanguageWriter(OwnLanguageWrite);
}

/// A mailbox provider in the directory, with the scope for mailboxes.
pub(crate) struct ProviderCaller {
    pub(crate) machine: Machine,
    pub(crate) provider: Provider,
}

impl FromRequestParts<SharedApp> for ProviderCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Problem> {
        let machine = MachineCaller::from_request_parts(parts, app)
            .await?
            .with(Scope::MailboxWrite)?;
        let provider = app
            .directory
            .provider_of(machine.organisation, app.clock.now())
            .await
            .or_unavailable()?
            .ok_or(Kind::Forbidden)?;
        Ok(Self { machine, provider })
    }
}
