//! C10: how long work stood still.
//!
//! Of a process that was killed, froze or closed: from then until somebody else starts something in each lane in which it
//! was running a handler. Of the server and the connections to it: from the end of the fault until the next
//! handler starts anywhere. A time during which another fault was on is reported, not judged.

use std::collections::BTreeMap;

use super::actors::Death;
use super::facts::{At, Facts};
use super::faults::Fault;
use super::report::{Check, Findings, Recovery};
use super::runs::Run;
use crate::history::{FaultKind, Hits};

/// One measurement: from when to when, in nanoseconds, and where.
struct Sample {
    kind: &'static str,
    from: u64,
    until: u64,
    at: At,
    clean: bool,
}

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut samples = deaths(facts);
    samples.extend(facts.faults.all.iter().flat_map(|fault| of_fault(facts, fault)));
    let mut by_kind: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        by_kind.entry(sample.kind).or_default().push(sample);
    }
    for (kind, samples) in by_kind {
        let limit = facts.rules.recovery_ms.get(kind).copied();
        let mut times: Vec<_> = samples.iter().filter(|sample| sample.clean).map(ms).collect();
        times.sort_by(f64::total_cmp);
        for sample in samples.iter().filter(|sample| sample.clean) {
            findings.judged(Check::C10);
            if let Some(limit) = limit.filter(|limit| sample.until - sample.from > limit * 1_000_000) {
                let text = format!("after {kind} work stood still for {:.0} ms, promised are {limit}", ms(sample));
                findings.found(Check::C10, sample.at, text);
            }
        }
        let disturbed = (samples.len() - times.len()) as u64;
        let part = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        let value = |time: Option<&f64>| time.copied().unwrap_or_default();
        let (p50, p99, max) = (value(part(50)), value(part(99)), value(times.last()));
        findings.recovery(kind, Recovery { samples: times.len() as u64, disturbed, p50, p99, max, limit });
    }
}

#[allow(clippy::cast_precision_loss)] // for reading
fn ms(sample: &Sample) -> f64 {
    (sample.until - sample.from) as f64 / 1e6
}

/// Of every process that ended while handlers ran in it.
fn deaths(facts: &Facts<'_>) -> Vec<Sample> {
    let mut of_actor: BTreeMap<u32, Vec<&Run>> = BTreeMap::new();
    for run in facts.runs.all.iter().filter(|run| run.end.is_none()) {
        of_actor.entry(run.actor).or_default().push(run);
    }
    let mut samples = Vec::new();
    for (actor, at, death) in facts.actors.all() {
        let kind = match death {
            Death::Ended => FaultKind::Terminate.name(),
            Death::Killed => FaultKind::Kill.name(),
            Death::ByMessage => "poison",
        };
        for run in of_actor.get(&actor).into_iter().flatten().filter(|run| run.start < at) {
            samples.extend(next_in_lane(facts, run, at, kind, None));
        }
    }
    samples
}

/// The next start in the lane of a run by somebody else.
fn next_in_lane(facts: &Facts<'_>, run: &Run, at: At, kind: &'static str, own: Option<&Fault>) -> Option<Sample> {
    let lane = facts.lanes.get(&run.lane)?;
    let after = lane.partition_point(|other| facts.run(*other).start < at);
    let next = lane[after..].iter().map(|other| facts.run(*other)).find(|next| next.actor != run.actor)?;
    let (from, until) = (facts.time(at), facts.time(next.start));
    let quiet = |fault: &Fault| own.is_some_and(|own| own.begin == fault.begin);
    // A kill has a record as a fault as well as one as a death.
    let same = |fault: &Fault| fault.kind.hits() == Hits::Process && fault.target == run.actor;
    let clean =
        facts.faults.all.iter().all(|fault| fault.from > until || fault.until < from || quiet(fault) || same(fault));
    Some(Sample { kind, from, until, at: next.start, clean })
}

fn of_fault(facts: &Facts<'_>, fault: &Fault) -> Vec<Sample> {
    match fault.kind {
        FaultKind::Freeze => facts
            .runs
            .all
            .iter()
            .filter(|run| run.actor == fault.target && run.start < fault.begin && run.closed > fault.end)
            .filter_map(|run| next_in_lane(facts, run, fault.begin, fault.kind.name(), Some(fault)))
            .filter(|sample| sample.until < fault.until)
            .collect(),
        _ if fault.kind.hits() == Hits::Server => {
            let after = facts.runs.all.partition_point(|run| run.start < fault.end);
            let Some(next) = facts.runs.all.get(after) else { return Vec::new() };
            let (from, until) = (fault.until, facts.time(next.start));
            let other = |other: &Fault| other.begin != fault.begin && other.from <= until && other.until >= from;
            let clean = !facts.faults.all.iter().any(other);
            vec![Sample { kind: fault.kind.name(), from, until, at: next.start, clean }]
        }
        _ => Vec::new(),
    }
}
