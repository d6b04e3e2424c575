//! The template and the code say the same: what one names, the other has.

mod alarms;
mod buckets;
mod dashboard;
mod folders;
mod metrics;
mod queues;
mod rights;
mod routes;
mod runbook;
mod settings;
mod tables;

use local::template::{Function, Template};

/// Every function, by the name of its folder.
const FUNCTIONS: [&str; 12] = [
    "authorizer",
    "batch",
    "batches",
    "disclosures",
    "dispatch",
    "freshness",
    "letters",
    "lookup",
    "notify",
    "population",
    "receipts",
    "register",
];

/// The template.
fn template() -> &'static Template {
    Template::shipped().expect("the template is understood")
}

/// A function's logical id and definition, by its folder.
fn function(name: &str) -> (&'static str, &'static Function) {
    let code = format!("functions/{name}");
    let mut functions = template().functions.iter();
    let found = functions.find(|(_, function)| function.code.as_deref() == Some(&code));
    let (id, function) = found.unwrap_or_else(|| panic!("{name} is not in the template"));
    (id, function)
}
