//! `/v1/me/contact`: e-mail, mobile, language.

use axum::{extract::State, response::Response};
use infra_edge::{
    body::{Body, Field, Given, Nothing, Reading},
    once::{Request, text},
    problem::{Kind, Problem},
    request::{IdempotencyKey, IfMatch},
};
use mailbox_register::{
    contact::{Channel, EmailAddress, MobileNumber, email::EmailError},
    entry::{Command, ContactUpdate, Update},
    language::Language,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{App, SharedApp, callers::ContactWriter, view};

/// New contact details. What is left out stays; `null` takes an address away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetContact {
    #[schema(value_type = Option<EmailAddress>)]
    #[serde(default)]
    email: Field,
    /// A mobile number in international form, of a country that text messages are sent to.
    #[schema(value_type = Option<MobileNumber>)]
    #[serde(default)]
    mobile: Field,
    /// The language to be written to in.
    #[schema(value_type = Option<Language>)]
    #[serde(default)]
    language: Field,
    /// Where to be told first.
    #[schema(value_type = Option<Channel>)]
    #[serde(default)]
    preferred_channel: Field,
}

impl App {
    fn contact_update(&self, body: SetContact) -> Result<ContactUpdate, Problem> {
        let mut reading = Reading::default();
        let email = reading.nullable("email", body.email, |text| {
            EmailAddress::parse(text).map_err(|error| match error {
                EmailError::IllegalCharacter => Kind::IllegalCharacter,
                _ => Kind::EmailNotDeliverable,
            })
        });
        let mobile = reading.nullable("mobile", body.mobile, |text| {
            MobileNumber::parse(text, &self.countries).map_err(|_| Kind::NumberNotAllowed)
        });
        let language = reading.optional("language", body.language, |text| {
            text.parse().map_err(|_| Kind::UnknownLanguage)
        });
        let preferred_channel = reading.optional("preferredChannel", body.preferred_channel, parse_channel);
        let (email, mobile) = reading.finish(email.zip(mobile))?;
        Ok(ContactUpdate {
            email: update(email),
            mobile: update(mobile),
            language,
            preferred_channel,
        })
    }
}

/// What a field that may be `null` does to what is stored.
pub(crate) fn update<A>(given: Given<A>) -> Update<A> {
    match given {
        Given::Absent => Update::Keep,
        Given::Null => Update::Remove,
        Given::Value(value) => Update::Set(value),
    }
}

pub(crate) fn parse_channel(text: &str) -> Result<Channel, Kind> {
    text.parse().map_err(|_| Kind::UnknownChannel)
}

/// Sets contact details. A new address gets a code, the one it replaces is told.
pub(crate) async fn set(
    ContactWriter(citizen): ContactWriter,
    if_match: IfMatch,
    key: Option<IdempotencyKey>,
    State(app): State<SharedApp>,
    Body { value, raw }: Body<SetContact>,
) -> Result<Response, Problem> {
    let update = app.contact_update(value)?;
    let command = Command::SetContact(update);
    let request = Request {
        caller: citizen.person.as_str(),
        key: key.as_ref(),
        content: ["PUT /v1/me/contact", text(&raw)],
    };
    let answer = app.change_own(&citizen, request, command, Some(&if_match)).await?;
    Ok(view::to_citizen(answer, &citizen.person))
}

/// Notes that the contact details are still right.
pub(crate) async fn confirm(
    ContactWriter(citizen): ContactWriter,
    key: IdempotencyKey,
    if_match: Option<IfMatch>,
    State(app): State<SharedApp>,
    _: Option<Body<Nothing>>,
) -> Result<Response, Problem> {
    let request = Request {
        caller: citizen.person.as_str(),
        key: Some(&key),
        content: ["POST /v1/me/contact/confirm", ""],
    };
    let answer = app
        .change_own(&citizen, request, Command::Confirm, if_match.as_ref())
        .await?;
    Ok(view::to_citizen(answer, &citizen.person))
}
