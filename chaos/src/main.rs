//! The program `sg-chaos`: proves the delivery promises, or says where they broke.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stargazer_chaos::{actor, mutants, real, simulate, sizes};

mod command;

/// Proves the delivery promises, or says where they broke.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Messages through faults on a real server; exit code 1 if a promise was broken.
    Run(real::RunOptions),
    /// One process of a run over a real server.
    #[command(flatten)]
    Actor(actor::Role),
    /// Break one rule after the other and let the checker find out.
    Mutants(mutants::Options),
    /// Judge the history in a folder; exit code 1 if a promise was broken.
    Check {
        /// Holds `*.hist` and, where it says more than the defaults, `rules.json`.
        folder: PathBuf,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let consumers, producers and a server run on virtual time, with faults drawn from seeds.
    Simulate(simulate::Options),
    /// How long each call holds the server when much is pending and bodies are large.
    Sizes(sizes::Options),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(options) => real::run(options),
        Command::Actor(role) => actor::play(role),
        Command::Mutants(options) => mutants::play(&options),
        Command::Check { folder, json } => command::check(&folder, json),
        Command::Simulate(options) => simulate::play(&options),
        Command::Sizes(options) => sizes::run(&options),
    }
}
