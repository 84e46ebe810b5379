//! What a history says, gathered once and put in order for all checks.

use std::collections::{BTreeMap, HashMap};

use super::actors::Actors;
use super::faults::Faults;
use super::messages::Messages;
use super::rules::Rules;
use super::runs::{Outcome, Run, Runs};
use crate::history::{History, Kind, NO_LANE, NO_MESSAGE, Record};

/// Where a record stands in the history.
pub(super) type At = u32;

/// After everything.
pub(super) const NEVER: At = At::MAX;

/// The facts of a history.
pub(super) struct Facts<'a> {
    pub history: &'a History,
    pub rules: &'a Rules,
    pub messages: Messages,
    pub runs: Runs,
    pub actors: Actors,
    pub faults: Faults,
    /// Runs of each lane, by start; those without lane are in none.
    pub lanes: BTreeMap<u32, Vec<u32>>,
    /// Records without anything they belong to: ends of runs that never started and the like.
    pub strays: Vec<At>,
}

impl<'a> Facts<'a> {
    pub(super) fn gather(history: &'a History, rules: &'a Rules) -> Self {
        let mut facts = Self {
            history,
            rules,
            messages: Messages::default(),
            runs: Runs::default(),
            actors: Actors::default(),
            faults: Faults::default(),
            lanes: BTreeMap::new(),
            strays: Vec::new(),
        };
        for (at, record) in (0..).zip(&history.records) {
            facts.take(at, record);
        }
        facts.faults.finish(rules.aftermath());
        for run in &mut facts.runs.all {
            if let (None, Some((at, _))) = (run.end, run.cancelled) {
                (run.end, run.outcome) = (Some(at), Some(Outcome::None));
            }
            run.closed = run.end.unwrap_or(NEVER).min(facts.actors.death(run.actor));
        }
        facts
    }

    fn take(&mut self, at: At, record: &Record) {
        match record.kind {
            Kind::PublishCall | Kind::PublishOk | Kind::PublishRefused | Kind::PublishUnknown => {
                self.messages.publish(at, record);
            }
            Kind::DeadLetter
            | Kind::Vanished
            | Kind::Replayed
            | Kind::Deleted
            | Kind::ForeignRead
            | Kind::ForeignDone => self.messages.tell(at, record),
            Kind::HandlerStart => {
                let run = self.runs.start(at, record);
                self.messages.handled(at, record, run);
                if record.lane != NO_LANE {
                    self.lanes.entry(record.lane).or_default().push(run);
                }
            }
            Kind::HandlerEnd | Kind::HandlerCancel => {
                if !self.runs.end(at, record) {
                    self.strays.push(at);
                }
            }
            Kind::SettleOk | Kind::SettleStale | Kind::SettleSent => self.runs.settle(at, record),
            Kind::EffectOk | Kind::EffectStale | Kind::EffectFound => self.runs.effect(at, record),
            Kind::FaultBegin | Kind::FaultEnd => {
                if !self.faults.take(at, record) {
                    self.strays.push(at);
                }
            }
            Kind::ActorStart | Kind::ActorEnd | Kind::ActorKilled => self.actors.take(at, record),
            Kind::GroupRecreated | Kind::Measured => {}
        }
    }

    /// The time of a place, in nanoseconds.
    pub(super) fn time(&self, at: At) -> u64 {
        self.history.records.get(at as usize).map_or(u64::MAX, |record| record.time)
    }

    pub(super) fn record(&self, at: At) -> Option<&Record> {
        self.history.records.get(at as usize)
    }

    pub(super) fn run(&self, run: u32) -> &Run {
        &self.runs.all[run as usize]
    }

    /// The runs of a message, by start.
    pub(super) fn runs_of<'f>(&'f self, message: &'f super::messages::Message) -> impl Iterator<Item = &'f Run> {
        message.runs.iter().map(|run| self.run(*run))
    }

    /// Records of a kind.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (At, &Record)> {
        (0..).zip(&self.history.records).filter(move |(_, record)| record.kind == kind)
    }

    /// The records around a place that tell how it came to this: of the same message, and of the lane, the faults and
    /// the deaths just before.
    pub(super) fn around(&self, at: At) -> Vec<At> {
        let Some(middle) = self.record(at) else { return Vec::new() };
        let about = |record: &Record| {
            middle.message != NO_MESSAGE
                && record.message == middle.message
                && !matches!(record.kind, Kind::Measured | Kind::FaultBegin)
        };
        let near = |record: &Record| match record.kind {
            Kind::FaultBegin | Kind::FaultEnd | Kind::ActorKilled | Kind::ActorEnd => true,
            Kind::HandlerStart | Kind::HandlerEnd => record.lane == middle.lane,
            _ => false,
        };
        let place = at as usize;
        let records = &self.history.records;
        let mut shown: Vec<_> = (0..=place).rev().filter(|i| about(&records[*i])).take(10).collect();
        shown.extend((0..place).rev().filter(|i| near(&records[*i])).take(6));
        shown.extend((place..records.len()).filter(|i| about(&records[*i]) || *i == place).take(6));
        shown.sort_unstable();
        shown.dedup();
        shown.into_iter().filter_map(|i| At::try_from(i).ok()).collect()
    }
}

/// Groups things by a key, in order of arrival.
pub(super) fn push<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, Vec<V>>, key: K, value: V) {
    map.entry(key).or_default().push(value);
}
