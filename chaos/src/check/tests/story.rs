//! Writes a history step by step; every step takes a millisecond unless it says otherwise.

use std::collections::HashMap;

use crate::history::{FaultKind, Figure, History, Kind, NO_MESSAGE, Nature, Record};

pub(super) const ACK: u8 = 0;
pub(super) const RETRY: u8 = 1;
pub(super) const REJECT: u8 = 2;
pub(super) const RELEASE: u8 = 3;

/// The producer of all stories.
const PRODUCER: u32 = 100;

/// A history under way.
#[derive(Debug, Default)]
pub(super) struct Story {
    records: Vec<Record>,
    /// Milliseconds.
    now: u64,
    token: u64,
    runs: HashMap<u64, Record>,
    lanes: HashMap<u64, u32>,
    /// Starts so far.
    starts: HashMap<u64, u16>,
}

pub(super) fn hash(message: u64) -> u64 {
    message.wrapping_mul(7) + 1
}

/// The entry that a message of a story is stored as.
pub(super) fn entry(message: u64) -> (u64, u64) {
    (1_000, message)
}

impl Story {
    pub(super) fn history(&self) -> History {
        History::new(self.records.clone())
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now += ms;
    }

    /// Adds any record at the next millisecond.
    pub(super) fn add(&mut self, kind: Kind, actor: u32, fill: impl FnOnce(&mut Record)) -> Record {
        self.now += 1;
        let mut record = Record::new(kind, self.now * 1_000_000, actor);
        fill(&mut record);
        self.records.push(record);
        record
    }

    fn about(&mut self, kind: Kind, actor: u32, message: u64, fill: impl FnOnce(&mut Record)) -> Record {
        let lane = self.lanes.get(&message).copied().unwrap_or_default();
        self.add(kind, actor, |record| {
            record.message = message;
            record.lane = lane;
            record.entry = entry(message);
            record.hash = hash(message);
            fill(record);
        })
    }

    pub(super) fn call(&mut self, message: u64, lane: u32, nature: Nature) {
        self.lanes.insert(message, lane);
        self.about(Kind::PublishCall, PRODUCER, message, |r| {
            r.entry = (0, 0);
            r.extra = nature as u32;
        });
    }

    pub(super) fn stored(&mut self, message: u64) {
        self.about(Kind::PublishOk, PRODUCER, message, |r| r.detail = 1);
    }

    /// Published and stored, in lane 1.
    pub(super) fn publish(&mut self, messages: impl IntoIterator<Item = u64>) {
        for message in messages {
            self.publish_as(message, 1, Nature::Sound);
        }
    }

    pub(super) fn publish_as(&mut self, message: u64, lane: u32, nature: Nature) {
        self.call(message, lane, nature);
        self.stored(message);
    }

    pub(super) fn refused(&mut self, message: u64) {
        self.about(Kind::PublishRefused, PRODUCER, message, |r| r.entry = (0, 0));
    }

    pub(super) fn start(&mut self, actor: u32, message: u64) -> u64 {
        self.start_with(actor, message, |_| {})
    }

    pub(super) fn start_with(&mut self, actor: u32, message: u64, fill: impl FnOnce(&mut Record)) -> u64 {
        self.token += 1;
        let token = self.token;
        let starts = self.starts.entry(message).or_default();
        *starts += 1;
        let attempt = *starts;
        let record = self.about(Kind::HandlerStart, actor, message, |r| {
            (r.token, r.attempt, r.detail) = (token, attempt, u8::from(attempt > 1));
            fill(r);
        });
        self.runs.insert(token, record);
        token
    }

    fn of_run(&mut self, kind: Kind, run: u64, detail: u8) {
        let start = self.runs[&run];
        self.about(kind, start.actor, start.message, |r| {
            (r.token, r.detail, r.entry) = (run, detail, start.entry);
        });
    }

    pub(super) fn end(&mut self, run: u64, outcome: u8) {
        self.of_run(Kind::HandlerEnd, run, outcome);
    }

    pub(super) fn cancel(&mut self, run: u64, reason: u8) {
        self.of_run(Kind::HandlerCancel, run, reason);
    }

    pub(super) fn settle(&mut self, run: u64) {
        self.of_run(Kind::SettleOk, run, 0);
    }

    pub(super) fn settle_stale(&mut self, run: u64) {
        self.of_run(Kind::SettleStale, run, 0);
    }

    pub(super) fn effect(&mut self, run: u64) {
        self.of_run(Kind::EffectOk, run, 0);
    }

    pub(super) fn effect_found(&mut self, run: u64, place: u64) {
        let start = self.runs[&run];
        self.about(Kind::EffectFound, 0, start.message, |r| (r.token, r.entry) = (run, (2_000, place)));
    }

    /// Started, acknowledged and recorded.
    pub(super) fn handle(&mut self, actor: u32, message: u64) -> u64 {
        let run = self.start(actor, message);
        self.wait(3);
        self.end(run, ACK);
        self.settle(run);
        run
    }

    pub(super) fn tell(&mut self, kind: Kind, message: u64) {
        self.about(kind, 0, message, |_| {});
    }

    pub(super) fn kill(&mut self, actor: u32) {
        self.fault(FaultKind::Kill, actor, 0);
        self.add(Kind::ActorKilled, actor, |_| {});
    }

    /// It died of what it handled.
    pub(super) fn die(&mut self, actor: u32) {
        self.add(Kind::ActorKilled, actor, |r| r.detail = 1);
    }

    pub(super) fn close(&mut self, actor: u32) {
        self.add(Kind::ActorEnd, actor, |_| {});
    }

    pub(super) fn begin(&mut self, kind: FaultKind, target: u32) -> u64 {
        self.begin_with(kind, |record| record.extra = target)
    }

    pub(super) fn begin_with(&mut self, kind: FaultKind, fill: impl FnOnce(&mut Record)) -> u64 {
        self.token += 1;
        let token = self.token;
        self.add(Kind::FaultBegin, 0, |record| {
            (record.detail, record.token) = (kind as u8, token);
            fill(record);
        });
        token
    }

    pub(super) fn over(&mut self, fault: u64) {
        self.add(Kind::FaultEnd, 0, |r| r.token = fault);
    }

    pub(super) fn fault(&mut self, kind: FaultKind, target: u32, ms: u64) {
        let fault = self.begin(kind, target);
        self.wait(ms);
        self.over(fault);
    }

    pub(super) fn measure(&mut self, figure: Figure, base: u64, value: u64) {
        self.add(Kind::Measured, 0, |r| {
            (r.detail, r.token, r.message) = (figure as u8, base, value);
        });
        debug_assert_ne!(value, NO_MESSAGE);
    }
}
