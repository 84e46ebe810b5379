//! C3: inside the window a message id stands for one entry. Another one is right only when the server forgot the first,
//! or when an operator put a dead letter back.

use super::facts::Facts;
use super::report::{Check, Findings, name};

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let window = facts.rules.dedupe_ms * 1_000_000;
    if window == 0 {
        return;
    }
    for message in &facts.messages.all {
        findings.judged(Check::C3);
        let mut entries = message.entries.clone();
        // Seen first in an order of its own; the order of storing is that of the ids.
        entries.sort_unstable();
        for (first, second) in entries.iter().zip(entries.iter().skip(1)) {
            let (from, until) = (facts.time(first.1.min(second.1)), facts.time(first.1.max(second.1)));
            if message.replayed.iter().any(|at| *at < second.1) {
                findings.excuse(Check::C3, "put back by an operator");
            } else if let Some(fault) =
                facts.faults.forgetting().find(|f| f.from <= until && f.forgets_entry(0, from, 0))
            {
                findings.excuse(Check::C3, format!("forgotten by {}", fault.kind));
            } else if apart(*first, *second) >= window {
                findings.excuse(Check::C3, "the window was over");
            } else {
                let text =
                    format!("message {} is stored twice, as {} and {}", message.number, name(first.0), name(second.0));
                findings.found(Check::C3, second.1, text);
            }
        }
    }
}

/// By the ids, which are times of the server.
fn apart(first: ((u64, u64), u32), second: ((u64, u64), u32)) -> u64 {
    second.0.0.saturating_sub(first.0.0).saturating_mul(1_000_000)
}
