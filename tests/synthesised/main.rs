//! What `template.yaml` becomes in an account, as SAM translates it: the rights that are given, and what guards all else.
//!
//! These tests read what `infra/synthesise.py` writes, which takes SAM. So they are not among those of plain `cargo test`;
//! `.ci/run` runs them:
//!
//! ```sh
//! "$(infra/tools/install sam)/python" infra/synthesise.py && cargo test -p synthesised
//! ```

mod api;
mod deployed;
mod functions;
mod kept;
mod policies;
mod rights;
mod secrets;
mod sources;
