//! Digital mailboxes: several may be registered, one is active, a pending choice waits for its provider.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x509_cert::{Certificate as X509, der::DecodePem as _};

use crate::{contact::Channel, redacted_debug};

/// A provider's short name in the directory, such as `digipost`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(pattern = "^[a-z0-9-]{1,20}$", format = "provider")]
pub struct ProviderId(String);

/// A text that cannot name a provider: 1 to 20 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("not a provider's name")]
pub struct NotAProviderId;

impl ProviderId {
    /// The name as requests and tables spell it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProviderId {
    type Error = NotAProviderId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=20).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err(NotAProviderId)
        }
    }
}

impl From<ProviderId> for String {
    fn from(id: ProviderId) -> Self {
        id.0
    }
}

impl std::str::FromStr for ProviderId {
    type Err = NotAProviderId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

/// A provider's address for one person, such as `ola.nordmann#9YDT`: 8 to 100 characters, none of them a
/// control character or a space.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(
    format = "mailbox-address",
    pattern = r"^[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2069\u3000\ufeff]{8,100}$"
)]
pub struct MailboxAddress(String);

redacted_debug!(MailboxAddress);

/// A text that is no mailbox address.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a mailbox address is 8 to 100 characters without spaces")]
pub struct NotAMailboxAddress;

impl MailboxAddress {
    /// The address as the provider gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MailboxAddress {
    type Error = NotAMailboxAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hidden = |c: char| c.is_control() || c.is_whitespace() || is_invisible(c);
        if (8..=100).contains(&text.chars().count()) && !text.chars().any(hidden) {
            Ok(Self(text))
        } else {
            Err(NotAMailboxAddress)
        }
    }
}

/// Zero-width and direction-changing characters: they make two different addresses look alike.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

impl From<MailboxAddress> for String {
    fn from(address: MailboxAddress) -> Self {
        address.0
    }
}

/// The X.509 certificate that letters to a mailbox are encrypted for, in PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(format = "certificate", max_length = 4096)]
pub struct Certificate(String);

redacted_debug!(Certificate);

/// Why a certificate is refused.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum CertificateError {
    /// Not one X.509 certificate in PEM, or longer than 4 kB.
    #[error("not an X.509 certificate in PEM")]
    Malformed,
    /// Not valid today.
    #[error("the certificate is not valid now")]
    NotValidNow,
}

impl Certificate {
    /// Longest PEM text taken: certificates of 4096-bit keys stay below, and a thousand of them within the 6 MB that
    /// a function can answer.
    pub const MAX_LENGTH: usize = 4 * 1024;

    /// Reads a certificate and checks that it is valid at `now`. Trust in its issuer is the sender's to decide.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn parse(pem: &str, now: Timestamp) -> Result<Self, CertificateError> {
        if pem.len() > Self::MAX_LENGTH {
            return Err(CertificateError::Malformed);
        }
        let certificate = X509::from_pem(pem).map_err(|_| CertificateError::Malformed)?;
        let validity = certificate.tbs_certificate().validity();
        let second = u64::try_from(now.as_second()).map_err(|_| CertificateError::NotValidNow)?;
        let valid = validity.not_before.to_unix_duration().as_secs()..=validity.not_after.to_unix_duration().as_secs();
        if !valid.contains(&second) {
            return Err(CertificateError::NotValidNow);
        }
        Ok(Self(pem.to_owned()))
    }

    /// The PEM text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A mailbox that a provider has registered for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mailbox {
    /// Whose mailbox it is.
    pub provider: ProviderId,
    /// Where letters go.
    pub address: MailboxAddress,
    /// What letters are encrypted for, if the provider wants that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// When the provider registered it.
    pub registered_at: Timestamp,
    /// How the person was told when it became active; none if there was no way to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<Channel>,
}

/// A choice of a provider that has no mailbox for the person yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingChoice {
    /// The chosen provider.
    pub provider: ProviderId,
    /// When it was chosen.
    pub chosen_at: Timestamp,
}

/// All of a person's mailboxes. The active one stands apart, so there cannot be two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mailboxes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<Mailbox>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inactive: Vec<Mailbox>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<PendingChoice>,
    /// Since when the person wants no active mailbox, having withdrawn the choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<Timestamp>,
    /// Providers that closed their mailbox: closing it again is then the same answer, not a refusal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    closed: BTreeMap<ProviderId, Timestamp>,
}

/// How a provider stands with a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Letters go to its mailbox.
    Active,
    /// It has a mailbox for the person, and another one is active, or none.
    Registered,
    /// The person has chosen it, and it has no mailbox for the person yet.
    Pending,
}

impl Mailboxes {
    /// The mailbox that letters go to.
    pub const fn active(&self) -> Option<&Mailbox> {
        self.active.as_ref()
    }

    /// The choice that waits for its provider.
    pub const fn pending(&self) -> Option<&PendingChoice> {
        self.pending.as_ref()
    }

    /// Every registered mailbox, the active one first.
    pub fn registered(&self) -> impl Iterator<Item = &Mailbox> {
        self.active.iter().chain(&self.inactive)
    }

    /// The provider's mailbox, active or not.
    pub fn of(&self, provider: &ProviderId) -> Option<&Mailbox> {
        self.registered().find(|mailbox| mailbox.provider == *provider)
    }

    /// How a provider stands here; none: no mailbox, and no choice of it is pending.
    pub fn standing(&self, provider: &ProviderId) -> Option<Standing> {
        if self.is_active(provider) {
            Some(Standing::Active)
        } else if self.is_pending(provider) {
            Some(Standing::Pending)
        } else {
            self.of(provider).map(|_| Standing::Registered)
        }
    }

    /// Every provider that stands here in some way.
    pub fn providers(&self) -> impl Iterator<Item = &ProviderId> {
        let pending = self.pending.iter().map(|choice| &choice.provider);
        self.registered().map(|mailbox| &mailbox.provider).chain(pending)
    }

    /// Whether the provider's mailbox is the active one.
    pub fn is_active(&self, provider: &ProviderId) -> bool {
        self.active.as_ref().is_some_and(|active| active.provider == *provider)
    }

    /// Whether the choice of this provider is pending.
    pub fn is_pending(&self, provider: &ProviderId) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.provider == *provider)
    }

    /// Whether a provider's new mailbox becomes the active one without the person having chosen the provider here:
    /// only while the person has said nothing else.
    pub fn has_room(&self) -> bool {
        self.active.is_none() && self.pending.is_none() && self.withdrawn_at.is_none()
    }

    /// Whether the provider had a mailbox here and closed it.
    pub fn was_closed(&self, provider: &ProviderId) -> bool {
        self.closed.contains_key(provider)
    }

    /// Makes the provider's registered mailbox the active one; the one active before stays registered. Does nothing
    /// if the provider has none.
    pub(crate) fn activate(&mut self, provider: &ProviderId, confirmed_by: Option<Channel>) {
        let Some(at) = self.inactive.iter().position(|mailbox| mailbox.provider == *provider) else {
            return;
        };
        self.withdrawn_at = None;
        let mut chosen = self.inactive.remove(at);
        chosen.confirmed_by = confirmed_by;
        if let Some(mut before) = self.active.replace(chosen) {
            before.confirmed_by = None;
            self.inactive.push(before);
        }
    }

    /// Stores a provider's new mailbox, not active.
    pub(crate) fn add(&mut self, mailbox: Mailbox) {
        self.closed.remove(&mailbox.provider);
        self.inactive.push(mailbox);
    }

    /// Changes address and certificate of a provider's mailbox.
    pub(crate) fn update(&mut self, provider: &ProviderId, address: MailboxAddress, certificate: Option<Certificate>) {
        if let Some(mailbox) = self
            .active
            .iter_mut()
            .chain(&mut self.inactive)
            .find(|mailbox| mailbox.provider == *provider)
        {
            mailbox.address = address;
            mailbox.certificate = certificate;
        }
    }

    /// Remembers a choice that its provider has still to answer.
    pub(crate) fn wait_for(&mut self, provider: ProviderId, now: Timestamp) {
        self.withdrawn_at = None;
        self.pending = Some(PendingChoice {
            provider,
            chosen_at: now,
        });
    }

    /// Ends a pending choice, if there is one.
    pub(crate) fn stop_waiting(&mut self) -> Option<PendingChoice> {
        self.pending.take()
    }

    /// The active mailbox becomes one of the registered ones; a pending choice ends.
    pub(crate) fn withdraw(&mut self, now: Timestamp) {
        self.pending = None;
        self.withdrawn_at = Some(now);
        self.deactivate();
    }

    /// The active mailbox becomes one of the registered ones, without the person having said anything: the next one that is
    /// registered may be active.
    pub(crate) fn deactivate(&mut self) {
        if let Some(mut before) = self.active.take() {
            before.confirmed_by = None;
            self.inactive.push(before);
        }
    }

    /// Takes in what there is under a former identifier, unless there is a mailbox or a choice here. Who has withdrawn the
    /// choice here has meant that too: no mailbox that comes in is active then.
    pub(crate) fn take_in(&mut self, moving: Self) {
        if self.registered().next().is_some() || self.pending.is_some() {
            return;
        }
        let before = std::mem::replace(self, moving);
        if let Some(at) = before.withdrawn_at {
            self.withdraw(at);
        }
        for (provider, at) in before.closed {
            if self.of(&provider).is_none() {
                self.closed.insert(provider, at);
            }
        }
    }

    /// Takes the provider's mailbox away.
    pub(crate) fn close(&mut self, provider: &ProviderId, now: Timestamp) {
        if self.is_active(provider) {
            self.active = None;
        }
        self.inactive.retain(|mailbox| mailbox.provider != *provider);
        self.closed.insert(provider.clone(), now);
    }
}
