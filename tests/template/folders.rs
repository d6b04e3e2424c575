//! The house: a folder for each function, arrows that go one way, and nothing of AWS in the rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{FUNCTIONS, function, template};

/// The workspace's folder.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace around this package").to_owned()
}

/// A file of the workspace.
pub(crate) fn source(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below some folders, in order: its path in the workspace, and its text.
pub(crate) fn sources(folders: &[&str]) -> impl Iterator<Item = (String, String)> {
    let mut files = BTreeSet::new();
    let mut unread: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = unread.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder that can be read");
            unread.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path);
        }
    }
    files.into_iter().map(|file| {
        let path = file.strip_prefix(root()).expect("below the workspace");
        let path = path.to_string_lossy().into_owned();
        let text = source(&path);
        (path, text)
    })
}

/// What `cargo` says, which it says without the network.
fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A package of the workspace.
struct Package {
    /// Its folder, from the workspace's.
    folder: String,
    /// What it needs to be built, by package name.
    dependencies: Vec<String>,
}

/// What Cargo knows of the workspace.
pub(crate) fn workspace() -> Value {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version=1"]);
    serde_json::from_str(&metadata).expect("JSON")
}

fn packages() -> BTreeMap<String, Package> {
    let metadata = workspace();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let packages = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root()).ok());
            let needed = package["dependencies"].as_array().expect("dependencies").iter();
            // A test may reach further than what it tests.
            let needed = needed.filter(|dependency| dependency["kind"] != "dev");
            (
                text(&package["name"]),
                Package {
                    folder: folder.expect("in the workspace").to_string_lossy().into_owned(),
                    dependencies: needed.map(|dependency| text(&dependency["name"])).collect(),
                },
            )
        });
    packages.collect()
}

/// How high up in the house a folder is: it stands on what is below it, never on its own floor.
fn floor(folder: &str) -> u8 {
    match folder {
        "" => 0,
        "infra/aws" => 1,
        // It says what the store failed to do.
        "infra/edge" => 2,
        function if function.starts_with("functions/") => 3,
        "infra/operate" => 3,
        "infra/local" => 4,
        "tests" => 5,
        "benches" => 6,
        other => panic!("the house has no room called {other}"),
    }
}

#[test]
fn arrows_go_one_way_and_a_function_never_imports_a_function() {
    let packages = packages();
    for (name, package) in &packages {
        for dependency in &package.dependencies {
            let Some(below) = packages.get(dependency) else {
                continue;
            };
            assert!(
                floor(&below.folder) < floor(&package.folder),
                "{name} stands on {dependency}"
            );
        }
    }
    assert!(packages["register"].dependencies.contains(&"infra-aws".to_owned()));
}

#[test]
fn the_rules_know_nothing_of_aws_of_lambda_and_of_a_runtime() {
    let tree = cargo(&[
        "tree",
        "--package=mailbox-register",
        "--edges=normal,build",
        "--prefix=none",
    ]);
    let all: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(all.contains("serde"));
    for package in all {
        let foreign = ["aws", "lambda", "tokio", "hyper", "reqwest", "axum"];
        assert!(!foreign.iter().any(|part| package.starts_with(part)), "{package}");
    }
}

#[test]
fn each_function_has_its_folder_and_a_short_main() {
    let folders: BTreeSet<String> = fs::read_dir(root().join("functions"))
        .expect("the functions' folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders, FUNCTIONS.map(str::to_owned).into());
    assert_eq!(template().functions.len(), FUNCTIONS.len());
    let packages = packages();
    for name in FUNCTIONS {
        let folder = format!("functions/{name}");
        assert_eq!(packages[name].folder, folder);
        assert!(root().join(&folder).join("src/lib.rs").is_file(), "{name}");
        let main = source(&format!("{folder}/src/main.rs"));
        assert!(main.lines().count() < 40, "{name}");
        // The multi-threaded runtime costs twice the processor time of a warm request.
        assert!(main.contains("flavor = \"current_thread\""), "{name}");
        // Logs go where the template says, at its level, and name the function.
        assert!(main.contains(&format!("telemetry::start(\"{name}\"")), "{name}");
        // What it logs can be joined to its trace. HTTP functions see to it in their common router.
        assert!(
            main.contains("trace::invocation(&event.context") || main.contains("lambda_http::run("),
            "{name}"
        );
    }
}

#[test]
fn what_a_function_logs_is_seen_at_the_level_of_the_house() {
    let filter = infra_edge::telemetry::filter("debug").to_string();
    let directives: BTreeSet<&str> = filter.split(',').collect();
    for name in FUNCTIONS {
        assert!(
            directives.contains(format!("{name}=debug").as_str()),
            "{name}: {filter}"
        );
    }
}

#[test]
fn whoever_asks_is_answered_before_lambda_ends_the_function() {
    for (name, limit) in [
        ("batches", batches::TIME_LIMIT),
        ("letters", letters::TIME_LIMIT),
        ("lookup", lookup::TIME_LIMIT),
        ("register", register::TIME_LIMIT),
    ] {
        assert!(limit < Duration::from_secs(function(name).1.timeout.into()), "{name}");
    }
}

#[test]
fn each_function_has_its_size_its_time_and_its_log() {
    for name in FUNCTIONS {
        let (id, function) = function(name);
        let properties = &template().resources[id].properties;
        assert!(properties["MemorySize"].is_u64(), "{name}");
        assert!(properties["Timeout"].is_u64(), "{name}");
        if !function.routes.is_empty() {
            assert!(function.timeout < 30, "API Gateway waits for thirty seconds: {name}");
        }
        let log = properties["LoggingConfig"]["LogGroup"]["Ref"].as_str();
        let log = &template().resources[log.unwrap_or_else(|| panic!("{name} has no log group"))];
        assert_eq!(log.kind, "AWS::Logs::LogGroup", "{name}");
        assert!(
            log.properties["LogGroupName"]
                .to_string()
                .ends_with(&format!("/{name}\"}}")),
            "{name}"
        );
    }
    let logs = template()
        .resources
        .values()
        .filter(|resource| resource.kind == "AWS::Logs::LogGroup");
    for log in logs {
        if log.properties["LogGroupName"]
            .to_string()
            .contains("/DirectPublishToPhoneNumber")
        {
            // They hold numbers: no day longer than they are read.
            assert_eq!(log.properties["RetentionInDays"], 1, "{log:?}");
        } else {
            assert_eq!(log.properties["RetentionInDays"]["Ref"], "LogRetentionDays", "{log:?}");
        }
        assert!(!log.properties["KmsKeyId"].is_null(), "{log:?}");
    }
}
