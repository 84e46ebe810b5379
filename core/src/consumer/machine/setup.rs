//! Getting a session: make sure the group exists, register a new identity.

use std::time::Duration;

use super::notice::Notice;
use super::session::Held;
use super::trouble::Call;
use super::types::{Action, Answer, Now};
use super::{Machine, Phase};
use crate::error::{Error, ErrorKind};
use crate::transport::{Recreated, Refusal, Session};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    /// A session is wanted, not before `at`.
    Register {
        at: Duration,
    },
    Registering,
    /// The group must be made first.
    Recreate {
        at: Duration,
    },
    Recreating,
    Done,
}

impl Machine {
    pub(super) fn pump_setup(&mut self, now: Now) {
        if self.phase != Phase::Working {
            return;
        }
        match self.setup {
            Setup::Register { at } if at <= now.mono => {
                self.setup = Setup::Registering;
                self.out.push(Action::Register);
            }
            Setup::Recreate { at } if at <= now.mono => {
                self.setup = Setup::Recreating;
                self.out.push(Action::Recreate);
            }
            _ => {}
        }
    }

    pub(super) fn registered(&mut self, answer: Answer<Session>, now: Now) {
        match answer {
            Ok(Ok(session)) => {
                self.succeeded(Call::Setup);
                let key = self.adopt_key();
                // A minute, spread by the seed so that a fleet does not compare in step.
                let compare = Duration::from_millis(50_000 + self.policy.seed % 20_000);
                self.sessions.insert(key, Held::new(session, true, now.mono, now.mono + compare));
                // A registration that was under way when the group was found gone is answered, too.
                if let Some(before) = self.primary.replace(key).and_then(|before| self.sessions.get_mut(&before)) {
                    before.own = false;
                }
                self.setup = Setup::Done;
                self.wait.hint = None;
            }
            Ok(Err(Refusal::GroupLost)) => self.setup = Setup::Recreate { at: now.mono },
            Ok(Err(_)) => self.setup = Setup::Register { at: now.mono },
            Err(error) => self.setup_failed(error, now, |at| Setup::Register { at }),
        }
    }

    pub(super) fn recreated(&mut self, answer: Result<Recreated, Error>, now: Now) {
        match answer {
            Ok(made) => {
                self.succeeded(Call::Setup);
                // Making a group that we never were in is how a consumer starts, not a loss.
                if let Recreated::Created { from, missing } = made
                    && self.next_key > 0
                {
                    self.out.push(Action::Tell(Notice::GroupRecreated { from, missing }));
                }
                self.setup = Setup::Register { at: now.mono };
            }
            Err(error) => self.setup_failed(error, now, |at| Setup::Recreate { at }),
        }
    }

    /// Settings that contradict the group's do not mend by waiting: the consumer ends with the error. A consumer that
    /// has worked with them waits: somebody has put a key of another type in the place of ours.
    fn setup_failed(&mut self, error: Error, now: Now, again: impl FnOnce(Duration) -> Setup) {
        let hopeless = match error.kind() {
            ErrorKind::Conflict | ErrorKind::Closed => true,
            ErrorKind::Invalid => self.next_key == 0,
            _ => false,
        };
        if hopeless {
            self.finish(Err(error));
        } else {
            self.setup = again(self.failed(Call::Setup, error, now));
        }
    }

    pub(super) fn adopt_key(&mut self) -> super::SessionKey {
        let key = self.next_key;
        self.next_key += 1;
        key
    }
}
