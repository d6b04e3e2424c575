//! `/rest/v1/person`: the citizen's own entry by the existing register's contract.

use axum::{extract::State, response::Response};
use infra_edge::{
    body::Tolerant,
    caller::CitizenCaller,
    krr::{self, ChangePerson, Format, Person, Version},
    person::Shown,
    problem::Problem,
    unavailable::OrUnavailable as _,
};
use mailbox_register::{
    caller::{Citizen, Parts},
    entry::{Actor, Command, ContactUpdate, Update},
};

use crate::{App, SharedApp, callers::LanguageWriter, effect::Order, view};

/// Shows the entry. What the token's scopes do not cover is left out.
pub(crate) async fn show(
    CitizenCaller(citizen): CitizenCaller,
    format: Format,
    State(app): State<SharedApp>,
) -> Result<Response, Problem> {
    app.own_person(&citizen, format).await
}

/// Changes the language, whatever version of the entry there is, and shows the entry as it is then.
pub(crate) async fn change(
    LanguageWriter(citizen): LanguageWriter,
    format: Format,
    State(app): State<SharedApp>,
    Tolerant(body): Tolerant<ChangePerson>,
) -> Result<Response, Problem> {
    let order = Order {
        person: &citizen.person,
        actor: Actor::Citizen,
        command: Command::SetContact(ContactUpdate {
            email: Update::Keep,
            mobile: Update::Keep,
            language: Some(body.language()?),
            preferred_channel: None,
        }),
        if_match: None,
        besides: Vec::new(),
    };
    let now = app.clock.now();
    app.transition(order, None, now, |_| view::empty_answer(None)).await?;
    app.own_person(&citizen, format).await
}

impl App {
    async fn own_person(&self, citizen: &Citizen, format: Format) -> Result<Response, Problem> {
        let now = self.clock.now();
        let stored = self.located(&citizen.person).await?.stored;
        let providers = self.directory.providers(now).await.or_unavailable()?;
        let shown = Shown {
            entry: stored.as_ref().map(|stored| &stored.entry),
            email_shared: stored.as_ref().is_some_and(|stored| stored.email_shared),
            mobile_shared: stored.as_ref().is_some_and(|stored| stored.mobile_shared),
            providers: &providers,
        };
        let parts = Parts::of_citizen(&citizen.scopes);
        let person = Person::new(shown, citizen.person.as_str(), parts, Version::V1, now);
        krr::respond(format, &person, &self.signatures).await
    }
}
