//! The keys of one issuer: fetched, kept, and renewed at a bounded rate whatever tokens come in.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, StatusCode, Url, header::ACCEPT, redirect::Policy};

use crate::{
    Clock,
    key_set::{Key, KeySet, NoUsableKey},
    reason::Reason,
};

/// A set older than this is renewed before it is used.
const RENEW_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How long the last good set serves while no newer one can be had.
const KEEP_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two fetches for unknown key ids, and between two attempts to renew a set that still serves.
const REFETCH_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The least time between two fetches of any kind.
const RETRY_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// API Gateway gives an authorizer ten seconds at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(3);
/// The issuers' sets have a few kilobytes.
const MOST_BYTES: usize = 64 * 1024;

/// A client that takes the keys from the configured address and nowhere else.
pub(crate) fn client() -> reqwest::Result<Client> {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        // A connection kept for the next hour would be dead by then, more so in a frozen Lambda.
        .pool_max_idle_per_host(0)
        .build()
}

pub(crate) struct Keys {
    issuer: &'static str,
    url: Url,
    client: Client,
    clock: Clock,
    state: Mutex<State>,
    /// Held while fetching: one fetch at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    good: Option<Fetched>,
    /// When the last fetch began.
    asked: Option<Timestamp>,
    /// When the last fetch for an unknown key id began.
    asked_for_unknown: Option<Timestamp>,
}

struct Fetched {
    keys: KeySet,
    /// When the fetch began.
    at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("timeout")]
    Timeout,
    #[error("transport")]
    Transport,
    #[error("status")]
    Status(StatusCode),
    #[error("too-large")]
    TooLarge,
    #[error("no-usable-key")]
    NoUsableKey(#[from] NoUsableKey),
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Transport
        }
    }
}

impl Keys {
    pub(crate) fn new(issuer: &'static str, url: Url, client: Client, clock: Clock) -> Self {
        Self {
            issuer,
            url,
            client,
            clock,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The key of this id, fetched anew where that is due.
    pub(crate) async fn key(&self, id: &str) -> Result<Arc<Key>, Reason> {
        self.renew_if_due(Some(id)).await;
        self.state().key(id, self.clock.now())
    }

    /// Fetches the keys if there are none yet.
    pub(crate) async fn prime(&self) {
        self.renew_if_due(None).await;
    }

    async fn renew_if_due(&self, id: Option<&str>) {
        let now = self.clock.now();
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            // Somebody else is fetching: only those wait whose key is not at hand.
            Err(_) if id.is_some_and(|id| self.state().key(id, now).is_ok()) => return,
            Err(_) => self.turn.lock().await,
        };
        let now = self.clock.now();
        if !self.state().begin(id, now) {
            return;
        }
        match self.fetch().await {
            Ok(keys) => self.state().good = Some(Fetched { keys, at: now }),
            Err(error) => {
                let status = match error {
                    FetchError::Status(status) => Some(status.as_u16()),
                    _ => None,
                };
                tracing::warn!(issuer = self.issuer, reason = %error, status, "keys not fetched");
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let mut response = self
            .client
            .get(self.url.clone())
            .header(ACCEPT, "application/json")
            .send()
            .await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if document.len() + chunk.len() > MOST_BYTES {
                return Err(FetchError::TooLarge);
            }
            document.extend_from_slice(&chunk);
        }
        Ok(KeySet::read(&document)?)
    }

    /// Locked for a moment only, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a fetch is due.
#[derive(PartialEq, Eq)]
enum Due {
    /// There is no set, or it is old.
    Set,
    /// A token names a key that is not in the set.
    Key,
}

impl State {
    fn usable(&self, now: Timestamp) -> Option<&Fetched> {
        self.good.as_ref().filter(|good| within(Some(good.at), KEEP_FOR, now))
    }

    fn key(&self, id: &str, now: Timestamp) -> Result<Arc<Key>, Reason> {
        let good = self.usable(now).ok_or(Reason::KeysUnavailable)?;
        good.keys.find(id).cloned().ok_or_else(|| {
            // Where the last fetch failed the key may be new: that is not the caller's fault.
            if self.asked == Some(good.at) {
                Reason::UnknownKey
            } else {
                Reason::KeysUnavailable
            }
        })
    }

    fn due(&self, id: Option<&str>, now: Timestamp) -> Option<Due> {
        if within(self.asked, RETRY_EVERY, now) {
            return None;
        }
        let Some(good) = self.usable(now) else {
            return Some(Due::Set);
        };
        if !within(Some(good.at), RENEW_AFTER, now) && !within(self.asked, REFETCH_EVERY, now) {
            return Some(Due::Set);
        }
        let unknown = id.is_some_and(|id| good.keys.find(id).is_none());
        (unknown && !within(self.asked_for_unknown, REFETCH_EVERY, now)).then_some(Due::Key)
    }

    /// Notes that a fetch begins, if it is still due. Noted before it ends, so that fetches which nobody waits for
    /// any more count as well.
    fn begin(&mut self, id: Option<&str>, now: Timestamp) -> bool {
        let Some(due) = self.due(id, now) else {
            return false;
        };
        self.asked = Some(now);
        if due == Due::Key {
            self.asked_for_unknown = Some(now);
        }
        true
    }
}

/// Whether less than `limit` lies between. A clock that was set back counts by how far, so it cannot stretch a limit
/// to more than its double.
fn within(since: Option<Timestamp>, limit: SignedDuration, now: Timestamp) -> bool {
    since.is_some_and(|since| now.duration_since(since).abs() < limit)
}
