//! What the core has to log, for Python's `logging`: lines travel with the results of the loop that came last.
//!
//! Nobody waits for them: without a loop they are let go. No filter of its own beside the level, which is `logging`'s
//! business; what is below `info` does not cross.

use std::fmt::Write;
use std::sync::{Mutex, Weak};

use sg::host::Completions;
use stargazer_core as sg;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::bridge::Done;
use crate::fork::forks;

/// The loop that came last, and after how many forks. Only ever tried: after a fork nobody may hold it for ever.
static LISTENER: Mutex<Option<(u32, Weak<Completions<Done>>)>> = Mutex::new(None);

/// Lets lines go to this queue from now on.
pub(crate) fn listen(queue: Weak<Completions<Done>>) {
    if let Ok(mut listener) = LISTENER.try_lock() {
        *listener = Some((forks(), queue));
    }
}

/// Takes down what the core logs, from now on. Somebody else in this process may have done so before.
pub(crate) fn start() {
    let _ = tracing::subscriber::set_global_default(Lines);
}

struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.is_event() && metadata.target().starts_with("stargazer")
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        let queue = match LISTENER.try_lock() {
            Ok(listener) => listener.as_ref().filter(|(of, _)| *of == forks()).and_then(|(_, queue)| queue.upgrade()),
            Err(_) => None,
        };
        let Some(queue) = queue else { return };
        let mut line = Line::default();
        event.record(&mut line);
        queue.push(Done::Logged(level(*event.metadata().level()), line.message + &line.fields));
    }

    // There are no spans: they are not enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The numbers of Python's `logging`.
fn level(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        _ => 10,
    }
}

/// `message key=value …`.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, &format_args!("{value:?}"));
    }
}

impl Line {
    fn put(&mut self, field: &Field, value: &dyn std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}
