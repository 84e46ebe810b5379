//! What a consumer tells its owner besides deliveries, as a stream and as plain values.

use bytes::Bytes;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::machine::Notice;
use crate::envelope::{Envelope, Limits, Map, Value};

/// The notices of one consumer, from the moment they were asked for. Those who read too slowly miss the oldest, and are
/// told how many.
#[derive(Debug)]
pub struct Notices {
    receiver: Receiver<Notice>,
    ended: bool,
}

impl Notices {
    pub(super) fn new(receiver: Receiver<Notice>, ended: bool) -> Self {
        Self { receiver, ended }
    }

    /// The next one; `None` once the consumer has ended. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<Notice> {
        if self.ended {
            return None;
        }
        match self.receiver.recv().await {
            Ok(Notice::Closed) | Err(RecvError::Closed) => {
                self.ended = true;
                None
            }
            Ok(notice) => Some(notice),
            Err(RecvError::Lagged(count)) => Some(Notice::Missed { count }),
        }
    }
}

impl Notice {
    /// Every kind that is handed on, in no special order.
    pub const KINDS: &'static [&'static str] = &[
        "group_recreated",
        "vanished",
        "dead_lettered",
        "many_dead_letters",
        "session_lost",
        "adopted",
        "stale_outcome",
        "lock_lost",
        "lease_expired",
        "handlers_cancelled",
        "foreign_consumer",
        "gathered",
        "trouble",
        "recovered",
        "missed",
        "closed",
    ];

    /// The word for its kind, the same in every language.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::GroupRecreated { .. } => "group_recreated",
            Self::Vanished { .. } => "vanished",
            Self::DeadLettered { .. } => "dead_lettered",
            Self::ManyDeadLetters { .. } => "many_dead_letters",
            Self::SessionLost { .. } => "session_lost",
            Self::Adopted { .. } => "adopted",
            Self::StaleOutcome { .. } => "stale_outcome",
            Self::LockLost { .. } => "lock_lost",
            Self::LeaseExpired => "lease_expired",
            Self::HandlersCancelled => "handlers_cancelled",
            Self::ForeignConsumer { .. } => "foreign_consumer",
            Self::Gathered { .. } => "gathered",
            Self::Trouble { .. } => "trouble",
            Self::Recovered => "recovered",
            Self::Missed { .. } => "missed",
            Self::Closed => "closed",
        }
    }

    /// [`Notice::to_value`] in msgpack.
    pub fn encoded(&self) -> Bytes {
        // A few short texts: there is no limit that they could exceed.
        self.to_value().write(&Limits::WIDEST).unwrap_or_default()
    }

    /// Its fields by name; `kind` is the first.
    pub fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = vec![("kind", self.kind().into())];
        match self {
            Self::GroupRecreated { from, missing } => {
                fields.extend([("from", from.to_string().into()), ("missing", missing.as_str().into())]);
            }
            Self::Vanished { id } | Self::StaleOutcome { id } => fields.push(("id", id.to_string().into())),
            Self::DeadLettered { id, reason } => {
                fields.extend([("id", id.to_string().into()), ("reason", (*reason).into())]);
            }
            Self::ForeignConsumer { consumer } => fields.push(("consumer", (**consumer).into())),
            Self::ManyDeadLetters { count } | Self::Missed { count } | Self::Gathered { entries: count } => {
                fields.push(("count", (*count).into()));
            }
            Self::SessionLost { identity, refusal } => {
                fields.extend([("identity", (**identity).into()), ("why", refusal.as_str().into())]);
            }
            Self::LockLost { lane } => fields.push(("lane", String::from_utf8_lossy(lane).into_owned().into())),
            Self::Adopted { identity } => fields.push(("identity", (**identity).into())),
            Self::Trouble { error } => {
                fields.extend([("code", error.code().into()), ("error", error.message().into())]);
            }
            Self::LeaseExpired | Self::HandlersCancelled | Self::Recovered | Self::Closed => {}
        }
        Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::transport::{EntryId, Missing, Refusal};

    #[test]
    fn every_kind_is_listed_and_says_what_it_knows() {
        let id = EntryId::new(1, 2);
        let all = [
            Notice::GroupRecreated { from: id, missing: Missing::Stream },
            Notice::Vanished { id },
            Notice::DeadLettered { id, reason: "rejected" },
            Notice::ManyDeadLetters { count: 5000 },
            Notice::SessionLost { identity: "w-1".into(), refusal: Refusal::Stale },
            Notice::Adopted { identity: "w-1".into() },
            Notice::StaleOutcome { id },
            Notice::LockLost { lane: "c1".into() },
            Notice::LeaseExpired,
            Notice::HandlersCancelled,
            Notice::ForeignConsumer { consumer: "python".into() },
            Notice::Gathered { entries: 3 },
            Notice::Trouble { error: Error::unavailable("gone") },
            Notice::Recovered,
            Notice::Missed { count: 3 },
            Notice::Closed,
        ];
        let kinds: Vec<_> = all.iter().map(Notice::kind).collect();
        assert_eq!(kinds, Notice::KINDS, "the same order keeps the list whole");
        for notice in &all {
            assert_eq!(notice.to_value().get("kind").and_then(Value::as_str), Some(notice.kind()));
        }
        assert_eq!(all[0].to_value().get("from").and_then(Value::as_str), Some("1-2"));
        assert_eq!(all[0].to_value().get("missing").and_then(Value::as_str), Some("stream"));
        assert_eq!(all[2].to_value().get("id").and_then(Value::as_str), Some("1-2"));
        assert_eq!(all[4].to_value().get("why").and_then(Value::as_str), Some("stale"));
        assert_eq!(all[12].to_value().get("code").and_then(Value::as_str), Some("unavailable"));
    }
}
