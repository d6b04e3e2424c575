//! What is to be done with a file that was dropped: its folder, what its owner says of it, and what the organisation
//! usually wants.

use std::collections::HashMap;

use mailbox_register::{
    batch::{
        Kind,
        life::{BatchId, Failure, FailureCode, Order},
    },
    directory::{Agency, FileAccess},
    words::{Purpose, Reference},
};
use uuid::Uuid;

/// What an agency may do with files of a kind.
///
/// # Errors
/// [`FailureCode::NotEnrolled`].
pub(crate) fn access(agency: Option<&Agency>, kind: Kind) -> Result<&FileAccess, FailureCode> {
    agency
        .and_then(|agency| agency.may_send(kind))
        .ok_or(FailureCode::NotEnrolled)
}

/// The order of a file that was dropped.
///
/// # Errors
/// [`Failure`], for the organisation.
pub(crate) fn read(
    folder: Option<Kind>,
    metadata: &HashMap<String, String>,
    agency: Option<&Agency>,
) -> Result<Order, Failure> {
    let said = |name: &str| {
        metadata
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    };
    let kind = match (folder, said("kind")) {
        (Some(kind), _) => kind,
        (None, Some(kind)) => kind.parse().map_err(|_| FailureCode::InvalidOrder)?,
        (None, None) => Kind::default(),
    };
    access(agency, kind)?;
    let purpose = match said("purpose") {
        Some(purpose) => Purpose::parse(purpose).map_err(|_| FailureCode::InvalidOrder)?,
        None => agency
            .and_then(|agency| agency.purpose.clone())
            .ok_or(FailureCode::MissingPurpose)?,
    };
    let reference = said("reference").map(Reference::parse).transpose();
    let dry_run = match said("dry-run") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(FailureCode::InvalidOrder.into()),
    };
    let compare_with = said("compare-with").map(Uuid::try_parse).transpose();
    Ok(Order {
        kind,
        purpose,
        reference: reference.map_err(|_| FailureCode::InvalidOrder)?,
        dry_run,
        compare_with: compare_with.map_err(|_| FailureCode::InvalidOrder)?.map(BatchId),
    })
}
