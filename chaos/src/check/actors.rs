//! Lives of processes: when each ended, and how.

use std::collections::HashMap;

use super::facts::{At, NEVER};
use crate::history::{Kind, Record};

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// On its own.
    Ended,
    /// By the run.
    Killed,
    /// By a message.
    ByMessage,
}

/// The ends of all lives.
#[derive(Debug, Default)]
pub(super) struct Actors {
    deaths: HashMap<u32, (At, Death)>,
}

impl Actors {
    pub(super) fn take(&mut self, at: At, record: &Record) {
        let death = match record.kind {
            Kind::ActorEnd => Death::Ended,
            Kind::ActorKilled if record.detail == 0 => Death::Killed,
            Kind::ActorKilled => Death::ByMessage,
            _ => return,
        };
        self.deaths.entry(record.actor).or_insert((at, death));
    }

    /// When an actor ended; never, if it did not.
    pub(super) fn death(&self, actor: u32) -> At {
        self.deaths.get(&actor).map_or(NEVER, |(at, _)| *at)
    }

    /// How it ended.
    pub(super) fn how(&self, actor: u32) -> Option<Death> {
        self.deaths.get(&actor).map(|(_, death)| *death)
    }

    /// All ends, by place.
    pub(super) fn all(&self) -> Vec<(u32, At, Death)> {
        let mut all: Vec<_> = self.deaths.iter().map(|(actor, (at, death))| (*actor, *at, *death)).collect();
        all.sort_by_key(|(_, at, _)| *at);
        all
    }
}
