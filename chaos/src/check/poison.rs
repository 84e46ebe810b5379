//! C8: a message that kills its process does so a few times and then stands in the dead letters; no sound message goes
//! there for it.
//!
//! A sound message belongs there when a handler rejected it, or when it failed by itself as often as it may. Deaths of the processes it ran
//! in are no reason. One case cannot be told from a poison by anybody, and is counted by name: it had died with its process
//! before, and somebody outside ended, or froze, its process once more while nothing else ran there.

use std::collections::BTreeMap;

use super::actors::Death;
use super::explained::timed_out;
use super::facts::Facts;
use super::messages::Message;
use super::report::{Check, Findings};
use super::runs::{Outcome, Run};
use crate::history::Nature;

/// Deaths that it takes before an entry is given up for them, however few starts are permitted.
const PROOF: usize = 3;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    deaths(facts, findings);
    for message in facts.messages.all.iter().filter(|message| !message.letters.is_empty()) {
        findings.judged(Check::C8);
        if message.nature != Nature::Sound {
            continue;
        }
        let rejected = facts.runs_of(message).any(|run| run.ended(Outcome::Reject));
        let own = facts.runs_of(message).filter(|run| failed_itself(facts, run)).count();
        let died = facts.runs_of(message).filter(|run| died_with(facts, run)).count();
        let most = facts.rules.max_attempts as usize;
        if rejected || own >= most {
            continue;
        }
        // Whoever takes it over cannot tell a lost lease from a death, nor what a dead process had started.
        let interrupted = facts.runs_of(message).filter(|run| lost_its_lease(facts, run)).count();
        let ended = died + interrupted + hidden(facts, message);
        let last = facts.runs_of(message).max_by_key(|run| run.start);
        if let Some(last) = last.filter(|last| ended >= most.max(PROOF) && ran_alone(facts, last)) {
            if died_with(facts, last) {
                findings.excuse(Check::C8, "sound, but somebody killed its process again while it ran alone there");
                continue;
            }
            if lost_its_lease(facts, last) {
                findings
                    .excuse(Check::C8, "sound, but its process was cut off or frozen again while it ran alone there");
                continue;
            }
        }
        let text = format!(
            "message {} is sound and stands in the dead letters after {own} failures of its own and {died} deaths \
             ({interrupted} interruptions)",
            message.number
        );
        findings.found(Check::C8, message.letters[0], text);
    }
}

/// The handler failed: retries count as starts that are used up, what was given back does not.
fn failed_itself(facts: &Facts<'_>, run: &Run) -> bool {
    run.ended(Outcome::Retry) || timed_out(facts, run)
}

fn lost_its_lease(facts: &Facts<'_>, run: &Run) -> bool {
    run.cancelled.is_some() && !run.outcome.is_some_and(Outcome::finishes) && !timed_out(facts, run)
}

/// What a dead process held first in its lane may have been started: one more start may be counted than was seen, if
/// somebody died meanwhile.
fn hidden(facts: &Facts<'_>, message: &Message) -> usize {
    let from = message.stored.or(message.called).unwrap_or_default();
    let until = message.letters.first().copied().unwrap_or_default();
    let died = |(_, at, death): &(u32, u32, Death)| *at > from && *at < until && *death != Death::Ended;
    usize::from(facts.actors.all().iter().any(died))
}

/// Whether no other handler ran in its process before it ended.
fn ran_alone(facts: &Facts<'_>, run: &Run) -> bool {
    let beside = |other: &&Run| other.actor == run.actor && other.start != run.start;
    !facts.runs.all.iter().filter(beside).any(|other| other.start < run.closed && other.closed > run.start)
}

fn died_with(facts: &Facts<'_>, run: &Run) -> bool {
    run.end.is_none() && matches!(facts.actors.how(run.actor), Some(Death::Killed | Death::ByMessage))
}

/// How many processes each poison killed.
fn deaths(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut killed: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for message in facts.messages.all.iter().filter(|message| message.nature == Nature::Poison) {
        findings.judged(Check::C8);
        let own = |run: &&Run| run.end.is_none() && facts.actors.how(run.actor) == Some(Death::ByMessage);
        // Two poisons in one process: the death is counted for both, which is right only for one of them.
        let runs: Vec<_> = facts.runs_of(message).filter(own).collect();
        // What the server forgot it cannot count: each life of its memory begins anew. Which of the deaths around the
        // time of the fault belong to which life is not known.
        let lives = |run: &&Run| {
            let (start, closed) = (facts.time(run.start), facts.time(run.closed));
            let aftermath = facts.rules.aftermath();
            let before =
                facts.faults.forgetting().filter(|fault| fault.until.saturating_add(aftermath) < start).count();
            let unsure = facts.faults.forgetting().any(|fault| {
                fault.from <= closed.saturating_add(aftermath) && start <= fault.until.saturating_add(aftermath)
            });
            (!unsure).then_some(before)
        };
        let mut by_life: BTreeMap<usize, u32> = BTreeMap::new();
        for life in runs.iter().filter_map(lives) {
            *by_life.entry(life).or_default() += 1;
        }
        let last = runs.iter().map(|run| run.closed).max().unwrap_or_default();
        let times = by_life.values().copied().max().unwrap_or_default();
        killed.insert(message.number, (times, last));
        let allowed = facts.rules.poison_deaths;
        if times > allowed {
            let text = format!("message {} killed {times} processes, at most {allowed} are promised", message.number);
            findings.found(Check::C8, last, text);
        }
    }
    if let Some((times, _)) = killed.values().max() {
        findings.excuse(
            Check::C8,
            format!("poisons; the worst killed {times} processes in one life of the server's memory"),
        );
    }
}
