//! The checker's verdict on a simulation. Groups share nothing but the stream, so each has a history of its own.

use stargazer_core::policy::{Ordering, Retention};

use super::plan::{LEASE_MS, Plan, STRAY_MS, SWEEP_MS};
use super::process::Life;
use super::world::World;
use crate::check::{self, Check, Rules};
use crate::history::{History, Kind, Record};

/// What is promised in a simulation of this plan.
pub fn rules(plan: &Plan) -> Rules {
    Rules {
        ordering: match plan.ordering {
            Ordering::Lanes => check::Ordering::Lanes,
            Ordering::Exclusive => check::Ordering::Exclusive,
            Ordering::Lock => check::Ordering::Lock,
            Ordering::None => check::Ordering::None,
        },
        lease_ms: LEASE_MS,
        sweep_ms: SWEEP_MS,
        stray_ms: STRAY_MS,
        max_attempts: plan.max_attempts,
        poison_deaths: plan.max_attempts.max(3) + 1,
        settles_recorded: true,
        exact: true,
        // A process that wakes up learns what happened meanwhile within 100 ms, its handlers end within 80.
        wake_ms: 200,
        handler_timeout_ms: if plan.work.endless > 0 { 3 * LEASE_MS } else { 0 },
        ..Rules::default()
    }
}

impl World<'_> {
    /// What the checker finds in each group, in words.
    pub(super) fn verdict(&self) -> Vec<String> {
        let rules = rules(self.plan);
        let mut findings = Vec::new();
        for group in 0..self.groups.len() {
            let of_group = |record: &&Record| match record.kind {
                Kind::DeadLetter | Kind::ForeignRead | Kind::ForeignDone => usize::try_from(record.extra) == Ok(group),
                _ => self.group_of(record.actor).is_none_or(|other| other == group),
            };
            let history = History::new(self.history.iter().filter(of_group).copied().collect());
            let report = check::check(&history, &rules);
            let judged = report.findings.into_iter().filter(|finding| self.is_judged(finding.check));
            findings.extend(judged.map(|finding| {
                let around = finding.around.join("\n    ");
                format!("{:?} in group {group}: {}\n    {around}", finding.check, finding.text)
            }));
        }
        findings
    }

    fn group_of(&self, actor: Life) -> Option<usize> {
        let place = usize::try_from(actor).ok()?.checked_sub(1)?;
        self.processes.get(place).map(|process| process.group)
    }

    /// What is lost on purpose is not judged, nor what comes before or after it in its lane.
    fn is_judged(&self, check: Check) -> bool {
        // The oldest entries go, read or not.
        let trims = matches!(self.plan.retention, Retention::Capped { max_len } if self.plan.messages > max_len);
        !(trims || self.groups_were_gone) || !matches!(check, Check::C1 | Check::C5)
    }
}
