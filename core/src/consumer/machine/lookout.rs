//! Watching the signs of life of the other identities, and taking over what fell silent.

use std::collections::HashMap;
use std::time::Duration;

use super::notice::Notice;
use super::session::Held;
use super::trouble::Call;
use super::types::{Action, Now, SessionKey};
use super::{Machine, Phase};
use crate::error::Error;
use crate::mutant::Mutant;
use crate::topology::Name;
use crate::transport::{FenceToken, Session, Sign};

/// What was seen of the other identities.
#[derive(Debug)]
pub(super) struct Lookout {
    look_at: Duration,
    looking: bool,
    /// Set while an adoption is under way: how the other went, and whether it held the stream.
    adopting: Option<(Gone, bool)>,
    last: Option<Duration>,
    /// Looks that were sent, and the last of them that found nobody who had left.
    sent: u64,
    clear: u64,
    /// The look that must have found nobody, for the consumer to be idle.
    wanted: u64,
    seen: HashMap<Name, Seen>,
    /// When our own are renewed next.
    pub(super) renew_at: Duration,
}

/// How somebody went whose work is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// On its own, with every outcome reported.
    Left,
    /// Without a word.
    Silent,
}

#[derive(Debug)]
struct Seen {
    fence: FenceToken,
    beat: u64,
    /// How long nothing moved, by our own clock.
    silence: Duration,
}

impl Lookout {
    pub(super) fn new(look_at: Duration) -> Self {
        Self {
            look_at,
            looking: false,
            adopting: None,
            last: None,
            sent: 0,
            clear: 0,
            wanted: 0,
            seen: HashMap::new(),
            renew_at: Duration::ZERO,
        }
    }
}

impl Lookout {
    /// Whoever asks now whether anything is left wants a look that is sent from here on.
    pub(super) fn look_afresh(&mut self, now: Duration) {
        self.wanted = self.sent + 1;
        self.look_at = self.look_at.min(now);
    }

    /// Nobody had left work behind when that look was answered.
    pub(super) fn is_clear(&self) -> bool {
        self.clear >= self.wanted && self.adopting.is_none()
    }

    /// A bell rang and there was nothing to read: perhaps somebody left.
    pub(super) fn rung(&mut self, now: Duration) {
        let soon = self.last.map_or(now, |last| now.max(last + LOOK_AGAIN));
        self.look_at = self.look_at.min(soon);
    }

    /// When the others are looked at next, unless something of the kind is under way.
    pub(super) fn next_look(&self) -> Option<Duration> {
        (!self.looking && self.adopting.is_none()).then_some(self.look_at)
    }
}

/// Between two looks for a reason.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// An idle consumer looks at least this often, so that the work of a stopped one moves at once.
const IDLE_LOOK: Duration = Duration::from_millis(500);

impl Machine {
    pub(super) fn pump_lookout(&mut self, now: Now) {
        let resting = self.wait.under_way && self.busy == 0;
        if resting && self.lookout.look_at > now.mono + IDLE_LOOK {
            self.lookout.look_at = now.mono + IDLE_LOOK;
        }
        if self.phase != Phase::Working
            || self.primary.is_none()
            || self.lookout.looking
            || self.lookout.adopting.is_some()
            || now.mono < self.lookout.look_at
        {
            return;
        }
        self.lookout.looking = true;
        self.lookout.sent += 1;
        self.out.push(Action::Look);
    }

    pub(super) fn signs(&mut self, answer: Result<Vec<Sign>, Error>, now: Now) {
        self.lookout.looking = false;
        let signs = match answer {
            Ok(signs) => signs,
            Err(error) => {
                self.lookout.look_at = self.failed(Call::Look, error, now);
                return;
            }
        };
        self.succeeded(Call::Look);
        self.lookout.look_at = now.mono + self.policy.look;
        let since = self.lookout.last.replace(now.mono).map_or(Duration::ZERO, |last| now.mono.saturating_sub(last));
        // A pause of the server or of ourselves counts as one interval.
        let interval = since.min(self.policy.look * 2);
        let ours = |identity: &Name| self.sessions.values().any(|held| held.session.identity == *identity);
        let mut seen = std::mem::take(&mut self.lookout.seen);
        let mut next = HashMap::with_capacity(signs.len());
        let mut candidate: Option<(Duration, Sign)> = None;
        // Whoever holds the stream holds up everybody else.
        let before = |sign: &Sign, silence, than: &(Duration, Sign)| (sign.holder, silence) > (than.1.holder, than.0);
        for sign in signs.into_iter().filter(|sign| !ours(&sign.identity)) {
            let silence = match seen.remove(&sign.identity) {
                Some(before) if before.fence == sign.fence && before.beat == sign.beat => before.silence + interval,
                _ => Duration::ZERO,
            };
            next.insert(sign.identity.clone(), Seen { fence: sign.fence.clone(), beat: sign.beat, silence });
            if self.may_adopt(&sign, silence) && candidate.as_ref().is_none_or(|best| before(&sign, silence, best)) {
                candidate = Some((silence, sign));
            }
        }
        if next.values().any(|seen| seen.fence.has_left()) {
            // Whoever left wants its work done at once, one identity a look.
            self.lookout.look_at = now.mono + LOOK_AGAIN;
        } else {
            self.lookout.clear = self.lookout.sent;
            if self.lookout.wanted > self.lookout.clear {
                self.lookout.look_at = now.mono;
            }
        }
        self.lookout.seen = next;
        if let Some((_, seen)) = candidate
            && self.phase == Phase::Working
        {
            let gone = if seen.fence.has_left() { Gone::Left } else { Gone::Silent };
            self.lookout.adopting = Some((gone, seen.holder));
            self.out.push(Action::Adopt { seen });
        }
    }

    /// Silent for a lease and the grace, or gone on its own. While our slots are full others may come first.
    fn may_adopt(&self, sign: &Sign, silence: Duration) -> bool {
        if Mutant::AdoptedWhileAlive.is_on() {
            return silence >= self.policy.lease / 4;
        }
        let enough = if sign.fence.has_left() { Duration::ZERO } else { self.policy.lease + self.policy.grace };
        let patience = if self.busy >= self.policy.concurrency { self.policy.sweep } else { Duration::ZERO };
        silence >= enough + patience
    }

    pub(super) fn adopted(&mut self, answer: Result<Option<Session>, Error>, now: Now) {
        let gone = self.lookout.adopting.take();
        match answer {
            Ok(None) => self.succeeded(Call::Look),
            Ok(Some(session)) => {
                self.succeeded(Call::Look);
                let key = self.adopt_key();
                self.out.push(Action::Tell(Notice::Adopted { identity: session.identity.clone() }));
                self.lookout.seen.remove(&session.identity);
                let compare_at = now.mono + Duration::from_secs(60);
                let mut held = Held::new(session, false, now.mono, compare_at);
                held.orderly = gone.is_some_and(|(gone, _)| gone == Gone::Left);
                self.sessions.insert(key, held);
                if gone.is_some_and(|(_, held_the_stream)| held_the_stream) {
                    self.read_on_as(key);
                }
            }
            Err(error) => {
                let _ = self.failed(Call::Look, error, now);
            }
        }
    }

    /// The place of the one that reads what is new goes with its identity, so that what it left behind and what is
    /// new meet in one queue for each lane. The identity that stood by holds nothing and retires.
    fn read_on_as(&mut self, key: SessionKey) {
        let Some(standby) = self.primary.replace(key) else {
            // We have none to compare with: it is emptied and retires, and the place is free.
            self.primary = None;
            return;
        };
        if let Some(held) = self.sessions.get_mut(&standby) {
            held.own = false;
        }
        if let Some(held) = self.sessions.get_mut(&key) {
            held.own = true;
        }
        self.wait.hint = None;
    }
}
