//! Runs: one start of a handler, how it ended, and what of it the server recorded.

use std::collections::HashMap;

use super::facts::{At, NEVER};
use super::messages::Entry;
use crate::history::{Kind, Record};

/// How a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Ack,
    Retry,
    Reject,
    Release,
    /// It was dropped without one.
    None,
}

impl Outcome {
    fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Ack,
            1 => Self::Retry,
            2 => Self::Reject,
            3 => Self::Release,
            _ => Self::None,
        }
    }

    /// Whether the entry is done with.
    pub(super) fn finishes(self) -> bool {
        matches!(self, Self::Ack | Self::Reject)
    }
}

/// Why a handler was told to end: its lease is over, or was lost.
pub(super) const LEASE_LOST: u8 = 0;
/// It ran too long.
pub(super) const TIMED_OUT: u8 = 1;

/// One start of a handler.
#[derive(Debug)]
pub(super) struct Run {
    pub message: u64,
    pub lane: u32,
    pub entry: Entry,
    pub actor: u32,
    pub session: u32,
    pub redelivered: bool,
    pub start: At,
    pub end: Option<At>,
    pub outcome: Option<Outcome>,
    pub cancelled: Option<(At, u8)>,
    /// The server recorded its outcome.
    pub settled: Option<At>,
    pub settle_sent: Option<At>,
    /// From here on it does not run: its end, or the death of its actor.
    pub closed: At,
}

impl Run {
    /// Whether it ended like this.
    pub(super) fn ended(&self, outcome: Outcome) -> bool {
        self.outcome == Some(outcome)
    }

    /// Whether both are of the same session of the same process.
    pub(super) fn same_session(&self, other: &Self) -> bool {
        self.actor == other.actor && self.session == other.session
    }
}

/// Something that a run did through the bus.
#[derive(Debug)]
pub(super) struct Effect {
    pub run: u32,
    pub at: At,
    /// Its place among all effects of the server; known when it was looked for at the end.
    pub place: Option<Entry>,
}

/// All runs, by start.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub all: Vec<Run>,
    pub effects: Vec<Effect>,
    /// Settles that were recorded: run and place.
    pub settles: Vec<(u32, At)>,
    by_token: HashMap<u64, u32>,
    last_of_entry: HashMap<(u32, Entry), u32>,
}

impl Runs {
    pub(super) fn start(&mut self, at: At, record: &Record) -> u32 {
        let run = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.by_token.insert(record.token, run);
        self.last_of_entry.insert((record.actor, record.entry), run);
        self.all.push(Run {
            message: record.message,
            lane: record.lane,
            entry: record.entry,
            actor: record.actor,
            session: record.extra,
            redelivered: record.detail != 0,
            start: at,
            end: None,
            outcome: None,
            cancelled: None,
            settled: None,
            settle_sent: None,
            closed: NEVER,
        });
        run
    }

    /// Whether there is such a run, and it had not ended.
    pub(super) fn end(&mut self, at: At, record: &Record) -> bool {
        let Some(run) = self.by_token.get(&record.token).map(|run| &mut self.all[*run as usize]) else { return false };
        match record.kind {
            Kind::HandlerCancel => {
                run.cancelled.get_or_insert((at, record.detail));
                true
            }
            _ if run.end.is_none() => {
                run.end = Some(at);
                run.outcome = Some(Outcome::from_number(record.detail));
                true
            }
            _ => false,
        }
    }

    /// The run that a record means: by its token, else the last one of its entry in its actor.
    fn meant(&self, record: &Record) -> Option<u32> {
        let by_token = if record.token == 0 { None } else { self.by_token.get(&record.token) };
        by_token.or_else(|| self.last_of_entry.get(&(record.actor, record.entry))).copied()
    }

    pub(super) fn settle(&mut self, at: At, record: &Record) {
        // Of an entry that no handler saw there is no run.
        let Some(meant) = self.meant(record) else { return };
        let run = &mut self.all[meant as usize];
        match record.kind {
            Kind::SettleOk => {
                run.settled.get_or_insert(at);
                self.settles.push((meant, at));
            }
            Kind::SettleSent => {
                run.settle_sent.get_or_insert(at);
            }
            _ => {}
        }
    }

    pub(super) fn effect(&mut self, at: At, record: &Record) {
        let Some(run) = self.by_token.get(&record.token).copied() else { return };
        match record.kind {
            Kind::EffectOk => self.effects.push(Effect { run, at, place: None }),
            Kind::EffectFound => self.effects.push(Effect { run, at, place: Some(record.entry) }),
            _ => {}
        }
    }
}
