//! What the machine tells besides deliveries.

use crate::error::Error;
use crate::topology::Name;
use crate::transport::{EntryId, Lane, Missing, Refusal};

/// Something a consumer's owner may want to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// The group was gone and was made again; it reads entries after this id.
    GroupRecreated {
        /// Where it starts: what has a higher id is handed out, again where it had been before.
        from: EntryId,
        /// Whether the stream was gone as well, when it was made.
        missing: Missing,
    },
    /// An entry was deleted by somebody while it was pending; it counts as finished.
    Vanished {
        /// Its id.
        id: EntryId,
    },
    /// An entry went to the dead letters.
    DeadLettered {
        /// Its id.
        id: EntryId,
        /// Code of the reason.
        reason: &'static str,
    },
    /// Our session was refused; what it held runs elsewhere and a new session is made.
    SessionLost {
        /// The identity that is gone.
        identity: Name,
        /// Why.
        refusal: Refusal,
    },
    /// The work of another identity was taken over.
    Adopted {
        /// The identity that was silent, or had left.
        identity: Name,
    },
    /// The outcome of an entry was refused: it is not ours any more.
    StaleOutcome {
        /// Its id.
        id: EntryId,
    },
    /// The server could not be reached for nearly a lease: nothing starts until it can.
    LeaseExpired,
    /// The lock of a channel was lost while we ran it: somebody else may run it, too.
    LockLost {
        /// The lane.
        lane: Lane,
    },
    /// Handlers that run were told to end: look which deliveries are cancelled.
    HandlersCancelled,
    /// Somebody reads the group who is not registered in it: a worker that knows nothing of lanes, or a session of ours
    /// that the server forgot. Told once for each name.
    ForeignConsumer {
        /// Its name.
        consumer: Name,
    },
    /// Entries that a foreign or forgotten consumer had left for long, or that were pending for nobody, were taken over.
    Gathered {
        /// How many.
        entries: u64,
    },
    /// A call failed, and none had before: the server is gone, or refuses some of what is asked. Told once.
    Trouble {
        /// What failed.
        error: Error,
    },
    /// Every kind of call that failed has succeeded again.
    Recovered,
    /// Dead letters pile up: they are kept until somebody acts.
    ManyDeadLetters {
        /// How many there are.
        count: u64,
    },
    /// Notices that were not read in time are gone.
    Missed {
        /// How many.
        count: u64,
    },
    /// The consumer has ended: nothing follows.
    Closed,
}
