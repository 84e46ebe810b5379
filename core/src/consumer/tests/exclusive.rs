//! Mode `exclusive`: one consumer works, the others stand by, and the work goes over in order.

use std::time::Duration;

use super::{Bus, Outcome, bus, publish};
use crate::consumer::Consumer;
use crate::envelope::Inbound;
use crate::policy::Ordering;

async fn open(bus: &Bus) -> Consumer<Inbound> {
    let lease = Duration::from_secs(2);
    let inbox = bus.consume_inbound().ordering(Ordering::Exclusive).lease(lease, lease / 4);
    inbox.concurrency(4).prefetch(4).open().await.unwrap()
}

/// Takes deliveries until `n` have come and finishes them; what they said.
async fn finish(inbox: &Consumer<Inbound>, n: usize) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..n {
        let d = inbox.next_timeout(Duration::from_secs(30)).await.unwrap().unwrap();
        said.push(d.data().unwrap().content);
        d.ack().await.unwrap();
    }
    said
}

#[tokio::test(start_paused = true)]
async fn the_others_stand_by_and_take_over_when_it_closes() {
    let bus = bus().await;
    let first = open(&bus).await;
    publish(&bus, 1, "a").await;
    assert_eq!(finish(&first, 1).await, ["a"]);
    let second = open(&bus).await;
    for text in ["b", "c"] {
        publish(&bus, 1, text).await;
        assert_eq!(finish(&first, 1).await, [text]);
    }
    assert_eq!(second.next_timeout(Duration::from_secs(60)).await.unwrap_err().code(), "timeout");
    first.close().await.unwrap();
    let closed = bus.clock().now();
    publish(&bus, 1, "d").await;
    assert_eq!(finish(&second, 1).await, ["d"]);
    let took = bus.clock().now().saturating_sub(closed);
    assert!(took < Duration::from_millis(300), "{took:?}");
    second.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_one_left_comes_first_and_a_lane_that_waits_holds_up_no_other() {
    let bus = bus().await;
    let first = open(&bus).await;
    for (channel, text) in [(1, "waits"), (2, "runs"), (1, "behind"), (2, "queued")] {
        publish(&bus, channel, text).await;
    }
    let waits = first.next().await.unwrap().unwrap();
    waits.settle(Outcome::retry_after(Duration::from_secs(3600))).unwrap();
    let runs = first.next().await.unwrap().unwrap();
    assert_eq!(runs.data().unwrap().content, "runs");
    let second = open(&bus).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.shared.kill();
    let died = bus.clock().now();
    for (channel, text) in [(2, "new"), (3, "other"), (1, "last")] {
        publish(&bus, channel, text).await;
    }
    let d = second.next().await.unwrap().unwrap();
    assert_eq!((d.data().unwrap().content, d.attempt(), d.redelivered()), ("runs".into(), 2, true));
    let took = bus.clock().now().saturating_sub(died);
    assert!(took <= Duration::from_millis(2500), "{took:?}");
    let other = second.next().await.unwrap().unwrap();
    assert_eq!(other.data().unwrap().content, "other", "lane 1 waits, lane 2 runs");
    other.ack().await.unwrap();
    d.ack().await.unwrap();
    assert_eq!(finish(&second, 2).await, ["queued", "new"]);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let waited = finish(&second, 3).await;
    assert_eq!(waited, ["waits", "behind", "last"]);
    second.idle().await.unwrap();
    let info = bus.stream_info(&bus.topology().inbound_stream).await.unwrap();
    assert_eq!((info.length, info.groups[0].consumers), (0, 1), "the identity that stood by has retired");
    second.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_closed_one_gave_back_moves_at_once() {
    let bus = bus().await;
    let first = open(&bus).await;
    for n in 0..6 {
        publish(&bus, n % 2, &n.to_string()).await;
    }
    assert_eq!(finish(&first, 1).await, ["0"]);
    let second = open(&bus).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let closing = bus.clock().now();
    first.close_within(Duration::ZERO).await.unwrap();
    publish(&bus, 0, "6").await;
    let mut said = finish(&second, 6).await;
    let took = bus.clock().now().saturating_sub(closing);
    assert!(took < Duration::from_millis(500), "{took:?}");
    said.sort();
    assert_eq!(said, ["1", "2", "3", "4", "5", "6"]);
    second.close().await.unwrap();
}
