//! What follows from a record once it is there.

use mailbox_register::disclosure::{Record, purpose};

use crate::{error::StoreError, person_disclosures::PersonDisclosures, relations::Relations};

/// Where it is written down.
#[derive(Debug, Clone)]
pub struct Copies {
    /// What persons may read.
    pub persons: PersonDisclosures,
    /// Which persons an organisation has to do with.
    pub relations: Relations,
}

impl Copies {
    /// Adds a record to what each of its persons may read until it expires (in seconds since 1970), and notes that its
    /// organisation has to do with them. Once is as good as twice.
    ///
    /// # Errors
    /// The first [`StoreError`]: some of it may be there then, and the whole can be done again.
    pub async fn add(&self, record: &Record, expires_at: i64) -> Result<(), StoreError> {
        self.persons.add_all(record, expires_at).await?;
        // Whoever follows all changes has not to do with everybody for that.
        if record.purpose != purpose::CHANGES {
            self.relations
                .note_all(record.organisation, record.named(), record.at)
                .await?;
        }
        Ok(())
    }
}
