//! Messages as they stand in a stream, and back.

use std::sync::Arc;

use bytes::Bytes;
use stargazer_core::topology::{Name, channel_lock, field as names};
use stargazer_core::transport::{Fields, Group, field};

use super::dice::Dice;
use super::plan::Plan;

pub(super) use crate::history::NO_LANE;

/// What a message is, which follows from its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) number: u64,
    pub(super) lane: u32,
    old: bool,
    malformed: bool,
}

impl Message {
    /// The message of a number.
    pub(super) fn new(plan: &Plan, seed: Dice, number: u64) -> Self {
        let mut dice = seed.of(&[3, number]);
        let malformed = dice.permille(plan.malformed);
        let loose = dice.permille(plan.loose);
        // A few lanes get most of the messages.
        let skewed = dice.below(u64::from(plan.lanes)).min(dice.below(u64::from(plan.lanes)));
        let lane = if loose || malformed { NO_LANE } else { u32::try_from(skewed).unwrap_or(0) };
        Self { number, lane, old: dice.permille(plan.old), malformed }
    }

    /// Whether no handler may see it.
    pub(super) fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// Its fields.
    pub(super) fn fields(&self) -> Fields {
        let body = self.body();
        let mut fields = vec![(Bytes::from_static(names::DATA.as_bytes()), body)];
        if self.lane != NO_LANE && !self.old {
            fields.push((Bytes::from_static(names::KEY.as_bytes()), Bytes::from(format!("l{}", self.lane))));
        }
        fields
    }

    /// Its body: a map of the number and, as older publishers know it, the channel.
    fn body(&self) -> Bytes {
        let mut body = Vec::with_capacity(32);
        body.push(if self.lane == NO_LANE { 0x81 } else { 0x82 });
        body.extend([0xa1, if self.malformed { b'?' } else { b'n' }, 0xcf]);
        body.extend(self.number.to_be_bytes());
        if self.lane != NO_LANE {
            body.push(0xaa);
            body.extend(b"channel_id");
            let lane = format!("l{}", self.lane);
            body.push(0xa0 | u8::try_from(lane.len()).unwrap_or(0));
            body.extend(lane.as_bytes());
        }
        body.into()
    }
}

/// The number in an entry's body, and whether a handler may see it.
pub(super) fn read(fields: &Fields) -> Option<(u64, bool)> {
    let body = field(fields, names::DATA)?;
    let number = body.get(4..12)?;
    Some((u64::from_be_bytes(number.try_into().ok()?), body.get(2) == Some(&b'n')))
}

/// FNV-1a of an entry's body.
pub(super) fn hash(fields: &Fields) -> u64 {
    let body = field(fields, names::DATA).map_or(&[][..], |body| body);
    body.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The lock that an entry of a lane needs, in the mode that has locks.
pub(super) fn locks(group: &Group, lane: Option<&Bytes>) -> Arc<[Name]> {
    let lane = lane.filter(|_| group.ordering.locks());
    lane.map(|lane| channel_lock(&String::from_utf8_lossy(lane))).into_iter().collect()
}

/// The number of a lane.
pub(super) fn lane_number(lane: Option<&Bytes>) -> u32 {
    lane.and_then(|lane| std::str::from_utf8(lane.get(1..)?).ok()?.parse().ok()).unwrap_or(NO_LANE)
}
