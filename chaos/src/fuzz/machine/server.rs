//! A server small enough to be seen through, which keeps what the real one promises: an entry is pending with one identity,
//! a lane is held by one at a time, ids and fences grow, an outcome that was recorded is recorded when it comes again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use stargazer_core::Error;
use stargazer_core::consumer::machine::{Action, Answer, Arrived, Content, Event};
use stargazer_core::topology::Name;
use stargazer_core::transport::{
    EntryId, FenceToken, Gathered, Hint, Lane, Record, Recreated, Refusal, Session, Settle, SettleResult, Settled,
    Sign, Verdict,
};

/// How a request fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Fine,
    /// Carried out, and the answer is lost.
    Lost,
    /// Never arrives.
    Deaf,
    /// Somebody else has taken the session over.
    Refuse,
}

#[derive(Debug, Default)]
struct Identity {
    fence: u64,
    left: bool,
    /// Taken over by somebody who is not us.
    strange: bool,
    beat: u64,
    pending: BTreeSet<EntryId>,
    /// Outcomes that were recorded under this identity.
    done: BTreeSet<EntryId>,
}

impl Identity {
    fn token(&self) -> FenceToken {
        let suffix = if self.left { FenceToken::LEFT } else { "x" };
        FenceToken(format!("{}:{suffix}", self.fence).into())
    }
}

#[derive(Debug)]
struct Entry {
    lane: Option<Lane>,
    content: u8,
}

#[derive(Debug, Default)]
pub(super) struct Server {
    entries: BTreeMap<EntryId, Entry>,
    unread: BTreeSet<EntryId>,
    tries: BTreeMap<EntryId, Record>,
    identities: BTreeMap<Name, Identity>,
    ids: u64,
    names: u64,
}

impl Server {
    pub(super) fn publish(&mut self, n: u64, input: &mut Unstructured<'_>) -> Result<()> {
        for _ in 0..n {
            let lane = input.int_in_range(0..=3_u8)?;
            let content = input.int_in_range(0..=9)?;
            self.ids += 1;
            let id = EntryId::new(self.ids, 0);
            let lane = (lane > 0).then(|| Lane::from(format!("lane {lane}")));
            self.entries.insert(id, Entry { lane, content });
            self.unread.insert(id);
        }
        Ok(())
    }

    /// Another server, with nothing that this one knew.
    pub(super) fn change(&mut self) {
        let ids = self.ids;
        *self = Self { names: self.names, ids, ..Self::default() };
    }

    /// Whoever took something over gives it back.
    pub(super) fn strangers_leave(&mut self) {
        for identity in self.identities.values_mut().filter(|identity| identity.strange) {
            identity.fence += u64::from(!identity.left);
            identity.left = true;
        }
    }

    /// Somebody deletes an entry, wherever it is.
    pub(super) fn delete_one(&mut self) {
        if let Some((id, _)) = self.entries.pop_first() {
            self.unread.remove(&id);
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.identities.values().all(|identity| identity.pending.is_empty())
    }

    /// What the machine hears.
    pub(super) fn answer(&mut self, action: Action, sent: Duration, mood: Mood, _now: Duration) -> Event {
        if mood == Mood::Deaf {
            return Self::silence(&action, sent);
        }
        if mood == Mood::Refuse {
            self.refuse(&action);
        }
        let lost = || Error::unavailable("the answer is lost");
        let heard = |fine: bool| if fine { Ok(()) } else { Err(lost()) };
        let fine = heard(mood != Mood::Lost);
        match action {
            Action::Register => {
                let session = self.register();
                Event::Registered(fine.map(|()| Ok(session)))
            }
            Action::Recreate => Event::Recreated(fine.map(|()| Recreated::Existed)),
            Action::Fetch { key, session, cursor, count, new, .. } => {
                let answer = self.under(&session).map(|()| self.fetch(&session, cursor, count, new));
                Event::Fetched { key, answer: fine.map(|()| answer) }
            }
            Action::Begin { key, session, starts } => {
                let answer = self.under(&session).map(|()| self.tries.extend(starts));
                Event::Begun { key, answer: fine.map(|()| answer) }
            }
            Action::Settle { key, session, batch } => {
                let answer = self.under(&session).map(|()| self.settle(&session, &batch));
                Event::Settled { key, answer: fine.map(|()| answer) }
            }
            Action::ReadBodies { key, ids } => {
                let bodies = ids.into_iter().map(|id| (id, self.content(id))).collect();
                Event::BodiesRead { key, answer: fine.map(|()| bodies) }
            }
            Action::Renew { sessions } => {
                let mut answers = Vec::new();
                for (key, session) in sessions {
                    let beat = self.under(&session).map(|()| self.identity(&session).map_or(0, |i| i.beat + 1));
                    if let (Ok(beat), Some(identity)) = (beat, self.identity(&session)) {
                        identity.beat = beat;
                    }
                    answers.push((key, beat));
                }
                Event::Renewed { sent, answer: fine.map(|()| answers) }
            }
            Action::Look => Event::Signs(fine.map(|()| self.signs())),
            Action::Adopt { seen } => {
                let session = self.adopt(&seen);
                Event::Adopted(fine.map(|()| session))
            }
            Action::Retire { key, session } => {
                let answer = self.under(&session).map(|()| self.retire(&session));
                Event::Retired { key, answer: fine.map(|()| answer) }
            }
            Action::Stop { sessions } => {
                for session in sessions {
                    if self.under(&session).is_ok()
                        && let Some(identity) = self.identity(&session)
                    {
                        (identity.fence, identity.left) = (identity.fence + 1, true);
                    }
                }
                Event::StopSent(fine)
            }
            Action::Sweep { cursor } => Event::Swept(fine.map(|()| (cursor < 2).then_some(cursor + 1))),
            Action::CompareHeld { key, identity } => {
                let ids = self.identities.get(&identity).map(|i| i.pending.iter().copied().collect());
                Event::Held { key, answer: fine.map(|()| ids.unwrap_or_default()) }
            }
            // Nobody but us is in the group, and nobody takes anything from us.
            Action::Gather { key, session, .. } => {
                let answer = self.under(&session).map(|()| Gathered::default());
                Event::Gathered { key, answer: fine.map(|()| answer) }
            }
            Action::Survey => Event::Surveyed(fine.map(|()| Vec::new())),
            Action::Probe => Event::Probed(fine.map(|()| sent.as_millis().is_multiple_of(2))),
            Action::Refresh { .. } => Event::Refreshed(fine),
            Action::Wait { .. } => Event::Woken,
            other => panic!("no request: {other:?}"),
        }
    }

    /// The request is lost on its way.
    fn silence(action: &Action, sent: Duration) -> Event {
        fn lost<T>() -> std::result::Result<T, Error> {
            Err(Error::unavailable("nobody answers"))
        }
        match action {
            Action::Register => Event::Registered(lost()),
            Action::Recreate => Event::Recreated(lost()),
            Action::Fetch { key, .. } => Event::Fetched { key: *key, answer: lost() },
            Action::Begin { key, .. } => Event::Begun { key: *key, answer: lost() },
            Action::Settle { key, .. } => Event::Settled { key: *key, answer: lost() },
            Action::ReadBodies { key, .. } => Event::BodiesRead { key: *key, answer: lost() },
            Action::Renew { .. } => Event::Renewed { sent, answer: lost() },
            Action::Look => Event::Signs(lost()),
            Action::Adopt { .. } => Event::Adopted(lost()),
            Action::Retire { key, .. } => Event::Retired { key: *key, answer: lost() },
            Action::Stop { .. } => Event::StopSent(lost()),
            Action::Sweep { .. } => Event::Swept(lost()),
            Action::CompareHeld { key, .. } => Event::Held { key: *key, answer: lost() },
            Action::Gather { key, .. } => Event::Gathered { key: *key, answer: lost() },
            Action::Survey => Event::Surveyed(lost()),
            Action::Probe => Event::Probed(lost()),
            Action::Refresh { .. } => Event::Refreshed(lost()),
            _ => Event::Woken,
        }
    }

    /// A stranger takes over whatever session the request is made under.
    fn refuse(&mut self, action: &Action) {
        let sessions: Vec<Session> = match action {
            Action::Fetch { session, .. }
            | Action::Begin { session, .. }
            | Action::Settle { session, .. }
            | Action::Retire { session, .. } => vec![session.clone()],
            Action::Renew { sessions } => sessions.iter().take(1).map(|(_, session)| session.clone()).collect(),
            _ => Vec::new(),
        };
        for session in sessions {
            if self.under(&session).is_ok()
                && let Some(identity) = self.identity(&session)
            {
                (identity.fence, identity.strange) = (identity.fence + 1, true);
            }
        }
    }

    fn identity(&mut self, session: &Session) -> Option<&mut Identity> {
        self.identities.get_mut(&session.identity)
    }

    fn under(&self, session: &Session) -> std::result::Result<(), Refusal> {
        match self.identities.get(&session.identity) {
            None => Err(Refusal::Forgotten),
            Some(identity) if identity.token() == session.fence => Ok(()),
            Some(_) => Err(Refusal::Stale),
        }
    }

    fn register(&mut self) -> Session {
        self.names += 1;
        let name: Name = format!("identity {}", self.names).into();
        let identity = Identity { fence: 1, ..Identity::default() };
        let fence = identity.token();
        self.identities.insert(name.clone(), identity);
        Session { identity: name, fence }
    }

    fn fetch(&mut self, session: &Session, cursor: EntryId, count: usize, new: bool) -> (Vec<Arrived>, Option<Hint>) {
        let Some(identity) = self.identities.get(&session.identity) else { return (Vec::new(), None) };
        let old: Vec<_> = identity.pending.iter().filter(|id| **id > cursor).take(count).copied().collect();
        let mut arrived: Vec<_> = old.into_iter().map(|id| self.arrived(id, true)).collect();
        while new && arrived.len() < count {
            let Some(id) = self.unread.pop_first() else { break };
            let lane = self.entries.get(&id).and_then(|entry| entry.lane.clone());
            let holder = self.holder(lane.as_ref()).unwrap_or_else(|| session.identity.clone());
            let ours = holder == session.identity;
            if let Some(identity) = self.identities.get_mut(&holder) {
                identity.pending.insert(id);
            }
            if ours {
                arrived.push(self.arrived(id, false));
            }
        }
        let hint = if arrived.is_empty() { Some(Hint::Rest) } else { None };
        (arrived, hint)
    }

    /// Who has entries of a lane.
    fn holder(&self, lane: Option<&Lane>) -> Option<Name> {
        let lane = lane?;
        let has = |id: &EntryId| self.entries.get(id).is_some_and(|entry| entry.lane.as_ref() == Some(lane));
        self.identities.iter().find(|(_, identity)| identity.pending.iter().any(has)).map(|(name, _)| name.clone())
    }

    fn arrived(&self, id: EntryId, history: bool) -> Arrived {
        let lane = self.entries.get(&id).and_then(|entry| entry.lane.clone());
        let record = self.tries.get(&id).copied().filter(|_| history);
        Arrived { id, lane, history, record, content: self.content(id), body: None, locks: Arc::from([]) }
    }

    fn content(&self, id: EntryId) -> Content {
        let fields = Arc::new(vec![(Bytes::from_static(b"data"), Bytes::from_static(b"a body of some bytes"))]);
        match self.entries.get(&id) {
            None => Content::Vanished,
            Some(Entry { content: 9, .. }) => Content::Bad(Error::malformed("no body"), fields),
            Some(_) => Content::Good(fields),
        }
    }

    fn settle(&mut self, session: &Session, batch: &[Settle]) -> Settled {
        let Some(identity) = self.identities.get_mut(&session.identity) else {
            return Settled { results: Vec::new(), lanes: Vec::new() };
        };
        let mut results = Vec::new();
        for settle in batch {
            let pending = identity.pending.contains(&settle.id);
            match &settle.verdict {
                Verdict::Retry(record) if pending => {
                    self.tries.insert(settle.id, *record);
                }
                _ if pending => {
                    identity.pending.remove(&settle.id);
                    identity.done.insert(settle.id);
                    self.tries.remove(&settle.id);
                    self.entries.remove(&settle.id);
                }
                _ => {}
            }
            let known = pending || identity.done.contains(&settle.id);
            results.push(if known { SettleResult::Done } else { SettleResult::Stale });
        }
        let left = |lane: &Lane| {
            let of = |id: &&EntryId| self.entries.get(id).is_some_and(|entry| entry.lane.as_ref() == Some(lane));
            identity.pending.iter().filter(of).count() as u64
        };
        let lanes: BTreeSet<Lane> = batch.iter().filter_map(|settle| settle.lane.clone()).collect();
        let lanes = lanes.into_iter().map(|lane| (lane.clone(), left(&lane))).filter(|(_, n)| *n > 0).collect();
        Settled { results, lanes }
    }

    fn signs(&self) -> Vec<Sign> {
        let sign = |(name, identity): (&Name, &Identity)| Sign {
            identity: name.clone(),
            fence: identity.token(),
            beat: identity.beat,
            holder: false,
        };
        self.identities.iter().map(sign).collect()
    }

    fn adopt(&mut self, seen: &Sign) -> Option<Session> {
        let identity = self.identities.get_mut(&seen.identity)?;
        if identity.token() != seen.fence || identity.beat != seen.beat {
            return None;
        }
        (identity.fence, identity.left, identity.strange) = (identity.fence + 1, false, false);
        Some(Session { identity: seen.identity.clone(), fence: identity.token() })
    }

    fn retire(&mut self, session: &Session) -> bool {
        let empty = self.identity(session).is_none_or(|identity| identity.pending.is_empty());
        if empty {
            self.identities.remove(&session.identity);
        }
        empty
    }
}

/// What an answer refuses, if it does.
pub(super) fn refused<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Ok(Err(_)))
}
