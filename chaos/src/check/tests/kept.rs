//! C1, C2, C3, C9: what was published is there, once, and as it was.

use super::story::{ACK, REJECT, RELEASE, RETRY, Story, entry, hash};
use super::{Check, assert_caught, assert_good, judge, judge_by};
use crate::history::{FaultKind, Kind, Nature};

#[test]
fn a_quiet_history_is_good() {
    let mut story = Story::default();
    story.publish(1..=5);
    for message in 1..=5 {
        story.handle(1, message);
    }
    let report = judge(&story);
    assert_good(&report);
    assert_eq!(report.checks[&Check::C1].judged, 5);
    assert_eq!(report.checks[&Check::C5].judged, 5);
}

#[test]
fn what_was_stored_and_never_handled_is_lost_and_classed() {
    let mut story = Story::default();
    for message in 1..=5 {
        story.publish_as(message, u32::try_from(message).unwrap(), Nature::Sound);
    }
    story.handle(1, 2);
    story.handle(1, 4);
    let report = judge(&story);
    assert_caught(&report, Check::C1);
    let texts: Vec<_> = report.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert!(texts[0].contains("message 1 is lost (prefix"), "{texts:?}");
    assert!(texts[1].contains("message 3 is lost (middle"), "{texts:?}");
    assert!(texts[2].contains("message 5 is lost (postfix"), "{texts:?}");
}

#[test]
fn an_outcome_reported_before_the_handler_ended_loses_the_message() {
    let mut story = Story::default();
    story.publish([1]);
    let run = story.start(1, 1);
    story.settle(run);
    story.kill(1);
    assert_caught(&judge(&story), Check::C1);
}

#[test]
fn what_asked_for_a_retry_and_never_came_back_is_lost() {
    for outcome in [RETRY, RELEASE] {
        let mut story = Story::default();
        story.publish([1]);
        let run = story.start(1, 1);
        story.end(run, outcome);
        story.settle(run);
        assert_caught(&judge(&story), Check::C1);
    }
}

#[test]
fn a_rejected_message_needs_its_dead_letter() {
    let mut story = Story::default();
    story.publish([1]);
    let run = story.start(1, 1);
    story.end(run, REJECT);
    story.settle(run);
    assert_caught(&judge(&story), Check::C1);
    story.tell(Kind::DeadLetter, 1);
    assert_good(&judge(&story));
}

#[test]
fn what_nobody_knows_the_fate_of_is_not_lost() {
    let mut story = Story::default();
    story.call(1, 1, Nature::Sound);
    story.call(2, 1, Nature::Sound);
    story.refused(2);
    assert_good(&judge(&story));
}

#[test]
fn vanishing_is_excused_by_a_deletion_only() {
    let mut story = Story::default();
    story.publish([1]);
    story.tell(Kind::Vanished, 1);
    assert_caught(&judge(&story), Check::C1);
    story.tell(Kind::Deleted, 1);
    let report = judge(&story);
    assert_good(&report);
    assert_eq!(report.checks[&Check::C1].excused["deleted by somebody"], 1);
}

#[test]
fn a_server_that_forgets_loses_what_it_had_and_nothing_later() {
    let mut story = Story::default();
    story.publish([1]);
    story.fault(FaultKind::Flush, 0, 5);
    let report = judge(&story);
    assert_good(&report);
    assert_eq!(report.checks[&Check::C1].excused["forgotten by flush"], 1);
    story.publish([2]);
    assert_caught(&judge(&story), Check::C1);
}

#[test]
fn how_far_a_server_forgets_is_a_matter_of_its_persistence() {
    for (kind, good) in
        [(FaultKind::RestartEverysec, false), (FaultKind::RestartAlways, false), (FaultKind::RestartEmpty, true)]
    {
        let mut story = Story::default();
        story.publish([1]);
        story.wait(3_000);
        story.fault(kind, 0, 5);
        let report = judge(&story);
        assert_eq!(report.is_good(), good, "{kind}: {report}");
    }
    let mut story = Story::default();
    story.publish([1]);
    story.wait(1_000);
    story.fault(FaultKind::RestartEverysec, 0, 5);
    assert_good(&judge(&story));
}

#[test]
fn what_replicas_confirmed_survives_a_failover() {
    let mut story = Story::default();
    story.call(1, 1, Nature::Sound);
    story.add(Kind::PublishOk, 100, |r| (r.message, r.lane, r.entry, r.detail) = (1, 1, entry(1), 2));
    story.fault(FaultKind::Failover, 0, 5);
    assert_caught(&judge(&story), Check::C1);
}

#[test]
fn what_nobody_published_is_unexpected() {
    let mut story = Story::default();
    story.handle(1, 1);
    assert_caught(&judge(&story), Check::C2);
    let mut story = Story::default();
    let run = story.start(1, 1);
    story.publish_as(1, 0, Nature::Sound);
    story.end(run, ACK);
    assert_caught(&judge(&story), Check::C2);
}

#[test]
fn a_message_that_was_said_not_to_be_stored_must_not_turn_up() {
    let mut story = Story::default();
    story.call(1, 1, Nature::Sound);
    story.refused(1);
    story.handle(1, 1);
    assert_caught(&judge(&story), Check::C2);
    // A second call without an answer may have stored it.
    let mut story = Story::default();
    story.call(1, 1, Nature::Sound);
    story.refused(1);
    story.call(1, 1, Nature::Sound);
    story.handle(1, 1);
    assert_good(&judge(&story));
}

#[test]
fn another_body_or_lane_is_unexpected() {
    let mut story = Story::default();
    story.publish([1]);
    let run = story.start_with(1, 1, |r| r.hash = 5);
    story.end(run, ACK);
    assert_caught(&judge(&story), Check::C2);
    let mut story = Story::default();
    story.publish([1]);
    let run = story.start_with(1, 1, |r| r.lane = 2);
    story.end(run, ACK);
    assert_caught(&judge(&story), Check::C2);
}

#[test]
fn a_run_that_ends_twice_is_a_mistake_of_the_history() {
    let mut story = Story::default();
    story.publish([1]);
    let run = story.handle(1, 1);
    story.end(run, ACK);
    assert_caught(&judge(&story), Check::C2);
}

/// The same message as another entry.
fn stored_again(story: &mut Story, seq: u64) {
    story.add(Kind::PublishOk, 100, |r| (r.message, r.lane, r.entry) = (1, 1, (1_000, seq)));
    let run = story.start_with(1, 1, |r| (r.entry, r.detail, r.attempt) = ((1_000, seq), 0, 1));
    story.end(run, ACK);
}

#[test]
fn a_message_id_is_stored_once() {
    let mut story = Story::default();
    story.publish([1]);
    story.handle(1, 1);
    stored_again(&mut story, 50);
    assert_caught(&judge(&story), Check::C3);
    assert_good(&judge_by(&story, |rules| rules.dedupe_ms = 0));
}

#[test]
fn a_message_may_be_stored_again_after_an_operator_or_a_flush() {
    let mut story = Story::default();
    story.publish([1]);
    let run = story.start(1, 1);
    story.end(run, REJECT);
    story.tell(Kind::DeadLetter, 1);
    story.tell(Kind::Replayed, 1);
    stored_again(&mut story, 50);
    assert_good(&judge(&story));
    let mut story = Story::default();
    story.publish([1]);
    story.handle(1, 1);
    story.fault(FaultKind::Flush, 0, 1);
    stored_again(&mut story, 50);
    assert_good(&judge(&story));
}

#[test]
fn a_dead_letter_keeps_bytes_and_entry() {
    let rejected = || {
        let mut story = Story::default();
        story.publish([1]);
        let run = story.start(1, 1);
        story.end(run, REJECT);
        story
    };
    let mut story = rejected();
    story.add(Kind::DeadLetter, 0, |r| (r.message, r.lane, r.entry, r.hash) = (1, 1, entry(1), 5));
    assert_caught(&judge(&story), Check::C9);
    let mut story = rejected();
    story.add(Kind::DeadLetter, 0, |r| (r.message, r.lane, r.entry, r.hash) = (1, 1, (9, 9), hash(1)));
    assert_caught(&judge_by(&story, |rules| rules.dedupe_ms = 0), Check::C9);
    let mut story = rejected();
    story.tell(Kind::DeadLetter, 1);
    assert_good(&judge(&story));
    story.tell(Kind::DeadLetter, 1);
    assert_caught(&judge(&story), Check::C9);
}
