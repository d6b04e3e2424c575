//! A person as answers show one: what the caller may see, and no more.

use jiff::Timestamp;
use mailbox_register::{
    caller::Fields,
    contact::ContactPoint,
    directory::Provider,
    entry::{Entry, Registration, Status},
    language::Language,
    mailbox::{Certificate, Mailbox, ProviderId},
    organisation::OrganisationNumber,
};
use serde::Serialize;

/// Whether a person is in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterStatus {
    /// In the register.
    Registered,
    /// No longer in it. Why is never said.
    Deleted,
    /// Never was.
    NotRegistered,
}

/// One person.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonView<'a> {
    /// The identity number the caller asked by. Left out of answers that are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<&'a str>,
    /// Always shown.
    pub status: RegisterStatus,
    /// Always shown.
    pub reserved: bool,
    /// Whether legal notice may be given today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_be_notified: Option<bool>,
    /// The language to write in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// The e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailView<'a>>,
    /// The mobile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile: Option<MobileView<'a>>,
    /// The active mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<ActiveMailboxView<'a>>,
}

/// An e-mail address.
#[derive(Debug, Serialize)]
pub struct EmailView<'a> {
    address: &'a str,
    #[serde(flatten)]
    details: DetailsView,
}

/// A mobile number.
#[derive(Debug, Serialize)]
pub struct MobileView<'a> {
    number: &'a str,
    #[serde(flatten)]
    details: DetailsView,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsView {
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validated_at: Option<Timestamp>,
    shared: bool,
    deliverable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh_until: Option<Timestamp>,
}

impl DetailsView {
    fn new<A>(point: &ContactPoint<A>, shared: bool, own: bool) -> Self {
        Self {
            updated_at: point.updated_at,
            verified_at: point.verified_at,
            validated_at: point.validated_at,
            shared,
            deliverable: point.is_deliverable(),
            fresh_until: own.then(|| point.fresh_until()),
        }
    }
}

/// The mailbox that letters go to.
#[derive(Debug, Serialize)]
pub struct ActiveMailboxView<'a> {
    provider: &'a ProviderId,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<OrganisationNumber>,
    address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a str>,
}

/// An entry to be shown, and what is known of it besides.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The entry; none for a person who is not in the register. What others may not know of is shown as none.
    pub entry: Option<&'a Entry>,
    /// Whether another person has the same e-mail.
    pub email_shared: bool,
    /// Whether another person has the same mobile.
    pub mobile_shared: bool,
    /// The directory's providers.
    pub providers: &'a [Provider],
}

impl<'a> Shown<'a> {
    /// The person as the register's users see one.
    pub fn to_others(self, person: &'a str, fields: Fields, now: Timestamp) -> PersonView<'a> {
        self.view(Some(person), fields, false, now)
    }

    /// The person as citizens see themselves: with how long each address stays fresh, without the identity number,
    /// which they know.
    pub fn to_self(self, fields: Fields, now: Timestamp) -> PersonView<'a> {
        self.view(None, fields, true, now)
    }

    fn view(self, person: Option<&'a str>, fields: Fields, own: bool, now: Timestamp) -> PersonView<'a> {
        let registration = self.entry.and_then(Entry::registration);
        let contact = registration.filter(|_| fields.contact);
        let email = contact.and_then(|registration| registration.email.as_ref());
        let mobile = contact.and_then(|registration| registration.mobile.as_ref());
        let active = registration
            .filter(|_| fields.mailbox)
            .and_then(|registration| registration.mailboxes.active());
        PersonView {
            person,
            status: match self.entry.and_then(Entry::disclosed).map(|entry| &entry.status) {
                Some(Status::Registered(_)) => RegisterStatus::Registered,
                Some(Status::Deleted(_)) => RegisterStatus::Deleted,
                None => RegisterStatus::NotRegistered,
            },
            reserved: registration.is_some_and(Registration::is_reserved),
            can_be_notified: fields
                .contact
                .then(|| registration.is_some_and(|registration| registration.can_be_notified(now))),
            language: contact.map(|registration| registration.language),
            email: email.map(|point| EmailView {
                address: point.address.as_str(),
                details: DetailsView::new(point, self.email_shared, own),
            }),
            mobile: mobile.map(|point| MobileView {
                number: point.address.as_str(),
                details: DetailsView::new(point, self.mobile_shared, own),
            }),
            mailbox: active.map(|mailbox| self.mailbox(mailbox, now)),
        }
    }

    fn mailbox(self, mailbox: &'a Mailbox, now: Timestamp) -> ActiveMailboxView<'a> {
        let provider = self.providers.iter().find(|provider| provider.id == mailbox.provider);
        ActiveMailboxView {
            provider: &mailbox.provider,
            organisation: provider.and_then(|provider| provider.organisation(now)),
            address: mailbox.address.as_str(),
            certificate: mailbox.certificate.as_ref().map(Certificate::as_str),
        }
    }
}
