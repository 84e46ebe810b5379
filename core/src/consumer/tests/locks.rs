//! Mode `lock`, beside a worker that knows only the locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};
use std::time::Duration;

use super::{Bus, Outcome, publish};
use crate::clock::SystemClock;
use crate::config::BusConfig;
use crate::consumer::Consumer;
use crate::engine::Engine;
use crate::envelope::Inbound;
use crate::policy::{LockId, Ordering};
use crate::topology::{Name, channel_lock};
use crate::transport::Transport;

/// A bus, and the transport under it for the other worker.
fn bus() -> (Bus, Arc<Engine>) {
    let clock = SystemClock::shared();
    let engine = Engine::new(clock.clone());
    (Bus::over(engine.clone(), clock, BusConfig::default()), engine)
}

const TTL: Duration = Duration::from_secs(30);

async fn open(bus: &Bus, by: LockId) -> Consumer<Inbound> {
    bus.consume_inbound().ordering(Ordering::Lock).locks(by, TTL).concurrency(2).open().await.unwrap()
}

/// What comes within that time.
async fn within(inbox: &Consumer<Inbound>, limit: Duration) -> Option<super::Delivery<Inbound>> {
    inbox.next_timeout(limit).await.ok().flatten()
}

async fn takes(other: &Arc<Engine>, name: &Name) -> bool {
    let taken = other.lock(name, "theirs", TTL).await.unwrap();
    if taken {
        other.unlock(name, "theirs").await.unwrap();
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_somebody_else_runs_waits_and_holds_up_no_other() {
    for (by, name) in
        [(LockId::Both, "c1"), (LockId::Both, "web:c1"), (LockId::ChannelId, "c1"), (LockId::ChannelKey, "web:c1")]
    {
        let (bus, other) = bus();
        let theirs = channel_lock(name);
        assert!(other.lock(&theirs, "theirs", Duration::from_secs(3600)).await.unwrap());
        let inbox = open(&bus, by).await;
        for n in 0..40 {
            publish(&bus, 1, &n.to_string()).await;
        }
        for channel in 2..6 {
            publish(&bus, channel, "free").await;
        }
        for _ in 2..6 {
            let d = within(&inbox, Duration::from_secs(1)).await.expect("another channel runs");
            assert_eq!(d.data().unwrap().content, "free", "{by:?}, {name}");
            d.ack().await.unwrap();
        }
        assert!(within(&inbox, Duration::from_secs(60)).await.is_none());
        assert!(other.unlock(&theirs, "theirs").await.unwrap());
        for n in 0..40 {
            let d = within(&inbox, Duration::from_secs(1)).await.expect("it is free");
            assert_eq!(d.data().unwrap().content, n.to_string());
            d.ack().await.unwrap();
        }
        inbox.close().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_held_while_its_channel_runs_and_free_when_it_is_settled() {
    let (bus, other) = bus();
    let (id, key) = (channel_lock("c1"), channel_lock("web:c1"));
    let inbox = open(&bus, LockId::Both).await;
    publish(&bus, 1, "long").await;
    let d = inbox.next().await.unwrap().unwrap();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!takes(&other, &id).await && !takes(&other, &key).await, "it is renewed beside the handler");
    }
    d.ack().await.unwrap();
    inbox.idle().await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(takes(&other, &id).await && takes(&other, &key).await);
    publish(&bus, 1, "again").await;
    let d = inbox.next().await.unwrap().unwrap();
    d.retry(Some(Duration::from_secs(60))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(takes(&other, &id).await, "who waits holds no lock");
    let d = within(&inbox, Duration::from_secs(70)).await.unwrap();
    assert_eq!(d.attempt(), 2);
    assert!(!takes(&other, &id).await);
    drop(d);
    inbox.close_within(Duration::ZERO).await.unwrap();
    assert!(takes(&other, &id).await && takes(&other, &key).await, "closing gives all up");
}

#[tokio::test(start_paused = true)]
async fn a_busy_channel_gives_others_a_turn() {
    let (bus, other) = bus();
    let id = channel_lock("c1");
    let inbox = open(&bus, LockId::ChannelId).await;
    for n in 0..200 {
        publish(&bus, 1, &n.to_string()).await;
    }
    let theirs = Arc::new(AtomicBool::new(false));
    let turn = theirs.clone();
    let waiting = tokio::spawn(async move {
        let mut waited = Duration::ZERO;
        tokio::time::sleep(Duration::from_secs(1)).await;
        while !other.lock(&id, "theirs", TTL).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            waited += Duration::from_millis(100);
        }
        turn.store(true, Atomic::SeqCst);
        tokio::time::sleep(Duration::from_secs(5)).await;
        turn.store(false, Atomic::SeqCst);
        assert!(other.unlock(&id, "theirs").await.unwrap());
        waited
    });
    for n in 0..200 {
        let d = inbox.next().await.unwrap().unwrap();
        assert_eq!(d.data().unwrap().content, n.to_string());
        assert!(!theirs.load(Atomic::SeqCst), "{n} runs while they do");
        tokio::time::sleep(Duration::from_millis(200)).await;
        d.ack().await.unwrap();
    }
    let waited = waiting.await.unwrap();
    assert!(waited <= TTL / 3 + Duration::from_secs(1), "{waited:?}");
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_lock_was_lost_is_told_to_end_and_runs_again() {
    let (bus, other) = bus();
    let id = channel_lock("c1");
    let inbox = open(&bus, LockId::ChannelId).await;
    let mut notices = inbox.notices();
    publish(&bus, 1, "x").await;
    let d = inbox.next().await.unwrap().unwrap();
    // An operator deletes the lock, and a worker of theirs takes it. Ours is told within a third of the time.
    assert!(other.break_lock(&id).unwrap());
    assert!(other.lock(&id, "theirs", Duration::from_secs(60)).await.unwrap());
    tokio::time::timeout(TTL / 3 + Duration::from_millis(100), d.cancelled()).await.unwrap();
    assert!(std::iter::from_fn(|| notices.try_recv().ok()).any(|n| matches!(n, super::Notice::LockLost { .. })));
    d.settle(Outcome::Release).unwrap();
    assert!(within(&inbox, Duration::from_secs(40)).await.is_none(), "theirs holds it");
    let d = within(&inbox, Duration::from_secs(30)).await.unwrap();
    assert_eq!((d.attempt(), d.data().unwrap().content), (1, "x".into()));
    d.ack().await.unwrap();
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unaddressed_message_takes_no_lock() {
    let (bus, other) = bus();
    assert!(other.lock(&channel_lock("c1"), "theirs", Duration::from_secs(3600)).await.unwrap());
    let inbox = open(&bus, LockId::Both).await;
    let mut aside = Inbound::new("web", "c1", "u", "aside");
    aside.is_addressed = false;
    bus.publish_inbound(&aside).await.unwrap();
    let d = within(&inbox, Duration::from_secs(1)).await.unwrap();
    assert_eq!(d.data().unwrap().content, "aside");
    d.ack().await.unwrap();
    inbox.close().await.unwrap();
}
