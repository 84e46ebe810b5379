//! Faults on real servers: many processes, one server, a schedule of faults from one seed, and the checker's verdict.
//!
//! The run itself is an actor with a history (number 0). It knows what is in flight by reading everybody's history, so
//! that each fault hits while work is under way, and holds its victim in the phase it aims at. What fails is either a
//! finding of the checker or one of the driver (a process that ended by itself, a drain that did not end).

mod cast;
mod clock;
mod drain;
mod fault;
mod ground;
mod letters;
mod options;
mod report;
mod schedule;
mod stage;
mod watch;

use std::fs;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;

pub use options::{RunOptions, Subject};

use crate::actor::Profile;
use crate::check::{Rules, check};
use crate::history::History;
use clock::Clock;
use ground::Ground;
use report::Outcome;
use schedule::{IN_FLIGHT, Schedule};
use stage::Stage;

/// What a run may fail with, besides what it finds.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs; exit code 1 when a promise was broken, 2 when the run itself failed.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a program's answers")]
pub fn run(options: RunOptions) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("sg-chaos: {error}");
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(perform(options)) {
        Ok(outcome) => {
            println!("{}", outcome.text());
            if outcome.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("sg-chaos: {error}");
            ExitCode::from(2)
        }
    }
}

async fn perform(options: RunOptions) -> Result<Outcome, Failure> {
    match fs::remove_dir_all(&options.folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&options.folder)?,
    }
    let mut schedule = Schedule::new(&options)?;
    rules(&options)?.write(&options.folder)?;
    let clock = Clock::build(&options.folder)?;
    let server = tokio::task::block_in_place(|| Ground::start(options.sentinels, &clock))?;
    let name = server.name();
    let start = Instant::now();
    let mut stage = Stage::set(options.clone(), server, clock).await?;
    // The base line: everybody is there, nothing has been published.
    stage.wait(Duration::from_secs(2)).await?;
    let before = drain::measure(&stage)?;
    stage.start_producers().await?;
    stage.wait(Duration::from_secs(1)).await?;
    while !stage.all_published() {
        schedule.period(&mut stage).await?;
    }
    drain::drain(&mut stage).await?;
    // Sessions that lost their work retire, and what was marked goes.
    stage.wait(Duration::from_secs(5)).await?;
    let after = drain::measure(&stage)?;
    drain::compare(&stage, &before, &after)?;
    drain::dismiss(&mut stage).await?;
    let took = start.elapsed();
    let history = History::read(&options.folder)?;
    let verdict = check(&history, &Rules::read(&options.folder)?);
    let findings = std::mem::take(&mut stage.findings);
    let outcome = Outcome::new(&options, name, took, stage.crashes, findings, &schedule.matrix, verdict);
    if let Some(path) = &options.result {
        fs::write(path, serde_json::to_vec_pretty(&outcome)?)?;
    }
    Ok(outcome)
}

/// What is promised to this run.
fn rules(options: &RunOptions) -> Result<Rules, Failure> {
    let (lease, sweep) = options.profile.lease();
    let recovery = match options.profile {
        Profile::Test => 2_500,
        Profile::Default => 20_000,
    };
    Ok(Rules {
        ordering: serde_json::from_value(options.ordering.clone().into())?,
        lease_ms: u64::try_from(lease.as_millis())?,
        sweep_ms: u64::try_from(sweep.as_millis())?,
        handler_timeout_ms: u64::try_from(options.profile.handler_timeout().as_millis())?,
        in_flight: IN_FLIGHT as u64,
        measured: true,
        // Handlers in Python and Node end at their next turn, not at once.
        wake_ms: if options.subject == Subject::Rust { Rules::default().wake_ms } else { 500 },
        recovery_ms: [
            ("kill", recovery),
            ("restart_always", 5_000),
            ("restart_everysec", 5_000),
            ("restart_empty", 5_000),
        ]
        .map(|(name, limit)| (name.to_owned(), limit))
        .into(),
        ..Rules::default()
    })
}
