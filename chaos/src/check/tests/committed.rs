//! C6: nobody commits what has become somebody else's.

use super::story::{ACK, RETRY, Story};
use super::{Check, assert_caught, assert_good, judge, judge_by};
use crate::history::FaultKind;

/// Actor 1 freezes in its handler, actor 2 takes over; then `after` with both runs.
fn taken_over(after: impl FnOnce(&mut Story, u64, u64)) -> Story {
    let mut story = Story::default();
    story.publish([1]);
    let first = story.start(1, 1);
    let fault = story.begin(FaultKind::Freeze, 1);
    story.wait(3_000);
    let second = story.start(2, 1);
    story.over(fault);
    story.end(first, ACK);
    after(&mut story, first, second);
    story
}

#[test]
fn an_outcome_of_a_former_holder_is_refused() {
    let good = taken_over(|story, first, second| {
        story.settle_stale(first);
        story.end(second, ACK);
        story.settle(second);
    });
    assert_good(&judge(&good));
    let bad = taken_over(|story, first, second| {
        story.settle(first);
        story.end(second, ACK);
    });
    assert_caught(&judge(&bad), Check::C6);
}

#[test]
fn an_effect_of_a_former_holder_is_refused() {
    let bad = taken_over(|story, first, second| {
        story.effect(first);
        story.end(second, ACK);
        story.settle(second);
    });
    assert_caught(&judge(&bad), Check::C6);
}

#[test]
fn the_order_of_effects_is_that_of_the_server() {
    let effects = |of_first: u64, of_second: u64| {
        taken_over(|story, first, second| {
            story.settle_stale(first);
            story.effect(first);
            story.end(second, ACK);
            story.settle(second);
            story.effect_found(first, of_first);
            story.effect_found(second, of_second);
        })
    };
    // The answer came late, the commit did not.
    let real = |story: &Story| judge_by(story, |rules| rules.exact = false);
    assert_good(&real(&effects(1, 2)));
    assert_caught(&real(&effects(2, 1)), Check::C6);
}

#[test]
fn what_was_found_before_another_began_is_not_stale_wherever_it_stood() {
    // The clock had been ahead; the server forgot the stream and began again with smaller ids.
    let mut story = Story::default();
    story.publish([1]);
    let first = story.handle(1, 1);
    story.effect_found(first, 2);
    story.fault(FaultKind::Flush, 0, 1);
    story.publish([2]);
    let second = story.handle(2, 2);
    story.effect_found(second, 1);
    assert_good(&judge_by(&story, |rules| rules.exact = false));
}

#[test]
fn what_one_session_does_late_is_its_own_business() {
    let mut story = Story::default();
    story.publish([1, 2]);
    let first = story.start(1, 1);
    story.end(first, RETRY);
    story.settle(first);
    let second = story.start(1, 1);
    story.effect(first);
    story.end(second, ACK);
    story.settle(second);
    story.handle(1, 2);
    assert_good(&judge(&story));
}

#[test]
fn a_new_session_of_the_same_process_is_somebody_else() {
    let mut story = Story::default();
    story.publish([1]);
    let first = story.start_with(1, 1, |r| r.extra = 1);
    story.fault(FaultKind::HalfOpen, 1, 2_500);
    story.end(first, 4);
    let second = story.start_with(1, 1, |r| r.extra = 2);
    story.effect(first);
    story.end(second, ACK);
    story.settle(second);
    assert_caught(&judge(&story), Check::C6);
}

#[test]
fn an_effect_after_a_later_entry_of_the_lane_is_stale() {
    let mut story = Story::default();
    story.publish([1, 2]);
    let first = story.start(1, 1);
    let fault = story.begin(FaultKind::Freeze, 1);
    story.wait(3_000);
    let second = story.handle(2, 1);
    let third = story.start(2, 2);
    story.over(fault);
    story.end(first, 4);
    story.effect(first);
    story.end(third, ACK);
    story.settle(third);
    assert_caught(&judge(&story), Check::C6);
    assert_ne!(second, third);
}
