//! Following the histories of a run while it goes on: what is in flight, whose handlers run, what has a receipt.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::actor::is_effect;
use crate::history::{Kind, Record, SIZE};

/// What the histories say so far.
#[derive(Debug)]
pub(super) struct Watch {
    folder: PathBuf,
    read: HashMap<PathBuf, u64>,
    /// Messages with a receipt.
    stored: HashSet<u64>,
    /// Stored, not finished, and not forgotten by a server.
    in_flight: HashSet<u64>,
    /// Finished before their receipt was read.
    finished: HashSet<u64>,
    /// Messages by entry of the inbound stream, while in flight.
    entries: HashMap<(u64, u64), (u64, u32)>,
    /// Runs of handlers that have not ended, by actor.
    running: HashMap<u32, HashSet<u64>>,
    /// Answers stored and not received.
    answers: HashSet<u64>,
    /// Entries up to this time of the server have been forgotten, also those whose receipts are read later.
    forgotten_until: u64,
}

impl Watch {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            read: HashMap::new(),
            stored: HashSet::new(),
            in_flight: HashSet::new(),
            finished: HashSet::new(),
            entries: HashMap::new(),
            running: HashMap::new(),
            answers: HashSet::new(),
            forgotten_until: 0,
        }
    }

    /// Reads what has been added.
    pub(super) fn look(&mut self) -> io::Result<()> {
        for item in fs::read_dir(&self.folder)? {
            let path = item?.path();
            if path.extension().is_none_or(|extension| extension != "hist") {
                continue;
            }
            let at = self.read.get(&path).copied().unwrap_or(0);
            let mut file = File::open(&path)?;
            let whole = file.metadata()?.len() / SIZE as u64 * SIZE as u64;
            if whole <= at {
                continue;
            }
            file.seek(SeekFrom::Start(at))?;
            let mut bytes = Vec::new();
            file.take(whole - at).read_to_end(&mut bytes)?;
            self.read.insert(path, whole);
            for record in bytes.as_chunks::<SIZE>().0 {
                if let Some(record) = Record::from_bytes(record) {
                    self.take(&record);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) {
        let message = record.message;
        match record.kind {
            Kind::PublishOk if self.stored.insert(message) && !self.finished.remove(&message) => {
                if record.entry.0 <= self.forgotten_until {
                    return;
                }
                if is_effect(message) {
                    self.answers.insert(message);
                } else {
                    self.in_flight.insert(message);
                    self.entries.insert(record.entry, (message, record.lane));
                }
            }
            Kind::HandlerStart => {
                self.running.entry(record.actor).or_default().insert(record.token);
            }
            Kind::HandlerEnd => {
                if let Some(running) = self.running.get_mut(&record.actor) {
                    running.remove(&record.token);
                }
                if matches!(record.detail, 0 | 2) {
                    self.finish(record);
                }
            }
            Kind::DeadLetter | Kind::Deleted => self.finish(record),
            Kind::ActorKilled | Kind::ActorEnd => {
                self.running.remove(&record.actor);
            }
            _ => {}
        }
    }

    fn finish(&mut self, record: &Record) {
        let message = record.message;
        let known = self.in_flight.remove(&message) || self.answers.remove(&message);
        if !known && !self.stored.contains(&message) {
            self.finished.insert(message);
        }
        self.entries.remove(&record.entry);
    }

    /// A server has forgotten: what is in flight may never come.
    pub(super) fn forget(&mut self, wall_ms: u64) {
        self.forgotten_until = wall_ms;
        self.in_flight.clear();
        self.answers.clear();
        self.entries.clear();
    }

    /// Messages that are stored and not finished.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Answers that are stored and not received.
    pub(super) fn answers(&self) -> usize {
        self.answers.len()
    }

    /// Handlers of an actor that run.
    pub(super) fn running(&self, actor: u32) -> usize {
        self.running.get(&actor).map_or(0, HashSet::len)
    }

    /// Whether the message has a receipt.
    pub(super) fn is_stored(&self, message: u64) -> bool {
        self.stored.contains(&message)
    }

    /// The message of an entry that is in flight, and its lane.
    pub(super) fn message_of(&self, entry: (u64, u64)) -> Option<(u64, u32)> {
        self.entries.get(&entry).copied()
    }
}
