//! How long each call of ours holds the server when much is pending and when bodies are large.
//!
//! The server itself measures: every command goes through its slow log with the threshold at zero. A row gives the
//! longest single command of a call and the sum of all its commands; while those run, nobody else is served.

mod files;
mod meter;
mod pending;
mod seed;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use stargazer_core::Result;
use stargazer_tests::Server;

use meter::{Meter, Report};

/// What is measured.
#[derive(Debug, Args)]
pub struct Options {
    /// Entries in the pending list.
    #[arg(long, default_value_t = 1_000_000)]
    entries: usize,
    /// Lanes they are spread over.
    #[arg(long, default_value_t = 100_000)]
    lanes: usize,
    /// Files that are queued.
    #[arg(long, default_value_t = 100)]
    files: usize,
    /// Bytes of a file.
    #[arg(long, default_value_t = 8 * 1024 * 1024)]
    file_bytes: usize,
    /// Where the figures are written, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Measures and prints the table; fails when a call held the server longer than allowed.
#[allow(clippy::print_stdout, clippy::print_stderr)] // the program's own output
pub fn run(options: &Options) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(measure(options)).map_err(|error| error.to_string()));
    let written = report.and_then(|report| {
        if let Some(path) = &options.out {
            let text = serde_json::to_string_pretty(&report.json(options)).map_err(|error| error.to_string())?;
            std::fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(report)
    });
    match written {
        Ok(report) => {
            println!("{}", report.table());
            if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("sizes: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    for part in [Part::Pending, Part::Files] {
        let server = Server::start().map_err(|error| stargazer_core::Error::unavailable(error.to_string()))?;
        let mut meter = Meter::new(&server, &mut report)?;
        match part {
            Part::Pending => pending::measure(&mut meter, options).await?,
            Part::Files => files::measure(&mut meter, options).await?,
        }
    }
    Ok(report)
}

enum Part {
    Pending,
    Files,
}
