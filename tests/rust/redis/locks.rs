//! Locks and leases while connections are cut: answers are lost, and nobody works beside somebody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Map, Value};
use stargazer_core::lock::{LeaseOptions, LockOptions};
use stargazer_core::{Bus, ErrorKind, PublishOptions};
use stargazer_tests::{Options, Server};

use super::run;

const ROUNDS: u32 = 60;
const TTL: Duration = Duration::from_secs(3);

/// Cuts every connection again and again, until so many rounds were done.
async fn cut(server: &Server, rounds: &AtomicU32) -> u32 {
    let mut cuts = 0;
    while rounds.load(Ordering::SeqCst) < ROUNDS {
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"]).unwrap();
        cuts += 1;
        tokio::time::sleep(Duration::from_millis(23)).await;
    }
    cuts
}

async fn buses(server: &Server) -> [Bus; 3] {
    let connect = async || Bus::connect(server.url()).await.unwrap();
    [connect().await, connect().await, connect().await]
}

#[test]
fn one_works_at_a_time_while_connections_are_cut() {
    run(async {
        let server = Server::start_with(Options::default()).unwrap();
        let buses = buses(&server).await;
        let (inside, rounds) = (AtomicU32::new(0), AtomicU32::new(0));
        let work = async |bus: &Bus| {
            let lock = bus.lock("x", LockOptions::default().with_ttl(TTL)).unwrap();
            while rounds.load(Ordering::SeqCst) < ROUNDS {
                lock.acquire().await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                tokio::time::sleep(Duration::from_millis(3)).await;
                assert!(lock.is_held());
                inside.fetch_sub(1, Ordering::SeqCst);
                rounds.fetch_add(1, Ordering::SeqCst);
                lock.leave().await;
            }
        };
        let [a, b, c] = &buses;
        let ((), (), (), cuts) = tokio::join!(work(a), work(b), work(c), cut(&server, &rounds));
        assert!(cuts > 10, "{cuts}");
    });
}

#[test]
fn numbers_of_leaders_grow_while_connections_are_cut() {
    run(async {
        let server = Server::start_with(Options::default()).unwrap();
        let buses = buses(&server).await;
        let (last, rounds) = (Arc::new(AtomicI64::new(0)), AtomicU32::new(0));
        let lead = async |bus: &Bus| {
            let lease = bus.lease("x", &LeaseOptions::default().with_ttl(TTL)).unwrap();
            while rounds.load(Ordering::SeqCst) < ROUNDS {
                let fence = lease.acquire().await.unwrap();
                assert!(last.swap(fence, Ordering::SeqCst) < fence);
                rounds.fetch_add(1, Ordering::SeqCst);
                lease.leave().await;
            }
        };
        let [a, b, c] = &buses;
        tokio::join!(lead(a), lead(b), lead(c), cut(&server, &rounds));
    });
}

#[test]
fn a_wait_bounds_what_takes_it_while_the_server_is_silent() {
    run(async {
        const WAIT: Duration = Duration::from_millis(400);
        let server = Server::start().unwrap();
        let mut config = BusConfig::default();
        config.publish_timeout = WAIT;
        let bus = Bus::connect(server.url()).config(config).await.unwrap();
        server.pause().unwrap();
        let lock = bus.lock("l", LockOptions::default().with_ttl(TTL)).unwrap();
        let lease = bus.lease("l", &LeaseOptions::default().with_ttl(TTL)).unwrap();
        let body = Value::Map(Map::from([("n", Value::from(1))]));
        for what in ["lock", "lease", "publish"] {
            let begun = Instant::now();
            let error = match what {
                "lock" => lock.acquire_within(Some(WAIT)).await.unwrap_err(),
                "lease" => lease.acquire_within(Some(WAIT)).await.unwrap_err(),
                _ => bus.publish("s", &body, PublishOptions::default()).await.unwrap_err(),
            };
            assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{what}: {error}");
            assert!(begun.elapsed() < Duration::from_secs(3), "{what}: {:?}", begun.elapsed());
        }
        server.resume().unwrap();
        // What was asked for and not waited for is given up behind it.
        lock.acquire_within(Some(Duration::from_secs(20))).await.unwrap();
        bus.close().await.unwrap();
    });
}
