//! C9: a dead letter keeps the bytes, the lane's message and the entry it came from; one dead letter per entry.

use std::collections::HashMap;

use super::facts::Facts;
use super::report::{Check, Findings, name};
use crate::history::Kind;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut seen = HashMap::new();
    for (at, record) in facts.of_kind(Kind::DeadLetter) {
        findings.judged(Check::C9);
        let Some(message) = facts.messages.get(record.message).filter(|message| message.called.is_some()) else {
            continue; // C2
        };
        if message.hash != 0 && record.hash != message.hash {
            let text = format!("the dead letter of message {} has other bytes", message.number);
            findings.found(Check::C9, at, text);
        }
        let known = message.entries.iter().any(|(entry, _)| *entry == record.entry);
        // What no handler may see is known by its receipt only: stored again, after a server forgot, it has another entry.
        let called = message.called.unwrap_or_default();
        let unseen = message.runs.is_empty() && facts.faults.forgetting().any(|fault| fault.end > called);
        if !known && unseen {
            findings.excuse(Check::C9, "stored again, and seen by no handler");
        } else if !known {
            let text = format!("the dead letter of message {} names entry {}", message.number, name(record.entry));
            findings.found(Check::C9, at, text);
        }
        if seen.insert((record.message, record.entry), at).is_some() && facts.faults.forgetting().next().is_none() {
            let text = format!("message {} has two dead letters of one entry", message.number);
            findings.found(Check::C9, at, text);
        }
    }
}
