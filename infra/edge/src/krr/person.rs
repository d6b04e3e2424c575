//! A person.

use jiff::Timestamp;
use mailbox_register::{
    caller::Parts,
    contact::{ContactPoint, EmailAddress, MobileNumber},
    entry::{Entry, Registration, Status},
    language::Language,
    mailbox::{Certificate, Mailbox},
    organisation::OrganisationNumber,
    person::PersonIdentifier,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::person::Shown;

/// Which of the contract's versions a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `/rest/v1`.
    V1,
    /// `/rest/v2`: also when an address was proved, whether it is shared, and when the person reserved.
    V2,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = KrrYesNo)]
enum YesNo {
    #[serde(rename = "JA")]
    Yes,
    #[serde(rename = "NEI")]
    No,
}

impl From<bool> for YesNo {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Whether a person is in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = KrrStatus)]
enum PersonStatus {
    #[serde(rename = "AKTIV")]
    Registered,
    #[serde(rename = "SLETTET")]
    Deleted,
    #[serde(rename = "IKKE_REGISTRERT")]
    NotRegistered,
}

/// Whether legal notice may be given today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = KrrNotice)]
enum Notice {
    #[serde(rename = "KAN_VARSLES")]
    Possible,
    #[serde(rename = "KAN_IKKE_VARSLES")]
    Impossible,
}

/// One person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KrrPerson)]
pub struct Person<'a> {
    #[serde(rename = "personidentifikator")]
    #[schema(value_type = PersonIdentifier)]
    identifier: &'a str,
    #[serde(rename = "reservasjon")]
    reserved: YesNo,
    #[serde(rename = "reservasjonstidspunkt", skip_serializing_if = "Option::is_none")]
    reserved_at: Option<Timestamp>,
    #[serde(rename = "reservasjon_oppdatert", skip_serializing_if = "Option::is_none")]
    reservation_updated_at: Option<Timestamp>,
    status: PersonStatus,
    #[serde(rename = "varslingsstatus", skip_serializing_if = "Option::is_none")]
    notice: Option<Notice>,
    #[serde(rename = "kontaktinformasjon", skip_serializing_if = "Option::is_none")]
    contact: Option<Contact<'a>>,
    #[serde(rename = "digital_post", skip_serializing_if = "Option::is_none")]
    mailbox: Option<MailboxAddress<'a>>,
    #[serde(rename = "sertifikat", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Certificate>)]
    certificate: Option<&'a str>,
    #[serde(rename = "spraak", skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
    #[serde(rename = "spraak_oppdatert", skip_serializing_if = "Option::is_none")]
    language_updated_at: Option<Timestamp>,
}

/// Contact details.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KrrContact)]
struct Contact<'a> {
    #[serde(rename = "epostadresse", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EmailAddress>)]
    email: Option<&'a str>,
    #[serde(rename = "epostadresse_oppdatert", skip_serializing_if = "Option::is_none")]
    email_updated_at: Option<Timestamp>,
    #[serde(rename = "epostadresse_sist_verifisert", skip_serializing_if = "Option::is_none")]
    email_verified_at: Option<Timestamp>,
    #[serde(rename = "epostadresse_sist_validert", skip_serializing_if = "Option::is_none")]
    email_validated_at: Option<Timestamp>,
    #[serde(rename = "epostadresse_duplisert", skip_serializing_if = "Option::is_none")]
    email_shared: Option<YesNo>,
    #[serde(rename = "mobiltelefonnummer", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MobileNumber>)]
    mobile: Option<&'a str>,
    #[serde(rename = "mobiltelefonnummer_oppdatert", skip_serializing_if = "Option::is_none")]
    mobile_updated_at: Option<Timestamp>,
    #[serde(
        rename = "mobiltelefonnummer_sist_verifisert",
        skip_serializing_if = "Option::is_none"
    )]
    mobile_verified_at: Option<Timestamp>,
    #[serde(rename = "mobiltelefonnummer_sist_validert", skip_serializing_if = "Option::is_none")]
    mobile_validated_at: Option<Timestamp>,
    #[serde(rename = "mobiltelefonnummer_duplisert", skip_serializing_if = "Option::is_none")]
    mobile_shared: Option<YesNo>,
}

/// The active mailbox.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KrrMailbox)]
struct MailboxAddress<'a> {
    #[serde(rename = "postkasseadresse")]
    #[schema(value_type = mailbox_register::mailbox::MailboxAddress)]
    address: &'a str,
    #[serde(rename = "postkasseleverandoeradresse")]
    provider: OrganisationNumber,
}

/// The answer to a look-up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KrrPersons)]
pub struct Persons<'a> {
    /// As many as were asked for, in that order.
    #[serde(rename = "personer")]
    pub persons: Vec<Person<'a>>,
}

/// A page of persons who have changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KrrPage)]
pub struct Page<'a> {
    /// The persons, each as of now.
    #[serde(rename = "list")]
    pub persons: Vec<Person<'a>>,
    /// The change that was asked from.
    #[serde(rename = "fraEndringsId")]
    pub from: u64,
    /// The last change of this page: where to ask on from.
    #[serde(rename = "tilEndringsId")]
    pub to: u64,
    /// The last change there is.
    #[serde(rename = "sisteEndringsId")]
    pub last: u64,
}

/// What is known of one address of a person.
struct Point<'a> {
    address: &'a str,
    updated_at: Timestamp,
    verified_at: Option<Timestamp>,
    validated_at: Option<Timestamp>,
    shared: YesNo,
}

impl<'a> Point<'a> {
    fn of<A>(point: &'a ContactPoint<A>, text: fn(&A) -> &str, shared: bool) -> Self {
        Self {
            address: text(&point.address),
            updated_at: point.updated_at,
            verified_at: point.verified_at,
            validated_at: point.validated_at,
            shared: shared.into(),
        }
    }
}

impl<'a> Person<'a> {
    /// A person who was asked for by `identifier`, as far as `parts` goes.
    pub fn new(shown: Shown<'a>, identifier: &'a str, parts: Parts, version: Version, now: Timestamp) -> Self {
        let registration = shown.entry.and_then(|entry| entry.registration());
        let reserved_at = registration
            .filter(|_| parts.addresses && version == Version::V2)
            .and_then(|registration| registration.reserved_at);
        let spoken = registration.filter(|_| parts.language);
        let addressed = registration
            .and_then(|registration| registration.mailboxes.active())
            .and_then(|mailbox| Some((mailbox, organisation(shown, mailbox, now)?)));
        Self {
            identifier,
            reserved: registration.is_some_and(Registration::is_reserved).into(),
            reserved_at,
            reservation_updated_at: reserved_at,
            status: match shown.entry.and_then(Entry::disclosed).map(|entry| &entry.status) {
                Some(Status::Registered(_)) => PersonStatus::Registered,
                Some(Status::Deleted(_)) => PersonStatus::Deleted,
                None => PersonStatus::NotRegistered,
            },
            notice: parts.notice.then(|| {
                if registration.is_some_and(|registration| registration.can_be_notified(now)) {
                    Notice::Possible
                } else {
                    Notice::Impossible
                }
            }),
            contact: registration
                .filter(|_| parts.addresses)
                .and_then(|registration| contact(registration, shown, version)),
            mailbox: addressed
                .filter(|_| parts.mailbox)
                .map(|(mailbox, provider)| MailboxAddress {
                    address: mailbox.address.as_str(),
                    provider,
                }),
            certificate: addressed
                .filter(|_| parts.certificate)
                .and_then(|(mailbox, _)| mailbox.certificate.as_ref())
                .map(Certificate::as_str),
            language: spoken.map(|registration| registration.language),
            language_updated_at: spoken.and_then(|registration| registration.language_updated_at),
        }
    }
}

fn contact<'a>(registration: &'a Registration, shown: Shown<'a>, version: Version) -> Option<Contact<'a>> {
    let email = registration
        .email
        .as_ref()
        .map(|point| Point::of(point, |address| address.as_str(), shown.email_shared));
    let mobile = registration
        .mobile
        .as_ref()
        .map(|point| Point::of(point, |number| number.as_str(), shown.mobile_shared));
    if email.is_none() && mobile.is_none() {
        return None;
    }
    let newer = |point: &Option<Point<'a>>| {
        let point = point.as_ref().filter(|_| version == Version::V2);
        (
            point.and_then(|point| point.validated_at),
            point.map(|point| point.shared),
        )
    };
    let (email_validated_at, email_shared) = newer(&email);
    let (mobile_validated_at, mobile_shared) = newer(&mobile);
    Some(Contact {
        email: email.as_ref().map(|point| point.address),
        email_updated_at: email.as_ref().map(|point| point.updated_at),
        email_verified_at: email.as_ref().and_then(|point| point.verified_at),
        email_validated_at,
        email_shared,
        mobile: mobile.as_ref().map(|point| point.address),
        mobile_updated_at: mobile.as_ref().map(|point| point.updated_at),
        mobile_verified_at: mobile.as_ref().and_then(|point| point.verified_at),
        mobile_validated_at,
        mobile_shared,
    })
}

/// The number in force of a mailbox's provider.
fn organisation(shown: Shown<'_>, mailbox: &Mailbox, now: Timestamp) -> Option<OrganisationNumber> {
    shown
        .providers
        .iter()
        .find(|provider| provider.id == mailbox.provider)
        .and_then(|provider| provider.organisation(now))
}

#[cfg(test)]
mod tests {
    use mailbox_register::caller::Scopes;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_of_changes_has_persons_as_look_ups_have_them() {
        let unknown = Shown {
            entry: None,
            email_shared: false,
            mobile_shared: false,
            providers: &[],
        };
        let parts = Parts::of_agency(&Scopes::from("krr:global/kontaktinformasjon.read".to_owned()));
        let persons = vec![Person::new(
            unknown,
            "02907740652",
            parts,
            Version::V2,
            Timestamp::UNIX_EPOCH,
        )];
        let page = Page {
            persons,
            from: 7,
            to: 8,
            last: 9,
        };
        let person = json!({
            "personidentifikator": "02907740652", "reservasjon": "NEI", "status": "IKKE_REGISTRERT",
            "varslingsstatus": "KAN_IKKE_VARSLES",
        });
        assert_eq!(
            serde_json::to_value(&page).unwrap(),
            json!({ "list": [person], "fraEndringsId": 7, "tilEndringsId": 8, "sisteEndringsId": 9 })
        );
    }
}
