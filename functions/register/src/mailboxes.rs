//! `/v1/mailboxes`: what providers do.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use infra_aws::{disclosures::Disclosure, requests::Answer};
use infra_edge::{
    body::{Body, Field, Reading},
    once::{Request, answer, once, respond, text},
    problem::{Kind, Problem},
    request::IdempotencyKey,
    unavailable::not_on_record,
};
use mailbox_register::{
    caller::Machine,
    contact::Channel,
    disclosure::purpose,
    entry::{self, Actor, Command, Entry, Ineligible, Registering},
    mailbox::{Certificate, MailboxAddress, ProviderId},
    person::{PersonIdentifier, PersonKey, Population},
    usage::Ask,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    App, SharedApp,
    callers::ProviderCaller,
    contact::update,
    effect::{Order, Step},
};

/// Whom it is about.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct About {
    #[schema(value_type = PersonIdentifier, required = true)]
    #[serde(default)]
    person: Field,
}

impl About {
    fn person(self, population: Population) -> Result<PersonIdentifier, Problem> {
        let mut reading = Reading::default();
        let person = read_person(&mut reading, self.person, population);
        reading.finish(person)
    }
}

fn read_person(reading: &mut Reading, field: Field, population: Population) -> Option<PersonIdentifier> {
    // A number in place of a text is no identifier either.
    match field {
        Field::Given(value) if !value.is_string() => reading.refuse("person", Kind::InvalidIdentifier),
        field => reading.required("person", field, |text| {
            PersonIdentifier::parse(text, population).map_err(|_| Kind::InvalidIdentifier)
        }),
    }
}

/// Whether the person may choose the calling provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct Eligibility {
    eligible: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Ineligible>,
}

/// Says whether a person may choose the calling provider, and why not.
pub(crate) async fn eligibility(
    ProviderCaller { machine, provider }: ProviderCaller,
    State(app): State<SharedApp>,
    Body { value, .. }: Body<About>,
) -> Result<Response, Problem> {
    let (organisation, now) = (machine.organisation, app.clock.now());
    let person = value.person(app.population)?;
    let key = app.secrets.person_key(&person);
    let limits = provider.limits.as_ref();
    let admitted = app.limiter.admit(organisation, limits, Ask::LookUp(1), now).await?;
    app.on_record(&machine, purpose::ELIGIBILITY, &key).await?;
    let found = app.located(&person).await?;
    let entry = found.entry();
    if entry.and_then(Entry::disclosed).is_none() {
        app.limiter.missed(organisation, 1, now).await;
    }
    let reason = entry::eligibility(entry, &provider.id).err();
    let eligible = reason.is_none();
    Ok(admitted.on(Json(Eligibility { eligible, reason }).into_response()))
}

/// A mailbox to register or update.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RegisterMailbox {
    #[schema(value_type = PersonIdentifier, required = true)]
    #[serde(default)]
    person: Field,
    #[schema(value_type = MailboxAddress, required = true)]
    #[serde(default)]
    address: Field,
    /// Left out, it stays; `null` takes it away.
    #[schema(value_type = Option<Certificate>)]
    #[serde(default)]
    certificate: Field,
}

/// Registers a mailbox of the calling provider, or updates it.
pub(crate) async fn register(
    caller: ProviderCaller,
    key: IdempotencyKey,
    State(app): State<SharedApp>,
    Body { value, raw }: Body<RegisterMailbox>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let mut reading = Reading::default();
    let person = read_person(&mut reading, value.person, app.population);
    let address = reading.required("address", value.address, |text| {
        MailboxAddress::try_from(text.to_owned()).map_err(|_| Kind::InvalidMailboxAddress)
    });
    let certificate = reading.nullable("certificate", value.certificate, |text| {
        Certificate::parse(text, now).map_err(|_| Kind::InvalidCertificate)
    });
    let ((person, address), certificate) = reading.finish(person.zip(address).zip(certificate))?;

    let command = Command::RegisterMailbox(Registering {
        provider: caller.provider.id.clone(),
        address,
        certificate: update(certificate),
    });
    let answer = change(
        &app,
        &caller,
        &key,
        ("POST /v1/mailboxes", text(&raw)),
        &person,
        command,
        |step| registered(step, &caller.provider.id),
    );
    Ok(respond(answer.await?))
}

/// What became of a mailbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct Registered {
    /// Whether it is the one that letters go to.
    active: bool,
    confirmation: Confirmation,
}

/// How the person was told that the mailbox is the active one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Confirmation {
    Sms,
    Email,
    None,
}

impl From<Channel> for Confirmation {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Sms => Self::Sms,
            Channel::Email => Self::Email,
        }
    }
}

/// 201 for a mailbox that was not there, 200 for one that was; and how the person was told, if it is active.
fn registered(step: &Step<'_>, provider: &ProviderId) -> Answer {
    let mailbox = |stored: Option<&infra_aws::register::Stored>| {
        let registration = stored?.entry.registration()?;
        let mailbox = registration.mailboxes.of(provider)?;
        Some((registration.mailboxes.is_active(provider), mailbox.confirmed_by))
    };
    let status = if mailbox(step.before).is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let (active, confirmed_by) = mailbox(step.after).unwrap_or_default();
    let confirmation = confirmed_by.map_or(Confirmation::None, Confirmation::from);
    answer(status, None, &Registered { active, confirmation })
}

/// The mailbox is closed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Closed {
    closed: bool,
}

/// Closes the calling provider's mailbox.
pub(crate) async fn close(
    caller: ProviderCaller,
    key: IdempotencyKey,
    State(app): State<SharedApp>,
    Body { value, raw }: Body<About>,
) -> Result<Response, Problem> {
    let person = value.person(app.population)?;
    let command = Command::CloseMailbox(caller.provider.id.clone());
    let answer = change(
        &app,
        &caller,
        &key,
        ("POST /v1/mailboxes/close", text(&raw)),
        &person,
        command,
        |_| answer(StatusCode::OK, None, &Closed { closed: true }),
    );
    Ok(respond(answer.await?))
}

async fn change(
    app: &SharedApp,
    ProviderCaller { machine, provider }: &ProviderCaller,
    key: &IdempotencyKey,
    (route, body): (&str, &str),
    person: &PersonIdentifier,
    command: Command,
    answer: impl Fn(&Step<'_>) -> Answer,
) -> Result<Answer, Problem> {
    let now = app.clock.now();
    let organisation = machine.organisation.to_string();
    let request = Request {
        caller: &organisation,
        key: Some(key),
        content: [route, body],
    };
    let answer = once(&app.requests, request, now, async |claim| {
        app.limiter
            .admit(machine.organisation, provider.limits.as_ref(), Ask::Action, now)
            .await?;
        let order = Order {
            person,
            actor: Actor::Organisation {
                organisation: machine.organisation,
            },
            command,
            if_match: None,
            besides: Vec::new(),
        };
        app.transition(order, claim, now, answer).await
    })
    .await;
    let Err(problem) = &answer else { return answer };
    let tells_of_person = matches!(
        problem.kind(),
        Kind::Reserved | Kind::Deleted | Kind::NotRegistered | Kind::MailboxNotFound
    );
    if tells_of_person {
        app.limiter.missed(machine.organisation, 1, now).await;
    }
    match problem.kind() {
        // What these tell is more than that the provider has no mailbox there.
        Kind::Reserved | Kind::Deleted => {
            let key = app.secrets.person_key(person);
            app.on_record(machine, purpose::REFUSED_MAILBOX, &key).await?;
            answer
        }
        // To a provider, somebody who is not in the register and somebody without its mailbox are the same.
        Kind::NotRegistered => Err(Kind::MailboxNotFound.into()),
        _ => answer,
    }
}

impl App {
    /// Puts on record that a provider is told something of a person. Until this has succeeded nothing may be told.
    async fn on_record(&self, machine: &Machine, purpose: &str, person: &PersonKey) -> Result<(), Problem> {
        let disclosure = Disclosure {
            request: Uuid::new_v4(),
            organisation: machine.organisation,
            supplier: machine.supplier,
            at: self.clock.now(),
            purpose,
            reference: None,
            fields: vec!["reserved", "status"],
            persons: std::slice::from_ref(person),
        };
        self.disclosures
            .record(&disclosure)
            .await
            .map_err(|error| not_on_record(&error))
    }
}
