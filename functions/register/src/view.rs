//! Answers about the citizen's own entry.

use axum::{http::StatusCode, response::Response};
use infra_aws::{register::Stored, requests::Answer};
use infra_edge::{
    once::{answer, respond},
    person::{PersonView, Shown},
};
use jiff::Timestamp;
use mailbox_register::{
    caller::{Citizen, Fields},
    contact::Channel,
    directory::Provider,
    mailbox::{Mailbox, MailboxAddress, ProviderId},
    person::PersonIdentifier,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One of the person's mailboxes.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnMailbox)]
pub(crate) struct MailboxView<'a> {
    pub(crate) provider: &'a ProviderId,
    #[schema(value_type = MailboxAddress)]
    pub(crate) address: &'a str,
    pub(crate) state: MailboxState,
}

/// Whether letters go to a mailbox.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailboxState {
    /// They do.
    Active,
    /// They do not.
    Registered,
}

impl<'a> MailboxView<'a> {
    pub(crate) fn new(mailbox: &'a Mailbox, is_active: bool) -> Self {
        Self {
            provider: &mailbox.provider,
            address: mailbox.address.as_str(),
            state: if is_active {
                MailboxState::Active
            } else {
                MailboxState::Registered
            },
        }
    }
}

/// A choice that waits for its provider.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PendingChoice)]
pub(crate) struct PendingView<'a> {
    pub(crate) provider: &'a ProviderId,
    /// Where the person gets a mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sign_up: Option<&'a str>,
    pub(crate) chosen_at: Timestamp,
}

impl<'a> PendingView<'a> {
    pub(crate) fn of(stored: Option<&'a Stored>, providers: &'a [Provider]) -> Option<Self> {
        let pending = stored?.entry.registration()?.mailboxes.pending()?;
        Some(Self {
            provider: &pending.provider,
            sign_up: providers
                .iter()
                .find(|provider| provider.id == pending.provider)
                .map(|provider| provider.sign_up.as_str()),
            chosen_at: pending.chosen_at,
        })
    }
}

/// The citizen's own entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OwnEntry)]
pub(crate) struct OwnView<'a> {
    #[serde(flatten)]
    person: PersonView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_channel: Option<Channel>,
    /// All of them, the active one first.
    #[serde(skip_serializing_if = "Option::is_none")]
    mailboxes: Option<Vec<MailboxView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_choice: Option<PendingView<'a>>,
}

/// The answer that shows citizens their own entry, without the identity number: see [`to_citizen`].
pub(crate) fn own_entry(stored: Option<&Stored>, citizen: &Citizen, providers: &[Provider], now: Timestamp) -> Answer {
    let fields = Fields::of_citizen(&citizen.scopes);
    let shown = Shown {
        entry: stored.map(|stored| &stored.entry),
        email_shared: stored.is_some_and(|stored| stored.email_shared),
        mobile_shared: stored.is_some_and(|stored| stored.mobile_shared),
        providers,
    };
    let registration = stored.and_then(|stored| stored.entry.registration());
    let mailboxes = registration.filter(|_| fields.mailbox).map(|registration| {
        let mailboxes = &registration.mailboxes;
        mailboxes
            .registered()
            .map(|mailbox| MailboxView::new(mailbox, mailboxes.is_active(&mailbox.provider)))
            .collect()
    });
    let view = OwnView {
        person: shown.to_self(fields, now),
        reserved_at: registration.and_then(|registration| registration.reserved_at),
        preferred_channel: registration
            .filter(|_| fields.contact)
            .and_then(|registration| registration.preferred_channel),
        mailboxes,
        pending_choice: PendingView::of(stored, providers).filter(|_| fields.mailbox),
    };
    answer(StatusCode::OK, Some(version(stored)), &view)
}

/// The entry's version; 0 for a person who is not in the register.
pub(crate) fn version(stored: Option<&Stored>) -> u64 {
    stored
        .and_then(|stored| stored.entry.disclosed())
        .map_or(0, |entry| entry.version)
}

/// An answer without a body.
pub(crate) const fn empty_answer(version: Option<u64>) -> Answer {
    Answer {
        status: StatusCode::NO_CONTENT.as_u16(),
        version,
        body: String::new(),
    }
}

/// The answer with the citizen's identity number, which comes from the token each time: no stored answer holds it.
pub(crate) fn to_citizen(mut answer: Answer, person: &PersonIdentifier) -> Response {
    if let Ok(mut body) = serde_json::from_str::<Map<String, Value>>(&answer.body) {
        body.insert("person".to_owned(), person.as_str().into());
        answer.body = Value::Object(body).to_string();
    }
    respond(answer)
}
