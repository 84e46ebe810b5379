//! `sg-chaos simulate`: many seeds on all cores, or one with all it did.
#![allow(clippy::print_stdout)] // a program's answers

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use clap::Args;
use stargazer_core::clock::{Clock, SystemClock};

use super::message::NO_LANE;
use super::text::Schedule;
use super::{Outcome, Plan, run, shrink};
use crate::history::{NO_MESSAGE, Record};

/// What to simulate.
#[derive(Debug, Args)]
pub struct Options {
    /// So many seeds, from `--seed` on.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Messages of each.
    #[arg(long, default_value_t = 1000)]
    messages: u64,
    /// A schedule in a file instead of drawn ones.
    #[arg(long)]
    file: Option<std::path::PathBuf>,
    /// Show every record of the first failure, made small.
    #[arg(long)]
    trace: bool,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 5)]
    failures: usize,
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Sum {
    /// Seeds that ran.
    pub seeds: u64,
    /// Things that happened.
    pub events: u64,
    /// Virtual milliseconds.
    pub took_ms: u64,
    /// Schedules that failed, and how.
    pub failed: Vec<(Schedule, Vec<String>)>,
}

/// Runs the seeds on all cores, up to so many failures.
pub fn many(seeds: std::ops::Range<u64>, messages: u64, failures: usize) -> Sum {
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let sum = Mutex::new(Sum::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let plan = Plan::draw(seed, messages);
                    let Outcome { findings, events, took_ms, .. } = run(seed, &plan);
                    let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    sum.seeds += 1;
                    sum.events += events;
                    sum.took_ms += took_ms;
                    if !findings.is_empty() {
                        sum.failed.push((Schedule { seed, plan }, findings));
                        stop.store(sum.failed.len() >= failures, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The subcommand.
pub fn play(options: &Options) -> ExitCode {
    if let Some(path) = &options.file {
        let schedule = std::fs::read_to_string(path).map_err(|e| e.to_string()).and_then(|text| text.parse());
        return match schedule {
            Ok(schedule) => one(&schedule, options.trace),
            Err(error) => {
                println!("{}: {error}", path.display());
                ExitCode::from(2)
            }
        };
    }
    let clock = SystemClock::new();
    let sum = many(options.seed..options.seed + options.seeds, options.messages, options.failures);
    let took = clock.now();
    println!(
        "{} seeds of {} messages, {} events, {} s of virtual time in {:.1} s: {} failed",
        sum.seeds,
        options.messages,
        sum.events,
        sum.took_ms / 1000,
        took.as_secs_f64(),
        sum.failed.len()
    );
    for (schedule, findings) in &sum.failed {
        println!("seed {}: {:.300}", schedule.seed, findings[0]);
    }
    match sum.failed.first() {
        None => ExitCode::SUCCESS,
        Some((schedule, _)) => one(schedule, options.trace),
    }
}

fn one(schedule: &Schedule, trace: bool) -> ExitCode {
    let (small, outcome) = shrink(schedule);
    if trace {
        for record in &outcome.history {
            println!("{}", line(record));
        }
    }
    println!("\n{small}");
    for finding in &outcome.findings {
        println!("{finding:.6000}");
    }
    if outcome.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A record as a line; numbers that mean "none" are left out.
fn line(record: &Record) -> String {
    let (ms, micros) = (record.time / 1_000_000, record.time / 1000 % 1000);
    let mut text = format!("{ms:>8}.{micros:03} {:>10} {:?}", record.actor, record.kind);
    let mut add = |name: &str, value: u64, none: u64| {
        if value != none {
            // Writing to a text cannot fail.
            let _ = write!(text, " {name} {value}");
        }
    };
    add("message", record.message, NO_MESSAGE);
    add("lane", record.lane.into(), NO_LANE.into());
    add("attempt", record.attempt.into(), 0);
    add("detail", record.detail.into(), 0);
    add("extra", record.extra.into(), 0);
    add("entry", record.entry.0, 0);
    add("-", record.entry.1, 0);
    add("token", record.token, 0);
    text
}
