//! A server that is gone for long: a consumer asks for it by and by, and rests in between.

use super::*;
use crate::error::Error;

/// What a request comes to when nobody answers; nothing for what is no request.
fn unanswered(action: Action, now: Now) -> Option<Event> {
    let gone = Error::unavailable("gone");
    Some(match action {
        Action::Register => Event::Registered(Err(gone)),
        Action::Fetch { key, .. } => Event::Fetched { key, answer: Err(gone) },
        Action::Wait { .. } => Event::Woken,
        Action::Settle { key, .. } => Event::Settled { key, answer: Err(gone) },
        Action::Renew { .. } => Event::Renewed { sent: now.mono, answer: Err(gone) },
        Action::Look => Event::Signs(Err(gone)),
        Action::Sweep { .. } => Event::Swept(Err(gone)),
        Action::CompareHeld { key, .. } => Event::Held { key, answer: Err(gone) },
        Action::Gather { key, .. } => Event::Gathered { key, answer: Err(gone) },
        Action::Survey => Event::Surveyed(Err(gone)),
        Action::LookAtServer | Action::Start(_) | Action::Cancel { .. } | Action::Tell(_) => return None,
        other => panic!("not expected of a consumer that waits: {other:?}"),
    })
}

/// How often it wakes, and how many requests it makes, in the hour after its server went.
fn an_hour_without_a_server(machine: &mut Machine) -> (u32, u32) {
    let end = at(3600).mono;
    let (mut wakes, mut requests, mut now) = (0, 0, at(1));
    while now.mono < end {
        let mut actions = machine.step(Event::Tick, now);
        wakes += 1;
        while !actions.is_empty() {
            let events: Vec<_> = actions.into_iter().filter_map(|action| unanswered(action, now)).collect();
            requests += u32::try_from(events.len()).unwrap();
            actions = events.into_iter().flat_map(|event| machine.step(event, now)).collect();
        }
        let next = machine.next_deadline(now).expect("it tries again");
        now = Now { mono: next, wall_ms: u64::try_from(next.as_millis()).unwrap() };
    }
    (wakes, requests)
}

/// Half a dozen kinds of requests, each after a pause of a quarter of the lease, which may be shorter by a fifth.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn most() -> u32 {
    let pause = ConsumerConfig::default().lease.as_secs_f64() / 4.0 * 0.8;
    6 * (3600.0 / pause).ceil() as u32
}

#[test]
fn a_consumer_whose_server_is_gone_rests_between_its_attempts() {
    let mut machine = registered();
    machine.step(Event::Fetched { key: 0, answer: Ok(Ok((Vec::new(), None))) }, at(0));
    let (wakes, requests) = an_hour_without_a_server(&mut machine);
    assert!(requests < most() && wakes < most(), "{wakes} wakes, {requests} requests");
}

#[test]
fn so_does_one_that_holds_work() {
    let mut machine = registered();
    let actions = machine.step(Event::Fetched { key: 0, answer: Ok(Ok((vec![arrived(1), arrived(2)], None))) }, at(0));
    assert_eq!(started(&actions), [(1, 1)]);
    machine.hand_back(0, Ended::Ack, at(0));
    let (wakes, requests) = an_hour_without_a_server(&mut machine);
    assert!(requests < most() && wakes < most(), "{wakes} wakes, {requests} requests");
}
