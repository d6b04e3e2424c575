//! The certificate of the print service.

use mailbox_register::{directory::Printer, mailbox::Certificate, organisation::OrganisationNumber};
use serde::Serialize;
use utoipa::ToSchema;

/// What letters that are printed are encrypted for, and whom they go to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KrrPrintCertificate)]
pub struct PrintCertificate<'a> {
    #[serde(rename = "postkasseleverandoerAdresse")]
    provider: OrganisationNumber,
    #[serde(rename = "x509Sertifikat")]
    #[schema(value_type = Certificate)]
    certificate: &'a str,
}

impl<'a> From<&'a Printer> for PrintCertificate<'a> {
    fn from(printer: &'a Printer) -> Self {
        Self {
            provider: printer.organisation,
            certificate: Certificate::as_str(&printer.certificate),
        }
    }
}
