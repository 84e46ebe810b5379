//! Blocking reads and bells on real connections.

use std::time::{Duration, Instant};

use stargazer_core::redis::RedisTransport;
use stargazer_core::transport::{Fetch, Fetched, Group, Handed, Hint, Ordering, Refusal, Session, Transport};
use stargazer_tests::{Options, Server};

use super::{ACKED, EntryId, entry, fetch, group, join, publish, run, start};

const LONG: Duration = Duration::from_secs(3600);

/// Connections but those of the test itself, whose end the server may not have noticed yet.
fn connections(server: &Server) -> usize {
    let list = server.command(&["CLIENT", "LIST"]).unwrap().text();
    list.lines().filter(|line| !line.contains("cmd=info") && !line.contains("cmd=client")).count()
}

fn blocked(server: &Server) -> bool {
    server.command(&["INFO", "clients"]).unwrap().text().contains("blocked_clients:1")
}

async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within ten seconds");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn a_dropped_wait_is_taken_up_again() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group("g", ACKED);
        let session = join(&transport, &group, "a").await;
        let hint = Hint::Watch(EntryId::ZERO);
        let mut most = 0;
        for _ in 0..20 {
            tokio::select! {
                () = until(|| blocked(&server)) => {}
                waited = transport.wait(&group, &session.identity, &hint, LONG) => waited.unwrap(),
            }
            most = most.max(connections(&server));
        }
        // Commands, the watch, the bells.
        assert!(most <= 3, "{most} connections");
        let wait = transport.wait(&group, &session.identity, &hint, LONG);
        let started = Instant::now();
        let (waited, id) = tokio::join!(wait, publish(&transport, entry("x", "")));
        waited.unwrap();
        assert!(started.elapsed() < Duration::from_millis(900), "woken late: {:?}", started.elapsed());
        assert_eq!(fetch(&transport, &group, &session, 9).await[0].id, id.unwrap());
    });
}

#[test]
fn a_refused_identity_leaves_no_connection_behind() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group("g", ACKED);
        for name in ["a", "b", "c", "d"] {
            let session = join(&transport, &group, name).await;
            let hint = Hint::Watch(EntryId::ZERO);
            transport.wait(&group, &session.identity, &hint, Duration::from_millis(20)).await.unwrap();
            server.command(&["HDEL", &group.keys.consumers, &session.identity]).unwrap();
            let request =
                Fetch { cursor: EntryId::ZERO, count: 1, max_bytes: 1024, unweighed: false, new: false, wary: true };
            assert_eq!(transport.fetch(&group, &session, &request).await.unwrap(), Err(Refusal::Forgotten));
        }
        // Commands and the bells.
        until(|| connections(&server) <= 2).await;
    });
}

#[test]
fn a_stop_wakes_those_who_watch() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group("g", ACKED);
        let (a, b) = (join(&transport, &group, "a").await, join(&transport, &group, "b").await);
        let request =
            Fetch { cursor: EntryId::ZERO, count: 9, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
        let hint = transport.fetch(&group, &a, &request).await.unwrap().unwrap().hint.unwrap();
        assert_eq!(hint, Hint::Watch(EntryId::ZERO));
        let channel = format!("{}:a", group.keys.bell);
        let listens =
            || server.command(&["PUBSUB", "CHANNELS", &channel]).unwrap() != stargazer_tests::Reply::List(vec![]);
        let stop = async {
            until(|| listens() && blocked(&server)).await;
            let started = Instant::now();
            transport.stop(&group, std::slice::from_ref(&b)).await.unwrap();
            started
        };
        let waited = async {
            transport.wait(&group, &a.identity, &hint, LONG).await.unwrap();
            Instant::now()
        };
        let (started, woken) = tokio::join!(stop, waited);
        assert!(woken - started < Duration::from_millis(500), "{:?}", woken - started);
    });
}

#[test]
fn a_wait_ends_with_its_time_although_the_server_is_gone() {
    run(async {
        let (mut server, transport) = start(Options::default()).await;
        let group = group("g", ACKED);
        let session = join(&transport, &group, "a").await;
        server.kill().unwrap();
        let timeout = Duration::from_millis(100);
        let started = Instant::now();
        transport.wait(&group, &session.identity, &Hint::Rest, timeout).await.unwrap();
        assert!(started.elapsed() >= timeout);
        let watch = Hint::Watch(EntryId::ZERO);
        assert!(transport.wait(&group, &session.identity, &watch, timeout).await.is_err());
        server.restart().unwrap();
        transport.recreate(&group).await.unwrap();
        let wait = transport.wait(&group, &session.identity, &watch, LONG);
        let (waited, _) = tokio::join!(wait, publish(&transport, entry("x", "")));
        waited.unwrap();
    });
}

/// A session that reads in no order, and how it was told to wait.
async fn unordered(transport: &RedisTransport) -> (Group, Session, Hint) {
    let group = Group::new("s".into(), "g".into(), Ordering::None, ACKED);
    let session = join(transport, &group, "a").await;
    let hint = ask(transport, &group, &session, EntryId::ZERO, 9).await.hint.unwrap();
    (group, session, hint)
}

async fn ask(t: &RedisTransport, group: &Group, session: &Session, cursor: EntryId, count: usize) -> Fetched {
    let request = Fetch { cursor, count, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
    t.fetch(group, session, &request).await.unwrap().unwrap()
}

fn ids(entries: &[Handed]) -> Vec<(EntryId, bool)> {
    entries.iter().map(|entry| (entry.id, entry.history)).collect()
}

#[test]
fn what_came_is_there_with_the_news_of_it() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let (group, session, mut hint) = unordered(&transport).await;
        let mut cursor = EntryId::ZERO;
        for round in 0..3 {
            let wait = transport.wait(&group, &session.identity, &hint, LONG);
            let (waited, id) = tokio::join!(wait, publish(&transport, entry("x", "")));
            waited.unwrap();
            server.command(&["CONFIG", "RESETSTAT"]).unwrap();
            // What it asked for ahead is no more than there was room for.
            let fetched = ask(&transport, &group, &session, cursor, 9).await;
            cursor = id.unwrap();
            assert_eq!((ids(&fetched.entries), fetched.hint), (vec![(cursor, false)], Some(Hint::Watch(cursor))));
            let done = server.command(&["INFO", "commandstats"]).unwrap().text();
            assert!(!done.contains("cmdstat_evalsha"), "round {round}: {done}");
            hint = Hint::Watch(cursor);
        }
        let pending = transport.pending(&group.stream, &group.name).await.unwrap();
        assert_eq!(pending.count, 3, "as after any fetch");
    });
}

#[test]
fn what_was_fetched_ahead_for_nothing_is_fetched_again() {
    run(async {
        let (_server, transport) = start(Options::default()).await;
        let (group, session, hint) = unordered(&transport).await;
        let come = async |hint: &Hint| {
            let wait = transport.wait(&group, &session.identity, hint, LONG);
            let (waited, id) = tokio::join!(wait, publish(&transport, entry("x", "")));
            waited.unwrap();
            id.unwrap()
        };
        let first = come(&hint).await;
        // There is less room by now than there was.
        let fetched = ask(&transport, &group, &session, EntryId::ZERO, 3).await;
        assert_eq!(ids(&fetched.entries), [(first, true)]);
        // It reads from the beginning again.
        let second = come(&Hint::Watch(first)).await;
        let fetched = ask(&transport, &group, &session, EntryId::ZERO, 9).await;
        assert_eq!(ids(&fetched.entries), [(first, true), (second, true)]);
        // It was not asked for before somebody else was to act for the session.
        let third = come(&Hint::Watch(second)).await;
        let sign = transport.signs(&group).await.unwrap().remove(0);
        let heir = transport.adopt(&group, &sign, "heir").await.unwrap().unwrap();
        let all = ask(&transport, &group, &heir, EntryId::ZERO, 9).await;
        assert_eq!(ids(&all.entries), [(first, true), (second, true), (third, true)]);
    });
}

#[test]
fn nothing_is_fetched_ahead_for_a_session_that_somebody_else_acts_for() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let (group, session, hint) = unordered(&transport).await;
        let take = async {
            until(|| blocked(&server)).await;
            let sign = transport.signs(&group).await.unwrap().remove(0);
            transport.adopt(&group, &sign, "heir").await.unwrap().unwrap();
            publish(&transport, entry("x", "")).await.unwrap();
        };
        let (waited, ()) = tokio::join!(transport.wait(&group, &session.identity, &hint, LONG), take);
        waited.unwrap();
        assert_eq!(transport.pending(&group.stream, &group.name).await.unwrap().count, 0);
        let request =
            Fetch { cursor: EntryId::ZERO, count: 9, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
        assert_eq!(transport.fetch(&group, &session, &request).await.unwrap(), Err(Refusal::Stale));
    });
}
