//! The rules of the digital mailbox register.
//!
//! Everything here is pure: state and a command go in, an outcome or a refusal comes out. Time and
//! randomness are arguments, and there is no I/O. What a person sent, received or is called never shows in a
//! `Debug` text.

pub mod batch;
pub mod caller;
pub mod circuit;
pub mod code;
pub mod contact;
pub mod directory;
pub mod disclosure;
pub mod entry;
pub mod hours;
pub mod jws;
pub mod language;
pub mod letter;
pub mod mailbox;
pub mod notice;
pub mod organisation;
pub mod person;
pub mod receipt;
pub mod secret;
pub mod sms;
pub mod texts;
pub mod trace;
pub mod usage;
pub mod words;

/// Implements a `Debug` that shows the type and nothing of the value.
///
/// Logs, panics and test failures print `Debug`; a personal value must not travel in any of them.
macro_rules! redacted_debug {
    ($type:ty) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    };
}
pub(crate) use redacted_debug;
