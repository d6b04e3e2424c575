//! `/rest/…`: the existing register's contract for agencies.

use axum::{extract::State, response::Response};
use infra_edge::{
    body::Tolerant,
    krr::{self, Format, Person, Persons, PrintCertificate, Version},
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};

use crate::{
    SharedApp,
    caller::FormerCaller,
    lookups::{MAX_PERSONS, Question},
};

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
