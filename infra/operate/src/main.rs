//! The command `operate`.

use std::process::ExitCode;

use clap::Parser as _;
use operate::command::Operate;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    Operate::parse().run().await
}
