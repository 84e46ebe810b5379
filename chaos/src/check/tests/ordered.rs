//! C4, C5, C7: again only for a reason, in order, one at a time.

use super::story::{ACK, REJECT, RELEASE, RETRY, Story};
use super::{Check, assert_caught, assert_good, judge, judge_by};
use crate::check::Ordering;
use crate::history::{FaultKind, Kind, Nature};

#[test]
fn a_second_start_without_a_reason_is_found() {
    let mut story = Story::default();
    story.publish([1]);
    story.handle(1, 1);
    story.handle(2, 1);
    assert_caught(&judge(&story), Check::C4);
}

#[test]
fn a_fault_that_hit_somebody_else_explains_nothing() {
    let mut story = Story::default();
    story.publish([1]);
    let run = story.start(1, 1);
    story.end(run, ACK);
    story.kill(3);
    story.fault(FaultKind::ReplyLost, 3, 0);
    story.handle(2, 1);
    assert_caught(&judge(&story), Check::C4);
}

#[test]
fn a_fault_that_was_over_long_before_explains_nothing() {
    let mut story = Story::default();
    story.publish([1]);
    story.fault(FaultKind::ServerFreeze, 0, 100);
    story.wait(3_000);
    let run = story.start(1, 1);
    story.end(run, ACK);
    story.handle(2, 1);
    assert_caught(&judge(&story), Check::C4);
}

#[test]
fn what_was_asked_for_comes_again() {
    for outcome in [RETRY, RELEASE] {
        let mut story = Story::default();
        story.publish([1]);
        let run = story.start(1, 1);
        story.end(run, outcome);
        story.settle(run);
        story.handle(1, 1);
        assert_good(&judge(&story));
    }
}

#[test]
fn a_killed_process_explains_what_the_server_had_not_recorded() {
    let killed = |recorded: bool| {
        let mut story = Story::default();
        story.publish([1]);
        let run = story.start(1, 1);
        story.end(run, ACK);
        if recorded {
            story.settle(run);
        }
        story.kill(1);
        story.handle(2, 1);
        story
    };
    assert_good(&judge(&killed(false)));
    assert_caught(&judge(&killed(true)), Check::C4);
}

#[test]
fn who_closes_reports_its_outcomes_first() {
    let mut story = Story::default();
    story.publish([1]);
    story.start(1, 1);
    story.close(1);
    story.handle(2, 1);
    assert_good(&judge(&story));
    let mut story = Story::default();
    story.publish([1]);
    let run = story.start(1, 1);
    story.end(run, ACK);
    story.close(1);
    story.handle(2, 1);
    assert_caught(&judge(&story), Check::C4);
}

#[test]
fn a_time_limit_explains_where_there_is_one() {
    let mut story = Story::default();
    story.publish([1]);
    let run = story.start(1, 1);
    story.cancel(run, 1);
    story.end(run, 4);
    story.handle(1, 1);
    assert_good(&judge_by(&story, |rules| rules.handler_timeout_ms = 1_000));
    assert_caught(&judge(&story), Check::C4);
}

#[test]
fn a_recorded_outcome_is_forgotten_by_a_server_that_forgets_only() {
    for (kind, good) in
        [(FaultKind::DestroyGroup, true), (FaultKind::CutLink, false), (FaultKind::RestartAlways, false)]
    {
        let mut story = Story::default();
        story.publish([1]);
        story.handle(1, 1);
        story.fault(kind, 0, 1);
        story.handle(2, 1);
        let report = judge(&story);
        assert_eq!(report.is_good(), good, "{kind}: {report}");
    }
}

/// Nobody told the session: its renewals were lost, or went unanswered for long.
#[test]
fn who_learns_late_that_the_server_forgot_may_start_an_entry_before_it_does() {
    let learned = |session: u32, newcomer: bool| {
        let mut story = Story::default();
        story.publish([1, 2]);
        story.handle(1, 1);
        story.fault(FaultKind::DestroyGroup, 0, 0);
        if newcomer {
            story.add(Kind::ActorStart, 3, |_| {});
            story.publish_as(3, 3, Nature::Sound);
            story.handle(3, 3);
        }
        story.wait(10_000);
        let run = story.start(1, 2);
        story.end(run, ACK);
        let run = story.start_with(1, 2, |record| record.extra = session);
        story.end(run, ACK);
        story.settle(run);
        story
    };
    assert_good(&judge(&learned(7, false)));
    assert_caught(&judge(&learned(0, false)), Check::C4);
    // Somebody who began since then works: the group was made again, and two leases later everybody knows.
    assert_caught(&judge(&learned(7, true)), Check::C4);
}

/// It was done, came again since the group was destroyed, and is done again since the server went back to before that.
#[test]
fn what_the_server_went_back_to_have_finished_may_be_passed_over() {
    let gone_back = |reach: u64| {
        let mut story = Story::default();
        story.publish([1, 2]);
        story.handle(1, 1);
        story.fault(FaultKind::DestroyGroup, 0, 0);
        story.wait(3_000);
        let run = story.start(1, 1);
        story.end(run, RETRY);
        let fault = story.begin_with(FaultKind::RollBack, |record| record.message = reach * 1_000_000);
        story.over(fault);
        story.wait(3_000);
        story.handle(1, 2);
        judge(&story).findings.iter().any(|finding| finding.check == Check::C5)
    };
    assert!(!gone_back(3_000));
    assert!(gone_back(0));
}

#[test]
fn a_poison_whose_letter_was_forgotten_may_be_passed_over() {
    let forgotten = |kind| {
        let mut story = Story::default();
        story.publish_as(1, 1, Nature::Poison);
        story.publish([2]);
        for actor in 1..=3 {
            story.start(actor, 1);
            story.die(actor);
        }
        story.wait(10_000);
        story.handle(4, 2);
        story.wait(10_000);
        story.fault(kind, 0, 0);
        judge(&story).findings.iter().any(|finding| finding.check == Check::C5)
    };
    assert!(!forgotten(FaultKind::Flush));
    assert!(forgotten(FaultKind::ServerFreeze));
}

#[test]
fn a_redelivery_says_so() {
    let mut story = Story::default();
    story.publish([1]);
    story.start(1, 1);
    story.kill(1);
    let run = story.start_with(2, 1, |r| r.detail = 0);
    story.end(run, ACK);
    assert_caught(&judge(&story), Check::C4);
}

#[test]
fn an_entry_that_starts_before_an_earlier_one_is_out_of_order() {
    let mut story = Story::default();
    story.publish([1, 2]);
    story.handle(1, 2);
    story.handle(1, 1);
    assert_caught(&judge(&story), Check::C5);
    assert_good(&judge_by(&story, |rules| rules.ordering = Ordering::Lock));
    // Lanes have nothing to do with each other.
    let mut story = Story::default();
    story.publish_as(1, 1, Nature::Sound);
    story.publish_as(2, 2, Nature::Sound);
    story.handle(1, 2);
    story.handle(1, 1);
    assert_good(&judge(&story));
}

#[test]
fn what_a_server_forgot_has_no_order_with_what_came_since_until_its_holder_learns_of_it() {
    // The clock had been ahead: 9 was stored first, under a greater id, and its holder starts it when 5 is there.
    let story = |later: u64| {
        let mut story = Story::default();
        story.publish([9]);
        story.fault(FaultKind::WrongType, 0, 1);
        story.publish([5]);
        story.wait(later);
        story.handle(1, 9);
        story.handle(2, 5);
        story
    };
    assert_good(&judge(&story(1_000)));
    // A lease (2 s) and a moment later everybody knows.
    assert_caught(&judge(&story(2_200)), Check::C5);
    // The other way round: what was forgotten starts after what came since.
    let story = |kind: FaultKind| {
        let mut story = Story::default();
        story.publish([5]);
        story.fault(kind, 0, 1);
        story.publish([9]);
        story.handle(2, 9);
        story.handle(1, 5);
        story
    };
    assert_good(&judge(&story(FaultKind::Flush)));
    assert_caught(&judge(&story(FaultKind::ClientKill)), Check::C5);
}

#[test]
fn who_held_an_entry_when_its_group_was_destroyed_may_start_it_once_more() {
    let story = |kind: FaultKind, first_is_done: bool| {
        let mut story = Story::default();
        story.publish([1, 2]);
        let run = story.start(1, 1);
        story.fault(kind, 0, 1);
        story.end(run, RELEASE);
        let taken = story.start(2, 1);
        if first_is_done {
            story.end(taken, ACK);
        }
        let again = story.start(1, 1);
        if !first_is_done {
            story.end(taken, ACK);
        }
        story.handle(2, 2);
        story.cancel(again, 0);
        story
    };
    for first_is_done in [true, false] {
        let report = judge(&story(FaultKind::DestroyGroup, first_is_done));
        assert_good(&report);
        let report = judge(&story(FaultKind::ClientKill, first_is_done));
        assert!(report.caught_by().contains(&Check::C5), "{report}");
    }
}

#[test]
fn an_entry_that_overtakes_a_retry_is_out_of_order() {
    let mut story = Story::default();
    story.publish([1, 2]);
    let run = story.start(1, 1);
    story.end(run, RETRY);
    story.settle(run);
    story.handle(1, 2);
    story.handle(1, 1);
    assert_caught(&judge(&story), Check::C5);
}

#[test]
fn what_is_rejected_or_dead_unrun_lets_the_lane_go_on() {
    let mut story = Story::default();
    story.publish([1, 3]);
    story.publish_as(2, 1, Nature::Broken);
    let run = story.start(1, 1);
    story.end(run, REJECT);
    story.handle(1, 3);
    story.tell(Kind::DeadLetter, 1);
    story.tell(Kind::DeadLetter, 2);
    assert_good(&judge(&story));
}

#[test]
fn what_was_deleted_may_be_passed_over() {
    let mut story = Story::default();
    story.publish([1, 2]);
    story.tell(Kind::Deleted, 1);
    story.tell(Kind::Vanished, 1);
    story.handle(1, 2);
    assert_good(&judge(&story));
}

#[test]
fn what_the_server_forgot_may_be_passed_over_unless_it_comes_back() {
    let forgotten = || {
        let mut story = Story::default();
        story.publish([1]);
        story.fault(FaultKind::RestartEverysec, 0, 5);
        story.publish([2]);
        story.handle(1, 2);
        story
    };
    assert_good(&judge(&forgotten()));
    // Long after: whoever held it has learned of it.
    let mut story = forgotten();
    story.wait(2_200);
    story.handle(1, 1);
    assert_caught(&judge(&story), Check::C5);
}

#[test]
fn an_entry_without_receipt_may_be_forgotten_and_stored_again_as_another() {
    let again = |entry: (u64, u64)| {
        let mut story = Story::default();
        story.call(1, 1, Nature::Sound);
        let run = story.start(1, 1);
        story.fault(FaultKind::Flush, 0, 1);
        story.cancel(run, 1);
        story.publish([2]);
        story.handle(2, 2);
        // Its publisher had no answer, and asked again.
        story.wait(3_000);
        let run = story.start_with(2, 1, |record| record.entry = entry);
        story.end(run, ACK);
        story
    };
    assert_good(&judge(&again((1_000, 9))));
    assert_caught(&judge(&again((1_000, 1))), Check::C5);
}

#[test]
fn after_a_crash_a_suffix_runs_again_in_order() {
    let crash = || {
        let mut story = Story::default();
        story.publish([1, 2, 3]);
        for message in [1, 2] {
            let run = story.start(1, message);
            story.end(run, ACK);
        }
        story.start(1, 3);
        story.kill(1);
        story
    };
    let mut story = crash();
    for message in [1, 2, 3] {
        story.handle(2, message);
    }
    assert_good(&judge(&story));
    // Going back a second time needs another reason.
    let mut story = crash();
    for message in [2, 1, 3] {
        story.handle(2, message);
    }
    assert_caught(&judge(&story), Check::C5);
    // What runs again holds up what comes after it.
    let mut story = crash();
    let run = story.start(2, 1);
    story.end(run, RETRY);
    story.settle(run);
    for message in [2, 1, 2, 3] {
        story.handle(2, message);
    }
    assert!(judge(&story).found(Check::C5));
}

#[test]
fn handlers_of_a_lane_that_run_at_the_same_time_are_found() {
    let mut story = Story::default();
    story.publish([1, 2]);
    let first = story.start(1, 1);
    let second = story.start(2, 2);
    story.end(first, ACK);
    story.settle(first);
    story.end(second, ACK);
    let report = judge_by(&story, |rules| rules.ordering = Ordering::Lock);
    assert_caught(&report, Check::C7);
    assert_good(&judge_by(&story, |rules| rules.ordering = Ordering::None));
}

/// Actor 1 stands still in a handler, actor 2 takes over; the first ends so many milliseconds after it woke up.
fn woken(kind: FaultKind, target: u32, late: u64) -> Story {
    let mut story = Story::default();
    story.publish([1]);
    let first = story.start(1, 1);
    let fault = story.begin(kind, target);
    story.wait(3_000);
    let second = story.start(2, 1);
    story.wait(20);
    story.over(fault);
    story.cancel(first, 0);
    story.wait(late);
    story.end(first, 4);
    story.settle_stale(first);
    story.wait(500);
    story.end(second, ACK);
    story.settle(second);
    story
}

#[test]
fn a_process_that_wakes_up_has_a_moment() {
    assert_good(&judge(&woken(FaultKind::Freeze, 1, 50)));
    assert_caught(&judge(&woken(FaultKind::Freeze, 1, 150)), Check::C7);
    // It was another one that stood still: then the second start has no reason either.
    let report = judge(&woken(FaultKind::Freeze, 3, 50));
    assert_eq!(report.caught_by(), [Check::C4, Check::C7], "{report}");
    // A connection that is gone is no excuse: the holder ends before others begin.
    assert_caught(&judge(&woken(FaultKind::HalfOpen, 1, 50)), Check::C7);
}

#[test]
fn a_server_that_forgot_excuses_one_lease() {
    let forgot = |late: u64| {
        let mut story = Story::default();
        story.publish([1]);
        let first = story.start(1, 1);
        story.fault(FaultKind::DestroyGroup, 0, 1);
        let second = story.start(2, 1);
        story.wait(late);
        story.end(first, 4);
        story.end(second, ACK);
        story.settle(second);
        story
    };
    assert_good(&judge(&forgot(1_900)));
    assert_caught(&judge(&forgot(2_500)), Check::C7);
}

#[test]
fn a_dead_process_runs_nothing_any_more() {
    let mut story = Story::default();
    story.publish([1, 2]);
    story.start(1, 1);
    story.kill(1);
    story.wait(2_500);
    story.handle(2, 1);
    story.handle(2, 2);
    assert_good(&judge(&story));
}

#[test]
fn what_was_deleted_may_come_back_when_the_server_goes_back() {
    let mut story = Story::default();
    story.publish([1, 2]);
    story.tell(Kind::Deleted, 1);
    story.handle(1, 2);
    story.fault(FaultKind::RollBack, 0, 1);
    story.handle(1, 1);
    story.handle(1, 2);
    assert_good(&judge(&story));
}

#[test]
fn a_clock_that_steps_ends_locks_and_nothing_else() {
    let mut story = Story::default();
    story.publish([1, 2]);
    let first = story.start(1, 1);
    story.fault(FaultKind::ClockStep, 0, 1);
    let second = story.start(2, 2);
    story.end(first, ACK);
    story.end(second, ACK);
    assert_good(&judge_by(&story, |rules| rules.ordering = Ordering::Lock));
    let report = judge(&story);
    assert!(report.caught_by().contains(&Check::C7), "{report}");
}

#[test]
fn a_handler_that_holds_its_thread_may_run_beside_whoever_took_its_work() {
    let overlap = |held: bool| {
        let mut story = Story::default();
        let fault = story.begin(if held { FaultKind::HoldThread } else { FaultKind::HandlerHang }, 0);
        for kind in [Kind::PublishCall, Kind::PublishOk] {
            story.add(kind, 0, |record| {
                (record.message, record.lane) = (1, 1);
                record.entry = if kind == Kind::PublishOk { super::story::entry(1) } else { (0, 0) };
                (record.detail, record.hash) = (1, super::story::hash(1));
            });
        }
        let first = story.start(1, 1);
        story.over(fault);
        story.fault(FaultKind::AclRevoked, 0, 2_500);
        let second = story.start(2, 1);
        story.end(first, ACK);
        story.end(second, ACK);
        judge(&story)
    };
    let text = overlap(true).to_string();
    assert!(text.contains("a handler held its thread"), "{text}");
    assert!(!text.contains("C7 overlap:"), "{text}");
    assert!(overlap(false).to_string().contains("C7 overlap:"));
}
