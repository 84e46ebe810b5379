//! Lives of processes: when each began and ended, and how.

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

/// All lives.
#[derive(Debug, Default)]
pub(super) struct Actors {
    births: HashMap<u32, At>,
    deaths: HashMap<u32, (At, Death)>,
}

impl Actors {
    pub(super) fn take(&mut self, at: At, record: &Record) {
        let death = match record.kind {
            Kind::ActorEnd => Death::Ended,
            Kind::ActorKilled if record.detail == 0 => Death::Killed,
            Kind::ActorKilled => Death::ByMessage,
            Kind::ActorStart => {
                self.births.entry(record.actor).or_insert(at);
                return;
            }
            _ => return,
        };
        self.deaths.entry(record.actor).or_insert((at, death));
    }

    /// Whether an actor began after a place.
    pub(super) fn is_younger(&self, actor: u32, than: At) -> bool {
        self.births.get(&actor).is_some_and(|born| *born > than)
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
