//! `cargo run -p local`: the whole register on this machine.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::Parser;
use local::{
    messages::{Channel, Message},
    stack::{Options, Stack},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing_subscriber::EnvFilter;

mod tour;

/// The digital mailbox register on this machine: embedded database, queues, SMS and e-mail, token issuers and the API.
#[derive(Parser)]
#[command(version, name = "local")]
struct Arguments {
    /// Port of the API on 127.0.0.1.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Folder in which the register is kept between runs. Without it everything is gone at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What the functions log: error, warn, info, debug or trace.
    #[arg(long, default_value = "warn", value_name = "LEVEL")]
    log: String,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The database reports conditions that do not hold as warnings; here they are everyday.
    let filter = format!("{},dynoxide=error", arguments.log);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let options = Options {
        port: arguments.port,
        data: arguments.data,
        frozen_at: None,
        driven: true,
        database_faults: false,
    };
    match Stack::start(options).await {
        Ok(stack) => {
            print(&tour::text(stack.url()));
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
