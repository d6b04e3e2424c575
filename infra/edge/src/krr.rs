//! The existing register's contract (Kontakt- og reservasjonsregisteret), so that its clients work with another address.
//!
//! The only place where its names are: what of an entry becomes which of its fields, what a request may look like, and
//! how an answer is written. Where its documentation is silent, these things were decided:
//!
//! - `/rest/v1` has the fields that were always documented, `/rest/v2` the newer ones too ([`Version`]).
//! - A field without a value is left out, and so is an object without fields. `spraak` always has one for a registered
//!   person: the register writes to everybody in some language.
//! - `reservasjonstidspunkt` and `reservasjon_oppdatert` are the same time and come with the contact details: a
//!   reservation that was undone leaves none.
//! - A certificate is PEM, as its provider gave it.
//! - A mailbox whose provider has no organisation number in force cannot be addressed and is not shown.
//! - A problem has `detail` besides what problems have elsewhere: see [`crate::problem::detailed`].

mod answer;
mod person;
mod print;
mod request;

pub use answer::{Format, JOSE, PATHS, respond};
pub use person::{Page, Person, Persons, Version};
pub use print::PrintCertificate;
/// What the operations of this contract go by in the OpenAPI document.
pub const TAG: &str = "The existing register's contract";
/// An example of a signed answer there, shortened.
pub const SIGNED: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6IlQzIn0.eyJwZXJzb25lciI6W119.c2lnbmF0dXJl";

pub use request::{ChangePerson, Changes, LookUp, purpose};
