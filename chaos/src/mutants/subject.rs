//! One mutant against the checker.

use std::time::Duration;

use stargazer_core::clock::{Clock, SystemClock};
use stargazer_core::mutant::Mutant;

use crate::check::{Check, Report, check};
use crate::history::History;
use crate::simulate::{Plan, observe, rules};

/// A mutant, the check that must catch it, and what happens meanwhile.
#[derive(Debug)]
pub struct Subject {
    /// The rule that is broken.
    pub mutant: Mutant,
    /// Who must notice.
    pub check: Check,
    /// The accidents of a seed.
    pub plan: fn(u64) -> Plan,
    /// Seeds within which it must be noticed.
    pub seeds: u64,
}

/// A mutant that was noticed.
#[derive(Debug)]
pub struct Caught {
    /// By the first of its seeds, counted from 1.
    pub seed: u64,
    /// All checks that found something in that seed.
    pub by: Vec<Check>,
    /// What the named check said first.
    pub text: String,
    /// How long all of it took, the same seeds with nothing broken included.
    pub took: Duration,
}

/// The checker's verdict on a seed, with this rule broken, or none.
pub fn judge(mutant: Option<Mutant>, seed: u64, plan: &Plan) -> Report {
    Mutant::turn_on(mutant);
    let outcome = observe(seed, plan);
    Mutant::turn_on(None);
    check(&History::new(outcome.history), &rules(plan))
}

/// Looks for the first seed in which the mutant is noticed by the check that was named; an error says what went wrong.
pub fn prove(subject: &Subject) -> Result<Caught, String> {
    let clock = SystemClock::new();
    for seed in 1..=subject.seeds {
        let plan = (subject.plan)(seed);
        let sound = judge(None, seed, &plan);
        if !sound.is_good() {
            return Err(format!("seed {seed} fails with nothing broken:\n{sound}"));
        }
        let broken = judge(Some(subject.mutant), seed, &plan);
        if let Some(finding) = broken.findings.iter().find(|finding| finding.check == subject.check) {
            let (by, text) = (broken.caught_by(), finding.text.clone());
            return Ok(Caught { seed, by, text, took: clock.now() });
        }
    }
    Err(format!("not noticed by {:?} in {} seeds", subject.check, subject.seeds))
}
