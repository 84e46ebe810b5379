//! What the subcommands do; each says by its exit code whether the promises held.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program's answers

use std::io;
use std::path::Path;
use std::process::ExitCode;

use stargazer_chaos::check::{Report, Rules, check as judge};
use stargazer_chaos::history::History;

/// `sg-chaos check`.
pub(crate) fn check(folder: &Path, json: bool) -> ExitCode {
    match read(folder) {
        Ok(report) => {
            if json {
                println!("{}", report.to_json());
            } else {
                println!("{report}");
            }
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("sg-chaos: {}: {error}", folder.display());
            ExitCode::from(2)
        }
    }
}

fn read(folder: &Path) -> io::Result<Report> {
    let history = History::read(folder)?;
    if history.records.is_empty() {
        return Err(io::Error::other("there is no history"));
    }
    Ok(judge(&history, &Rules::read(folder)?))
}
