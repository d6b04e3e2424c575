//! In what environment a function's built artefact works on the stack: the template's settings, as the functions in the
//! process have them, and what Lambda adds.

use std::collections::BTreeMap;

use crate::{sdk, settings::Settings};

/// Environment variables of each function, by the name of its folder.
pub(crate) type Environments = BTreeMap<String, BTreeMap<String, String>>;

/// What Lambda gives every function: region, credentials, and here where the services are.
pub(crate) fn of_lambda(endpoints: &[(&str, &str)]) -> BTreeMap<String, String> {
    let given = [
        ("AWS_REGION", sdk::REGION),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let services = endpoints
        .iter()
        .map(|(service, url)| (format!("AWS_ENDPOINT_URL_{service}"), (*url).to_owned()));
    given.into_iter().chain(services).collect()
}

/// The functions of the template, each in its environment.
pub(crate) fn of_functions(settings: &Settings<'_>, of_lambda: &BTreeMap<String, String>) -> Environments {
    let functions = settings.template.functions.values();
    functions
        .filter_map(|function| {
            let folder = function.code.as_deref()?.strip_prefix("functions/")?;
            // Where Lambda has its roots; without it they are found where this machine has them.
            let names = function.environment.keys().filter(|name| *name != "SSL_CERT_FILE");
            let own = names.filter_map(|name| Some((name.clone(), settings.read(function, name)?)));
            Some((folder.to_owned(), own.chain(of_lambda.clone()).collect()))
        })
        .collect()
}
