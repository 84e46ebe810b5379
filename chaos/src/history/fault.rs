//! The kinds of fault, and what each may do to the promises: how much the server forgets, and whom it hits.

use std::fmt;
use std::str::FromStr;

/// What the server may have forgotten when the fault is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgets {
    /// Nothing.
    Nothing,
    /// The group: who has what, and what was settled; no entry.
    Group,
    /// Entries stored in this last time (nanoseconds) before the fault, and everything of the group since.
    Entries(u64),
}

/// Whom a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hits {
    /// One process.
    Process,
    /// The server, and with it everybody.
    Server,
    /// The connection of one process, or of everybody.
    Link,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Phase {
    /// Stored, and no handler had it.
    BeforeFetch = 1,
    /// A handler runs.
    InHandler = 2,
    /// It ended, and its outcome is not on its way.
    BeforeSettle = 3,
    /// The outcome is on its way.
    SettleSent = 4,
    /// The outcome is recorded.
    After = 5,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 5] = [Self::BeforeFetch, Self::InHandler, Self::BeforeSettle, Self::SettleSent, Self::After];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeFetch => "before fetch",
            Self::InHandler => "in handler",
            Self::BeforeSettle => "before settle",
            Self::SettleSent => "settle sent",
            Self::After => "after",
        }
    }
}

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;
const ALL: u64 = u64::MAX;

macro_rules! faults {
    ($($(#[$doc:meta])+ $kind:ident = $number:literal, $name:literal, $hits:ident, $forgets:expr;)+) => {
        /// A kind of fault. Numbers are never used again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum FaultKind { $($(#[$doc])+ $kind = $number,)+ }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Its name, as in reports and rules.
            pub const fn name(self) -> &'static str { match self { $(Self::$kind => $name,)+ } }

            /// Whom it hits.
            pub const fn hits(self) -> Hits { match self { $(Self::$kind => Hits::$hits,)+ } }

            /// What it makes the server forget, if its record says nothing else.
            pub const fn forgets(self) -> Forgets { match self { $(Self::$kind => $forgets,)+ } }
        }
    };
}

faults! {
    /// SIGKILL.
    Kill = 1, "kill", Process, Forgets::Nothing;
    /// SIGSTOP, later SIGCONT.
    Freeze = 2, "freeze", Process, Forgets::Nothing;
    /// SIGTERM, or a close under load.
    Terminate = 3, "terminate", Process, Forgets::Nothing;
    /// A handler panics or raises.
    HandlerPanic = 4, "handler_panic", Process, Forgets::Nothing;
    /// A handler does not return.
    HandlerHang = 5, "handler_hang", Process, Forgets::Nothing;
    /// The handler's thread (event loop, GIL) is held.
    HoldThread = 6, "hold_thread", Process, Forgets::Nothing;
    /// SIGKILL of a producer.
    KillProducer = 7, "kill_producer", Process, Forgets::Nothing;
    /// SIGKILL of a gateway.
    KillGateway = 8, "kill_gateway", Process, Forgets::Nothing;
    /// A message whose handler runs out of stack, which ends the process.
    StackOverflow = 9, "stack_overflow", Process, Forgets::Nothing;
    /// A message whose handler runs out of memory, which ends the process.
    OutOfMemory = 10, "out_of_memory", Process, Forgets::Nothing;
    /// The server is killed and starts again with nothing.
    RestartEmpty = 20, "restart_empty", Server, Forgets::Entries(ALL);
    /// The server is killed and starts again with what `appendfsync everysec` kept.
    RestartEverysec = 21, "restart_everysec", Server, Forgets::Entries(2 * SECOND);
    /// The server is killed and starts again with what `appendfsync always` kept.
    RestartAlways = 22, "restart_always", Server, Forgets::Nothing;
    /// SIGSTOP of the server, later SIGCONT.
    ServerFreeze = 23, "server_freeze", Server, Forgets::Nothing;
    /// The server is busy (a sleep, a slow script).
    ServerBusy = 24, "server_busy", Server, Forgets::Nothing;
    /// `CLIENT PAUSE`.
    ClientPause = 25, "client_pause", Server, Forgets::Nothing;
    /// `FLUSHALL`.
    Flush = 26, "flush", Server, Forgets::Entries(ALL);
    /// `DEL` of the stream.
    DeleteStream = 27, "delete_stream", Server, Forgets::Entries(ALL);
    /// `XGROUP DESTROY`.
    DestroyGroup = 28, "destroy_group", Server, Forgets::Group;
    /// Another type under the name of the stream.
    WrongType = 29, "wrong_type", Server, Forgets::Entries(ALL);
    /// `SCRIPT FLUSH`.
    ScriptFlush = 30, "script_flush", Server, Forgets::Nothing;
    /// Pending entries are deleted; every one has a record of its own.
    DeletePending = 31, "delete_pending", Server, Forgets::Nothing;
    /// Memory is full.
    FullMemory = 32, "full_memory", Server, Forgets::Nothing;
    /// The cap of the stream is reached while nobody consumes.
    CapReached = 33, "cap_reached", Server, Forgets::Nothing;
    /// Rights are revoked, later restored.
    AclRevoked = 34, "acl_revoked", Server, Forgets::Nothing;
    /// A replica takes over; what was not replicated is gone.
    Failover = 35, "failover", Server, Forgets::Entries(30 * SECOND);
    /// The clock of the server steps.
    ClockStep = 36, "clock_step", Server, Forgets::Nothing;
    /// The server goes back to an earlier state; its record says how far.
    RollBack = 37, "roll_back", Server, Forgets::Entries(2 * SECOND);
    /// `MISCONF`: the server cannot write its file.
    DiskFull = 38, "disk_full", Server, Forgets::Nothing;
    /// `XGROUP DELCONSUMER` of a consumer with work.
    DeleteConsumer = 39, "delete_consumer", Server, Forgets::Nothing;
    /// Another type under the name of a group's registrations.
    WrongRegistry = 40, "wrong_registry", Server, Forgets::Group;
    /// `CLIENT KILL`.
    ClientKill = 50, "client_kill", Link, Forgets::Nothing;
    /// A connection is reset.
    CutLink = 51, "cut_link", Link, Forgets::Nothing;
    /// Nothing passes any more, and nobody says so.
    HalfOpen = 52, "half_open", Link, Forgets::Nothing;
    /// Everything takes long.
    SlowLink = 53, "slow_link", Link, Forgets::Nothing;
    /// Bytes come one by one.
    SlicedLink = 54, "sliced_link", Link, Forgets::Nothing;
    /// A request never arrives.
    RequestLost = 55, "request_lost", Link, Forgets::Nothing;
    /// A request passes (a settle, where kinds are told apart), its reply is lost.
    ReplyLost = 56, "reply_lost", Link, Forgets::Nothing;
    /// A request arrives long after it was given up.
    RequestLate = 57, "request_late", Link, Forgets::Nothing;
    /// The server refuses one request (it is loading, busy, out of memory).
    Refused = 58, "refused", Link, Forgets::Nothing;
    /// No connection is taken.
    Refusing = 59, "refusing", Link, Forgets::Nothing;
    /// Connections are closed politely.
    CloseLink = 60, "close_link", Link, Forgets::Nothing;
    /// The reply to a fetch is lost after the request had passed.
    FetchReplyLost = 61, "fetch_reply_lost", Link, Forgets::Nothing;
    /// The reply to a publish is lost after the request had passed.
    PublishReplyLost = 62, "publish_reply_lost", Link, Forgets::Nothing;
    /// Somebody who does not follow our protocol reads in our group.
    ForeignConsumer = 70, "foreign_consumer", Server, Forgets::Nothing;
}

impl FaultKind {
    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| *kind as u8 == number)
    }

    /// Whether a process stands still, so that it may wake up in the middle of a handler that runs elsewhere.
    pub const fn freezes(self) -> bool {
        matches!(self, Self::Freeze)
    }

    /// Whether work may change hands by it. What only refuses what is new, or is done to single entries, moves none.
    pub const fn moves_work(self) -> bool {
        !matches!(self, Self::FullMemory | Self::CapReached | Self::DeletePending | Self::ForeignConsumer)
    }

    /// Up to which durability level of a receipt entries may be forgotten.
    pub const fn forgets_level(self) -> u8 {
        match self {
            Self::Failover => 1,
            _ => u8::MAX,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text).ok_or_else(|| format!("no kind of fault: {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_their_kinds() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::from_number(*kind as u8), Some(*kind));
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert_eq!(FaultKind::from_number(0), None);
    }
}
