//! The functions, assembled on the embedded parts.

use std::sync::Arc;

use authorizer::Authorizer;
use axum::Router;
use infra_aws::sending;
use infra_edge::settings::Environment;
use mailbox_register::secret::Secrets;

use crate::{
    bucket::Buckets,
    clock::MovableClock,
    drivers::{Drivers, StreamReader},
    files::Files,
    gateway::Gateway,
    messages::Messages,
    mishaps::Mishaps,
    population::PopulationEvents,
    sdk,
    settings::Settings,
    stack::StackError,
    template::{Function, Template},
};

/// What the functions stand on.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) client: &'a aws_sdk_dynamodb::Client,
    pub(crate) messages: &'a Messages,
    pub(crate) buckets: &'a Buckets,
    pub(crate) kms: &'a aws_sdk_kms::Client,
    pub(crate) secrets: &'a Secrets,
    pub(crate) clock: &'a MovableClock,
}

/// The functions on the embedded parts.
pub(crate) struct Functions {
    pub(crate) gateway: Gateway,
    pub(crate) drivers: Drivers,
    pub(crate) files: Files,
    pub(crate) freshness: freshness::App,
    pub(crate) population: PopulationEvents,
    pub(crate) sqs: aws_sdk_sqs::Client,
}

impl Functions {
    /// The functions of `template`, with these settings.
    pub(crate) fn assemble(
        template: &'static Template,
        settings: &Settings<'_>,
        parts: Parts<'_>,
        mishaps: Option<Arc<Mishaps>>,
    ) -> Result<Self, StackError> {
        let Parts {
            client,
            messages,
            kms,
            secrets,
            clock,
            ..
        } = parts;
        let sqs = aws_sdk_sqs::Client::new(&sdk::config(settings.queues.url()));
        let sender = sending::config(&sdk::config(messages.url()));
        let now = clock.clock();

        let of = read(settings, function(template, "authorizer")?);
        let trusted = authorizer::Settings::read(&of).map_err(|error| failed("authorizer")(&error))?;
        let authorizer = Authorizer::new(trusted, now.clone()).map_err(|error| failed("authorizer")(&error))?;
        let clients = register::Clients {
            dynamodb: client.clone(),
            kms: kms.clone(),
        };
        let of = read(settings, function(template, "register")?);
        let register = register::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("register")(&error))?
            .app(&clients, secrets, now.clone());
        let clients = lookup::Clients {
            dynamodb: client.clone(),
            kms: kms.clone(),
        };
        let of = read(settings, function(template, "lookup")?);
        let lookup = lookup::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("lookup")(&error))?
            .app(clients, secrets, now.clone());
        let of = read(settings, function(template, "letters")?);
        let letters = letters::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("letters")(&error))?
            .app(client, secrets, now.clone());
        let of = read(settings, function(template, "dispatch")?);
        let dispatch = dispatch::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("dispatch")(&error))?
            .app(client, &sqs, now.clone());
        let of = read(settings, function(template, "disclosures")?);
        let disclosures = disclosures::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("disclosures")(&error))?
            .app(client);
        // Whoever reads a stream beside `dispatch`, which has a tick as well.
        let readers: Vec<Arc<dyn StreamReader>> = vec![Arc::new(disclosures)];
        let clients = notify::Clients {
            dynamodb: client.clone(),
            sns: aws_sdk_sns::Client::new(&sender),
            ses: aws_sdk_ses::Client::new(&sender),
        };
        let worked_at = mishaps
            .as_ref()
            .map_or_else(|| now.clone(), |mishaps| mishaps.clock(now.clone()));
        let of = read(settings, function(template, "notify")?);
        let notify = notify::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("notify")(&error))?
            .app(clients, secrets, worked_at);

        let of = read(settings, function(template, "receipts")?);
        let receipts = receipts::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("receipts")(&error))?
            .app(client, now.clone());

        let of = read(settings, function(template, "freshness")?);
        let freshness = freshness::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("freshness")(&error))?
            .app(client, now.clone());
        let of = read(settings, function(template, "population")?);
        let population = population::Settings::read(&Environment::new(&of))
            .map_err(|error| failed("population")(&error))?
            .app(client, parts.kms.clone(), secrets, now.clone());

        let (batches, batch) = files(template, settings, parts, &sqs)?;
        let functions: [(&'static str, Router); 4] = [
            ("register", register::router(register)),
            ("lookup", lookup::router(lookup)),
            ("letters", letters::router(letters)),
            ("batches", batches::router(batches)),
        ];
        Ok(Self {
            gateway: Gateway::new(template, &functions, authorizer, now)?,
            drivers: Drivers::new(template, dispatch, readers, notify, receipts, sqs.clone(), mishaps)?,
            files: Files::new(batch, sqs.clone()),
            freshness,
            population: PopulationEvents::new(population, parts.kms.clone(), sqs.clone()),
            sqs,
        })
    }
}

/// A function's environment.
fn read<'a>(settings: &'a Settings<'_>, function: &'a Function) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| settings.read(function, name)
}

/// The two functions for files.
fn files(
    template: &'static Template,
    settings: &Settings<'_>,
    parts: Parts<'_>,
    sqs: &aws_sdk_sqs::Client,
) -> Result<(batches::App, batch::App), StackError> {
    let s3 = aws_sdk_s3::Client::from_conf(infra_aws::files::config(&sdk::config(parts.buckets.url())));
    let of = read(settings, function(template, "batches")?);
    let clients = batches::Clients {
        dynamodb: parts.client.clone(),
        s3: s3.clone(),
        sqs: sqs.clone(),
    };
    let batches = batches::Settings::read(&Environment::new(&of))
        .map_err(|error| failed("batches")(&error))?
        .app(clients, parts.secrets, parts.clock.clock());
    let of = read(settings, function(template, "batch")?);
    let clients = batch::Clients {
        dynamodb: parts.client.clone(),
        s3,
        sqs: sqs.clone(),
    };
    let batch = batch::Settings::read(&Environment::new(&of))
        .map_err(|error| failed("batch")(&error))?
        .app(clients, parts.secrets, parts.clock.clock());
    Ok((batches, batch))
}

fn function(template: &'static Template, name: &'static str) -> Result<&'static Function, StackError> {
    template
        .functions
        .values()
        .find(|function| function.code.as_deref() == Some(&format!("functions/{name}")))
        .ok_or(StackError::Template(name))
}

fn failed(name: &'static str) -> impl Fn(&dyn std::fmt::Display) -> StackError {
    move |error| StackError::Settings(name, error.to_string())
}
