//! Under which keys a person is and was known.

use infra_edge::{problem::Problem, unavailable::OrUnavailable as _};
use mailbox_register::person::{PersonIdentifier, PersonKey};

use crate::App;

impl App {
    /// The person's keys, the current one first. Who is not in the register has that one alone.
    ///
    /// # Errors
    /// The register cannot be read.
    pub(crate) async fn keys(&self, person: &PersonIdentifier) -> Result<Vec<PersonKey>, Problem> {
        let key = self.secret.person_key(person);
        let stored = self.register.entries().one(&key).await.or_unavailable()?;
        Ok(match stored {
            Some(stored) => stored.entry.keys(&key).cloned().collect(),
            None => vec![key],
        })
    }
}
