//! `/rest/…`: the existing register's contract for agencies.

use std::collections::HashSet;

use axum::{extract::State, response::Response};
use infra_aws::feed::Numbered;
use infra_edge::{
    body::Tolerant,
    krr::{self, Format, Person, Persons, PrintCertificate, Version},
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};

use mailbox_register::caller::Parts;

use crate::{
    SharedApp,
    caller::FormerCaller,
    follow::Following,
    follower::{Follower, Role},
    lookups::{MAX_PERSONS, Question},
};

/// Changes of one page.
const MOST_CHANGES: u16 = 1000;

/// `POST /rest/v1/personer`: the fields that were always there.
pub(crate) async fn look_up_v1(
    caller: FormerCaller,
    format: Format,
    State(app): State<SharedApp>,
    Tolerant(body): Tolerant<krr::LookUp>,
) -> Result<Response, Problem> {
    look_up(caller, format, &app, body, Version::V1).await
}

/// `POST /rest/v2/personer`: the newer ones too.
pub(crate) async fn look_up_v2(
    caller: FormerCaller,
    format: Format,
    State(app): State<SharedApp>,
    Tolerant(body): Tolerant<krr::LookUp>,
) -> Result<Response, Problem> {
    look_up(caller, format, &app, body, Version::V2).await
}

async fn look_up(
    caller: FormerCaller,
    format: Format,
    app: &SharedApp,
    body: krr::LookUp,
    version: Version,
) -> Result<Response, Problem> {
    let FormerCaller { machine, agency, parts } = caller;
    let now = app.clock.now();
    let persons = body.persons(app.population, MAX_PERSONS)?;
    let purpose = krr::purpose(agency.purpose.as_ref())?;
    let question = Question {
        machine: &machine,
        limits: agency.limits.as_ref(),
        fields: parts.names(),
        purpose: &purpose,
        reference: None,
    };
    let found = app.find(persons, question, now).await?;
    let persons = found
        .shown()
        .map(|(person, shown)| Person::new(shown, person, parts, version, now))
        .collect();
    let answer = krr::respond(format, &Persons { persons }, &app.signatures).await?;
    Ok(found.admitted.on(answer))
}

/// `POST /rest/v2/krr/hentEndringer`: persons who have changed, each once and as of now.
pub(crate) async fn changes(
    Follower { machine, role }: Follower,
    format: Format,
    State(app): State<SharedApp>,
    Tolerant(body): Tolerant<krr::Changes>,
) -> Result<Response, Problem> {
    let Role::Agency(_) = role else {
        return Err(Kind::Forbidden.into());
    };
    let parts = Parts::of_agency(&machine.scopes);
    let now = app.clock.now();
    let from = body.from()?;
    let following = Following {
        machine: &machine,
        role: &Role::Agency(parts.fields()),
        fields: parts.names(),
        after: from,
        limit: MOST_CHANGES,
        mine: false,
    };
    let page = app.follow(following, now).await?;
    let page = page.ok_or_else(krr::Changes::beyond)?;
    let mut seen = HashSet::new();
    let persons = page.entries.iter().filter_map(|Numbered { entry, .. }| {
        let stored = page.stored.get(&entry.person)?;
        let identifier = stored.entry.identifier.as_str();
        // By the identifier: a person's changes may stand under two keys.
        if !seen.insert(identifier) {
            return None;
        }
        Some(Person::new(page.shown(stored), identifier, parts, Version::V2, now))
    });
    let answer = krr::Page {
        persons: persons.collect(),
        from,
        to: page.last,
        last: page.head,
    };
    krr::respond(format, &answer, &app.signatures).await
}

/// `GET /rest/v2/printSertifikat`: for whoever may see where letters go, or what they are encrypted for.
pub(crate) async fn print_certificate(
    FormerCaller { parts, .. }: FormerCaller,
    format: Format,
    State(app): State<SharedApp>,
) -> Result<Response, Problem> {
    if !parts.mailbox && !parts.certificate {
        return Err(Kind::Forbidden.into());
    }
    let printer = app.directory.printer(app.clock.now()).await.or_unavailable()?;
    let printer = printer.ok_or(Kind::NotFound)?;
    krr::respond(format, &PrintCertificate::from(&printer), &app.signatures).await
}
