//! One record: 64 bytes, little-endian, so that a process that dies in the middle of one loses that one only.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | u64 | `time`: nanoseconds of `CLOCK_MONOTONIC` (one clock for the whole machine); virtual in the simulation |
//! | 8 | u32 | `actor`: number of the process life, unique in a run; 0 is the driver of the run |
//! | 12 | u8 | `kind` |
//! | 13 | u8 | `detail`: meaning by kind |
//! | 14 | u16 | `attempt` |
//! | 16 | u64 | `message`: its number in the run, [`NO_MESSAGE`] for none |
//! | 24 | u32 | `lane`: its number in the run, [`NO_LANE`] for none |
//! | 28 | u32 | `extra`: meaning by kind |
//! | 32 | u64 | `entry_ms` |
//! | 40 | u64 | `entry_seq` |
//! | 48 | u64 | `token`: of a handler's run or of a fault; unique in a run |
//! | 56 | u64 | `hash`: FNV-1a of the body, where there is one |

/// Bytes of a record.
pub const SIZE: usize = 64;

/// The value of `message` where a record is about none.
pub const NO_MESSAGE: u64 = u64::MAX;

/// The value of `lane` where a message has none.
pub const NO_LANE: u32 = u32::MAX;

/// What a record says. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A producer is about to publish `message` in `lane` with `hash`; `extra` is its [`Nature`], `attempt` counts the
    /// publishes of this message.
    PublishCall = 1,
    /// It was stored as the entry; `detail` is the durability level: 0 memory, 1 as the server persists, 2 confirmed by
    /// replicas. `extra` is 1 when the receipt says that it had been stored before.
    PublishOk = 2,
    /// It was not stored.
    PublishRefused = 3,
    /// It may have been stored.
    PublishUnknown = 4,
    /// A handler starts (`token` names this run); `detail` is 1 when the delivery was called redelivered, `extra` numbers
    /// the session within the actor (0: not known), `hash` is of the body as it arrived.
    HandlerStart = 10,
    /// It ended; `detail` is the outcome: 0 ack, 1 retry, 2 reject, 3 release, 4 none (it was dropped).
    HandlerEnd = 11,
    /// It was told to end; `detail` is 0 lease lost or not known, 1 time limit, 2 closing. Without a [`Kind::HandlerEnd`]
    /// this is where it was dropped.
    HandlerCancel = 12,
    /// Its outcome was recorded by the server: entry and, where known, the `token` of the run; `detail` is the outcome.
    /// In the simulation the server writes this, once for what it really changed.
    SettleOk = 20,
    /// Its outcome was refused: the entry is somebody else's.
    SettleStale = 21,
    /// The request with its outcome left; written where it can be seen.
    SettleSent = 22,
    /// What the handler (`token`) published through its delivery was stored.
    EffectOk = 30,
    /// That was refused.
    EffectStale = 31,
    /// What a run (`token`) published was found when the run of the proof was over: the entry is its place among all
    /// effects, so it tells in which order the server took them.
    EffectFound = 32,
    /// A dead letter was found: the original's `message`, entry, `attempt`, `hash`.
    DeadLetter = 40,
    /// An entry that was pending had been deleted, and the consumer said so.
    Vanished = 41,
    /// The consumer said that it made the group again.
    GroupRecreated = 42,
    /// An operator put a dead letter back.
    Replayed = 43,
    /// Somebody outside deleted the entry of this message.
    Deleted = 44,
    /// A consumer that does not follow our protocol was handed the entry; `extra` is the number of its group, where there
    /// are several.
    ForeignRead = 45,
    /// It has handled the entry and acknowledged it, whoever held it then.
    ForeignDone = 46,
    /// A fault begins: `detail` is its kind ([`FaultKind`](super::FaultKind)), `token` its number, `extra` the actor it hits
    /// (0: everybody), `attempt` the phase it was aimed at (0: none), `message` how many nanoseconds of stored entries
    /// the server may have forgotten, where that differs from what the kind says.
    FaultBegin = 50,
    /// It is over.
    FaultEnd = 51,
    /// A process (or simulated consumer) starts. `actor` is always whom a record is about, whoever writes it.
    ActorStart = 60,
    /// It ended on its own; `detail` is its exit code.
    ActorEnd = 61,
    /// It was killed: `detail` is 0 by the run, 1 by a message it handled.
    ActorKilled = 62,
    /// A figure of the whole system after the drain: `detail` is which ([`Figure`](super::Figure)), `token` its base line,
    /// `message` its value.
    Measured = 70,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 26] = [
        Self::PublishCall,
        Self::PublishOk,
        Self::PublishRefused,
        Self::PublishUnknown,
        Self::HandlerStart,
        Self::HandlerEnd,
        Self::HandlerCancel,
        Self::SettleOk,
        Self::SettleStale,
        Self::SettleSent,
        Self::EffectOk,
        Self::EffectStale,
        Self::EffectFound,
        Self::DeadLetter,
        Self::Vanished,
        Self::GroupRecreated,
        Self::Replayed,
        Self::Deleted,
        Self::ForeignRead,
        Self::ForeignDone,
        Self::FaultBegin,
        Self::FaultEnd,
        Self::ActorStart,
        Self::ActorEnd,
        Self::ActorKilled,
        Self::Measured,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// What a message does to its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u32)]
pub enum Nature {
    /// It is handled, perhaps after some retries it asked for.
    #[default]
    Sound = 0,
    /// It kills the process that handles it.
    Poison = 1,
    /// No handler ever succeeds with it: it belongs in the dead letters.
    Failing = 2,
    /// Its body cannot be read: it belongs in the dead letters and no handler sees it.
    Broken = 3,
}

impl Nature {
    /// From the `extra` of a [`Kind::PublishCall`]; what is not known is sound.
    pub fn from_number(number: u32) -> Self {
        [Self::Poison, Self::Failing, Self::Broken]
            .into_iter()
            .find(|nature| *nature as u32 == number)
            .unwrap_or_default()
    }
}

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds.
    pub time: u64,
    /// Number of the process life.
    pub actor: u32,
    /// What it says.
    pub kind: Kind,
    /// Meaning by kind.
    pub detail: u8,
    /// Attempt.
    pub attempt: u16,
    /// Number of the message, or [`NO_MESSAGE`].
    pub message: u64,
    /// Number of the lane.
    pub lane: u32,
    /// Meaning by kind.
    pub extra: u32,
    /// Entry id: milliseconds and sequence number.
    pub entry: (u64, u64),
    /// Of a handler's run or of a fault.
    pub token: u64,
    /// FNV-1a of the body.
    pub hash: u64,
}

impl Record {
    /// A record that says nothing but its kind.
    pub const fn new(kind: Kind, time: u64, actor: u32) -> Self {
        Self {
            time,
            actor,
            kind,
            detail: 0,
            attempt: 0,
            message: NO_MESSAGE,
            lane: 0,
            extra: 0,
            entry: (0, 0),
            token: 0,
            hash: 0,
        }
    }

    /// As bytes.
    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0..8].copy_from_slice(&self.time.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.actor.to_le_bytes());
        bytes[12] = self.kind as u8;
        bytes[13] = self.detail;
        bytes[14..16].copy_from_slice(&self.attempt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.message.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.lane.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.extra.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.entry.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.entry.1.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.token.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.hash.to_le_bytes());
        bytes
    }

    /// Back from bytes; `None` for a kind that is not known.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Option<Self> {
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        Some(Self {
            time: long(0),
            actor: word(8),
            kind: Kind::from_number(bytes[12])?,
            detail: bytes[13],
            attempt: u16::from_le_bytes([bytes[14], bytes[15]]),
            message: long(16),
            lane: word(24),
            extra: word(28),
            entry: (long(32), long(40)),
            token: long(48),
            hash: long(56),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_bytes() {
        for (i, kind) in (1u64..).zip(Kind::ALL) {
            let record = Record {
                detail: 3,
                attempt: 4,
                message: i << 40,
                lane: 6,
                extra: 7,
                entry: (8 << 50, 9),
                token: u64::MAX - i,
                hash: i.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                ..Record::new(kind, i << 33, 2)
            };
            assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }
        assert_eq!(Record::from_bytes(&[0; SIZE]), None);
    }
}
