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
    pub(super) times: u64,
}

/// How far publishing is.
#[derive(Debug, Default)]
pub(super) struct Producer {
    /// Messages of which it is known that they are stored.
    pub(super) stored: u64,
}

impl World<'_> {
    /// A message leaves for the server.
    pub(super) fn publish(&mut self, attempt: Attempt) {
        let message = Message::new(self.plan, self.dice, attempt.number);
        if attempt.times == 0 {
            let hash = message::hash(&message.fields());
            let nature = self.nature(&message);
            self.record(Kind::PublishCall, PRODUCER, |record| {
                record.message = message.number;
                record.lane = message.lane;
                record.hash = hash;
                record.extra = nature as u32;
            });
        }
        let mut dice = self.dice.of(&[30, attempt.number, attempt.times]);
        match self.fate(None, &mut dice) {
            Fate::Fine(there, back) => self.after(there, Due::Published(attempt, Some(back))),
            Fate::Lost(noticed) => self.again_after(noticed, attempt),
            Fate::Unanswered(there, noticed) => {
                self.again_after(noticed, attempt);
                self.after(there, Due::Published(attempt, None));
            }
        }
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
        if let Retention::Capped { max_len } = self.plan.retention {
            entry.max_len = Some(max_len);
        }
        let answer = at_once(self.engine.append(vec![entry])).and_then(|mut answers| answers.pop());
        self.wake();
        match answer {
            Some(Ok(stored)) => {
                if !stored.duplicate {
                    self.entries.insert(stored.id, (message.number, message.lane));
                }
                if back.is_some() {
                    self.producer.stored += 1;
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
}
