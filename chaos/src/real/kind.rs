//! The kinds of faults, and the phases of a consumer's work at which they hit.

/// A kind of fault. Its number stands in `detail` of the records of its beginning and end, and is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FaultKind {
    /// `kill -9` of a worker.
    KillWorker = 1,
    /// `kill -9` of a gateway.
    KillGateway = 2,
    /// `kill -9` of a producer.
    KillProducer = 3,
    /// A worker stopped (`SIGSTOP`) for longer than its lease.
    FreezeWorker = 4,
    /// The server stopped for longer than a lease.
    FreezeServer = 5,
    /// A worker told to end (`SIGTERM`) under load.
    EndWorker = 6,
    /// Handlers that panic, or throw.
    Panic = 7,
    /// Handlers that never return.
    Hang = 8,
    /// A message that ends its process: its handler runs out of stack.
    Overflow = 9,
    /// A message that ends its process: its handler runs out of memory.
    Memory = 10,
    /// Handlers that hold their thread: the event loop, the interpreter.
    Hold = 11,
    /// The server killed and started again with nothing kept.
    RestartEmpty = 12,
    /// The server killed and started again, its file synced every second.
    RestartEverysec = 13,
    /// The server killed and started again, its file synced with every write.
    RestartAlways = 14,
    /// `FLUSHALL`.
    Flush = 15,
    /// `DEL` of the stream.
    DeleteStream = 16,
    /// `XGROUP DESTROY`.
    DestroyGroup = 17,
    /// Another type in the place of the stream, for a while.
    WrongType = 18,
    /// `CLIENT KILL`, again and again.
    KillClients = 19,
    /// `CLIENT PAUSE`.
    PauseClients = 20,
    /// `SCRIPT FLUSH`.
    ForgetScripts = 21,
    /// Connections that stay open and carry nothing.
    HalfOpen = 22,
    /// Connections that are reset.
    Reset = 23,
    /// Slow connections.
    Slow = 24,
    /// Connections that carry a byte at a time.
    Sliced = 25,
    /// The reply to a publish lost after the request had passed.
    LosePublishReply = 26,
    /// The reply to a fetch lost after the request had passed.
    LoseFetchReply = 27,
    /// The reply to a settle lost after the request had passed.
    LoseSettleReply = 28,
    /// The server's memory full, and free again.
    FullMemory = 29,
    /// The stream's cap reached while no worker runs.
    FullStream = 30,
    /// The rights to settle and to fetch taken away, and given back.
    Rights = 31,
    /// The primary lost, a replica in its place.
    Failover = 32,
    /// The server's clock set forward and back.
    ClockSteps = 33,
    /// `XGROUP DELCONSUMER` of a consumer with work.
    DeleteConsumer = 34,
    /// `XDEL` of pending entries.
    DeletePending = 35,
    /// A server that takes no connection.
    Refuse = 36,
    /// Requests that never arrive while replies would.
    LoseRequests = 37,
    /// Every connection closed politely.
    Close = 38,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 38] = [
        Self::KillWorker,
        Self::KillGateway,
        Self::KillProducer,
        Self::FreezeWorker,
        Self::FreezeServer,
        Self::EndWorker,
        Self::Panic,
        Self::Hang,
        Self::Overflow,
        Self::Memory,
        Self::Hold,
        Self::RestartEmpty,
        Self::RestartEverysec,
        Self::RestartAlways,
        Self::Flush,
        Self::DeleteStream,
        Self::DestroyGroup,
        Self::WrongType,
        Self::KillClients,
        Self::PauseClients,
        Self::ForgetScripts,
        Self::HalfOpen,
        Self::Reset,
        Self::Slow,
        Self::Sliced,
        Self::LosePublishReply,
        Self::LoseFetchReply,
        Self::LoseSettleReply,
        Self::FullMemory,
        Self::FullStream,
        Self::Rights,
        Self::Failover,
        Self::ClockSteps,
        Self::DeleteConsumer,
        Self::DeletePending,
        Self::Refuse,
        Self::LoseRequests,
        Self::Close,
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// The word on the command line and in reports: `kill-worker`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// Whether the server may lose what it had stored and what was not finished when it struck.
    pub const fn forgets(self) -> bool {
        matches!(self, Self::RestartEmpty | Self::RestartEverysec | Self::Flush | Self::DeleteStream | Self::WrongType)
    }

    /// Whether the server may forget what had been settled, so that it is handled again.
    pub const fn repeats(self) -> bool {
        matches!(self, Self::RestartEverysec | Self::Failover)
    }

    /// Whether it is a message that ends every process that handles it.
    pub const fn is_poison(self) -> bool {
        matches!(self, Self::Overflow | Self::Memory)
    }
}

/// Where in its work the victim stands when a fault hits. Its number stands in `attempt` of the fault's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// A fetch has been sent and has not arrived.
    BeforeFetch = 1,
    /// Handlers run.
    InHandler = 2,
    /// Outcomes have been sent and have not arrived.
    BeforeSettle = 3,
    /// Outcomes have arrived, the answer has not.
    SettleSent = 4,
    /// The answer to a settle has just come.
    After = 5,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 5] = [Self::BeforeFetch, Self::InHandler, Self::BeforeSettle, Self::SettleSent, Self::After];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_number_and_have_names_of_their_own() {
        let mut names = std::collections::HashSet::new();
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::from_number(kind as u8), Some(kind));
            assert!(names.insert(kind.name()));
        }
        assert_eq!(FaultKind::KillWorker.name(), "kill-worker");
        assert_eq!(FaultKind::from_number(0), None);
    }
}
