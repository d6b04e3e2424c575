//! A page of the change feed, for whichever contract the answer is written.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use infra_aws::{
    changes::{FEED, FeedEntry},
    disclosures::Disclosure,
    feed::Numbered,
    register::Stored,
};
use infra_edge::{
    person::Shown,
    problem::Problem,
    unavailable::{OrUnavailable as _, not_on_record},
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    caller::Machine, directory::Provider, disclosure::purpose, organisation::OrganisationNumber, person::PersonKey,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{App, follower::Role};

/// Whom an organisation has to do with is known a little later than it has looked them up: what is younger is shown by a
/// later page, so that no change after a look-up is passed over.
const RELATIONS_KNOWN_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// How long what DynamoDB left unread is asked for again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who follows, and from where on.
pub(crate) struct Following<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) role: &'a Role,
    /// What is shown of a person, for the record.
    pub(crate) fields: Vec<&'static str>,
    /// The last number that was read.
    pub(crate) after: u64,
    /// Most changes of a page.
    pub(crate) limit: u16,
    /// Only persons the organisation has to do with.
    pub(crate) mine: bool,
}

/// A page of the feed, as far as it concerns whoever follows.
pub(crate) struct Page {
    pub(crate) entries: Vec<Numbered<FeedEntry>>,
    /// The persons' entries as of now.
    pub(crate) stored: HashMap<PersonKey, Stored>,
    /// The last number that was looked at.
    pub(crate) last: u64,
    /// The last number there is.
    pub(crate) head: u64,
    providers: Arc<[Provider]>,
}

impl Page {
    /// An entry of the page, to be shown.
    pub(crate) fn shown<'a>(&'a self, stored: &'a Stored) -> Shown<'a> {
        Shown {
            entry: Some(&stored.entry),
            email_shared: stored.email_shared,
            mobile_shared: stored.mobile_shared,
            providers: &self.providers,
        }
    }
}

impl App {
    /// Reads a page, puts on record whom it shows, and reads their entries. None, if nobody has come that far.
    pub(crate) async fn follow(&self, following: Following<'_>, now: Timestamp) -> Result<Option<Page>, Problem> {
        let mut head = self.feed.head(FEED).await.or_unavailable()?;
        let after = following.after;
        if after > head {
            return Ok(None);
        }
        let limit = following.limit.into();
        let mut entries: Vec<Numbered<FeedEntry>> = self.feed.after(FEED, after, limit).await.or_unavailable()?;
        if following.mine {
            let known = now.checked_sub(RELATIONS_KNOWN_AFTER).unwrap_or(now);
            let young = entries.iter().position(|Numbered { entry, .. }| entry.at > known);
            if let Some(young) = young {
                head = entries[young].sequence - 1;
                entries.truncate(young);
            }
        }
        // The head was read first: what came after it is not passed over if nothing of it was seen.
        let last = entries.last().map_or(head, |entry| entry.sequence);
        entries.retain(|Numbered { entry, .. }| following.role.is_told(entry));
        let deadline = Instant::now() + PATIENCE;
        let organisation = following.machine.organisation;
        let mut persons = persons(&entries);
        if following.mine {
            let known = self.related(organisation, &persons, now, deadline).await?;
            entries.retain(|Numbered { entry, .. }| known.contains(&entry.person));
            persons.retain(|person| known.contains(person));
        }
        let mut page = Page {
            entries,
            stored: HashMap::new(),
            last,
            head: head.max(last),
            providers: self.directory.providers(now).await.or_unavailable()?,
        };
        metrics::counter!("PersonsFollowed").increment(persons.len() as u64);
        if !persons.is_empty() {
            let disclosure = Disclosure {
                request: Uuid::new_v4(),
                organisation,
                supplier: following.machine.supplier,
                at: now,
                purpose: purpose::CHANGES,
                reference: None,
                fields: following.fields,
                persons: &persons,
            };
            let recorded = self.disclosures.record(&disclosure).await;
            recorded.map_err(|error| not_on_record(&error))?;
            let stored = self.register.many_as_of_now(&persons, deadline).await;
            page.stored = stored.or_unavailable()?;
        }
        Ok(Some(page))
    }
}

impl App {
    /// Those among `persons` that an organisation has to do with, by whichever key. What is read of the others for that is
    /// told to nobody.
    async fn related(
        &self,
        organisation: OrganisationNumber,
        persons: &[PersonKey],
        now: Timestamp,
        deadline: Instant,
    ) -> Result<HashSet<PersonKey>, Problem> {
        if !self.secrets.have_changed() {
            return self
                .relations
                .among(organisation, persons, now, deadline)
                .await
                .or_unavailable();
        }
        let stored = self.register.many_as_of_now(persons, deadline).await.or_unavailable()?;
        let all_keys = |person: &PersonKey| {
            let mut keys = vec![person.clone()];
            if let Some(stored) = stored.get(person) {
                keys.extend(stored.own_keys());
                keys.extend(self.secrets.keys(&stored.entry.identifier).each().cloned());
            }
            keys
        };
        let keys: Vec<Vec<PersonKey>> = persons.iter().map(all_keys).collect();
        let flat: Vec<_> = keys.iter().flatten().cloned().collect();
        let known = self
            .relations
            .among(organisation, &flat, now, deadline)
            .await
            .or_unavailable()?;
        let related = persons.iter().zip(&keys);
        let related = related.filter(|(_, keys)| keys.iter().any(|key| known.contains(key)));
        Ok(related.map(|(person, _)| person.clone()).collect())
    }
}

/// Each person once.
fn persons(entries: &[Numbered<FeedEntry>]) -> Vec<PersonKey> {
    let mut seen = HashSet::new();
    let persons = entries.iter().map(|numbered| &numbered.entry.person);
    persons.filter(|person| seen.insert(*person)).cloned().collect()
}
