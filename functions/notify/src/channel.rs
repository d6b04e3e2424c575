//! Whether a channel is to be used now: its circuit, the day's caps, and this worker's pace.

use infra_aws::{
    caps::{Counted, Room},
    error::StoreError,
    retry,
    sending::SendError,
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    circuit::{Admission, Circuit, Trouble},
    contact::Channel,
    notice::{Failure, Notice},
};

use crate::{App, Pace, prepare::Ready};

/// What waits for a channel does not come back all at once.
const SPREAD: SignedDuration = SignedDuration::from_secs(30);
/// Wait when the day's cap is reached: somebody may raise it.
const DAY_FULL: SignedDuration = SignedDuration::from_hours(1);

/// Whether a message may be handed over.
pub(crate) enum Admitted {
    /// It may; how the channel stood then, and what was counted for it.
    Go(Circuit, Option<Counted>),
    /// It may not: what becomes of the notice.
    Not(Notice),
}

impl Pace {
    /// Waits for this worker's turn on a channel.
    pub(crate) async fn turn(&self, channel: Channel) {
        match channel {
            Channel::Sms => self.sms.acquire_one().await,
            Channel::Email => self.email.acquire_one().await,
        }
    }
}

/// Asks whether a message may be handed over now.
pub(crate) async fn admit(app: &App, claimed: &Notice, ready: &Ready) -> Result<Admitted, StoreError> {
    let now = app.clock.now();
    let channel = claimed.channel;
    let read = app.circuits.get(channel).await?;
    let admission = read.admit(now);
    if let Admission::Wait(until) = admission {
        return Ok(Admitted::Not(waiting(claimed, until, now)));
    }
    // Before the one that tries is found: it must be one that goes out.
    let counted = match ready {
        Ready::Email(..) => None,
        Ready::Sms(number, _) => match app.caps.count(number, &claimed.message, now).await? {
            Room::Left(counted) => Some(counted),
            Room::NumberFull => {
                metrics::counter!("SmsNumberFull").increment(1);
                return Ok(Admitted::Not(claimed.failed(Failure::TooMany, now)));
            }
            Room::DayFull => {
                metrics::counter!("SmsDayFull").increment(1);
                return Ok(Admitted::Not(claimed.postponed(DAY_FULL, now)));
            }
        },
    };
    let Admission::Probe(probing) = admission else {
        return Ok(Admitted::Go(read, counted));
    };
    if app.circuits.step(channel, &read, &probing).await? {
        tracing::warn!(channel = channel.as_str(), notice = %claimed.id, "one message tries a channel that was left alone");
        return Ok(Admitted::Go(probing, counted));
    }
    // Another worker tries.
    if let Some(counted) = counted {
        app.caps.give_back(&counted).await?;
    }
    Ok(Admitted::Not(waiting(claimed, now, now)))
}

fn waiting(claimed: &Notice, until: Timestamp, now: Timestamp) -> Notice {
    let wait = until.duration_since(now) + SPREAD.mul_f64(retry::fraction());
    claimed.postponed(wait, now)
}

/// Notes how a channel did. `circuit` is how it stood before the call.
pub(crate) async fn note(app: &App, channel: Channel, circuit: &Circuit, trouble: Option<Trouble>) {
    let now = app.clock.now();
    let noted = match (trouble, circuit.succeeded(now)) {
        (Some(trouble), _) => app.circuits.failed(channel, trouble, now).await,
        // Only as it stood then: another may have learnt of worse meanwhile.
        (None, Some(next)) => app.circuits.step(channel, circuit, &next).await.map(|_| false),
        (None, None) => return,
    };
    match noted {
        Ok(true) => tracing::warn!(channel = channel.as_str(), "the channel is left alone"),
        Ok(false) => {}
        Err(error) => tracing::error!(%error, channel = channel.as_str(), "how a channel did could not be noted"),
    }
}

/// What a call's result says of the channel; none where it works.
pub(crate) const fn trouble(result: &Result<String, SendError>) -> Option<Trouble> {
    match result {
        // That it is not taken lies with the message or the address, or with too many at once.
        Ok(_) | Err(SendError::AddressRefused | SendError::MessageRefused | SendError::Throttled) => None,
        Err(SendError::ChannelClosed(_)) => Some(Trouble::Closed),
        Err(SendError::Transient(_) | SendError::AnswerLost(_)) => Some(Trouble::Down),
    }
}

/// Whether a message certainly did not go out.
pub(crate) const fn was_not_taken(result: &Result<String, SendError>) -> bool {
    !matches!(result, Ok(_) | Err(SendError::AnswerLost(_)))
}
