//! Publishing: each message once, and again under the same message id when nobody knows whether it was stored.

use std::time::Duration;

use stargazer_core::policy::Retention;
use stargazer_core::topology::message_id_key;
use stargazer_core::transport::{Append, Dedupe, Transport};

use super::message::{self, Message};
use super::network::{Fate, at_once};
use super::plan::What;
use super::world::{Due, MS, STREAM, World};
use crate::history::{Kind, Nature};

/// The actor of producers' records.
pub(super) const PRODUCER: u32 = 0x7fff_ffff;

/// A message on its way to the stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) number: u64,
    /// How often it was tried before.
    times: u64,
    /// When it was tried first.
    since: u64,
    /// An earlier attempt may have stored it.
    unknown: bool,
}

impl Attempt {
    /// The first one of a message.
    pub(super) fn first(number: u64) -> Self {
        Self { number, times: 0, since: 0, unknown: false }
    }
}

/// How far publishing is.
#[derive(Debug, Default)]
pub(super) struct Producer {
    /// Messages that are stored, or were given up.
    pub(super) answered: u64,
    /// The cap was reached when it looked last.
    full: bool,
}

impl World<'_> {
    /// A message leaves for the server.
    pub(super) fn publish(&mut self, mut attempt: Attempt) {
        let message = Message::new(self.plan, self.dice, attempt.number);
        if attempt.times == 0 {
            attempt.since = self.now;
            let hash = message::hash(&message.fields());
            let nature = self.nature(&message);
            self.record(Kind::PublishCall, PRODUCER, |record| {
                record.message = message.number;
                record.lane = message.lane;
                record.hash = hash;
                record.extra = nature as u32;
            });
        } else if self.plan.give_up_ms > 0 && self.now >= attempt.since + self.plan.give_up_ms * MS {
            let kind = if attempt.unknown { Kind::PublishUnknown } else { Kind::PublishRefused };
            self.producer.answered += 1;
            self.record(kind, PRODUCER, |record| (record.message, record.lane) = (message.number, message.lane));
            return;
        }
        if self.is_at_cap() {
            self.again_after(0, attempt);
            return;
        }
        let mut dice = self.dice.of(&[30, attempt.number, attempt.times]);
        match self.fate(None, &mut dice) {
            Fate::Fine(there, back) => self.after(there, Due::Published(attempt, Some(back))),
            Fate::Lost(noticed) => self.again_after(noticed, Attempt { unknown: true, ..attempt }),
            Fate::Unanswered(there, noticed) => {
                self.again_after(noticed, Attempt { unknown: true, ..attempt });
                self.after(there, Due::Published(attempt, None));
            }
        }
    }

    /// A publisher that has met the cap looks again before it sends more; where the server refuses, it need not.
    fn is_at_cap(&mut self) -> bool {
        let Retention::Acked { cap } = self.plan.retention else { return false };
        if self.producer.full {
            let length = at_once(self.engine.stream_info(&STREAM.into())).and_then(Result::ok).map_or(0, |i| i.length);
            self.producer.full = length >= cap;
        }
        self.producer.full
    }

    fn nature(&self, message: &Message) -> Nature {
        let poison = What::Poison { message: message.number };
        if message.is_malformed() {
            Nature::Broken
        } else if self.plan.faults.iter().any(|fault| fault.what == poison) {
            Nature::Poison
        } else {
            Nature::Sound
        }
    }

    fn again_after(&mut self, nanos: u64, attempt: Attempt) {
        let mut dice = self.dice.of(&[31, attempt.number, attempt.times]);
        let pause = dice.between(MS, 50 * MS);
        let next = Attempt { times: attempt.times + 1, ..attempt };
        self.after(nanos + pause, Due::Publish(next));
    }

    /// Its request reaches the server.
    pub(super) fn published(&mut self, attempt: Attempt, back: Option<u64>) {
        if self.now < self.server.paused_until {
            let goes_on = self.server.paused_until;
            self.at(goes_on, Due::Published(attempt, back));
            return;
        }
        let reached = self.now >= self.server.down_until && self.now >= self.server.denies_until;
        if !reached {
            if back.is_some() {
                self.again_after(MS, attempt);
            }
            return;
        }
        let message = Message::new(self.plan, self.dice, attempt.number);
        let mut entry = Append::new(STREAM.into(), message.fields());
        let key = message_id_key(STREAM, &attempt.number.to_string());
        entry.dedupe = Some(Dedupe { key, window: Duration::from_secs(600) });
        match self.plan.retention {
            Retention::Capped { max_len } => entry.max_len = Some(max_len),
            Retention::Acked { cap } if self.plan.strict_cap => entry.strict_cap = Some(cap),
            _ => {}
        }
        entry.measure = true;
        let answer = at_once(self.engine.append(vec![entry])).and_then(|mut answers| answers.pop());
        self.wake();
        match answer {
            Some(Ok(stored)) => {
                if !stored.duplicate {
                    self.entries.insert(stored.id, (message.number, message.lane));
                }
                self.meet_cap(stored.len.unwrap_or(0));
                if back.is_some() {
                    self.producer.answered += 1;
                    self.record(Kind::PublishOk, PRODUCER, |record| {
                        record.message = message.number;
                        record.lane = message.lane;
                        record.entry = (stored.id.ms, stored.id.seq);
                    });
                }
            }
            _ if back.is_some() => self.again_after(MS, attempt),
            _ => {}
        }
    }

    /// The length of the stream, as it is told with a receipt.
    fn meet_cap(&mut self, length: u64) {
        let Retention::Acked { cap } = self.plan.retention else { return };
        if !self.plan.strict_cap {
            self.producer.full = length >= cap;
        } else if length > cap {
            self.findings.push(format!("cap: the stream holds {length} entries, at most {cap} are permitted"));
        }
    }
}
