//! The secrets behind the person keys of a local stack: kept in the data folder, or new ones; and wrapped as KMS has them.

use std::{collections::BTreeMap, fmt, fs, io, path::Path, str::FromStr};

use aws_lc_rs::rand;
use mailbox_register::{
    person::{KeyVersion, NotAVersion},
    secret::{Secret, Secrets},
};

use crate::{kms::Kms, stack::StackError};

/// The key that wraps them here.
const WRAPPING_KEY: &str = "RegisterKey";
/// What a secret is wrapped for from the second one on.
const WRAPPED_AS: &str = "person-key";

/// A secret in clear, as nobody in AWS ever has one.
#[derive(Clone, Copy)]
pub struct ClearSecret {
    /// Which.
    pub version: KeyVersion,
    /// Itself.
    pub bytes: [u8; 32],
}

impl fmt::Debug for ClearSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClearSecret(…)")
    }
}

/// The current secret and, while one gives way to the next, the other one.
#[derive(Debug, Clone, Copy)]
pub struct ClearSecrets {
    /// The one that keys are made with.
    pub current: ClearSecret,
    /// The next or the previous one.
    pub other: Option<ClearSecret>,
}

/// Which secrets a stack is started with, as they are named on the command line: `1`; in a rotation `1,2` and then `2,1`; `2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    current: KeyVersion,
    other: Option<KeyVersion>,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            current: KeyVersion::FIRST,
            other: None,
        }
    }
}

impl FromStr for Versions {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let (current, other) = text
            .split_once(',')
            .map_or((text, None), |(current, other)| (current, Some(other)));
        let current: KeyVersion = current.parse()?;
        let other: Option<KeyVersion> = other.map(str::parse).transpose()?;
        let is_neighbour = |other: KeyVersion| current.next() == other || other.next() == current;
        if other.is_some_and(|other| !is_neighbour(other)) {
            return Err(NotAVersion);
        }
        Ok(Self { current, other })
    }
}

impl ClearSecrets {
    /// Those kept in a data folder; new ones where there are none yet.
    ///
    /// # Errors
    /// One cannot be read or written, or what is there is none.
    pub fn kept(folder: Option<&Path>, versions: Versions) -> Result<Self, StackError> {
        let secret = |version| kept(folder, version).map(|bytes| ClearSecret { version, bytes });
        Ok(Self {
            current: secret(versions.current)?,
            other: versions.other.map(secret).transpose()?,
        })
    }

    /// As functions have them.
    ///
    /// # Errors
    /// Both are of one version.
    pub fn unwrapped(&self) -> Result<Secrets, StackError> {
        let secret = |clear: ClearSecret| Secret::of_version(clear.version, clear.bytes);
        match self.other {
            None => Ok(secret(self.current).into()),
            Some(other) => Secrets::both(secret(self.current), secret(other)).map_err(|_| StackError::Secret),
        }
    }

    /// As the template's parameters have them.
    ///
    /// # Errors
    /// The key is not there.
    pub(crate) fn wrapped(&self, kms: &Kms) -> Result<BTreeMap<&'static str, String>, StackError> {
        let wrap = |clear: ClearSecret| {
            let context = (clear.version > KeyVersion::FIRST)
                .then(|| (WRAPPED_AS.to_owned(), clear.version.to_string()))
                .into_iter();
            kms.wrap(WRAPPING_KEY, &context.collect(), clear.bytes.to_vec())
        };
        let mut parameters = BTreeMap::from([
            ("PersonKeyVersion", self.current.version.to_string()),
            ("PersonKeyWrapped", wrap(self.current)?),
        ]);
        if let Some(other) = self.other {
            let name = if other.version > self.current.version {
                "PersonKeyWrappedNext"
            } else {
                "PersonKeyWrappedPrevious"
            };
            parameters.insert(name, wrap(other)?);
        }
        Ok(parameters)
    }
}

fn kept(folder: Option<&Path>, version: KeyVersion) -> Result<[u8; 32], StackError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| StackError::Secret)?;
    let name = match version {
        KeyVersion::FIRST => "secret".to_owned(),
        later => format!("secret-{later}"),
    };
    let Some(file) = folder.map(|folder| folder.join(name)) else {
        return Ok(bytes);
    };
    match fs::read(&file) {
        Ok(kept) => kept.try_into().map_err(|_| StackError::Secret),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Written whole or not at all: half a secret would make the register unreadable.
            let new = file.with_extension("new");
            fs::write(&new, bytes)?;
            fs::rename(&new, &file)?;
            Ok(bytes)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_neighbour_beside_it_and_no_other() {
        for right in ["1", "1,2", "2,1", "2", "7,8"] {
            assert!(right.parse::<Versions>().is_ok(), "{right}");
        }
        for wrong in ["", "0", "1,1", "1,3", "2,", ",1", "1,2,3", "v1"] {
            assert!(wrong.parse::<Versions>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_keeps_each_secret() {
        let folder = tempfile::tempdir().unwrap();
        let read = |versions: &str| ClearSecrets::kept(Some(folder.path()), versions.parse().unwrap()).unwrap();
        let (first, both, second) = (read("1"), read("1,2"), read("2,1"));
        assert_eq!(first.current.bytes, both.current.bytes);
        assert_eq!(both.other.unwrap().bytes, second.current.bytes);
        assert_ne!(first.current.bytes, second.current.bytes);
    }
}
