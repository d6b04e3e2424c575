//! What a batch costs the register's owner, so that an organisation can see it before.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::tally::Tally;

/// An amount, exact to a hundredth of an øre: messages cost fractions of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kroner(u64);

/// Parts of a krone that an amount is counted in.
const PARTS: u64 = 10_000;

/// A text that is not an amount: digits, and at most four after a point.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("an amount is digits with at most four after a point")]
pub struct NotAnAmount;

impl Kroner {
    /// So many times the amount.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl FromStr for Kroner {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || fraction.len() > 4 {
            return Err(NotAnAmount);
        }
        let whole: u64 = whole.parse().map_err(|_| NotAnAmount)?;
        let fraction: u64 = format!("{fraction:0<4}").parse().map_err(|_| NotAnAmount)?;
        let parts = whole.checked_mul(PARTS).and_then(|parts| parts.checked_add(fraction));
        parts.map(Self).ok_or(NotAnAmount)
    }
}

impl std::fmt::Display for Kroner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:04}", self.0 / PARTS, self.0 % PARTS)
    }
}

impl Serialize for Kroner {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kroner {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What one of each costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// Looking one person up.
    pub lookup: Kroner,
    /// One part of an SMS.
    pub sms_part: Kroner,
    /// One e-mail.
    pub email: Kroner,
}

/// What a batch costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Always Norwegian kroner.
    pub currency: Currency,
    /// Look-ups.
    pub lookups: Kroner,
    /// Text messages.
    pub sms: Kroner,
    /// E-mails.
    pub email: Kroner,
    /// All of it.
    pub total: Kroner,
}

/// The currency of all prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Currency {
    /// Norwegian kroner.
    #[serde(rename = "NOK")]
    Nok,
}

/// What `tally` costs at these prices: every row that names a person is a look-up. Of letters it is the first notice;
/// a reminder costs as much again, if it comes to it.
pub fn cost(tally: &Tally, prices: &Prices) -> Cost {
    let lookups = prices.lookup.times(tally.rows.saturating_sub(tally.bad_rows()));
    let sms = prices.sms_part.times(tally.sms_parts);
    let email = prices.email.times(tally.channels.get("email").copied().unwrap_or(0));
    Cost {
        currency: Currency::Nok,
        lookups,
        sms,
        email,
        total: lookups.plus(sms).plus(email),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for (text, written) in [
            ("0.6", "0.6000"),
            ("12", "12.0000"),
            ("0.0004", "0.0004"),
            ("0.05", "0.0500"),
        ] {
            assert_eq!(text.parse::<Kroner>().unwrap().to_string(), written);
        }
        for wrong in ["", ".", "1.", ".5", "-1", "1,5", "0.00001", "99999999999999999999"] {
            assert_eq!(wrong.parse::<Kroner>(), Err(NotAnAmount), "{wrong}");
        }
    }

    #[test]
    fn a_file_costs_what_its_rows_cost() {
        let mut tally = Tally {
            rows: 1000,
            sms_parts: 700,
            ..Tally::default()
        };
        tally.channels.insert("email".to_owned(), 200);
        let prices = Prices {
            lookup: "0.01".parse().unwrap(),
            sms_part: "0.6".parse().unwrap(),
            email: "0.001".parse().unwrap(),
        };
        let cost = cost(&tally, &prices);
        assert_eq!(cost.total.to_string(), "430.2000");
        assert_eq!(serde_json::to_value(cost).unwrap()["sms"], "420.0000");
    }
}
