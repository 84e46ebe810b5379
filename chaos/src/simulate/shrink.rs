//! Making a failing schedule smaller: whatever can be taken out without the failure going away is taken out.

use stargazer_core::policy::{Ordering, Retention};

use super::plan::{Fault, NO_CAP, Plan, What};
use super::text::Schedule;
use super::{Outcome, run};

/// Runs at most.
const RUNS: u32 = 2000;

/// The smallest schedule found that fails in the same way, and how it does.
pub fn shrink(schedule: &Schedule) -> (Schedule, Outcome) {
    let mut best = schedule.clone();
    let mut outcome = run(best.seed, &best.plan);
    let Some(failure) = outcome.failure().map(str::to_owned) else { return (best, outcome) };
    let mut runs = 0;
    loop {
        let before = best.clone();
        for candidate in smaller(&before.plan) {
            // Steps that were found for the plan of this round are applied to what is left of it.
            let plan = candidate(&best.plan);
            if plan == best.plan || runs == RUNS {
                continue;
            }
            runs += 1;
            let tried = run(best.seed, &plan);
            if tried.failure() == Some(&failure) {
                best.plan = plan;
                outcome = tried;
            }
        }
        if best == before || runs == RUNS {
            return (best, outcome);
        }
    }
}

type Step = Box<dyn Fn(&Plan) -> Plan>;

/// Steps that make a plan smaller, the largest first.
fn smaller(plan: &Plan) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut size = plan.faults.len();
    while size > 0 {
        for from in (0..plan.faults.len()).step_by(size) {
            let gone: Vec<Fault> = plan.faults[from..plan.faults.len().min(from + size)].to_vec();
            steps.push(change(move |plan| plan.faults.retain(|fault| !gone.contains(fault))));
        }
        size /= 2;
    }
    for share in [8, 4, 2] {
        steps.push(change(move |plan| plan.messages = (plan.messages / share).max(1)));
    }
    steps.push(change(|plan| plan.messages = (plan.messages * 3 / 4).max(1)));
    steps.push(change(|plan| plan.messages = (plan.messages - 1).max(1)));
    steps.push(change(|plan| plan.work.retry = 0));
    steps.push(change(|plan| plan.work.reject = 0));
    steps.push(change(|plan| plan.work.release = 0));
    steps.push(change(|plan| plan.work.effect = 0));
    steps.push(change(|plan| plan.work.long = 0));
    steps.push(change(|plan| plan.work.endless = 0));
    steps.push(change(|plan| plan.loose = 0));
    steps.push(change(|plan| plan.old = 0));
    steps.push(change(|plan| plan.malformed = 0));
    steps.push(change(|plan| plan.strict = false));
    steps.push(change(|plan| plan.ordering = Ordering::Lanes));
    steps.push(change(|plan| plan.retention = Retention::Acked { cap: NO_CAP }));
    steps.push(change(|plan| plan.strict_cap = false));
    steps.push(change(|plan| plan.give_up_ms = 0));
    steps.push(change(one_group));
    steps.push(change(|plan| fewer_consumers(plan, 1)));
    steps.push(change(|plan| fewer_consumers(plan, plan.consumers - 1)));
    for n in [1, 3] {
        steps.push(change(move |plan| plan.lanes = plan.lanes.min(n)));
        steps.push(change(move |plan| plan.concurrency = plan.concurrency.min(n as usize)));
        steps.push(change(move |plan| plan.prefetch = plan.prefetch.min(n as usize)));
    }
    steps.push(change(|plan| plan.work.ms = plan.work.ms.min(2)));
    for n in 0..plan.faults.len() {
        steps.push(change(move |plan| {
            if let Some(fault) = plan.faults.get_mut(n) {
                fault.for_ms /= 2;
            }
        }));
        steps.push(change(move |plan| {
            if let Some(Fault { what: What::Lossy { permille, .. }, .. }) = plan.faults.get_mut(n) {
                *permille /= 2;
            }
        }));
        steps.push(change(move |plan| {
            if let Some(Fault { what: What::Poison { message }, .. }) = plan.faults.get_mut(n) {
                *message = (*message).min(plan.messages - 1);
            }
        }));
    }
    steps
}

fn change(how: impl Fn(&mut Plan) + 'static) -> Step {
    Box::new(move |plan| {
        let mut plan = plan.clone();
        how(&mut plan);
        plan
    })
}

fn one_group(plan: &mut Plan) {
    let kept = plan.consumers;
    plan.groups = 1;
    plan.faults.retain(|fault| seat(fault).is_none_or(|seat| seat < kept));
    plan.faults.retain(|fault| {
        !matches!(
            fault.what,
            What::DestroyGroup { group: 1.. } | What::Usurp { group: Some(1..) } | What::Foreign { group: 1.., .. }
        )
    });
}

/// Seats change their numbers when there is more than one group; whether the failure stays is seen by trying.
fn fewer_consumers(plan: &mut Plan, consumers: u32) {
    plan.consumers = consumers.max(1);
    let seats = plan.groups * plan.consumers;
    plan.faults.retain(|fault| seat(fault).is_none_or(|seat| seat < seats));
}

fn seat(fault: &Fault) -> Option<u32> {
    match fault.what {
        What::Kill { seat } | What::Freeze { seat } | What::Stop { seat } => Some(seat),
        What::Lossy { seat, .. } => seat,
        _ => None,
    }
}
