use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::Bus;
use crate::clock::{Clock, ManualClock};
use crate::engine::Engine;
use crate::transport::{EntryId, LogOptions, Transport};

struct Lab {
    bus: Bus,
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
}

fn lab() -> Lab {
    let clock = ManualClock::new();
    let engine = Engine::new(clock.clone());
    let bus = Bus::over(engine.clone(), clock.clone(), crate::config::BusConfig::default());
    Lab { bus, engine, clock }
}

impl Lab {
    fn events(&self) -> EventBus {
        EventBus::new(&self.bus, EventOptions::default()).unwrap()
    }

    fn reader(&self, place: Place) -> EventReader {
        EventReader::new(&self.bus, ReaderOptions { place, ..ReaderOptions::default() }).unwrap()
    }

    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    async fn raw(&self, field: &'static str, data: &'static [u8]) -> EntryId {
        let store = self.bus.store();
        store.log_append(&crate::topology::event_stream(), [(field, data)], LogOptions::default()).await.unwrap()
    }
}

#[tokio::test]
async fn events_are_stored_in_their_order_under_the_ids_told() {
    let lab = lab();
    let (events, mut reader) = (lab.events(), lab.reader(Place::Start));
    let first = events.publish(Event::new("agent.start").with_payload([("n", 1)])).await.unwrap();
    for n in 0..600 {
        events.publish_nowait(Event::new("agent.signal").with_payload(n + 1));
    }
    let last = events.publish_and_wait(Event::new("agent.complete")).await.unwrap();
    assert_eq!(reader.next().await.unwrap().id, first);
    for n in 0..600 {
        let seen = reader.next().await.unwrap();
        assert_eq!(seen.body().unwrap().get("payload").unwrap().as_i64(), Some(n + 1));
    }
    let seen = reader.next().await.unwrap();
    assert_eq!((seen.id, reader.last_id()), (last, last.to_string()));
    assert_eq!(seen.to_map().text("stream_id"), Some(last.to_string().as_str()));
    assert_eq!(seen.event().unwrap().kind, "agent.complete");
    let stats = events.stats();
    assert_eq!((stats.published, stats.dropped, stats.queued), (602, 0, 0));
}

#[tokio::test]
async fn a_full_server_keeps_events_waiting_and_nobody_else() {
    let lab = lab();
    let events = lab.events();
    lab.engine.fill_memory(true).unwrap();
    let publish = tokio::spawn({
        let events = events.clone();
        async move { events.publish(Event::new("llm.call")).await }
    });
    lab.settle().await;
    lab.clock.advance(Duration::from_millis(50));
    assert_eq!(publish.await.unwrap(), None, "no id within the time");
    let once = tokio::spawn({
        let events = events.clone();
        async move { events.publish_and_wait(Event::new("llm.error")).await }
    });
    while !once.is_finished() {
        lab.clock.advance(Duration::from_millis(50));
        lab.settle().await;
    }
    assert_eq!(once.await.unwrap(), None, "one attempt");
    let before = events.stats();
    assert_eq!((before.late, before.queued, before.failed, before.published), (1, 1, 1, 0));
    lab.engine.fill_memory(false).unwrap();
    while events.stats().published == 0 {
        lab.clock.advance(Duration::from_millis(100));
        lab.settle().await;
    }
    assert_eq!(lab.reader(Place::Start).next().await.unwrap().kind(), "llm.call");
}

#[tokio::test]
async fn beyond_its_length_the_queue_drops_the_newest() {
    let lab = lab();
    let events = lab.events();
    lab.engine.fill_memory(true).unwrap();
    for n in 0..10_005 {
        events.publish_nowait(Event::new("agent.signal").with_payload(n + 1));
    }
    assert_eq!((events.stats().dropped, events.stats().queued), (5, 10_000));
    let close = tokio::spawn({
        let events = events.clone();
        async move { events.close().await }
    });
    lab.settle().await;
    for _ in 0..20 {
        lab.clock.advance(Duration::from_millis(100));
        lab.settle().await;
    }
    close.await.unwrap();
    assert_eq!((events.stats().dropped, events.stats().queued), (10_005, 0), "two seconds, then the rest is given up");
    events.publish_nowait(Event::new("agent.signal"));
    assert_eq!(events.stats().dropped, 10_006);
}

#[tokio::test]
async fn closing_sends_what_waits() {
    let lab = lab();
    let (events, others) = (lab.events(), lab.events());
    for _ in 0..300 {
        events.publish_nowait(Event::new("agent.signal"));
        others.publish_nowait(Event::new("agent.signal"));
    }
    events.close().await;
    events.close().await;
    assert_eq!(events.stats().published, 300);
    lab.bus.close().await.unwrap();
    assert_eq!(others.stats().published, 300, "the bus waits as well");
    assert_eq!(others.publish(Event::new("agent.signal")).await, None);
}

#[tokio::test]
async fn a_refused_event_is_counted_and_the_next_one_is_tried() {
    let lab = lab();
    let store = lab.bus.store();
    let stream = crate::topology::event_stream();
    store.set(&stream, "not a stream", None).await.unwrap();
    let events = lab.events();
    assert_eq!(events.publish(Event::new("agent.start")).await, None);
    assert_eq!(events.stats().failed, 1);
    let error = lab.reader(Place::Start).next().await.unwrap_err();
    assert_eq!(error.code(), "invalid", "a reader does not try for ever what cannot succeed");
    store.delete([stream]).await.unwrap();
    assert!(events.publish(Event::new("agent.start")).await.is_some());
    let large = "x".repeat(17 * 1024 * 1024);
    assert_eq!(events.publish(Event::new("agent.start").with_payload(large)).await, None);
    assert_eq!((events.stats().published, events.stats().dropped), (1, 1));
}

#[tokio::test]
async fn a_live_reader_misses_nothing_between_two_reads() {
    let lab = lab();
    let events = lab.events();
    events.publish(Event::new("agent.start")).await.unwrap();
    let mut reader = lab.reader(Place::End);
    assert_eq!(reader.last_id(), "$");
    reader.ready().await.unwrap();
    for kind in ["phase.start", "phase.complete"] {
        // Each comes while nobody reads.
        events.publish(Event::new(kind)).await.unwrap();
        assert_eq!(reader.next().await.unwrap().kind(), kind);
    }
    let place: Place = reader.last_id().parse().unwrap();
    events.publish(Event::new("agent.complete")).await.unwrap();
    assert_eq!(lab.reader(place).next().await.unwrap().kind(), "agent.complete", "another one goes on from there");
    assert!("x".parse::<Place>().is_err());
}

#[tokio::test]
async fn whatever_stands_in_the_stream_is_told() {
    let lab = lab();
    let table: [(&'static str, &'static [u8], &str); 7] = [
        ("other", b"{}", "no_data_field"),
        ("data", b"", "no_data_field"),
        ("data", b"\xff{}", "bad_utf8"),
        ("data", b"[1, 2]", "not_an_object"),
        ("data", b"17", "not_an_object"),
        ("data", b"{", "json_decode: "),
        ("data", b"{\"a\": {\"b\": NaN}} trailing", "json_decode: "),
    ];
    let mut reader = lab.reader(Place::Start);
    for (field, data, problem) in table {
        let id = lab.raw(field, data).await;
        let seen = reader.next().await.unwrap();
        assert!(seen.body().unwrap_err().starts_with(problem), "{seen:?}");
        assert_eq!(seen.to_map().keys().collect::<Vec<_>>(), ["error", "stream_id"]);
        assert_eq!((seen.id, seen.kind()), (id, ""));
        assert_eq!(seen.event().unwrap_err().code(), "malformed");
    }
    let deep: &'static [u8] = Box::leak("[".repeat(100_000).into_boxed_str()).as_bytes();
    lab.raw("data", deep).await;
    assert!(reader.next().await.unwrap().body().unwrap_err().starts_with("json_decode: "));
    lab.raw("data", b"{\"kind\": 5, \"stream_id\": \"mine\"}").await;
    let odd = reader.next().await.unwrap();
    assert_eq!(odd.to_map().text("stream_id"), Some(odd.id.to_string().as_str()));
    assert_eq!(odd.kind(), "");
}

#[tokio::test]
async fn handlers_get_what_they_want() {
    let lab = lab();
    let (events, mut reader) = (lab.events(), lab.reader(Place::Start));
    for kind in ["phase.start", "agent.start", "novel.kind", "phase.error"] {
        events.publish(Event::new(kind)).await.unwrap();
    }
    let seen: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    for (name, pattern) in [("one", "phase.*"), ("two", "phase.start"), ("three", "agent.start")] {
        let seen = seen.clone();
        reader
            .on(pattern, move |event| {
                let seen = seen.clone();
                async move {
                    seen.lock().unwrap().push(format!("{name} {}", event.kind()));
                    if event.kind() == "phase.error" { Err("a handler may fail") } else { Ok(()) }
                }
            })
            .unwrap();
    }
    let run = tokio::spawn(async move { reader.run().await });
    while seen.lock().unwrap().len() < 4 {
        tokio::task::yield_now().await;
    }
    lab.bus.close().await.unwrap();
    run.await.unwrap().unwrap();
    let wanted = ["one phase.start", "two phase.start", "three agent.start", "one phase.error"];
    assert_eq!(*seen.lock().unwrap(), wanted);
}

#[tokio::test]
async fn without_a_bus_nothing_happens() {
    let null = EventBus::null();
    assert_eq!(null.publish(Event::new("agent.start")).await, None);
    assert_eq!(null.publish_and_wait(Event::new("agent.start")).await, None);
    null.publish_nowait(Event::new("agent.start"));
    null.close().await;
    assert_eq!((null.stats(), null.stream(), null.max_len()), (EventStats::default(), "", 0));
}

#[test]
fn outside_of_a_runtime_events_wait_for_one() {
    let lab = lab();
    let events = lab.events();
    events.publish_nowait(Event::new("agent.start"));
    assert_eq!(events.stats().queued, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        events.publish(Event::new("agent.complete")).await.unwrap();
        assert_eq!(lab.reader(Place::Start).next().await.unwrap().kind(), "agent.start");
    });
    let never = lab.events();
    never.publish_nowait(Event::new("agent.start"));
    runtime.block_on(never.close());
    assert_eq!((never.stats().dropped, never.stats().queued), (1, 0));
}

#[tokio::test]
async fn the_time_is_that_of_the_call() {
    let lab = lab();
    let events = lab.events();
    lab.clock.advance(Duration::from_millis(7));
    events.publish_nowait(Event::new("agent.start"));
    lab.clock.advance(Duration::from_secs(3600));
    let seen = lab.reader(Place::Start).next().await.unwrap();
    assert_eq!(seen.event().unwrap().ts, "2026-01-01T00:00:00.007000+00:00");
    assert!(lab.clock.wall_us() > 0 && lab.engine.ping().await.is_ok());
}
