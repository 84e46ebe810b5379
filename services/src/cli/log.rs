//! Logs: on standard error, for people on a terminal, as JSON elsewhere.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::args::{Arguments, Command};
use super::{Failure, screen};
use crate::settings::Environment;

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Pretty,
    /// An object a line.
    Json,
}

/// Starts logging as the command line and the environment say; how it is written.
pub(super) fn init(arguments: &Arguments, environment: &Environment) -> Result<Format, Failure> {
    let levels = match arguments.log.as_ref().or(environment.log.as_ref()) {
        Some(text) => text.parse::<Targets>().map_err(|error| format!("log levels {text:?}: {error}"))?,
        None => Targets::new().with_default(usual(&arguments.command)),
    };
    let terminal = screen::errors_are_terminal();
    let format = match environment.log_format.as_deref() {
        None if terminal => Format::Pretty,
        None | Some("json") => Format::Json,
        Some("pretty") => Format::Pretty,
        Some(other) => return Err(format!("SG_LOG_FORMAT is {other:?}; it must be json or pretty")),
    };
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        Format::Json => layer.json().flatten_event(true).with_filter(levels).boxed(),
        Format::Pretty => layer.with_ansi(terminal && !environment.no_color).with_filter(levels).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer).try_init();
    started.map_err(|error| format!("logging cannot start: {error}"))?;
    Ok(format)
}

/// A person at a terminal is told by the banner and the answers; a service tells by its log.
fn usual(command: &Command) -> LevelFilter {
    match command {
        Command::Dev(_) if screen::output_is_terminal() => LevelFilter::WARN,
        Command::Dev(options) if options.demo => LevelFilter::WARN,
        Command::Chat(_) | Command::DeadLetters(_) => LevelFilter::WARN,
        _ => LevelFilter::INFO,
    }
}
