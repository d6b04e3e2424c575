//! A trace goes through a queue as an attribute of the message.

use std::collections::HashMap;

use aws_sdk_sqs::{
    error::BuildError,
    types::{MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue},
};
use mailbox_register::trace::{ATTRIBUTE, Trace};

use crate::error::StoreError;

/// For whoever takes the message on.
pub(crate) fn attributes(trace: Option<Trace>) -> Result<Option<HashMap<String, MessageAttributeValue>>, StoreError> {
    let Some(trace) = trace else { return Ok(None) };
    let value = MessageAttributeValue::builder()
        .data_type("String")
        .string_value(trace.to_string());
    let value = value.build().map_err(unwritable)?;
    Ok(Some(HashMap::from([(ATTRIBUTE.to_owned(), value)])))
}

/// For X-Ray, which then shows the receiver's trace linked to this one. Else it would be linked to the sender's.
pub(crate) fn system_attributes(
    trace: Option<Trace>,
) -> Result<Option<HashMap<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>>, StoreError> {
    let Some(trace) = trace else { return Ok(None) };
    let value = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(trace.to_string());
    let value = value.build().map_err(unwritable)?;
    Ok(Some(HashMap::from([(
        MessageSystemAttributeNameForSends::AwsTraceHeader,
        value,
    )])))
}

fn unwritable(_: BuildError) -> StoreError {
    StoreError::Unwritable("queue")
}
