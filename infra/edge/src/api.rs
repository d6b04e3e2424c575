//! What a function says of its HTTP operations, for the register's OpenAPI document.
//!
//! What follows from how an operation is called (its caller, its headers, its body) is said here once: which problems
//! that can end in, and which headers answers have. Schemas are those of the types that are read and written.

mod answer;
mod endpoint;
mod headers;
mod problems;
mod shape;

pub use answer::Answer;
pub use endpoint::{Endpoint, Presence};
pub use headers::headers;
pub use problems::of_no_operation;
pub use shape::finished;

use utoipa::openapi::{Components, Info, OpenApi, Paths};

/// The names of the two kinds of tokens.
pub mod token {
    /// A citizen's.
    pub const ID_PORTEN: &str = "idPorten";
    /// An organisation's.
    pub const MASKINPORTEN: &str = "maskinporten";
}

/// The part of the document that these operations are.
pub fn document(endpoints: impl IntoIterator<Item = Endpoint>) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = Components::new();
    for endpoint in endpoints {
        endpoint.add_to(&mut paths, &mut components);
    }
    let mut document = OpenApi::new(Info::default(), paths);
    document.components = Some(components);
    document
}
