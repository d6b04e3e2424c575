//! Environment variables: what a function reads it is given, and nothing else.

use std::{cell::RefCell, collections::BTreeSet};

use infra_edge::settings::Environment;
use local::template::Setting;

use crate::{FUNCTIONS, folders, function, template};

/// Read by what every function stands on: the log level by `telemetry`, the roots by the TLS library, and where AWS's
/// services are by `sdk`.
const SHARED: [&str; 3] = ["LOG_LEVEL", "SSL_CERT_FILE", "AWS_ENDPOINT_URL"];

/// How names of numbers end.
const NUMBERS: [&str; 9] = [
    "_SECOND", "_MINUTE", "_DAY", "_MONTHS", "_WORKERS", "_ROWS", "_BYTES", "_PERCENT", "_PRICE",
];

/// A value of the right form.
fn value(name: &str) -> String {
    let value = match name {
        "PERSONS" => "synthetic",
        "SMS_COUNTRIES" => "NO",
        "PERSON_KEY_WRAPPED" | "PERSON_KEY_WRAPPED_PREVIOUS" => "d3JhcHBlZA==",
        "PERSON_KEY_VERSION" => "2",
        // The secret has a next one or a previous one, not both.
        "PERSON_KEY_WRAPPED_NEXT" => "",
        // Shared out among the workers, of whom each needs some.
        "FILE_READS_PER_SECOND" => "800",
        name if NUMBERS.iter().any(|end| name.ends_with(end)) => "2",
        name if name.ends_with("_URL") || name.ends_with("_ISSUER") => return format!("https://{name}.example.no/"),
        _ => "value",
    };
    value.to_owned()
}

/// The variables that a function asks for, when it is given those of the template.
fn asked_for(name: &str) -> BTreeSet<String> {
    let (_, function) = function(name);
    let asked = RefCell::new(BTreeSet::new());
    let read = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        function.environment.contains_key(name).then(|| value(name))
    };
    let environment = Environment::new(&read);
    let error = match name {
        "authorizer" => authorizer::Settings::read(&read).err().map(|error| error.to_string()),
        "batch" => batch::Settings::read(&environment).err().map(|error| error.to_string()),
        "batches" => batches::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "disclosures" => disclosures::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "dispatch" => dispatch::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "freshness" => freshness::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "letters" => letters::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "lookup" => lookup::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "notify" => notify::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "population" => population::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "receipts" => receipts::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        "register" => register::Settings::read(&environment)
            .err()
            .map(|error| error.to_string()),
        other => panic!("{other} is unknown"),
    };
    assert_eq!(error, None, "{name}");
    asked.into_inner()
}

#[test]
fn every_variable_that_a_function_reads_is_given_and_every_one_given_is_read() {
    for name in FUNCTIONS {
        let (_, function) = function(name);
        let mut read = asked_for(name);
        read.extend(SHARED.map(str::to_owned));
        let given: BTreeSet<_> = function.environment.keys().cloned().collect();
        assert_eq!(given, read, "{name}");
    }
}

#[test]
fn whatever_else_is_read_is_what_lambda_gives() {
    let asked = RefCell::new(BTreeSet::new());
    let read = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        Some("value".to_owned())
    };
    let config = infra_aws::sdk::config(&read).expect("all is there");
    infra_aws::sdk::endpoint(&config, "DYNAMODB", &read);
    for name in asked.into_inner() {
        assert!(name.starts_with("AWS_"), "{name}");
    }
    // Nobody else asks the process: these two pass it on to the settings above.
    let askers: Vec<_> = folders::sources(&["src", "functions", "infra/aws", "infra/edge"])
        .filter(|(_, text)| text.contains("env::var") || text.contains("env::vars"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(
        askers,
        ["functions/authorizer/src/main.rs", "infra/edge/src/settings.rs"]
    );
}

#[test]
fn a_variable_named_for_a_table_a_queue_or_a_bucket_refers_to_it() {
    for name in FUNCTIONS {
        let (_, function) = function(name);
        for (variable, setting) in &function.environment {
            let resource = if let Some(stem) = variable.strip_suffix("_TABLE") {
                format!("{}Table", camel_case(stem))
            } else if let Some(stem) = variable.strip_suffix("_QUEUE_URL") {
                format!("{}Queue", camel_case(stem))
            } else if let Some(stem) = variable.strip_suffix("_BUCKET") {
                format!("{}Bucket", camel_case(stem))
            } else {
                continue;
            };
            assert!(template().resources.contains_key(&resource), "{name}: {variable}");
            assert_eq!(setting, &Setting::Reference(resource), "{name}: {variable}");
        }
    }
}

/// `SMS` → `Sms`.
fn camel_case(upper: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_ascii_lowercase()
    };
    upper.split('_').map(word).collect()
}

#[test]
fn what_is_deployed_calls_awss_own_endpoints() {
    for name in FUNCTIONS {
        let (_, function) = function(name);
        let endpoint = &function.environment["AWS_ENDPOINT_URL"];
        assert_eq!(endpoint, &Setting::Literal(String::new()), "{name}");
    }
}
