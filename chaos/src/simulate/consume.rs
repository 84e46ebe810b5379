//! What the driver of a real consumer and its handlers do: feed the machine, carry out what it decides.

use std::task::{Context, Waker};

use stargazer_core::consumer::Notice;
use stargazer_core::consumer::machine::{Action, CancelReason, Ended, Event, Started, Ticket};
use stargazer_core::error::ErrorKind;
use stargazer_core::policy::Ordering;
use stargazer_core::transport::{Append, Fence, Settle, SettleResult, Transport, Verdict};

use super::message::{self, Message};
use super::network::{Call, Fate, at_once, nanos_of};
use super::plan::{LEASE_MS, What};
use super::process::{Effect, Handler, Happens, Life, Process, State, Waiting};
use super::world::{Due, MS, OUT, World, moment};
use crate::history::Kind;

impl World<'_> {
    pub(super) fn process(&mut self, life: Life) -> &mut Process {
        &mut self.processes[life as usize - 1]
    }

    /// A process takes a seat.
    pub(super) fn start(&mut self, seat: u32) {
        let place = usize::try_from(seat).unwrap_or(0);
        let before = self.seats[place];
        if before > 0 && self.process(before).lives() && !self.process(before).closing {
            return;
        }
        let life = Life::try_from(self.processes.len() + 1).unwrap_or(Life::MAX);
        let group = &self.groups[usize::try_from(seat / self.plan.consumers).unwrap_or(0)];
        let seed = self.dice.of(&[40, life.into()]).next();
        let process = Process::new(self.plan, group, seat, life, self.now, seed);
        self.processes.push(process);
        self.seats[place] = life;
        self.record(Kind::ActorStart, life, |record| record.extra = seat);
        self.look_at_server(life);
        self.feed(life, Event::Tick);
    }

    /// Something happens to a process.
    pub(super) fn happens(&mut self, life: Life, happens: Happens) {
        let process = self.process(life);
        match process.state {
            State::Runs => {}
            State::Frozen => {
                process.inbox.push(happens);
                return;
            }
            State::Ended | State::Killed => return,
        }
        match happens {
            Happens::Answer(event) => {
                process.worked |= matches!(event, Event::Registered(Ok(Ok(_))));
                self.feed(life, event);
            }
            Happens::Server(None) => {}
            Happens::Server(id) => {
                let before = std::mem::replace(&mut process.server, id.clone());
                if before.is_some() && before != id {
                    self.feed(life, Event::ServerChanged);
                }
            }
            Happens::Tick(at) => {
                if process.tick_at == Some(at) {
                    process.tick_at = None;
                    self.feed(life, Event::Tick);
                }
            }
            Happens::WaitOver(number) => {
                if process.waiting.as_ref().is_some_and(|waiting| waiting.number == number) {
                    process.waiting = None;
                    self.feed(life, Event::Woken);
                }
            }
            Happens::Ready(ticket) => self.feed(life, Event::Begin(ticket)),
            Happens::Done(ticket) => self.done(life, ticket),
            Happens::Effect(ticket, effect) => self.effect(life, ticket, effect),
            Happens::GaveUp(ticket) if self.process(life).offered.remove(&ticket).is_some() => {
                let now = moment(self.now);
                let actions = self.process(life).machine.hand_back(ticket, Ended::Release, now);
                self.apply(life, actions);
                self.tick_at(life, self.now);
            }
            Happens::GaveUp(ticket) => {
                if let Some(handler) = self.process(life).handlers.get_mut(&ticket) {
                    handler.how = match handler.cancelled {
                        Some(CancelReason::TimedOut) => Ended::Retry { after: None, error: Some("too slow".into()) },
                        _ => Ended::Release,
                    };
                    self.hand_back(life, ticket);
                }
            }
            Happens::Dies(back) => self.kill(life, Some(back)),
        }
    }

    /// One step of a machine, and what it wants.
    pub(super) fn feed(&mut self, life: Life, event: Event) {
        let now = moment(self.now);
        let actions = self.process(life).machine.step(event, now);
        self.apply(life, actions);
        self.tick_later(life);
    }

    fn tick_later(&mut self, life: Life) {
        let now = moment(self.now);
        let process = self.process(life);
        if !process.lives() {
            return;
        }
        if let Some(deadline) = process.machine.next_deadline(now) {
            self.tick_at(life, nanos_of(deadline));
        }
    }

    fn tick_at(&mut self, life: Life, at: u64) {
        let process = self.process(life);
        if process.tick_at.is_none_or(|before| at < before) {
            process.tick_at = Some(at);
            self.at(at, Due::To(life, Happens::Tick(at)));
        }
    }

    fn apply(&mut self, life: Life, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(started) if started.suspect => {
                    let ticket = started.ticket;
                    let nanos = self.dice.of(&[56, life.into(), ticket]).below(3 * MS);
                    self.process(life).offered.insert(ticket, started);
                    self.after(nanos, Due::To(life, Happens::Ready(ticket)));
                }
                Action::Start(started) => self.begin(life, started),
                Action::Go(ticket) => {
                    if let Some(started) = self.process(life).offered.remove(&ticket) {
                        self.begin(life, started);
                    }
                }
                // There is one consumer in a process.
                Action::Seclude => self.feed(life, Event::Secluded),
                Action::Mingle => {}
                Action::Cancel { ticket, reason } => self.cancel(life, ticket, reason),
                Action::Tell(notice) => self.told(life, &notice),
                Action::Ended(result) => {
                    let process = self.process(life);
                    process.state = State::Ended;
                    process.waiting = None;
                    self.record(Kind::ActorEnd, life, |record| record.detail = u8::from(result.is_err()));
                    match result.err().map(|error| (error.kind(), error)) {
                        // What could not be reported before the time was up is run again elsewhere.
                        None | Some((ErrorKind::Unavailable, _)) => {}
                        // Who starts where another type stands is told so, and whoever started it tries again.
                        Some((ErrorKind::Invalid, _)) if !self.process(life).worked => {
                            let seat = self.process(life).seat;
                            self.after(100 * MS, Due::Start(seat));
                        }
                        Some((_, error)) => {
                            self.findings.push(format!("the consumer of process {life} ended: {error}"));
                        }
                    }
                }
                Action::LookAtServer => self.look_at_server(life),
                other => self.send(life, other),
            }
        }
    }

    fn told(&mut self, life: Life, notice: &Notice) {
        match notice {
            Notice::Vanished { id } => {
                self.record(Kind::Vanished, life, |record| record.entry = (id.ms, id.seq));
            }
            Notice::GroupRecreated { from, .. } => {
                self.record(Kind::GroupRecreated, life, |record| record.entry = (from.ms, from.seq));
            }
            _ => {}
        }
    }

    /// A handler starts.
    fn begin(&mut self, life: Life, started: Started) {
        let (message, _) = message::read(&started.fields).unwrap_or_default();
        // Where nothing is routed, deliveries have no lane; what the message was published in is what counts.
        let lane = match self.plan.ordering {
            Ordering::None => Message::new(self.plan, self.dice, message).lane,
            _ => message::lane_number(started.lane.as_ref()),
        };
        let token = self.token();
        let group = self.process(life).group;
        let turn = self.turns.entry((group, message)).or_default();
        *turn += 1;
        let turn = *turn;
        let (how, nanos) = self.work(group, message, turn);
        let effect = self.dice.of(&[51, message, turn]).permille(self.plan.work.effect);
        let ticket = started.ticket;
        let handler = Handler {
            token,
            message,
            lane,
            entry: started.id,
            attempt: started.attempt,
            session: started.session,
            how,
            effect,
            cancelled: None,
        };
        self.record_of(Kind::HandlerStart, life, &handler, u8::from(started.redelivered));
        self.process(life).handlers.insert(ticket, handler);
        if let Some(nanos) = nanos {
            self.after(nanos, Due::To(life, Happens::Done(ticket)));
        }
        let poison = self.plan.faults.iter().find(|fault| fault.what == What::Poison { message });
        if let Some(fault) = poison {
            // While its handler runs: who dies later has another to blame.
            let most = nanos.map_or(5 * MS, |nanos| nanos.min(5 * MS));
            let nanos = self.dice.of(&[52, token]).below(most.max(1));
            self.after(nanos, Due::To(life, Happens::Dies(fault.for_ms)));
        }
    }

    /// How a handler's run will end, and after how long (never: `None`).
    fn work(&self, group: usize, message: u64, turn: u64) -> (Ended, Option<u64>) {
        let work = &self.plan.work;
        let mut dice = self.dice.of(&[50, group as u64, message, turn]);
        let nanos = if dice.permille(work.endless) {
            None
        } else if dice.permille(work.long) {
            Some(dice.between(LEASE_MS / 2, LEASE_MS * 2) * MS)
        } else {
            Some(dice.below(2 * work.ms * MS))
        };
        let how = if dice.permille(work.retry) {
            let after = dice.permille(300).then(|| std::time::Duration::from_millis(dice.below(3000)));
            Ended::Retry { after, error: Some("not now".into()) }
        } else if dice.permille(work.reject) {
            Ended::Reject { reason: "not wanted".into() }
        } else if dice.permille(work.release) {
            Ended::Release
        } else {
            Ended::Ack
        };
        (how, nanos)
    }

    /// A handler is told to end; it does at its next await.
    fn cancel(&mut self, life: Life, ticket: Ticket, reason: CancelReason) {
        if self.process(life).offered.contains_key(&ticket) {
            self.after(0, Due::To(life, Happens::GaveUp(ticket)));
            return;
        }
        let Some(handler) = self.process(life).handlers.get_mut(&ticket) else { return };
        handler.cancelled = Some(reason);
        let handler = handler.clone();
        let detail = match reason {
            CancelReason::LeaseLost => 0,
            CancelReason::TimedOut => 1,
            CancelReason::Closing => 2,
        };
        self.record_of(Kind::HandlerCancel, life, &handler, detail);
        let nanos = self.dice.of(&[53, handler.token]).below(80 * MS);
        self.after(nanos, Due::To(life, Happens::GaveUp(ticket)));
    }

    /// A handler has done its work; what it publishes comes before its outcome.
    fn done(&mut self, life: Life, ticket: Ticket) {
        let Some(handler) = self.process(life).handlers.get(&ticket) else { return };
        if !handler.effect {
            self.hand_back(life, ticket);
            return;
        }
        let handler = handler.clone();
        let (seat, group) = (self.process(life).seat, self.process(life).group);
        let mut dice = self.dice.of(&[54, handler.token]);
        let reached = self.now >= self.server.down_until.max(self.server.paused_until).max(self.server.denies_until);
        let fate = self.fate(Some(seat), &mut dice);
        let stored = reached && !matches!(fate, Fate::Lost(_));
        let answer = stored.then(|| {
            let mut entry =
                Append::new(OUT.into(), vec![("data".into(), handler.message.to_be_bytes().to_vec().into())]);
            let consumers = self.groups[group].keys.consumers.clone();
            entry.fence = Some(Fence { consumers, session: handler.session.clone() }.into());
            at_once(self.engine.append(vec![entry])).and_then(|mut answers| answers.pop())
        });
        let answer = match answer.flatten() {
            Some(Ok(_)) => Effect::Stored,
            Some(Err(error)) if error.kind() == ErrorKind::Stale => Effect::Stale,
            Some(Err(error)) if error.kind() == ErrorKind::Full => Effect::NoRoom,
            _ => Effect::Failed,
        };
        if answer == Effect::Stored {
            // Recorded when the server does it, as settles are: what is known of it later is another matter.
            self.record_of(Kind::EffectOk, life, &handler, 0);
        }
        self.wake();
        let (nanos, known) = match fate {
            Fate::Fine(there, back) => (there + back, true),
            Fate::Lost(noticed) | Fate::Unanswered(_, noticed) => (noticed, false),
        };
        self.after(nanos, Due::To(life, Happens::Effect(ticket, if known { answer } else { Effect::Failed })));
    }

    fn effect(&mut self, life: Life, ticket: Ticket, effect: Effect) {
        let Some(handler) = self.process(life).handlers.get_mut(&ticket) else { return };
        match effect {
            Effect::Stored => {}
            Effect::NoRoom => handler.how = Ended::NoRoom { after: None, memory: true, error: "no room".into() },
            // A handler that cannot publish fails.
            Effect::Stale | Effect::Failed => {
                handler.how = Ended::Retry { after: None, error: Some("cannot publish".into()) };
            }
        }
        let handler = handler.clone();
        if effect == Effect::Stale {
            self.record_of(Kind::EffectStale, life, &handler, 0);
        }
        self.hand_back(life, ticket);
    }

    /// A handler has ended.
    fn hand_back(&mut self, life: Life, ticket: Ticket) {
        let Some(handler) = self.process(life).handlers.remove(&ticket) else { return };
        let detail = match handler.how {
            Ended::Ack => 0,
            Ended::Retry { .. } => 1,
            Ended::Reject { .. } | Ended::Refuse { .. } => 2,
            Ended::Release | Ended::NoRoom { .. } | Ended::Unstarted => 3,
        };
        self.record_of(Kind::HandlerEnd, life, &handler, detail);
        let now = moment(self.now);
        let actions = self.process(life).machine.hand_back(ticket, handler.how, now);
        self.apply(life, actions);
        // The driver is woken; outcomes that meet leave together.
        let soon = self.now + self.dice.of(&[55, handler.token]).below(MS / 5);
        if self.process(life).lives() {
            self.tick_at(life, soon);
        }
    }

    /// Outcomes were carried out by the server.
    pub(super) fn settled(&mut self, life: Life, batch: &[Settle], event: &Event) {
        let Event::Settled { answer: Ok(Ok(answer)), .. } = event else { return };
        for (settle, result) in batch.iter().zip(&answer.results) {
            let kind = match result {
                SettleResult::Done if matches!(settle.verdict, Verdict::Retry(_)) => continue,
                SettleResult::Done => Kind::SettleOk,
                SettleResult::Stale => Kind::SettleStale,
            };
            self.record(kind, life, |record| {
                record.entry = (settle.id.ms, settle.id.seq);
                record.lane = message::lane_number(settle.lane.as_ref());
            });
        }
    }

    fn record_of(&mut self, kind: Kind, life: Life, handler: &Handler, detail: u8) {
        self.record(kind, life, |record| {
            record.detail = detail;
            record.attempt = u16::try_from(handler.attempt).unwrap_or(u16::MAX);
            record.message = handler.message;
            record.lane = handler.lane;
            record.entry = (handler.entry.ms, handler.entry.seq);
            record.token = handler.token;
            if kind == Kind::HandlerStart {
                record.extra = handler.session_number();
            }
        });
    }

    /// A consumer waits at the server.
    pub(super) fn waits(&mut self, call: &Call) {
        let Action::Wait { identity, hint, timeout } = &call.action else { return };
        let group = self.groups[self.processes[call.life as usize - 1].group].clone();
        let (engine, identity, hint, timeout) = (self.engine.clone(), identity.clone(), hint.clone(), *timeout);
        let number = self.token();
        let woken = std::sync::Arc::default();
        let mut future = Box::pin(async move { engine.wait(&group, &identity, &hint, timeout).await });
        let waker = Waker::from(std::sync::Arc::clone(&woken));
        let over = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let back = call.back.unwrap_or(0);
        let process = self.process(call.life);
        if !process.lives() || call.back.is_none() {
            return;
        }
        process.waiting = Some(Waiting { number, future, woken, back });
        let nanos = if over { 0 } else { nanos_of(timeout) };
        self.after(nanos + back, Due::To(call.life, Happens::WaitOver(number)));
    }

    /// Ends the waits that the last operation of the server has woken.
    pub(super) fn wake(&mut self) {
        for place in 0..self.seats.len() {
            let life = self.seats[place];
            if life == 0 {
                continue;
            }
            let process = &mut self.processes[life as usize - 1];
            let Some(waiting) = &mut process.waiting else { continue };
            if !waiting.woken.take() {
                continue;
            }
            let waker = Waker::from(std::sync::Arc::clone(&waiting.woken));
            if waiting.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                let (number, back) = (waiting.number, waiting.back);
                self.after(back, Due::To(life, Happens::WaitOver(number)));
            }
        }
    }
}
