//! `POST /v1/lookups`: one person to a thousand.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_aws::disclosures::Disclosure;
use infra_edge::{
    body::{Body, Field, Reading},
    person::{PersonView, Shown},
    problem::{Kind, Problem},
    unavailable::{OrUnavailable as _, not_on_record},
};
use mailbox_register::{
    person::{PersonIdentifier, PersonKey},
    usage::Ask,
    words::{Purpose, Reference},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{SharedApp, caller::AgencyCaller};

/// Most persons in one request.
const MAX_PERSONS: usize = 1000;
/// How long entries that DynamoDB left unread are asked for again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom, and why.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LookUp {
    persons: Field,
    purpose: Field,
    reference: Field,
}

#[derive(Serialize)]
struct Answer<'a> {
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

    let keys: Vec<PersonKey> = persons.iter().map(|person| app.secret.person_key(person)).collect();
    let (organisation, ask) = (machine.organisation, Ask::look_up(&keys));
    let admitted = app.limiter.admit(organisation, limits.as_ref(), ask, now).await?;
    let disclosure = Disclosure {
        request: Uuid::new_v4(),
        organisation: machine.organisation,
        supplier: machine.supplier,
        at: now,
        purpose: purpose.as_str(),
        reference: reference.as_ref().map(Reference::as_str),
        fields: fields.names(),
        persons: &keys,
    };
    // First on record, then read: nothing is seen that nobody will know of.
    app.disclosures
        .record(&disclosure)
        .await
        .map_err(|error| not_on_record(&error))?;
    let entries = app
        .register
        .many(&keys, Instant::now() + PATIENCE)
        .await
        .or_unavailable()?;
    app.limiter.missed(organisation, missing(&keys, &entries), now).await;
    let providers = app.directory.providers(now).await.or_unavailable()?;

    let results: Vec<_> = persons
        .iter()
        .zip(&keys)
        .map(|(person, key)| {
            let stored = entries.get(key);
            let shown = Shown {
                entry: stored.map(|stored| &stored.entry),
                email_shared: stored.is_some_and(|stored| stored.email_shared),
                mobile_shared: stored.is_some_and(|stored| stored.mobile_shared),
                providers: &providers,
            };
            shown.to_others(person.as_str(), fields, now)
        })
        .collect();
    metrics::counter!("PersonsLookedUp").increment(results.len() as u64);
    metrics::counter!("PersonsNotFound").increment((persons.len() - found(&keys, &entries)) as u64);
    Ok(admitted.on(Json(Answer { results }).into_response()))
}

/// How many persons are not in the register, each counted once.
fn missing<V>(keys: &[PersonKey], entries: &HashMap<PersonKey, V>) -> usize {
    let missing = keys.iter().filter(|key| !entries.contains_key(*key));
    missing.collect::<HashSet<_>>().len()
}

fn found<V>(keys: &[PersonKey], entries: &HashMap<PersonKey, V>) -> usize {
    keys.iter().filter(|key| entries.contains_key(*key)).count()
}
