//! What a message asks of its handler, as words in its text, so that handlers in any language do the same.
//!
//! `17 in 5 takes 120 ms do ack until 0 ....` is message 17 of lane 5: the handler takes 120 ms and acknowledges. Up to and
//! including attempt `until` it does the deed, after that it acknowledges. The rest of the text is there for its size.

use stargazer_core::envelope::{Envelope, Inbound, Outbound};

use crate::history::Nature;

/// The platform of the run.
pub const PLATFORM: &str = "chaos";

/// Starts before an entry goes to the dead letters: the product's default.
const MAX_ATTEMPTS: u32 = 3;

/// What a handler does instead of acknowledging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Acknowledges.
    Ack,
    /// Asks for another attempt.
    Retry,
    /// Gives the message to the dead letters.
    Reject,
    /// Gives it back, unless this is a redelivery.
    Release,
    /// Panics, or throws.
    Panic,
    /// Never returns.
    Hang,
    /// Runs out of stack, which ends the process.
    Overflow,
    /// Runs out of memory, which ends the process.
    Memory,
    /// Holds the thread of the handlers (the event loop) instead of waiting.
    Hold,
}

impl Deed {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Ack, "ack"),
        (Self::Retry, "retry"),
        (Self::Reject, "reject"),
        (Self::Release, "release"),
        (Self::Panic, "panic"),
        (Self::Hang, "hang"),
        (Self::Overflow, "overflow"),
        (Self::Memory, "memory"),
        (Self::Hold, "hold"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(deed, _)| *deed == self).map_or("ack", |(_, word)| word)
    }
}

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Number of the message.
    pub number: u64,
    /// Number of its lane.
    pub lane: u32,
    /// How long the handler takes.
    pub millis: u64,
    /// What it then does, up to this attempt.
    pub deed: Deed,
    /// The last attempt at which it does so.
    pub until: u32,
    /// Bytes that the text is long at least.
    pub size: usize,
}

impl Plan {
    /// An ordinary message, decided by seed and number.
    pub fn ordinary(seed: u64, number: u64, lanes: u32) -> Self {
        let mut dice = Dice(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let lanes = u64::from(lanes.max(1));
        // A third of the messages goes to a tenth of the lanes.
        let lane = if dice.below(3) == 0 { dice.below(lanes.div_ceil(10)) } else { dice.below(lanes) };
        let millis = match dice.below(100) {
            0..30 => 0,
            30..80 => dice.below(100),
            80..99 => dice.below(400),
            // Longer than a lease of the test profile.
            _ => 2200 + dice.below(600),
        };
        let (deed, until) = match dice.below(200) {
            0 | 1 => (Deed::Retry, 1),
            2 => (Deed::Retry, 2),
            3 => (Deed::Reject, 9),
            4 | 5 => (Deed::Release, 9),
            _ => (Deed::Ack, 0),
        };
        let size = match dice.below(500) {
            0 => 70_000,
            1..20 => 4_000,
            _ => usize::try_from(dice.below(300)).unwrap_or(0),
        };
        Self { number, lane: u32::try_from(lane).unwrap_or(0), millis, deed, until, size }
    }

    /// What the handler does at this attempt.
    pub fn deed_at(&self, attempt: u32, redelivered: bool) -> Deed {
        let over = attempt > self.until || (self.deed == Deed::Release && redelivered);
        if over { Deed::Ack } else { self.deed }
    }

    /// The message's text.
    pub fn text(&self) -> String {
        let Self { number, lane, millis, until, size, .. } = self;
        let mut text = format!("{number} in {lane} takes {millis} ms do {} until {until} ", self.deed.word());
        while text.len() < *size {
            text.push('.');
        }
        text
    }

    /// Back from the text.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [number, "in", lane, "takes", millis, "ms", "do", deed, "until", until, ..] = words[..] else {
            return None;
        };
        let (deed, _) = *Deed::ALL.iter().find(|(_, word)| *word == deed)?;
        let (number, lane) = (number.parse().ok()?, lane.parse().ok()?);
        Some(Self { number, lane, millis: millis.parse().ok()?, deed, until: until.parse().ok()?, size: text.len() })
    }

    /// The body as it is published: the same bytes every time.
    pub fn body(&self) -> stargazer_core::Result<bytes::Bytes> {
        let mut inbound = Inbound::new_at(PLATFORM, lane_name(self.lane), "someone", self.text(), 1.0e9);
        inbound.message_id = message_id(self.number);
        inbound.trace_id = String::new();
        inbound.enqueued_at = 1.0e9;
        inbound.encode()
    }

    /// What it does to its handlers.
    pub fn nature(&self) -> Nature {
        match self.deed {
            Deed::Overflow | Deed::Memory => Nature::Poison,
            Deed::Retry | Deed::Panic | Deed::Hang if self.until >= MAX_ATTEMPTS => Nature::Failing,
            _ => Nature::Sound,
        }
    }

    /// The body of the answer to it, given in one run of its handler.
    pub fn answer(&self, token: u64) -> stargazer_core::Result<bytes::Bytes> {
        let text = format!("{} in {} by {token}", effect_number(self.number), effect_lane(self.lane));
        let mut answer = Outbound::message(lane_name(self.lane), text).with_platform(PLATFORM);
        answer.trace_id = String::new();
        answer.encode()
    }
}

/// Numbers of an answer out of its text: its own, its lane's, and the token of the run that gave it.
pub(super) fn parse_answer(text: &str) -> Option<(u64, u32, u64)> {
    let words: Vec<&str> = text.split(' ').collect();
    let [number, "in", lane, "by", token] = words[..] else { return None };
    Some((number.parse().ok()?, lane.parse().ok()?, token.parse().ok()?))
}

/// The channel that stands for a lane.
pub fn lane_name(lane: u32) -> String {
    format!("l{lane}")
}

/// Back from the lane of an entry, which is the channel's key.
pub fn lane_number(key: &[u8]) -> Option<u32> {
    std::str::from_utf8(key).ok()?.strip_prefix(PLATFORM)?.strip_prefix(":l")?.parse().ok()
}

/// The message id that a message is published under.
pub fn message_id(number: u64) -> String {
    format!("m{number}")
}

/// The number under which the answer to a message stands in the history.
pub fn effect_number(number: u64) -> u64 {
    number | 1 << 40
}

/// Whether this is the number of an answer.
pub fn is_effect(number: u64) -> bool {
    number & 1 << 40 != 0
}

/// The lane in which the answers to a lane stand in the history.
pub fn effect_lane(lane: u32) -> u32 {
    lane | 1 << 24
}

/// Random enough, and the same everywhere (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `n`; 0 for none.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.next() % n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_text_and_its_bytes_are_the_same_every_time() {
        for number in 0..500 {
            let plan = Plan::ordinary(7, number, 50);
            let read = Plan::parse(&plan.text()).unwrap();
            assert_eq!(Plan { size: plan.size, ..read }, plan);
            assert_eq!(plan.body().unwrap(), Plan::ordinary(7, number, 50).body().unwrap());
            assert!(is_effect(effect_number(plan.number)) && !is_effect(plan.number));
            assert!(plan.lane < 50);
        }
        assert_eq!(Plan::parse("hello"), None);
    }

    #[test]
    fn a_deed_ends_with_its_last_attempt() {
        let plan = Plan { deed: Deed::Retry, until: 2, ..Plan::ordinary(1, 1, 1) };
        assert_eq!([1, 2, 3].map(|n| plan.deed_at(n, false)), [Deed::Retry, Deed::Retry, Deed::Ack]);
        let plan = Plan { deed: Deed::Release, until: 9, ..plan };
        assert_eq!((plan.deed_at(1, false), plan.deed_at(1, true)), (Deed::Release, Deed::Ack));
    }
}
