//! What the machine promises, as far as its actions show it.
//!
//! One request of a kind under way for each session; an outcome that was not answered is repeated unchanged; nothing is
//! asked or started under a session that was refused; nothing starts without a confirmed lease; a lane runs one entry at
//! a time, and an entry only when those before it are done; every start but the first is marked before it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use stargazer_core::consumer::Notice;
use stargazer_core::consumer::machine::{
    Action, Arrived, CancelReason, Ended, Event, Policy, SessionKey, Started, Ticket,
};
use stargazer_core::transport::{EntryId, Lane, Record, Session, Settle, SettleResult};

use super::server::refused;

type Marks = Vec<(EntryId, Record)>;

pub(super) struct Rules {
    pub(super) concurrency: usize,
    /// A holder trusts its lease for so long.
    trust: Duration,
    sessions: BTreeMap<SessionKey, Known>,
    /// Sessions that must not be heard of again.
    gone: Vec<Session>,
    running: BTreeMap<Ticket, (Session, EntryId, Option<Lane>)>,
    draining: bool,
    /// Sessions whose keys have not been seen yet, and when each came.
    arriving: Vec<(Session, Duration)>,
}

/// What is known of a session.
struct Known {
    session: Session,
    confirmed: Duration,
    /// Entries that came and are not done.
    unfinished: BTreeMap<EntryId, Option<Lane>>,
    /// Came when a later one of its lane was on its way.
    late: BTreeSet<EntryId>,
    on_its_way: BTreeSet<EntryId>,
    marking: Marks,
    marked: BTreeMap<EntryId, u32>,
    unanswered: Option<Arc<[Settle]>>,
}

impl Rules {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            concurrency: policy.concurrency,
            trust: policy.lease.saturating_sub(policy.grace),
            sessions: BTreeMap::new(),
            gone: Vec::new(),
            running: BTreeMap::new(),
            draining: false,
            arriving: Vec::new(),
        }
    }

    /// What the machine is about to be told.
    pub(super) fn told(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Registered(Ok(Ok(session))) | Event::Adopted(Ok(Some(session))) => {
                self.arriving.push((session.clone(), now));
            }
            Event::Fetched { key, answer } => {
                if let Ok(Ok((entries, _))) = answer {
                    for entry in entries {
                        self.came(*key, entry);
                    }
                }
                self.lose_if(*key, refused(answer));
            }
            Event::Begun { key, answer } => {
                if let (Ok(Ok(())), Some(known)) = (answer, self.sessions.get_mut(key)) {
                    let marks = std::mem::take(&mut known.marking);
                    known.marked.extend(marks.into_iter().map(|(id, record)| (id, record.starts)));
                }
                self.lose_if(*key, refused(answer));
            }
            Event::Settled { key, answer } => {
                if let (Ok(Ok(settled)), Some(known)) = (answer, self.sessions.get_mut(key)) {
                    let batch = known.unanswered.take();
                    for (settle, result) in batch.iter().flat_map(|batch| batch.iter()).zip(&settled.results) {
                        if *result == SettleResult::Stale {
                            let lane = settle.lane.clone();
                            known.unfinished.retain(|id, other| *id != settle.id && (lane.is_none() || *other != lane));
                        }
                    }
                }
                self.lose_if(*key, refused(answer));
            }
            Event::Renewed { sent, answer: Ok(answers) } => {
                for (key, answer) in answers {
                    if let (Ok(_), Some(known)) = (answer, self.sessions.get_mut(key)) {
                        known.confirmed = known.confirmed.max(*sent);
                    }
                    self.lose_if(*key, answer.is_err());
                }
            }
            Event::Retired { key, answer } => self.lose_if(*key, refused(answer) || matches!(answer, Ok(Ok(true)))),
            Event::Drain { .. } => self.draining = true,
            // Who closes goes on as long as the other server lets it.
            Event::ServerChanged if !self.draining => {
                let keys: Vec<_> = self.sessions.keys().copied().collect();
                for key in keys {
                    self.lose_if(key, true);
                }
            }
            _ => {}
        }
    }

    fn came(&mut self, key: SessionKey, entry: &Arrived) {
        let Some(known) = self.sessions.get_mut(&key) else { return };
        let on_its_way = |id: &EntryId| *id > entry.id && known.on_its_way.contains(id);
        let lane = entry.lane.as_ref();
        if known.unfinished.iter().any(|(id, other)| lane.is_some() && other.as_ref() == lane && on_its_way(id)) {
            known.late.insert(entry.id);
        }
        known.unfinished.insert(entry.id, entry.lane.clone());
    }

    fn lose_if(&mut self, key: SessionKey, lost: bool) {
        if lost && let Some(known) = self.sessions.remove(&key) {
            self.running.retain(|_, (session, ..)| *session != known.session);
            self.gone.push(known.session);
        }
    }

    /// A handler ended.
    pub(super) fn ended(&mut self, started: &Started, how: &Ended) {
        self.running.remove(&started.ticket);
        if matches!(how, Ended::Ack | Ended::Reject { .. })
            && let Some(known) = self.sessions.values_mut().find(|known| known.session == started.session)
        {
            known.finish(started.id);
        }
    }

    /// What the machine wants.
    pub(super) fn wants<'a>(&mut self, action: &Action, mut open: impl Iterator<Item = &'a Action>, now: Duration) {
        let same = |other: &Action| discriminant(other) == discriminant(action) && key_of(other) == key_of(action);
        let several = matches!(
            action,
            Action::Start(_)
                | Action::Go(_)
                | Action::Tell(_)
                | Action::Cancel { .. }
                | Action::Stop { .. }
                | Action::LookAtServer
                | Action::Renew { .. }
                | Action::RenewLocks { .. }
        );
        assert!(several || !open.any(same), "a second one is under way: {action:?}");
        if !matches!(action, Action::Stop { .. }) {
            for session in sessions_of(action) {
                assert!(!self.gone.contains(session), "under a session that is gone: {action:?}");
            }
        }
        match action {
            Action::Fetch { key, session, .. } => self.know(*key, session),
            Action::Renew { sessions } => sessions.iter().for_each(|(key, session)| self.know(*key, session)),
            Action::Begin { key, starts, .. } => {
                if let Some(known) = self.sessions.get_mut(key) {
                    known.marking.clone_from(starts);
                    known.on_its_way.extend(starts.iter().map(|(id, _)| *id));
                }
            }
            Action::Settle { key, batch, .. } => {
                if let Some(known) = self.sessions.get_mut(key) {
                    let before = known.unanswered.replace(batch.clone());
                    assert!(before.is_none_or(|before| before == *batch), "another batch than before: {batch:?}");
                }
            }
            Action::Cancel { ticket, reason: CancelReason::LeaseLost } => {
                self.running.remove(ticket);
            }
            Action::Tell(Notice::DeadLettered { id, .. } | Notice::Vanished { id }) => {
                self.sessions.values_mut().for_each(|known| known.finish(*id));
            }
            // A suspect is only offered.
            Action::Start(started) if !started.suspect => self.starts(started, now),
            _ => {}
        }
    }

    /// A session shows its key with its first request.
    fn know(&mut self, key: SessionKey, session: &Session) {
        if self.sessions.contains_key(&key) {
            return;
        }
        let since = self.arriving.iter().find(|(arriving, _)| arriving == session).map(|(_, at)| *at);
        let Some(confirmed) = since else { panic!("nobody gave us {session:?}") };
        let known = Known {
            session: session.clone(),
            confirmed,
            unfinished: BTreeMap::new(),
            late: BTreeSet::new(),
            on_its_way: BTreeSet::new(),
            marking: Vec::new(),
            marked: BTreeMap::new(),
            unanswered: None,
        };
        self.sessions.insert(key, known);
    }

    pub(super) fn starts(&mut self, started: &Started, now: Duration) {
        assert!(!self.gone.contains(&started.session), "a start under a session that is gone: {started:?}");
        for (session, id, lane) in self.running.values() {
            let shares = lane.is_some() && *lane == started.lane;
            assert!(!shares, "{:?} starts while {id} of {session:?} runs in its lane", started.id);
            assert!(*id != started.id, "{id} runs twice");
        }
        let Some(known) = self.sessions.values_mut().find(|known| known.session == started.session) else {
            panic!("a start under an unknown session: {started:?}")
        };
        assert!(
            now < known.confirmed + self.trust,
            "a start at {now:?}; the lease was confirmed {:?}",
            known.confirmed
        );
        for (id, lane) in known.unfinished.range(..started.id) {
            let before = lane.is_some() && *lane == started.lane && !known.late.contains(id);
            assert!(!before, "{} starts before {id}", started.id);
        }
        let marked = known.marked.get(&started.id).copied();
        assert!(started.attempt == 1 || marked == Some(started.attempt), "not marked ({marked:?}): {started:?}");
        known.on_its_way.insert(started.id);
        self.running.insert(started.ticket, (started.session.clone(), started.id, started.lane.clone()));
    }
}

impl Known {
    fn finish(&mut self, id: EntryId) {
        self.unfinished.remove(&id);
        self.on_its_way.remove(&id);
    }
}

fn key_of(action: &Action) -> Option<SessionKey> {
    match action {
        Action::Fetch { key, .. }
        | Action::Begin { key, .. }
        | Action::Settle { key, .. }
        | Action::ReadBodies { key, .. }
        | Action::Retire { key, .. }
        | Action::CompareHeld { key, .. }
        | Action::Gather { key, .. } => Some(*key),
        _ => None,
    }
}

fn sessions_of(action: &Action) -> Vec<&Session> {
    match action {
        Action::Fetch { session, .. }
        | Action::Begin { session, .. }
        | Action::Settle { session, .. }
        | Action::Retire { session, .. } => vec![session],
        Action::Renew { sessions } => sessions.iter().map(|(_, session)| session).collect(),
        _ => Vec::new(),
    }
}
