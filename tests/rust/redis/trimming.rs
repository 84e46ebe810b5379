//! What goes from a stream, and what the mark remembers.

use std::time::{Duration, Instant};

use stargazer_core::transport::{Append, Missing, Recreated, Retention, Settle, Transport};
use stargazer_tests::{Options, Reply};

use super::{ACKED, ack, entry, fetch, group, integer, join, publish, run, start};

#[test]
fn sweeps_trim_below_the_slowest_group_page_by_page_with_bodies() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let (fast, slow) = (group("fast", ACKED), group("slow", ACKED));
        let (a, b) = (join(&transport, &fast, "a").await, join(&transport, &slow, "b").await);
        let mut batch: Vec<Append> = (0..2500).map(|n| entry(&format!("{}", n % 7), "")).collect();
        for n in [0, 2400] {
            let key = format!("s:body:#{n}");
            batch[n].fields.push(("ref".into(), key.clone().into()));
            batch[n].body = Some((key.into(), "big".into()));
        }
        let ids: Vec<_> = transport.append(batch).await.into_iter().map(|appended| appended.unwrap().id).collect();
        let finish = async |group, session, count: usize| {
            let mut left = count;
            while left > 0 {
                let entries = fetch(&transport, group, session, left.min(500)).await;
                let acks: Vec<Settle> = entries.iter().map(ack).collect();
                transport.settle(group, session, &acks).await.unwrap().unwrap();
                left -= entries.len();
            }
        };
        let sweep = async || {
            let (mut cursor, mut pages) = (Some(0), 0);
            while let Some(page) = cursor {
                cursor = transport.sweep(&fast, page).await.unwrap();
                pages += 1;
            }
            pages
        };
        finish(&fast, &a, 2500).await;
        assert_eq!(integer(&server, &["XLEN", "s"]), 2500, "the slow group has read nothing");
        sweep().await;
        assert_eq!(integer(&server, &["XLEN", "s"]), 2500);
        finish(&slow, &b, 2300).await;
        assert!(sweep().await > 1);
        let info = transport.stream_info(&"s".into()).await.unwrap();
        assert_eq!((info.length, info.first_entry), (200, Some(ids[2300])));
        assert_eq!(integer(&server, &["EXISTS", "s:body:#0", "s:body:#2400"]), 1);
        finish(&slow, &b, 200).await;
        sweep().await;
        assert_eq!(integer(&server, &["XLEN", "s"]), 0);
        assert_eq!(integer(&server, &["EXISTS", "s:body:#0", "s:body:#2400"]), 0);
    });
}

/// A worker that knows nothing of our keys, on its own group.
#[test]
fn a_foreign_group_with_consumers_counts_from_the_next_sweep() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let ours = group("ours", ACKED);
        let session = join(&transport, &ours, "a").await;
        for (name, read) in [("read", true), ("never", false)] {
            assert_eq!(server.command(&["XGROUP", "CREATE", "s", name, "0"]).unwrap().text(), "OK");
            if read {
                let command = ["XREADGROUP", "GROUP", name, "python", "COUNT", "1", "STREAMS", "s", ">"];
                server.command(&command).unwrap();
                server.command(&["XGROUP", "CREATECONSUMER", "s", name, "python"]).unwrap();
            }
        }
        assert_eq!(transport.sweep(&ours, 0).await.unwrap(), None);
        assert_eq!(integer(&server, &["HLEN", "s:groups"]), 2, "who never read does not count");
        publish(&transport, entry("x", "")).await.unwrap();
        let entries = fetch(&transport, &ours, &session, 9).await;
        transport.settle(&ours, &session, &[ack(&entries[0])]).await.unwrap().unwrap();
        transport.sweep(&ours, 0).await.unwrap();
        assert_eq!(integer(&server, &["XLEN", "s"]), 1, "the other group has not read it");
    });
}

#[test]
fn a_group_that_is_lost_starts_again_at_the_mark() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group("g", Retention::Forever);
        let session = join(&transport, &group, "a").await;
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(publish(&transport, entry(&n.to_string(), "")).await.unwrap());
        }
        let entries = fetch(&transport, &group, &session, 3).await;
        // The first settle moves the mark, those within the next second do not.
        transport.settle(&group, &session, &[ack(&entries[0])]).await.unwrap().unwrap();
        transport.settle(&group, &session, &[ack(&entries[1])]).await.unwrap().unwrap();
        server.command(&["XGROUP", "DESTROY", "s", "g"]).unwrap();
        assert_eq!(
            transport.recreate(&group).await.unwrap(),
            Recreated::Created { from: ids[1].before(), missing: Missing::Group }
        );
        let session = join(&transport, &group, "b").await;
        let entries = fetch(&transport, &group, &session, 9).await;
        assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids[1..]);

        let deadline = Instant::now() + Duration::from_secs(10);
        let mark = || server.command(&["GET", &group.keys.mark]).unwrap().text();
        let before = mark();
        let acks: Vec<Settle> = entries.iter().map(ack).collect();
        transport.settle(&group, &session, &acks[..2]).await.unwrap().unwrap();
        let mut rest = acks[2..].iter();
        while mark() == before {
            assert!(Instant::now() < deadline, "the mark does not move");
            let id = publish(&transport, entry("more", "")).await.unwrap();
            let entries = fetch(&transport, &group, &session, 9).await;
            let more: Vec<Settle> = entries.iter().filter(|entry| entry.id == id).map(ack).collect();
            transport.settle(&group, &session, &more).await.unwrap().unwrap();
        }
        assert!(mark().starts_with(&format!("{}|", rest.next().unwrap().id.before())), "{}", mark());
        assert!(matches!(server.command(&["EXISTS", &group.keys.tries]).unwrap(), Reply::Int(0)));
    });
}
