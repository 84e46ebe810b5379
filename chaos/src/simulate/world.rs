//! The simulated world: processes, producers, a server, the faults between them, and one queue of what happens when.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use stargazer_core::clock::ManualClock;
use stargazer_core::consumer::machine::Now;
use stargazer_core::engine::{Engine, Snapshot};
use stargazer_core::transport::{EntryId, Group};

use super::clock::Virtual;
use super::dice::Dice;
use super::foreign::Foreign;
use super::network::{Call, Server};
use super::plan::Plan;
use super::process::{Happens, Life, Process};
use super::producer::{Attempt, Producer};
use crate::history::{Kind, Record};

/// The stream, its dead letters, and what handlers write to.
pub(super) const STREAM: &str = "work";
pub(super) const DEAD: &str = "dead";
pub(super) const OUT: &str = "out";

/// Nanoseconds of a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// The two times as a process reads them. Its wall clock is right, whatever happens to the server's.
pub(super) fn moment(now: u64) -> Now {
    Now { mono: Duration::from_nanos(now), wall_ms: ManualClock::START_WALL_MS + now / MS }
}

/// What happens at some time.
pub(super) enum Due {
    /// To a process.
    To(Life, Happens),
    /// A request reaches the server.
    Arrives(Box<Call>),
    /// A message is to be published.
    Publish(Attempt),
    /// Its request reaches the server; nanoseconds until the answer is back, if it comes back.
    Published(Attempt, Option<u64>),
    /// A fault begins; a fault is over; the state is kept that it will bring back.
    Fault(usize),
    Over(usize),
    Keep(usize),
    /// A foreign consumer looks for work; it has handled an entry. By the fault that brought it.
    ForeignReads(usize),
    ForeignDone(usize, EntryId),
    /// Another process takes a seat.
    Start(u32),
    /// A look at how far everything is.
    Look,
}

/// Everything.
pub(super) struct World<'a> {
    pub(super) plan: &'a Plan,
    pub(super) dice: Dice,
    pub(super) now: u64,
    pub(super) clock: Virtual,
    pub(super) engine: Arc<Engine>,
    pub(super) server: Server,
    pub(super) groups: Vec<Group>,
    /// By life, which is the place and one.
    pub(super) processes: Vec<Process>,
    /// The life in each seat.
    pub(super) seats: Vec<Life>,
    pub(super) producer: Producer,
    /// Consumers that know nothing of us, by the fault that brought them.
    pub(super) foreign: HashMap<usize, Foreign>,
    pub(super) kept: HashMap<usize, Snapshot>,
    pub(super) history: Vec<Record>,
    /// Consumers that ended with an error that no fault explains.
    pub(super) findings: Vec<String>,
    /// The message and lane of each entry there ever was.
    pub(super) entries: HashMap<EntryId, (u64, u32)>,
    /// The server does not know of every group at the moment; it did not at some time after the first message, with
    /// other groups beside, so that one that came back may have found less.
    pub(super) groups_gone: bool,
    pub(super) groups_were_gone: bool,
    /// How often a group has started a message.
    pub(super) turns: HashMap<(usize, u64), u64>,
    pub(super) next_token: u64,
    pub(super) events: u64,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    slots: Vec<Option<Due>>,
    free: Vec<usize>,
    pushed: u64,
}

impl<'a> World<'a> {
    pub(super) fn new(seed: u64, plan: &'a Plan) -> Self {
        let clock = Virtual::default();
        let engine = Engine::new(Arc::new(clock.clone()));
        let groups: Vec<_> = (0..plan.groups)
            .map(|n| Group::new(STREAM.into(), format!("g{n}").into(), plan.ordering, plan.retention))
            .collect();
        let mut world = Self {
            plan,
            dice: Dice::new(seed),
            now: 0,
            clock,
            engine,
            server: Server::default(),
            entries: HashMap::new(),
            groups_gone: false,
            groups_were_gone: false,
            groups,
            processes: Vec::new(),
            seats: vec![0; usize::try_from(plan.groups * plan.consumers).unwrap_or(0)],
            producer: Producer::default(),
            foreign: HashMap::new(),
            kept: HashMap::new(),
            history: Vec::new(),
            findings: Vec::new(),
            turns: HashMap::new(),
            next_token: 1,
            events: 0,
            queue: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            pushed: 0,
        };
        world.prepare();
        world
    }

    /// Puts everything that is known beforehand into the queue.
    fn prepare(&mut self) {
        for seat in 0..self.plan.groups * self.plan.consumers {
            let at = self.dice.of(&[10, seat.into()]).below(20 * MS);
            self.at(at, Due::Start(seat));
        }
        // The first messages find the groups there, else an `acked` stream with two groups could not know of both.
        let mut at = 100 * MS;
        for number in 0..self.plan.messages {
            at += self.dice.of(&[11, number]).below(2 * self.plan.every_us * 1000);
            self.at(at, Due::Publish(Attempt::first(number)));
        }
        for (n, fault) in self.plan.faults.iter().enumerate() {
            let at = 100 * MS + fault.at_ms * MS;
            self.plan_fault(n, fault, at);
        }
        self.at(at, Due::Look);
    }

    /// Lets something happen at a time.
    pub(super) fn at(&mut self, at: u64, due: Due) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(due);
        self.pushed += 1;
        self.queue.push(Reverse((at.max(self.now), self.pushed, slot)));
    }

    /// Lets something happen after a while.
    pub(super) fn after(&mut self, nanos: u64, due: Due) {
        self.at(self.now + nanos, due);
    }

    /// Takes the next thing from the queue and lets it happen; false when there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some(Reverse((at, _, slot))) = self.queue.pop() else { return false };
        let Some(due) = self.slots[slot].take() else { return true };
        self.free.push(slot);
        self.now = at;
        self.clock.set(at);
        self.events += 1;
        match due {
            Due::To(life, happens) => self.happens(life, happens),
            Due::Arrives(call) => self.arrives(*call),
            Due::Publish(attempt) => self.publish(attempt),
            Due::Published(attempt, back) => self.published(attempt, back),
            Due::Fault(n) => self.fault(n),
            Due::Over(n) => self.over(n),
            Due::Keep(n) => self.keep(n),
            Due::ForeignReads(n) => self.foreign_reads(n),
            Due::ForeignDone(n, id) => self.foreign_done(n, id),
            Due::Start(seat) => self.start(seat),
            Due::Look => {}
        }
        true
    }

    /// A number that nobody else has.
    pub(super) fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Writes a record.
    pub(super) fn record(&mut self, kind: Kind, actor: Life, fill: impl FnOnce(&mut Record)) {
        let mut record = Record::new(kind, self.now, actor);
        fill(&mut record);
        self.history.push(record);
    }
}
