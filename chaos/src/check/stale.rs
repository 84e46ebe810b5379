//! C6: once somebody else has started an entry, or a later one of its lane, nothing of the former run is committed.
//!
//! In the simulation the server itself says when it committed what (`exact`). On real servers an answer may be seen long
//! after the commit, so there the effects that were found afterwards are judged by their place among all effects. What
//! one session does after another run of the same session is not meant: it holds the work all the time. Only a server that went
//! back to an older fence excuses.

use std::collections::{BTreeMap, HashMap};

use super::facts::{At, Facts};
use super::messages::Entry;
use super::report::{Check, Findings};
use super::runs::Run;
use crate::history::NO_LANE;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    if facts.rules.exact {
        let by_entry = runs_by_entry(facts);
        for (run, at) in &facts.runs.settles {
            findings.judged(Check::C6);
            let run = facts.run(*run);
            if let Some(newer) = taken_over(facts, &by_entry, run, *at) {
                report(facts, findings, run, newer, *at, "the outcome");
            }
        }
        for effect in facts.runs.effects.iter().filter(|effect| effect.place.is_none()) {
            findings.judged(Check::C6);
            let run = facts.run(effect.run);
            let newer = taken_over(facts, &by_entry, run, effect.at).or_else(|| later_in_lane(facts, run, effect.at));
            if let Some(newer) = newer {
                report(facts, findings, run, newer, effect.at, "an effect");
            }
        }
    }
    found_effects(facts, findings);
}

fn runs_by_entry<'a>(facts: &'a Facts<'_>) -> HashMap<(u64, Entry), Vec<&'a Run>> {
    let mut runs: HashMap<_, Vec<_>> = HashMap::new();
    for run in &facts.runs.all {
        runs.entry((run.message, run.entry)).or_default().push(run);
    }
    runs
}

/// The run of another session that had started the same entry before this moment.
fn taken_over<'a>(
    facts: &Facts<'_>,
    by_entry: &HashMap<(u64, Entry), Vec<&'a Run>>,
    run: &Run,
    at: At,
) -> Option<&'a Run> {
    let same = by_entry.get(&(run.message, run.entry))?;
    let newer = |other: &&&Run| other.start > run.start && other.start < at && !other.same_session(run);
    same.iter().find(newer).copied().filter(|_| !went_back(facts, run, at))
}

/// The run of another session that had started in the same lane before this moment.
fn later_in_lane<'a>(facts: &'a Facts<'_>, run: &Run, at: At) -> Option<&'a Run> {
    if !facts.rules.ordering.keeps_order() {
        return None;
    }
    let lane = facts.lanes.get(&run.lane)?;
    let after = lane.partition_point(|other| facts.run(*other).start <= run.start);
    let others = lane[after..].iter().map(|other| facts.run(*other)).take_while(|other| other.start < at);
    others.into_iter().find(|other| !other.same_session(run)).filter(|_| !went_back(facts, run, at))
}

/// Whether the server went back to what was before, so that the former holder became the holder again.
fn went_back(facts: &Facts<'_>, run: &Run, at: At) -> bool {
    let from = facts.time(run.start);
    facts.faults.between(run.actor, from, facts.time(at)).any(|fault| fault.forgets_group() && fault.begin < at)
}

fn report(facts: &Facts<'_>, findings: &mut Findings<'_>, run: &Run, newer: &Run, at: At, what: &str) {
    let lateness = facts.time(at).saturating_sub(facts.time(newer.start)) / 1_000_000;
    let text = format!(
        "{what} of message {} by actor {} was recorded {lateness} ms after actor {} had started {}",
        run.message, run.actor, newer.actor, newer.message
    );
    findings.found(Check::C6, at, text);
}

/// An effect: its place in the server's order, its run, its record.
type Placed<'a> = (Entry, &'a Run, At);

/// By lane, in the order of the server: the run behind an effect never goes back.
fn found_effects(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut lanes: BTreeMap<(u32, u64), Vec<Placed<'_>>> = BTreeMap::new();
    for effect in &facts.runs.effects {
        let Some(place) = effect.place else { continue };
        let run = facts.run(effect.run);
        // Without order only runs of the same message can be compared.
        let ordered = facts.rules.ordering.keeps_order() && run.lane != NO_LANE;
        let message = if ordered { 0 } else { run.message };
        lanes.entry((run.lane, message)).or_default().push((place, run, effect.at));
    }
    for effects in lanes.values_mut() {
        effects.sort_by_key(|(place, ..)| *place);
        let mut newest: Option<&Run> = None;
        for (_, run, at) in effects.iter() {
            findings.judged(Check::C6);
            match newest {
                // What was found before the other run began was committed before it: since then the server forgot the
                // stream, and its clock went back.
                Some(newer) if run.start < newer.start && *at < newer.start => {}
                Some(newer) if run.start < newer.start && !run.same_session(newer) => {
                    if !went_back(facts, run, newer.closed.min(*at)) {
                        report(facts, findings, run, newer, *at, "an effect");
                    }
                }
                Some(newer) if run.start < newer.start => {}
                _ => newest = Some(run),
            }
        }
    }
}
