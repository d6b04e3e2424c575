//! Where the artefacts are. What is missing, or older than what it is made from, is no test: it fails, and says how to make it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use local::template::Template;

/// `e_machine` of an ELF file.
const X86_64: u16 = 62;

/// Every function, by its folder, with its logical id.
pub(crate) fn functions() -> impl Iterator<Item = (&'static str, &'static str)> {
    let template = Template::shipped().unwrap();
    template.functions.iter().map(|(id, function)| {
        let folder = function.code.as_deref().unwrap().strip_prefix("functions/").unwrap();
        (folder, id.as_str())
    })
}

/// The artefact of a function that runs on this machine.
pub(crate) fn bootstrap(function: &str) -> PathBuf {
    let (_, id) = functions().find(|(folder, _)| *folder == function).unwrap();
    let file = house().join(".aws-sam/build").join(id).join("bootstrap");
    checked(file, "infra/build x86_64")
}

/// AWS's Runtime Interface Emulator, as SAM's own tool brings it.
pub(crate) fn emulator() -> PathBuf {
    let pythons = fs::read_dir(house().join(".tools/sam/lib"))
        .into_iter()
        .flatten()
        .flatten();
    let file = |python: fs::DirEntry| {
        let rapid = python.path().join("site-packages/samcli/local/rapid");
        rapid.join("aws-lambda-rie-x86_64")
    };
    let found = pythons.map(file).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("the Runtime Interface Emulator is missing. To install it: infra/tools/install sam"))
}

fn checked(file: PathBuf, command: &str) -> PathBuf {
    let missing = |why: &str| -> ! {
        panic!("{} {why}. To make it: {command}", file.display());
    };
    let Ok(content) = fs::read(&file) else {
        missing("is missing")
    };
    if content.get(..4) != Some(b"\x7fELF") || content.get(18..20) != Some(&X86_64.to_le_bytes()) {
        missing("is not for the right processor");
    }
    let built = fs::metadata(&file).and_then(|data| data.modified()).unwrap();
    let sources = [
        "src",
        "functions",
        "infra/aws",
        "infra/edge",
        "Cargo.lock",
        "Cargo.toml",
    ];
    if sources.iter().any(|source| newest(&house().join(source)) > built) {
        missing("is older than its sources");
    }
    file
}

/// When a file, or any file in a folder, was last changed.
fn newest(path: &Path) -> SystemTime {
    if path.is_dir() {
        let files = fs::read_dir(path).unwrap().map(|entry| newest(&entry.unwrap().path()));
        return files.max().unwrap_or(SystemTime::UNIX_EPOCH);
    }
    fs::metadata(path).and_then(|data| data.modified()).unwrap()
}

/// The root of the repository.
fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
