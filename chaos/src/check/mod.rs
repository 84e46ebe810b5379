//! The checker: reads a history and decides whether the promises held.
//!
//! Every check has a number that is used everywhere (`C1` … `C13`) and a file of its own. All of them work on the same
//! [`Facts`], gathered once: messages, runs of handlers, lives of actors, faults. "Before" is always the place in the
//! history, never a comparison of times, so that what happens at the same virtual time keeps its order.
//!
//! What a check excuses, it counts: a report names what was lost because the server forgot it, and how often an entry
//! ran again for which reason.

mod actors;
mod base_line;
mod coverage;
mod dead_letters;
mod explained;
mod facts;
mod faults;
mod left_over;
mod line;
mod lost;
mod messages;
mod once;
mod order;
mod overlap;
mod poison;
mod recovery;
mod report;
mod rules;
mod runs;
mod stale;
#[cfg(test)]
mod tests;
mod unexpected;

pub use report::{Check, CheckReport, Finding, Recovery, Report};
pub use rules::{Ordering, Rules};

use crate::history::History;
use facts::Facts;
use report::Findings;

/// Checks a history.
pub fn check(history: &History, rules: &Rules) -> Report {
    let facts = Facts::gather(history, rules);
    let mut findings = Findings::new(&facts);
    lost::check(&facts, &mut findings);
    unexpected::check(&facts, &mut findings);
    once::check(&facts, &mut findings);
    explained::check(&facts, &mut findings);
    order::check(&facts, &mut findings);
    stale::check(&facts, &mut findings);
    overlap::check(&facts, &mut findings);
    poison::check(&facts, &mut findings);
    dead_letters::check(&facts, &mut findings);
    recovery::check(&facts, &mut findings);
    left_over::check(&facts, &mut findings);
    base_line::check(&facts, &mut findings);
    coverage::check(&facts, &mut findings);
    findings.finish()
}
