//! The directory that the local stack begins with, and what kind of organisation may have which scopes.

use aws_sdk_dynamodb::{Client, error::SdkError, operation::put_item::PutItemError};
use mailbox_register::{
    caller::Scope,
    directory::{Agency, Printer, Provider},
    organisation::OrganisationNumber,
};
use serde::{Deserialize, Serialize};

use crate::{database::table_name, stack::StackError};

/// Providers, agencies and printers.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Directory {
    providers: Vec<Provider>,
    agencies: Vec<Agency>,
    printers: Vec<Printer>,
}

impl Directory {
    pub(crate) fn shipped() -> Result<Self, StackError> {
        serde_json::from_str(include_str!("../../directory.json"))
            .map_err(|error| StackError::Directory(error.to_string()))
    }

    /// Puts what is not in the table there yet: an operator may have changed what is.
    pub(crate) async fn store(&self, client: &Client) -> Result<(), StackError> {
        for provider in &self.providers {
            put(client, "provider", provider).await?;
        }
        for agency in &self.agencies {
            put(client, "agency", agency).await?;
        }
        for printer in &self.printers {
            put(client, "print", printer).await?;
        }
        Ok(())
    }

    /// The scopes that an organisation of its kind may have.
    pub(crate) fn default_scopes(&self, organisation: OrganisationNumber) -> Vec<Scope> {
        let is_provider = self
            .providers
            .iter()
            .any(|provider| provider.organisations.iter().any(|own| own.number == organisation));
        if is_provider {
            vec![Scope::MailboxWrite, Scope::LettersWrite, Scope::ChangesRead]
        } else {
            vec![
                Scope::ContactRead,
                Scope::MailboxRead,
                Scope::ChangesRead,
                Scope::LettersWrite,
                Scope::Batches,
            ]
        }
    }
}

/// The scopes that a citizen's application may have.
pub(crate) const CITIZEN_SCOPES: [Scope; 5] = [
    Scope::OwnContactRead,
    Scope::OwnContactWrite,
    Scope::OwnMailboxRead,
    Scope::OwnMailboxWrite,
    Scope::OwnLanguageWrite,
];

async fn put(client: &Client, kind: &str, value: &impl Serialize) -> Result<(), StackError> {
    let mut item: std::collections::HashMap<_, _> =
        serde_dynamo::to_item(value).map_err(|error| StackError::Directory(error.to_string()))?;
    item.insert(
        "kind".to_owned(),
        aws_sdk_dynamodb::types::AttributeValue::S(kind.to_owned()),
    );
    let stored = client
        .put_item()
        .table_name(table_name("DirectoryTable"))
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(id)")
        .send()
        .await;
    match stored.map_err(SdkError::into_service_error) {
        Ok(_) | Err(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
        Err(error) => Err(StackError::Directory(error.to_string())),
    }
}
