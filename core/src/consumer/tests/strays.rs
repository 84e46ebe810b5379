//! What others left behind: foreign consumers, operators.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;

use super::publish;
use crate::bus::Bus;
use crate::clock::SystemClock;
use crate::config::BusConfig;
use crate::consumer::{Consumer, Notice};
use crate::engine::Engine;
use crate::envelope::Inbound;
use crate::provision::Role;
use crate::transport::Group;

async fn bus() -> (std::sync::Arc<Engine>, Bus) {
    let clock = SystemClock::shared();
    let engine = Engine::new(clock.clone());
    let bus = Bus::over(engine.clone(), clock, BusConfig::default());
    bus.ensure_streams(Role::Worker, &[]).await.unwrap();
    (engine, bus)
}

async fn open(bus: &Bus) -> Consumer<Inbound> {
    bus.consume_inbound().lease(Duration::from_secs(2), Duration::from_millis(500)).open().await.unwrap()
}

fn group(of: &Consumer<Inbound>) -> Group {
    of.group().clone()
}

/// Handles the next one; what it says, and its attempt.
async fn handle(inbox: &Consumer<Inbound>) -> (String, u32) {
    let d = inbox.next().await.unwrap().unwrap();
    let seen = (d.data().unwrap().content, d.attempt());
    d.ack().await.unwrap();
    seen
}

fn told(notices: &mut Receiver<Notice>) -> Vec<String> {
    std::iter::from_fn(|| notices.try_recv().ok()).map(|notice| format!("{notice:?}")).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_foreign_worker_left_runs_after_a_minute_and_may_have_been_started() {
    let (engine, bus) = bus().await;
    let inbox = open(&bus).await;
    let mut notices = inbox.notices();
    for (channel, text) in [(1, "first"), (1, "second"), (2, "third")] {
        publish(&bus, channel, text).await;
        engine.read_as(&group(&inbox), &"python".into(), 1).unwrap();
    }
    publish(&bus, 3, "ours").await;
    assert_eq!(handle(&inbox).await, ("ours".into(), 1));
    let since = bus.clock().now();
    let mut seen = vec![handle(&inbox).await];
    let took = bus.clock().now().saturating_sub(since);
    assert!(took >= Duration::from_secs(59) && took < Duration::from_secs(63), "{took:?}");
    seen.extend([handle(&inbox).await, handle(&inbox).await]);
    let place = |text: &str| seen.iter().position(|(said, _)| said == text).unwrap();
    assert!(place("first") < place("second"));
    let attempts: Vec<_> = ["first", "second", "third"].map(|text| seen[place(text)].1).into();
    assert_eq!(attempts, [2, 1, 2], "the first of each lane may have been started");
    inbox.idle().await.unwrap();
    let info = bus.stream_info(&bus.topology().inbound_stream).await.unwrap();
    assert_eq!((info.length, info.groups[0].pending), (0, 0));
    let told = told(&mut notices);
    let count = |what: &str| told.iter().filter(|notice| notice.contains(what)).count();
    assert_eq!((count("ForeignConsumer { consumer: \"python\" }"), count("Gathered")), (1, 1), "{told:?}");
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_a_foreign_worker_is_about_held_entries_do_not_look_forgotten() {
    let (engine, bus) = bus().await;
    let inbox = open(&bus).await;
    publish(&bus, 1, "theirs").await;
    engine.read_as(&group(&inbox), &"python".into(), 1).unwrap();
    let ours = publish(&bus, 2, "ours").await;
    let d = inbox.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    let pending = engine.pending_entries(&group(&inbox)).unwrap();
    let idle = pending.iter().find(|entry| entry.id == ours).unwrap().idle;
    assert!(idle <= Duration::from_secs(2), "{idle:?}");
    d.ack().await.unwrap();
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_took_from_a_dead_consumer_is_found_again() {
    let (engine, bus) = bus().await;
    let first = open(&bus).await;
    publish(&bus, 1, "lost").await;
    let d = first.next().await.unwrap().unwrap();
    let identity = engine.pending_entries(&group(&first)).unwrap()[0].consumer.clone();
    first.shared.kill();
    drop(d);
    engine.delete_consumer(&group(&first), &identity).unwrap();
    let second = open(&bus).await;
    assert_eq!(handle(&second).await.0, "lost");
    second.idle().await.unwrap();
    assert_eq!(bus.stream_info(&bus.topology().inbound_stream).await.unwrap().length, 0);
    second.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_registrations_cost_no_lane_its_order() {
    let (engine, bus) = bus().await;
    let inbox = open(&bus).await;
    for text in ["one", "two"] {
        publish(&bus, 1, text).await;
    }
    let d = inbox.next().await.unwrap().unwrap();
    assert_eq!(d.data().unwrap().content, "one");
    engine.forget_registrations(&group(&inbox)).unwrap();
    for text in ["three", "four"] {
        publish(&bus, 1, text).await;
    }
    let since = bus.clock().now();
    d.cancelled().await;
    drop(d);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(handle(&inbox).await);
    }
    let told = [("one", 2), ("two", 1), ("three", 1), ("four", 1)].map(|(text, attempt)| (text.to_owned(), attempt));
    assert_eq!(seen, told);
    let took = bus.clock().now().saturating_sub(since);
    assert!(took < Duration::from_secs(5), "a lease, and until it is noticed: {took:?}");
    inbox.idle().await.unwrap();
    assert_eq!(engine.kept(&group(&inbox)).unwrap(), (0, 0));
}
