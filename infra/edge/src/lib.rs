//! The HTTP edge that functions share: who calls, what a request may look like, how a refusal reads, and what is
//! logged and counted.

pub mod accept;
pub mod api;
pub mod app;
pub mod body;
pub mod caller;
pub mod clock;
pub mod event;
#[cfg(feature = "store")]
pub mod krr;
#[cfg(feature = "store")]
pub mod once;
pub mod page;
pub mod person;
pub mod problem;
mod quota;
pub mod request;
pub mod settings;
pub mod stream;
pub mod telemetry;
pub mod trace;
#[cfg(feature = "store")]
pub mod unavailable;
#[cfg(feature = "store")]
pub mod usage;
