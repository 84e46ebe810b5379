//! What a notice looks like in the log.

use super::machine::Notice;
use crate::error::ErrorKind;

impl Notice {
    /// Writes it to the log, as grave as it is.
    pub(super) fn log(&self, stream: &str, group: &str) {
        match self {
            // That the server cannot be reached is told by the connection, once for all who use it.
            Self::Trouble { error } if error.kind() == ErrorKind::Unavailable => {
                tracing::debug!(stream, group, %error, "the server cannot be reached; trying again");
            }
            Self::Trouble { error } => {
                tracing::warn!(stream, group, %error, "a call fails; trying again");
            }
            Self::Recovered => tracing::info!(stream, group, "every call succeeds again"),
            Self::GroupRecreated { from, missing } => {
                let missing = missing.as_str();
                tracing::warn!(stream, group, %from, missing, "the group was gone and was made again");
            }
            Self::SessionLost { identity, refusal } => {
                tracing::warn!(stream, group, %identity, ?refusal, "the session was lost; making a new one");
            }
            Self::Adopted { identity } => {
                tracing::info!(stream, group, %identity, "took over the work of another consumer");
            }
            Self::ForeignConsumer { consumer } => {
                tracing::warn!(stream, group, %consumer, "a consumer that is not registered reads this group, too");
            }
            Self::Gathered { entries } => {
                tracing::warn!(stream, group, entries, "took over entries that others had left");
            }
            Self::DeadLettered { id, reason } => tracing::warn!(stream, group, %id, reason, "dead-lettered"),
            Self::Vanished { id } => tracing::warn!(stream, group, %id, "a pending entry was deleted by somebody"),
            Self::LockLost { lane } => {
                let lane = String::from_utf8_lossy(lane);
                tracing::warn!(stream, group, %lane, "the lock of a channel was lost while it ran");
            }
            Self::LeaseExpired => {
                tracing::warn!(stream, group, "no renewal for a lease: starting nothing until there is one");
            }
            Self::ManyDeadLetters { count } => {
                tracing::warn!(
                    stream,
                    group,
                    count,
                    "dead letters pile up; look at them, put them back or discard them"
                );
            }
            Self::Missed { .. } | Self::Closed => {}
            Self::HandlersCancelled => tracing::debug!(stream, group, "running handlers were told to end"),
            Self::StaleOutcome { id } => {
                tracing::debug!(stream, group, %id, "an outcome was refused: the work had gone to another consumer");
            }
        }
    }
}
