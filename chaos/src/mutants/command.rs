//! `sg-chaos mutants`: every mutant, a line each; fails unless all of them are caught.
#![allow(clippy::print_stdout)] // a program's answers

use std::process::ExitCode;

use clap::Args;
use stargazer_core::mutant::Mutant;

use super::{TABLE, prove};

/// Which mutants.
#[derive(Debug, Args)]
pub struct Options {
    /// Only those whose name holds this text.
    #[arg(long)]
    only: Option<String>,
    /// Say what the check found.
    #[arg(long)]
    verbose: bool,
}

/// The subcommand.
pub fn play(options: &Options) -> ExitCode {
    let only = options.only.as_deref().unwrap_or_default();
    let chosen: Vec<_> = TABLE.iter().filter(|subject| name(subject.mutant).contains(only)).collect();
    println!("{:<22} {:<6} {:>5} {:>8}  also found by", "mutant", "check", "seed", "time");
    let mut caught = 0;
    for subject in &chosen {
        let name = name(subject.mutant);
        match prove(subject) {
            Ok(proof) => {
                caught += 1;
                let also: Vec<_> = proof.by.iter().filter(|check| **check != subject.check).collect();
                let (check, seconds) = (format!("{:?}", subject.check), proof.took.as_secs_f64());
                println!("{name:<22} {check:<6} {:>5} {seconds:>6.1} s  {also:?}", proof.seed);
                if options.verbose {
                    println!("    {}", proof.text);
                }
            }
            Err(why) => println!("{name:<22} {:<6}   {why}", format!("{:?}", subject.check)),
        }
    }
    println!("{caught} of {} caught", chosen.len());
    if caught == chosen.len() && caught > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn name(mutant: Mutant) -> String {
    format!("{mutant:?}")
}
