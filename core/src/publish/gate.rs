//! The cap of a stream: who may append, as far as we know.
//!
//! The cap is soft. The length is read along with a burst, at most once per 100 ms or 1,000 entries; in between it
//! is counted up.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::BusConfig;
use crate::error::Result;
use crate::topology::Name;
use crate::transport::{Append, Appended, Retention, Transport};

#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<Name, Gate>>);

#[derive(Debug)]
struct Gate {
    length: u64,
    since: u64,
    measured: Option<Duration>,
}

const EVERY: Duration = Duration::from_millis(100);
const ENTRIES: u64 = 1000;

impl Gates {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Name, Gate>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Streams of the batch that are at their cap.
    pub(super) fn refused(&self, batch: &[(usize, Append)], config: &BusConfig) -> HashSet<Name> {
        let Retention::Acked { cap } = config.retention else { return HashSet::new() };
        self.with(|gates| {
            let full = |append: &Append| {
                append.max_len.is_none() && gates.get(&append.stream).is_some_and(|g| g.length + g.since >= cap)
            };
            batch.iter().filter(|(_, append)| full(append)).map(|(_, append)| append.stream.clone()).collect()
        })
    }

    /// Asks for the length with the last entry of each stream, if it is time.
    pub(super) fn measure(&self, batch: &mut [(usize, Append)], now: Duration) {
        self.with(|gates| {
            let mut asked = HashSet::new();
            for (_, append) in batch.iter_mut().rev().filter(|(_, append)| append.max_len.is_none()) {
                let gate = gates.entry(append.stream.clone()).or_insert(Gate { length: 0, since: 0, measured: None });
                let due = gate.measured.is_none_or(|at| now >= at + EVERY) || gate.since >= ENTRIES;
                append.measure = due && asked.insert(append.stream.clone());
            }
        });
    }

    pub(super) fn note(&self, stream: &Name, answer: &Result<Appended>, now: Duration) {
        let Ok(appended) = answer else { return };
        self.with(|gates| {
            let Some(gate) = gates.get_mut(stream) else { return };
            match appended.len {
                Some(length) => *gate = Gate { length, since: 0, measured: Some(now) },
                None => gate.since += u64::from(!appended.duplicate),
            }
        });
    }

    /// Looks again at the streams that are waited for.
    pub(super) async fn refresh(&self, transport: &dyn Transport, batch: &[(usize, Append)], now: Duration) {
        let streams: HashSet<_> = batch.iter().map(|(_, append)| append.stream.clone()).collect();
        for stream in streams {
            let length = match transport.stream_info(&stream).await {
                Ok(info) => info.length,
                Err(error) if error.kind() == crate::error::ErrorKind::NotFound => 0,
                // Still in trouble: the publish itself tells when it gives up.
                Err(_) => continue,
            };
            self.with(|gates| gates.insert(stream, Gate { length, since: 0, measured: Some(now) }));
        }
    }
}
