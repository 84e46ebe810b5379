//! The program `sg-chaos`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stargazer_chaos::actor;

/// Proves the delivery promises.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One process of a run over a real server.
    #[command(flatten)]
    Actor(actor::Role),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Actor(role) => actor::play(role),
    }
}
