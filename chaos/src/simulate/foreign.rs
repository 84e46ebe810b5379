//! Consumers that do not follow our protocol, as the original's: they read in a group of ours, know nothing of lanes or
//! registrations, acknowledge what they have handled, whoever holds it then, and may delete it.

use std::time::Duration;

use stargazer_core::topology::Name;
use stargazer_core::transport::EntryId;

use super::message::NO_LANE;
use super::plan::STRAY_MS;
use super::world::{Due, MS, STREAM, World};
use crate::history::Kind;

/// Entries that it handles at a time.
const AT_ONCE: usize = 4;

/// One of them.
#[derive(Debug)]
pub(super) struct Foreign {
    group: usize,
    name: Name,
    deletes: bool,
    dies: bool,
    /// It reads until then.
    until: u64,
    /// What it was handed, with message and lane.
    holds: Vec<(EntryId, u64, u32)>,
    /// Looks so far.
    turns: u64,
    dead: bool,
}

impl World<'_> {
    /// One comes.
    pub(super) fn foreign_comes(&mut self, n: usize, group: u32, deletes: bool, dies: bool, until: u64) {
        let group = usize::try_from(group).unwrap_or(0).min(self.groups.len() - 1);
        let name = format!("worker-{n}").into();
        let foreign = Foreign { group, name, deletes, dies, until, holds: Vec::new(), turns: 0, dead: false };
        self.foreign.insert(n, foreign);
        self.foreign_reads(n);
    }

    /// Its time is over: it is dead, or finishes what it holds.
    pub(super) fn foreign_leaves(&mut self, n: usize) {
        if let Some(foreign) = self.foreign.get_mut(&n) {
            foreign.dead = foreign.dies;
        }
    }

    /// It looks for work.
    pub(super) fn foreign_reads(&mut self, n: usize) {
        let reached = self.is_reached();
        let Some(foreign) = self.foreign.get_mut(&n) else { return };
        if foreign.dead || self.now >= foreign.until {
            return;
        }
        foreign.turns += 1;
        let mut dice = self.dice.of(&[70, n as u64, foreign.turns]);
        let room = AT_ONCE.saturating_sub(foreign.holds.len());
        let group = foreign.group;
        let read = if reached && room > 0 {
            self.engine.read_as(&self.groups[group], &foreign.name, room).unwrap_or_default()
        } else {
            Vec::new()
        };
        for id in read {
            let (message, lane) = self.entries.get(&id).copied().unwrap_or((crate::history::NO_MESSAGE, NO_LANE));
            if let Some(foreign) = self.foreign.get_mut(&n) {
                foreign.holds.push((id, message, lane));
            }
            self.tell_foreign(Kind::ForeignRead, group, (id, message, lane));
            // Some take so long that others think it dead.
            let nanos = if dice.permille(20) {
                dice.between(STRAY_MS / 2, STRAY_MS * 2) * MS
            } else {
                dice.below(2 * self.plan.work.ms * MS)
            };
            self.after(nanos, Due::ForeignDone(n, id));
        }
        let pause = dice.between(MS, 40 * MS);
        self.after(pause, Due::ForeignReads(n));
    }

    /// It has handled an entry.
    pub(super) fn foreign_done(&mut self, n: usize, id: EntryId) {
        let reached = self.is_reached();
        let Some(foreign) = self.foreign.get_mut(&n).filter(|foreign| !foreign.dead) else { return };
        if !reached {
            let soon = Duration::from_millis(20);
            self.after(super::network::nanos_of(soon), Due::ForeignDone(n, id));
            return;
        }
        let Some(place) = foreign.holds.iter().position(|(held, ..)| *held == id) else { return };
        let held = foreign.holds.swap_remove(place);
        let (group, deletes) = (foreign.group, foreign.deletes);
        // Neither can fail: the engine is not closed. What is not there any more is of no use to anybody.
        let _ = self.engine.ack_as(&self.groups[group], &[id]);
        if deletes {
            let _ = self.engine.delete_entries(&STREAM.into(), &[id]);
            // The other group has not been asked.
            if self.groups.len() > 1 {
                let (_, message, lane) = held;
                self.record(Kind::Deleted, 0, |record| {
                    (record.message, record.lane, record.entry) = (message, lane, (id.ms, id.seq));
                });
            }
        }
        self.tell_foreign(Kind::ForeignDone, group, held);
        self.wake();
    }

    fn tell_foreign(&mut self, kind: Kind, group: usize, (id, message, lane): (EntryId, u64, u32)) {
        self.record(kind, 0, |record| {
            (record.message, record.lane, record.entry) = (message, lane, (id.ms, id.seq));
            record.extra = u32::try_from(group).unwrap_or(u32::MAX);
        });
    }

    fn is_reached(&self) -> bool {
        self.now >= self.server.down_until.max(self.server.paused_until).max(self.server.denies_until)
    }
}
