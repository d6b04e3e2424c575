//! Three of the contract's clients, as strict as their models are: one of change feeds and profiles (after Altinn's), one
//! of look-ups (after NAV's), one that sends digital post (after eFormidling's). Each of them breaks on a null, and, here,
//! on a field that the documentation does not have.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// There or not, but never null.
fn there<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum YesOrNo {
    #[serde(rename = "JA")]
    Yes,
    #[serde(rename = "NEI")]
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Status {
    #[serde(rename = "AKTIV")]
    Active,
    #[serde(rename = "SLETTET")]
    Deleted,
    #[serde(rename = "IKKE_REGISTRERT")]
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Notice {
    #[serde(rename = "KAN_VARSLES")]
    Possible,
    #[serde(rename = "KAN_IKKE_VARSLES")]
    Impossible,
}

/// Of the profile service: every value a text or a time, each of which may be missing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    #[serde(default, deserialize_with = "there")]
    pub(crate) epostadresse: Option<String>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) epostadresse_oppdatert: Option<Timestamp>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) epostadresse_sist_verifisert: Option<Timestamp>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) epostadresse_sist_validert: Option<Timestamp>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) epostadresse_duplisert: Option<YesOrNo>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) mobiltelefonnummer: Option<String>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) mobiltelefonnummer_oppdatert: Option<Timestamp>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) mobiltelefonnummer_sist_verifisert: Option<Timestamp>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) mobiltelefonnummer_sist_validert: Option<Timestamp>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) mobiltelefonnummer_duplisert: Option<YesOrNo>,
}

/// Of the look-up proxy: four fields are always there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    pub(crate) personidentifikator: String,
    pub(crate) reservasjon: YesOrNo,
    #[serde(default, deserialize_with = "there")]
    pub(crate) reservasjonstidspunkt: Option<Timestamp>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) reservasjon_oppdatert: Option<Timestamp>,
    pub(crate) status: Status,
    pub(crate) varslingsstatus: Notice,
    #[serde(default, deserialize_with = "there")]
    pub(crate) kontaktinformasjon: Option<Contact>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) digital_post: Option<DigitalPost>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) sertifikat: Option<String>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) spraak: Option<String>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) spraak_oppdatert: Option<Timestamp>,
}

/// Of the access point: both or nothing, for it addresses a letter by them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DigitalPost {
    pub(crate) postkasseadresse: String,
    pub(crate) postkasseleverandoeradresse: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Persons {
    pub(crate) personer: Vec<Person>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PrintCertificate {
    pub(crate) postkasseleverandoer_adresse: String,
    pub(crate) x509_sertifikat: String,
}

/// What a client makes of an answer.
#[track_caller]
pub(crate) fn read<T: DeserializeOwned>(body: &Value) -> T {
    T::deserialize(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
