//! How large the artefacts are that are deployed: what Lambda has to fetch and unpack before the first event.

use std::{fmt::Write as _, fs, io::Write as _};

use flate2::{Compression, write::DeflateEncoder};

use crate::artefact;

/// Most bytes of each function, zipped: what it was when this was written, and a twentieth or so. They may only be lowered: four
/// million is the goal, which `authorizer` and `disclosures` alone keep yet.
const MOST: [(&str, usize); 12] = [
    ("authorizer", 3_200_000),
    ("batch", 6_800_000),
    ("batches", 6_500_000),
    ("disclosures", 4_300_000),
    ("dispatch", 4_800_000),
    ("freshness", 4_600_000),
    ("letters", 5_600_000),
    ("lookup", 5_600_000),
    ("notify", 5_300_000),
    ("population", 4_700_000),
    ("receipts", 4_700_000),
    ("register", 5_900_000),
];
/// Bytes that a zip file of one `bootstrap` has around its content.
const AROUND: usize = 30 + 46 + 22 + 2 * "bootstrap".len();

#[test]
fn no_function_grows_unseen() {
    let mut report = String::new();
    let mut too_large = Vec::new();
    for (function, _) in artefact::functions() {
        let (_, most) = MOST.iter().find(|(name, _)| *name == function).unwrap();
        let content = fs::read(artefact::bootstrap(function)).unwrap();
        // As SAM packs it.
        let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
        zip.write_all(&content).unwrap();
        let zipped = zip.finish().unwrap().len() + AROUND;
        writeln!(report, "{function:12} {:>10} bytes, zipped {zipped:>9}", content.len()).unwrap();
        if zipped > *most {
            too_large.push(function);
        }
    }
    println!("{report}");
    assert!(too_large.is_empty(), "larger than they were: {too_large:?}\n{report}");
}
