//! The authorizer's settings, from environment variables.

use mailbox_register::person::Population;
use reqwest::Url;

/// Whom the authorizer trusts, and which persons the register holds.
#[derive(Debug)]
pub struct Settings {
    pub(crate) persons: Population,
    pub(crate) id_porten: IssuerSettings,
    pub(crate) maskinporten: IssuerSettings,
}

#[derive(Debug)]
pub(crate) struct IssuerSettings {
    /// `iss`, exactly: Maskinporten's ends with a slash, ID-porten's does not.
    pub(crate) issuer: String,
    pub(crate) keys_url: Url,
    /// This register's name in `aud`.
    pub(crate) audience: Option<String>,
}

/// A setting that the authorizer cannot run with. Values are not told.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The variable is not set, or empty where it must not be.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// `PERSONS` is neither `real` nor `synthetic`.
    #[error("{0} is neither `real` nor `synthetic`")]
    UnknownPopulation(&'static str),
    /// Not an absolute `https` URL. A register of synthetic persons takes `http` too, for the local stack.
    #[error("{0} is not a URL that keys may be fetched from")]
    KeysUrl(&'static str),
    /// Both issuers have one name, so a token would not tell what kind of caller it is.
    #[error("{0} and {1} are the same")]
    SameIssuer(&'static str, &'static str),
}

const PERSONS: &str = "PERSONS";
const ID_PORTEN_ISSUER: &str = "ID_PORTEN_ISSUER";
const MASKINPORTEN_ISSUER: &str = "MASKINPORTEN_ISSUER";

impl Settings {
    /// Reads `PERSONS`, and for each issuer `…_ISSUER`, `…_KEYS_URL` and `…_AUDIENCE`.
    ///
    /// An audience may be empty but not missing, so that a misspelt name does not switch a check off. Without one,
    /// ID-porten tokens for any audience are accepted, and of Maskinporten's only those for none in particular.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let persons: Population = filled(variable, PERSONS)?
            .parse()
            .map_err(|_| SettingsError::UnknownPopulation(PERSONS))?;
        let settings = Self {
            persons,
            id_porten: IssuerSettings {
                issuer: filled(variable, ID_PORTEN_ISSUER)?,
                keys_url: keys_url(variable, "ID_PORTEN_KEYS_URL", persons)?,
                audience: audience(variable, "ID_PORTEN_AUDIENCE")?,
            },
            maskinporten: IssuerSettings {
                issuer: filled(variable, MASKINPORTEN_ISSUER)?,
                keys_url: keys_url(variable, "MASKINPORTEN_KEYS_URL", persons)?,
                audience: audience(variable, "MASKINPORTEN_AUDIENCE")?,
            },
        };
        if settings.id_porten.issuer == settings.maskinporten.issuer {
            return Err(SettingsError::SameIssuer(ID_PORTEN_ISSUER, MASKINPORTEN_ISSUER));
        }
        Ok(settings)
    }
}

fn given(variable: &dyn Fn(&str) -> Option<String>, name: &'static str) -> Result<String, SettingsError> {
    variable(name).ok_or(SettingsError::Missing(name))
}

fn filled(variable: &dyn Fn(&str) -> Option<String>, name: &'static str) -> Result<String, SettingsError> {
    given(variable, name).and_then(|value| {
        if value.is_empty() {
            Err(SettingsError::Missing(name))
        } else {
            Ok(value)
        }
    })
}

fn audience(variable: &dyn Fn(&str) -> Option<String>, name: &'static str) -> Result<Option<String>, SettingsError> {
    given(variable, name).map(|value| (!value.is_empty()).then_some(value))
}

fn keys_url(
    variable: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    persons: Population,
) -> Result<Url, SettingsError> {
    let url = Url::parse(&filled(variable, name)?).map_err(|_| SettingsError::KeysUrl(name))?;
    match (url.scheme(), persons) {
        ("https", _) | ("http", Population::Synthetic) => Ok(url),
        _ => Err(SettingsError::KeysUrl(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const NAMES: [&str; 7] = [
        "PERSONS",
        "ID_PORTEN_ISSUER",
        "ID_PORTEN_KEYS_URL",
        "ID_PORTEN_AUDIENCE",
        "MASKINPORTEN_ISSUER",
        "MASKINPORTEN_KEYS_URL",
        "MASKINPORTEN_AUDIENCE",
    ];

    fn variables() -> BTreeMap<&'static str, &'static str> {
        let values = [
            "synthetic",
            "https://idporten.example.no",
            "http://127.0.0.1:3000/keys",
            "",
            "https://maskinporten.example.no/",
            "https://maskinporten.example.no/jwk",
            "https://register.example.no",
        ];
        NAMES.into_iter().zip(values).collect()
    }

    fn read(variables: &BTreeMap<&str, &str>) -> Result<Settings, SettingsError> {
        Settings::read(&|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn an_empty_audience_is_none() {
        let settings = read(&variables()).unwrap();
        assert_eq!(settings.id_porten.audience, None);
        assert_eq!(
            settings.maskinporten.audience.as_deref(),
            Some("https://register.example.no")
        );
        assert_eq!(settings.maskinporten.issuer, "https://maskinporten.example.no/");
    }

    #[test]
    fn a_missing_variable_is_named() {
        for name in NAMES {
            let mut variables = variables();
            variables.remove(name);
            let error = read(&variables).unwrap_err();
            assert_eq!(error, SettingsError::Missing(name));
            assert_eq!(error.to_string(), format!("{name} is missing"));
            variables.insert(name, "");
            assert_eq!(read(&variables).is_ok(), name.ends_with("_AUDIENCE"), "{name}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_and_not_told() {
        for (name, value, error) in [
            ("PERSONS", "Wrong", SettingsError::UnknownPopulation("PERSONS")),
            (
                "ID_PORTEN_KEYS_URL",
                "Wrong",
                SettingsError::KeysUrl("ID_PORTEN_KEYS_URL"),
            ),
            (
                "MASKINPORTEN_KEYS_URL",
                "file:///Wrong",
                SettingsError::KeysUrl("MASKINPORTEN_KEYS_URL"),
            ),
            (
                "MASKINPORTEN_ISSUER",
                "https://idporten.example.no",
                SettingsError::SameIssuer("ID_PORTEN_ISSUER", "MASKINPORTEN_ISSUER"),
            ),
        ] {
            let mut variables = variables();
            variables.insert(name, value);
            let found = read(&variables).unwrap_err();
            assert_eq!(found, error);
            assert!(!found.to_string().contains(value));
        }
    }

    #[test]
    fn keys_of_a_register_of_real_persons_come_encrypted() {
        let mut variables = variables();
        variables.insert("PERSONS", "real");
        assert_eq!(
            read(&variables).unwrap_err(),
            SettingsError::KeysUrl("ID_PORTEN_KEYS_URL")
        );
        variables.insert("ID_PORTEN_KEYS_URL", "https://idporten.example.no/jwks.json");
        assert!(read(&variables).is_ok());
    }
}
