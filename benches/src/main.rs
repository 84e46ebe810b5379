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
    let head = table::head(&lab, args)?;
    println!("{head}");
    let measured = measure(args, &cases, &lab)?;
    tell("");
    let board = goals::Board { cases: &cases, measured: &measured };
    let tables = table::tables(&cases, &measured)?;
    let seconds = began.elapsed().as_secs();
    let text = format!("{tables}\n{}\n{} minutes {} seconds\n", goals::table(&board), seconds / 60, seconds % 60);
    print!("{text}");
    if let Some(path) = &args.out {
        let json = path.extension().is_some_and(|extension| extension == "json");
        let written = if json {
            let all = json!({
                "head": head.lines().collect::<Vec<_>>(), "seconds": seconds,
                "goals": goals::json(&board), "cases": table::json(&cases, &measured),
            });
            format!("{all:#}\n")
        } else {
            format!("{head}\n{text}")
        };
        fs::write(path, written).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

/// Every case once a round, in turn. Round 0 warms up and is not counted; it also finds out which peers are there.
fn measure(args: &Args, cases: &[Case], lab: &Lab) -> Result<Vec<Measured>> {
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
    }
    Ok(measured)
}

/// Shows how far it is, to those who watch.
fn tell(what: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}
