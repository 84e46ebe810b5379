//! Messages: who published them, what became of the publish, where they were seen.

use std::collections::HashMap;

use super::facts::At;
use crate::history::{Kind, NO_MESSAGE, Nature, Record};

/// An entry id.
pub(super) type Entry = (u64, u64);

/// One message of a run.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub number: u64,
    pub lane: u32,
    pub nature: Nature,
    pub hash: u64,
    /// First attempt to publish it.
    pub called: Option<At>,
    pub producer: u32,
    /// First receipt.
    pub stored: Option<At>,
    /// Level of the best receipt.
    pub level: u8,
    /// Calls that nobody has answered, or with `unknown`.
    pub open_calls: u32,
    pub refused: Option<At>,
    /// Distinct entries under which it was seen, with the place where it was seen first.
    pub entries: Vec<(Entry, At)>,
    /// Runs of handlers, by start.
    pub runs: Vec<u32>,
    pub letters: Vec<At>,
    pub vanished: Vec<At>,
    pub replayed: Vec<At>,
    pub deleted: Vec<At>,
    /// What foreign consumers were handed of it.
    pub foreign: Vec<Elsewhere>,
}

/// An entry in the hands of a foreign consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elsewhere {
    pub entry: Entry,
    pub read: At,
    /// It had handled it.
    pub done: Option<At>,
}

impl Message {
    /// The entries that foreign consumers had handled: each, when it was read, and when it was done.
    pub(super) fn handled_elsewhere(&self) -> impl Iterator<Item = (Entry, At, At)> {
        self.foreign.iter().filter_map(|Elsewhere { entry, read, done }| Some((*entry, *read, (*done)?)))
    }

    fn seen(&mut self, entry: Entry, at: At) {
        if entry != (0, 0) && self.entries.iter().all(|(known, _)| *known != entry) {
            self.entries.push((entry, at));
        }
    }
}

/// All messages, in the order they appeared.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub all: Vec<Message>,
    index: HashMap<u64, u32>,
    /// Which message an entry is.
    by_entry: HashMap<(u32, Entry), u32>,
}

impl Messages {
    fn entry(&mut self, record: &Record) -> &mut Message {
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let place = *self.index.entry(record.message).or_insert(next);
        if place == next {
            self.all.push(Message { number: record.message, lane: record.lane, ..Message::default() });
        }
        &mut self.all[place as usize]
    }

    /// The message of this number.
    pub(super) fn get(&self, number: u64) -> Option<&Message> {
        self.index.get(&number).map(|place| &self.all[*place as usize])
    }

    pub(super) fn publish(&mut self, at: At, record: &Record) {
        let message = self.entry(record);
        match record.kind {
            Kind::PublishCall => {
                if message.called.is_none() {
                    message.called = Some(at);
                    message.producer = record.actor;
                    message.lane = record.lane;
                    message.nature = Nature::from_number(record.extra);
                    message.hash = record.hash;
                }
                message.open_calls += 1;
            }
            Kind::PublishOk => {
                message.stored.get_or_insert(at);
                message.level = message.level.max(record.detail);
                message.seen(record.entry, at);
            }
            Kind::PublishRefused => {
                message.refused.get_or_insert(at);
                message.open_calls = message.open_calls.saturating_sub(1);
            }
            _ => {}
        }
        self.remember(record);
    }

    pub(super) fn handled(&mut self, at: At, record: &Record, run: u32) {
        let message = self.entry(record);
        message.runs.push(run);
        message.seen(record.entry, at);
        self.remember(record);
    }

    /// Dead letters, what vanished, what an operator did.
    pub(super) fn tell(&mut self, at: At, record: &Record) {
        // A consumer knows only the entry of what vanished.
        let number = if record.message == NO_MESSAGE {
            self.by_entry.get(&(record.lane, record.entry)).or_else(|| self.by_entry.get(&(0, record.entry))).copied()
        } else {
            None
        };
        let message = match number {
            Some(place) => &mut self.all[place as usize],
            None => self.entry(record),
        };
        match record.kind {
            Kind::DeadLetter => {
                // What was never seen elsewhere is believed; else C9 compares.
                if message.entries.is_empty() || !message.replayed.is_empty() {
                    message.seen(record.entry, at);
                }
                message.letters.push(at);
            }
            Kind::Vanished => message.vanished.push(at),
            Kind::Replayed => message.replayed.push(at),
            Kind::Deleted => message.deleted.push(at),
            Kind::ForeignRead => {
                message.seen(record.entry, at);
                message.foreign.push(Elsewhere { entry: record.entry, read: at, done: None });
            }
            Kind::ForeignDone => {
                let open = |other: &&mut Elsewhere| other.entry == record.entry && other.done.is_none();
                if let Some(held) = message.foreign.iter_mut().rfind(open) {
                    held.done = Some(at);
                }
            }
            _ => {}
        }
    }

    fn remember(&mut self, record: &Record) {
        if record.entry != (0, 0)
            && let Some(place) = self.index.get(&record.message)
        {
            self.by_entry.insert((record.lane, record.entry), *place);
            self.by_entry.insert((0, record.entry), *place);
        }
    }
}
