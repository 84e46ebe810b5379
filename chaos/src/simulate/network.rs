//! Requests on their way to the server and back: lost, late, slow, or fine.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use stargazer_core::consumer::machine::{Action, Arrived, Content, Event};
use stargazer_core::engine::Engine;
use stargazer_core::error::{Error, ErrorKind, Stored};
use stargazer_core::mutant::Mutant;
use stargazer_core::topology::Name;
use stargazer_core::transport::{EntryId, Fetch, Fields, Group, MAX_BATCH, Transport};

use super::dice::Dice;
use super::message;
use super::plan::What;
use super::process::{Happens, Life};
use super::world::{Due, MS, World};

/// A client waits this long for an answer.
pub(super) const PATIENCE: u64 = 5000 * MS;

/// How long a lock of a lane is held (mode `lock`).
pub(super) const LOCK: Duration = Duration::from_secs(1);

/// How the server is doing.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// It answers nothing before this time.
    pub(super) paused_until: u64,
    /// It cannot be reached before this time.
    pub(super) down_until: u64,
    /// It refuses everything before this time.
    pub(super) denies_until: u64,
    /// When connections broke, in order; some may be still to come.
    pub(super) breaks: Vec<u64>,
}

impl Server {
    /// Whether connections break after `from`, up to `to`: when.
    fn breaks(&self, from: u64, to: u64) -> Option<u64> {
        self.breaks.iter().copied().find(|at| *at > from && *at <= to)
    }
}

/// A request on its way.
pub(super) struct Call {
    pub(super) life: Life,
    seat: u32,
    pub(super) action: Action,
    pub(super) sent: u64,
    /// Nanoseconds its answer takes; `None` when that gets lost.
    pub(super) back: Option<u64>,
    /// For the names of sessions and holders.
    suffix: String,
}

/// What becomes of a request.
pub(super) enum Fate {
    /// It takes so long to get there, and so long to come back.
    Fine(u64, u64),
    /// It never arrives; the sender notices after so long.
    Lost(u64),
    /// It arrives after so long, and the sender notices after so long that no answer comes.
    Unanswered(u64, u64),
}

impl World<'_> {
    /// What becomes of a request that leaves now from a seat (a producer has none).
    pub(super) fn fate(&self, seat: Option<u32>, dice: &mut Dice) -> Fate {
        let mut permille = 0;
        let mut slow = 0;
        for fault in &self.plan.faults {
            let begin = 100 * MS + fault.at_ms * MS;
            if self.now < begin || self.now >= begin + fault.for_ms * MS {
                continue;
            }
            match fault.what {
                What::Lossy { seat: whose, permille: n } if whose.is_none() || whose == seat => {
                    permille = permille.max(n);
                }
                What::Slow { ms } => slow = slow.max(ms),
                _ => {}
            }
        }
        let way = |dice: &mut Dice| {
            let usual = dice.between(MS / 20, MS / 2);
            if slow > 0 { usual + dice.below(slow * MS) } else { usual }
        };
        let (there, back) = (way(dice), way(dice));
        if !dice.permille(permille) {
            return Fate::Fine(there, back);
        }
        // Most broken connections are noticed at once, some only because no answer comes.
        let notices = if dice.permille(800) { dice.between(MS / 10, 20 * MS) } else { PATIENCE };
        match dice.below(3) {
            0 => Fate::Lost(notices),
            1 => Fate::Unanswered(there, there + notices),
            _ => Fate::Unanswered(dice.between(MS, 4000 * MS), notices),
        }
    }

    /// Sends what a machine wants done.
    pub(super) fn send(&mut self, life: Life, action: Action) {
        let process = self.process(life);
        let number = process.requests;
        process.requests += 1;
        let seat = process.seat;
        let mut dice = self.dice.of(&[20, life.into(), number]);
        let suffix = format!("{:08x}", dice.next() & 0xffff_ffff);
        let now = self.now;
        let call = |action, back| Box::new(Call { life, seat, action, sent: now, back, suffix });
        match self.fate(Some(seat), &mut dice) {
            Fate::Fine(there, back) => {
                let call = call(action, Some(back));
                self.after(there, Due::Arrives(call));
            }
            Fate::Lost(noticed) => self.fails_after(noticed, life, &action),
            Fate::Unanswered(there, noticed) => {
                self.fails_after(noticed, life, &action);
                let call = call(action, None);
                self.after(there, Due::Arrives(call));
            }
        }
    }

    fn fails_after(&mut self, nanos: u64, life: Life, action: &Action) {
        let error = || Error::unavailable("the connection broke").with_stored(Stored::Unknown);
        self.answer_after(nanos, life, action, error());
    }

    /// The sender learns that its request failed.
    fn answer_after(&mut self, nanos: u64, life: Life, action: &Action, error: Error) {
        if let Some(event) = failure(action, Duration::from_nanos(self.now), error) {
            // Whoever cannot wait at the server waits by itself.
            let more = if let Action::Wait { timeout, .. } = action { nanos_of(*timeout) } else { 0 };
            self.after(nanos + more, Due::To(life, Happens::Answer(event)));
        }
    }

    /// A request reaches the server.
    pub(super) fn arrives(&mut self, call: Call) {
        if self.now < self.server.down_until || self.server.breaks(call.sent, self.now).is_some() {
            if call.back.is_some() {
                self.fails_after(MS / 2, call.life, &call.action);
            }
            return;
        }
        if self.now < self.server.paused_until {
            let mut call = call;
            let goes_on = self.server.paused_until;
            let blocks = matches!(call.action, Action::Wait { .. });
            if goes_on > call.sent + PATIENCE && call.back.take().is_some() && !blocks {
                self.fails_after(call.sent + PATIENCE - self.now, call.life, &call.action);
            }
            self.at(goes_on, Due::Arrives(Box::new(call)));
            return;
        }
        if self.now < self.server.denies_until {
            if let Some(back) = call.back {
                let error = Error::new(ErrorKind::Auth, "this user may not run this command").with_stored(Stored::No);
                self.answer_after(back, call.life, &call.action, error);
            }
            return;
        }
        if matches!(call.action, Action::Wait { .. }) {
            self.waits(&call);
            return;
        }
        let group = self.groups[self.processes[call.life as usize - 1].group].clone();
        if let Action::Settle { batch, .. } = &call.action {
            let batch = Arc::clone(batch);
            let event = carry_out(&self.engine, &group, &call);
            self.settled(call.life, &batch, &event);
            self.answers(&call, event);
        } else {
            let event = carry_out(&self.engine, &group, &call);
            if self.groups_gone && matches!(event, Event::Recreated(_)) {
                self.count_groups();
            }
            self.answers(&call, event);
        }
        self.wake();
    }

    /// An answer leaves for the process that asked.
    fn answers(&mut self, call: &Call, event: Event) {
        let Some(back) = call.back else { return };
        match self.server.breaks(self.now, self.now + back) {
            Some(at) => self.fails_after(at - self.now, call.life, &call.action),
            None => self.after(back, Due::To(call.life, Happens::Answer(event))),
        }
    }

    /// Asks the server which one it is.
    pub(super) fn look_at_server(&mut self, life: Life) {
        let process = self.process(life);
        let (number, seat) = (process.requests, process.seat);
        process.requests += 1;
        let mut dice = self.dice.of(&[20, life.into(), number]);
        let reached = self.now >= self.server.down_until && self.now >= self.server.denies_until;
        match self.fate(Some(seat), &mut dice) {
            Fate::Fine(there, back) if reached => {
                let id = at_once(self.engine.ping()).and_then(Result::ok).map(|info| info.run_id);
                let paused = self.server.paused_until.saturating_sub(self.now);
                self.after(there + back + paused, Due::To(life, Happens::Server(id)));
            }
            _ => {}
        }
    }
}

/// Nanoseconds of a time that is shorter than centuries.
pub(super) fn nanos_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The engine never waits, except in `wait`.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// What the machine hears when a request failed.
fn failure(action: &Action, now: Duration, error: Error) -> Option<Event> {
    Some(match action {
        Action::Register => Event::Registered(Err(error)),
        Action::Recreate => Event::Recreated(Err(error)),
        Action::Fetch { key, .. } => Event::Fetched { key: *key, answer: Err(error) },
        Action::Wait { .. } => Event::Woken,
        Action::Begin { key, .. } => Event::Begun { key: *key, answer: Err(error) },
        Action::Settle { key, .. } => Event::Settled { key: *key, answer: Err(error) },
        Action::ReadBodies { key, .. } => Event::BodiesRead { key: *key, answer: Err(error) },
        Action::Renew { .. } => Event::Renewed { sent: now, answer: Err(error) },
        Action::Look => Event::Signs(Err(error)),
        Action::Adopt { .. } => Event::Adopted(Err(error)),
        Action::Retire { key, .. } => Event::Retired { key: *key, answer: Err(error) },
        Action::Stop { .. } => Event::StopSent(Err(error)),
        Action::Sweep { .. } => Event::Swept(Err(error)),
        Action::CompareHeld { key, .. } => Event::Held { key: *key, answer: Err(error) },
        Action::Gather { key, .. } => Event::Gathered { key: *key, answer: Err(error) },
        Action::Survey => Event::Surveyed(Err(error)),
        Action::Probe => Event::Probed(Err(error)),
        Action::Refresh { .. } => Event::Refreshed(Err(error)),
        Action::Lock { number, .. } => Event::Locked { number: *number, answer: Err(error) },
        Action::RenewLocks { locks } => {
            let answers = locks.iter().map(|(number, ..)| (*number, Err(error.clone()))).collect();
            Event::LocksRenewed { sent: now, answers }
        }
        Action::Unlock { number, .. } => Event::Unlocked { number: *number },
        Action::Start(_)
        | Action::Go(_)
        | Action::Seclude
        | Action::Mingle
        | Action::Cancel { .. }
        | Action::Tell(_)
        | Action::Ended(_)
        | Action::LookAtServer => return None,
    })
}

/// What the driver of a real consumer does: the request, and its answer in the machine's words.
#[allow(clippy::too_many_lines)] // one arm for each request
fn carry_out(engine: &Engine, group: &Group, call: &Call) -> Event {
    let never = || Error::internal("the engine waited");
    macro_rules! ask {
        ($call:expr) => {
            at_once($call).unwrap_or_else(|| Err(never()))
        };
    }
    match &call.action {
        Action::Register => {
            let suffix = if Mutant::IdentityReused.is_on() { "same" } else { &call.suffix };
            let seat = if Mutant::IdentityReused.is_on() { call.seat } else { call.life };
            let identity = format!("w{seat}-{suffix}").into();
            Event::Registered(ask!(engine.register(group, &identity, &call.suffix)))
        }
        Action::Recreate => Event::Recreated(ask!(engine.recreate(group))),
        Action::Fetch { key, session, cursor, count, max_bytes, unweighed, new, wary } => {
            let (cursor, count, max_bytes) = (*cursor, *count, *max_bytes);
            let request = Fetch { cursor, count, max_bytes, unweighed: *unweighed, new: *new, wary: *wary };
            let answer = ask!(engine.fetch(group, session, &request));
            let arrived = |entry: stargazer_core::transport::Handed| Arrived {
                id: entry.id,
                locks: message::locks(group, entry.lane.as_ref()),
                lane: entry.lane,
                history: entry.history,
                record: entry.record,
                content: content(entry.fields),
                body: None,
            };
            let arrive = |fetched: stargazer_core::transport::Fetched| {
                (fetched.entries.into_iter().map(arrived).collect(), fetched.hint)
            };
            Event::Fetched { key: *key, answer: answer.map(|answer| answer.map(arrive)) }
        }
        Action::Begin { key, session, starts } => {
            Event::Begun { key: *key, answer: ask!(engine.begin(group, session, starts)) }
        }
        Action::Settle { key, session, batch } => {
            Event::Settled { key: *key, answer: ask!(engine.settle(group, session, batch)) }
        }
        Action::ReadBodies { key, ids } => {
            let contents = ask!(engine.read(&group.stream, ids)).map(|entries| {
                let contents = entries.into_iter().map(|entry| content(entry.map(|entry| entry.fields)));
                ids.iter().copied().zip(contents).collect()
            });
            Event::BodiesRead { key: *key, answer: contents }
        }
        Action::Renew { sessions } => {
            let (keys, held): (Vec<_>, Vec<_>) = sessions.iter().cloned().unzip();
            let answer = ask!(engine.renew(group, &held)).map(|each| keys.into_iter().zip(each).collect());
            Event::Renewed { sent: Duration::from_nanos(call.sent), answer }
        }
        Action::Look => Event::Signs(ask!(engine.signs(group))),
        Action::Adopt { seen } => Event::Adopted(ask!(engine.adopt(group, seen, &call.suffix))),
        Action::Retire { key, session } => Event::Retired { key: *key, answer: ask!(engine.retire(group, session)) },
        Action::Stop { sessions } => Event::StopSent(ask!(engine.stop(group, sessions))),
        Action::Sweep { cursor } => Event::Swept(ask!(engine.sweep(group, *cursor))),
        Action::CompareHeld { key, identity } => {
            let mut ids: Vec<EntryId> = Vec::new();
            let answer = loop {
                let after = ids.last().copied().unwrap_or(EntryId::ZERO);
                match ask!(engine.held(group, identity, after, MAX_BATCH)) {
                    Ok(page) if page.is_empty() => break Ok(ids),
                    Ok(page) => ids.extend(page),
                    Err(error) => break Err(error),
                }
            };
            Event::Held { key: *key, answer }
        }
        Action::Gather { key, session, request } => {
            Event::Gathered { key: *key, answer: ask!(engine.gather(group, session, request)) }
        }
        Action::Survey => Event::Surveyed(ask!(engine.survey(group))),
        Action::Probe => Event::Probed(ask!(engine.has_room(group))),
        Action::Refresh { sessions } => {
            let first = |session| ask!(engine.refresh(group, session, EntryId::ZERO)).map(|_| ());
            Event::Refreshed(sessions.iter().try_for_each(first))
        }
        Action::Lock { number, names, token } => {
            let take = |name| ask!(engine.lock(name, token, LOCK));
            let answer = names.iter().try_fold(true, |all, name| take(name).map(|taken| all && taken));
            Event::Locked { number: *number, answer }
        }
        Action::RenewLocks { locks } => {
            let prolong = |names: &[Name], token: &str| {
                names
                    .iter()
                    .try_fold(true, |all, name| ask!(engine.renew_lock(name, token, LOCK)).map(|held| all && held))
            };
            let answers = locks.iter().map(|(number, names, token)| (*number, prolong(names, token))).collect();
            Event::LocksRenewed { sent: Duration::from_nanos(call.sent), answers }
        }
        Action::Unlock { number, names, token } => {
            for name in names.iter() {
                // One that cannot be given up lapses by itself.
                let _ = at_once(engine.unlock(name, token));
            }
            Event::Unlocked { number: *number }
        }
        Action::Wait { .. }
        | Action::Start(_)
        | Action::Go(_)
        | Action::Seclude
        | Action::Mingle
        | Action::Cancel { .. }
        | Action::Tell(_)
        | Action::Ended(_)
        | Action::LookAtServer => Event::Tick,
    }
}

/// What a body holds, as the driver judges it.
fn content(fields: Option<Fields>) -> Content {
    let Some(fields) = fields else { return Content::Vanished };
    match message::read(&fields) {
        Some((_, true)) => Content::Good(Arc::new(fields)),
        _ => Content::Bad(Error::malformed("the body holds no number"), Arc::new(fields)),
    }
}
