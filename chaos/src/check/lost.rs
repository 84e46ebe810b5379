//! C1: what a receipt says is stored was handled to its end, stands in the dead letters, or was lost by something that
//! may lose it — then it is counted under the name of the fault.
//!
//! A rejected message must have its dead letter. What vanished from the pending list counts only as good as the reason:
//! somebody deleted it. Lost messages are classed by producer as `prefix` (nothing before them survived), `postfix`
//! (nothing after them did) and `middle`, because each class points to another mistake.

use std::collections::BTreeMap;

use super::facts::{At, Facts, NEVER};
use super::messages::{Entry, Message};
use super::report::{Check, Findings};
use super::runs::Outcome;

/// What became of a message.
enum Fate {
    Good,
    Excused(String),
    Lost(&'static str),
}

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    // Per producer, in order of publishing: each stored message, and the reason if it is lost.
    let mut producers: BTreeMap<u32, Vec<(&Message, Option<&'static str>)>> = BTreeMap::new();
    for message in facts.messages.all.iter().filter(|message| message.stored.is_some()) {
        findings.judged(Check::C1);
        let lost = match fate(facts, message) {
            Fate::Good => None,
            Fate::Excused(why) => {
                findings.excuse(Check::C1, why);
                continue;
            }
            Fate::Lost(why) => Some(why),
        };
        producers.entry(message.producer).or_default().push((message, lost));
    }
    for messages in producers.values() {
        let survived = |(_, (_, lost)): &(usize, &(_, Option<_>))| lost.is_none();
        let first = messages.iter().enumerate().find(survived).map_or(usize::MAX, |(place, _)| place);
        let last = messages.iter().enumerate().rfind(survived).map_or(0, |(place, _)| place);
        for (place, (message, why)) in messages.iter().enumerate() {
            let Some(why) = why else { continue };
            let class = if place < first {
                "prefix"
            } else if place > last {
                "postfix"
            } else {
                "middle"
            };
            let text = format!("message {} is lost ({class} of producer {}): {why}", message.number, message.producer);
            findings.found(Check::C1, message.stored.unwrap_or_default(), text);
        }
    }
}

fn fate(facts: &Facts<'_>, message: &Message) -> Fate {
    let acked = facts.runs_of(message).any(|run| run.ended(Outcome::Ack));
    if acked || !message.letters.is_empty() {
        return Fate::Good;
    }
    if message.handled_elsewhere().next().is_some() {
        return Fate::Excused("handled by a foreign consumer".into());
    }
    if !message.deleted.is_empty() {
        let told = if message.vanished.is_empty() { "deleted by somebody, untold" } else { "deleted by somebody" };
        return Fate::Excused(told.into());
    }
    if let Some(kind) = forgotten(facts, message) {
        return Fate::Excused(format!("forgotten by {kind}"));
    }
    if !message.vanished.is_empty() {
        return Fate::Lost("it vanished from the stream, and nobody deleted it");
    }
    Fate::Lost(match facts.runs_of(message).last() {
        None => "no handler ever saw it",
        Some(run) if run.ended(Outcome::Reject) => "it was rejected, and there is no dead letter",
        Some(run) if run.end.is_none() => "its last handler never ended",
        Some(_) => "its last handler did not finish it",
    })
}

/// The fault that may have lost a message.
fn forgotten(facts: &Facts<'_>, message: &Message) -> Option<&'static str> {
    forgotten_by(facts, message, message.stored?, NEVER)
}

/// The fault that had lost one of the entries under which a message was stored, by this time. No receipt is needed: who
/// was handed an entry proves that it was there.
pub(super) fn forgotten_entry(facts: &Facts<'_>, message: &Message, entry: Entry, by: At) -> Option<&'static str> {
    let (_, seen) = message.entries.iter().find(|(known, _)| *known == entry)?;
    forgotten_by(facts, message, *seen, by)
}

fn forgotten_by(facts: &Facts<'_>, message: &Message, there: At, by: At) -> Option<&'static str> {
    let called = facts.time(message.called.unwrap_or(there));
    let mut faults = facts.faults.forgetting().filter(|fault| fault.begin < by);
    let fault = faults.find(|fault| fault.forgets_entry(called, facts.time(there), message.level))?;
    Some(fault.kind.name())
}
