//! Contact details: one e-mail and one mobile number, each with its own times.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};

pub mod email;
pub mod mobile;

pub use email::EmailAddress;
pub use mobile::MobileNumber;

/// Months for which contact details may be used for legal notice (eForvaltningsforskriften § 32).
pub const FRESH_MONTHS: i32 = 18;

/// How a person is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A text message to the mobile number.
    Sms,
    /// An e-mail.
    Email,
}

impl Channel {
    /// Both, mobile first.
    pub const ALL: [Self; 2] = [Self::Sms, Self::Email];

    /// The name used in requests, tables and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }

    /// The channel to turn to when this one fails.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Sms => Self::Email,
            Self::Email => Self::Sms,
        }
    }
}

/// A text that names no channel.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a channel is `sms` or `email`")]
pub struct UnknownChannel;

impl std::str::FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|channel| channel.as_str() == text)
            .ok_or(UnknownChannel)
    }
}

/// An e-mail address or a mobile number: wherever a message can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "channel", content = "address", rename_all = "lowercase")]
pub enum Address {
    /// A mobile number.
    Sms(MobileNumber),
    /// An e-mail address.
    Email(EmailAddress),
}

impl Address {
    /// The channel that reaches this address.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Sms(_) => Channel::Sms,
            Self::Email(_) => Channel::Email,
        }
    }

    /// The address as people write it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sms(number) => number.as_str(),
            Self::Email(address) => address.as_str(),
        }
    }
}

impl From<MobileNumber> for Address {
    fn from(number: MobileNumber) -> Self {
        Self::Sms(number)
    }
}

impl From<EmailAddress> for Address {
    fn from(address: EmailAddress) -> Self {
        Self::Email(address)
    }
}

/// One address of a person and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactPoint<A> {
    /// The address itself.
    pub address: A,
    /// When the person set it.
    pub updated_at: Timestamp,
    /// When the person last said that it is still right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// When the person proved it with a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated_at: Option<Timestamp>,
    /// When it turned out that nothing reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undeliverable_since: Option<Timestamp>,
}

impl<A> ContactPoint<A> {
    /// An address that the person has just set.
    pub const fn new(address: A, now: Timestamp) -> Self {
        Self {
            address,
            updated_at: now,
            verified_at: None,
            validated_at: None,
            undeliverable_since: None,
        }
    }

    /// Whether messages get there, as far as is known.
    pub const fn is_deliverable(&self) -> bool {
        self.undeliverable_since.is_none()
    }

    /// When the person last said that it is right: the later of updated and verified.
    pub fn said_at(&self) -> Timestamp {
        self.verified_at
            .map_or(self.updated_at, |verified| verified.max(self.updated_at))
    }

    /// The moment from which the address is stale: 18 calendar months, in Norwegian time, after the later of
    /// updated and verified.
    pub fn fresh_until(&self) -> Timestamp {
        let oslo = self.said_at().to_zoned(norwegian_time());
        // Adding months fails only at the end of year 9999: such an address never gets stale.
        oslo.checked_add(FRESH_MONTHS.months())
            .map_or(Timestamp::MAX, |until| until.timestamp())
    }

    /// Whether the address may be used for legal notice at `now`.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until()
    }

    /// Notes that the person proved the address. Says whether that was news.
    pub(crate) fn prove(&mut self, now: Timestamp) -> bool {
        let news = self.validated_at.is_none() || !self.is_deliverable();
        if news {
            self.validated_at = Some(now);
            self.verified_at = Some(now);
            self.undeliverable_since = None;
        }
        news
    }
}

/// Norwegian time, in which days, months and decent hours are counted.
///
pub fn norwegian_time() -> TimeZone {
    TimeZone::get("Europe/Oslo").unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn norwegian_time_is_compiled_in() {
        assert_eq!(norwegian_time().iana_name(), Some("Europe/Oslo"));
    }

    #[test]
    fn freshness_is_eighteen_calendar_months_in_norwegian_time() {
        let cases = [
            // Summer to winter: the hour on the wall stays.
            ("2025-06-15T10:00:00Z", "2026-12-15T11:00:00Z"),
            // 31 August + 18 months: February has no 31st.
            ("2024-08-31T10:00:00Z", "2026-02-28T11:00:00Z"),
            // 29 February 2024.
            ("2024-02-29T12:00:00Z", "2025-08-29T11:00:00Z"),
            // Late evening UTC is the next day in Norway.
            ("2025-03-30T22:30:00Z", "2026-09-29T22:30:00Z"),
        ];
        for (updated, until) in cases {
            let point = ContactPoint::new((), at(updated));
            assert_eq!(point.fresh_until(), at(until), "{updated}");
            assert!(!point.is_fresh(at(until)));
        }
    }

    #[test]
    fn the_later_of_updated_and_verified_counts() {
        let mut point = ContactPoint::new((), at("2024-01-10T10:00:00Z"));
        point.verified_at = Some(at("2025-01-10T10:00:00Z"));
        assert_eq!(point.fresh_until(), at("2026-07-10T09:00:00Z"));
        point.updated_at = at("2025-05-10T10:00:00Z");
        assert_eq!(point.fresh_until(), at("2026-11-10T11:00:00Z"));
    }
}
