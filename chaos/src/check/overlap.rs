//! C7: no two handlers of a lane run at the same time.
//!
//! Two windows are excused, and only the part of an overlap that lies in them: a process that stood still, until shortly
//! after it woke up; and after a server forgot who has what, at most one lease. Locks of lanes are kept by the server's
//! clock: where it steps, they end as if they had been forgotten. And a handler that holds its thread, as the driver's own
//! messages of that fault make it, cannot be ended by anybody: until it ends, it may run beside whoever took its work.

use super::facts::{Facts, NEVER};
use super::report::{Check, Findings};
use super::rules::Ordering;
use super::runs::Run;
use crate::history::FaultKind;

/// Who makes things go wrong, and publishes what it takes for that.
const DRIVER: u32 = 0;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    if !facts.rules.ordering.excludes() {
        return;
    }
    for runs in facts.lanes.values() {
        let mut open: Vec<&Run> = Vec::new();
        for run in runs.iter().map(|run| facts.run(*run)) {
            findings.judged(Check::C7);
            open.retain(|other| other.closed > run.start);
            for other in &open {
                judge(facts, findings, other, run);
            }
            open.push(run);
        }
    }
}

fn judge(facts: &Facts<'_>, findings: &mut Findings<'_>, first: &Run, second: &Run) {
    let from = facts.time(second.start);
    let closed = first.closed.min(second.closed);
    let until = if closed == NEVER { u64::MAX } else { facts.time(closed) };
    match uncovered(facts, [first, second], from, until) {
        None => findings
            .excuse(Check::C7, "while a process woke up, the server had forgotten, or a handler held its thread"),
        Some(at) => {
            let text = format!(
                "messages {} (actor {}) and {} (actor {}) ran at the same time in lane {} for {} ms",
                first.message,
                first.actor,
                second.message,
                second.actor,
                first.lane,
                until.saturating_sub(at) / 1_000_000
            );
            findings.found(Check::C7, second.start, text);
        }
    }
}

/// From when on two runs overlap without an excuse.
fn uncovered(facts: &Facts<'_>, runs: [&Run; 2], from: u64, until: u64) -> Option<u64> {
    let rules = facts.rules;
    let mut windows: Vec<(u64, u64)> = Vec::new();
    for run in runs {
        if holds_its_thread(facts, run) {
            let ends = if run.closed == NEVER { u64::MAX } else { facts.time(run.closed) };
            windows.push((facts.time(run.start), ends));
        }
        for fault in facts.faults.between(run.actor, facts.time(run.start), until) {
            // Who stood still is the one that had started before.
            if fault.kind.freezes() && fault.target == run.actor && fault.begin > run.start {
                windows.push((fault.from, fault.until.saturating_add(rules.wake())));
            }
            let ends_locks = rules.ordering == Ordering::Lock && fault.kind == FaultKind::ClockStep;
            if fault.forgets_group() || ends_locks {
                let learned = fault.until.saturating_add(rules.lease()).saturating_add(rules.wake());
                windows.push((fault.from, learned));
            }
        }
    }
    windows.sort_unstable();
    let mut at = from;
    for (begin, end) in windows {
        if begin <= at {
            at = at.max(end);
        }
    }
    (at < until).then_some(at)
}

/// Whether a run is one of those that the driver asked to hold their threads.
fn holds_its_thread(facts: &Facts<'_>, run: &Run) -> bool {
    let Some(message) = facts.messages.get(run.message) else { return false };
    let Some(called) = message.called.filter(|_| message.producer == DRIVER) else { return false };
    facts
        .faults
        .all
        .iter()
        .any(|fault| fault.kind == FaultKind::HoldThread && fault.begin < called && called < fault.end)
}
