//! `operate tables`: which tables would be worked on, and about how many items each has.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TableStatus;
use infra_aws::error::StoreError;
use serde::Serialize;

use crate::{
    end::{End, Summary},
    place::{Place, PlaceError},
};

/// Why they cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A table.
    #[error("{0}: {1}")]
    Table(String, #[source] StoreError),
}

/// Each table by its output.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Tables(BTreeMap<String, Table>);

#[derive(Debug, Serialize)]
struct Table {
    name: String,
    /// As of some hours ago: DynamoDB counts now and then.
    items: i64,
    active: bool,
}

impl Summary for Tables {
    fn end(&self) -> End {
        End::unless(self.0.values().any(|table| !table.active))
    }
}

/// Looks at every table that the stack names.
///
/// # Errors
/// [`TablesError`].
pub async fn show(place: &Place) -> Result<Tables, TablesError> {
    let client = place.dynamodb();
    let mut tables = BTreeMap::new();
    for (output, table) in place.tables() {
        let described = client.describe_table().table_name(table).send().await;
        let described = described.map_err(|error| TablesError::Table(output.to_owned(), error.into()))?;
        let described = described
            .table
            .unwrap_or_else(|| aws_sdk_dynamodb::types::TableDescription::builder().build());
        let table = Table {
            name: table.to_owned(),
            items: described.item_count.unwrap_or_default(),
            active: described.table_status == Some(TableStatus::Active),
        };
        tables.insert(output.to_owned(), table);
    }
    Ok(Tables(tables))
}
