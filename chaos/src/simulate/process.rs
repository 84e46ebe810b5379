//! A simulated process with one consumer: its machine, the handlers that run, and what it has not noticed yet.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

use stargazer_core::config::ConsumerConfig;
use stargazer_core::consumer::machine::{CancelReason, Ended, Event, Machine, Policy, Started, Ticket};
use stargazer_core::transport::{EntryId, Group, Session};

use super::plan::{LEASE_MS, Plan, STRAY_MS, SWEEP_MS};

/// The number of a process life, unique in a run; the actor of its records.
pub(super) type Life = u32;

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Runs,
    /// Stopped by a signal: nothing of it happens before it goes on.
    Frozen,
    /// Its consumer has closed.
    Ended,
    Killed,
}

/// One process.
pub(super) struct Process {
    pub(super) seat: u32,
    pub(super) group: usize,
    pub(super) life: Life,
    pub(super) state: State,
    pub(super) machine: Machine,
    pub(super) handlers: BTreeMap<Ticket, Handler>,
    /// Suspects that were handed out and do not run yet.
    pub(super) offered: BTreeMap<Ticket, Started>,
    /// What happened to it while it was frozen.
    pub(super) inbox: Vec<Happens>,
    /// When it was told to look at the time next.
    pub(super) tick_at: Option<u64>,
    /// Requests so far.
    pub(super) requests: u64,
    pub(super) waiting: Option<Waiting>,
    /// The server it has seen last.
    pub(super) server: Option<String>,
    /// It closes: nobody takes its place because it has ended.
    pub(super) closing: bool,
    /// It was registered once.
    pub(super) worked: bool,
}

/// A handler that runs.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    pub(super) token: u64,
    pub(super) message: u64,
    pub(super) lane: u32,
    pub(super) entry: EntryId,
    pub(super) attempt: u32,
    pub(super) session: Session,
    /// What it will say.
    pub(super) how: Ended,
    /// It publishes through its delivery first.
    pub(super) effect: bool,
    pub(super) cancelled: Option<CancelReason>,
}

impl Handler {
    /// Tells sessions of a process apart.
    pub(super) fn session_number(&self) -> u32 {
        let name = format!("{:?}", self.session);
        name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)).max(1)
    }
}

/// A wait at the server.
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) future: Pin<Box<dyn Future<Output = stargazer_core::Result<()>> + Send>>,
    pub(super) woken: Arc<Flag>,
    /// When the answer of the server arrives at last.
    pub(super) back: u64,
}

/// Set when a wait may be over.
#[derive(Debug, Default)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a handler knows of what it published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Stored,
    /// The work is somebody else's now.
    Stale,
    /// The server has no memory for it.
    NoRoom,
    /// Lost, or refused for another reason.
    Failed,
}

/// What may happen to a process.
#[derive(Debug)]
pub(super) enum Happens {
    /// An answer, or the failure of a request.
    Answer(Event),
    /// The server has said which one it is.
    Server(Option<String>),
    /// The time has come that the machine asked for.
    Tick(u64),
    /// A wait at the server is over by its time.
    WaitOver(u64),
    /// The host has got as far as a suspect that it was handed.
    Ready(Ticket),
    /// A handler has done its work.
    Done(Ticket),
    /// A handler hears of what it published.
    Effect(Ticket, Effect),
    /// A handler that was told to end does so.
    GaveUp(Ticket),
    /// A message kills its process, which is there again after so many milliseconds.
    Dies(u64),
}

impl Process {
    pub(super) fn new(plan: &Plan, group: &Group, seat: u32, life: Life, now: u64, seed: u64) -> Self {
        let mut config = ConsumerConfig::default();
        config.concurrency = plan.concurrency;
        config.prefetch = Some(plan.prefetch);
        config.ordering = plan.ordering;
        config.strict = plan.strict;
        config.lock_ttl = super::network::LOCK;
        config.max_attempts = plan.max_attempts;
        config.retry_base = Duration::from_millis(50);
        config.retry_max = Duration::from_millis(800);
        config.handler_timeout = (plan.work.endless > 0).then_some(Duration::from_millis(LEASE_MS * 3));
        config.lease = Duration::from_millis(LEASE_MS);
        config.sweep = Duration::from_millis(SWEEP_MS);
        config.autoclaim_min_idle = Duration::from_millis(STRAY_MS);
        let policy = Policy::new(&config, group.stream.clone(), group.name.clone(), super::world::DEAD.into(), seed);
        Self {
            seat,
            group: usize::try_from(seat / plan.consumers).unwrap_or(0),
            life,
            state: State::Runs,
            machine: Machine::new(policy, super::world::moment(now)),
            handlers: BTreeMap::new(),
            offered: BTreeMap::new(),
            inbox: Vec::new(),
            tick_at: None,
            requests: 0,
            waiting: None,
            server: None,
            closing: false,
            worked: false,
        }
    }

    /// Whether anything may still come from it.
    pub(super) fn lives(&self) -> bool {
        matches!(self.state, State::Runs | State::Frozen)
    }
}
