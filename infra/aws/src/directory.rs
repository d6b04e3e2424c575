//! Providers and organisations, read from the table and kept for a minute.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::Client;
use jiff::{SignedDuration, Timestamp, civil::Date};
use mailbox_register::{
    directory::{Agency, Printer, Provider},
    mailbox::ProviderId,
    organisation::OrganisationNumber,
};
use serde::de::DeserializeOwned;

use crate::{
    error::StoreError,
    item::{self, text},
};

/// How old what is known of the directory may be.
const KEPT_FOR: SignedDuration = SignedDuration::from_secs(60);
/// Agencies kept at a time: more than ever call one instance, and a bound on its memory.
const MAX_AGENCIES: usize = 1000;

/// The table `directory`.
#[derive(Debug, Clone)]
pub struct Directory {
    client: Client,
    table: String,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    providers: Option<(Timestamp, Arc<[Provider]>)>,
    printers: Option<(Timestamp, Arc<[Printer]>)>,
    agencies: HashMap<OrganisationNumber, (Timestamp, Option<Agency>)>,
}

fn is_fresh(read_at: Timestamp, now: Timestamp) -> bool {
    // A clock that was set back is no reason to keep anything longer.
    let age = now.duration_since(read_at);
    !age.is_negative() && age < KEPT_FOR
}

impl Directory {
    /// The directory in `table`.
    pub fn new(client: Client, table: String) -> Self {
        Self {
            client,
            table,
            kept: Arc::default(),
        }
    }

    /// All providers, those no longer in force too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn providers(&self, now: Timestamp) -> Result<Arc<[Provider]>, StoreError> {
        if let Some((read_at, providers)) = &self.kept().providers
            && is_fresh(*read_at, now)
        {
            return Ok(Arc::clone(providers));
        }
        let providers: Arc<[Provider]> = self.all("provider").await?.into();
        self.kept().providers = Some((now, Arc::clone(&providers)));
        Ok(providers)
    }

    /// Who prints letters at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn printer(&self, now: Timestamp) -> Result<Option<Printer>, StoreError> {
        let kept = self.kept().printers.clone();
        let printers = match kept {
            Some((read_at, printers)) if is_fresh(read_at, now) => printers,
            _ => {
                let printers: Arc<[Printer]> = self.all("print").await?.into();
                self.kept().printers = Some((now, Arc::clone(&printers)));
                printers
            }
        };
        Ok(Printer::in_force(&printers, now).cloned())
    }

    /// Says from when on there is no such provider any more. Refused where there never was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ends(&self, provider: &ProviderId, on: Date) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("kind", text("provider"))
            .key("id", text(provider.as_str()))
            .update_expression("SET #until = :until")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":until", text(on.to_string()))
            .send()
            .await?;
        Ok(())
    }

    async fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("kind = :kind")
            .expression_attribute_values(":kind", text(kind))
            .into_paginator()
            .items()
            .send();
        while let Some(row) = pages.next().await {
            all.push(item::read("directory", row?)?);
        }
        Ok(all)
    }

    /// The provider that an organisation acts as at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn provider_of(
        &self,
        organisation: OrganisationNumber,
        now: Timestamp,
    ) -> Result<Option<Provider>, StoreError> {
        let providers = self.providers(now).await?;
        Ok(providers
            .iter()
            .find(|provider| provider.is_run_by(organisation, now))
            .cloned())
    }

    /// An agency that may call at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn agency(&self, organisation: OrganisationNumber, now: Timestamp) -> Result<Option<Agency>, StoreError> {
        let agency = self.ever_agency(organisation, now).await?;
        Ok(agency.filter(|agency| agency.validity.holds(now)))
    }

    /// What people know an organisation as, that is or ever was an agency or a provider.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn name(&self, organisation: OrganisationNumber, now: Timestamp) -> Result<Option<String>, StoreError> {
        let providers = self.providers(now).await?;
        let mut providers = providers.iter();
        let is_its = |provider: &&Provider| provider.organisations.iter().any(|its| its.number == organisation);
        if let Some(provider) = providers.find(is_its) {
            return Ok(Some(provider.name.as_str().to_owned()));
        }
        let agency = self.ever_agency(organisation, now).await?;
        Ok(agency.map(|agency| agency.name))
    }

    /// An agency, whether it may call or not.
    async fn ever_agency(
        &self,
        organisation: OrganisationNumber,
        now: Timestamp,
    ) -> Result<Option<Agency>, StoreError> {
        let kept = self.kept().agencies.get(&organisation).cloned();
        match kept {
            Some((read_at, agency)) if is_fresh(read_at, now) => Ok(agency),
            _ => {
                let agency = self.read_agency(organisation).await?;
                let mut kept = self.kept();
                if kept.agencies.len() >= MAX_AGENCIES {
                    kept.agencies.clear();
                }
                kept.agencies.insert(organisation, (now, agency.clone()));
                Ok(agency)
            }
        }
    }

    async fn read_agency(&self, organisation: OrganisationNumber) -> Result<Option<Agency>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("kind", text("agency"))
            .key("id", text(organisation.to_string()))
            .send()
            .await?;
        found.item.map(|row| item::read("directory", row)).transpose()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
