//! Drawn schedules of the simulation, judged by the checker: it finds nothing where nothing is wrong.

use stargazer_chaos::mutants::judge;
use stargazer_chaos::simulate::Plan;
use stargazer_core::policy::{Ordering, Retention};

#[test]
fn drawn_schedules_pass_every_check() {
    let mut judged = 0;
    for seed in 1..=120 {
        let plan = Plan::draw(seed, 300);
        // A history tells of one group.
        let one = plan.groups == 1 && plan.ordering == Ordering::Lanes;
        if one && matches!(plan.retention, Retention::Acked { .. }) {
            let report = judge(None, seed, &plan);
            assert!(report.is_good(), "seed {seed}, {:?}\n{report}", plan.faults);
            judged += 1;
        }
    }
    assert!(judged > 40, "{judged}");
}
