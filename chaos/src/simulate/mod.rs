//! The simulation: consumers, producers and a server in one thread, on virtual time, everything from a seed.
//!
//! The consumers are the real state machines (`core/src/consumer/machine`), the server is the engine of the core; the
//! simulation plays drivers, handlers, the network and the accidents. A [`Plan`] says what is to happen; what it leaves
//! open is rolled from the seed. A run that fails is made smaller ([`shrink`]) and can be kept as a text.

mod clock;
mod command;
mod consume;
mod dice;
mod faults;
mod foreign;
mod message;
mod network;
mod plan;
mod process;
mod producer;
mod shrink;
mod testimony;
#[cfg(test)]
mod tests;
mod text;
mod verdict;
mod world;

use stargazer_core::transport::Transport;

pub use command::{Options, Sum, many, play};
pub use plan::{Fault, LEASE_MS, Plan, STRAY_MS, SWEEP_MS, What, Work};

pub use shrink::shrink;
pub use text::{Schedule, quiet};
pub use verdict::rules;

use crate::history::Record;
use network::{PATIENCE, at_once};
use process::Process;
use world::{MS, STREAM, World};

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What happened, in order.
    pub history: Vec<Record>,
    /// Promises that did not hold, in words; empty when all did.
    pub findings: Vec<String>,
    /// Things that happened in the queue.
    pub events: u64,
    /// Virtual time at the end, in milliseconds.
    pub took_ms: u64,
}

impl Outcome {
    /// The kind of the first failure: the name of a check, or the word for what got stuck.
    fn failure(&self) -> Option<&str> {
        self.findings.first()?.split([' ', ':']).next()
    }
}

/// Lets a plan happen to its end, whatever goes wrong on the way, and looks at what is left: a history for the checker.
/// The findings say only where it got stuck.
pub fn observe(seed: u64, plan: &Plan) -> Outcome {
    let mut world = World::new(seed, plan);
    world.go_through();
    Outcome { took_ms: world.now / MS, events: world.events, history: world.history, findings: world.findings }
}

/// Lets a plan happen and has it judged.
pub fn run(seed: u64, plan: &Plan) -> Outcome {
    let mut world = World::new(seed, plan);
    world.go_through();
    let mut findings = std::mem::take(&mut world.findings);
    findings.extend(world.verdict());
    Outcome { took_ms: world.now / MS, events: world.events, history: world.history, findings }
}

impl World<'_> {
    fn go_through(&mut self) {
        let stuck = self.live().err();
        self.findings.extend(stuck);
        self.testify();
    }
}

impl World<'_> {
    /// Everything from the first message to the last consumer's end; what it got stuck at.
    fn live(&mut self) -> Result<(), String> {
        let plan = self.plan;
        let calm = 100 * MS + plan.calm_at_ms() * MS;
        let patience = (300_000 + 20 * plan.messages * plan.work.ms) * MS;
        let all_answered = |world: &mut Self| world.now >= calm && world.producer.answered == plan.messages;
        if !self.until(calm + patience, all_answered) {
            return Err(format!("stuck: {} of {} messages are published", self.producer.answered, plan.messages));
        }
        if !self.until(self.now + patience, Self::is_drained) {
            return Err(format!("stuck: not drained: {}", self.left()));
        }
        // What is carried out late has come by then; what dead processes left behind goes after a lease each at most.
        let late = calm + PATIENCE + 1000 * MS;
        self.until(late, |world| world.now >= late);
        if !self.until(self.now + 60_000 * MS, Self::is_tidy) {
            return Err(format!("left behind: {}", self.left()));
        }
        self.close_all()?;
        // Somebody comes once more and sweeps what closed consumers could not know of.
        for seat in 0..plan.groups {
            self.start(seat * plan.consumers);
        }
        let swept = self.now + 4 * SWEEP_MS * MS;
        self.until(swept, |world| world.now >= swept);
        self.close_all()?;
        self.is_at_base_line().then_some(()).ok_or_else(|| format!("not at the base line: {}", self.left()))
    }

    fn close_all(&mut self) -> Result<(), String> {
        for seat in 0..self.seats.len() {
            self.close(self.seats[seat], 1000 * MS);
        }
        let closed = |world: &mut Self| world.processes.iter().all(|process| !process.lives());
        let fine = self.until(self.now + 10_000 * MS, closed);
        fine.then_some(()).ok_or_else(|| format!("stuck: not all consumers have closed: {}", self.left()))
    }
}

impl World<'_> {
    /// Goes on until something holds (looked at every 20 ms), at most to a time; whether it holds.
    fn until(&mut self, deadline: u64, mut holds: impl FnMut(&mut Self) -> bool) -> bool {
        let mut look_at = self.now;
        loop {
            if self.now >= look_at {
                if holds(self) {
                    return true;
                }
                look_at = self.now + 20 * MS;
            }
            if self.now >= deadline || !self.step() {
                return holds(self);
            }
        }
    }

    fn is_drained(&mut self) -> bool {
        let Some(Ok(info)) = at_once(self.engine.stream_info(&STREAM.into())) else { return false };
        info.groups.len() == self.groups.len()
            && info.groups.iter().all(|group| group.pending == 0 && group.lag == Some(0))
    }

    /// Whether nothing is left of those who died: every identity is that of a process that runs, one for each.
    fn is_tidy(&mut self) -> bool {
        let closing = self.processes.iter().any(|process| process.lives() && process.closing);
        // The lane of an entry that somebody deleted or acknowledged while it was pending with us is not counted down.
        let meddled = |fault: &Fault| matches!(fault.what, What::Delete { .. } | What::Foreign { .. });
        let deleted = self.plan.faults.iter().any(meddled);
        !closing
            && self.groups.iter().enumerate().all(|(n, group)| {
                let live = self.processes.iter().filter(|process| process.lives() && process.group == n);
                let single = live.clone().all(|process| process.machine.identities().count() == 1);
                let mut live: Vec<_> = live.flat_map(|process| process.machine.identities()).collect();
                let signs = at_once(self.engine.signs(group)).and_then(Result::ok).unwrap_or_default();
                let registered: Vec<_> = signs.iter().map(|sign| &sign.identity).collect();
                live.sort_unstable();
                let kept = self.engine.kept(group).unwrap_or_default();
                single && live == registered && kept.1 == 0 && (kept.0 == 0 || deleted)
            })
    }

    /// Whether everything is as before the first message.
    fn is_at_base_line(&mut self) -> bool {
        self.groups.iter().all(|group| {
            let signs = at_once(self.engine.signs(group)).and_then(Result::ok).map_or(0, |signs| signs.len());
            signs == 0 && self.engine.kept(group).is_ok_and(|kept| kept == (0, 0))
        })
    }

    /// What is left, in words.
    fn left(&mut self) -> String {
        let mut text = vec![format!("{:?}", at_once(self.engine.stream_info(&STREAM.into())))];
        for group in &self.groups {
            let signs = at_once(self.engine.signs(group)).and_then(Result::ok).unwrap_or_default();
            let pending = self.engine.pending_entries(group).unwrap_or_default();
            let (pending, kept) = (&pending[..pending.len().min(5)], self.engine.kept(group));
            text.push(format!("{}: kept {kept:?}, {signs:?}, {pending:?}", group.name));
        }
        for Process { life, seat, state, handlers, machine, .. } in self.processes.iter().filter(|p| p.lives()) {
            let running = handlers.len();
            text.push(format!("{life} in seat {seat}: {state:?}, {running} handlers, {machine:?}"));
        }
        text.join("\n  ")
    }
}
