//! The accidents under which mutants are looked at: small plans, a fault or two again and again.

use stargazer_core::policy::{Ordering, Retention};

use crate::simulate::{Fault, Plan, What, Work};

const SEATS: u32 = 3;
const MESSAGES: u64 = 400;
const EVERY_US: u64 = 4_000;

/// Three busy consumers, and nothing goes wrong.
pub(super) fn calm(_seed: u64) -> Plan {
    let work = Work { ms: 10, long: 0, endless: 0, retry: 0, reject: 0, release: 0, effect: 0 };
    Plan {
        messages: MESSAGES,
        every_us: EVERY_US,
        lanes: 8,
        loose: 0,
        old: 0,
        malformed: 0,
        groups: 1,
        consumers: SEATS,
        concurrency: 4,
        prefetch: 5,
        strict: false,
        ordering: Ordering::Lanes,
        retention: Retention::Acked { cap: 1_000_000 },
        strict_cap: false,
        give_up_ms: 0,
        max_attempts: 3,
        work,
        faults: Vec::new(),
    }
}

/// Some handlers take about a lease.
pub(super) fn long(seed: u64) -> Plan {
    let plan = calm(seed);
    Plan { every_us: 40_000, lanes: 40, work: Work { long: 40, ..plan.work }, ..plan }
}

/// Some ask for another attempt.
pub(super) fn retries(seed: u64) -> Plan {
    let plan = calm(seed);
    Plan { work: Work { retry: 100, ..plan.work }, ..plan }
}

/// Consumers are killed.
pub(super) fn kills(seed: u64) -> Plan {
    strike(calm(seed), seed, 6, |n| (What::Kill { seat: n % SEATS }, 100))
}

/// Consumers are killed while messages are tried again.
pub(super) fn kills_among_retries(seed: u64) -> Plan {
    let mut plan = strike(retries(seed), seed, 8, |n| (What::Kill { seat: n % SEATS }, 100));
    plan.work.retry = 250;
    plan.max_attempts = 5;
    plan
}

/// Consumers are killed while messages are rejected.
pub(super) fn kills_among_rejects(seed: u64) -> Plan {
    let mut plan = strike(calm(seed), seed, 30, |n| (What::Kill { seat: n % SEATS }, 20));
    plan.work.reject = 500;
    plan
}

/// A message kills whoever handles it.
pub(super) fn poison(seed: u64) -> Plan {
    strike(calm(seed), seed, 1, |_| (What::Poison { message: 50 + seed % 200 }, 200))
}

/// Consumers stand still for longer than their lease, in handlers that take long.
pub(super) fn freezes(seed: u64) -> Plan {
    let mut plan = strike(calm(seed), seed, 4, |n| (What::Freeze { seat: n % SEATS }, 3_500));
    plan.work.ms = 20;
    plan
}

/// Consumers stand still in handlers that take as long as a lease.
pub(super) fn freezes_in_long_handlers(seed: u64) -> Plan {
    let mut plan = long(seed);
    plan.work.long = 250;
    strike(plan, seed, 6, |n| (What::Freeze { seat: n % SEATS }, 3_000))
}

/// The same, and handlers publish.
pub(super) fn freezes_with_effects(seed: u64) -> Plan {
    let plan = freezes_in_long_handlers(seed);
    Plan { work: Work { effect: 1000, ..plan.work }, ..plan }
}

/// The connections of single consumers lose most of what they carry, for longer than a lease.
pub(super) fn cuts(seed: u64) -> Plan {
    let mut plan = strike(long(seed), seed, 5, |n| (What::Lossy { seat: Some(n % SEATS), permille: 1000 }, 3_000));
    plan.work.long = 100;
    plan
}

/// Everybody's requests and replies get lost now and then.
pub(super) fn losses(seed: u64) -> Plan {
    strike(calm(seed), seed, 2, |_| (What::Lossy { seat: None, permille: 150 }, 1_500))
}

/// The group is destroyed.
pub(super) fn lost_groups(seed: u64) -> Plan {
    strike(calm(seed), seed, 2, |_| (What::DestroyGroup { group: 0 }, 0))
}

/// Consumers are killed, or wake up just when others take over from them; some requests take long, so that those act
/// on what they saw a while ago.
pub(super) fn kills_and_short_freezes(seed: u64) -> Plan {
    strike(calm(seed), seed, 9, |n| match n % 3 {
        0 => (What::Kill { seat: n % SEATS }, 100),
        1 => (What::Freeze { seat: (n + 1) % SEATS }, 2_300),
        _ => (What::Slow { ms: 400 }, 1_500),
    })
}

/// Adds faults at times that follow from the seed, while messages come.
fn strike(mut plan: Plan, seed: u64, times: u32, what: impl Fn(u32) -> (What, u64)) -> Plan {
    let span = plan.messages * plan.every_us / 1000;
    for n in 0..times {
        let at_ms = spread(seed, n) % span;
        let (what, for_ms) = what(n + u32::try_from(seed % 7).unwrap_or(0));
        plan.faults.push(Fault { at_ms, for_ms, what });
    }
    plan.faults.sort_by_key(|fault| fault.at_ms);
    plan
}

/// A number that looks random (splitmix64).
fn spread(seed: u64, n: u32) -> u64 {
    let mut z = seed.wrapping_mul(64).wrapping_add(u64::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
