//! Small histories: a good one passes, one that is broken in one way is caught by the check that is named, and by no
//! other.

mod committed;
mod foreign;
mod kept;
mod ordered;
mod served;
mod story;

use super::{Check, Report, Rules, check};
use story::Story;

/// Judged by the rules of a simulation: everything is recorded, at its very moment.
fn judge(story: &Story) -> Report {
    judge_by(story, |_| {})
}

fn judge_by(story: &Story, change: impl FnOnce(&mut Rules)) -> Report {
    let mut rules = Rules { settles_recorded: true, exact: true, ..Rules::default() };
    change(&mut rules);
    check(&story.history(), &rules)
}

#[track_caller]
fn assert_good(report: &Report) {
    assert!(report.is_good(), "{report}");
}

#[track_caller]
fn assert_caught(report: &Report, by: Check) {
    assert_eq!(report.caught_by(), [by], "{report}");
}
