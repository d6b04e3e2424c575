//! A person as answers show one: what the caller may see, and no more.

use jiff::Timestamp;
use mailbox_register::{
    caller::Fields,
    contact::{ContactPoint, EmailAddress, MobileNumber},
    directory::Provider,
    entry::{Entry, Registration, Status},
    language::Language,
    mailbox::{Certificate, Mailbox, MailboxAddress, ProviderId},
    organisation::OrganisationNumber,
    person::PersonIdentifier,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Whether a person is in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Person)]
pub struct PersonView<'a> {
    /// The identity number the caller asked by.
    // Left out of answers that are stored, and put in when they leave.
    #[schema(value_type = Option<PersonIdentifier>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<&'a str>,
    /// Whether the person is in the register: always shown.
    pub status: RegisterStatus,
    /// Whether the person refuses digital decisions: always shown.
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Email)]
pub struct EmailView<'a> {
    #[schema(value_type = EmailAddress)]
    address: &'a str,
    #[serde(flatten)]
    details: DetailsView,
}

/// A mobile number.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mobile)]
pub struct MobileView<'a> {
    #[schema(value_type = MobileNumber)]
    number: &'a str,
    #[serde(flatten)]
    details: DetailsView,
}

/// What is known of an address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AddressDetails)]
struct DetailsView {
    /// When the person set it.
    updated_at: Timestamp,
    /// When the person last said that it is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<Timestamp>,
    /// When the person proved it by a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    validated_at: Option<Timestamp>,
    /// Whether another person has the same.
    shared: bool,
    /// Whether what is sent there arrives, as far as is known.
    deliverable: bool,
    /// When it goes stale: to the person only.
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActiveMailbox)]
pub struct ActiveMailboxView<'a> {
    provider: &'a ProviderId,
    /// The provider's number in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<OrganisationNumber>,
    #[schema(value_type = MailboxAddress)]
    address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Certificate>)]
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
