//! Foreign consumers in the group, and faults that move no work.

use super::story::{ACK, Story, entry};
use super::{Check, assert_caught, assert_good, judge};
use crate::history::{FaultKind, Kind};

fn read_by_another(messages: &[u64]) -> Story {
    let mut story = Story::default();
    story.publish(1..=3);
    for message in messages {
        story.tell(Kind::ForeignRead, *message);
    }
    story
}

#[test]
fn what_a_foreign_consumer_handled_is_not_lost() {
    let mut story = read_by_another(&[1, 2, 3]);
    for message in 1..=3 {
        story.tell(Kind::ForeignDone, message);
    }
    assert_good(&judge(&story));
}

#[test]
fn what_a_foreign_consumer_died_with_must_come_back() {
    let mut story = read_by_another(&[1]);
    story.handle(1, 2);
    story.handle(1, 3);
    assert_caught(&judge(&story), Check::C1);
    // It comes when it is brought back, and has its place from then on.
    story.handle(1, 1);
    assert_good(&judge(&story));
    let mut story = read_by_another(&[1]);
    story.handle(1, 2);
    let run = story.start(1, 1);
    story.end(run, super::story::RETRY);
    story.settle(run);
    story.handle(1, 3);
    story.handle(1, 1);
    assert_caught(&judge(&story), Check::C5);
}

#[test]
fn what_it_finished_does_not_come_again_unless_it_took_too_long() {
    let finished = |ms: u64| {
        let mut story = read_by_another(&[1]);
        story.wait(ms);
        story.tell(Kind::ForeignDone, 1);
        for message in 1..=3 {
            story.handle(1, message);
        }
        story
    };
    assert_caught(&judge(&finished(1_000)), Check::C4);
    assert_good(&judge(&finished(60_000)));
    let mut story = read_by_another(&[1]);
    story.tell(Kind::ForeignDone, 1);
    story.fault(FaultKind::DestroyGroup, 0, 0);
    for message in 1..=3 {
        story.handle(1, message);
    }
    assert_good(&judge(&story));
}

/// The group was destroyed between its reading and its acknowledgement, which acknowledged nothing then.
#[test]
fn what_it_finished_after_the_server_forgot_it_comes_again() {
    let gone_back = |reach: u64| {
        let mut story = read_by_another(&[1]);
        story.wait(100);
        let fault = story.begin_with(FaultKind::RollBack, |record| record.message = reach * 1_000_000);
        story.over(fault);
        story.tell(Kind::ForeignDone, 1);
        for message in 1..=3 {
            story.handle(1, message);
        }
        story
    };
    assert_good(&judge(&gone_back(2_000)));
    assert_caught(&judge(&gone_back(5)), Check::C4);
}

/// The server went back to before it had handed the entry out, so that a foreign consumer was handed it as well.
#[test]
fn who_held_it_before_the_server_forgot_may_start_it_until_it_learns_of_that() {
    let started = |held: bool, late: u64| {
        let mut story = Story::default();
        story.publish(1..=3);
        if held {
            story.handle(1, 2);
        }
        story.fault(FaultKind::RollBack, 0, 0);
        story.wait(10);
        story.tell(Kind::ForeignRead, 1);
        story.tell(Kind::ForeignDone, 1);
        story.wait(late);
        story.handle(1, 1);
        judge(&story).findings.iter().any(|finding| finding.check == Check::C4)
    };
    assert!(!started(true, 100));
    assert!(started(true, 10_000));
    assert!(started(false, 100));
}

/// What a foreign consumer died with comes back whenever it is brought back, also if it had run before.
#[test]
fn what_it_died_with_may_come_again_after_later_entries() {
    let again = |read: bool| {
        let mut story = Story::default();
        story.publish(1..=3);
        for message in 1..=3 {
            story.handle(1, message);
        }
        story.fault(FaultKind::DestroyGroup, 0, 0);
        story.wait(10_000);
        if read {
            story.tell(Kind::ForeignRead, 1);
        }
        story.handle(1, 2);
        story.handle(1, 1);
        story
    };
    assert_caught(&judge(&again(false)), Check::C5);
    let caught = judge(&again(true));
    assert!(caught.findings.iter().all(|finding| finding.check != Check::C5), "{:?}", caught.findings);
}

/// Another entry of the message is another matter.
#[test]
fn what_it_finished_may_be_stored_again() {
    let mut story = read_by_another(&[1]);
    story.tell(Kind::ForeignDone, 1);
    story.fault(FaultKind::RollBack, 0, 0);
    story.handle(1, 2);
    story.handle(1, 3);
    story.wait(10_000);
    let run = story.start_with(1, 1, |record| record.entry = (9_000, 0));
    story.end(run, ACK);
    story.settle(run);
    assert_good(&judge(&story));
}

#[test]
fn faults_that_move_no_work_explain_no_second_start() {
    for kind in [FaultKind::FullMemory, FaultKind::CapReached, FaultKind::DeletePending, FaultKind::ForeignConsumer] {
        let mut story = Story::default();
        story.publish([1]);
        let fault = story.begin(kind, 0);
        let run = story.start(1, 1);
        story.end(run, ACK);
        story.handle(2, 1);
        story.over(fault);
        assert_caught(&judge(&story), Check::C4);
    }
}

/// Message 2 was stored, forgotten, and stored again under a later entry because its receipt had got lost.
#[test]
fn a_forgotten_entry_may_be_passed_over_though_its_message_comes_under_another() {
    let mut story = Story::default();
    story.publish([1, 2]);
    story.fault(FaultKind::RollBack, 0, 0);
    story.publish([3]);
    let again = (entry(3).0, 9);
    story.handle(1, 1);
    story.handle(1, 3);
    let run = story.start_with(1, 2, |record| record.entry = again);
    story.end(run, ACK);
    story.settle(run);
    assert_good(&judge(&story));
}

/// What a server forgets later was there when it was passed over.
#[test]
fn what_is_forgotten_later_excuses_nothing_before() {
    let mut story = Story::default();
    story.publish([1, 2]);
    story.handle(1, 2);
    story.fault(FaultKind::Flush, 0, 0);
    assert_caught(&judge(&story), Check::C5);
}
