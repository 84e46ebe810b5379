//! What need not be weighed and is not routed is read around the script, and only where the script would read it.

use stargazer_core::transport::{EntryId, Fetch, Group, Handed, Ordering, Refusal, Session, Transport};
use stargazer_tests::{Options, Reply, Server};

use super::{ACKED, RedisTransport, entry, integer, join, publish, run, start};

fn group(ordering: Ordering) -> Group {
    Group::new("s".into(), "g".into(), ordering, ACKED)
}

fn unweighed(cursor: EntryId) -> Fetch {
    Fetch { cursor, count: 2, max_bytes: 1 << 20, unweighed: true, new: true, wary: true }
}

async fn fetch(transport: &RedisTransport, group: &Group, session: &Session, cursor: EntryId) -> Vec<Handed> {
    transport.fetch(group, session, &unweighed(cursor)).await.unwrap().unwrap().entries
}

async fn fill(transport: &RedisTransport) -> Vec<EntryId> {
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(publish(transport, entry("k", &n.to_string())).await.unwrap());
    }
    ids
}

/// How often the server has run a command so far.
fn runs(server: &Server, command: &str) -> u64 {
    let Reply::Text(stats) = server.command(&["INFO", "commandstats"]).unwrap() else { return 0 };
    let stats = String::from_utf8(stats).unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
}

fn ids(entries: &[Handed]) -> Vec<EntryId> {
    entries.iter().map(|entry| entry.id).collect()
}

fn pending(server: &Server) -> i64 {
    let Reply::List(summary) = server.command(&["XPENDING", "s", "g"]).unwrap() else { panic!("no summary") };
    match summary[0] {
        Reply::Int(count) => count,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_script_is_asked_only_where_something_is_unusual() {
    run(async {
        for ordering in [Ordering::None, Ordering::Lock, Ordering::Exclusive] {
            let (server, transport) = start(Options::default()).await;
            let group = group(ordering);
            let session = join(&transport, &group, "a").await;
            let all = fill(&transport).await;
            // In `exclusive` the first fetch takes the place.
            let first = fetch(&transport, &group, &session, EntryId::ZERO).await;
            assert_eq!(ids(&first), all[..2]);
            let before = (runs(&server, "evalsha"), runs(&server, "exec"));
            let second = fetch(&transport, &group, &session, all[1]).await;
            assert_eq!(ids(&second), all[2..4]);
            assert!(second.iter().all(|entry| !entry.history && entry.record.is_none()));
            assert_eq!(second[0].lane.is_some(), ordering.keeps_lanes());
            assert_eq!((runs(&server, "evalsha"), runs(&server, "exec")), (before.0, before.1 + 1), "{ordering:?}");
            // The answer was lost: the script finds it in the pending list.
            let again = fetch(&transport, &group, &session, all[1]).await;
            assert_eq!((ids(&again), again[0].history), (all[2..4].to_vec(), true));
            assert_eq!(runs(&server, "evalsha"), before.0 + 1);
            assert_eq!(integer(&server, &["PTTL", "s"]), -1, "a stream that was touched is as it was");
        }
    });
}

#[test]
fn who_is_not_in_force_reads_nothing() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group(Ordering::None);
        let session = join(&transport, &group, "a").await;
        fill(&transport).await;
        // Whoever gave the stream a time to live keeps it.
        server.command(&["PEXPIRE", "s", "3600000"]).unwrap();
        for (suffix, refusal) in [("9-other", Refusal::Stale), ("", Refusal::Forgotten)] {
            match suffix {
                "" => server.command(&["HDEL", &group.keys.consumers, "a"]).unwrap(),
                fence => server.command(&["HSET", &group.keys.consumers, "a", fence]).unwrap(),
            };
            let answer = transport.fetch(&group, &session, &unweighed(EntryId::ZERO)).await.unwrap();
            assert_eq!(answer, Err(refusal));
            assert_eq!(pending(&server), 0, "{suffix}");
        }
        let left = integer(&server, &["PTTL", "s"]);
        assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    });
}

#[test]
fn who_may_make_no_transactions_loses_nothing() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group(Ordering::None);
        let session = join(&transport, &group, "a").await;
        let all = fill(&transport).await;
        server.command(&["ACL", "SETUSER", "default", "-watch", "-multi", "-exec"]).unwrap();
        let mut cursor = EntryId::ZERO;
        let mut got = Vec::new();
        while got.len() < all.len() {
            let entries = fetch(&transport, &group, &session, cursor).await;
            got.extend(ids(&entries));
            cursor = *got.last().unwrap();
        }
        assert_eq!(got, all);
    });
}
