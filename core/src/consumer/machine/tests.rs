mod silence;
mod suspects;

use std::time::Duration;

use super::*;
use crate::config::ConsumerConfig;
use crate::transport::{FenceToken, Record, Refusal, Session};

pub(super) fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall_ms: seconds * 1000 }
}

pub(super) fn registered() -> Machine {
    let policy = Policy::new(&ConsumerConfig::default(), "s".into(), "g".into(), "dead".into(), 1);
    let mut machine = Machine::new(policy, at(0));
    machine.step(Event::Tick, at(0));
    let session = Session { identity: "one".into(), fence: FenceToken("1:a".into()) };
    machine.step(Event::Registered(Ok(Ok(session))), at(0));
    machine
}

/// A lane's entry as a fetch brings it.
pub(super) fn arrived(n: u64) -> Arrived {
    let fields = vec![("data".into(), "x".into())];
    Arrived {
        id: crate::transport::EntryId::new(n, 0),
        lane: Some("lane".into()),
        history: false,
        record: None,
        content: Content::Good(fields.into()),
        body: None,
        locks: std::sync::Arc::default(),
    }
}

#[test]
fn a_session_is_given_up_to_another_server_only_when_its_handlers_have_ended() {
    let mut machine = registered();
    let actions = machine.step(Event::Fetched { key: 0, answer: Ok(Ok((vec![arrived(1)], None))) }, at(0));
    let ticket = actions.iter().find_map(|action| match action {
        Action::Start(started) => Some(started.ticket),
        _ => None,
    });
    let stops = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Stop { .. }));
    let actions = machine.step(Event::ServerChanged, at(1));
    assert!(actions.iter().any(|action| matches!(action, Action::Cancel { .. })), "{actions:?}");
    assert!(!stops(&actions), "its handler still runs: {actions:?}");
    assert!(stops(&machine.hand_back(ticket.unwrap(), Ended::Release, at(1))));
}

#[test]
fn of_two_registrations_that_were_under_way_one_retires() {
    let mut machine = registered();
    machine.step(Event::ServerChanged, at(1));
    let lost = Event::Fetched { key: 0, answer: Ok(Err(Refusal::GroupLost)) };
    machine.step(lost, at(1));
    let session = |name: &str| Session { identity: name.into(), fence: FenceToken("1:a".into()) };
    machine.step(Event::Registered(Ok(Ok(session("two")))), at(1));
    machine.step(Event::Fetched { key: 1, answer: Ok(Ok((Vec::new(), None))) }, at(1));
    machine.step(Event::Registered(Ok(Ok(session("three")))), at(1));
    let actions = machine.step(Event::Fetched { key: 1, answer: Ok(Ok((Vec::new(), None))) }, at(1));
    let retires = |action: &Action| matches!(action, Action::Retire { session, .. } if &*session.identity == "two");
    assert!(actions.iter().any(retires), "{actions:?}");
}

#[test]
fn a_session_lost_during_a_sweep_leaves_no_deadline_that_never_comes() {
    let mut machine = registered();
    let actions = machine.step(Event::Tick, at(60));
    assert!(actions.iter().any(|action| matches!(action, Action::Sweep { .. })), "{actions:?}");
    let lost = Event::Renewed { sent: Duration::ZERO, answer: Ok(vec![(0, Err(Refusal::Forgotten))]) };
    let actions = machine.step(lost, at(60));
    assert!(actions.iter().any(|action| matches!(action, Action::Register)), "{actions:?}");
    assert_eq!(machine.next_deadline(at(60)), None);
}

#[test]
fn a_batch_of_outcomes_frees_little_at_once() {
    let megabyte = 1024 * 1024;
    assert_eq!(outcome::batch_of([100; 2000].into_iter()), crate::transport::BATCH);
    assert_eq!(outcome::batch_of([8 * megabyte, 100].into_iter()), 1, "a large one goes alone");
    assert_eq!(outcome::batch_of([100, 100, 8 * megabyte].into_iter()), 2);
    assert_eq!(outcome::batch_of([megabyte / 2; 9].into_iter()), 2);
}

pub(super) fn started(actions: &[Action]) -> Vec<(u64, u32)> {
    let of = |action: &Action| match action {
        Action::Start(started) => Some((started.id.ms, started.attempt)),
        _ => None,
    };
    actions.iter().filter_map(of).collect()
}

#[test]
fn who_stood_still_past_the_lease_starts_nothing_when_a_handler_ends() {
    let mut machine = registered();
    let entries = vec![arrived(1), arrived(2)];
    let actions = machine.step(Event::Fetched { key: 0, answer: Ok(Ok((entries, None))) }, at(0));
    assert_eq!(started(&actions), [(1, 1)]);
    // The first thing to happen after half a minute is the end of a handler.
    let actions = machine.hand_back(0, Ended::Ack, at(30));
    assert_eq!(started(&actions), []);
    assert!(actions.iter().any(|action| matches!(action, Action::Cancel { .. })), "{actions:?}");
}

#[test]
fn a_later_page_of_an_adopted_pending_list_holds_no_first_entries_of_lanes_met_before() {
    let mut machine = registered();
    let session = Session { identity: "gone".into(), fence: FenceToken("2:a".into()) };
    machine.step(Event::Adopted(Ok(Some(session))), at(0));
    let history = |n| Arrived { history: true, ..arrived(n) };
    let fetched = |machine: &mut Machine, entries| {
        machine.step(Event::Fetched { key: 1, answer: Ok(Ok((entries, None))) }, at(0))
    };
    fetched(&mut machine, vec![history(1)]);
    let actions = machine.step(Event::Begun { key: 1, answer: Ok(Ok(())) }, at(0));
    assert_eq!(started(&actions), [(1, 2)], "the first may have been started by whoever is gone");
    let results = vec![crate::transport::SettleResult::Done];
    machine.hand_back(0, Ended::Ack, at(0));
    machine.step(Event::Tick, at(0));
    let answer = Ok(Ok(crate::transport::Settled { results, lanes: Vec::new() }));
    machine.step(Event::Settled { key: 1, answer }, at(0));
    fetched(&mut machine, vec![history(2)]);
    let actions = machine.step(Event::Begun { key: 1, answer: Ok(Ok(())) }, at(0));
    assert_eq!(started(&actions), [(2, 1)], "the second was behind it and was not");
}

#[test]
fn a_renewal_that_nobody_answers_does_not_keep_back_the_next() {
    let mut machine = registered();
    let renews = |actions: Vec<Action>| actions.iter().any(|action| matches!(action, Action::Renew { .. }));
    let lease = ConsumerConfig::default().lease.as_secs();
    assert!(!renews(machine.step(Event::Tick, at(lease / 3 - 1))));
    assert_eq!(machine.next_deadline(at(lease / 3 - 1)), Some(at(lease / 3).mono));
    assert!(renews(machine.step(Event::Tick, at(lease / 3))));
    assert!(!renews(machine.step(Event::Tick, at(lease / 3 + 1))));
    assert!(renews(machine.step(Event::Tick, at(2 * lease / 3))), "the one before has no answer yet");
    machine.step(Event::Renewed { sent: at(2 * lease / 3).mono, answer: Ok(vec![(0, Ok(1))]) }, at(2 * lease / 3));
    let actions = machine.step(Event::Fetched { key: 0, answer: Ok(Ok((vec![arrived(1)], None))) }, at(lease + 1));
    assert_eq!(started(&actions), [(1, 1)], "one of them got through");
}

#[test]
fn a_start_that_was_cut_short_in_order_does_not_count() {
    let started = Record { starts: 3, running: true, ..Record::default() };
    let given_back = intake::met(Some(started), false, true);
    assert_eq!(given_back, Record { starts: 2, ..Record::default() });
    let died = intake::met(Some(started), true, true);
    let alone = Record { alone: true, ..started };
    let died_alone = Record { starts: 3, deaths: 1, lone_deaths: 1, ..Record::default() };
    assert_eq!(intake::met(Some(alone), true, true), died_alone);
    assert_eq!(intake::met(Some(alone), false, true), given_back);
    assert_eq!(died, Record { starts: 3, deaths: 1, ..Record::default() });
    let failed = Record { starts: 3, ..Record::default() };
    assert_eq!(intake::met(Some(failed), false, true), failed);
}

#[test]
fn nothing_is_asked_for_after_the_end() {
    let mut machine = registered();
    machine.step(Event::Drain { deadline: Duration::from_secs(1) }, at(0));
    machine.step(Event::Fetched { key: 0, answer: Ok(Ok((Vec::new(), None))) }, at(0));
    // The answer that ends it comes when a renewal is due as well.
    let actions = machine.step(Event::Retired { key: 0, answer: Ok(Ok(true)) }, at(60));
    assert!(matches!(actions.last(), Some(Action::Ended(_))), "{actions:?}");
    assert!(machine.step(Event::Tick, at(61)).is_empty());
}
