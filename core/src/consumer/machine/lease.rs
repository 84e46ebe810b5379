//! Leases: renewing our own, watching the signs of life of others, taking over what fell silent.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::session::Held;
use super::trouble::Call;
use super::types::{Action, Answer, CancelReason, Notice, Now, Renewal, SessionKey, Ticket};
use super::{Machine, Phase};
use crate::config::OnLeaseLost;
use crate::error::Error;
use crate::mutant::Mutant;
use crate::topology::Name;
use crate::transport::{EntryId, FenceToken, Refusal, Session, Sign};

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
    renew_at: Duration,
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
}

/// Between two looks for a reason.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// An idle consumer looks at least this often, so that the work of a stopped one moves at once.
const IDLE_LOOK: Duration = Duration::from_millis(500);

impl Machine {
    pub(super) fn lease_deadlines(&self, earliest: &mut impl FnMut(Duration)) {
        if !self.sessions.is_empty() {
            earliest(self.lookout.renew_at);
        }
        if self.phase == Phase::Working
            && self.primary.is_some()
            && !self.lookout.looking
            && self.lookout.adopting.is_none()
        {
            earliest(self.lookout.look_at);
        }
        for held in self.sessions.values().filter(|held| !held.expired) {
            earliest(held.confirmed + self.lease_of_holder());
        }
    }

    /// The holder stops earlier than others take over.
    fn lease_of_holder(&self) -> Duration {
        self.policy.lease.saturating_sub(self.policy.grace)
    }

    /// Until when everything that was handed out may begin: past it a look comes first, at the time and at the delivery.
    pub fn trusted_until(&self) -> Duration {
        let lease = self.lease_of_holder();
        let until = |held: &Held| if held.expired { Duration::ZERO } else { held.confirmed + lease };
        self.sessions.values().map(until).min().unwrap_or(Duration::MAX)
    }

    /// Whether a delivery that was handed out is ours, under a lease that is in force.
    pub fn holds(&self, ticket: Ticket) -> bool {
        let running = self.tickets.get(&ticket).filter(|running| !running.orphan);
        running.and_then(|running| self.sessions.get(&running.key)).is_some_and(|held| !held.expired)
    }

    /// Leases that are over. Comes before anything that an event may start: whoever stood still learns it here.
    pub(super) fn expire(&mut self, now: Now) {
        let lease = self.lease_of_holder();
        let mut newly_expired = Vec::new();
        for (key, held) in &mut self.sessions {
            if !held.expired && now.mono >= held.confirmed + lease && !Mutant::LeaseNeverExpires.is_on() {
                held.expired = true;
                newly_expired.push(*key);
            }
        }
        if !newly_expired.is_empty() {
            self.out.push(Action::Tell(Notice::LeaseExpired));
        }
        for key in newly_expired {
            if self.policy.on_lease_lost == OnLeaseLost::Cancel {
                self.cancel_all_of(key, CancelReason::LeaseLost);
            }
        }
    }

    /// Every third of a lease, whether the last one was answered or not: an answer that is lost, or long in coming, must not
    /// cost the lease while others get through.
    pub(super) fn pump_leases(&mut self, now: Now) {
        if self.sessions.is_empty() || now.mono < self.lookout.renew_at {
            return;
        }
        if Mutant::RenewedByHandlers.is_on() && self.busy > 0 {
            return;
        }
        self.lookout.renew_at = now.mono + self.policy.lease / 3;
        let sessions = self.sessions.iter().map(|(key, held)| (*key, held.session.clone())).collect();
        // A connection that broke and is there again need not have cost anybody a request.
        self.out.push(Action::LookAtServer);
        self.out.push(Action::Renew { sessions });
    }

    fn cancel_all_of(&mut self, key: SessionKey, reason: CancelReason) {
        let Some(held) = self.sessions.get(&key) else { return };
        for ticket in held.tickets.clone() {
            if let Some(running) = self.tickets.get_mut(&ticket)
                && !std::mem::replace(&mut running.cancelled, true)
            {
                self.out.push(Action::Cancel { ticket, reason });
            }
        }
    }

    pub(super) fn renewed(&mut self, sent: Duration, answer: Result<Vec<Renewal>, Error>, now: Now) {
        let answers = match answer {
            Ok(answers) => answers,
            Err(error) => {
                let again = self.failed(Call::Renew, error, now);
                self.lookout.renew_at = self.lookout.renew_at.min(again);
                return;
            }
        };
        self.succeeded(Call::Renew);
        self.refresh();
        let lease = self.lease_of_holder();
        for (key, answer) in answers {
            match answer {
                Ok(_) => {
                    if let Some(held) = self.sessions.get_mut(&key) {
                        held.confirmed = held.confirmed.max(sent);
                        held.expired = now.mono >= held.confirmed + lease;
                    }
                }
                Err(refusal) => self.lose(key, refusal, now),
            }
        }
    }

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

    /// An adopted identity with nothing left goes.
    pub(super) fn pump_retire(&mut self, now: Now) {
        if self.phase != Phase::Working {
            return;
        }
        for (key, held) in &mut self.sessions {
            let spent = Mutant::RetiredUnchecked.is_on() && !held.own && held.horizon.is_some()
                || !held.own && held.horizon.is_some() && held.is_empty() && !held.fetching && !held.fetch_again;
            if spent && !held.retiring && held.retire_at <= now.mono {
                held.retiring = true;
                self.out.push(Action::Retire { key: *key, session: held.session.clone() });
            }
            if now.mono >= held.compare_at && !held.comparing && held.horizon.is_some() {
                held.comparing = true;
                let identity = held.session.identity.clone();
                self.out.push(Action::CompareHeld { key: *key, identity });
            }
        }
        if now.mono >= self.sweep_at && self.primary.is_some() {
            self.sweep_at = Duration::MAX;
            self.out.push(Action::Sweep { cursor: self.sweeping.take().unwrap_or(0) });
        }
    }

    pub(super) fn retired(&mut self, key: SessionKey, answer: Answer<bool>, now: Now) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.retiring = false;
        match self.answered(Call::Retire, key, answer, now, |held, at| held.retire_at = at) {
            Some(true) => {
                self.sessions.remove(&key);
                if self.primary == Some(key) {
                    self.primary = None;
                }
            }
            Some(false) => {
                if let Some(held) = self.sessions.get_mut(&key) {
                    held.fetch_again = true;
                    held.retire_at = now.mono + self.policy.look;
                    held.left_over = true;
                }
            }
            None => {}
        }
    }

    /// One page of the janitor's walk an interval.
    pub(super) fn swept(&mut self, answer: Result<Option<u64>, Error>, now: Now) {
        match answer {
            Ok(next) => {
                self.succeeded(Call::Sweep);
                self.sweeping = next;
                self.sweep_at = now.mono + self.policy.sweep;
            }
            Err(error) => self.sweep_at = self.failed(Call::Sweep, error, now) + self.policy.sweep,
        }
    }

    /// What the server counts as ours and we never received is read again from the start of the pending list.
    pub(super) fn compared(&mut self, key: SessionKey, answer: Result<Vec<EntryId>, Error>, now: Now) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.comparing = false;
        held.compare_at = now.mono + Duration::from_secs(60);
        match answer {
            Ok(ids) => {
                let unknown = ids.iter().find(|id| **id <= held.cursor && !held.ids.contains(*id));
                if let Some(id) = unknown.filter(|_| !held.fetching) {
                    held.rewind_to(*id);
                }
                self.succeeded(Call::Look);
            }
            Err(error) => {
                let _ = self.failed(Call::Look, error, now);
            }
        }
    }

    /// Another server, or one that lost a suffix of its history: ids may come back, so every identity is given up
    /// (somebody, perhaps we, adopts what it held) and a new one registered. Who still has a handler that runs is given
    /// up when that has ended, since whoever adopts it starts the same entries.
    pub(super) fn server_changed(&mut self, now: Now) {
        if self.phase != Phase::Working {
            return;
        }
        let keys: Vec<_> = self.sessions.keys().copied().collect();
        for key in keys {
            if let Some(held) = self.sessions.get(&key) {
                self.parting.push((held.session.clone(), held.tickets.clone()));
            }
            self.lose(key, Refusal::Forgotten, now);
        }
        self.part();
    }

    /// Gives up the sessions whose last handler has ended.
    pub(super) fn part(&mut self) {
        let tickets = &self.tickets;
        let over = |running: &BTreeSet<Ticket>| running.iter().all(|ticket| !tickets.contains_key(ticket));
        let sessions: Vec<_> = self.parting.extract_if(.., |(_, running)| over(running)).map(|(s, _)| s).collect();
        if !sessions.is_empty() {
            self.out.push(Action::Stop { sessions });
        }
    }
}
