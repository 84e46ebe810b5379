//! What is looked at while it happens: nothing lost, overtaken, or run twice at the same time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use stargazer_core::consumer::machine::Ended;
use stargazer_core::policy::{Ordering, Retention};
use stargazer_core::transport::EntryId;

use super::message::NO_LANE;
use super::plan::{LEASE_MS, Plan, SWEEP_MS};
use super::process::{Handler, Life};
use super::world::MS;

/// Everything seen so far.
pub(super) struct Watch {
    pub(super) findings: Vec<String>,
    entries: BTreeMap<EntryId, (u64, u32)>,
    groups: Vec<GroupWatch>,
    forgiven: HashSet<u64>,
    ordering: Ordering,
    capped: bool,
    /// Overlaps before this are what a server that forgot brings.
    forgot_until: u64,
    frozen: HashMap<Life, u64>,
    /// The server does not know of every group any more.
    pub(super) groups_gone: bool,
}

#[derive(Default)]
struct GroupWatch {
    settled: HashSet<u64>,
    lanes: HashMap<u32, Lane>,
}

#[derive(Default)]
struct Lane {
    unfinished: BTreeSet<EntryId>,
    running: Option<(Life, u64, EntryId)>,
}

impl Watch {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            findings: Vec::new(),
            entries: BTreeMap::new(),
            groups: (0..plan.groups).map(|_| GroupWatch::default()).collect(),
            forgiven: HashSet::new(),
            ordering: plan.ordering,
            capped: matches!(plan.retention, Retention::Capped { .. }),
            forgot_until: 0,
            frozen: HashMap::new(),
            groups_gone: false,
        }
    }

    pub(super) fn stored(&mut self, message: u64, lane: u32, id: EntryId) {
        self.entries.insert(id, (message, lane));
        if self.groups_gone {
            // Who has read the stream is not known to the server: a group that comes back may find less.
            self.forgiven.insert(message);
            return;
        }
        if lane == NO_LANE {
            return;
        }
        for group in &mut self.groups {
            group.lanes.entry(lane).or_default().unfinished.insert(id);
        }
    }

    /// The message and lane of an entry.
    pub(super) fn known(&self, id: EntryId) -> Option<(u64, u32)> {
        self.entries.get(&id).copied()
    }

    /// The server lost entries, or somebody deleted them.
    pub(super) fn lost(&mut self, ids: impl Iterator<Item = EntryId>) {
        for id in ids {
            if let Some((message, lane)) = self.entries.remove(&id) {
                self.forgiven.insert(message);
                for group in &mut self.groups {
                    if let Some(lane) = group.lanes.get_mut(&lane) {
                        lane.unfinished.remove(&id);
                    }
                }
            }
        }
    }

    pub(super) fn forgot(&mut self, at: u64) {
        self.forgot_until = self.forgot_until.max(at + (2 * LEASE_MS + SWEEP_MS) * MS);
    }

    pub(super) fn froze(&mut self, life: Life) {
        self.frozen.insert(life, u64::MAX);
    }

    pub(super) fn woke(&mut self, life: Life, now: u64) {
        self.frozen.insert(life, now + 200 * MS);
    }

    pub(super) fn start(&mut self, group: usize, life: Life, handler: &Handler, now: u64) {
        if !self.ordering.keeps_lanes() && !self.ordering.locks() || handler.lane == NO_LANE {
            return;
        }
        let lane = self.groups[group].lanes.entry(handler.lane).or_default();
        let excused = |life: Life| self.frozen.get(&life).is_some_and(|until| now < *until);
        if let Some((other, _, entry)) = lane.running.replace((life, handler.token, handler.entry))
            && now >= self.forgot_until
            && !excused(other)
            && !excused(life)
        {
            let text = format!(
                "overlap at {now}: {life} started {} of lane {} while {other} ran {entry}",
                handler.entry, handler.lane
            );
            self.findings.push(text);
        }
        if let Some(first) = lane.unfinished.first()
            && *first < handler.entry
            && !self.capped
            && self.ordering.keeps_order()
            && self.entries.contains_key(&handler.entry)
        {
            let text =
                format!("overtaken at {now}: {life} started {} of lane {} before {first}", handler.entry, handler.lane);
            self.findings.push(text);
        }
    }

    pub(super) fn end(&mut self, group: usize, life: Life, handler: &Handler) {
        self.gone(group, life, handler);
        if matches!(handler.how, Ended::Ack | Ended::Reject { .. }) {
            self.finished(group, handler.entry);
        }
    }

    /// A handler does not run any more.
    pub(super) fn gone(&mut self, group: usize, _life: Life, handler: &Handler) {
        if let Some(lane) = self.groups[group].lanes.get_mut(&handler.lane)
            && lane.running.is_some_and(|(_, token, _)| token == handler.token)
        {
            lane.running = None;
        }
    }

    pub(super) fn finished(&mut self, group: usize, id: EntryId) {
        let Some((_, lane)) = self.entries.get(&id) else { return };
        if let Some(lane) = self.groups[group].lanes.get_mut(lane) {
            lane.unfinished.remove(&id);
        }
    }

    pub(super) fn settled(&mut self, group: usize, id: EntryId) {
        if let Some((message, _)) = self.entries.get(&id) {
            self.groups[group].settled.insert(*message);
        }
    }

    pub(super) fn ended(&mut self, life: Life, result: Result<(), stargazer_core::Error>) {
        if let Err(error) = result
            && !error.code().starts_with("unavailable")
        {
            self.findings.push(format!("the consumer of {life} ended: {error}"));
        }
    }

    /// After everything: what was never finished.
    pub(super) fn missing(&mut self, messages: u64) {
        if self.capped {
            return;
        }
        for (n, group) in self.groups.iter().enumerate() {
            let lost = (0..messages).filter(|m| !group.settled.contains(m) && !self.forgiven.contains(m));
            let lost: Vec<_> = lost.take(10).collect();
            if !lost.is_empty() {
                self.findings.push(format!("lost in group {n}: {lost:?}"));
            }
        }
    }
}
