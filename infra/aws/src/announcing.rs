//! Letters are announced: each once, under its organisation's reference.

use mailbox_register::{
    letter::{Announcement, Letter, LetterIds},
    notice::Notice,
    person::PersonKeys,
    trace::Trace,
};

use crate::{
    error::StoreError,
    outbox::Outbox,
    transaction::{CommitError, Write},
};

/// What is known of a letter that is to be announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is new.
    No,
    /// It was announced before, just so.
    Same(Box<Letter>),
    /// Another letter was announced under its reference.
    Other,
}

impl Outbox {
    /// Whether a letter was announced before, to a person who may have been known by another key then. `is_open_ended` says
    /// that it is available "now", which is another moment each time it is said.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn known(
        &self,
        ids: LetterIds,
        announcement: &Announcement,
        person: &PersonKeys,
        is_open_ended: bool,
    ) -> Result<Known, StoreError> {
        let mut stored = None;
        for id in ids.each() {
            stored = self.letters.get(id).await?;
            if stored.is_some() {
                break;
            }
        }
        let Some(stored) = stored else {
            return Ok(Known::No);
        };
        let letter = stored.letter;
        let mut same = announcement.clone();
        if person.each().any(|key| *key == letter.announcement.person) {
            same.person = letter.announcement.person.clone();
        }
        if is_open_ended && letter.announcement.available_from == letter.announced_at {
            same.available_from = letter.announced_at;
        }
        Ok(if same == letter.announcement {
            Known::Same(Box::new(letter))
        } else {
            Known::Other
        })
    }

    /// Stores a letter with its notices, which the request `trace` has caused, and whatever belongs into the same
    /// transaction.
    ///
    /// # Errors
    /// [`CommitError`]; a conflict of [`Part::Letter`](crate::transaction::Part::Letter) where it was announced meanwhile.
    pub async fn announce(
        &self,
        ids: LetterIds,
        letter: &Letter,
        notices: Vec<Notice>,
        trace: Option<Trace>,
        with: Vec<Write>,
    ) -> Result<(), CommitError> {
        let mut writes = vec![self.letters.announcing(letter)?];
        if let Some(other) = ids.other {
            writes.push(self.letters.absent(other)?);
        }
        for notice in notices {
            writes.push(self.notices.adding(&notice.caused_by(trace))?);
        }
        writes.extend(with);
        self.commit(writes).await
    }
}
