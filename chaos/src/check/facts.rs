//! What a history says, gathered once and put in order for all checks.

use std::collections::{BTreeMap, HashMap};

use super::actors::Actors;
use super::faults::Faults;
use super::messages::Messages;
use super::rules::Rules;
use super::runs::{Outcome, Run, Runs};
use crate::history::{History, Kind, NO_MESSAGE, Record};

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
    /// Runs of each lane, by start.
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
            Kind::DeadLetter | Kind::Vanished | Kind::Replayed | Kind::Deleted => self.messages.tell(at, record),
            Kind::HandlerStart => {
                let run = self.runs.start(at, record);
                self.messages.handled(at, record, run);
                self.lanes.entry(record.lane).or_default().push(run);
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

    /// Up to `most` records about the same message, else the same lane, that stand around a place.
    pub(super) fn around(&self, at: At, most: usize) -> Vec<At> {
        let Some(middle) = self.record(at) else { return Vec::new() };
        let belongs = |record: &Record| {
            if middle.message != NO_MESSAGE && record.message == middle.message {
                return !matches!(record.kind, Kind::Measured | Kind::FaultBegin);
            }
            matches!(record.kind, Kind::FaultBegin | Kind::FaultEnd | Kind::ActorKilled | Kind::ActorEnd)
                || (matches!(record.kind, Kind::HandlerStart | Kind::HandlerEnd) && record.lane == middle.lane)
        };
        let place = at as usize;
        let mut before: Vec<_> = (0..=place).rev().filter(|i| belongs(&self.history.records[*i])).take(most).collect();
        before.reverse();
        let after = (place + 1..self.history.records.len()).filter(|i| belongs(&self.history.records[*i]));
        before.into_iter().chain(after.take(most / 2)).filter_map(|i| At::try_from(i).ok()).collect()
    }
}

/// Groups things by a key, in order of arrival.
pub(super) fn push<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, Vec<V>>, key: K, value: V) {
    map.entry(key).or_default().push(value);
}
