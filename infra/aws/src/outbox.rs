//! A notice's step with all that belongs to it: the letter's list of what happened, and the notice that follows on the
//! other channel.

use jiff::Timestamp;
use mailbox_register::{
    letter::{self, LetterId, What},
    notice::{Message, Notice, NoticeId},
};

use crate::{
    error::StoreError,
    letters::{Closing, Letters},
    notices::Notices,
    retry,
    transaction::{CommitError, Part, Write},
};

/// Notices, and the letters that some of them tell of.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// The notices.
    pub notices: Notices,
    /// The letters.
    pub letters: Letters,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is stored.
    Alone,
    /// It is stored, and this notice with it.
    FollowedBy(NoticeId),
    /// It is not: another has taken a step since the notice was read.
    FencedOff,
}

/// What became of the wish to close a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is closed now.
    Now,
    /// It was already.
    Before,
    /// There is no such letter.
    NotThere,
}

impl Outbox {
    /// Stores writes together.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.notices.commit(writes).await
    }

    /// Stores a notice's next step.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle(&self, read: &Notice, next: &Notice, now: Timestamp) -> Result<Stored, StoreError> {
        // A step that only waits or works is no news to anybody.
        let news = letter::news(next).filter(|_| next.state != read.state);
        let news = news.or_else(|| letter::planned(next).filter(|_| next.channel != read.channel));
        self.store(read, next, news, now).await
    }

    /// Stores a notice's next step, and where it came to nothing the notice `id` that says the same on the other channel.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle_and_follow(
        &self,
        read: &Notice,
        next: &Notice,
        id: NoticeId,
        now: Timestamp,
    ) -> Result<Stored, StoreError> {
        let Some((followed, following)) = next.follow(id, now) else {
            return self.settle(read, next, now).await;
        };
        let mut writes = vec![
            self.notices.stepping(read, &followed)?,
            self.notices.adding(&following)?,
        ];
        if let Some(letter) = letter_of(next) {
            let news = letter::news(next).filter(|_| next.state != read.state);
            let news: Vec<_> = news.into_iter().chain(letter::planned(&following)).collect();
            writes.push(self.letters.adding(letter, news, true, now)?);
        }
        match self.commit(writes).await {
            Ok(()) => Ok(Stored::FollowedBy(id)),
            // The letter was opened or called off: nobody is told on any other channel.
            Err(CommitError::Conflict(Part::Letter)) => self.settle(read, &next.left_alone(), now).await,
            Err(CommitError::Conflict(_)) => Ok(Stored::FencedOff),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// Adds a notice that was lost, and to its letter what is not known of it any more. Says whether it was added: one that is there
    /// stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_back(&self, then: &Notice, next: &Notice, now: Timestamp) -> Result<bool, StoreError> {
        let adding = self.notices.adding(next)?;
        let news = letter::news(next).filter(|_| next.state != then.state);
        if let Some((letter, news)) = letter_of(next).zip(news) {
            let writes = vec![adding.clone(), self.letters.adding(letter, vec![news], false, now)?];
            match self.commit(writes).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Conflict(Part::Notice)) => return Ok(false),
                // There is no letter any more to add it to.
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        match self.commit(vec![adding]).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    async fn store(
        &self,
        read: &Notice,
        next: &Notice,
        news: Option<What>,
        now: Timestamp,
    ) -> Result<Stored, StoreError> {
        let stored = match letter_of(next).zip(news) {
            None => self.notices.step(read, next).await?,
            Some((letter, news)) => {
                let writes = vec![
                    self.notices.stepping(read, next)?,
                    self.letters.adding(letter, vec![news], false, now)?,
                ];
                match self.commit(writes).await {
                    Ok(()) => true,
                    Err(CommitError::Conflict(Part::Notice)) => false,
                    // There is no letter any more to add it to: the notice still comes to its end.
                    Err(CommitError::Conflict(_)) => self.notices.step(read, next).await?,
                    Err(CommitError::Store(error)) => return Err(error),
                }
            }
        };
        Ok(if stored { Stored::Alone } else { Stored::FencedOff })
    }

    /// Closes a letter and calls off what nobody has been called for yet, all of it or nothing.
    ///
    /// A notice that a worker is about to hand over at the same moment is either called off before, and not sent, or
    /// out: then nothing follows it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn close(&self, id: LetterId, closing: Closing, now: Timestamp) -> Result<Closed, StoreError> {
        for race in 0..retry::MAX_RACES {
            retry::race(race).await;
            let Some(stored) = self.letters.get(id).await? else {
                return Ok(Closed::NotThere);
            };
            let letter = stored.letter;
            if letter.is_closed() {
                return Ok(Closed::Before);
            }
            let mut writes = Vec::new();
            let mut news = Vec::new();
            for notice in letter.notices() {
                if let Some(notice) = self.notices.get(notice).await?
                    && notice.can_be_cancelled()
                {
                    let cancelled = notice.cancelled(now);
                    news.extend(letter::news(&cancelled));
                    writes.push(self.notices.stepping(&notice, &cancelled)?);
                }
            }
            writes.push(self.letters.closing(&letter, closing, news, now)?);
            match self.commit(writes).await {
                Ok(()) => return Ok(Closed::Now),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("races for a letter".to_owned()))
    }
}

/// The letter that a notice tells of.
const fn letter_of(notice: &Notice) -> Option<LetterId> {
    match notice.message {
        Message::Letter { letter, .. } => Some(letter),
        _ => None,
    }
}
