//! Settings from the environment, read once at start-up.

use base64::{Engine as _, engine::general_purpose::STANDARD};

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
