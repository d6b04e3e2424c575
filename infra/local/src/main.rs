//! `cargo run -p local`: the whole register on this machine.

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use infra_aws::disclosures::Selection;
use jiff::civil::Date;
use local::{
    apart,
    messages::{Channel, Message},
    mishaps::Odds,
    openapi, rehearsal,
    secrets::Versions,
    services::Outside,
    soak,
    stack::{Options, Stack},
    upload, verification,
};
use mailbox_register::organisation::OrganisationNumber;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing_subscriber::EnvFilter;

mod tour;

/// Where the API is.
const API_PORT: u16 = 3000;
/// Where the parts are without the API, which then has its usual port from somebody else.
const SERVICES_PORT: u16 = 4000;

/// What a process ends with that was stopped by Ctrl-C.
const STOPPED: u8 = 130;

/// The digital mailbox register on this machine: embedded database, queues, SMS and e-mail, token issuers and the API.
#[derive(Parser)]
#[command(version, name = "local", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Port of the API on 127.0.0.1. Without it 3000, or 4000 with --services-only.
    #[arg(long)]
    port: Option<u16>,
    /// Folder in which the register is kept between runs. Without it everything is gone at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which secrets person keys are made with, the current one first: `1`; in a rotation `1,2` and then `2,1`; `2`.
    #[arg(long, default_value = "1", value_name = "VERSION[,OTHER]")]
    person_keys: Versions,
    /// What the functions log: error, warn, info, debug or trace.
    #[arg(long, default_value = "warn", value_name = "LEVEL")]
    log: String,
    #[command(flatten)]
    services: ServicesOnly,
}

#[derive(Args)]
struct ServicesOnly {
    /// What the functions stand on, and not the API: for functions in `sam local` or `cargo lambda watch`.
    ///
    /// Streams, queues and ticks are driven as usual, by this process's own functions.
    #[arg(long = "services-only", id = "services_only")]
    only: bool,
    /// Address on which this is served, for functions in containers: Docker's bridge. Nothing but the functions should reach
    /// it, because whoever does can be anybody.
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST.into(), requires = "services_only")]
    listen: IpAddr,
    /// Name by which the functions know that address, such as host.docker.internal.
    #[arg(long, value_name = "NAME", requires = "services_only")]
    host: Option<String>,
    /// File to write the functions' environment to, more than one if asked. A name that ends with .json: for `sam local
    /// --env-vars`; any other: for `cargo lambda watch --env-file`.
    #[arg(long, value_name = "FILE", requires = "services_only")]
    env_file: Vec<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Sends many notices under faults, and proves that none was sent twice and none was lost.
    ///
    /// Best run as `cargo run --profile bench -p local -- soak`.
    Soak(Soak),
    /// Sends a file of persons to a running stack, as an agency's system would, and fetches the result.
    ///
    /// Ends with 0 when the result is there, 1 when there will be none, 2 when no stack is running, and 3 when the batch is
    /// held: the agency has to look at it first. Stopping with Ctrl-C leaves the batch to the stack.
    Upload(Upload),
    /// Checks that no record of who looked whom up was removed or changed.
    ///
    /// In a data folder, or in AWS: with the tables' names, and region, key, secret and session token in the environment
    /// variables that the AWS CLI knows. It reads, and writes nothing.
    ///
    /// Ends with 0 when all is as it was written, 1 when something is not, 2 when it could not be found out.
    VerifyDisclosures(RecordOfDisclosures),
    /// Gives persons, and the relations of organisations, what they lack of the record: what the function `disclosures` has
    /// given up on. What is there is left as it is.
    ///
    /// In AWS it needs `--persons` and `--relations` as well.
    CopyDisclosures(RecordOfDisclosures),
    /// Prints the OpenAPI document of the HTTP operations, as the code has it.
    Openapi {
        /// Puts it into infra/openapi.json instead, from the repository's root.
        #[arg(long)]
        write: bool,
    },
    /// Takes a file of many persons from disk to its result on a stack of its own, and says what it took.
    ///
    /// Best run as `cargo run --profile bench -p local -- rehearse`.
    Rehearse(Rehearse),
    /// Serves the database of a data folder: a rehearsal starts it.
    #[command(hide = true)]
    Database {
        /// The folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

#[derive(Args)]
struct Soak {
    /// Notices, one for each letter.
    #[arg(long, default_value_t = 90_000)]
    notices: u64,
    /// Deliveries of queues and streams that come twice, in percent.
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
    duplicates: f64,
    /// Workers that die, in percent: after claiming, after preparing, or after marking the notice as being sent.
    #[arg(long, default_value_t = 2.0, value_name = "PERCENT")]
    crashes: f64,
    /// Calls whose answer is lost after the provider has accepted, in percent.
    #[arg(long, default_value_t = 2.0, value_name = "PERCENT")]
    lost: f64,
    /// Calls that the provider refuses for the time being, in percent.
    #[arg(long, default_value_t = 2.0, value_name = "PERCENT")]
    refused: f64,
    /// What the lots are drawn by. Without it, any; it is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the outcome as JSON, and how far it is to standard error.
    #[arg(long)]
    json: bool,
    /// What the functions log: error, warn, info, debug or trace. The faults are many, so nothing usually.
    #[arg(long, default_value = "off", value_name = "LEVEL")]
    log: String,
}

#[derive(Args)]
struct Upload {
    /// CSV or JSON Lines with a person in each row, also packed by gzip (.csv, .jsonl, .csv.gz, .jsonl.gz).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Organisation number of the agency that sends it, such as 991825827.
    #[arg(long, value_name = "NUMBER")]
    organisation: String,
    /// What is done with each person.
    #[arg(long, value_enum, default_value_t = upload::Kind::Lookup)]
    kind: upload::Kind,
    /// Why, in words that the persons see. Without it, the agency's usual purpose.
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// Only tells what would happen.
    #[arg(long)]
    dry_run: bool,
    /// An earlier batch: the result says what has changed since.
    #[arg(long, value_name = "ID")]
    compare_with: Option<String>,
    /// Where the stack is.
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    url: String,
    /// Folder for result and summary. Without it they are put beside FILE.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct RecordOfDisclosures {
    /// Folder in which a register is kept (`--data` of the stack, which must not run meanwhile).
    #[arg(long, value_name = "DIR", conflicts_with_all = ["disclosures", "chains"], required_unless_present = "disclosures")]
    data: Option<PathBuf>,
    /// Name of the table with the records: the output `DisclosuresTable`.
    #[arg(long, value_name = "TABLE", requires = "chains")]
    disclosures: Option<String>,
    /// Name of the table with their chains: the output `ChainsTable`.
    #[arg(long, value_name = "TABLE", requires = "disclosures")]
    chains: Option<String>,
    /// Name of the table with what persons read: the output `PersonDisclosuresTable`. To copy only.
    #[arg(long, value_name = "TABLE", requires = "disclosures")]
    persons: Option<String>,
    /// Name of the table with whom organisations have to do with: the output `RelationsTable`. To copy only.
    #[arg(long, value_name = "TABLE", requires = "disclosures")]
    relations: Option<String>,
    /// Only what was disclosed to one organisation.
    #[arg(long, value_name = "NUMBER")]
    organisation: Option<OrganisationNumber>,
    /// Only what was disclosed on one day in Norway, such as 2026-11-22.
    #[arg(long, value_name = "DAY")]
    day: Option<Date>,
}

#[derive(Args)]
struct Rehearse {
    /// Rows of the file.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// How many of a hundred persons are in the register.
    #[arg(long, default_value_t = 90, value_name = "PERCENT")]
    registered: usize,
    /// What is done with each person.
    #[arg(long, value_enum, default_value_t = upload::Kind::Lookup)]
    kind: upload::Kind,
    /// Where file, result and database lie meanwhile: some 3 GB for a million rows. Without it, the machine's temporary folder.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// What the functions log: error, warn, info, debug or trace.
    #[arg(long, default_value = "warn", value_name = "LEVEL")]
    log: String,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        None => {
            log(&arguments.log);
            serve(arguments).await
        }
        Some(Command::Soak(soak)) => {
            log(&soak.log);
            soak.run().await
        }
        Some(Command::Rehearse(rehearse)) => {
            log(&rehearse.log);
            rehearse.run().await
        }
        Some(Command::Upload(upload)) => upload.run().await,
        Some(Command::Openapi { write }) => contract(write),
        Some(Command::Database { data }) => match apart::serve(&data, print).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprint(&format!("The database cannot be served: {error}\n"));
                ExitCode::FAILURE
            }
        },
        Some(Command::VerifyDisclosures(record)) => record.verify().await,
        Some(Command::CopyDisclosures(record)) => record.copy().await,
    }
}

fn log(level: &str) {
    // The database reports conditions that do not hold as warnings, the buckets whatever they refuse as an error; here
    // both are everyday.
    let filter = match level {
        "off" => level.to_owned(),
        _ => format!("{level},dynoxide=error,s3s=off"),
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .json()
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn contract(write: bool) -> ExitCode {
    let written = openapi::text().map_err(io::Error::from).and_then(|text| {
        if write {
            return fs::write(openapi::PLACE, text);
        }
        print(&text);
        Ok(())
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint(&format!("{} cannot be written: {error}\n", openapi::PLACE));
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> ExitCode {
    match start(arguments).await {
        Ok(stack) => {
            tokio::spawn(print_messages(stack.messages().subscribe()));
            tokio::select! {
                () = stack.serve() => {}
                _ = tokio::signal::ctrl_c() => print("\nStopped.\n"),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint(&format!("The local stack cannot start: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Starts the stack and says what to do with it.
async fn start(arguments: Arguments) -> Result<Stack, Box<dyn Error>> {
    let ServicesOnly {
        only: services_only,
        listen,
        host,
        env_file,
    } = arguments.services;
    let usual_port = if services_only { SERVICES_PORT } else { API_PORT };
    let options = Options {
        port: arguments.port.unwrap_or(usual_port),
        data: arguments.data,
        person_keys: arguments.person_keys,
        driven: true,
        outside: services_only.then_some(Outside { address: listen, host }),
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    for file in &env_file {
        stack.write_env_file(file)?;
    }
    let text = if services_only {
        tour::services(stack.url(), &env_file)
    } else {
        tour::text(stack.url(), stack.buckets().url())
    };
    print(&text);
    Ok(stack)
}

impl Rehearse {
    async fn run(self) -> ExitCode {
        let options = rehearsal::Options {
            rows: self.rows,
            registered: self.registered,
            kind: self.kind,
            folder: self.folder,
            database: std::env::current_exe().ok(),
        };
        match rehearsal::run(&options, &upload::Progress::shown(), print).await {
            Ok(report) => {
                print(&report.to_string());
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprint(&format!("The rehearsal cannot go on: {error}\n"));
                ExitCode::FAILURE
            }
        }
    }
}

impl RecordOfDisclosures {
    fn place(self) -> (verification::Place, Selection) {
        let selection = Selection {
            organisation: self.organisation,
            day: self.day,
        };
        let place = match (self.data, self.disclosures, self.chains) {
            (_, Some(disclosures), Some(chains)) => verification::Place::Aws {
                disclosures,
                chains,
                persons: self.persons.unwrap_or_default(),
                relations: self.relations.unwrap_or_default(),
            },
            (data, ..) => verification::Place::Folder(data.unwrap_or_default()),
        };
        (place, selection)
    }

    async fn verify(self) -> ExitCode {
        let (place, selection) = self.place();
        match verification::run(place, selection, say).await {
            Ok(report) => {
                print(&report.to_string());
                ExitCode::from(report.exit_code())
            }
            Err(error) => {
                eprint(&format!("It could not be found out: {error}\n"));
                ExitCode::from(verification::UNKNOWN)
            }
        }
    }

    async fn copy(self) -> ExitCode {
        let (place, selection) = self.place();
        match verification::run_copy(place, selection, say).await {
            Ok(records) => {
                print(&format!("{records} records are there for their persons to read.\n"));
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprint(&format!("Not all could be copied: {error}\n"));
                ExitCode::from(verification::UNKNOWN)
            }
        }
    }
}

/// How far it is.
fn say(text: &str) {
    eprint(&format!("{text} …\n"));
}

impl Soak {
    async fn run(self) -> ExitCode {
        let options = soak::Options {
            notices: self.notices,
            odds: Odds {
                duplicates: self.duplicates,
                crashes: self.crashes,
            },
            lost: self.lost,
            refused: self.refused,
            seed: self.seed.unwrap_or_else(any_seed),
        };
        // What is piped on is the outcome alone.
        let say = if self.json { eprint } else { print };
        say(&format!("seed {}\n", options.seed));
        let progress = |now: soak::Progress| {
            say(&format!(
                "{:>9} accepted {:>7.0} a second {:>6} MiB resident\n",
                now.accepted,
                now.per_second,
                now.memory.resident / 1024
            ));
        };
        match soak::run(options, progress).await {
            Ok(report) => {
                if self.json {
                    print(&format!("{}\n", serde_json::json!(report)));
                } else {
                    print(&report.to_string());
                }
                if report.holds() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                }
            }
            Err(error) => {
                eprint(&format!("The soak cannot go on: {error}\n"));
                ExitCode::FAILURE
            }
        }
    }
}

impl Upload {
    async fn run(self) -> ExitCode {
        let options = upload::Options {
            file: self.file,
            organisation: self.organisation,
            kind: self.kind,
            purpose: self.purpose,
            dry_run: self.dry_run,
            compare_with: self.compare_with,
            url: self.url,
            out: self.out,
        };
        let progress = upload::Progress::shown();
        let outcome = tokio::select! {
            outcome = upload::run(&options, &progress) => outcome,
            _ = tokio::signal::ctrl_c() => {
                progress.end();
                eprint(&format!("{}\n", progress.left()));
                return ExitCode::from(STOPPED);
            }
        };
        match outcome {
            Ok(outcome) => {
                print(&outcome.to_string());
                ExitCode::from(outcome.exit_code())
            }
            Err(error) => {
                eprint(&format!("{error}\n"));
                ExitCode::from(error.exit_code())
            }
        }
    }
}

/// Short enough to be typed.
fn any_seed() -> u64 {
    u64::from(fastrand::u32(..))
}

/// Prints what people would have received.
async fn print_messages(mut accepted: Receiver<Message>) {
    loop {
        match accepted.recv().await {
            Ok(message) => print(&shown(&message)),
            // All of them are in the outbox.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn shown(message: &Message) -> String {
    let how = match message.channel {
        Channel::Sms => "SMS",
        Channel::Email => "E-mail",
    };
    let text = message.text.replace('\n', "\n    ");
    let subject = message
        .subject
        .as_ref()
        .map_or_else(String::new, |subject| format!("    {subject}\n"));
    format!("→ {how} to {}\n{subject}    {text}\n", message.to)
}

/// A closed pipe is no reason to stop serving.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
    let _ = std::io::stdout().flush();
}

fn eprint(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
