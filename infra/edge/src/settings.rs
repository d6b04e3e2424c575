//! Settings from the environment, read once at start-up.

use base64::{Engine as _, engine::general_purpose::STANDARD};
#[cfg(feature = "store")]
use mailbox_register::person::KeyVersion;

/// Where settings come from: the process environment, or a test's own.
pub struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

/// A setting that is missing or wrong. Its value is never shown: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not there, or empty.
    #[error("the setting {0} is missing")]
    Missing(String),
    /// There, but not of the right form.
    #[error("the setting {0} is not of the right form")]
    Malformed(String),
}

impl<'a> Environment<'a> {
    /// Settings by name.
    pub const fn new(read: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(read)
    }

    /// The process environment.
    pub const fn process() -> Environment<'static> {
        Environment(&|name| std::env::var(name).ok())
    }

    /// A setting that may be left out; an empty one counts as left out.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// A setting that must be there.
    ///
    /// # Errors
    /// [`SettingsError::Missing`].
    pub fn required(&self, name: &str) -> Result<String, SettingsError> {
        self.optional(name)
            .ok_or_else(|| SettingsError::Missing(name.to_owned()))
    }

    /// A setting that must be there and have a form.
    ///
    /// # Errors
    /// [`SettingsError`], without the value.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T, SettingsError> {
        self.required(name)?
            .parse()
            .map_err(|_| SettingsError::Malformed(name.to_owned()))
    }

    /// Where disclosures are put on record, and for how long they are kept there.
    ///
    /// # Errors
    /// [`SettingsError`], without the value.
    #[cfg(feature = "store")]
    pub fn disclosures(&self) -> Result<infra_aws::disclosures::Place, SettingsError> {
        let months: u16 = self.parsed("DISCLOSURE_MONTHS")?;
        if months == 0 {
            return Err(SettingsError::Malformed("DISCLOSURE_MONTHS".to_owned()));
        }
        Ok(infra_aws::disclosures::Place {
            disclosures: self.required("DISCLOSURES_TABLE")?,
            chains: self.required("CHAINS_TABLE")?,
            months: months.into(),
        })
    }

    /// The register's secrets as KMS wrapped them: `PERSON_KEY_WRAPPED` of the version `PERSON_KEY_VERSION` (1, if it is left
    /// out), and while one gives way to the next `PERSON_KEY_WRAPPED_NEXT` or `PERSON_KEY_WRAPPED_PREVIOUS`.
    ///
    /// # Errors
    /// [`SettingsError`], without the value.
    #[cfg(feature = "store")]
    pub fn wrapped_secrets(&self) -> Result<infra_aws::keys::Wrapped, SettingsError> {
        const VERSION: &str = "PERSON_KEY_VERSION";
        const NEXT: &str = "PERSON_KEY_WRAPPED_NEXT";
        const PREVIOUS: &str = "PERSON_KEY_WRAPPED_PREVIOUS";
        let malformed = |name: &str| SettingsError::Malformed(name.to_owned());
        let version: KeyVersion = match self.optional(VERSION) {
            None => KeyVersion::FIRST,
            Some(version) => version.parse().map_err(|_| malformed(VERSION))?,
        };
        let other = match (self.optional(NEXT), self.optional(PREVIOUS)) {
            (None, None) => None,
            (Some(_), None) => Some((version.next(), self.bytes(NEXT)?)),
            (None, Some(_)) => {
                let previous = version.previous().ok_or_else(|| malformed(PREVIOUS))?;
                Some((previous, self.bytes(PREVIOUS)?))
            }
            (Some(_), Some(_)) => return Err(malformed(NEXT)),
        };
        Ok(infra_aws::keys::Wrapped {
            version,
            current: self.bytes("PERSON_KEY_WRAPPED")?,
            other,
        })
    }

    /// A setting that must be there, in base64.
    ///
    /// # Errors
    /// [`SettingsError`], without the value.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, SettingsError> {
        STANDARD
            .decode(self.required(name)?)
            .map_err(|_| SettingsError::Malformed(name.to_owned()))
    }
}
