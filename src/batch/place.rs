//! Where files lie: `uploads/<organisation>/…` from the organisation, `results/<organisation>/<batch>/…` for it, and
//! `work/…` for nobody else.

use uuid::Uuid;

use super::{
    Kind,
    life::BatchId,
    name::{FileName, Format, NameFault},
};
use crate::organisation::OrganisationNumber;

/// Before every upload.
pub const UPLOADS: &str = "uploads/";

/// What the key of an upload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Whose file it is: nobody else can write there.
    pub organisation: OrganisationNumber,
    /// What is to be done with it, where a folder says so.
    pub kind: Option<Kind>,
    /// The batch that was asked for before, if one was.
    pub batch: Option<BatchId>,
    /// What the file is called.
    pub name: Result<FileName, NameFault>,
}

/// A key that is no organisation's upload.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("not an upload of an organisation")]
pub struct NotAnUpload;

impl Upload {
    /// Reads `uploads/<organisation>/[lookup/|letters/][<batch>/]<name>`.
    ///
    /// # Errors
    /// [`NotAnUpload`], if not even the organisation can be told.
    pub fn parse(key: &str) -> Result<Self, NotAnUpload> {
        let rest = key.strip_prefix(UPLOADS).ok_or(NotAnUpload)?;
        let (organisation, mut rest) = rest.split_once('/').ok_or(NotAnUpload)?;
        let organisation = organisation.parse().map_err(|_| NotAnUpload)?;
        let mut kind = None;
        if let Some((folder, inner)) = rest.split_once('/')
            && let Ok(named) = folder.parse()
        {
            (kind, rest) = (Some(named), inner);
        }
        let mut batch = None;
        if let Some((folder, inner)) = rest.split_once('/')
            && let Ok(id) = Uuid::try_parse(folder)
        {
            (batch, rest) = (Some(BatchId(id)), inner);
        }
        Ok(Self {
            organisation,
            kind,
            batch,
            name: FileName::parse(rest),
        })
    }

    /// The key of an upload that was asked for.
    pub fn key(organisation: OrganisationNumber, kind: Kind, batch: BatchId, name: &FileName) -> String {
        format!(
            "{UPLOADS}{organisation}/{}/{}/{}",
            kind.as_str(),
            batch.0.simple(),
            name.as_str()
        )
    }
}

/// The objects of one batch.
#[derive(Debug, Clone, Copy)]
pub struct Objects {
    /// Whose batch it is.
    pub organisation: OrganisationNumber,
    /// Which.
    pub batch: BatchId,
}

impl Objects {
    /// All rows with what was answered.
    pub fn result(self, format: Format) -> String {
        format!(
            "results/{}/{}/result.{}",
            self.organisation,
            self.batch,
            format.extension()
        )
    }

    /// What was counted.
    pub fn summary(self) -> String {
        format!("results/{}/{}/summary.json", self.organisation, self.batch)
    }

    /// The rows of a compressed file, unpacked. Each turn has its own: a worker that was overtaken overwrites nothing.
    pub fn rows(self, turn: u64) -> String {
        format!("{}rows-{turn}", self.work())
    }

    /// The answers to one piece, as one try wrote them.
    pub fn part(self, chunk: u32, tries: u32) -> String {
        format!("{}part-{chunk:010}-{tries}", self.work())
    }

    /// Before everything that nobody needs any more once the result is there.
    pub fn work(self) -> String {
        format!("work/{}/{}/", self.organisation, self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_whose_file_it_is_and_what_to_do_with_it() {
        let read = |key: &str| Upload::parse(key).unwrap();
        let plain = read("uploads/991825827/tax-2026.csv");
        assert_eq!(plain.organisation.to_string(), "991825827");
        assert_eq!((plain.kind, plain.batch), (None, None));
        assert_eq!(plain.name.unwrap().as_str(), "tax-2026.csv");
        let letters = read("uploads/991825827/letters/tax-2026.csv.gz");
        assert_eq!(letters.kind, Some(Kind::Letters));
        let asked = read("uploads/991825827/lookup/00000000-0000-0000-0000-000000000007/a.jsonl");
        assert_eq!(asked.batch.unwrap().to_string(), "00000000-0000-0000-0000-000000000007");
        let name = asked.name.unwrap();
        let key = Upload::key(asked.organisation, Kind::Lookup, asked.batch.unwrap(), &name);
        assert_eq!(read(&key).batch, asked.batch);
    }

    #[test]
    fn a_key_that_leads_elsewhere_is_no_upload() {
        for key in [
            "",
            "uploads/",
            "uploads/tax.csv",
            "uploads/123456789/tax.csv",
            "uploads/../results/tax.csv",
            "results/991825827/tax.csv",
            "/uploads/991825827/tax.csv",
        ] {
            assert_eq!(Upload::parse(key), Err(NotAnUpload), "{key}");
        }
        for key in [
            "uploads/991825827/../974760673/tax.csv",
            "uploads/991825827/other/tax.csv",
            "uploads/991825827/",
            "uploads/991825827/tax.exe",
        ] {
            assert!(Upload::parse(key).unwrap().name.is_err(), "{key}");
        }
    }
}
