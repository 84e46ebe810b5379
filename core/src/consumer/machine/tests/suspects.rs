//! What is tried alone, what is given up for deaths, and what is not.

use super::*;

/// An entry without lane that so many processes have died with, so many of them alone.
fn dead(n: u64, deaths: u32, lone_deaths: u32) -> Arrived {
    let record = Record { starts: deaths, deaths, lone_deaths, ..Record::default() };
    Arrived { lane: None, history: true, record: Some(record), ..arrived(n) }
}

/// A consumer that has adopted these.
fn adopter(entries: Vec<Arrived>) -> (Machine, Vec<Action>) {
    let mut machine = registered();
    let session = Session { identity: "gone".into(), fence: FenceToken("2:a".into()) };
    machine.step(Event::Adopted(Ok(Some(session))), at(0));
    let actions = fetched(&mut machine, entries);
    (machine, actions)
}

fn fetched(machine: &mut Machine, entries: Vec<Arrived>) -> Vec<Action> {
    let mut actions = machine.step(Event::Fetched { key: 1, answer: Ok(Ok((entries, None))) }, at(0));
    actions.extend(machine.step(Event::Fetched { key: 1, answer: Ok(Ok((Vec::new(), None))) }, at(0)));
    actions
}

fn offered(actions: &[Action]) -> Option<(u64, Ticket)> {
    actions.iter().find_map(|action| match action {
        Action::Start(started) if started.suspect => Some((started.id.ms, started.ticket)),
        _ => None,
    })
}

fn marked(actions: &[Action]) -> Vec<(u64, Record)> {
    let starts = actions.iter().filter_map(|action| match action {
        Action::Begin { starts, .. } => Some(starts.iter().map(|(id, record)| (id.ms, *record))),
        _ => None,
    });
    starts.flatten().collect()
}

fn given_up(actions: &[Action]) -> Vec<u64> {
    let dead = actions.iter().filter_map(|action| match action {
        Action::Tell(Notice::DeadLettered { id, reason: "crashed" }) => Some(id.ms),
        _ => None,
    });
    dead.collect()
}

fn asks(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Seclude))
}

fn begun(machine: &mut Machine) -> Vec<Action> {
    machine.step(Event::Begun { key: 1, answer: Ok(Ok(())) }, at(0))
}

#[test]
fn a_suspect_waits_for_the_process_and_its_host_before_its_start_counts() {
    let (mut machine, actions) = adopter(vec![dead(1, 2, 0), dead(2, 1, 0)]);
    // The other one is marked, but does not start before the first has had its turn.
    assert!(asks(&actions) && offered(&actions).is_none() && marked(&actions).is_empty(), "{actions:?}");
    let actions = machine.step(Event::Secluded, at(0));
    let (id, ticket) = offered(&actions).unwrap();
    assert_eq!((id, marked(&actions)), (1, vec![]), "nothing counts before its host says so");
    let actions = machine.step(Event::Begin(ticket), at(0));
    let mark = Record { starts: 3, deaths: 2, running: true, alone: true, ..Record::default() };
    assert_eq!(marked(&actions), [(1, mark)]);
    assert!(machine.step(Event::Begin(ticket), at(0)).is_empty(), "said twice");
    let actions = begun(&mut machine);
    assert!(actions.iter().any(|action| matches!(action, Action::Go(go) if *go == ticket)), "{actions:?}");
    let actions = fetched(&mut machine, vec![dead(3, 1, 0)]);
    assert!(started(&actions).is_empty() && marked(&actions).is_empty(), "beside it nothing starts: {actions:?}");
    machine.hand_back(ticket, Ended::Ack, at(0));
    let actions = machine.step(Event::Tick, at(0));
    let others: Vec<_> = marked(&actions).into_iter().map(|(id, _)| id).collect();
    assert_eq!(others, [2, 3], "the others go on");
}

#[test]
fn a_suspect_waits_for_outcomes_that_are_not_recorded() {
    let (mut machine, _) = adopter(vec![dead(1, 1, 0)]);
    let actions = begun(&mut machine);
    assert_eq!(started(&actions), [(1, 2)]);
    machine.hand_back(0, Ended::Ack, at(0));
    machine.step(Event::Tick, at(0));
    let actions = fetched(&mut machine, vec![dead(2, 2, 0)]);
    assert!(!asks(&actions), "a death would be held against the first: {actions:?}");
    let results = vec![crate::transport::SettleResult::Done];
    let answer = Ok(Ok(crate::transport::Settled { results, lanes: Vec::new() }));
    assert!(asks(&machine.step(Event::Settled { key: 1, answer }, at(0))));
}

#[test]
fn who_is_not_let_alone_waits_and_lets_the_others_go_on() {
    let (mut machine, actions) = adopter(vec![dead(1, 2, 0), dead(2, 1, 0)]);
    assert!(asks(&actions));
    let due = machine.next_deadline(at(0)).unwrap();
    machine.step(Event::Renewed { sent: at(59).mono, answer: Ok(vec![(0, Ok(2)), (1, Ok(2))]) }, at(59));
    let actions = machine.step(Event::Tick, at(60));
    assert!(due <= at(60).mono && actions.iter().any(|action| matches!(action, Action::Mingle)), "{actions:?}");
    assert_eq!(marked(&actions).into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [2]);
}

#[test]
fn nothing_starts_while_another_consumer_of_the_process_is_alone() {
    let mut machine = registered();
    machine.step(Event::Hold(true), at(0));
    let new = Arrived { lane: None, ..arrived(1) };
    let actions = machine.step(Event::Fetched { key: 0, answer: Ok(Ok((vec![new], None))) }, at(0));
    assert!(started(&actions).is_empty(), "{actions:?}");
    let actions = machine.step(Event::Hold(false), at(0));
    assert_eq!(started(&actions), [(1, 1)]);
    // One that was not allowed to begin comes again, as if nothing had been.
    let actions = machine.hand_back(0, Ended::Unstarted, at(0));
    let again = actions.iter().find_map(|action| match action {
        Action::Start(started) => Some((started.attempt, started.redelivered)),
        _ => None,
    });
    assert_eq!(again, Some((1, false)));
}

#[test]
fn the_only_suspect_is_given_up_at_its_third_death_if_it_was_alone() {
    let (_, actions) = adopter(vec![dead(1, 3, 1)]);
    assert_eq!(given_up(&actions), [1]);
    // In company it proves nothing.
    let (_, actions) = adopter(vec![dead(1, 5, 0)]);
    assert!(given_up(&actions).is_empty() && asks(&actions), "{actions:?}");
}

#[test]
fn the_verdict_waits_for_others_that_died_as_often() {
    let (mut machine, actions) = adopter(vec![dead(1, 3, 1), dead(2, 2, 0)]);
    assert!(given_up(&actions).is_empty() && asks(&actions), "{actions:?}");
    let note = marked(&actions);
    assert_eq!(note.first().map(|(id, record)| (*id, record.running)), Some((1, false)), "what is known is kept");
    begun(&mut machine);
    let (id, ticket) = offered(&machine.step(Event::Secluded, at(0))).unwrap();
    assert_eq!(id, 2);
    machine.step(Event::Begin(ticket), at(0));
    begun(&mut machine);
    let actions = machine.hand_back(ticket, Ended::Ack, at(0));
    assert_eq!(given_up(&actions), [1], "nobody else is left");
}

#[test]
fn of_several_who_died_alone_those_are_cleared_that_live() {
    let (mut machine, actions) = adopter(vec![dead(1, 3, 1), dead(2, 3, 1)]);
    assert!(given_up(&actions).is_empty() && asks(&actions), "{actions:?}");
    begun(&mut machine);
    let (id, ticket) = offered(&machine.step(Event::Secluded, at(0))).unwrap();
    machine.step(Event::Begin(ticket), at(0));
    begun(&mut machine);
    let actions = machine.hand_back(ticket, Ended::Ack, at(0));
    let mut actions: Vec<_> = actions.into_iter().chain(machine.step(Event::Tick, at(0))).collect();
    let results = vec![crate::transport::SettleResult::Done];
    let answer = Ok(Ok(crate::transport::Settled { results, lanes: Vec::new() }));
    actions.extend(machine.step(Event::Settled { key: 1, answer }, at(0)));
    actions.extend(machine.step(Event::Secluded, at(0)));
    assert_eq!(given_up(&actions), [3 - id], "the other one is left: {actions:?}");
}

#[test]
fn two_deaths_alone_are_proof_and_clear_the_others() {
    let (_, actions) = adopter(vec![dead(1, 4, 2), dead(2, 3, 1)]);
    assert_eq!(given_up(&actions), [1]);
    let results = vec![crate::transport::SettleResult::Done];
    let (mut machine, _) = adopter(vec![dead(1, 4, 2), dead(2, 3, 1)]);
    begun(&mut machine);
    let answer = Ok(Ok(crate::transport::Settled { results, lanes: Vec::new() }));
    let mut actions = machine.step(Event::Settled { key: 1, answer }, at(0));
    actions.extend(machine.step(Event::Secluded, at(0)));
    assert_eq!(offered(&actions).map(|(id, _)| id), Some(2), "it must die alone once more: {actions:?}");
}

#[test]
fn deaths_and_failures_are_counted_apart() {
    // Two failures and two deaths: one more failure is the third, one more death the third.
    let record = Record { starts: 4, deaths: 2, ..Record::default() };
    let (mut machine, _) = adopter(vec![Arrived { record: Some(record), ..dead(1, 2, 0) }]);
    let (_, ticket) = offered(&machine.step(Event::Secluded, at(0))).unwrap();
    machine.step(Event::Begin(ticket), at(0));
    begun(&mut machine);
    let retry = || Ended::Retry { after: Some(Duration::ZERO), error: None };
    let actions = machine.hand_back(ticket, retry(), at(0));
    let buried = |action: &Action| matches!(action, Action::Tell(Notice::DeadLettered { reason: "max_attempts", .. }));
    assert!(actions.iter().any(buried), "{actions:?}");
    let once = Record { starts: 3, deaths: 2, ..Record::default() };
    let (mut machine, _) = adopter(vec![Arrived { record: Some(once), ..dead(1, 2, 0) }]);
    let (_, ticket) = offered(&machine.step(Event::Secluded, at(0))).unwrap();
    machine.step(Event::Begin(ticket), at(0));
    begun(&mut machine);
    assert!(!machine.hand_back(ticket, retry(), at(0)).iter().any(buried));
}

#[test]
fn a_suspect_that_never_began_is_given_back_without_a_mark() {
    let (mut machine, _) = adopter(vec![dead(1, 2, 0)]);
    let (_, ticket) = offered(&machine.step(Event::Secluded, at(0))).unwrap();
    let actions = machine.hand_back(ticket, Ended::Release, at(0));
    assert!(actions.iter().any(|action| matches!(action, Action::Mingle)), "{actions:?}");
    let actions = machine.step(Event::Tick, at(0));
    let verdict = actions.iter().find_map(|action| match action {
        Action::Settle { batch, .. } => batch.first().map(|settle| settle.verdict.clone()),
        _ => None,
    });
    let Some(crate::transport::Verdict::Retry(record)) = verdict else { panic!("{actions:?}") };
    assert_eq!((record.starts, record.deaths, record.running, record.alone), (2, 2, false, false));
}
