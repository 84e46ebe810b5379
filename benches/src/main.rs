//! Our figures beside those of raw clients and of what people would otherwise write, as ratios inside one run.
//!
//! Starts a server of its own, runs every case once a round, interleaved, and prints medians with the lowest and highest
//! figure. Every sample checks that nothing was lost or doubled and, where order is promised, that it was kept; a sample
//! that fails its check ends the program. See `benches/README.md` for how to read the table.

// A benchmark measures real time, and its table goes to standard output.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr, reason = "a program that measures")]

mod args;
mod calls;
mod cases;
mod consume;
mod goals;
mod growth;
mod lab;
mod load;
mod lock;
mod memory;
mod peer;
mod publish;
mod raw;
mod request;
mod spread;
mod table;
mod witness;

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use serde_json::json;

use crate::args::Args;
use crate::cases::{Case, Measured, Run};
use crate::lab::Lab;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stargazer-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let began = Instant::now();
    let cases: Vec<Case> = cases::all(args).into_iter().filter(|case| args.wants(&case.title())).collect();
    if cases.is_empty() {
        return Err("no case has all of these words".into());
    }
    let lab = Lab::start(args.messages)?;
    let report = Report { head: table::head(&lab, args)?, cases: &cases, began, out: args.out.as_deref() };
    println!("{}", report.head);
    let measured = measure(args, &report, &lab)?;
    tell("");
    print!("{}", report.text(&measured)?);
    Ok(())
}

/// What is told of the measurements.
struct Report<'a> {
    head: String,
    cases: &'a [Case],
    began: Instant,
    out: Option<&'a Path>,
}

impl Report<'_> {
    /// The tables, the goals, and how long it took.
    fn text(&self, measured: &[Measured]) -> Result<String> {
        let tables = table::tables(self.cases, measured)?;
        let goals = goals::table(&goals::Board { cases: self.cases, measured });
        let seconds = self.began.elapsed().as_secs();
        Ok(format!("{tables}\n{goals}\n{} minutes {} seconds\n", seconds / 60, seconds % 60))
    }

    /// Writes what there is into the file that was asked for. A run that is cut off leaves its whole rounds.
    fn keep(&self, measured: &[Measured], round: u32, rounds: u32) -> Result<()> {
        let Some(path) = self.out else { return Ok(()) };
        let written = if path.extension().is_some_and(|extension| extension == "json") {
            let all = json!({
                "head": self.head.lines().collect::<Vec<_>>(), "seconds": self.began.elapsed().as_secs(),
                "rounds": round, "goals": goals::json(&goals::Board { cases: self.cases, measured }),
                "cases": table::json(self.cases, measured),
            });
            format!("{all:#}\n")
        } else {
            let cut = if round < rounds { format!("only {round} of {rounds} rounds\n") } else { String::new() };
            format!("{}\n{cut}{}", self.head, self.text(measured)?)
        };
        fs::write(path, written).map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
    }
}

/// Every case once a round, in turn. Round 0 warms up and is not counted; it also finds out which peers are there.
fn measure(args: &Args, report: &Report<'_>, lab: &Lab) -> Result<Vec<Measured>> {
    let cases = report.cases;
    let mut measured: Vec<Measured> = cases.iter().map(|_| Measured::default()).collect();
    for round in 0..=args.rounds {
        for (case, into) in cases.iter().zip(&mut measured) {
            if into.missing.is_some() {
                continue;
            }
            tell(&format!("round {round} of {}: {}", args.rounds, case.title()));
            let messages = (args.messages / case.share).max(200);
            match case.sample(lab, messages).map_err(|error| format!("{}: {error}", case.title()))? {
                Run::Done(sample) if round > 0 => into.samples.push(sample),
                Run::Weighed(weights) if round > 0 => into.weights.push(weights),
                Run::Done(_) | Run::Weighed(_) => {}
                Run::Missing(why) => into.missing = Some(why),
            }
        }
        if round > 0 {
            report.keep(&measured, round, args.rounds)?;
        }
    }
    Ok(measured)
}

/// Shows how far it is, to those who watch.
fn tell(what: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}
