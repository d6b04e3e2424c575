//! `POST /v1/lookups`: one person to a thousand.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_aws::{disclosures::Disclosure, register::Stored};
use infra_edge::{
    body::{Body, Field, Reading},
    person::{PersonView, Shown},
    problem::{Kind, Problem},
    unavailable::{OrUnavailable as _, not_on_record},
    usage::Admitted,
};
use jiff::Timestamp;
use mailbox_register::{
    caller::Machine,
    directory::Provider,
    person::{PersonIdentifier, PersonKey, PersonKeys},
    usage::{Ask, OwnLimits},
    words::{Purpose, Reference},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{App, SharedApp, caller::AgencyCaller};

/// Most persons in one request.
pub(crate) const MAX_PERSONS: usize = 1000;
/// How long entries that DynamoDB left unread are asked for again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LookUp {
    /// Each is answered in its place.
    #[schema(value_type = Vec<PersonIdentifier>, required = true, min_items = 1, max_items = 1000)]
    #[serde(default)]
    persons: Field,
    /// Why: the persons can read it. None of the register's own texts.
    #[schema(value_type = Purpose, required = true)]
    #[serde(default)]
    purpose: Field,
    /// The organisation's own name for the case.
    #[schema(value_type = Option<Reference>)]
    #[serde(default)]
    reference: Field,
}

/// As many persons as were asked for, in that order.
#[derive(Serialize, ToSchema)]
#[schema(as = Found)]
pub(crate) struct Answer<'a> {
    results: Vec<PersonView<'a>>,
}

/// Looks persons up: as many answers as persons, in their order, a repeated person in each place.
pub(crate) async fn look_up(
    AgencyCaller {
        machine,
        fields,
        limits,
    }: AgencyCaller,
    State(app): State<SharedApp>,
    Body { value, .. }: Body<LookUp>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    // Counted before anything is read: a list of a million wrong numbers is one fault.
    if let Field::Given(list) = &value.persons
        && let Some(persons) = list.as_array()
    {
        match persons.len() {
            0 => return Err(Problem::of_fields(&[("/persons".to_owned(), Kind::TooFewIdentifiers)])),
            1..=MAX_PERSONS => {}
            _ => return Err(Problem::of_fields(&[("/persons".to_owned(), Kind::TooManyIdentifiers)])),
        }
    }
    let mut reading = Reading::default();
    let persons = reading.list("persons", value.persons, Kind::InvalidIdentifier, |text| {
        PersonIdentifier::parse(text, app.population).map_err(|_| Kind::InvalidIdentifier)
    });
    let purpose = reading.required("purpose", value.purpose, |text| {
        Purpose::parse(text).map_err(|_| Kind::InvalidPurpose)
    });
    let reference = reading.optional("reference", value.reference, |text| {
        Reference::parse(text).map_err(|_| Kind::InvalidReference)
    });
    let (persons, purpose) = reading.finish(persons.zip(purpose))?;

    let question = Question {
        machine: &machine,
        limits: limits.as_ref(),
        fields: fields.names(),
        purpose: &purpose,
        reference: reference.as_ref(),
    };
    let found = app.find(persons, question, now).await?;
    let results = found
        .shown()
        .map(|(person, shown)| shown.to_others(person, fields, now))
        .collect();
    Ok(found.admitted.on(Json(Answer { results }).into_response()))
}

/// Who asks, for what and why: all that goes on record besides the persons.
pub(crate) struct Question<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) limits: Option<&'a OwnLimits>,
    pub(crate) fields: Vec<&'static str>,
    pub(crate) purpose: &'a Purpose,
    pub(crate) reference: Option<&'a Reference>,
}

/// What was found, for whichever contract the answer is written.
pub(crate) struct Found {
    pub(crate) admitted: Admitted,
    persons: Vec<PersonIdentifier>,
    keys: Vec<PersonKey>,
    entries: HashMap<PersonKey, Stored>,
    providers: Arc<[Provider]>,
}

impl App {
    /// Counts what is asked for and puts it on record, then reads the entries.
    pub(crate) async fn find(
        &self,
        persons: Vec<PersonIdentifier>,
        question: Question<'_>,
        now: Timestamp,
    ) -> Result<Found, Problem> {
        let own: Vec<PersonKeys> = persons.iter().map(|person| self.secrets.keys(person)).collect();
        let keys: Vec<PersonKey> = own.iter().map(PersonKeys::current).cloned().collect();
        let organisation = question.machine.organisation;
        let admitted = self
            .limiter
            .admit(organisation, question.limits, Ask::look_up(&keys), now)
            .await?;
        let disclosure = Disclosure {
            request: Uuid::new_v4(),
            organisation,
            supplier: question.machine.supplier,
            at: now,
            purpose: question.purpose.as_str(),
            reference: question.reference.map(Reference::as_str),
            fields: question.fields,
            persons: &keys,
        };
        // First on record, then read: nothing is seen that nobody will know of.
        self.disclosures
            .record(&disclosure)
            .await
            .map_err(|error| not_on_record(&error))?;
        let entries = self
            .register
            .many(&own, Instant::now() + PATIENCE)
            .await
            .or_unavailable()?;
        self.limiter.missed(organisation, missing(&keys, &entries), now).await;
        let providers = self.directory.providers(now).await.or_unavailable()?;
        metrics::counter!("PersonsLookedUp").increment(persons.len() as u64);
        metrics::counter!("PersonsNotFound").increment((persons.len() - found(&keys, &entries)) as u64);
        Ok(Found {
            admitted,
            persons,
            keys,
            entries,
            providers,
        })
    }
}

impl Found {
    /// Each person asked for, in that order, a repeated one in each place.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&str, Shown<'_>)> {
        self.persons.iter().zip(&self.keys).map(|(person, key)| {
            let stored = self.entries.get(key);
            let shown = Shown {
                entry: stored.map(|stored| &stored.entry),
                email_shared: stored.is_some_and(|stored| stored.email_shared),
                mobile_shared: stored.is_some_and(|stored| stored.mobile_shared),
                providers: &self.providers,
            };
            (person.as_str(), shown)
        })
    }
}

/// How many persons are not in the register, each counted once.
fn missing(keys: &[PersonKey], entries: &HashMap<PersonKey, Stored>) -> usize {
    let missing = keys.iter().filter(|key| !is_found(key, entries));
    missing.collect::<HashSet<_>>().len()
}

fn found(keys: &[PersonKey], entries: &HashMap<PersonKey, Stored>) -> usize {
    keys.iter().filter(|key| is_found(key, entries)).count()
}

/// Whether the answer has anything of a person.
fn is_found(key: &PersonKey, entries: &HashMap<PersonKey, Stored>) -> bool {
    entries
        .get(key)
        .is_some_and(|stored| stored.entry.disclosed().is_some())
}
