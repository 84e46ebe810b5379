//! Lifecycle events: published, read, handled.

use std::sync::{Arc, Mutex};

use stargazer_core::Bus;
use stargazer_core::envelope::{LifecycleEvent, Map, Value};
use stargazer_core::events::{self, Event, EventBus, EventOptions, EventReader, Place, ReaderOptions, SeenEvent};
use stargazer_core::transport::LogOptions;

use super::lab::Lab;

fn reader(bus: &Bus, place: Place) -> EventReader {
    bus.event_reader(ReaderOptions { place, ..ReaderOptions::default() }).unwrap()
}

fn payload(seen: &SeenEvent) -> Value {
    seen.body().unwrap().get("payload").unwrap().clone()
}

pub(super) async fn events_travel_in_the_originals_bytes(lab: Lab) {
    let bus = lab.bus().await;
    let events = bus.events(EventOptions::default()).unwrap();
    let said = Map::from([("score", Value::Float(0.5)), ("n", 3.into()), ("text", "Ü\u{1f600}\n\"".into())]);
    let event = Event::new("phase.complete")
        .with_arena("trading", "a1")
        .with_phase("analysis")
        .with_correlation_id("c1")
        .with_payload(&said);
    let id = events.publish(event).await.unwrap();
    let seen = reader(&bus, Place::Start).next().await.unwrap();
    assert_eq!(seen.id, id);
    let text = String::from_utf8(seen.data.clone().unwrap().to_vec()).unwrap();
    let event = seen.event().unwrap();
    // What `json.dumps` gives for the same.
    let expected = format!(
        concat!(
            r#"{{"schema_version": "1", "kind": "phase.complete", "arena": "trading", "arena_id": "a1", "#,
            r#""phase": "analysis", "ts": "{}", "correlation_id": "c1", "#,
            r#""payload": {{"score": 0.5, "n": 3, "text": "\u00dc\ud83d\ude00\n\""}}}}"#
        ),
        event.ts
    );
    assert_eq!(text, expected);
    assert_eq!((event.payload, event.ts.ends_with("+00:00")), (said, true));
    bus.close().await.unwrap();
}

pub(super) async fn a_live_reader_misses_nothing_between_two_reads(lab: Lab) {
    let bus = lab.bus().await;
    let events = bus.events(EventOptions::default()).unwrap();
    events.publish(Event::new("agent.start")).await.unwrap();
    let mut live = reader(&bus, Place::End);
    live.ready().await.unwrap();
    for n in 1..=3 {
        // While nobody reads.
        events.publish(Event::new("agent.signal").with_payload(n)).await.unwrap();
        assert_eq!(payload(&live.next().await.unwrap()), n.into());
    }
    let place: Place = live.last_id().parse().unwrap();
    events.publish(Event::new("agent.complete")).await.unwrap();
    assert_eq!(reader(&bus, place).next().await.unwrap().kind(), "agent.complete");
    bus.close().await.unwrap();
}

pub(super) async fn what_is_no_event_is_told_as_such(lab: Lab) {
    let bus = lab.bus().await;
    let events = bus.events(EventOptions::default()).unwrap();
    let mut reader = reader(&bus, Place::Start);
    for (field, data, problem) in [
        ("other", &b"{}"[..], "no_data_field"),
        ("data", b"", "no_data_field"),
        ("data", b"\xff{}", "bad_utf8"),
        ("data", b"[1, 2]", "not_an_object"),
        ("data", b"{", "json_decode: "),
    ] {
        bus.store().log_append(events.stream(), [(field, data.to_vec())], LogOptions::default()).await.unwrap();
        let map = reader.next().await.unwrap().to_map();
        assert!(map.text("error").unwrap().starts_with(problem), "{map:?}");
        assert!(map.text("stream_id").is_some());
    }
    let mut deep = Value::List(Vec::new());
    for _ in 0..500 {
        deep = Value::List(vec![deep]);
    }
    events.publish(Event::new("agent.signal").with_payload(deep)).await.unwrap();
    assert!(format!("{:?}", payload(&reader.next().await.unwrap())).contains("<too deep>"));
    bus.close().await.unwrap();
}

pub(super) async fn events_are_handled_by_kind_or_by_beginning(lab: Lab) {
    let bus = lab.bus().await;
    let events = bus.events(EventOptions::default()).unwrap();
    for kind in ["phase.start", "novel.kind", "phase.error", "agent.start"] {
        events.publish(Event::new(kind)).await.unwrap();
    }
    let mut reader = reader(&bus, Place::Start);
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    for pattern in ["phase.*", "phase.start", "agent.start"] {
        let seen = seen.clone();
        let handler = move |event: SeenEvent| {
            seen.lock().unwrap().push(format!("{pattern} {}", event.kind()));
            // What a handler fails with is told in the log.
            std::future::ready(if event.kind() == "phase.error" { Err("no") } else { Ok(()) })
        };
        reader.on(pattern, handler).unwrap();
    }
    assert_eq!(reader.on("ph*", |_| std::future::ready(Ok::<(), String>(()))).unwrap_err().code(), "invalid");
    let running = tokio::spawn(async move { reader.run().await });
    super::lab::until("four events are handled", || std::future::ready(seen.lock().unwrap().len() == 4)).await;
    bus.close().await.unwrap();
    running.await.unwrap().unwrap();
    let wanted = ["phase.* phase.start", "phase.start phase.start", "phase.* phase.error", "agent.start agent.start"];
    assert_eq!(*seen.lock().unwrap(), wanted);
}

pub(super) async fn closing_sends_the_events_that_wait(lab: Lab) {
    let bus = lab.bus().await;
    let events = bus.events(EventOptions::default()).unwrap();
    for n in 1..=1000 {
        events.publish_nowait(Event::new("agent.signal").with_payload(n));
    }
    events.close().await;
    let stats = events.stats();
    assert_eq!((stats.published, stats.dropped, stats.queued), (1000, 0, 0));
    assert_eq!(events.publish(Event::new("agent.signal")).await, None);
    assert_eq!(events.stats().dropped, 1);
    let mut reader = reader(&bus, Place::Start);
    for n in 1..=1000 {
        assert_eq!(payload(&reader.next().await.unwrap()), n.into(), "in their order");
    }
    bus.close().await.unwrap();
}

pub(super) async fn deep_code_tells_the_bus_of_the_process(lab: Lab) {
    assert!(events::get_event_bus().is_null());
    events::publish_nowait("agent.start", "into the void");
    let bus = lab.bus().await;
    let installed = events::install_default_bus(&bus, EventOptions::default()).unwrap();
    assert_eq!(events::get_event_bus().stream(), installed.stream());
    events::publish_nowait("agent.complete", Map::from([("channel", Value::from("c1"))]));
    let seen = reader(&bus, Place::Start).next().await.unwrap();
    let event: LifecycleEvent = seen.event().unwrap();
    assert_eq!((event.kind.as_str(), event.payload.text("channel")), ("agent.complete", Some("c1")));
    events::set_event_bus(None);
    assert!(events::get_event_bus().is_null());
    assert_eq!(EventBus::null().publish(Event::new("agent.start")).await, None);
    bus.close().await.unwrap();
}
