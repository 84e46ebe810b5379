//! Numbers that look random and follow from the seed.
//!
//! Whoever rolls names what for: the roll for one message, process or request does not depend on how many were made
//! before, so that a schedule from which something is removed goes on as much as possible as before.

/// A source of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub(super) const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The dice for one thing, named by numbers.
    pub(super) fn of(self, words: &[u64]) -> Self {
        Self(words.iter().fold(self.0, |state, word| mix(state ^ mix(*word))))
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// From 0 to `n - 1`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Whether something that happens so many times in a thousand happens now.
    pub(super) fn permille(&mut self, of: u32) -> bool {
        self.below(1000) < u64::from(of)
    }
}

/// The finaliser of `SplitMix64`.
const fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
