//! Which events a handler wants: a kind, `phase.*` for all that begin with it, `*` for all.

use std::collections::HashSet;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::seen::SeenEvent;
use crate::envelope::EVENT_KINDS;
use crate::error::{Error, Result};

/// Kinds that were warned of are remembered up to this number; those after them are not told.
const MOST_UNKNOWN: usize = 1000;

/// What handles an event; the error is told in the log.
pub(super) type EventHandler = Arc<dyn Fn(SeenEvent) -> Handled + Send + Sync>;

/// A handler at work.
pub(super) type Handled = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A function as a handler.
pub(super) fn handler<F, R, E>(handle: F) -> EventHandler
where
    F: Fn(SeenEvent) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Display,
{
    Arc::new(move |event| {
        let work = handle(event);
        Box::pin(async move { work.await.map_err(|error| error.to_string()) })
    })
}

/// Patterns in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Routes {
    patterns: Vec<String>,
    unknown: HashSet<String>,
}

impl Routes {
    /// Adds a pattern; its place.
    pub(super) fn add(&mut self, pattern: &str) -> Result<usize> {
        let stem = pattern.strip_suffix('*').unwrap_or(pattern);
        let fits =
            !pattern.is_empty() && !stem.contains('*') && (stem == pattern || stem.is_empty() || stem.ends_with('.'));
        if !fits {
            let text = format!("a kind is `phase.start`, `phase.*` or `*`, not {pattern:?}");
            return Err(Error::invalid(text).with_context("argument", "kind"));
        }
        self.patterns.push(pattern.to_owned());
        Ok(self.patterns.len() - 1)
    }

    /// The places of the patterns that a kind matches. One that nobody wants and nobody knows is told once.
    pub(super) fn matching(&mut self, kind: &str) -> Vec<usize> {
        let matches = |pattern: &str| pattern.strip_suffix('*').map_or(pattern == kind, |stem| kind.starts_with(stem));
        let places = self.patterns.iter().enumerate().filter(|(_, pattern)| matches(pattern));
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        let new = places.is_empty() && !kind.is_empty() && !EVENT_KINDS.contains(&kind);
        if new && self.unknown.len() < MOST_UNKNOWN && self.unknown.insert(kind.to_owned()) {
            tracing::warn!(kind, "events of an unknown kind that nobody handles are passed over");
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_matched_whole_or_by_their_beginning() {
        let mut routes = Routes::default();
        for (place, pattern) in ["phase.*", "phase.start", "*", "a.b.*"].into_iter().enumerate() {
            assert_eq!(routes.add(pattern).unwrap(), place);
        }
        assert_eq!(routes.matching("phase.start"), [0, 1, 2]);
        assert_eq!(routes.matching("phase"), [2]);
        assert_eq!(routes.matching("a.b.c.d"), [2, 3]);
        for bad in ["", "phase*", "*.start", "a.*.b", "**"] {
            assert_eq!(routes.add(bad).unwrap_err().context()[0].1, "kind", "{bad}");
        }
    }

    #[test]
    fn what_nobody_knows_is_remembered_once() {
        let mut routes = Routes::default();
        for _ in 0..2 {
            assert!(routes.matching("novel.kind").is_empty() && routes.matching("agent.start").is_empty());
        }
        assert_eq!(routes.unknown.len(), 1);
    }
}
