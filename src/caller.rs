//! Who calls, what they may do and what they may see.

use std::{collections::BTreeSet, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{organisation::OrganisationNumber, person::PersonIdentifier};

/// How sure the e-ID is of who logged in (`acr` of ID-porten).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// `idporten-loa-low`: not enough for anything here.
    Low,
    /// `idporten-loa-substantial`.
    Substantial,
    /// `idporten-loa-high`.
    High,
}

/// A right that a token carries. Scopes this register does not know are dropped when a token is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// E-mail, mobile, their times, whether legal notice may be given, language.
    ContactRead,
    /// Mailbox address and certificate.
    MailboxRead,
    /// The change feed.
    ChangesRead,
    /// A provider registers, updates and closes mailboxes.
    MailboxWrite,
    /// Letters are announced.
    LettersWrite,
    /// Files of recipients.
    Batches,
    /// The citizen's own contact details.
    OwnContactRead,
    /// Change of the citizen's own contact details.
    OwnContactWrite,
    /// The citizen's own mailboxes.
    OwnMailboxRead,
    /// The citizen's own choice of mailbox, and reservation.
    OwnMailboxWrite,
    /// The citizen's own language.
    OwnLanguageWrite,
    /// E-mail, mobile and their times, by the name of earlier years.
    FormerContactRead,
    /// Whether legal notice may be given, by the name of earlier years.
    FormerNoticeRead,
    /// Mailbox address, by the name of earlier years.
    FormerMailboxRead,
    /// Certificate, by the name of earlier years.
    FormerCertificateRead,
    /// Language, by the name of earlier years.
    FormerLanguageRead,
}

impl Scope {
    /// Every scope this register knows.
    pub const ALL: [Self; 16] = [
        Self::ContactRead,
        Self::MailboxRead,
        Self::ChangesRead,
        Self::MailboxWrite,
        Self::LettersWrite,
        Self::Batches,
        Self::OwnContactRead,
        Self::OwnContactWrite,
        Self::OwnMailboxRead,
        Self::OwnMailboxWrite,
        Self::OwnLanguageWrite,
        Self::FormerContactRead,
        Self::FormerNoticeRead,
        Self::FormerMailboxRead,
        Self::FormerCertificateRead,
        Self::FormerLanguageRead,
    ];

    /// The scope as tokens spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContactRead => "krr:global/kontaktinformasjon.read",
            Self::MailboxRead => "krr:global/digitalpost.read",
            Self::ChangesRead => "krr:global/hentendring.read",
            Self::MailboxWrite => "krr:global/postkasse.write",
            Self::LettersWrite => "krr:global/varsling.write",
            Self::Batches => "krr:global/filoppslag",
            Self::OwnContactRead => "krr:user/kontaktinformasjon.read",
            Self::OwnContactWrite => "krr:user/kontaktinformasjon.write",
            Self::OwnMailboxRead => "krr:user/digitalpost.read",
            Self::OwnMailboxWrite => "krr:user/digitalpost.write",
            Self::OwnLanguageWrite => "krr:user/spraak.write",
            Self::FormerContactRead => "global/kontaktinformasjon.read",
            Self::FormerNoticeRead => "global/varslingsstatus.read",
            Self::FormerMailboxRead => "global/sikkerdigitalpost.read",
            Self::FormerCertificateRead => "global/sertifikat.read",
            Self::FormerLanguageRead => "global/spraak.read",
        }
    }
}

/// The scopes of one token, space-separated in its text form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Whether exactly this scope was given: no prefix or part of a name counts.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        text.split(' ')
            .filter_map(|name| Scope::ALL.into_iter().find(|scope| scope.as_str() == name))
            .collect()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes
            .0
            .iter()
            .map(|scope| scope.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// A person who logged in with an e-ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citizen {
    /// Who it is.
    pub person: PersonIdentifier,
    /// How sure the e-ID is.
    pub assurance: Assurance,
    /// What the application may do on the person's behalf.
    pub scopes: Scopes,
}

/// An organisation's system with a token from Maskinporten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// On whose behalf: the `consumer` of the token. Access follows this, never `client_id`.
    pub organisation: OrganisationNumber,
    /// Who calls for that organisation, where access was delegated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<OrganisationNumber>,
    /// What the organisation was given.
    pub scopes: Scopes,
}

/// Why a request has no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// No token, or one that does not hold: 401.
    InvalidToken,
    /// A token that holds, of an organisation with a wrong or missing number: 403.
    Forbidden,
    /// The issuer's keys could not be had: 503, and never "accepted".
    Unavailable,
}

/// What the authorizer says of a request: who calls, or why nobody does.
///
/// Its JSON is the authorizer context that API Gateway hands to the functions: one flat object of strings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "caller", rename_all = "lowercase")]
pub enum Verdict {
    /// A citizen.
    Citizen(Citizen),
    /// An organisation.
    Organisation(Machine),
    /// Nobody who may come in.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// Which parts of a person a caller may see. `reserved` and `status` are always shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields {
    /// E-mail, mobile, language, and whether the person can be notified.
    pub contact: bool,
    /// The active mailbox: address and certificate.
    pub mailbox: bool,
}

impl Fields {
    /// What an agency sees.
    pub fn of_agency(scopes: &Scopes) -> Self {
        Self {
            contact: scopes.contains(Scope::ContactRead),
            mailbox: scopes.contains(Scope::MailboxRead),
        }
    }

    /// What citizens see of themselves.
    pub fn of_citizen(scopes: &Scopes) -> Self {
        Self {
            contact: scopes.contains(Scope::OwnContactRead),
            mailbox: scopes.contains(Scope::OwnMailboxRead),
        }
    }

    /// Whether all that `others` shows is shown here.
    pub const fn cover(self, others: Self) -> bool {
        (self.contact || !others.contact) && (self.mailbox || !others.mailbox)
    }

    /// Names of the shown parts, for the record of a look-up.
    pub fn names(self) -> Vec<&'static str> {
        [(self.contact, "contact"), (self.mailbox, "mailbox")]
            .into_iter()
            .filter_map(|(shown, name)| shown.then_some(name))
            .collect()
    }
}

/// Which parts of a person the existing contract shows: finer than [`Fields`], because the scopes of earlier years were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each part is shown or not, whatever becomes of the others"
)]
pub struct Parts {
    /// E-mail, mobile, their times, and when the person reserved.
    pub addresses: bool,
    /// Whether legal notice may be given.
    pub notice: bool,
    /// The language.
    pub language: bool,
    /// The address of the active mailbox.
    pub mailbox: bool,
    /// The certificate of the active mailbox.
    pub certificate: bool,
}

impl Parts {
    /// What an agency sees. A scope of earlier years gives what it named and no more.
    pub fn of_agency(scopes: &Scopes) -> Self {
        let fields = Fields::of_agency(scopes);
        let or_former = |given: bool, former: Scope| given || scopes.contains(former);
        Self {
            addresses: or_former(fields.contact, Scope::FormerContactRead),
            notice: or_former(fields.contact, Scope::FormerNoticeRead),
            language: or_former(fields.contact, Scope::FormerLanguageRead),
            mailbox: or_former(fields.mailbox, Scope::FormerMailboxRead),
            certificate: or_former(fields.mailbox, Scope::FormerCertificateRead),
        }
    }

    /// What some part is shown of.
    pub const fn fields(self) -> Fields {
        Fields {
            contact: self.addresses || self.notice || self.language,
            mailbox: self.mailbox || self.certificate,
        }
    }

    /// What citizens see of themselves.
    pub fn of_citizen(scopes: &Scopes) -> Self {
        let Fields { contact, mailbox } = Fields::of_citizen(scopes);
        Self {
            addresses: contact,
            notice: contact,
            language: contact,
            mailbox,
            certificate: mailbox,
        }
    }

    /// Names of the shown parts, for the record of a look-up: those of [`Fields`] where all of one is shown.
    pub fn names(self) -> Vec<&'static str> {
        let contact = self.addresses && self.notice && self.language;
        let mailbox = self.mailbox && self.certificate;
        [
            (contact, "contact"),
            (self.addresses && !contact, "addresses"),
            (self.notice && !contact, "notice"),
            (self.language && !contact, "language"),
            (mailbox, "mailbox"),
            (self.mailbox && !mailbox, "mailbox-address"),
            (self.certificate && !mailbox, "certificate"),
        ]
        .into_iter()
        .filter_map(|(shown, name)| shown.then_some(name))
        .collect()
    }
}

/// An assurance level this register does not know.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("unknown assurance level")]
pub struct UnknownAssurance;

impl FromStr for Assurance {
    type Err = UnknownAssurance;

    /// Reads ID-porten's `acr`.
    fn from_str(acr: &str) -> Result<Self, Self::Err> {
        match acr {
            "idporten-loa-low" => Ok(Self::Low),
            "idporten-loa-substantial" => Ok(Self::Substantial),
            "idporten-loa-high" => Ok(Self::High),
            _ => Err(UnknownAssurance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::Population;

    #[test]
    fn a_scope_counts_only_whole() {
        let scopes = Scopes::from(
            "krr:global/kontaktinformasjon.read.more xkrr:global/digitalpost.read krr:global krr:global/filoppslag"
                .to_owned(),
        );
        assert_eq!(scopes, Scopes::from_iter([Scope::Batches]));
    }

    #[test]
    fn a_scope_of_earlier_years_gives_what_it_named_and_nothing_by_another_name() {
        let of = |text: &str| Parts::of_agency(&Scopes::from(text.to_owned()));
        let none =
            of("krr:global/varslingsstatus.read krr:global/spraak.read global/digitalpost.read global/navn.read");
        assert_eq!(none.names(), [""; 0]);
        for (scope, names) in [
            ("global/kontaktinformasjon.read", &["addresses"][..]),
            ("global/varslingsstatus.read", &["notice"]),
            ("global/spraak.read", &["language"]),
            ("global/sikkerdigitalpost.read", &["mailbox-address"]),
            ("global/sertifikat.read", &["certificate"]),
            ("krr:global/kontaktinformasjon.read", &["contact"]),
            (
                "krr:global/digitalpost.read global/spraak.read",
                &["language", "mailbox"],
            ),
        ] {
            assert_eq!(of(scope).names(), names, "{scope}");
            // They open the existing contract alone.
            let fields = Fields::of_agency(&Scopes::from(scope.to_owned()));
            assert_eq!(fields.names().is_empty(), !scope.starts_with("krr:"), "{scope}");
        }
        let all = of(
            "global/kontaktinformasjon.read global/varslingsstatus.read global/spraak.read \
                      global/sikkerdigitalpost.read global/sertifikat.read",
        );
        assert_eq!(
            all,
            of("krr:global/kontaktinformasjon.read krr:global/digitalpost.read")
        );
    }

    #[test]
    fn a_verdict_is_a_flat_object_of_strings_and_comes_back() {
        let person = PersonIdentifier::parse("20914695016", Population::Synthetic).unwrap();
        let verdicts = [
            Verdict::Citizen(Citizen {
                person,
                assurance: Assurance::High,
                scopes: Scopes::from_iter([Scope::OwnContactRead, Scope::OwnMailboxWrite]),
            }),
            Verdict::Organisation(Machine {
                organisation: "984661185".parse().unwrap(),
                supplier: None,
                scopes: Scopes::default(),
            }),
            Verdict::Refused {
                refusal: Refusal::InvalidToken,
            },
        ];
        for verdict in verdicts {
            let context = serde_json::to_value(&verdict).unwrap();
            assert!(context.as_object().unwrap().values().all(serde_json::Value::is_string));
            assert_eq!(serde_json::from_value::<Verdict>(context).unwrap(), verdict);
        }
    }
}
