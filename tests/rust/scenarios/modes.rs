//! The other ordering modes: one consumer at a time, and the locks of the original.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stargazer_core::envelope::Inbound;
use stargazer_core::topology::channel_lock;
use stargazer_core::{Bus, Consumer, Delivery, LockId, Ordering};
use stargazer_tests::{Reply, Server};

use super::lab::{Lab, quick, say, text, until};

pub(super) async fn one_exclusive_consumer_works_and_another_takes_over(lab: Lab) {
    let bus = lab.bus().await;
    let open = async || bus.consume_inbound().ordering(Ordering::Exclusive).concurrency(4).open().await.unwrap();
    let (first, second) = (open().await, open().await);
    for n in 0..20 {
        say(&bus, &format!("c{}", n % 4), &format!("{n:02}")).await;
    }
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut note = |d: &Delivery<Inbound>| {
        seen.entry(d.data().unwrap().channel_id).or_default().push(text(d));
    };
    // Either may have come first; the other gets nothing.
    let (mut works, mut stands_by) = (first, second);
    let mut held = Vec::new();
    while held.is_empty() {
        match works.next_timeout(Duration::from_millis(300)).await {
            Ok(d) => held.extend(d),
            Err(_) => std::mem::swap(&mut works, &mut stands_by),
        }
    }
    for _ in 0..3 {
        held.push(works.next_timeout(Duration::from_secs(5)).await.unwrap().unwrap());
    }
    assert_eq!(stands_by.next_timeout(Duration::from_millis(300)).await.unwrap_err().code(), "timeout");
    for d in held.drain(..) {
        note(&d);
        d.ack().await.unwrap();
    }
    works.close().await.unwrap();
    let started = tokio::time::Instant::now();
    for _ in 4..20 {
        let d = stands_by.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
        note(&d);
        d.ack().await.unwrap();
    }
    // The default lease is 15 s: nobody waited for it.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(seen.len() == 4 && seen.values().all(|texts| texts.len() == 5 && texts.is_sorted()), "{seen:?}");
    bus.close().await.unwrap();
}

pub(super) async fn locked_channels_run_one_at_a_time(lab: Lab) {
    let bus = lab.bus().await;
    let running: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let (together, most, done) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let inbox = bus.consume_inbound().config(quick()).ordering(Ordering::Lock).concurrency(4).open().await.unwrap();
        let (running, together, most, done) = (running.clone(), together.clone(), most.clone(), done.clone());
        let handler = move |d: Delivery<Inbound>| {
            let (running, together, most, done) = (running.clone(), together.clone(), most.clone(), done.clone());
            async move {
                let channel = d.data()?.channel_id;
                let beside = running.lock().unwrap().insert(channel.clone(), 1);
                assert_eq!(beside.unwrap_or_default(), 0, "{channel} runs twice");
                most.fetch_max(together.fetch_add(1, Atomic::SeqCst) + 1, Atomic::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                together.fetch_sub(1, Atomic::SeqCst);
                running.lock().unwrap().insert(channel, 0);
                done.fetch_add(1, Atomic::SeqCst);
                Ok(())
            }
        };
        tasks.push(tokio::spawn(async move { inbox.run(handler).await }));
    }
    for n in 0..120 {
        say(&bus, &format!("c{}", n % 3), "x").await;
    }
    until("all are handled", || async { done.load(Atomic::SeqCst) >= 120 }).await;
    bus.close().await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(done.load(Atomic::SeqCst), 120, "a handler that failed would have run again");
    assert!(most.load(Atomic::SeqCst) > 1, "channels run side by side");
}

async fn locking(bus: &Bus) -> Consumer<Inbound> {
    let locks = bus.consume_inbound().ordering(Ordering::Lock).locks(LockId::Both, Duration::from_secs(1));
    locks.open().await.unwrap()
}

/// What a worker of the original does before it runs a channel.
fn lock(server: &Server, id: &str) -> bool {
    let words = ["SET", &channel_lock(id), "9f0d1c1e-4a37-4e1c-9a55-0f4b1a6f3c11", "NX", "EX", "30"];
    server.command(&words).unwrap() != Reply::Nil
}

pub(super) async fn a_channel_that_another_program_locked_waits(lab: Lab) {
    let bus = lab.bus().await;
    let server = lab.server.as_ref().unwrap();
    assert!(lock(server, "c1"));
    let inbox = locking(&bus).await;
    say(&bus, "c1", "waits").await;
    say(&bus, "c2", "runs").await;
    let d = inbox.next_timeout(Duration::from_secs(5)).await.unwrap().unwrap();
    assert_eq!(text(&d), "runs");
    d.ack().await.unwrap();
    assert_eq!(inbox.next_timeout(Duration::from_millis(700)).await.unwrap_err().code(), "timeout");
    assert_eq!(server.command(&["DEL", &channel_lock("c1")]).unwrap(), Reply::Int(1));
    let d = inbox.next_timeout(Duration::from_secs(5)).await.unwrap().unwrap();
    assert_eq!(text(&d), "waits");
    // Longer than a lock lasts: it is renewed.
    let until_then = tokio::time::Instant::now() + Duration::from_millis(1500);
    while tokio::time::Instant::now() < until_then {
        assert!(!lock(server, "c1") && !lock(server, "web:c1"), "it is ours under both names");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    d.ack().await.unwrap();
    inbox.idle().await.unwrap();
    until("the locks are free", || async { lock(server, "c1") && lock(server, "web:c1") }).await;
    inbox.close().await.unwrap();
    assert!(!lock(server, "c1"), "theirs is theirs");
    bus.close().await.unwrap();
}
