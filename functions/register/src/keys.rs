//! Under which keys a person is and was known.

use infra_aws::register::Located;
use infra_edge::{problem::Problem, unavailable::OrUnavailable as _};
use mailbox_register::person::{PersonIdentifier, PersonKey};

use crate::App;

impl App {
    /// The person's entry, by whichever key.
    ///
    /// # Errors
    /// The register cannot be read.
    pub(crate) async fn located(&self, person: &PersonIdentifier) -> Result<Located, Problem> {
        let keys = self.secrets.keys(person);
        self.register.entries().find(&keys).await.or_unavailable()
    }

    /// The keys of each of the person's identifiers under which changes stand: those of the current one first, then one
    /// after the other those of former ones. Their order does not change: a new one comes last.
    ///
    /// # Errors
    /// The register cannot be read.
    pub(crate) async fn histories(&self, person: &PersonIdentifier) -> Result<Vec<Vec<PersonKey>>, Problem> {
        let found = self.located(person).await?;
        let Some(stored) = found.stored else {
            return Ok(vec![vec![found.key]]);
        };
        let mut histories = vec![stored.own_keys()];
        histories.extend(stored.entry.predecessors.into_iter().map(|key| vec![key]));
        Ok(histories)
    }

    /// All keys that the person may have been looked up by: also those of secrets and identifiers that have given way, and
    /// those of the next secret.
    ///
    /// # Errors
    /// The register cannot be read.
    pub(crate) async fn keys(&self, person: &PersonIdentifier) -> Result<Vec<PersonKey>, Problem> {
        let found = self.located(person).await?;
        let mut keys = vec![found.key.clone()];
        let mut add = |key: &PersonKey| {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        };
        self.secrets.keys(person).each().for_each(&mut add);
        let Some(stored) = found.stored else { return Ok(keys) };
        stored.entry.earlier_keys.iter().for_each(&mut add);
        for former in &stored.entry.predecessors {
            add(former);
            if !self.secrets.have_changed() {
                continue;
            }
            // The former identifier was given a newer key as well, and may have been looked up by that one since.
            let former = self.register.entries().at(former).await.or_unavailable()?;
            add(&former.key);
            if let Some(former) = former.stored {
                former.entry.earlier_keys.iter().for_each(&mut add);
                self.secrets.keys(&former.entry.identifier).each().for_each(&mut add);
            }
        }
        Ok(keys)
    }
}
