//! Who looked whom up, when, why, and which fields were shown. Append only.

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError};
use jiff::Timestamp;
use mailbox_register::{organisation::OrganisationNumber, person::PersonKey};
use serde::Serialize;
use uuid::Uuid;

use crate::{error::StoreError, item};

/// One look-up.
#[derive(Debug, Serialize)]
pub struct Disclosure<'a> {
    /// Its identity.
    pub request: Uuid,
    /// Who looked up.
    pub organisation: OrganisationNumber,
    /// Who called on that organisation's behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<OrganisationNumber>,
    /// When.
    pub at: Timestamp,
    /// Why, in the organisation's words.
    pub purpose: &'a str,
    /// The organisation's own reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
    /// Which parts of the entries were shown; `reserved` and `status` always are.
    pub fields: Vec<&'static str>,
    /// Whom, in the order asked.
    pub persons: &'a [PersonKey],
}

/// The table `disclosures`.
#[derive(Debug, Clone)]
pub struct Disclosures {
    client: Client,
    table: String,
}

impl Disclosures {
    /// Disclosures in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Puts a look-up on record. Until this has succeeded nothing may be disclosed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record(&self, disclosure: &Disclosure<'_>) -> Result<(), StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::write("disclosures", disclosure)?))
            .condition_expression("attribute_not_exists(#request)")
            .expression_attribute_names("#request", "request")
            .send()
            .await;
        match result {
            // The identity is new and random: what is there is an earlier try of this very call, whose answer was lost.
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }
}
