//! Leases: renewing our own, what happens when that fails, and leaving.

use std::collections::BTreeSet;
use std::time::Duration;

use super::notice::Notice;
use super::session::Held;
use super::trouble::Call;
use super::types::{Action, Answer, CancelReason, Now, Renewal, SessionKey, Ticket};
use super::{Machine, Phase};
use crate::config::OnLeaseLost;
use crate::error::Error;
use crate::mutant::Mutant;
use crate::transport::{EntryId, Refusal};

impl Machine {
    pub(super) fn lease_deadlines(&self, earliest: &mut impl FnMut(Duration)) {
        if !self.sessions.is_empty() {
            earliest(self.lookout.renew_at);
        }
        if self.phase == Phase::Working
            && self.primary.is_some()
            && let Some(look_at) = self.lookout.next_look()
        {
            earliest(look_at);
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
