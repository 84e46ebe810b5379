//! What a consumer's handle, its deliveries and its driver share: the machine behind a lock, and what it handed out.
//!
//! The lock is held for the length of a step, never across an await. A delivery's outcome is stepped in by whoever
//! reports it, on its own thread, so that the next entry of the lane starts without a hop to the driver.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, broadcast};

use super::cancel::Cancel;
use super::company::Member;
use super::machine::{Action, CancelReason, Ended, Event, Machine, Notice, Now, Started, Ticket};
use super::traces::Tracing;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::trace;
use crate::transport::Group;

#[derive(Debug)]
struct State {
    machine: Machine,
    ready: VecDeque<Started>,
    cancels: HashMap<Ticket, Arc<Cancel>>,
    /// Actions for the driver.
    io: Vec<Action>,
    /// Trouble that no call has told yet.
    errors: VecDeque<Error>,
    ended: Option<Result<()>>,
    /// Registered for the first time.
    opened: bool,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) group: Group,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) bus: crate::publish::Publisher,
    pub(crate) drain_timeout: Duration,
    /// Its handlers may publish through the plain bus, too: what that is refused counts for them.
    pub(super) writes: bool,
    pub(super) tracing: Option<Tracing>,
    /// Errors of refused outcomes come up at `next`; a handler loop has nobody to tell and logs them.
    pull: AtomicBool,
    arrivals: Arc<Notify>,
    changes: Arc<Notify>,
    pub(super) driver: Notify,
    pub(super) member: Member,
    /// When a lease ends unless it is renewed, in nanoseconds of the clock.
    trusted_until: AtomicU64,
}

/// Errors that wait to be told; more are dropped, the oldest first.
const ERRORS_KEPT: usize = 64;

impl Shared {
    pub(super) fn new(
        machine: Machine,
        clock: Arc<dyn Clock>,
        group: Group,
        bus: crate::publish::Publisher,
        drain_timeout: Duration,
        writes: bool,
        tracing: Option<Tracing>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                machine,
                ready: VecDeque::new(),
                cancels: HashMap::new(),
                io: Vec::new(),
                errors: VecDeque::new(),
                ended: None,
                opened: false,
            }),
            clock,
            group,
            notices: broadcast::channel(256).0,
            bus,
            drain_timeout,
            writes,
            tracing,
            pull: AtomicBool::new(true),
            arrivals: Arc::new(Notify::new()),
            changes: Arc::new(Notify::new()),
            driver: Notify::new(),
            member: Member::new(),
            trusted_until: AtomicU64::new(u64::MAX),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: self.clock.now(), wall_ms: self.clock.wall_ms() }
    }

    /// A request that leaves anyway, with the steps of traces that wait before it.
    pub(super) async fn beside_traces<T>(&self, request: impl Future<Output = T>) -> T {
        trace::beside(self.tracing.as_ref().map(Tracing::tracer), request).await
    }

    /// One step of the machine; what the driver has to do is collected for it.
    pub(super) fn step(&self, event: Event) {
        let now = self.now();
        let mut state = self.lock();
        let opened = matches!(event, Event::Registered(Ok(Ok(_))));
        let actions = state.machine.step(event, now);
        state.opened |= opened;
        self.apply(&mut state, actions, now);
        self.trust(&state);
        drop(state);
        self.changes.notify_waiters();
    }

    /// What is to be done now, and when to come back if nothing happens.
    pub(super) fn work(&self) -> (Vec<Action>, Option<Duration>, bool) {
        let now = self.now();
        let mut state = self.lock();
        let actions = state.machine.step(Event::Tick, now);
        self.apply(&mut state, actions, now);
        let deadline = state.machine.next_deadline(now);
        self.trust(&state);
        (std::mem::take(&mut state.io), deadline, state.ended.is_some())
    }

    fn apply(&self, state: &mut State, actions: Vec<Action>, now: Now) {
        let (mut arrived, mut cancelled) = (false, false);
        let (mut unstarted, mut untaken) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                Action::Start(started) if !self.member.enter() => untaken.push(started.ticket),
                Action::Go(ticket) => {
                    if let Some(cancel) = state.cancels.get(&ticket) {
                        cancel.go();
                    }
                }
                Action::Mingle => self.member.mingle(),
                Action::Seclude => {
                    self.member.seclude();
                    state.io.push(Action::Seclude);
                }
                Action::Start(started) => {
                    if let Some(tracing) = &self.tracing {
                        tracing.started(&started);
                    }
                    state.cancels.insert(started.ticket, Arc::default());
                    state.ready.push_back(started);
                    arrived = true;
                }
                Action::Cancel { ticket, reason } => {
                    if let Some(at) = state.ready.iter().position(|started| started.ticket == ticket) {
                        state.ready.remove(at);
                        state.cancels.remove(&ticket);
                        self.member.leave();
                        // One that ran out of its time before anybody took it has not had its start.
                        match reason {
                            CancelReason::TimedOut => untaken.push(ticket),
                            _ => unstarted.push(ticket),
                        }
                    } else if let Some(cancel) = state.cancels.get(&ticket) {
                        cancel.cancel();
                        cancelled = true;
                        if reason == CancelReason::Closing && self.pull.load(Ordering::Acquire) {
                            // Nobody but the holder of the delivery could end it, and the drain time is over.
                            unstarted.push(ticket);
                        }
                    }
                }
                Action::Tell(notice) => self.tell(state, notice),
                Action::Ended(result) => {
                    state.ended = Some(result);
                    self.member.mingle();
                    self.tell(state, Notice::Closed);
                    self.changes.notify_waiters();
                    arrived = true;
                }
                other => state.io.push(other),
            }
        }
        if !untaken.is_empty() && self.member.must_hold() {
            let actions = state.machine.step(Event::Hold(true), now);
            self.apply(state, actions, now);
        }
        let untaken = untaken.into_iter().map(|ticket| (ticket, Ended::Unstarted));
        for (ticket, how) in unstarted.into_iter().map(|ticket| (ticket, Ended::Release)).chain(untaken) {
            if state.cancels.remove(&ticket).is_some() {
                self.member.leave();
            }
            let actions = state.machine.hand_back(ticket, how, now);
            self.apply(state, actions, now);
            self.driver.notify_one();
        }
        if arrived {
            self.arrivals.notify_waiters();
        }
        if cancelled {
            self.tell(state, Notice::HandlersCancelled);
        }
    }

    fn tell(&self, state: &mut State, notice: Notice) {
        let (stream, group) = (&*self.group.stream, &*self.group.name);
        notice.log(stream, group);
        if let Notice::StaleOutcome { id } = &notice
            && self.pull.load(Ordering::Acquire)
        {
            if state.errors.len() == ERRORS_KEPT {
                state.errors.pop_front();
            }
            state.errors.push_back(stale(stream, id));
            self.arrivals.notify_waiters();
        }
        // Nobody listening is fine.
        let _ = self.notices.send(notice);
    }

    /// Tells something that the machine knows nothing of.
    pub(super) fn notify(&self, notice: Notice) {
        self.tell(&mut self.lock(), notice);
    }

    pub(super) fn serve_handlers(&self, on: bool) {
        if self.pull.swap(!on, Ordering::AcqRel) && on {
            self.lock().errors.clear();
        }
    }

    /// Reports the outcome of a delivery; `Closed` when the consumer has ended.
    pub(super) fn hand_back(&self, ticket: Ticket, how: Ended) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let known = state.cancels.remove(&ticket).is_some();
        if known {
            self.member.leave();
        }
        let release = matches!(how, Ended::Release | Ended::NoRoom { .. });
        if state.ended.is_some() || !known {
            return if release { Ok(()) } else { Err(Error::closed("consumer")) };
        }
        let actions = state.machine.hand_back(ticket, how, now);
        self.apply(&mut state, actions, now);
        drop(state);
        self.driver.notify_one();
        Ok(())
    }

    fn trust(&self, state: &State) {
        self.trusted_until.store(nanos(state.machine.trusted_until()), Ordering::Release);
    }

    /// Whether the lease of a delivery is in force. Whoever stood still since it was handed out learns here that it is not.
    pub(super) fn look_at_lease(&self, ticket: Ticket) -> bool {
        if nanos(self.clock.now()) < self.trusted_until.load(Ordering::Acquire) {
            return true;
        }
        self.step(Event::Tick);
        self.driver.notify_one();
        self.lock().machine.holds(ticket)
    }

    /// Says that a delivery is about to be run; whether it may be.
    pub(super) async fn begin(&self, ticket: Ticket, cancel: &Cancel) -> bool {
        self.step(Event::Begin(ticket));
        self.driver.notify_one();
        cancel.may_run().await
    }

    /// The next error to tell, or the next delivery.
    pub(super) fn take_one(&self) -> Result<Option<Started>> {
        let mut state = self.lock();
        match state.errors.pop_front() {
            Some(error) => Err(error),
            None => Ok(state.ready.pop_front()),
        }
    }

    pub(super) fn take_many(&self, max: usize) -> Vec<Started> {
        let mut state = self.lock();
        let n = state.ready.len().min(max);
        state.ready.drain(..n).collect()
    }

    pub(super) fn cancel_of(&self, ticket: Ticket) -> Arc<Cancel> {
        let state = self.lock();
        state.cancels.get(&ticket).cloned().unwrap_or_else(|| {
            let gone = Cancel::default();
            gone.cancel();
            Arc::new(gone)
        })
    }

    /// How the consumer ended, if it has: `Err` for good reasons only (see `Consumer::close`).
    pub(super) fn ending(&self) -> Option<Result<()>> {
        self.lock().ended.clone()
    }

    pub(super) fn has_ended(&self) -> Result<bool> {
        self.ending().map_or(Ok(false), |result| result.map(|()| true))
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().opened
    }

    /// Asks for an empty fetch that proves idleness; whether there was one.
    pub(super) fn probe_idle(&self, fresh: bool) -> bool {
        let now = self.now();
        let mut state = self.lock();
        let actions = state.machine.step(Event::ProbeIdle { fresh }, now);
        self.apply(&mut state, actions, now);
        let idle = state.machine.is_idle() && state.ready.is_empty();
        let work = !state.io.is_empty();
        drop(state);
        if work {
            self.driver.notify_one();
        }
        idle
    }

    pub(super) fn drain(&self, limit: Duration) {
        let now = self.now();
        let mut state = self.lock();
        if state.ended.is_some() {
            return;
        }
        let actions = state.machine.step(Event::Drain { deadline: now.mono.saturating_add(limit) }, now);
        self.apply(&mut state, actions, now);
        // What nobody has taken goes back at once.
        for started in std::mem::take(&mut state.ready) {
            state.cancels.remove(&started.ticket);
            self.member.leave();
            let actions = state.machine.hand_back(started.ticket, Ended::Release, now);
            self.apply(&mut state, actions, now);
        }
        drop(state);
        self.driver.notify_one();
        self.arrivals.notify_waiters();
    }

    /// What the death of the process does: the driver stops where it is, nothing is given back.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        self.lock().ended = Some(Ok(()));
        self.member.quit();
        self.driver.notify_one();
    }

    /// Nobody carries out what the machine decides any more. Where that was not its decision, everybody who waits is
    /// told, and handlers end, since nobody renews their lease.
    pub(super) fn driver_gone(&self) {
        let mut state = self.lock();
        if state.ended.is_some() {
            return;
        }
        let error =
            Error::internal("the consumer's own task died; its work goes to others. Open a new one, and report this")
                .with_context("stream", &self.group.stream);
        state.ended = Some(Err(error));
        self.tell(&mut state, Notice::Closed);
        self.member.mingle();
        for started in std::mem::take(&mut state.ready) {
            state.cancels.remove(&started.ticket);
            self.member.leave();
        }
        for cancel in state.cancels.values() {
            cancel.cancel();
        }
        drop(state);
        self.changes.notify_waiters();
        self.arrivals.notify_waiters();
    }

    /// Ends when something was handed out after this call.
    pub(super) fn arrival(&self) -> std::pin::Pin<Box<OwnedNotified>> {
        enabled(&self.arrivals)
    }

    /// Ends when the machine has stepped after this call.
    pub(super) fn change(&self) -> std::pin::Pin<Box<OwnedNotified>> {
        enabled(&self.changes)
    }
}

/// Nanoseconds of a time that is shorter than centuries.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn enabled(notify: &Arc<Notify>) -> std::pin::Pin<Box<OwnedNotified>> {
    let mut notified = Box::pin(notify.clone().notified_owned());
    notified.as_mut().enable();
    notified
}

fn stale(stream: &str, id: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Stale, "the outcome was refused: the entry had gone to another consumer, which runs it again")
        .with_context("stream", stream)
        .with_context("id", id)
}
