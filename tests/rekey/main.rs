//! The secret behind the person keys gives way to the next: nobody outside sees anything of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cost;
mod joint;
mod moving;
mod operating;
mod people;
mod races;
mod sameness;
mod scene;
