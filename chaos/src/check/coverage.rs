//! C13: a fault proves something only if it hit while work was under way. Counts, for every fault, the messages that were
//! in flight when it began, by phase; and asks for what the run's rules ask for: how many in flight, which kinds of
//! fault, which phases.
//!
//! Where settles are not recorded, a handler that has ended counts as "before settle" for a moment, and "settle sent" only
//! where a fault was aimed at it.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{At, Facts, NEVER};
use super::faults::Fault;
use super::messages::Message;
use super::report::{Check, Findings};
use crate::history::Phase;

/// How long after its end an outcome is taken to be still on its way, where nobody says so.
const MOMENT: u64 = 5_000_000;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut phases: BTreeMap<&str, BTreeSet<Phase>> = BTreeMap::new();
    for (fault, hit) in facts.faults.all.iter().zip(hits(facts)) {
        findings.judged(Check::C13);
        let name = fault.kind.name();
        findings.coverage(name, "faults", 1);
        let covered = phases.entry(name).or_default();
        for phase in Phase::ALL {
            let aimed = u64::from(fault.aimed == phase as u16);
            let times = hit.by_phase.get(&phase).copied().unwrap_or_default().max(aimed);
            findings.coverage(name, phase.name(), times);
            if times > 0 {
                covered.insert(phase);
            }
        }
        if hit.in_flight < facts.rules.in_flight {
            let asked = facts.rules.in_flight;
            let text = format!("{name} hit while {} messages were in flight, asked for are {asked}", hit.in_flight);
            findings.found(Check::C13, fault.begin, text);
        }
    }
    for required in &facts.rules.required {
        if !phases.contains_key(required.as_str()) {
            findings.found_somewhere(Check::C13, format!("{required} never happened"));
        }
    }
    for (name, covered) in &phases {
        let missing = Phase::ALL.into_iter().filter(|phase| facts.rules.phases.contains(&(*phase as u16)));
        for phase in missing.filter(|phase| !covered.contains(phase)) {
            findings.found_somewhere(Check::C13, format!("{name} never hit a message {}", phase.name()));
        }
    }
}

/// What one fault hit.
#[derive(Debug, Default, Clone)]
struct Hit {
    by_phase: BTreeMap<Phase, u64>,
    /// Stored and not finished, with whomever.
    in_flight: u64,
}

/// What each fault hit: one walk over the messages, a few faults each.
fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let begins: Vec<At> = facts.faults.all.iter().map(|fault| fault.begin).collect();
    let mut hits = vec![Hit::default(); begins.len()];
    for message in &facts.messages.all {
        let (from, until) = lifetime(facts, message);
        let first = begins.partition_point(|begin| *begin <= from);
        for (fault, hit) in
            facts.faults.all.iter().zip(&mut hits).skip(first).take_while(|(fault, _)| fault.begin < until)
        {
            let (phase, is_hit) = phase(facts, message, fault);
            hit.in_flight += u64::from(phase != Phase::After);
            if is_hit {
                *hit.by_phase.entry(phase).or_default() += 1;
            }
        }
    }
    hits
}

/// From when to when a message is of interest.
fn lifetime(facts: &Facts<'_>, message: &Message) -> (At, At) {
    let from = message.stored.or(message.called).unwrap_or_default();
    let last = message.runs.last().map(|run| facts.run(*run));
    let until = last.map_or(NEVER, |run| run.settled.unwrap_or(run.closed));
    // "After" is the first moment after.
    let until = if until == NEVER { NEVER } else { until.saturating_add(64) };
    (from.min(until), until)
}

/// How far a message is when a fault begins, and whether it hits the message there.
fn phase(facts: &Facts<'_>, message: &Message, fault: &Fault) -> (Phase, bool) {
    let at = fault.begin;
    let mut started = message.runs.iter().map(|run| facts.run(*run)).filter(|run| run.start < at);
    let Some(run) = started.next_back() else { return (Phase::BeforeFetch, true) };
    let mine = fault.hits(run.actor);
    if run.closed > at {
        return (Phase::InHandler, mine);
    }
    let ended = facts.time(run.closed);
    match (run.settled, run.settle_sent) {
        (Some(settled), _) if settled < at => (Phase::After, true),
        (_, Some(sent)) if sent < at => (Phase::SettleSent, mine),
        (Some(_), _) => (Phase::BeforeSettle, mine),
        (None, _) if !facts.rules.settles_recorded && facts.time(at).saturating_sub(ended) < MOMENT => {
            (Phase::BeforeSettle, mine)
        }
        (None, _) if run.outcome.is_some_and(super::runs::Outcome::finishes) => (Phase::After, true),
        (None, _) => (Phase::BeforeFetch, true),
    }
}
