//! The life of a message by its trace id.

use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Inbound, Map, Outbound, Value};
use stargazer_core::trace::{State, Trace};
use stargazer_core::{Bus, HandlerError, Outcome};

use super::lab::{Lab, quick, until};

async fn bus(lab: &Lab, name: &str) -> Bus {
    let mut config = BusConfig::default();
    config.trace = Some(name.into());
    lab.bus_with(config).await
}

async fn say(bus: &Bus, text: &str) -> String {
    let message = Inbound::new("web", "c1", "u1", text);
    bus.publish_inbound(&message).await.unwrap();
    message.trace_id.clone()
}

/// The trace once it has come to a state.
async fn once(bus: &Bus, id: &str, state: State) -> Trace {
    until("the trace is there", async || bus.trace(id).await.is_ok_and(|trace| trace.state == state.as_str())).await;
    bus.trace(id).await.unwrap()
}

fn states(trace: &Trace) -> Vec<(&str, &str)> {
    trace.steps.iter().map(|step| (step.state.as_str(), step.by.as_str())).collect()
}

pub(super) async fn a_message_is_followed_by_its_trace_id(lab: Lab) {
    let (gateway, worker, looks) = (bus(&lab, "gateway-1").await, bus(&lab, "worker-1").await, lab.bus().await);
    let id = say(&gateway, "Berlin?").await;
    let inbox = worker.consume_inbound().config(quick()).open().await.unwrap();
    inbox
        .run_until_idle(async |d| {
            d.bus().publish_outbound("web", &Outbound::message("c1", "21 °C")).await?;
            Ok(())
        })
        .await
        .unwrap();
    // In its own time, so that the order of the two last steps is known.
    once(&looks, &id, State::Completed).await;
    let outbox = gateway.consume_outbound("web").open().await.unwrap();
    let d = outbox.next().await.unwrap().unwrap();
    assert_eq!(d.trace_id(), id, "what a handler publishes belongs to the trace");
    d.ack().await.unwrap();
    let trace = once(&looks, &id, State::Delivered).await;
    let expected = [
        ("RECEIVED", "gateway-1"),
        ("QUEUED", "gateway-1"),
        ("CLAIMED", "worker-1"),
        ("DELIVERING", "worker-1"),
        ("COMPLETED", "worker-1"),
        ("DELIVERED", "gateway-1"),
    ];
    assert_eq!(states(&trace), expected);
    assert_eq!((trace.total, trace.steps.iter().filter(|step| !step.legal).count() as u64), (6, trace.illegal));
    assert_eq!(trace.steps[2].detail.get("attempt"), Some(&1.into()));
    assert_eq!(trace.steps[2].detail.text("stream"), Some("sg:stream:inbound"));
    assert!(trace.updated_at_ms >= trace.steps[0].at_ms && trace.checkpoint.is_none());
    for bus in [gateway, worker, looks] {
        bus.close().await.unwrap();
    }
}

pub(super) async fn retries_and_dead_letters_stand_in_the_trace(lab: Lab) {
    let bus = bus(&lab, "worker-1").await;
    let id = say(&bus, "bad").await;
    let inbox = bus.consume_inbound().config(quick()).max_attempts(2).open().await.unwrap();
    inbox.run_until_idle(async |_| Err::<Outcome, HandlerError>("it broke".into())).await.unwrap();
    inbox.close().await.unwrap();
    let trace = once(&bus, &id, State::Errored).await;
    let words: Vec<&str> = trace.steps.iter().map(|step| step.state.as_str()).collect();
    let expected = ["RECEIVED", "QUEUED", "CLAIMED", "ERRORED", "RETRYING", "QUEUED", "CLAIMED", "ERRORED"];
    assert_eq!((&words[..], trace.illegal), (&expected[..], 0));
    let last = &trace.steps[7].detail;
    assert_eq!((last.text("reason"), last.text("attempt")), (Some("max_attempts"), Some("2")));
    assert!(last.text("error").unwrap().contains("it broke") && last.text("dead_letters").is_some());
    bus.close().await.unwrap();
}

pub(super) async fn steps_of_ones_own_are_written_and_judged(lab: Lab) {
    // Also where nothing is traced unasked.
    let bus = lab.bus().await;
    let id = say(&bus, "quiet").await;
    assert_eq!(bus.trace(&id).await.unwrap_err().code(), "not_found");
    bus.transition(&id, State::Received, Map::from([("from", Value::from("a test"))])).unwrap();
    bus.transition(&id, State::Completed, Map::default()).unwrap();
    let saved = Value::Map(Map::from([("turn", Value::from(3)), ("text", "ü".into())]));
    assert!(bus.checkpoint(&id, State::Errored, Map::default(), &saved).await.is_ok_and(|legal| !legal));
    let trace = bus.trace(&id).await.unwrap();
    let judged: Vec<(&str, bool)> = trace.steps.iter().map(|step| (step.state.as_str(), step.legal)).collect();
    assert_eq!(judged, [("RECEIVED", true), ("COMPLETED", false), ("ERRORED", false)]);
    assert_eq!((trace.illegal, &*trace.state, trace.checkpoint), (2, "ERRORED", Some(saved)));
    assert_eq!(trace.steps[0].detail.text("from"), Some("a test"));
    assert_eq!((bus.trace_figures().written, bus.trace_figures().illegal), (3, 2));
    assert_eq!(bus.transition("", State::Queued, Map::default()).unwrap_err().code(), "invalid");
    // A step that nobody takes along leaves by itself.
    bus.transition("alone", State::Received, Map::default()).unwrap();
    until("it is written", async || bus.trace_figures().written == 4).await;
    tokio::time::timeout(Duration::from_secs(5), bus.close()).await.unwrap().unwrap();
}
