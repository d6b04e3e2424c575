//! How large the artefacts are that are deployed: what Lambda has to fetch and unpack before the first event.

use std::{fmt::Write as _, fs, io::Write as _};

use flate2::{Compression, write::DeflateEncoder};

use crate::artefact;

/// Most bytes of a function, zipped.
const MOST: usize = 4_000_000;
/// Bytes that a zip file of one `bootstrap` has around its content.
const AROUND: usize = 30 + 46 + 22 + 2 * "bootstrap".len();

#[test]
fn no_function_is_large() {
    let mut report = String::new();
    let mut too_large = Vec::new();
    for (function, _) in artefact::functions() {
        let content = fs::read(artefact::bootstrap(function)).unwrap();
        // As SAM packs it.
        let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
        zip.write_all(&content).unwrap();
        let zipped = zip.finish().unwrap().len() + AROUND;
        writeln!(report, "{function:12} {:>10} bytes, zipped {zipped:>9}", content.len()).unwrap();
        if zipped > MOST {
            too_large.push(function);
        }
    }
    println!("{report}");
    assert!(
        too_large.is_empty(),
        "larger than {MOST} bytes: {too_large:?}\n{report}"
    );
}
