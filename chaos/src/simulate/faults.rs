//! Making things go wrong, and right again.

use stargazer_core::consumer::machine::Event;
use stargazer_core::topology::Name;
use stargazer_core::transport::{EntryId, Transport};

use super::network::at_once;
use super::plan::{Fault, What};
use super::process::{Life, State};
use super::world::{Due, MS, STREAM, World};
use crate::history::{FaultKind, Kind};

impl What {
    /// How records name it; a poison is a message, not a fault.
    const fn kind(self) -> Option<FaultKind> {
        Some(match self {
            Self::Poison { .. } => return None,
            Self::Kill { .. } => FaultKind::Kill,
            Self::Freeze { .. } => FaultKind::Freeze,
            Self::Stop { .. } => FaultKind::Terminate,
            Self::Lossy { .. } => FaultKind::ReplyLost,
            Self::Slow { .. } => FaultKind::SlowLink,
            Self::Pause => FaultKind::ServerFreeze,
            Self::Restart { lose_ms: 0 } => FaultKind::RestartAlways,
            Self::Restart { .. } => FaultKind::RollBack,
            Self::DestroyGroup { .. } => FaultKind::DestroyGroup,
            Self::DropStream => FaultKind::DeleteStream,
            Self::Flush => FaultKind::Flush,
            Self::Delete { .. } => FaultKind::DeletePending,
            Self::DeleteConsumer { .. } => FaultKind::DeleteConsumer,
            Self::Deny => FaultKind::AclRevoked,
            Self::FullMemory => FaultKind::FullMemory,
            Self::Usurp { group: None } => FaultKind::WrongType,
            Self::Usurp { group: Some(_) } => FaultKind::WrongRegistry,
            Self::Foreign { .. } => FaultKind::ForeignConsumer,
            Self::Clock { .. } => FaultKind::ClockStep,
        })
    }
}

impl World<'_> {
    /// Puts a fault into the queue.
    pub(super) fn plan_fault(&mut self, n: usize, fault: &Fault, at: u64) {
        if let What::Restart { lose_ms } = fault.what {
            self.server.breaks.push(at);
            if lose_ms > 0 {
                self.at(at.saturating_sub(lose_ms * MS), Due::Keep(n));
            }
        }
        self.at(at, Due::Fault(n));
        self.at(at + fault.for_ms * MS, Due::Over(n));
    }

    fn tell(&mut self, kind: Kind, n: usize) {
        let what = self.plan.faults[n].what;
        let hits = match what {
            What::Kill { seat }
            | What::Freeze { seat }
            | What::Stop { seat }
            | What::Lossy { seat: Some(seat), .. } => {
                self.seats.get(usize::try_from(seat).unwrap_or(usize::MAX)).copied().unwrap_or(0)
            }
            _ => 0,
        };
        let Some(fault) = what.kind() else { return };
        self.record(kind, 0, |record| {
            record.detail = fault as u8;
            record.token = n as u64;
            record.extra = hits;
            if let What::Restart { lose_ms } = what {
                record.message = lose_ms * MS;
            }
        });
    }

    fn in_seat(&self, seat: u32) -> Option<Life> {
        self.seats.get(usize::try_from(seat).ok()?).copied().filter(|life| *life > 0)
    }

    /// A fault begins.
    pub(super) fn fault(&mut self, n: usize) {
        self.tell(Kind::FaultBegin, n);
        let Fault { for_ms, what, .. } = self.plan.faults[n];
        let until = self.now + for_ms * MS;
        match what {
            What::Kill { seat } => {
                if let Some(life) = self.in_seat(seat) {
                    self.kill(life, None);
                }
            }
            What::Freeze { seat } => {
                if let Some(life) = self.in_seat(seat)
                    && self.process(life).state == State::Runs
                {
                    self.process(life).state = State::Frozen;
                }
            }
            What::Stop { seat } => {
                if let Some(life) = self.in_seat(seat) {
                    self.close(life, 500 * MS);
                }
            }
            What::Pause => self.server.paused_until = self.server.paused_until.max(until),
            What::Restart { .. } => self.restart(n, until),
            What::DestroyGroup { group } => {
                if let Some(group) = self.groups.get(usize::try_from(group).unwrap_or(usize::MAX)) {
                    // Nothing to destroy is fine.
                    let _ = self.engine.destroy_group(group);
                }
            }
            What::DropStream => {
                let _ = self.engine.drop_stream(&STREAM.into());
            }
            What::Flush => {
                let _ = self.engine.flush();
                self.count_groups();
            }
            What::Delete { count } => self.delete(count),
            What::DeleteConsumer { seat } => self.delete_consumer(seat),
            What::Deny => self.server.denies_until = self.server.denies_until.max(until),
            What::Clock { ms } => self.clock.step(ms),
            // None can fail: the engine is not closed.
            What::FullMemory => drop(self.engine.fill_memory(true)),
            What::Usurp { group } => {
                if let Some(key) = self.usurped(group) {
                    let _ = self.engine.usurp(&key);
                }
            }
            What::Foreign { group, deletes, dies } => self.foreign_comes(n, group, deletes, dies, until),
            What::Poison { .. } | What::Lossy { .. } | What::Slow { .. } => {}
        }
        self.wake();
    }

    /// A fault is over.
    pub(super) fn over(&mut self, n: usize) {
        self.tell(Kind::FaultEnd, n);
        match self.plan.faults[n].what {
            What::Kill { seat } | What::Stop { seat } => self.start(seat),
            What::Freeze { seat } => self.thaw(seat),
            What::FullMemory | What::Usurp { .. } => self.clear_up(Some(n)),
            What::Foreign { .. } => self.foreign_leaves(n),
            _ => {}
        }
    }

    /// Makes room, and takes texts away, except where another fault is on that wants them.
    fn clear_up(&self, over: Option<usize>) {
        let is_on = |what: What| {
            let on = |(n, fault): (usize, &Fault)| {
                let begin = (100 + fault.at_ms) * MS;
                Some(n) != over && fault.what == what && begin <= self.now && self.now < begin + fault.for_ms * MS
            };
            self.plan.faults.iter().enumerate().any(on)
        };
        if !is_on(What::FullMemory) {
            let _ = self.engine.fill_memory(false);
        }
        for group in std::iter::once(None).chain((0..self.plan.groups).map(Some)) {
            if let Some(key) = self.usurped(group).filter(|_| !is_on(What::Usurp { group })) {
                let _ = self.engine.give_back(&key);
            }
        }
    }

    /// The key in whose place somebody puts a text.
    fn usurped(&self, group: Option<u32>) -> Option<Name> {
        let Some(group) = group else { return Some(STREAM.into()) };
        self.groups.get(usize::try_from(group).ok()?).map(|group| group.keys.consumers.clone())
    }

    /// The process that was frozen in a seat goes on with everything that came meanwhile.
    fn thaw(&mut self, seat: u32) {
        for place in 0..self.processes.len() {
            let process = &mut self.processes[place];
            if process.seat != seat || process.state != State::Frozen {
                continue;
            }
            process.state = State::Runs;
            let life = process.life;
            let inbox = std::mem::take(&mut process.inbox);
            for (n, happens) in inbox.into_iter().enumerate() {
                let nanos = self.dice.of(&[60, life.into(), self.now, n as u64]).below(100 * MS);
                self.after(nanos, Due::To(life, happens));
            }
        }
    }

    /// A process is gone; after a while (milliseconds) another one takes its place.
    pub(super) fn kill(&mut self, life: Life, back: Option<u64>) {
        let process = self.process(life);
        if !process.lives() {
            return;
        }
        process.state = State::Killed;
        process.waiting = None;
        process.inbox.clear();
        process.handlers.clear();
        let seat = process.seat;
        self.record(Kind::ActorKilled, life, |record| record.detail = u8::from(back.is_some()));
        if let Some(ms) = back {
            self.after(ms * MS, Due::Start(seat));
        }
    }

    /// A consumer closes in order.
    pub(super) fn close(&mut self, life: Life, within: u64) {
        let deadline = std::time::Duration::from_nanos(self.now + within);
        let process = self.process(life);
        if process.state == State::Runs {
            process.closing = true;
            self.feed(life, Event::Drain { deadline });
        }
    }

    /// The state is kept that a restart will bring back.
    pub(super) fn keep(&mut self, n: usize) {
        if let Ok(snapshot) = self.engine.snapshot() {
            self.kept.insert(n, snapshot);
        }
    }

    /// The server is another one now, without its last writes if so planned.
    fn restart(&mut self, n: usize, until: u64) {
        self.server.down_until = self.server.down_until.max(until);
        for process in &mut self.processes {
            if let Some(waiting) = &mut process.waiting {
                // Its connection broke: who cannot wait at the server waits by itself, for as long.
                waiting.future = Box::pin(std::future::pending());
            }
        }
        // Neither can fail: the engine is not closed.
        let _ = match self.kept.remove(&n) {
            Some(snapshot) => self.engine.restart_from(snapshot),
            None => self.engine.restart(),
        };
        // What somebody did is undone by himself, also where the server went back to before.
        self.clear_up(None);
        self.count_groups();
    }

    /// Whether the server knows of every group.
    pub(super) fn count_groups(&mut self) {
        let known = self.engine.groups_that_count(&STREAM.into()).unwrap_or(0);
        self.groups_gone = known < self.groups.len();
        self.groups_were_gone |= self.groups_gone && self.groups.len() > 1;
    }

    /// Deletes the consumers of whatever a seat acts for.
    fn delete_consumer(&mut self, seat: u32) {
        let Some(life) = self.in_seat(seat) else { return };
        let group = usize::try_from(seat / self.plan.consumers.max(1)).unwrap_or(usize::MAX);
        let identities: Vec<_> = self.process(life).machine.identities().cloned().collect();
        let Some(group) = self.groups.get(group) else { return };
        for identity in identities {
            let _ = self.engine.delete_consumer(group, &identity);
        }
    }

    fn delete(&mut self, count: u32) {
        let count = usize::try_from(count).unwrap_or(0);
        let oldest = at_once(self.engine.range(&STREAM.into(), EntryId::ZERO, EntryId::MAX, count));
        let ids: Vec<_> = oldest.and_then(Result::ok).into_iter().flatten().map(|entry| entry.id).collect();
        let _ = self.engine.delete_entries(&STREAM.into(), &ids);
        for id in &ids {
            let Some((message, lane)) = self.entries.get(id).copied() else { continue };
            self.record(Kind::Deleted, 0, |record| {
                (record.message, record.lane, record.entry) = (message, lane, (id.ms, id.seq));
            });
        }
    }
}
