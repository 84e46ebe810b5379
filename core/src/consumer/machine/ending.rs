//! The end: no new work, handlers get their time, the last settle goes out, identities are given back.

use std::time::Duration;

use super::setup::Setup;
use super::trouble::Call;
use super::types::{Action, CancelReason, Now};
use super::{Machine, Phase};
use crate::error::Error;

impl Machine {
    pub(super) fn drain(&mut self, deadline: Duration) {
        if self.phase == Phase::Working {
            self.phase = Phase::Draining { deadline };
            self.give_up_at = deadline.saturating_add(self.policy.lease);
        }
    }

    pub(super) fn pump_ending(&mut self, now: Now) {
        if let Phase::Draining { deadline } = self.phase {
            if now.mono >= deadline {
                let mut late: Vec<_> = self.tickets.iter().filter(|(_, r)| !r.cancelled).map(|(t, _)| *t).collect();
                late.sort_unstable();
                for ticket in late {
                    if let Some(running) = self.tickets.get_mut(&ticket) {
                        running.cancelled = true;
                    }
                    self.out.push(Action::Cancel { ticket, reason: CancelReason::Closing });
                }
            }
            if self.tickets.is_empty() && !matches!(self.setup, Setup::Registering | Setup::Recreating) {
                self.phase = Phase::Leaving;
                // What cannot be reported within this time is run again elsewhere after the lease.
                self.give_up_at = self.give_up_at.min(now.mono + self.policy.lease / 3);
            }
        }
        if self.phase == Phase::Working || self.phase == Phase::Ended {
            return;
        }
        if now.mono >= self.give_up_at {
            self.finish(Err(Error::unavailable(
                "the consumer closed, but its last outcomes may not have reached the server; others run them again",
            )));
            return;
        }
        if self.phase != Phase::Leaving {
            return;
        }
        self.pump_settles(now);
        if self.sessions.values().any(|held| held.settling || !held.outbox.is_empty() || held.batch.is_some()) {
            return;
        }
        self.pump_locks(now);
        if !self.locks.is_empty() {
            return;
        }
        // What holds nothing retires; the rest is marked as left, for others to take over at once.
        let mut asked = false;
        for (key, held) in &mut self.sessions {
            if held.ids.is_empty() && !held.left_over {
                asked = true;
                if !held.retiring && held.retire_at <= now.mono {
                    held.retiring = true;
                    self.out.push(Action::Retire { key: *key, session: held.session.clone() });
                }
            }
        }
        if asked {
            return;
        }
        if self.sessions.is_empty() {
            self.finish(Ok(()));
        } else if !self.stop_sent && now.mono >= self.stop_at {
            self.stop_sent = true;
            let sessions = self.sessions.values().map(|held| held.session.clone()).collect();
            self.out.push(Action::Stop { sessions });
        }
    }

    pub(super) fn stop_answered(&mut self, answer: Result<(), Error>, now: Now) {
        if self.phase != Phase::Leaving {
            return;
        }
        match answer {
            Ok(()) => self.finish(Ok(())),
            Err(error) => {
                self.stop_sent = false;
                self.stop_at = self.failed(Call::Stop, error, now);
            }
        }
    }

    pub(super) fn finish(&mut self, result: Result<(), Error>) {
        self.phase = Phase::Ended;
        self.out.push(Action::Ended(result));
    }
}
