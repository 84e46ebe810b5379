//! How long to wait before the next try. Pure: the jitter is drawn from the entry, not from a generator, so that the
//! same history gives the same schedule.

use std::time::Duration;

/// `base × 2^(failures-1)`, at most `max`, moved by up to `jitter` of itself; `dice` decides where.
pub(crate) fn delay(base: Duration, max: Duration, jitter: f64, failures: u32, dice: u64) -> Duration {
    let doubled = base.saturating_mul(1u32.checked_shl(failures.saturating_sub(1).min(31)).unwrap_or(u32::MAX));
    let capped = doubled.min(max);
    let share = f64::from((mix(dice) >> 32) as u32) / f64::from(u32::MAX);
    capped.mul_f64(1.0 + jitter * (2.0 * share - 1.0))
}

/// A well-mixed number from a counter or an id (the finaliser of `SplitMix64`).
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_most_and_stays_within_the_jitter() {
        let (base, max) = (Duration::from_secs(1), Duration::from_secs(60));
        for (failures, want) in [(1, 1.0), (2, 2.0), (3, 4.0), (7, 60.0), (40, 60.0)] {
            for dice in 0..100 {
                let got = delay(base, max, 0.2, failures, dice).as_secs_f64();
                assert!(got >= want * 0.799 && got <= want * 1.201, "{failures}: {got}");
            }
        }
        let spread: std::collections::BTreeSet<_> = (0..100).map(|d| delay(base, max, 0.2, 1, d)).collect();
        assert!(spread.len() > 90);
        assert_eq!(delay(base, max, 0.0, 2, 7), Duration::from_secs(2));
    }
}
