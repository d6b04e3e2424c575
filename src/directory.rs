//! The directory: which providers there are, and which organisations may call. Data, not code: names, numbers
//! and addresses change over the years.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    batch::Kind,
    caller::{Fields, Scope, Scopes},
    contact::norwegian_time,
    mailbox::{Certificate, ProviderId},
    organisation::OrganisationNumber,
    texts::{MAX_PROVIDER, is_one_line},
    usage::OwnLimits,
    words::Purpose,
};

/// From the start of one day until the start of another, in Norwegian time; open-ended without `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// The first day.
    pub from: Date,
    /// The first day after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

impl Validity {
    /// Whether `now` lies within.
    pub fn holds(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(norwegian_time()).date();
        self.from <= today && self.until.is_none_or(|until| today < until)
    }
}

/// An organisation number that a provider goes by for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderOrganisation {
    /// The number.
    pub number: OrganisationNumber,
    /// When it is the provider's.
    #[serde(flatten)]
    pub validity: Validity,
}

/// A provider's name as messages write it: at the most [`MAX_PROVIDER`] characters, so that every SMS fits its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderName(String);

/// A text that cannot name a provider in a message.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a provider's name is 1 to {MAX_PROVIDER} characters on one line")]
pub struct NotAProviderName;

impl ProviderName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProviderName {
    type Error = NotAProviderName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_one_line(&text, MAX_PROVIDER) {
            Ok(Self(text))
        } else {
            Err(NotAProviderName)
        }
    }
}

impl From<ProviderName> for String {
    fn from(name: ProviderName) -> Self {
        name.0
    }
}

/// A mailbox provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Its short name.
    pub id: ProviderId,
    /// Its name as people know it.
    pub name: ProviderName,
    /// Its organisation numbers, today's and earlier ones.
    pub organisations: Vec<ProviderOrganisation>,
    /// Where a person signs up.
    pub sign_up: String,
    /// Where a person gets help.
    pub support: String,
    /// When it can be chosen.
    #[serde(flatten)]
    pub validity: Validity,
    /// How many persons it may ask for, where that is other than for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<OwnLimits>,
}

impl Provider {
    /// The organisation number in force: the one that answers show.
    pub fn organisation(&self, now: Timestamp) -> Option<OrganisationNumber> {
        self.organisations
            .iter()
            .filter(|organisation| organisation.validity.holds(now))
            .max_by_key(|organisation| organisation.validity.from)
            .map(|organisation| organisation.number)
    }

    /// Whether an organisation may act as this provider at `now`.
    pub fn is_run_by(&self, number: OrganisationNumber, now: Timestamp) -> bool {
        self.validity.holds(now)
            && self
                .organisations
                .iter()
                .any(|organisation| organisation.number == number && organisation.validity.holds(now))
    }
}

/// What an agency may do with files. A file has no token: what a token says otherwise stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAccess {
    /// What it sees of a person, and whether it may announce letters.
    pub scopes: Scopes,
}

/// An organisation that may look recipients up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agency {
    /// Its organisation number.
    pub id: OrganisationNumber,
    /// Its name as people know it.
    pub name: String,
    /// When it may call.
    #[serde(flatten)]
    pub validity: Validity,
    /// Why it usually looks persons up: what counts where a file or a request of the existing contract does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Whether and how it may send files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FileAccess>,
    /// How many persons it may ask for, where that is other than for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<OwnLimits>,
}

impl Agency {
    /// What the agency may do with files of a kind; none if it may not send them.
    pub fn may_send(&self, kind: Kind) -> Option<&FileAccess> {
        self.files.as_ref().filter(|access| match kind {
            Kind::Lookup => !Fields::of_agency(&access.scopes).names().is_empty(),
            Kind::Letters => access.scopes.contains(Scope::LettersWrite),
        })
    }
}

/// Who prints letters to persons without a mailbox, and what these letters are encrypted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Printer {
    /// Its name in the directory: a new certificate is a new row.
    pub id: String,
    /// Its organisation number.
    pub organisation: OrganisationNumber,
    /// What letters are encrypted for.
    pub certificate: Certificate,
    /// When this holds.
    #[serde(flatten)]
    pub validity: Validity,
}

impl Printer {
    /// The one of `all` in force: where the times of two overlap, the later one.
    pub fn in_force(all: &[Self], now: Timestamp) -> Option<&Self> {
        all.iter()
            .filter(|printer| printer.validity.holds(now))
            .max_by_key(|printer| printer.validity.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_goes_by_the_number_in_force() {
        let provider: Provider = serde_json::from_value(serde_json::json!({
            "id": "e-boks", "name": "e-Boks", "signUp": "https://e-boks.example.no", "support": "https://e-boks.example.no/help",
            "from": "2014-02-01",
            "organisations": [
                {"number": "996460320", "from": "2014-02-01", "until": "2025-06-01"},
                {"number": "922020175", "from": "2025-05-01"},
            ],
        }))
        .unwrap();
        let (old, new) = ("996460320".parse().unwrap(), "922020175".parse().unwrap());
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(provider.organisation(at("2020-01-01T00:00:00Z")), Some(old));
        // In the month of the change both may call; answers show the new one.
        assert!(provider.is_run_by(old, at("2025-05-20T00:00:00Z")));
        assert_eq!(provider.organisation(at("2025-05-20T00:00:00Z")), Some(new));
        // Midnight is Norwegian.
        assert!(!provider.is_run_by(old, at("2025-05-31T22:00:00Z")));
        assert!(!provider.is_run_by(new, at("2014-01-01T00:00:00Z")));
    }
}
