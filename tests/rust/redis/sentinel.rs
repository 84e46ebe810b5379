//! Servers behind sentinels: found by their service, followed through kill, freeze and an ordered failover.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stargazer_core::config::{BusConfig, ConsumerConfig};
use stargazer_core::envelope::Value;
use stargazer_core::redis::ConnectOptions;
use stargazer_core::transport::Transport;
use stargazer_core::{Bus, ErrorKind, Outcome, PublishOptions, Receipt};
use stargazer_tests::{SERVICE, Sentinels};
use tokio::time::timeout;

use super::{connect, context, entry, publish};

/// From the fault until a publish is taken again. The sentinels alone need two to three seconds.
const GAP: Duration = Duration::from_secs(15);

fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(120), case).await.expect("the case hangs") });
}

async fn blocking<T: Send + 'static>(
    rig: Sentinels,
    act: impl FnOnce(&mut Sentinels) -> T + Send + 'static,
) -> (Sentinels, T) {
    let act = move || {
        let mut rig = rig;
        let result = act(&mut rig);
        (rig, result)
    };
    tokio::task::spawn_blocking(act).await.unwrap()
}

fn settings() -> BusConfig {
    let mut config = BusConfig::default();
    config.response_timeout = Duration::from_secs(2);
    config.publish_timeout = Duration::from_secs(1);
    config.wait_replicas = 1;
    config.replica_timeout = Duration::from_millis(500);
    config
}

fn quick() -> ConsumerConfig {
    let mut config = ConsumerConfig::default();
    config.lease = Duration::from_secs(2);
    config.sweep = Duration::from_millis(500);
    config
}

/// Publishes number `n` under its own message id until a receipt comes.
async fn say(bus: &Bus, n: usize) -> Receipt {
    let mut body = stargazer_core::envelope::Map::new();
    body.insert("n", n as u64);
    let body = Value::Map(body);
    let options = PublishOptions {
        message_id: Some(format!("m{n}")),
        key: Some((n % 5).to_string()),
        ..PublishOptions::default()
    };
    loop {
        match bus.publish("work", &body, options.clone()).await {
            Ok(receipt) => return receipt,
            Err(error) => assert!(error.retryable(), "{error:?}"),
        }
    }
}

/// Publishes and consumes through a fault; `fault` says which server was primary. What has a receipt was confirmed by a
/// replica and must all be handled.
async fn work_goes_on_through(fault: impl FnOnce(&mut Sentinels) -> usize + Send + 'static) {
    let (rig, ()) = tokio::task::spawn_blocking(|| (Sentinels::start().unwrap(), ())).await.unwrap();
    let bus = Bus::connect(rig.url()).config(settings()).await.unwrap();
    let handled: Arc<Mutex<HashSet<u64>>> = Arc::default();
    let consumer = bus.consume("work", "g").config(quick()).open().await.unwrap();
    let seen = handled.clone();
    let handling = tokio::spawn(async move {
        let note = move |delivery: stargazer_core::Delivery<Value>| {
            let seen = seen.clone();
            async move {
                let n = delivery.value()?.get("n").and_then(Value::as_u64).unwrap();
                seen.lock().unwrap().insert(n);
                Ok(Outcome::Ack)
            }
        };
        consumer.run(note).await
    });
    for n in 0..100 {
        say(&bus, n).await;
    }
    let faulted = tokio::spawn(blocking(rig, |rig| {
        let before = fault(rig);
        (before, rig.wait_for_another(before).unwrap())
    }));
    // Writes go on all the time, so the fault comes between any two of them.
    let (mut n, mut gap, mut last) = (100, Duration::ZERO, Instant::now());
    while !faulted.is_finished() || n < 300 {
        say(&bus, n).await;
        (n, gap, last) = (n + 1, gap.max(last.elapsed()), Instant::now());
    }
    assert!(gap < GAP, "no publish was taken for {gap:?}");
    let (_rig, (before, after)) = faulted.await.unwrap();
    for n in n..n + 100 {
        say(&bus, n).await;
    }
    let expected: Vec<u64> = (0..n + 100).map(|n| n as u64).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !expected.iter().all(|n| handled.lock().unwrap().contains(n)) {
        assert!(Instant::now() < deadline, "lost, although a replica had confirmed it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_ne!(before, after);
    bus.close().await.unwrap();
    handling.await.unwrap().unwrap();
}

#[test]
fn the_primary_is_killed_and_work_goes_on() {
    run(work_goes_on_through(|rig| rig.kill_primary().unwrap()));
}

#[test]
fn the_primary_freezes_and_work_goes_on() {
    run(work_goes_on_through(|rig| rig.pause_primary().unwrap()));
}

#[test]
fn the_primary_is_replaced_by_order_and_work_goes_on() {
    run(work_goes_on_through(|rig| rig.fail_over().unwrap()));
}

#[test]
fn the_service_is_found_although_sentinels_are_down() {
    run(async {
        let (mut rig, ()) = tokio::task::spawn_blocking(|| (Sentinels::start().unwrap(), ())).await.unwrap();
        let url = rig.url();
        let unknown =
            connect(&url.replace(&format!("/{SERVICE}"), "/other"), ConnectOptions::default()).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Invalid, "{unknown:?}");
        for n in 0..2 {
            rig.sentinels_mut()[n].kill().unwrap();
        }
        let transport = connect(&url, ConnectOptions::default()).await.unwrap();
        publish(&transport, entry("x", "")).await.unwrap();
        assert!(transport.server().ends_with(&format!("/{SERVICE}")), "{}", transport.server());
        rig.sentinels_mut()[2].kill().unwrap();
        // Who is connected does not need them.
        publish(&transport, entry("x", "")).await.unwrap();
        let patience = ConnectOptions::default().with_wait(Duration::from_millis(100));
        let error = connect(&url, patience).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(context(&error, "server"), Some(transport.server()));
    });
}

#[test]
fn a_primary_that_was_replaced_behind_our_back_is_left_without_a_write_to_it() {
    run(async {
        let (rig, ()) = tokio::task::spawn_blocking(|| (Sentinels::start().unwrap(), ())).await.unwrap();
        let transport = connect(&rig.url(), ConnectOptions::default()).await.unwrap();
        publish(&transport, entry("x", "")).await.unwrap();
        // Frozen, failed over, and awake again: for a moment it takes itself for the primary still.
        let (rig, (before, after)) = blocking(rig, |rig| {
            let before = rig.pause_primary().unwrap();
            (before, rig.wait_for_another(before).unwrap())
        })
        .await;
        // Nothing was sent to it meanwhile, so that only the sentinels can have told.
        let told = Instant::now();
        while transport.ping().await.is_err() {
            assert!(told.elapsed() < Duration::from_secs(4), "the frozen server is still waited for");
        }
        rig.servers()[before].resume().unwrap();
        let id = publish(&transport, entry("x", "")).await.unwrap();
        let found = rig.servers()[after].command(&["XRANGE", "s", &id.to_string(), &id.to_string()]).unwrap();
        assert_ne!(found, stargazer_tests::Reply::List(Vec::new()), "written to the old primary");
    });
}
