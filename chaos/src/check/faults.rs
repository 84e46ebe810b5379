//! Faults: when they were on, whom they hit, what the server may have forgotten by them.

use std::collections::HashMap;

use super::facts::{At, NEVER};
use crate::history::{FaultKind, Forgets, Hits, Kind, NO_MESSAGE, Record};

/// One fault.
#[derive(Debug)]
pub(super) struct Fault {
    pub kind: FaultKind,
    pub begin: At,
    pub end: At,
    /// In nanoseconds.
    pub from: u64,
    pub until: u64,
    /// The actor it hit; 0: everybody.
    pub target: u32,
    /// The phase it was aimed at.
    pub aimed: u16,
    pub forgets: Forgets,
}

impl Fault {
    /// Whether it touched this actor: itself, or through the server.
    pub(super) fn hits(&self, actor: u32) -> bool {
        self.target == 0 || self.target == actor || self.kind.hits() == Hits::Server
    }

    /// Whether the server may have forgotten what was settled, and who has what.
    pub(super) fn forgets_group(&self) -> bool {
        self.forgets != Forgets::Nothing
    }

    /// Whether the server may have forgotten what was done in its group at this time.
    pub(super) fn undoes(&self, time: u64) -> bool {
        let from = match self.forgets {
            Forgets::Nothing => return false,
            Forgets::Group => 0,
            Forgets::Entries(reach) => self.from.saturating_sub(reach),
        };
        from <= time && time <= self.until
    }

    /// Whether the server may have forgotten an entry that was called for and stored at these times.
    pub(super) fn forgets_entry(&self, called: u64, stored: u64, level: u8) -> bool {
        match self.forgets {
            Forgets::Entries(reach) => {
                level <= self.kind.forgets_level() && called <= self.until && stored >= self.from.saturating_sub(reach)
            }
            Forgets::Nothing | Forgets::Group => false,
        }
    }
}

/// All faults, by begin.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub all: Vec<Fault>,
    open: HashMap<u64, usize>,
    /// Faults that hit everybody, and those of each actor.
    everybody: Vec<usize>,
    of_actor: HashMap<u32, Vec<usize>>,
    /// No fault is on for longer, aftermath included.
    longest: u64,
    aftermath: u64,
}

impl Faults {
    /// Whether it could be understood.
    pub(super) fn take(&mut self, at: At, record: &Record) -> bool {
        if record.kind == Kind::FaultEnd {
            let Some(fault) = self.open.remove(&record.token) else { return false };
            let fault = &mut self.all[fault];
            (fault.end, fault.until) = (at, record.time);
            return true;
        }
        let Some(kind) = FaultKind::from_number(record.detail) else { return false };
        let forgets = match kind.forgets() {
            Forgets::Entries(_) if record.message != NO_MESSAGE => Forgets::Entries(record.message),
            forgets => forgets,
        };
        self.open.insert(record.token, self.all.len());
        self.all.push(Fault {
            kind,
            begin: at,
            end: NEVER,
            from: record.time,
            until: u64::MAX,
            target: record.extra,
            aimed: record.attempt,
            forgets,
        });
        true
    }

    pub(super) fn finish(&mut self, aftermath: u64) {
        self.aftermath = aftermath;
        for (place, fault) in self.all.iter().enumerate() {
            if fault.target == 0 || fault.kind.hits() == Hits::Server {
                self.everybody.push(place);
            } else {
                self.of_actor.entry(fault.target).or_default().push(place);
            }
            let length = fault.until.saturating_sub(fault.from).saturating_add(aftermath);
            self.longest = self.longest.max(length);
        }
    }

    /// The faults that hit this actor and were on, or had ended an aftermath ago at most, between these times.
    pub(super) fn between(&self, actor: u32, from: u64, until: u64) -> impl Iterator<Item = &Fault> {
        let lists = [Some(&self.everybody), self.of_actor.get(&actor)];
        let aftermath = self.aftermath;
        lists.into_iter().flatten().flat_map(move |list| {
            let first = list.partition_point(|place| self.all[*place].from < from.saturating_sub(self.longest));
            list[first..]
                .iter()
                .map(|place| &self.all[*place])
                .take_while(move |fault| fault.from <= until)
                .filter(move |fault| fault.until.saturating_add(aftermath) >= from)
        })
    }

    /// The faults that made the server forget something.
    pub(super) fn forgetting(&self) -> impl Iterator<Item = &Fault> {
        self.all.iter().filter(|fault| fault.forgets_group())
    }
}
