//! An entry that kills every process that starts it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bus::Bus;
use crate::config::ConsumerConfig;
use crate::consumer::Delivery;
use crate::envelope::{Map, Value};
use crate::policy::Ordering;
use crate::publish::PublishOptions;
use crate::transport::{EntryId, field};

fn config(ordering: Ordering, n: usize) -> ConsumerConfig {
    ConsumerConfig {
        name: format!("w{n}"),
        ordering,
        concurrency: 8,
        lease: Duration::from_secs(2),
        sweep: Duration::from_millis(500),
        ..ConsumerConfig::default()
    }
}

/// Publishes a poison among innocents, in lanes and behind each other, and lets consumers die of it one after the
/// other. Gives how often each message was started.
async fn die_of_it(ordering: Ordering) -> (Bus, HashMap<i64, u32>, Vec<i64>) {
    let bus = Bus::connect("memory://").await.unwrap();
    for n in 0..12i64 {
        let mut body = Map::with_capacity(1);
        body.insert("n", n);
        let key = Some(format!("lane{}", n % 4));
        bus.publish("work", &Value::Map(body), PublishOptions { key, ..PublishOptions::default() }).await.unwrap();
    }
    let starts: Arc<Mutex<HashMap<i64, u32>>> = Arc::default();
    let mut finished = Vec::new();
    for n in 0..8 {
        let consumer = bus.consume("work", "g").config(config(ordering, n)).open().await.unwrap();
        loop {
            let Ok(next) = consumer.next_timeout(Duration::from_secs(20)).await else {
                consumer.close().await.unwrap();
                let starts = starts.lock().unwrap().clone();
                return (bus, starts, finished);
            };
            let d: Delivery = next.unwrap();
            let n = d.value().unwrap().get("n").and_then(Value::as_i64).unwrap();
            *starts.lock().unwrap().entry(n).or_default() += 1;
            // The second message is the poison: everything dies with what runs beside it.
            if n == 1 {
                consumer.shared.kill();
                break;
            }
            // Handlers take a moment, so some run beside the poison.
            tokio::time::sleep(Duration::from_millis(1)).await;
            finished.push(n);
            d.ack().await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    panic!("eight consumers died of it: {starts:?}");
}

async fn only_the_poison_is_given_up(ordering: Ordering) {
    let (bus, starts, mut finished) = die_of_it(ordering).await;
    let letters = bus.entries(&bus.topology().dead_letter_stream, EntryId::ZERO, 100).await.unwrap();
    let dead: Vec<_> = letters.iter().map(|l| field(&l.fields, "reason").unwrap().clone()).collect();
    assert_eq!(dead, [&b"crashed"[..]], "only the poison, unrun: {starts:?}");
    assert!((3..=4).contains(&starts[&1]), "{starts:?}");
    finished.sort_unstable();
    finished.dedup();
    assert_eq!(finished, [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(bus.stream_info("work").await.unwrap().length, 0);
}

#[tokio::test(start_paused = true)]
async fn a_poison_in_a_lane_is_given_up_and_its_neighbours_are_not() {
    only_the_poison_is_given_up(Ordering::Lanes).await;
}

#[tokio::test(start_paused = true)]
async fn a_poison_without_lane_is_given_up_and_its_neighbours_are_not() {
    only_the_poison_is_given_up(Ordering::None).await;
}

#[tokio::test(start_paused = true)]
async fn a_poison_in_a_stream_that_is_held_is_given_up_and_its_neighbours_are_not() {
    only_the_poison_is_given_up(Ordering::Exclusive).await;
}
