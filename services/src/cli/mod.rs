//! The program: its command line, what it prints, and how it ends.
//!
//! Exit codes: 0 done or stopped on request, 1 failed, 2 wrong command line, 130 stopped at once by a second signal.
//! What a person asked for goes to standard output, everything else (logs, progress, errors) to standard error.

mod args;
mod chat;
mod client;
mod conversation;
mod demo;
mod doctor;
mod duration;
mod letters;
mod log;
mod role;
mod screen;
mod signal;
mod trace;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use crate::settings::Environment;
use args::{Arguments, Command};

/// How a command failed: one line for people.
type Failure = String;

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let environment = Environment::read();
    let format = match log::init(&arguments, &environment) {
        Ok(format) => format,
        Err(failure) => {
            screen::error(&failure);
            return ExitCode::from(2);
        }
    };
    // Whoever reads the log of a service by machine should find there why it ended, and nothing that is no JSON.
    let service = matches!(arguments.command, Command::Gateway(_) | Command::Inference(_));
    let logged = service && format == log::Format::Json;
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen::error(&format!("no threads can be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Dev(options) => role::dev(options, environment).await,
            Command::Gateway(options) => role::gateway(options, environment).await,
            Command::Inference(options) => role::inference(options, environment).await,
            Command::Chat(options) => chat::run(options).await,
            Command::Doctor(options) => doctor::run(options, environment).await,
            Command::Trace(options) => trace::run(options, environment).await,
            Command::DeadLetters(options) => letters::run(options, environment).await,
        }
    });
    // What still runs was given up on purpose, after a second signal.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(failure) => {
            if logged {
                tracing::error!(error = failure, "failed");
            } else {
                screen::error(&failure);
            }
            ExitCode::FAILURE
        }
    }
}
