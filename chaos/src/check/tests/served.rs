//! C8, C10 to C13: poisons, recovery, what is left, coverage.

use super::story::{ACK, RETRY, Story};
use super::{Check, assert_caught, assert_good, judge, judge_by};
use crate::history::{FaultKind, Figure, Kind, Nature};

/// A poison that kills so many processes and then lies in the dead letters.
fn poison(deaths: u32) -> Story {
    let mut story = Story::default();
    story.publish_as(1, 1, Nature::Poison);
    for actor in 1..=deaths {
        story.start(actor, 1);
        story.die(actor);
    }
    story.tell(Kind::DeadLetter, 1);
    story
}

#[test]
fn a_poison_kills_a_few_processes_at_most() {
    assert_good(&judge(&poison(4)));
    assert_caught(&judge(&poison(5)), Check::C8);
}

#[test]
fn a_server_that_forgets_counts_again() {
    let mut story = Story::default();
    story.publish_as(1, 1, Nature::Poison);
    for actor in 1..=6 {
        if actor == 3 {
            story.fault(FaultKind::DestroyGroup, 0, 1);
        }
        story.start(actor, 1);
        story.die(actor);
    }
    story.tell(Kind::DeadLetter, 1);
    assert_good(&judge(&story));
}

#[test]
fn no_sound_message_lies_in_the_dead_letters() {
    let mut story = Story::default();
    story.publish([1]);
    story.start(1, 1);
    story.kill(1);
    story.tell(Kind::DeadLetter, 1);
    assert_caught(&judge(&story), Check::C8);
}

#[test]
fn failures_use_starts_up_and_deaths_do_not() {
    for deaths in 0..=2 {
        let mut story = Story::default();
        story.publish([1]);
        for actor in 1..=3 {
            let run = story.start(actor, 1);
            if actor <= deaths {
                story.kill(actor);
            } else {
                story.end(run, RETRY);
                story.settle(run);
            }
        }
        story.tell(Kind::DeadLetter, 1);
        if deaths == 0 {
            assert_good(&judge(&story));
        } else {
            assert_caught(&judge(&story), Check::C8);
        }
    }
}

#[test]
fn only_who_was_killed_alone_again_looks_like_a_poison() {
    for company in [false, true] {
        let mut story = Story::default();
        story.publish([1]);
        story.publish_as(2, 2, Nature::Sound);
        for actor in 1..=2 {
            story.start(actor, 1);
            story.kill(actor);
        }
        story.start(3, 1);
        if company {
            story.start(3, 2);
        }
        story.kill(3);
        story.handle(4, 2);
        story.tell(Kind::DeadLetter, 1);
        if company {
            assert_caught(&judge(&story), Check::C8);
        } else {
            assert_good(&judge(&story));
        }
    }
}

#[test]
fn given_back_is_not_used_up() {
    let mut story = Story::default();
    story.publish([1]);
    for _ in 0..3 {
        let run = story.start(1, 1);
        story.end(run, 3);
    }
    story.tell(Kind::DeadLetter, 1);
    assert_caught(&judge(&story), Check::C8);
}

/// Killed in a handler; somebody else goes on after so many milliseconds.
fn recovered(ms: u64, beside: bool) -> Story {
    let mut story = Story::default();
    story.publish([1]);
    story.start(1, 1);
    story.kill(1);
    if beside {
        story.fault(FaultKind::ServerFreeze, 0, 100);
    }
    story.wait(ms);
    story.handle(2, 1);
    story
}

#[test]
fn work_goes_on_in_time() {
    let limited = |story: &Story| {
        judge_by(story, |rules| {
            rules.recovery_ms.insert("kill".into(), 2_500);
        })
    };
    let report = limited(&recovered(2_000, false));
    assert_good(&report);
    assert_eq!(report.recovery["kill"].samples, 1);
    assert!((2_000.0..2_010.0).contains(&report.recovery["kill"].p50));
    assert_caught(&limited(&recovered(2_600, false)), Check::C10);
    let report = limited(&recovered(2_600, true));
    assert_good(&report);
    assert_eq!((report.recovery["kill"].samples, report.recovery["kill"].disturbed), (0, 1));
}

#[test]
fn after_the_server_is_back_work_goes_on_in_time() {
    let mut story = Story::default();
    story.publish([1]);
    story.fault(FaultKind::RestartAlways, 0, 500);
    story.wait(6_000);
    story.handle(1, 1);
    let report = judge_by(&story, |rules| {
        rules.recovery_ms.insert("restart_always".into(), 5_000);
    });
    assert_caught(&report, Check::C10);
}

#[test]
fn a_frozen_process_is_replaced_in_time() {
    let mut story = Story::default();
    story.publish([1]);
    let first = story.start(1, 1);
    let fault = story.begin(FaultKind::Freeze, 1);
    story.wait(4_000);
    let second = story.start(2, 1);
    story.over(fault);
    story.end(first, 4);
    story.end(second, ACK);
    story.settle(second);
    let report = judge_by(&story, |rules| {
        rules.recovery_ms.insert("freeze".into(), 3_000);
    });
    assert_caught(&report, Check::C10);
}

#[test]
fn what_is_left_in_the_server_is_found() {
    let measured = |figure, base, value| {
        let mut story = Story::default();
        story.publish([1]);
        story.handle(1, 1);
        story.measure(Figure::Keys, 3, 3);
        story.measure(Figure::Memory, 50 << 20, 52 << 20);
        story.measure(figure, base, value);
        judge_by(&story, |rules| rules.measured = true)
    };
    assert_good(&measured(Figure::Lanes, 0, 0));
    assert_caught(&measured(Figure::Lanes, 0, 1), Check::C11);
    assert_good(&measured(Figure::Memory, 100 << 20, 119 << 20));
    assert_caught(&measured(Figure::Memory, 100 << 20, 121 << 20), Check::C12);
    assert_caught(&measured(Figure::Connections, 4, 20), Check::C12);
}

#[test]
fn nobody_measured_is_no_pass() {
    let mut story = Story::default();
    story.publish([1]);
    story.handle(1, 1);
    let report = judge_by(&story, |rules| rules.measured = true);
    assert_eq!(report.caught_by(), [Check::C11, Check::C12], "{report}");
}

#[test]
fn a_fault_that_hits_nothing_proves_nothing() {
    let mut story = Story::default();
    story.publish([1, 2, 3]);
    let run = story.start(1, 1);
    story.fault(FaultKind::ServerFreeze, 0, 5);
    story.end(run, ACK);
    story.fault(FaultKind::ServerFreeze, 0, 5);
    story.settle(run);
    story.handle(1, 2);
    story.handle(1, 3);
    let report = judge_by(&story, |rules| rules.in_flight = 3);
    assert_good(&report);
    let hit = &report.coverage["server_freeze"];
    let cells = [hit["faults"], hit["before fetch"], hit["in handler"], hit["before settle"], hit["settle sent"]];
    assert_eq!(cells, [2, 4, 1, 1, 0]);
    assert_caught(&judge_by(&story, |rules| rules.in_flight = 4), Check::C13);
    assert_caught(&judge_by(&story, |rules| rules.phases = vec![4]), Check::C13);
    assert_good(&judge_by(&story, |rules| rules.phases = vec![1, 2, 3]));
    assert_caught(&judge_by(&story, |rules| rules.required = vec!["kill".into()]), Check::C13);
}
