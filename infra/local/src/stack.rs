//! The whole register on one machine: embedded parts, the functions on them, and what Lambda does in between.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use infra_aws::{
    addresses::Addresses, error::StoreError, notices::Notices, population::PopulationEvent, register::Register,
};
use jiff::Timestamp;
use mailbox_register::{
    hours,
    person::PersonIdentifier,
    secret::{Secret, Secrets},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use uuid::Uuid;

use crate::{
    bucket::{Buckets, BucketsError},
    clock::MovableClock,
    control,
    database::{Database, DatabaseError, table_name},
    database_faults::DatabaseFaults,
    directory::Directory,
    drivers::Drivers,
    env_file::{self, EnvFileError},
    environment::{self, Environments},
    files::Files,
    functions::{Functions, Parts},
    kms::{Kms, KmsError},
    lambda::invoked,
    messages::Messages,
    mishaps::Mishaps,
    persons,
    population::PopulationEvents,
    queues::{Queues, QueuesError},
    sdk,
    secrets::{ClearSecrets, Versions},
    services::{Outside, Services},
    settings::Settings,
    template::{Template, TemplateError, physical_name},
    tokens::{Issuer, Tokens, TokensError},
};

/// Between two looks at the streams when nothing woke the drivers: queues make messages visible by themselves.
const IDLE: Duration = Duration::from_millis(500);
/// Between two ticks, as the template's schedule has it.
const MINUTE: Duration = Duration::from_mins(1);

/// How a stack is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The port; 0: any free one.
    pub port: u16,
    /// Where the parts are offered to functions outside of this process; none: the API is served, on loopback.
    pub outside: Option<Outside>,
    /// Where the register is kept between runs; none: it is gone at the end.
    pub data: Option<PathBuf>,
    /// A time at which the clock stands still; none: the machine's clock.
    pub frozen_at: Option<Timestamp>,
    /// Whether streams, queues and the tick are driven by themselves. Without, [`Stack::settle`] and
    /// [`Stack::tick`] do it, and nothing happens in between.
    pub driven: bool,
    /// Where functions reach the database, if another process serves it from the same folder.
    pub database_at: Option<String>,
    /// Whether faults of the database can be scripted: then each call takes a way round by a proxy.
    pub database_faults: bool,
    /// Parameters of the template that are to be other than they usually are here.
    pub parameters: BTreeMap<&'static str, String>,
    /// Which secrets person keys are made with.
    pub person_keys: Versions,
    /// These secrets themselves; none: those of the data folder, or new ones.
    pub secrets: Option<ClearSecrets>,
    /// What goes wrong with deliveries and workers; none: nothing.
    pub mishaps: Option<Arc<Mishaps>>,
}

/// Why the stack cannot do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A file, a folder or a port.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The port is not to be had.
    #[error("{0}: {1}")]
    Port(SocketAddr, #[source] io::Error),
    /// The template cannot be read.
    #[error("the template: {0}")]
    TemplateFile(#[from] TemplateError),
    /// The template lacks something the stack is made of.
    #[error("the template lacks {0}")]
    Template(&'static str),
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] DatabaseError),
    /// The queues.
    #[error("the queues: {0}")]
    Queues(#[from] QueuesError),
    /// A call to a queue.
    #[error("a queue: {0}")]
    Queue(String),
    /// The buckets.
    #[error("the buckets: {0}")]
    Buckets(#[from] BucketsError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KmsError),
    /// The issuers.
    #[error("the token issuers: {0}")]
    Tokens(#[from] TokensError),
    /// A function's settings.
    #[error("the settings of {0}: {1}")]
    Settings(&'static str, String),
    /// What an earlier run left of files.
    #[error("the files: {0}")]
    Files(String),
    /// The directory.
    #[error("the directory: {0}")]
    Directory(String),
    /// The register.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A test person's story does not hold by the rules.
    #[error("the test persons do not fit the rules")]
    TestPersons,
    /// A soak run lacks something.
    #[error("the soak lacks {0}")]
    Soak(&'static str),
    /// The secret in the data folder is not one.
    #[error("the secret in the data folder is not one")]
    Secret,
}

/// A running stack. Dropping it stops everything; what is on disk stays.
pub struct Stack {
    inner: Arc<Inner>,
    url: String,
    /// Of the functions, for where their parts are served: see [`Options::outside`].
    environments: Environments,
    tasks: Vec<JoinHandle<()>>,
}

/// The parts of a stack.
pub(crate) struct Inner {
    pub(crate) clock: MovableClock,
    pub(crate) database: Database,
    database_faults: Option<DatabaseFaults>,
    pub(crate) queues: Queues,
    pub(crate) messages: Messages,
    pub(crate) tokens: Tokens,
    pub(crate) directory: Directory,
    pub(crate) buckets: Buckets,
    kms: Kms,
    files: Files,
    freshness: freshness::App,
    population: PopulationEvents,
    /// Whether files are driven by themselves, or by whoever settles.
    is_driven: bool,
    client: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    secrets: Secrets,
    /// The same as the template's parameters have them: for processes that unwrap them as functions do.
    wrapped_secrets: BTreeMap<&'static str, String>,
    drivers: Drivers,
    register: Register,
    addresses: Addresses,
    /// What Lambda adds to a function's own settings.
    environment: BTreeMap<String, String>,
    /// One at a time, so that reports are handed on before more are taken.
    reporting: tokio::sync::Mutex<()>,
    /// Rung when a request may have left something to do.
    asked: Notify,
}

/// What AWS's services and the issuers are here, each started.
async fn embedded(
    template: &'static Template,
    folder: Option<&Path>,
    clock: &MovableClock,
) -> Result<(Database, Queues, Messages, Tokens, Buckets, Kms), StackError> {
    let accepted_at = clock.clone();
    tokio::try_join!(
        async {
            Database::start(&template.tables, folder)
                .await
                .map_err(StackError::from)
        },
        async { Queues::start(&template.queues).await.map_err(StackError::from) },
        async {
            Messages::start(move || accepted_at.now(), folder)
                .await
                .map_err(StackError::from)
        },
        async { Tokens::start(folder).await.map_err(StackError::from) },
        async {
            Buckets::start(&template.buckets, folder)
                .await
                .map_err(StackError::from)
        },
        async { Kms::start(template, folder).await.map_err(StackError::from) },
    )
}

/// The API's port, taken.
async fn listen(outside: Option<&Outside>, port: u16) -> Result<(TcpListener, SocketAddr), StackError> {
    let address = outside.map(|outside| outside.address);
    let address = SocketAddr::new(address.unwrap_or(Ipv4Addr::LOCALHOST.into()), port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| StackError::Port(address, error))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Stack {
    /// Starts everything and fills in the directory and the test persons.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let folder = options.data.as_deref();
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
        }
        let template = Template::shipped()?;
        let clock = match options.frozen_at {
            Some(now) => MovableClock::frozen(now),
            None => MovableClock::running(folder)?,
        };
        let (database, queues, messages, tokens, buckets, kms) = embedded(template, folder, &clock).await?;
        let kept = || ClearSecrets::kept(folder, options.person_keys);
        let secrets = options.secrets.map_or_else(kept, Ok)?;
        let wrapped_secrets = secrets.wrapped(&kms)?;
        let secrets = secrets.unwrapped()?;
        let database_url = options.database_at.as_deref().unwrap_or_else(|| database.url());
        let (database_faults, client) = way_to(database_url, options.database_faults).await?;
        let settings = Settings::new(template, &queues, &tokens, &wrapped_secrets, &options.parameters);
        let database_at = database_faults.as_ref().map_or(database_url, DatabaseFaults::url);
        let endpoints = [
            ("DYNAMODB", database_at),
            ("KMS", kms.url()),
            ("S3", buckets.url()),
            ("SES", messages.url()),
            ("SNS", messages.url()),
            ("SQS", queues.url()),
        ];
        let environment = environment::of_lambda(&endpoints);
        let environments = environment::of_functions(&settings, &environment);
        let key_sets = [Issuer::IdPorten, Issuer::Maskinporten].map(|issuer| tokens.keys_url(issuer));
        let services = Services::new(&endpoints, &key_sets);
        let parts = Parts {
            client: &client,
            messages: &messages,
            buckets: &buckets,
            kms: &kms.client(),
            secrets: &secrets,
            clock: &clock,
        };
        let functions = Functions::assemble(template, &settings, parts, options.mishaps)?;
        let register = Register::new(client.clone(), table_name("RegisterTable"), table_name("ChangesTable"));
        let addresses = Addresses::new(client.clone(), table_name("AddressesTable"), secrets.clone());
        let inner = Arc::new(Inner {
            clock,
            database,
            database_faults,
            queues,
            messages,
            tokens,
            directory: Directory::shipped()?,
            buckets,
            kms,
            files: functions.files,
            freshness: functions.freshness,
            population: functions.population,
            is_driven: options.driven,
            client,
            sqs: functions.sqs,
            secrets,
            wrapped_secrets,
            drivers: functions.drivers,
            register,
            addresses,
            environment,
            reporting: tokio::sync::Mutex::default(),
            asked: Notify::new(),
        });
        inner.furnish().await?;
        if options.data.is_some() {
            inner
                .files
                .take_up(&inner.buckets, &inner.queues, inner.clock.now())
                .await?;
        }

        let (listener, address) = listen(options.outside.as_ref(), options.port).await?;
        let url = format!("http://{address}");
        let (served, environments) = match &options.outside {
            Some(outside) => {
                let environments = services.environments(&environments, &outside.url(address));
                (services.router(), environments)
            }
            None => (functions.gateway.router(), environments),
        };
        let router = router(&inner, served);
        let mut tasks = vec![tokio::spawn(async move {
            // Ends only with the task.
            let _ = axum::serve(listener, router).await;
        })];
        if options.driven {
            tasks.push(tokio::spawn(drive(Arc::clone(&inner))));
            tasks.push(tokio::spawn(drive_files(Arc::clone(&inner))));
        }
        Ok(Self {
            inner,
            url,
            environments,
            tasks,
        })
    }

    /// Where the API is, or what stands in its place for functions outside.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The clock.
    pub fn clock(&self) -> &MovableClock {
        &self.inner.clock
    }

    /// The tables.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// What goes wrong with the tables.
    ///
    /// # Panics
    /// The stack was started without [`Options::database_faults`].
    pub fn database_faults(&self) -> &DatabaseFaults {
        self.inner
            .database_faults
            .as_ref()
            .expect("the stack is started with `database_faults`")
    }

    /// The queues.
    pub fn queues(&self) -> &Queues {
        &self.inner.queues
    }

    /// What was sent, and what goes wrong with sending.
    pub fn messages(&self) -> &Messages {
        &self.inner.messages
    }

    /// The files, and what goes wrong with them.
    pub fn buckets(&self) -> &Buckets {
        &self.inner.buckets
    }

    /// The keys.
    pub fn kms(&self) -> &Kms {
        &self.inner.kms
    }

    /// The function that works on files: for tests that hand it one message at a time.
    pub fn batch(&self) -> Arc<batch::App> {
        self.inner.files.batch()
    }

    /// The token issuers.
    pub fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    /// The environment in which a function's built artefact works on this stack, by the name of the function's folder.
    pub fn environment(&self, function: &str) -> Option<&BTreeMap<String, String>> {
        self.environments.get(function)
    }

    /// Writes the functions' environments to a file, for functions outside of this process: see [`Options::outside`].
    ///
    /// # Errors
    /// [`EnvFileError`].
    pub fn write_env_file(&self, path: &Path) -> Result<(), EnvFileError> {
        env_file::write(path, Template::shipped()?, &self.environments)
    }

    /// A client for the tables.
    pub fn client(&self) -> &aws_sdk_dynamodb::Client {
        &self.inner.client
    }

    /// What person keys are made with here from now on.
    pub fn secret(&self) -> &Secret {
        self.inner.secrets.current()
    }

    /// All that person keys are made with here.
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// Delivers everything that waits in streams and queues.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn settle(&self) -> Result<(), StackError> {
        self.inner.settle().await
    }

    /// The ticks of the minute, and all that follows from them.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn tick(&self) -> Result<(), StackError> {
        self.inner.tick().await
    }

    /// Moves the clock on and does on the way what becomes due, at its time.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn advance_to(&self, target: Timestamp) -> Result<(), StackError> {
        self.inner.advance_to(target).await
    }

    /// Waits for the API to end, which it does not by itself.
    pub async fn serve(mut self) {
        if let Some(api) = self.tasks.first_mut() {
            let _ = api.await;
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Inner {
    /// The directory, and test persons who are not there yet.
    async fn furnish(&self) -> Result<(), StackError> {
        self.directory.store(&self.client).await?;
        let place = persons::Place {
            register: &self.register,
            addresses: &self.addresses,
            secrets: &self.secrets,
        };
        persons::store(&place, self.clock.now()).await
    }

    pub(crate) async fn settle(&self) -> Result<(), StackError> {
        self.settle_notices().await?;
        // Where files are driven by themselves nobody waits for them: a large one takes its time.
        while !self.is_driven && self.settle_files().await? {
            self.settle_notices().await?;
        }
        Ok(())
    }

    async fn settle_files(&self) -> Result<bool, StackError> {
        self.files.settle(&self.buckets, &self.queues, self.clock.now()).await
    }

    async fn settle_notices(&self) -> Result<(), StackError> {
        self.population.settle(&self.queues).await?;
        self.drivers.settle(&self.database, &self.queues).await?;
        // What was reported may leave more to do.
        while self.report().await {
            self.drivers.settle(&self.database, &self.queues).await?;
        }
        Ok(())
    }

    /// Puts an event of the population register into its queue.
    pub(crate) async fn tell_of(&self, id: Uuid, event: &PopulationEvent<PersonIdentifier>) -> Result<(), StackError> {
        self.population.tell(&self.queues, id, event, self.clock.now()).await
    }

    /// Hands on what SES and SNS have to report by now. Says whether there was anything.
    async fn report(&self) -> bool {
        let _alone = self.reporting.lock().await;
        let reports = self.messages.take_reports(self.clock.now());
        let any = !reports.is_empty();
        self.drivers.report(reports).await;
        any
    }

    async fn tick(&self) -> Result<(), StackError> {
        self.drivers.tick().await;
        self.files.tick().await;
        if let Err(error) = invoked(freshness::handle(&self.freshness, freshness::Tick)).await {
            tracing::error!(%error, "the tick of the reminders failed");
        }
        self.settle().await
    }

    pub(crate) async fn advance_to(&self, target: Timestamp) -> Result<(), StackError> {
        self.tick().await?;
        while let Some(next) = self.next_due().await?
            && next <= target
        {
            self.move_to(next)?;
            self.tick().await?;
        }
        self.move_to(target)?;
        self.tick().await
    }

    fn move_to(&self, moment: Timestamp) -> Result<(), StackError> {
        let by = moment.duration_since(self.clock.now());
        // The clock runs meanwhile: what it has passed already is no way to go.
        if by.is_positive() {
            self.clock.advance(by)?;
        }
        Ok(())
    }

    /// When something happens by itself after now: a notice has to be looked at, a message is reported on, or somebody is to
    /// be reminded.
    async fn next_due(&self) -> Result<Option<Timestamp>, StackError> {
        let notices = Notices::new(self.client.clone(), table_name("NoticesTable"));
        let now = self.clock.now();
        // What is due already was just worked on; what still is waits for the next tick.
        let coming = notices.due_at().await?.into_iter().filter(|at| *at > now).min();
        let reported = self.messages.next_report_at().filter(|at| *at > now);
        let reminders = self.register.entries().reminders_due_at().await?.into_iter();
        let reminded = reminders.map(|at| hours::next_decent(at.max(now)));
        let reminded = reminded.filter(|at| *at > now).min();
        Ok(coming.into_iter().chain(reported).chain(reminded).min())
    }

    /// What `aws cloudformation describe-stacks` would print, and the environment that leads to this stack's parts.
    pub(crate) fn described(&self) -> Result<Value, StackError> {
        let template = Template::shipped()?;
        let tables = template.tables.keys().map(|id| (id.clone(), table_name(id)));
        let buckets = template
            .buckets
            .iter()
            .map(|id| (id.clone(), physical_name(id, "Bucket")));
        let queues = template.queues.keys().filter_map(|id| {
            let url = self.queues.queue_url(id)?;
            Some((format!("{id}Url"), url))
        });
        let outputs = tables.chain(buckets).chain(queues);
        let outputs = outputs.map(|(key, value)| json!({ "OutputKey": key, "OutputValue": value }));
        let secrets = self.wrapped_secrets.iter().map(|(name, value)| (*name, value.as_str()));
        let parameters = secrets.chain([("Persons", "synthetic")]);
        let parameters = parameters.map(|(key, value)| json!({ "ParameterKey": key, "ParameterValue": value }));
        Ok(json!({
            "Stacks": [{ "Outputs": outputs.collect::<Vec<_>>(), "Parameters": parameters.collect::<Vec<_>>() }],
            "Environment": self.environment,
            "Now": self.clock.now(),
        }))
    }

    /// Everything as at the first start.
    pub(crate) async fn reset(&self) -> Result<(), StackError> {
        for id in Template::shipped()?.queues.keys() {
            let Some(url) = self.queues.queue_url(id) else { continue };
            self.sqs
                .purge_queue()
                .queue_url(url)
                .send()
                .await
                .map_err(|error| StackError::Queue(error.to_string()))?;
        }
        self.database.reset()?;
        self.files.reset(&self.buckets).await?;
        self.messages.reset()?;
        self.clock.reset()?;
        self.furnish().await
    }
}

/// The way to a database: round by a proxy where faults are scripted.
async fn way_to(url: &str, by_faults: bool) -> io::Result<(Option<DatabaseFaults>, aws_sdk_dynamodb::Client)> {
    if by_faults {
        let faults = DatabaseFaults::start(url).await?;
        let client = faults.client();
        return Ok((Some(faults), client));
    }
    Ok((None, aws_sdk_dynamodb::Client::new(&sdk::config(url))))
}

/// The API, or the parts for functions outside, and what a developer does to the stack. Each request may leave something
/// to do.
fn router(stack: &Arc<Inner>, served: Router) -> Router {
    let asked = Arc::clone(stack);
    let router = control::router(Arc::clone(stack)).merge(served);
    router.layer(axum::middleware::map_response(
        move |response: axum::response::Response| {
            asked.asked.notify_one();
            std::future::ready(response)
        },
    ))
}

/// Streams and queues whenever there may be something, the tick every minute.
async fn drive(stack: Arc<Inner>) {
    let mut ticks = tokio::time::interval(MINUTE);
    let mut arrivals = stack.queues.arrivals();
    loop {
        // The first tick is at once: what an earlier run left in the outbox goes out now.
        let result = tokio::select! {
            _ = ticks.tick() => stack.tick().await,
            () = stack.asked.notified() => stack.settle().await,
            _ = arrivals.changed() => stack.settle().await,
            () = tokio::time::sleep(IDLE) => stack.settle().await,
        };
        if let Err(error) = result {
            tracing::error!(%error, "the drivers failed");
            tokio::time::sleep(IDLE).await;
        }
    }
}

/// Files, whenever there may be something to do about one.
async fn drive_files(stack: Arc<Inner>) {
    let mut uploads = stack.buckets.arrivals();
    let mut steps = stack.queues.arrivals();
    loop {
        if let Err(error) = stack.settle_files().await {
            tracing::error!(%error, "the driver of the files failed");
            tokio::time::sleep(IDLE).await;
        }
        tokio::select! {
            _ = uploads.changed() => {}
            _ = steps.changed() => {}
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}
