//! Contact details: one e-mail and one mobile number, each with its own times.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub mod email;
pub mod mobile;

pub use email::EmailAddress;
pub use mobile::MobileNumber;

/// Months for which contact details may be used for legal notice (eForvaltningsforskriften § 32).
pub const FRESH_MONTHS: i32 = 18;
/// Months after which the person is asked whether contact details are still right: two before they go stale.
pub const REMINDER_MONTHS: i32 = 16;

/// How a person is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
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
    /// When the person was reminded that it goes stale; none once the person has said since that it is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Timestamp>,
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
            reminded_at: None,
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
        months_after(self.said_at(), FRESH_MONTHS)
    }

    /// Whether the address may be used for legal notice at `now`.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until()
    }

    /// When the person is to be reminded that the address goes stale: 16 calendar months, in Norwegian time, after the
    /// person last said that it is right. None if that was done, or if nothing reaches the address: whoever reads no
    /// mail there has no use for it staying fresh.
    pub fn reminder_due_at(&self) -> Option<Timestamp> {
        (self.reminded_at.is_none() && self.is_deliverable()).then(|| months_after(self.said_at(), REMINDER_MONTHS))
    }

    /// Notes that the person said that the address is right.
    pub(crate) const fn verify(&mut self, now: Timestamp) {
        self.verified_at = Some(now);
        self.reminded_at = None;
    }

    /// Notes that the person proved the address. Says whether that was news.
    pub(crate) fn prove(&mut self, now: Timestamp) -> bool {
        let news = self.validated_at.is_none() || !self.is_deliverable() || self.reminded_at.is_some();
        if news {
            self.validated_at = Some(now);
            self.verify(now);
            self.undeliverable_since = None;
        }
        news
    }
}

/// The same hour some calendar months later, in Norwegian time; on the month's last day where it has no such day.
fn months_after(at: Timestamp, months: i32) -> Timestamp {
    // Adding months fails only at the end of year 9999: that never comes.
    at.to_zoned(norwegian_time())
        .checked_add(months.months())
        .map_or(Timestamp::MAX, |later| later.timestamp())
}

/// Norwegian time, in which days, months and decent hours are counted.
///
pub fn norwegian_time() -> TimeZone {
    TimeZone::get("Europe/Oslo").unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, Time};
    use proptest::prelude::*;

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

    #[test]
    fn a_reminder_is_due_sixteen_calendar_months_after_the_last_word() {
        let cases = [
            ("2025-06-15T10:00:00Z", "2026-10-15T10:00:00Z"),
            // 31 August + 16 months is still a 31st, 31 October + 16 months is not.
            ("2024-08-31T10:00:00Z", "2025-12-31T11:00:00Z"),
            ("2024-10-31T10:00:00Z", "2026-02-28T10:00:00Z"),
            ("2026-10-31T10:00:00Z", "2028-02-29T10:00:00Z"),
        ];
        for (updated, due) in cases {
            let mut point = ContactPoint::new((), at(updated));
            assert_eq!(point.reminder_due_at(), Some(at(due)), "{updated}");
            point.reminded_at = Some(at(due));
            assert_eq!(point.reminder_due_at(), None);
            point.verify(at("2027-06-15T10:00:00Z"));
            assert_eq!(point.reminder_due_at(), Some(at("2028-10-15T10:00:00Z")));
        }
    }

    #[test]
    fn nobody_is_reminded_of_an_address_that_nothing_reaches() {
        let mut point = ContactPoint::new((), at("2025-06-15T10:00:00Z"));
        point.undeliverable_since = Some(at("2025-07-15T10:00:00Z"));
        assert_eq!(point.reminder_due_at(), None);
        point.prove(at("2026-01-15T10:00:00Z"));
        assert_eq!(point.reminder_due_at(), Some(at("2027-05-15T09:00:00Z")));
    }

    proptest! {
        /// The month is the sixteenth, the day the same or the month's last, the hour on the wall the same; and about two
        /// months are left to answer in.
        #[test]
        fn a_reminder_comes_by_the_calendar(second in 0i64..4_102_444_800) {
            let said = Timestamp::from_second(second).unwrap().to_zoned(norwegian_time());
            let point = ContactPoint::new((), said.timestamp());
            let due = point.reminder_due_at().unwrap().to_zoned(norwegian_time());
            let months = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month());
            prop_assert_eq!(months(due.date()), months(said.date()) + REMINDER_MONTHS);
            prop_assert_eq!(due.day(), said.day().min(due.date().days_in_month()));
            // Only an hour that a night in March does not have is another.
            let is_skipped = due.time().hour() == 3 && said.time().hour() == 2;
            let wall = |time: Time| (time.hour(), time.minute(), time.second());
            prop_assert!(is_skipped || wall(due.time()) == wall(said.time()));
            let left = point.fresh_until().duration_since(due.timestamp()).as_hours() / 24;
            prop_assert!((58..=62).contains(&left), "{left}");
        }
    }
}
