//! C4: an entry starts again only for a reason that the promises name, and says that it does.
//!
//! Reasons: the run before asked for it (retry, release) or ran out of time; its process died or closed before the
//! server recorded its outcome; a fault that touched this very process, or the server, was on between the two
//! starts or shortly before. When the server is known to have recorded the outcome, only a server that forgets
//! explains another start. A fault that hit somebody else explains nothing.

use std::collections::HashMap;

use super::actors::Death;
use super::facts::{At, Facts, push};
use super::faults::Fault;
use super::messages::Message;
use super::report::{Check, Findings};
use super::runs::{LEASE_LOST, Outcome, Run, TIMED_OUT};
use crate::history::{FaultKind, Kind};

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    for message in &facts.messages.all {
        after_others(facts, findings, message);
        if message.runs.len() < 2 {
            continue;
        }
        // Of the same entry: another entry of the same message is the business of C3.
        let mut by_entry = HashMap::new();
        for run in facts.runs_of(message) {
            push(&mut by_entry, run.entry, run);
        }
        for runs in by_entry.values() {
            for (before, run) in runs.iter().zip(runs.iter().skip(1)) {
                findings.judged(Check::C4);
                judge(facts, findings, before, run);
            }
        }
    }
}

/// What a foreign consumer has handled and acknowledged is done, unless it held it so long that it was taken over.
fn after_others(facts: &Facts<'_>, findings: &mut Findings<'_>, message: &Message) {
    for (entry, read, done) in message.handled_elsewhere() {
        findings.judged(Check::C4);
        // Another entry of the same message is the business of C3.
        let Some(run) = facts.runs_of(message).find(|run| run.entry == entry && run.start > done) else { continue };
        // Who acknowledges what the server does not know of as handed out has finished nothing there.
        let undone = |fault: &Fault| fault.undoes(facts.time(done)) || fault.undoes(facts.time(read));
        // And who held it before the server forgot may start it until it learns of that, as it may beside ours.
        let since = first_of_session(facts, run);
        let grace = facts.rules.lease().saturating_add(facts.rules.wake());
        let unlearned = |fault: &Fault| {
            since < fault.begin && facts.time(run.start) <= fault.until.saturating_add(grace) && fault.end < read
        };
        let forgot = |fault: &&Fault| fault.begin < run.start && (undone(fault) || unlearned(fault));
        if facts.time(done).saturating_sub(facts.time(read)) >= facts.rules.stray() {
            findings.excuse(Check::C4, "a foreign consumer held it for long");
        } else if let Some(fault) = facts.faults.forgetting().find(forgot) {
            findings.excuse(Check::C4, fault.kind.name());
        } else {
            let text = format!("message {} started although a foreign consumer had finished it", message.number);
            findings.found(Check::C4, run.start, text);
        }
    }
}

fn judge(facts: &Facts<'_>, findings: &mut Findings<'_>, before: &Run, run: &Run) {
    let reason = own_reason(facts, before, run.start).or_else(|| fault_between(facts, before, run.start));
    let reason = reason.or_else(|| learned_late(facts, before, run));
    let Some(reason) = reason else {
        let text = format!("message {} started again and nothing explains it", run.message);
        return findings.found(Check::C4, run.start, text);
    };
    findings.excuse(Check::C4, reason);
    let given_back = matches!(before.outcome, Some(Outcome::Release | Outcome::None));
    let forgotten = server_forgot(facts, before, run.start) || learned_late(facts, before, run).is_some();
    if !run.redelivered && !given_back && !forgotten {
        let text = format!("message {} started again and did not say so", run.message);
        findings.found(Check::C4, run.start, text);
    }
}

/// A reason in the run before itself.
fn own_reason(facts: &Facts<'_>, before: &Run, start: At) -> Option<&'static str> {
    let recorded = before.settled.is_some_and(|at| at < start);
    let done = before.outcome.is_some_and(Outcome::finishes) && before.end.is_some_and(|end| end < start);
    match before.outcome {
        Some(Outcome::Retry) if before.end < Some(start) => return Some("asked for"),
        Some(Outcome::Release) if before.end < Some(start) && !lost_lease(before) => return Some("given back"),
        _ => {}
    }
    if timed_out(facts, before) && before.end < Some(start) {
        return Some("out of time");
    }
    let death = facts.actors.death(before.actor);
    if death > start || (recorded && done) {
        return None;
    }
    match facts.actors.how(before.actor)? {
        Death::Killed => Some("killed"),
        Death::ByMessage => Some("killed by a message"),
        // Whoever closes reports every outcome first.
        Death::Ended if !done => Some("closed"),
        Death::Ended => None,
    }
}

/// Whether it was given back because it was told to, and not since it ran too long or its consumer closed: that needs
/// a fault as its reason.
fn lost_lease(run: &Run) -> bool {
    run.cancelled.is_some_and(|(_, reason)| reason == LEASE_LOST)
}

/// Whether its time limit ended it: not everybody who writes a history learns the reason, but how long it ran is known.
pub(super) fn timed_out(facts: &Facts<'_>, run: &Run) -> bool {
    let limit = facts.rules.handler_timeout_ms * 1_000_000;
    let (Some((at, reason)), false) = (run.cancelled, limit == 0) else { return false };
    let ran = facts.time(at).saturating_sub(facts.time(run.start));
    !run.outcome.is_some_and(Outcome::finishes) && (reason == TIMED_OUT || ran >= limit / 10 * 9)
}

/// A fault that explains why an entry, or its lane, starts again after this run.
pub(super) fn fault_between(facts: &Facts<'_>, before: &Run, start: At) -> Option<&'static str> {
    let (from, until) = (facts.time(before.start), facts.time(start));
    let done = before.outcome.is_some_and(Outcome::finishes) && before.end.is_some_and(|end| end < start);
    let recorded = done && before.settled.is_some_and(|at| at < start);
    let mut faults = facts.faults.between(before.actor, from, until).filter(|fault| fault.kind.moves_work());
    faults.find(|fault| fault.begin < start && (!recorded || fault.forgets_group())).map(|fault| fault.kind.name())
}

/// A server forgot, and the session of the run before is older than that: it had not learned of it, its outcome was not
/// recorded, and another session took its place. It learns within a lease: no renewal is confirmed any more.
/// (Where registrations came back from an earlier state they are confirmed, but each of the three renewals of a lease looks whether
/// it is another server: within two leases.)
fn learned_late(facts: &Facts<'_>, before: &Run, run: &Run) -> Option<&'static str> {
    if before.settled.is_some() || before.same_session(run) {
        return None;
    }
    let since = first_of_session(facts, before);
    let grace = facts.rules.lease().saturating_add(facts.rules.wake());
    let in_time = |fault: &Fault| facts.time(before.start) <= knows_nobody_from(facts, fault).saturating_add(2 * grace);
    let forgot = |fault: &&Fault| since < fault.begin && fault.begin < before.start && in_time(fault);
    facts.faults.forgetting().find(forgot).map(|fault| fault.kind.name())
}

/// From when on nobody is registered any more who was before the server forgot: at once, or where it is the group that is
/// gone, or its stream, once somebody makes it again. Who does so while it starts does not tell, but it was there before whoever
/// began since then started anything.
fn knows_nobody_from(facts: &Facts<'_>, fault: &Fault) -> u64 {
    if !matches!(fault.kind, FaultKind::DestroyGroup | FaultKind::DeleteStream | FaultKind::WrongType) {
        return fault.until;
    }
    let told = facts.of_kind(Kind::GroupRecreated).find(|(at, _)| *at > fault.begin).map(|(at, _)| at);
    let runs = facts.runs.all.iter().filter(|run| run.start > fault.begin);
    let started = runs.filter(|run| facts.actors.is_younger(run.actor, fault.begin)).map(|run| run.start).min();
    told.into_iter().chain(started).min().map_or(u64::MAX, |made| facts.time(made).max(fault.until))
}

/// When the session of a run started something first.
fn first_of_session(facts: &Facts<'_>, run: &Run) -> At {
    facts.runs.all.iter().find(|other| other.same_session(run)).map_or(run.start, |first| first.start)
}

/// Whether a fault or a death explains it.
pub(super) fn work_moved(facts: &Facts<'_>, before: &Run, start: At) -> bool {
    facts.actors.death(before.actor) < start || fault_between(facts, before, start).is_some()
}

fn server_forgot(facts: &Facts<'_>, before: &Run, start: At) -> bool {
    let (from, until) = (facts.time(before.start), facts.time(start));
    facts.faults.between(before.actor, from, until).any(|fault| fault.begin < start && fault.forgets_group())
}
