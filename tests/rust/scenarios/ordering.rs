//! Order within a lane, none across lanes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stargazer_core::envelope::{Inbound, Map, ToolRequest};
use stargazer_core::{Delivery, Outcome};

use super::lab::{Lab, quick, say, text};

type Seen = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

fn note(seen: &Seen, d: &Delivery<Inbound>) {
    let msg = d.data().unwrap();
    seen.lock().unwrap().entry(msg.channel_id).or_default().push(msg.content);
}

pub(super) async fn entries_of_a_lane_run_in_stream_order(lab: Lab) {
    let bus = lab.bus().await;
    let seen = Seen::default();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let inbox = bus.consume_inbound().config(quick()).concurrency(4).open().await.unwrap();
        let seen = seen.clone();
        tasks.push(tokio::spawn(async move {
            let handler = move |d: Delivery<Inbound>| {
                let seen = seen.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    note(&seen, &d);
                    Ok(())
                }
            };
            inbox.run(handler).await
        }));
    }
    for n in 0..300 {
        say(&bus, &format!("c{}", n % 7), &format!("{n:03}")).await;
    }
    super::lab::until("all are handled", || {
        let seen = seen.clone();
        async move { seen.lock().unwrap().values().map(Vec::len).sum::<usize>() >= 300 }
    })
    .await;
    bus.close().await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), 300);
    assert!(seen.values().all(|texts| texts.is_sorted()), "{seen:?}");
}

pub(super) async fn lanes_run_side_by_side(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..8 {
        say(&bus, &format!("c{n}"), "x").await;
    }
    let inbox = bus.consume_inbound().concurrency(8).open().await.unwrap();
    let together = Arc::new(tokio::sync::Barrier::new(8));
    // Ends only if all eight run at the same time.
    inbox
        .run_until_idle(move |_| {
            let together = together.clone();
            async move {
                together.wait().await;
                Ok(())
            }
        })
        .await
        .unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn the_next_of_a_lane_starts_after_the_outcome(lab: Lab) {
    let bus = lab.bus().await;
    say(&bus, "c1", "first").await;
    say(&bus, "c1", "second").await;
    for strict in [false, true] {
        let inbox = bus.consume_inbound().strict(strict).open().await.unwrap();
        let first = inbox.next().await.unwrap().unwrap();
        let early = inbox.next_timeout(Duration::from_millis(100)).await;
        assert_eq!(early.unwrap_err().code(), "timeout", "{}", text(&first));
        first.ack().await.unwrap();
        let second = inbox.next_timeout(Duration::from_secs(5)).await.unwrap().unwrap();
        assert_eq!(text(&second), "second");
        second.ack().await.unwrap();
        inbox.close().await.unwrap();
        say(&bus, "c1", "first").await;
        say(&bus, "c1", "second").await;
    }
    bus.close().await.unwrap();
}

pub(super) async fn a_retry_keeps_the_order_of_its_lane(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..20 {
        say(&bus, &format!("c{}", n % 2), &format!("{n:02}")).await;
    }
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let seen = Seen::default();
    let log = seen.clone();
    let handler = move |d: Delivery<Inbound>| {
        let log = log.clone();
        async move {
            if d.attempt() == 1 && text(&d).ends_with('4') {
                return Err("the first attempt fails".into());
            }
            note(&log, &d);
            Ok(Outcome::Ack)
        }
    };
    inbox.run_until_idle(handler).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.values().all(|texts| texts.len() == 10 && texts.is_sorted()), "{seen:?}");
    drop(bus);
}

pub(super) async fn waiting_lanes_starve_no_other(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..1000 {
        say(&bus, &format!("c{n}"), "fails").await;
    }
    let inbox = bus.consume_inbound().concurrency(1).open().await.unwrap();
    for _ in 0..1000 {
        let d = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
        d.retry(Some(Duration::from_secs(3600))).await.unwrap();
    }
    say(&bus, "new", "starts at once").await;
    let d = inbox.next_timeout(Duration::from_secs(2)).await.unwrap().unwrap();
    assert_eq!(text(&d), "starts at once");
    d.ack().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn tools_run_in_no_order(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..8 {
        let request = ToolRequest::new(format!("tool{n}"), Map::with_capacity(0), "replies");
        bus.publish_tools_request(&request).await.unwrap();
    }
    let tools = bus.consume_tools().concurrency(8).open().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..8 {
        let d = tools.next_timeout(Duration::from_secs(5)).await.unwrap().unwrap();
        assert_eq!(d.lane(), None);
        held.push(d);
    }
    for d in held {
        d.ack().await.unwrap();
    }
    tools.idle().await.unwrap();
    bus.close().await.unwrap();
}

/// On virtual time: paused, it moves only when nothing else can happen.
#[tokio::test(start_paused = true)]
async fn a_hundred_lanes_keep_the_handlers_busy() {
    let bus = stargazer_core::Bus::connect("memory://").role(stargazer_core::Role::Worker).await.unwrap();
    for n in 0..1000 {
        say(&bus, &format!("c{}", n % 100), &format!("{n:04}")).await;
    }
    let inbox = bus.consume_inbound().concurrency(64).open().await.unwrap();
    let seen = Seen::default();
    let log = seen.clone();
    let started = tokio::time::Instant::now();
    let handler = move |d: Delivery<Inbound>| {
        let log = log.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            note(&log, &d);
            Ok(())
        }
    };
    inbox.run_until_idle(handler).await.unwrap();
    // 1000 handlers of 50 ms, 64 at a time: 16 rounds.
    assert!(started.elapsed() <= Duration::from_millis(800 + 250), "{:?}", started.elapsed());
    let seen = seen.lock().unwrap();
    assert!(seen.len() == 100 && seen.values().all(|texts| texts.len() == 10 && texts.is_sorted()), "{seen:?}");
}
