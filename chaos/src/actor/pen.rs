//! Writing a history: one write per record, so that a killed process has told everything up to its death.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::time::{ClockId, clock_gettime};

use crate::history::{Kind, Record};

/// Writes the history of one actor.
#[derive(Debug)]
pub struct Pen {
    file: File,
    actor: u32,
    runs: AtomicU32,
}

impl Pen {
    /// Opens the history of an actor, to be added to.
    pub fn open(path: &Path, actor: u32) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, actor, runs: AtomicU32::new(0) })
    }

    /// A record of now.
    pub fn record(&self, kind: Kind) -> Record {
        Record::new(kind, now_ns(), self.actor)
    }

    /// Writes a record down.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        (&self.file).write_all(&record.to_bytes())
    }

    /// A token that no other run of a handler has.
    pub fn token(&self) -> u64 {
        (u64::from(self.actor) << 32) | u64::from(self.runs.fetch_add(1, Ordering::Relaxed))
    }
}

/// The machine's monotonic clock.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + nanos.unwrap_or(0)
}

/// FNV-1a of bytes, 64 bits.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
