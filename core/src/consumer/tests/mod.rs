//! The consumer end to end on the in-process engine, with paused time.

mod exclusive;
pub(crate) mod faulty;
mod frozen;
mod locks;
mod poison;
mod refusing;
mod room;
mod schedules;
mod strays;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::bus::Bus;
use crate::envelope::Inbound;
use crate::provision::Role;
use crate::transport::EntryId;

async fn bus() -> Bus {
    Bus::connect("memory://").role(Role::Worker).await.unwrap()
}

async fn publish(bus: &Bus, channel: usize, text: &str) -> EntryId {
    bus.publish_inbound(&Inbound::new("web", format!("c{channel}"), "u", text)).await.unwrap().id
}

#[tokio::test(start_paused = true)]
async fn a_message_is_handled_once_and_the_stream_is_empty_afterwards() {
    let bus = bus().await;
    publish(&bus, 1, "hello").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    assert_eq!(d.data().unwrap().content, "hello");
    assert_eq!((d.attempt(), d.redelivered(), d.lane()), (1, false, Some("web:c1")));
    d.ack().await.unwrap();
    inbox.idle().await.unwrap();
    let info = bus.stream_info(&bus.topology().inbound_stream).await.unwrap();
    assert_eq!((info.length, info.groups[0].pending), (0, 0));
    inbox.close().await.unwrap();
    bus.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn idle_sees_what_was_published_before_it_was_asked() {
    let bus = bus().await;
    let inbox = Arc::new(bus.consume_inbound().open().await.unwrap());
    let seen = Seen::default();
    let running = tokio::spawn({
        let (inbox, seen) = (inbox.clone(), seen.clone());
        async move {
            let handler = move |d: Delivery<Inbound>| {
                let seen = seen.clone();
                async move {
                    note(&seen, &d.data()?);
                    Ok(())
                }
            };
            inbox.run(handler).await
        }
    });
    for n in 0..5 {
        inbox.idle().await.unwrap();
        publish(&bus, 1, &n.to_string()).await;
        inbox.idle().await.unwrap();
        assert_eq!(seen.lock().unwrap()["c1"].len(), n + 1);
    }
    inbox.close().await.unwrap();
    running.await.unwrap().unwrap();
    bus.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn running_until_idle_handles_what_came_after_opening() {
    let bus = bus().await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    inbox.idle().await.unwrap();
    publish(&bus, 1, "late").await;
    let seen = Seen::default();
    let handler = {
        let seen = seen.clone();
        move |d: Delivery<Inbound>| {
            let seen = seen.clone();
            async move {
                note(&seen, &d.data()?);
                Ok(())
            }
        }
    };
    inbox.run_until_idle(handler).await.unwrap();
    assert_eq!(seen.lock().unwrap()["c1"], ["late"]);
    inbox.close().await.unwrap();
    bus.close().await.unwrap();
}

/// What the handlers saw, per channel.
type Seen = Arc<Mutex<HashMap<String, Vec<String>>>>;

fn note(seen: &Seen, msg: &Inbound) {
    seen.lock().unwrap().entry(msg.channel_id.clone()).or_default().push(msg.content.clone());
}

#[tokio::test(start_paused = true)]
async fn a_retry_holds_its_lane_and_starves_no_other() {
    let bus = bus().await;
    for n in 0..1000 {
        publish(&bus, n, "fails").await;
    }
    let inbox = bus.consume_inbound().concurrency(1).open().await.unwrap();
    for _ in 0..1000 {
        let d = inbox.next().await.unwrap().unwrap();
        assert_eq!(d.attempt(), 1);
        d.retry(Some(Duration::from_secs(3600))).await.unwrap();
    }
    publish(&bus, 5000, "new").await;
    publish(&bus, 1, "behind a waiting one").await;
    let d = inbox.next_timeout(Duration::from_secs(2)).await.unwrap().unwrap();
    assert_eq!(d.data().unwrap().content, "new");
    d.ack().await.unwrap();
    let mut order = Vec::new();
    for _ in 0..1001 {
        let d = inbox.next().await.unwrap().unwrap();
        if d.data().unwrap().channel_id == "c1" {
            order.push((d.data().unwrap().content, d.attempt(), d.redelivered()));
        }
        d.ack().await.unwrap();
    }
    assert_eq!(order, [("fails".to_owned(), 2, true), ("behind a waiting one".to_owned(), 1, false)]);
    inbox.idle().await.unwrap();
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_given_back_says_so_when_it_comes_again() {
    let bus = bus().await;
    publish(&bus, 1, "back").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    for redelivered in [false, true, true] {
        let d = inbox.next().await.unwrap().unwrap();
        assert_eq!((d.attempt(), d.redelivered()), (1, redelivered));
        d.release().await.unwrap();
    }
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_fails_too_often_goes_to_the_dead_letters_with_its_bytes() {
    let bus = bus().await;
    let id = publish(&bus, 1, "poison").await;
    publish(&bus, 1, "next").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let seen = Seen::default();
    let handler = {
        let seen = seen.clone();
        move |d: Delivery<Inbound>| {
            let seen = seen.clone();
            async move {
                let msg = d.data()?;
                note(&seen, &msg);
                if msg.content == "poison" { Err("boom".into()) } else { Ok(Outcome::Ack) }
            }
        }
    };
    inbox.run_until_idle(handler).await.unwrap();
    assert_eq!(seen.lock().unwrap()["c1"], ["poison", "poison", "poison", "next"]);
    let letters = bus.entries(&bus.topology().dead_letter_stream, EntryId::ZERO, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let get = |key: &str| String::from_utf8(crate::transport::field(&letters[0].fields, key).unwrap().to_vec());
    assert_eq!(get("original_msg_id").unwrap(), id.to_string());
    assert_eq!((get("reason").unwrap(), get("error").unwrap()), ("max_attempts".into(), "boom".into()));
    assert_eq!(get("attempt").unwrap(), "3");
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panicking_handler_is_retried() {
    let bus = bus().await;
    publish(&bus, 1, "x").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let starts = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = starts.clone();
    inbox
        .run_until_idle(move |_| {
            let count = count.clone();
            async move {
                assert!(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0, "the first one panics");
                Ok(())
            }
        })
        .await
        .unwrap();
    assert_eq!(starts.load(std::sync::atomic::Ordering::SeqCst), 2);
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn several_consumers_share_the_lanes_and_keep_their_order() {
    let bus = bus().await;
    let seen = Seen::default();
    let mut consumers = Vec::new();
    for _ in 0..3 {
        consumers.push(Arc::new(bus.consume_inbound().concurrency(4).open().await.unwrap()));
    }
    let mut loops = Vec::new();
    for consumer in &consumers {
        let (consumer, seen) = (consumer.clone(), seen.clone());
        loops.push(tokio::spawn(async move {
            consumer
                .run(move |d: Delivery<Inbound>| {
                    let seen = seen.clone();
                    async move {
                        let msg = d.data()?;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        note(&seen, &msg);
                        Ok(())
                    }
                })
                .await
        }));
    }
    for n in 0..600 {
        publish(&bus, n % 7, &format!("{n:04}")).await;
        if n % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    while seen.lock().unwrap().values().map(Vec::len).sum::<usize>() < 600 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for consumer in &consumers {
        consumer.close().await.unwrap();
    }
    for task in loops {
        task.await.unwrap().unwrap();
    }
    for texts in seen.lock().unwrap().values() {
        assert!(texts.is_sorted(), "{texts:?}");
    }
    let info = bus.stream_info(&bus.topology().inbound_stream).await.unwrap();
    assert_eq!((info.length, info.groups[0].consumers), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_work_of_a_dead_consumer_runs_elsewhere_and_says_so() {
    let bus = bus().await;
    let dead = bus.consume_inbound().name("dead").open().await.unwrap();
    for n in 0..6 {
        publish(&bus, n % 2, &format!("{n}")).await;
    }
    let first = dead.next().await.unwrap().unwrap();
    let second = dead.next().await.unwrap().unwrap();
    // The process dies: its driver stops where it is.
    dead.shared.kill();
    let started = bus.clock().now();
    let alive = bus.consume_inbound().name("alive").open().await.unwrap();
    let mut seen: HashMap<String, Vec<(String, u32)>> = HashMap::new();
    for _ in 0..6 {
        let d = alive.next().await.unwrap().unwrap();
        let msg = d.data().unwrap();
        seen.entry(msg.channel_id).or_default().push((msg.content, d.attempt()));
        d.ack().await.unwrap();
    }
    let took = bus.clock().now().saturating_sub(started);
    assert!(took <= Duration::from_secs(20), "lease + sweep: {took:?}");
    assert_eq!(seen["c0"], [("0".into(), 2), ("2".into(), 1), ("4".into(), 1)]);
    assert_eq!(seen["c1"], [("1".into(), 2), ("3".into(), 1), ("5".into(), 1)]);
    alive.idle().await.unwrap();
    drop((first, second));
    alive.close().await.unwrap();
    let info = bus.stream_info(&bus.topology().inbound_stream).await.unwrap();
    assert_eq!((info.length, info.groups[0].consumers), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn closing_gives_the_rest_to_others_at_once() {
    let bus = bus().await;
    for n in 0..20 {
        publish(&bus, n, "x").await;
    }
    let leaving = bus.consume_inbound().concurrency(4).open().await.unwrap();
    let staying = bus.consume_inbound().open().await.unwrap();
    let held = leaving.next().await.unwrap().unwrap();
    held.ack().await.unwrap();
    leaving.close().await.unwrap();
    let started = bus.clock().now();
    for _ in 0..19 {
        let d = staying.next().await.unwrap().unwrap();
        assert!(!d.data().unwrap().content.is_empty());
        d.ack().await.unwrap();
    }
    assert!(bus.clock().now().saturating_sub(started) < Duration::from_secs(3));
    staying.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_never_comes_holds_its_lane_only() {
    let bus = bus().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    publish(&bus, 1, "later").await;
    publish(&bus, 2, "now").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    for _ in 0..2 {
        let d = inbox.next().await.unwrap().unwrap();
        let late = d.data().unwrap().content == "later";
        d.settle(if late { Outcome::retry_after(Duration::MAX) } else { Outcome::Ack }).unwrap();
    }
    publish(&bus, 2, "again").await;
    assert_eq!(inbox.next().await.unwrap().unwrap().data().unwrap().content, "again");
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_consumer_whose_task_died_says_so_and_ends_its_handlers() {
    let clock = crate::clock::SystemClock::shared();
    let inner: Arc<dyn crate::transport::Transport> = crate::engine::Engine::new(clock.clone());
    let faulty = Arc::new(faulty::Faulty::new(inner, faulty::Dice::new(1), 0));
    let bus = Bus::over(faulty.clone(), clock, crate::config::BusConfig::default());
    publish(&bus, 1, "x").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    faulty.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(inbox.next().await.unwrap_err().code(), "internal");
    assert!(d.is_cancelled());
    assert_eq!(d.ack().await.unwrap_err().code(), "closed");
    assert_eq!(inbox.idle().await.unwrap_err().code(), "internal");
    assert_eq!(inbox.close().await.unwrap_err().code(), "internal");
}

#[tokio::test(start_paused = true)]
async fn closing_ends_also_when_the_server_is_gone() {
    let clock = crate::clock::SystemClock::shared();
    let inner: Arc<dyn crate::transport::Transport> = crate::engine::Engine::new(clock.clone());
    let faulty = Arc::new(faulty::Faulty::new(inner, faulty::Dice::new(1), 0));
    let bus = Bus::over(faulty.clone(), clock, crate::config::BusConfig::default());
    publish(&bus, 1, "x").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    faulty.percent.store(100, std::sync::atomic::Ordering::SeqCst);
    d.ack().await.unwrap();
    let started = bus.clock().now();
    let error = inbox.close().await.unwrap_err();
    assert_eq!(error.code(), "unavailable");
    let took = bus.clock().now().saturating_sub(started);
    assert!(took < Duration::from_secs(6), "{took:?}");
}
