//! What goes into the machine and what comes out: plain data.

use std::sync::Arc;
use std::time::Duration;

use super::notice::Notice;
use crate::config::{ConsumerConfig, OnLeaseLost};
use crate::error::Error;
use crate::topology::Name;
use crate::transport::{
    EntryId, Fields, Gather, Gathered, Hint, Lane, Record, Recreated, Refusal, Session, Settle, Settled, Sign,
};

/// The settings the machine decides by.
#[derive(Debug, Clone)]
pub struct Policy {
    pub concurrency: usize,
    pub prefetch: usize,
    pub prefetch_bytes: usize,
    pub strict: bool,
    pub max_attempts: u32,
    pub retry_base: Duration,
    pub retry_max: Duration,
    pub retry_jitter: f64,
    pub handler_timeout: Option<Duration>,
    pub lease: Duration,
    pub sweep: Duration,
    pub grace: Duration,
    pub look: Duration,
    pub on_lease_lost: OnLeaseLost,
    /// How long a lock lasts, where lanes need one.
    pub lock_ttl: Option<Duration>,
    pub idle_poll: Duration,
    pub autoclaim_min_idle: Duration,
    /// Where dead letters go.
    pub dead_letter_stream: Name,
    /// Stream and group, as they stand in a dead letter.
    pub stream: Name,
    pub group: Name,
    /// Seed of the jitter; the machine itself draws no random numbers.
    pub seed: u64,
}

impl Policy {
    pub fn new(config: &ConsumerConfig, stream: Name, group: Name, dead_letters: Name, seed: u64) -> Self {
        Self {
            concurrency: config.concurrency,
            prefetch: config.prefetch(),
            prefetch_bytes: config.prefetch_bytes,
            strict: config.strict,
            max_attempts: config.max_attempts,
            retry_base: config.retry_base,
            retry_max: config.retry_max,
            retry_jitter: config.retry_jitter,
            handler_timeout: config.handler_timeout,
            lease: config.lease,
            sweep: config.sweep,
            grace: config.grace(),
            look: config.look(),
            on_lease_lost: config.on_lease_lost,
            lock_ttl: config.ordering.locks().then_some(config.lock_ttl),
            idle_poll: config.idle_poll,
            autoclaim_min_idle: config.autoclaim_min_idle,
            dead_letter_stream: dead_letters,
            stream,
            group,
            seed,
        }
    }
}

/// The two times a step is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic.
    pub mono: Duration,
    /// Milliseconds since 1970, for what people read later.
    pub wall_ms: u64,
}

/// Names a session inside the machine; never used again.
pub type SessionKey = u32;

/// Names a started delivery; never used again.
pub type Ticket = u64;

/// Names a lock that was asked for; never used again.
pub type LockNumber = u64;

/// What an arrived entry holds, judged before the machine sees it.
#[derive(Debug, Clone)]
pub enum Content {
    /// Deleted while pending.
    Vanished,
    /// A body no handler may see: why, and the fields as they came.
    Bad(Error, Arc<Fields>),
    /// Sound.
    Good(Arc<Fields>),
}

/// An entry as the driver hands it in.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub id: EntryId,
    pub lane: Option<Lane>,
    pub history: bool,
    pub record: Option<Record>,
    pub content: Content,
    /// Key of the big body, if it has one.
    pub body: Option<Name>,
    /// Names of the locks that it needs to run.
    pub locks: Arc<[Name]>,
}

/// How a handler ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    Ack,
    Reject {
        reason: String,
    },
    /// Its body is not what its reader expects; `code` is the kind of error.
    Refuse {
        code: &'static str,
        text: String,
    },
    /// `after`: as asked for, else by the back-off. `error`: what is known of the cause.
    Retry {
        after: Option<Duration>,
        error: Option<String>,
    },
    Release,
    /// It failed, and the server had refused a write of its own for want of room: as if given back, and again after this
    /// time, if it asked for one.
    NoRoom {
        after: Option<Duration>,
        /// It was the server's memory that was full, not a stream.
        memory: bool,
        /// What is known of the cause: in the handler's words, else in those of the refusal.
        error: String,
    },
    /// It never began: nobody took it, or it was not allowed to.
    Unstarted,
}

/// An answer of the transport: done, refused, or trouble (repeat).
pub type Answer<T> = Result<Result<T, Refusal>, Error>;

/// The new beat of a session, or why it was refused.
pub type Renewal = (SessionKey, Result<u64, Refusal>);

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Time passed; nothing else.
    Tick,
    Registered(Answer<Session>),
    Recreated(Result<Recreated, Error>),
    Fetched {
        key: SessionKey,
        answer: Answer<(Vec<Arrived>, Option<Hint>)>,
    },
    Woken,
    /// Whoever was handed this delivery is about to run it.
    Begin(Ticket),
    /// Another consumer of the process is, or wants to be, alone in it.
    Hold(bool),
    /// We are alone in the process: no handler of any consumer runs in it.
    Secluded,
    Begun {
        key: SessionKey,
        answer: Answer<()>,
    },
    Settled {
        key: SessionKey,
        answer: Answer<Settled>,
    },
    BodiesRead {
        key: SessionKey,
        answer: Result<Vec<(EntryId, Content)>, Error>,
    },
    Renewed {
        sent: Duration,
        answer: Result<Vec<Renewal>, Error>,
    },
    Signs(Result<Vec<Sign>, Error>),
    Adopted(Result<Option<Session>, Error>),
    Retired {
        key: SessionKey,
        answer: Answer<bool>,
    },
    StopSent(Result<(), Error>),
    /// Someone wants to know when nothing is left.
    ProbeIdle {
        /// Asked just now: a fetch that was sent before proves nothing.
        fresh: bool,
    },
    /// No new work; handlers get until the deadline.
    Drain {
        deadline: Duration,
    },
    /// Which server it is (the driver compares).
    ServerSeen(String),
    /// How many dead letters there are (the driver tells).
    LettersCounted(u64),
    /// The server is another one than before, or forgot part of what it knew.
    ServerChanged,
    /// Swept a page of the janitor's walk.
    Swept(Result<Option<u64>, Error>),
    /// Whether a lock is ours now.
    Locked {
        number: LockNumber,
        answer: Result<bool, Error>,
    },
    LocksRenewed {
        sent: Duration,
        answers: Vec<(LockNumber, Result<bool, Error>)>,
    },
    Unlocked {
        number: LockNumber,
    },
    /// The pending list as the server has it.
    Held {
        key: SessionKey,
        answer: Result<Vec<EntryId>, Error>,
    },
    /// A page of strays.
    Gathered {
        key: SessionKey,
        answer: Answer<Gathered>,
    },
    /// The consumers of the group that are not registered.
    Surveyed(Result<Vec<Name>, Error>),
    /// What we hold was shown to be worked on.
    Refreshed(Result<(), Error>),
    /// Whether the server takes writes that need memory.
    Probed(Result<bool, Error>),
}

/// Why a running handler is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// Another consumer has, or may have, the work.
    LeaseLost,
    /// It ran longer than `handler_timeout`.
    TimedOut,
    /// The consumer closes and the drain time is over.
    Closing,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    Register,
    Recreate,
    Fetch {
        key: SessionKey,
        session: Session,
        cursor: EntryId,
        count: usize,
        max_bytes: usize,
        unweighed: bool,
        new: bool,
        wary: bool,
    },
    Wait {
        identity: Name,
        hint: Hint,
        timeout: Duration,
    },
    Begin {
        key: SessionKey,
        session: Session,
        starts: Vec<(EntryId, Record)>,
    },
    Settle {
        key: SessionKey,
        session: Session,
        batch: Arc<[Settle]>,
    },
    ReadBodies {
        key: SessionKey,
        ids: Vec<EntryId>,
    },
    Renew {
        sessions: Vec<(SessionKey, Session)>,
    },
    Look,
    /// Whether the server is still the one it was: one that is back may be another.
    LookAtServer,
    Adopt {
        seen: Sign,
    },
    Retire {
        key: SessionKey,
        session: Session,
    },
    Stop {
        sessions: Vec<Session>,
    },
    Sweep {
        cursor: u64,
    },
    CompareHeld {
        key: SessionKey,
        identity: Name,
    },
    /// Take all of these locks, or none.
    Lock {
        number: LockNumber,
        names: Arc<[Name]>,
        token: Name,
    },
    RenewLocks {
        locks: Vec<(LockNumber, Arc<[Name]>, Name)>,
    },
    Unlock {
        number: LockNumber,
        names: Arc<[Name]>,
        token: Name,
    },
    Gather {
        key: SessionKey,
        session: Session,
        request: Gather,
    },
    Survey,
    Refresh {
        sessions: Vec<Session>,
    },
    /// Whether the server takes writes that need memory.
    Probe,
    /// Ask to be alone in the process: nothing else is to start in it before [`Action::Mingle`].
    Seclude,
    /// Others may start again.
    Mingle,
    /// Hand a delivery to a handler.
    Start(Started),
    /// The handler of a suspect may run: its start is marked.
    Go(Ticket),
    Cancel {
        ticket: Ticket,
        reason: CancelReason,
    },
    /// Tell the owner of the consumer.
    Tell(Notice),
    /// Nothing is left and nothing will come: the consumer has ended.
    Ended(Result<(), Error>),
}

/// A delivery on its way to a handler.
#[derive(Debug)]
pub struct Started {
    pub ticket: Ticket,
    pub id: EntryId,
    pub lane: Option<Lane>,
    pub fields: Arc<Fields>,
    /// Which start this is, from 1.
    pub attempt: u32,
    pub redelivered: bool,
    /// Its process may have died of it: it runs alone, and only once its start was confirmed ([`Event::Begin`]).
    pub suspect: bool,
    pub session: Session,
}
