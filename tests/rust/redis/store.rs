//! Keys, tails and notifications on servers that break, stand still, or forbid; and events on them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stargazer_core::config::BusConfig;
use stargazer_core::events::{Event, EventOptions, Place, ReaderOptions};
use stargazer_core::redis::ConnectOptions;
use stargazer_core::transport::{Answer, EntryId, Heard, LogOptions, Op, Transport, When};
use stargazer_core::{Bus, ErrorKind};
use stargazer_tests::{Options, Server};

use super::{connect, context, fields, integer, run, start};

const LONG: Duration = Duration::from_secs(3600);

fn set(value: &'static str) -> Op {
    Op::Set { key: "k".into(), value: value.into(), ttl: None, when: When::Always }
}

fn log(stream: &str) -> Op {
    Op::LogAppend { stream: stream.into(), fields: fields(&[("data", "x")]), options: LogOptions::default() }
}

/// Carries an operation out as soon as the server lets it.
async fn patiently(transport: &dyn Transport, op: Op) -> Answer {
    loop {
        match transport.apply(vec![op.clone()]).await {
            Ok(mut answers) => return answers.remove(0),
            Err(error) => assert!(error.retryable(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn tails_and_subscriptions_outlive_a_restart() {
    run(async {
        let (mut server, transport) = start(Options { appendonly: true, ..Options::default() }).await;
        let transport = Arc::new(transport);
        let mut ear = transport.subscribe(&["c".into()]).await.unwrap();
        let stream = "log".into();
        let tail = || transport.tail(&stream, EntryId::ZERO, 9, LONG);
        let (lost, ()) = tokio::join!(tail(), async {
            // The read is under way.
            while integer(&server, &["XLEN", "log"]) != 0 {}
            tokio::time::sleep(Duration::from_millis(50)).await;
            server.kill().unwrap();
        });
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::Unavailable);
        let error = transport.apply(vec![set("v"), log("log")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(context(&error, "stored").is_some(), "{error}");
        server.restart().unwrap();
        assert_eq!(ear.next().await.unwrap(), Heard::Resubscribed);
        patiently(&*transport, log("log")).await;
        assert_eq!(tail().await.unwrap().len(), 1);
        let tell = Op::Notify { channel: "c".into(), payload: "p".into() };
        assert_eq!(patiently(&*transport, tell).await, Answer::Number(1));
        assert_eq!(ear.next().await.unwrap(), Heard::Notification { channel: "c".into(), payload: "p".into() });
    });
}

#[test]
fn a_user_who_may_not_unblock_tails_all_the_same() {
    run(async {
        let server = Server::start().unwrap();
        let rules = ["ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-client|unblock", "-client|id"];
        // Before 7.0 only the whole command can be forbidden.
        if !server.command(&rules).is_ok_and(|reply| reply.text() == "OK") {
            return;
        }
        let url = server.url().replace("redis://", "redis://app:pw@");
        let transport = Arc::new(connect(&url, ConnectOptions::default()).await.unwrap());
        let tail = |name: &'static str| {
            let transport = transport.clone();
            tokio::spawn(async move { transport.tail(&name.into(), EntryId::ZERO, 9, LONG).await.unwrap().len() })
        };
        let first = tail("a");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let second = tail("b");
        for name in ["b", "a"] {
            patiently(&*transport, log(name)).await;
        }
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 1));
    });
}

#[test]
fn a_key_that_may_not_be_read_costs_the_other_tails_nothing() {
    run(async {
        let server = Server::start().unwrap();
        server.command(&["ACL", "SETUSER", "app", "on", ">pw", "~mine*", "&*", "+@all"]).unwrap();
        let url = server.url().replace("redis://", "redis://app:pw@");
        let transport = Arc::new(connect(&url, ConnectOptions::default()).await.unwrap());
        let other = transport.clone();
        let mine = tokio::spawn(async move { other.tail(&"mine".into(), EntryId::ZERO, 9, LONG).await });
        let error = transport.tail(&"yours".into(), EntryId::ZERO, 9, LONG).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        patiently(&*transport, log("mine")).await;
        assert_eq!(mine.await.unwrap().unwrap().len(), 1);
    });
}

#[test]
fn a_silent_server_holds_no_publisher_of_events_up() {
    run(async {
        let server = Server::start().unwrap();
        let mut config = BusConfig::default();
        config.response_timeout = Duration::from_millis(500);
        let bus = Bus::connect(server.url()).config(config).await.unwrap();
        let events = bus.events(EventOptions::default()).unwrap();
        assert!(events.publish(Event::new("agent.start")).await.is_some());
        server.pause().unwrap();
        for n in 0..5 {
            let before = Instant::now();
            assert_eq!(events.publish(Event::new("agent.signal").with_payload(n + 1)).await, None);
            // 50 ms, and what a busy machine needs to notice.
            assert!(before.elapsed() < Duration::from_millis(300), "{:?}", before.elapsed());
        }
        assert_eq!(events.stats().late, 5);
        server.resume().unwrap();
        while events.stats().queued > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let stats = events.stats();
        assert_eq!(stats.published + stats.failed, 6, "{stats:?}");
        assert_eq!(stats.dropped, 0);
        bus.close().await.unwrap();
    });
}

#[test]
fn events_wait_through_an_outage_and_readers_too() {
    run(async {
        let mut server = Server::start_with(Options { appendonly: true, ..Options::default() }).unwrap();
        let bus = Bus::connect(server.url()).await.unwrap();
        let events = bus.events(EventOptions::default()).unwrap();
        let options = ReaderOptions { place: Place::End, ..ReaderOptions::default() };
        let mut reader = bus.event_reader(options).unwrap();
        reader.ready().await.unwrap();
        let reading = tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.last().is_none_or(|last| *last != 9) {
                let event = reader.next().await.unwrap();
                seen.push(event.body().unwrap().get("payload").unwrap().as_i64().unwrap());
            }
            seen
        });
        server.kill().unwrap();
        // The connection that broke may have carried the first one.
        events.publish(Event::new("agent.start").with_payload(1)).await;
        for n in 2..=9 {
            events.publish_nowait(Event::new("agent.signal").with_payload(n));
        }
        server.restart().unwrap();
        let seen = reading.await.unwrap();
        assert!(seen.ends_with(&[8, 9]) && seen.is_sorted(), "{seen:?}");
        bus.close().await.unwrap();
    });
}
