//! What the stack prints when it is ready: commands that work when pasted, in this order.

use std::path::PathBuf;

/// The tour on a stack at `url`, whose buckets are at `s3`.
pub(crate) fn text(url: &str, s3: &str) -> String {
    include_str!("tour.txt").replace("{url}", url).replace("{s3}", s3)
}

/// What to do with a stack at `url` that has no API; `files` are those with the functions' environment.
pub(crate) fn services(url: &str, files: &[PathBuf]) -> String {
    let environment = match files {
        [] => "none written: give --env-file FILE".to_owned(),
        files => files
            .iter()
            .map(|file| file.display().to_string())
            .collect::<Vec<_>>()
            .join(", "),
    };
    include_str!("services.txt")
        .replace("{url}", url)
        .replace("{environment}", &environment)
}
