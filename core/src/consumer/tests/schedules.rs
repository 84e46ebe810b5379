//! Random schedules: consumers are killed, frozen, closed and opened while requests and replies get lost; at the end
//! nothing may be lost, overtaken, run twice at the same time or left behind.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering as Atomic;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::faulty::{Dice, Faulty};
use crate::bus::Bus;
use crate::config::ConsumerConfig;
use crate::consumer::{Consumer, Delivery, Outcome};
use crate::engine::Engine;
use crate::envelope::{Map, Value};
use crate::policy::Ordering;
use crate::publish::PublishOptions;
use crate::transport::Transport;

const LANES: u64 = 6;

/// What happened in one lane: message numbers start and end.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Start(i64, u32),
    Acked(i64),
    Ended(i64),
}

type Log = Arc<Mutex<BTreeMap<String, Vec<Seen>>>>;

struct Worker {
    consumer: Arc<Consumer>,
    task: JoinHandle<crate::Result<()>>,
}

async fn open(bus: &Bus, log: &Log, dice: &Arc<Dice>, ordering: Ordering, n: usize) -> Option<Worker> {
    let config = ConsumerConfig {
        name: format!("w{n}"),
        ordering,
        lock_ttl: Duration::from_secs(1),
        concurrency: 3,
        prefetch: Some(4),
        lease: Duration::from_secs(2),
        sweep: Duration::from_millis(500),
        max_attempts: 1000,
        retry_base: Duration::from_millis(50),
        retry_max: Duration::from_millis(200),
        drain_timeout: Duration::from_millis(300),
        ..ConsumerConfig::default()
    };
    let consumer = Arc::new(bus.consume("work", "g").config(config).open().await.ok()?);
    let (reader, log, dice) = (consumer.clone(), log.clone(), dice.clone());
    let task = tokio::spawn(async move {
        reader
            .run(move |d: Delivery| {
                let (log, dice) = (log.clone(), dice.clone());
                async move {
                    let n = d.value()?.get("n").and_then(Value::as_i64).unwrap_or(-1);
                    let lane = lane(n);
                    let put = |what: Seen| log.lock().unwrap().entry(lane.clone()).or_default().push(what);
                    put(Seen::Start(n, d.attempt()));
                    let ending = Ending { log: log.clone(), lane: lane.clone(), n };
                    tokio::time::sleep(Duration::from_millis(dice.below(200))).await;
                    let outcome = match dice.below(20) {
                        0 => Outcome::retry(),
                        1 => Outcome::retry_after(Duration::from_millis(dice.below(700))),
                        2 => Outcome::Release,
                        _ => Outcome::Ack,
                    };
                    if outcome == Outcome::Ack {
                        put(Seen::Acked(n));
                    }
                    drop(ending);
                    Ok(outcome)
                }
            })
            .await
    });
    Some(Worker { consumer, task })
}

/// Notes the end of a handler also when it is dropped.
struct Ending {
    log: Log,
    lane: String,
    n: i64,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.log.lock().unwrap().entry(self.lane.clone()).or_default().push(Seen::Ended(self.n));
    }
}

fn lane(n: i64) -> String {
    format!("lane{}", n.unsigned_abs() % LANES)
}

async fn publish(bus: &Bus, n: i64) {
    let mut body = Map::with_capacity(1);
    body.insert("n", n);
    let key = Some(lane(n));
    bus.publish("work", &Value::Map(body), PublishOptions { key, ..PublishOptions::default() }).await.unwrap();
}

async fn schedule(seed: u64, messages: i64, ordering: Ordering) -> Result<(), String> {
    let dice = Arc::new(Dice::new(seed));
    let clock = crate::clock::SystemClock::shared();
    let engine: Arc<dyn Transport> = Engine::new(clock.clone());
    let faulty = Arc::new(Faulty::new(engine, Dice::new(seed ^ 1), 8));
    let bus = Bus::over(faulty.clone(), clock, crate::config::BusConfig::default());
    let log = Log::default();
    let mut workers = Vec::new();
    let mut opened = 0;
    for n in 0..messages {
        publish(&bus, n).await;
        tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
        if workers.len() < 3 && dice.chance(20) {
            workers.extend(open(&bus, &log, &dice, ordering, opened).await);
            opened += 1;
        }
        if dice.chance(3) && !workers.is_empty() {
            let at = usize::try_from(dice.below(workers.len() as u64)).unwrap();
            let Worker { consumer, task } = workers.swap_remove(at);
            if dice.chance(60) {
                // kill -9: driver and handlers stop where they are.
                consumer.shared.kill();
                task.abort();
                let _ = task.await;
            } else {
                let closing = tokio::spawn(async move { consumer.close().await });
                tokio::time::sleep(Duration::from_millis(dice.below(500))).await;
                drop((closing, task));
            }
        }
    }
    faulty.percent.store(0, Atomic::SeqCst);
    workers.extend(open(&bus, &log, &dice, ordering, opened).await);
    let give_up = bus.clock().now() + Duration::from_secs(600);
    let stuck = loop {
        let info = bus.stream_info("work").await.map_err(|e| e.to_string())?;
        if info.length == 0 && info.groups[0].pending == 0 {
            break None;
        }
        if bus.clock().now() > give_up {
            break Some(format!("stuck: {info:?}"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    // Time for the sweeps of what the dead left behind.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let live = workers.len() as u64;
    let consumers = bus.stream_info("work").await.map_err(|e| e.to_string())?.groups[0].consumers;
    for worker in workers {
        worker.consumer.close().await.map_err(|e| e.to_string())?;
    }
    let left = bus.stream_info("work").await.map_err(|e| e.to_string())?.groups[0].consumers;
    let log = log.lock().unwrap();
    check(&log, messages, ordering)?;
    match stuck {
        Some(text) => Err(text),
        None if consumers > live => Err(format!("{consumers} identities for {live} consumers")),
        None if left > 0 => Err(format!("{left} identities left behind")),
        None => Ok(()),
    }
}

/// Nothing lost; where lanes are kept, no two handlers of a lane at the same time, and nothing overtaken.
fn check(log: &BTreeMap<String, Vec<Seen>>, messages: i64, ordering: Ordering) -> Result<(), String> {
    let mut acked = std::collections::BTreeSet::new();
    for (lane, seen) in log {
        let mut running: Option<i64> = None;
        for (at, what) in seen.iter().enumerate() {
            let around = || format!("{lane}, {:?}", &seen[at.saturating_sub(8)..=at]);
            match what {
                Seen::Start(n, _) => {
                    if let Some(other) = running.replace(*n)
                        && ordering.keeps_lanes()
                    {
                        return Err(format!("{n} started beside {other}: {}", around()));
                    }
                    let lanes = i64::try_from(LANES).unwrap();
                    let mut before = (0..*n).filter(|m| m % lanes == n % lanes && !acked.contains(m));
                    if let Some(before) = before.next().filter(|_| ordering.keeps_order()) {
                        return Err(format!("{n} overtook {before}: {}", around()));
                    }
                }
                Seen::Acked(n) => {
                    acked.insert(*n);
                }
                Seen::Ended(_) => running = None,
            }
        }
    }
    (0..messages).find(|n| !acked.contains(n)).map_or(Ok(()), |n| Err(format!("{n} was lost")))
}

fn run(seed: u64, messages: i64, ordering: Ordering) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(schedule(seed, messages, ordering))
}

fn random_schedules(ordering: Ordering, seeds: u64) {
    let seeds = std::option_env!("SG_SEEDS").and_then(|n| n.parse().ok()).unwrap_or(seeds);
    let failed: Vec<_> =
        (0..seeds).filter_map(|seed| run(seed, 120, ordering).err().map(|text| (seed, text))).collect();
    assert!(failed.is_empty(), "{} of {seeds} failed, the first: {:#?}", failed.len(), &failed[..failed.len().min(5)]);
}

#[test]
fn lanes_lose_nothing_and_keep_the_order() {
    random_schedules(Ordering::Lanes, 60);
}

#[test]
fn exclusive_loses_nothing_and_keeps_the_order() {
    random_schedules(Ordering::Exclusive, 40);
}

#[test]
fn lock_loses_nothing_and_runs_a_lane_once_at_a_time() {
    random_schedules(Ordering::Lock, 40);
}

#[test]
fn none_loses_nothing() {
    random_schedules(Ordering::None, 20);
}
