//! Servers that break, are full, forget, or hold something else under our keys.

use std::time::Duration;

use stargazer_core::redis::ConnectOptions;
use stargazer_core::transport::{Along, Append, Dedupe, Settle, Transport, Verdict};
use stargazer_core::{Error, ErrorKind};
use stargazer_tests::{Options, Server};

use super::{ACKED, ack, connect, context, entry, fetch, fields, group, integer, join, publish, run, start};

#[test]
fn a_restarted_server_is_used_again() {
    run(async {
        let (mut server, transport) = start(Options { appendonly: true, ..Options::default() }).await;
        let group = group("g", ACKED);
        let session = join(&transport, &group, "a").await;
        publish(&transport, entry("x", "1")).await.unwrap();
        let before = transport.ping().await.unwrap();
        server.kill().unwrap();
        // The connection that broke may have carried a request; afterwards they are refused before they are sent.
        for stored in [&["unknown", "no"][..], &["no"]] {
            let error = publish(&transport, entry("x", "2")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(stored.contains(&context(&error, "stored").unwrap()), "{error}");
        }
        server.restart().unwrap();
        let entries = fetch(&transport, &group, &session, 9).await;
        assert_eq!(entries.len(), 1);
        let settled = transport.settle(&group, &session, &[ack(&entries[0])]).await.unwrap();
        assert!(settled.is_ok());
        assert_ne!(transport.ping().await.unwrap().run_id, before.run_id);
    });
}

#[test]
fn a_connection_that_was_cut_costs_no_request() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        for _ in 0..20 {
            server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            publish(&transport, entry("x", "")).await.unwrap();
        }
        assert_eq!(integer(&server, &["XLEN", "s"]), 20);
    });
}

#[test]
fn a_silent_server_is_a_time_out_and_nobody_knows_what_was_stored() {
    run(async {
        let server = Server::start().unwrap();
        let limit = Duration::from_millis(200);
        let options = ConnectOptions::default().with_response_timeout(limit).with_connect_timeout(limit);
        let transport = connect(&server.url(), options).await.unwrap();
        server.pause().unwrap();
        let error = publish(&transport, entry("x", "")).await.unwrap_err();
        assert_eq!((error.kind(), context(&error, "stored")), (ErrorKind::Timeout, Some("unknown")));
        server.resume().unwrap();
        publish(&transport, entry("x", "")).await.unwrap();
    });
}

#[test]
fn forgotten_scripts_are_loaded_again_and_the_order_is_kept() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group("g", ACKED);
        let session = join(&transport, &group, "a").await;
        let dedupe = |text: &str| {
            let key = format!("s:mid:#{text}").into();
            Append { dedupe: Some(Dedupe { key, window: Duration::from_secs(60) }), ..entry("x", text) }
        };
        for round in ["plain first", "scripted first", "scripted only"] {
            server.command(&["SCRIPT", "FLUSH"]).unwrap();
            let texts: Vec<String> = (0..4).map(|n| format!("{round} {n}")).collect();
            let batch = texts.iter().enumerate().map(|(n, text)| match round {
                "plain first" if n % 2 == 0 => entry("x", text),
                "scripted first" if n % 2 == 1 => entry("x", text),
                _ => dedupe(text),
            });
            for appended in transport.append(batch.collect()).await {
                appended.unwrap();
            }
            server.command(&["SCRIPT", "FLUSH"]).unwrap();
            let entries = fetch(&transport, &group, &session, 9).await;
            let seen: Vec<_> = entries.iter().map(|entry| entry.fields.as_ref().unwrap()[0].1.clone()).collect();
            assert_eq!(seen, texts, "{round}");
            server.command(&["SCRIPT", "FLUSH"]).unwrap();
            let acks: Vec<_> = entries.iter().map(ack).collect();
            transport.settle(&group, &session, &acks).await.unwrap().unwrap();
        }
    });
}

#[test]
fn full_memory_refuses_what_is_new_and_lets_work_be_finished() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group("g", ACKED);
        let session = join(&transport, &group, "a").await;
        for lane in ["x", "y"] {
            publish(&transport, entry(lane, "")).await.unwrap();
        }
        server.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
        let scripted = Append { strict_cap: Some(100), ..entry("x", "") };
        for refused in [entry("x", ""), scripted] {
            let error = publish(&transport, refused).await.unwrap_err();
            assert_eq!((error.kind(), context(&error, "stored")), (ErrorKind::Full, Some("no")), "{error}");
        }
        let entries = fetch(&transport, &group, &session, 9).await;
        assert_eq!(entries.len(), 2);
        let dead = Verdict::Dead { stream: "dead".into(), fields: fields(&[("data", "x")]) };
        let reject = Settle { verdict: dead, ..ack(&entries[0]) };
        let batch = [ack(&entries[1]), reject];
        transport.settle(&group, &session, &batch).await.unwrap().unwrap();
        server.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
        assert_eq!(integer(&server, &["XLEN", "dead"]), 1);
        assert_eq!(integer(&server, &["XLEN", "s"]), 0);
    });
}

#[test]
fn a_key_of_a_wrong_kind_is_named_and_nothing_is_handed_out() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let group = group("g", ACKED);
        let session = join(&transport, &group, "a").await;
        let id = publish(&transport, entry("x", "")).await.unwrap();
        let request =
            super::Fetch { cursor: id.before(), count: 9, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
        let settle = Settle { id, lane: Some("x".into()), verdict: Verdict::Ack, body: None };
        for (key, wrong) in [(&group.keys.lanes, "HASH"), (&group.keys.tries, "HASH"), (&group.keys.idle, "ZSET")] {
            server.command(&["SET", key, wrong]).unwrap();
            let error = transport.fetch(&group, &session, &request).await.unwrap_err();
            assert_eq!((error.kind(), context(&error, "key")), (ErrorKind::Invalid, Some(&**key)));
            assert_eq!(transport.pending(&group.stream, &group.name).await.unwrap().count, 0);
            server.command(&["DEL", key]).unwrap();
        }
        server.command(&["RPUSH", &group.keys.mark, "x"]).unwrap();
        let error = transport.settle(&group, &session, &[settle]).await.unwrap_err();
        assert_eq!((error.kind(), context(&error, "key")), (ErrorKind::Invalid, Some(&*group.keys.mark)));
        server.command(&["SET", "text", "x"]).unwrap();
        for plain in [true, false] {
            let entry = Append { stream: "text".into(), strict_cap: (!plain).then_some(9), ..entry("x", "") };
            let error = publish(&transport, entry).await.unwrap_err();
            assert_eq!((error.kind(), context(&error, "key")), (ErrorKind::Invalid, Some("text")));
            assert_eq!(context(&error, "stored"), Some("no"));
        }
        let error = transport.stream_info(&"text".into()).await.unwrap_err();
        assert_eq!((error.kind(), context(&error, "key")), (ErrorKind::Invalid, Some("text")));
    });
}

#[test]
fn missing_rights_are_told_as_such() {
    run(async {
        let (server, transport) = start(Options::default()).await;
        let user = ["ACL", "SETUSER", "limited", "on", ">pw", "~s*", "&*", "+@all", "-xadd", "-xreadgroup"];
        server.command(&user).unwrap();
        let group = group("g", ACKED);
        let session = join(&transport, &group, "a").await;
        let url = format!("redis://limited:pw@127.0.0.1:{}", server.port());
        let limited = connect(&url, ConnectOptions::default()).await.unwrap();
        for entry in [entry("x", ""), Append { strict_cap: Some(9), ..entry("x", "") }] {
            let error = publish(&limited, entry).await.unwrap_err();
            assert_eq!((error.kind(), context(&error, "stored")), (ErrorKind::Auth, Some("no")), "{error}");
        }
        let request = super::Fetch {
            cursor: super::EntryId::ZERO,
            count: 9,
            max_bytes: 1 << 20,
            unweighed: false,
            new: true,
            wary: true,
        };
        let error = limited.fetch(&group, &session, &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    });
}

#[test]
fn answers_leave_in_one_transaction_and_one_that_is_refused_keeps_no_other_back() {
    run(async {
        let (server, _) = start(Options::default()).await;
        // `s*` and `mark`, and every command but one on the other keys.
        let user = ["ACL", "SETUSER", "limited", "on", ">pw", "~s*", "~mark", "&*", "+@all"];
        server.command(&user).unwrap();
        let url = |user: &str| format!("redis://{user}:pw@127.0.0.1:{}", server.port());
        let limited = connect(&url("limited"), ConnectOptions::default()).await.unwrap();
        let answer = |stream: &str, mark: &str| Append {
            stream: stream.into(),
            along: Some(Along { ttl: Duration::from_secs(60), mark: Some((mark.into(), Duration::from_secs(60))) }),
            ..entry("x", "")
        };
        server.command(&["CONFIG", "RESETSTAT"]).unwrap();
        let batch = vec![answer("s1", "mark"), answer("foreign", "mark"), answer("s2", "theirs"), answer("s3", "mark")];
        let answers = limited.append(batch).await;
        let kinds: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(Error::kind)).collect();
        assert_eq!(kinds, [None, Some(ErrorKind::Auth), Some(ErrorKind::Auth), None]);
        assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|e| context(e, "stored") == Some("no")));
        for (stream, length) in [("s1", 1), ("s2", 0), ("s3", 1), ("foreign", 0)] {
            assert_eq!(integer(&server, &["XLEN", stream]), length, "{stream}");
        }
        let done = server.command(&["INFO", "commandstats"]).unwrap().text();
        assert!(done.contains("cmdstat_multi:calls=2") && !done.contains("cmdstat_evalsha"), "{done}");

        // Who may not use transactions has the same commands carried out without.
        server.command(&["ACL", "SETUSER", "plain", "on", ">pw", "~*", "&*", "+@all", "-@transaction"]).unwrap();
        let plain = connect(&url("plain"), ConnectOptions::default()).await.unwrap();
        let wrong = Append { stream: "mark".into(), ..answer("s4", "there") };
        let answers = plain.append(vec![answer("s4", "here"), wrong]).await;
        assert!(answers[0].is_ok(), "{answers:?}");
        assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
        for key in ["s4", "here"] {
            assert!(integer(&server, &["PTTL", key]) > 50_000, "{key}");
        }
    });
}
