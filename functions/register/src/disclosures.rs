//! `/v1/me/disclosures`: who was told of the citizen, newest first, also under former identity numbers.

use std::collections::{BTreeSet, HashMap};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use infra_edge::{page::Before, problem::Problem, unavailable::OrUnavailable as _};
use jiff::Timestamp;
use mailbox_register::organisation::OrganisationNumber;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{App, SharedApp, callers::ContactReader};

/// Where a page begins. To callers a text without a meaning; it is a place in time, and names nobody.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Cursor(String);

#[derive(Debug, thiserror::Error)]
#[error("not a place in a list")]
pub(crate) struct NotACursor;

impl TryFrom<String> for Cursor {
    type Error = NotACursor;

    fn try_from(text: String) -> Result<Self, NotACursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let place = String::from_utf8(bytes).map_err(|_| NotACursor)?;
        let is_place = place
            .split_once('#')
            .is_some_and(|(at, request)| at.parse::<Timestamp>().is_ok() && Uuid::try_parse(request).is_ok());
        is_place.then_some(Self(place)).ok_or(NotACursor)
    }
}

/// An organisation, by the name that people know.
#[derive(Serialize, ToSchema)]
#[schema(as = Organisation)]
struct OrganisationView<'a> {
    number: OrganisationNumber,
    /// None of an organisation that the directory never had.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// One time somebody was told of the person.
#[derive(Serialize, ToSchema)]
#[schema(as = Disclosure)]
struct DisclosureView<'a> {
    at: Timestamp,
    /// Who was told.
    organisation: OrganisationView<'a>,
    /// Who asked for that organisation, where access was delegated.
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<OrganisationView<'a>>,
    /// Why, as the organisation said.
    purpose: &'a str,
    /// What was shown.
    fields: &'a [String],
}

#[derive(Serialize, ToSchema)]
#[schema(as = Disclosures)]
pub(crate) struct DisclosuresView<'a> {
    disclosures: Vec<DisclosureView<'a>>,
    /// Where the next page begins; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Shows a page of disclosures. A page can be shorter than asked for, and still have a next one.
pub(crate) async fn show(
    ContactReader(citizen): ContactReader,
    State(app): State<SharedApp>,
    Before { before, limit }: Before<Cursor, 50, 100>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let keys = app.keys(&citizen.person).await?;
    let before = before.as_ref().map(|Cursor(place)| place.as_str());
    let page = app
        .person_disclosures
        .page(&keys, before, limit, now)
        .await
        .or_unavailable()?;
    let mut organisations = BTreeSet::new();
    for told in &page.told {
        organisations.insert(told.organisation);
        organisations.extend(told.supplier);
    }
    let names = app.names(organisations, now).await?;
    let view = |number: OrganisationNumber| OrganisationView {
        number,
        name: names.get(&number).and_then(Option::as_deref),
    };
    let disclosures = page
        .told
        .iter()
        .map(|told| DisclosureView {
            at: told.at,
            organisation: view(told.organisation),
            supplier: told.supplier.map(view),
            purpose: &told.purpose,
            fields: &told.fields,
        })
        .collect();
    let next = page.next.map(|place| URL_SAFE_NO_PAD.encode(place));
    Ok(Json(DisclosuresView { disclosures, next }).into_response())
}

impl App {
    /// The names of organisations, also of those that are no longer in force.
    async fn names(
        &self,
        organisations: BTreeSet<OrganisationNumber>,
        now: Timestamp,
    ) -> Result<HashMap<OrganisationNumber, Option<String>>, Problem> {
        let mut names = HashMap::new();
        for organisation in organisations {
            let name = self.directory.name(organisation, now).await.or_unavailable()?;
            names.insert(organisation, name);
        }
        Ok(names)
    }
}
