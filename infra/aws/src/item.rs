//! Between the register's types and DynamoDB's items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::StoreError;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A value as an item of `table`.
pub(crate) fn write<T: Serialize>(table: &'static str, value: &T) -> Result<Item, StoreError> {
    serde_dynamo::to_item(value).map_err(|_| StoreError::Unwritable(table))
}

/// A value as one attribute of an item of `table`.
pub(crate) fn attribute<T: Serialize>(table: &'static str, value: &T) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|_| StoreError::Unwritable(table))
}

/// A value from an item of `table`.
pub(crate) fn read<T: DeserializeOwned>(table: &'static str, item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|_| StoreError::Unreadable(table))
}

/// A time from an item of `table`, kept as milliseconds since 1970.
pub(crate) fn moment(table: &'static str, milliseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(milliseconds).map_err(|_| StoreError::Unreadable(table))
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number<N: Copy + ToString>(value: N) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
