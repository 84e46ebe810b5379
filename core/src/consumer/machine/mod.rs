//! The scheduling of a consumer as a pure state machine: events and the time go in, actions come out. No I/O, no
//! clock, no randomness, so the same logic runs against the server, the engine and a simulator.
//!
//! It guarantees, whatever the order in which answers come back or fail to: entries of a lane start one at a time in
//! stream order; outcomes of a session are reported in order, one batch under way, repeated unchanged until
//! answered; one fetch per session under way, repeated with the same cursor; nothing starts under a session that was
//! refused or whose lease is not confirmed; every start that a crash could hide is marked before it.
//!
//! Files: `session` and `lane` hold state; `setup` registers; `intake` fetches and queues; `start` hands out; `alone` tries
//! suspects and judges them; `outcome` settles; `locks` asks for those of channels; `lease` renews, `lookout` watches others and
//! adopts; `strays` brings back what others left; `room` waits for memory; `trouble` knows which calls fail, `losing` what
//! goes with a session, `deadline` when to wake; `ending` drains.
//!
//! Its words are `pub` for the simulation, which drives it under the feature `proving`; without that feature none of them
//! leaves the crate.
#![cfg_attr(not(feature = "proving"), allow(unreachable_pub))]

pub(crate) use crate::policy::backoff;
mod alone;
mod dead;
mod deadline;
mod ending;
mod intake;
mod lane;
mod lease;
mod locks;
mod lookout;
mod losing;
mod notice;
mod outcome;
mod room;
mod session;
mod setup;
mod start;
mod strays;
#[cfg(test)]
mod tests;
mod trouble;
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

pub use notice::Notice;
pub use types::{
    Action, Arrived, CancelReason, Content, Ended, Event, LockNumber, Now, Policy, SessionKey, Started, Ticket,
};
#[cfg(feature = "proving")]
pub use types::{Answer, Renewal};

use crate::transport::Session;
use alone::Alone;
use lane::Slot;
use locks::Locks;
use lookout::Lookout;
use room::Room;
use session::{Held, Running};
use setup::Setup;
use strays::Strays;
use trouble::Trouble;

/// How far the consumer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// No new work; handlers get until the deadline.
    Draining {
        deadline: Duration,
    },
    /// Handlers are gone and the last settle went out; giving identities back.
    Leaving,
    Ended,
}

/// The state of one consumer.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub struct Machine {
    policy: Policy,
    phase: Phase,
    setup: Setup,
    sessions: BTreeMap<SessionKey, Held>,
    primary: Option<SessionKey>,
    next_key: SessionKey,
    tickets: HashMap<Ticket, Running>,
    next_ticket: Ticket,
    /// Handler slots taken: running or about to be marked.
    busy: usize,
    alone: Alone,
    /// Lanes whose front may start, oldest first.
    runnable: VecDeque<(SessionKey, Slot)>,
    /// Lanes that wait for their time.
    waiting: BTreeSet<(Duration, SessionKey, u64)>,
    waiting_slots: HashMap<u64, Slot>,
    next_wait: u64,
    /// Handlers with a time limit.
    limits: BTreeSet<(Duration, Ticket)>,
    /// Bodies (and their bytes) that are fetched and not started.
    bodies: usize,
    bytes: usize,
    lookout: Lookout,
    locks: Locks,
    /// Sessions that are given up once these handlers have ended.
    parting: Vec<(Session, BTreeSet<Ticket>)>,
    wait: intake::Wait,
    /// Requests that failed in a row.
    trouble: Trouble,
    room: Room,
    strays: Strays,
    sweep_at: Duration,
    sweeping: Option<u64>,
    /// Outcomes reported so far; an empty fetch sent before the last one proves nothing about idleness.
    ended_count: u64,
    fetch_sent_after: u64,
    quiet: bool,
    probing: bool,
    stop_sent: bool,
    stop_at: Duration,
    /// When closing ends even if the server cannot be reached.
    give_up_at: Duration,
    out: Vec<Action>,
}

impl Machine {
    pub fn new(policy: Policy, now: Now) -> Self {
        let look = policy.look;
        let sweep_at = now.mono + policy.sweep;
        Self {
            policy,
            phase: Phase::Working,
            setup: Setup::Register { at: now.mono },
            sessions: BTreeMap::new(),
            primary: None,
            next_key: 0,
            tickets: HashMap::new(),
            next_ticket: 0,
            busy: 0,
            alone: Alone::default(),
            runnable: VecDeque::new(),
            waiting: BTreeSet::new(),
            waiting_slots: HashMap::new(),
            next_wait: 0,
            limits: BTreeSet::new(),
            bodies: 0,
            bytes: 0,
            lookout: Lookout::new(now.mono + look),
            locks: Locks::default(),
            parting: Vec::new(),
            wait: intake::Wait::default(),
            trouble: Trouble::default(),
            room: Room::default(),
            strays: Strays::new(sweep_at),
            sweep_at,
            sweeping: None,
            ended_count: 0,
            fetch_sent_after: 0,
            quiet: false,
            probing: false,
            stop_sent: false,
            stop_at: Duration::ZERO,
            give_up_at: Duration::MAX,
            out: Vec::new(),
        }
    }

    /// One step: takes an event in, gives what is to be done now, in order.
    pub fn step(&mut self, event: Event, now: Now) -> Vec<Action> {
        if self.phase != Phase::Ended {
            self.expire(now);
            self.take(event, now);
        }
        // The event may have been the last one.
        if self.phase != Phase::Ended {
            self.pump(now);
        }
        std::mem::take(&mut self.out)
    }

    /// A handler ended: the short way, which only frees the slot and starts what may start. Reports to the server
    /// are left to the next `step`, so that outcomes of a burst leave together.
    pub fn hand_back(&mut self, ticket: Ticket, how: Ended, now: Now) -> Vec<Action> {
        if self.phase != Phase::Ended {
            self.expire(now);
            self.ended(ticket, how, now);
            self.pump_starts(now);
        }
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, event: Event, now: Now) {
        match event {
            Event::Tick | Event::ServerSeen(_) | Event::LettersCounted(_) => {}
            Event::Registered(answer) => self.registered(answer, now),
            Event::Recreated(answer) => self.recreated(answer, now),
            Event::Fetched { key, answer } => self.fetched(key, answer, now),
            Event::Woken => self.woken(now),
            Event::Begin(ticket) => self.confirm(ticket),
            Event::Hold(on) => self.alone.held = on,
            Event::Secluded => self.secluded(),
            Event::Begun { key, answer } => self.begun(key, answer, now),
            Event::Settled { key, answer } => self.settled(key, answer, now),
            Event::BodiesRead { key, answer } => self.bodies_read(key, answer, now),
            Event::Renewed { sent, answer } => self.renewed(sent, answer, now),
            Event::Signs(answer) => self.signs(answer, now),
            Event::Adopted(answer) => self.adopted(answer, now),
            Event::Retired { key, answer } => self.retired(key, answer, now),
            Event::StopSent(answer) => self.stop_answered(answer, now),
            Event::ProbeIdle { fresh } => {
                self.probing = true;
                if fresh {
                    self.quiet = false;
                    self.ended_count += 1;
                    self.lookout.look_afresh(now.mono);
                }
            }
            Event::Drain { deadline } => self.drain(deadline),
            Event::ServerChanged => self.server_changed(now),
            Event::Locked { number, answer } => self.lock_answered(number, answer, now),
            Event::LocksRenewed { sent, answers } => self.locks_renewed(sent, answers, now),
            Event::Unlocked { number } => self.unlocked(number),
            Event::Swept(answer) => self.swept(answer, now),
            Event::Held { key, answer } => self.compared(key, answer, now),
            Event::Gathered { key, answer } => self.gathered(key, answer, now),
            Event::Surveyed(answer) => self.surveyed(answer, now),
            Event::Refreshed(answer) => self.refreshed(answer, now),
            Event::Probed(answer) => self.probed(&answer, now),
        }
    }

    /// Everything that the new state allows.
    fn pump(&mut self, now: Now) {
        self.pump_setup(now);
        self.pump_leases(now);
        self.pump_room(now);
        self.pump_waiting(now);
        self.pump_limits(now);
        self.pump_starts(now);
        self.pump_begins(now);
        self.pump_settles(now);
        self.pump_locks(now);
        self.pump_bodies(now);
        self.pump_fetches(now);
        self.pump_lookout(now);
        self.pump_retire(now);
        self.pump_strays(now);
        self.pump_ending(now);
    }

    /// Whether everything that could be seen has been dealt with.
    pub fn is_idle(&self) -> bool {
        self.quiet
            && self.lookout.is_clear()
            && self.tickets.is_empty()
            && self.sessions.values().all(|held| held.is_empty() && held.horizon.is_some())
    }

    /// The identities it acts for.
    #[cfg(feature = "proving")]
    pub fn identities(&self) -> impl Iterator<Item = &crate::topology::Name> {
        self.sessions.values().map(|held| &held.session.identity)
    }
}
