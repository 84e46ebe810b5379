//! `stargazer trace`: the life of a message by its trace id.

use std::process::ExitCode;

use stargazer_core::Bus;
use stargazer_core::envelope::{Value, json};
use stargazer_core::trace::{Step, Trace};

use super::args::{OutputFormat, TraceArgs};
use super::role::server_of;
use super::{Failure, screen};
use crate::settings::Environment;

/// Runs the command.
pub(super) async fn run(options: TraceArgs, environment: Environment) -> Result<ExitCode, Failure> {
    let url = server_of(options.server, &environment)?;
    let bus = Bus::connect(url).config(environment.bus).await.map_err(|error| error.to_string())?;
    let trace = bus.trace(&options.trace_id).await.map_err(|error| error.to_string());
    bus.close().await.map_err(|error| error.to_string())?;
    let trace = trace?;
    match options.output {
        OutputFormat::Json => screen::line(&json::encode(&Value::Map(trace.to_map()))),
        OutputFormat::Text => show(&trace),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(trace: &Trace) {
    let begin = trace.steps.first().map_or(0, |step| step.at_ms);
    for step in &trace.steps {
        screen::line(&line(step, begin));
    }
    if trace.total > trace.steps.len() as u64 {
        screen::note(&format!("{} steps in all, of which the first {} are kept", trace.total, trace.steps.len()));
    }
    if trace.illegal > 0 {
        screen::note(&format!("{} marked * do not follow the state before them", trace.illegal));
    }
}

/// One step: seconds since the first one, state, who, and what else was said.
fn line(step: &Step, begin: u64) -> String {
    let (before, ms) = if step.at_ms >= begin { ("+", step.at_ms - begin) } else { ("-", begin - step.at_ms) };
    let mark = if step.legal { ' ' } else { '*' };
    let said = step.detail.iter().map(|(name, value)| match value {
        Value::Text(text) => format!("{name}={text}"),
        other => format!("{name}={}", json::encode(other)),
    });
    let said = said.collect::<Vec<_>>().join(" ");
    format!("{before}{}.{:03}{mark} {:<20} {}  {said}", ms / 1000, ms % 1000, step.state, step.by)
}
