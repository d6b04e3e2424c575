//! What a transition stores, whoever makes it: the entry, what changed, what the person is told, and who shares an address.

use jiff::Timestamp;
use mailbox_register::{
    entry::Outcome,
    notice::{Notice, NoticeId},
    person::PersonKey,
    trace::Trace,
};
use uuid::Uuid;

use crate::{addresses::Sharing, error::StoreError, notices::Notices, register::Register, transaction::Write};

/// The writes of a transition: they are stored in one transaction, or not at all. Codes are the caller's to add.
/// `trace` is the request that caused it.
///
/// # Errors
/// [`StoreError::Unwritable`].
pub fn writes(
    register: &Register,
    notices: &Notices,
    person: &PersonKey,
    outcome: &Outcome,
    sharing: &Sharing,
    now: Timestamp,
    trace: Option<Trace>,
) -> Result<Vec<Write>, StoreError> {
    let mut writes = Vec::new();
    for (channel, message) in outcome.notices.clone() {
        let notice = Notice::new(NoticeId(Uuid::new_v4()), person.clone(), channel, message, now);
        writes.push(notices.adding(&notice.caused_by(trace))?);
    }
    writes.extend(sharing.writes());
    writes.extend(register.writes(person, outcome, sharing)?);
    Ok(writes)
}
