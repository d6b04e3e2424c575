//! Whether a channel is to be used now: its circuit, the day's caps, and this worker's pace.

use infra_aws::{caps::Room, error::StoreError, retry, sending::SendError};
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
    /// It may; how the channel stood then.
    Go(Circuit),
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
    let circuit = match read.admit(now) {
        Admission::Go => read,
        Admission::Wait(until) => return Ok(Admitted::Not(waiting(claimed, until, now))),
        Admission::Probe(probing) => {
            if !app.circuits.step(channel, &read, &probing).await? {
                // Another worker tries.
                return Ok(Admitted::Not(waiting(claimed, now, now)));
            }
            tracing::warn!(channel = channel.as_str(), notice = %claimed.id, "one message tries a channel that was left alone");
            probing
        }
    };
    let Ready::Sms(number, _) = ready else {
        return Ok(Admitted::Go(circuit));
    };
    Ok(match app.caps.count(number, now).await? {
        Room::Left => Admitted::Go(circuit),
        Room::NumberFull => {
            metrics::counter!("SmsNumberFull").increment(1);
            Admitted::Not(claimed.failed(Failure::TooMany, now))
        }
        Room::DayFull => {
            metrics::counter!("SmsDayFull").increment(1);
            Admitted::Not(claimed.postponed(DAY_FULL, now))
        }
    })
}

fn waiting(claimed: &Notice, until: Timestamp, now: Timestamp) -> Notice {
    let wait = until.duration_since(now) + SPREAD.mul_f64(retry::fraction());
    claimed.postponed(wait, now)
}

/// Notes how a channel did. `circuit` is how it stood before the call.
pub(crate) async fn note(app: &App, channel: Channel, circuit: &Circuit, result: &Result<String, SendError>) {
    let trouble = match result {
        // That it is not taken lies with the message or the address, or with too many at once: the channel works.
        Ok(_) | Err(SendError::AddressRefused | SendError::MessageRefused | SendError::Throttled) => None,
        Err(SendError::ChannelClosed(_)) => Some(Trouble::Closed),
        Err(SendError::Transient(_) | SendError::AnswerLost(_)) => Some(Trouble::Down),
    };
    if trouble.is_none() && circuit.succeeded().is_none() {
        return;
    }
    match app.circuits.note(channel, trouble, app.clock.now()).await {
        Ok(None) => {}
        Ok(Some(open)) => tracing::warn!(channel = channel.as_str(), open, "a channel's circuit"),
        Err(error) => tracing::error!(%error, channel = channel.as_str(), "how a channel did could not be noted"),
    }
}
