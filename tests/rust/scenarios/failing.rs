//! Handlers that fail, and what becomes of their entries.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stargazer_core::envelope::Inbound;
use stargazer_core::{Delivery, Outcome};

use super::lab::{Lab, dead_letters, field, quick, say, text};

pub(super) async fn a_failing_handler_is_retried(lab: Lab) {
    let bus = lab.bus().await;
    say(&bus, "c1", "x").await;
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let handler = move |d: Delivery<Inbound>| {
        let log = log.clone();
        async move {
            log.lock().unwrap().push((d.attempt(), d.redelivered()));
            if d.attempt() < 3 { Err("not yet".into()) } else { Ok(()) }
        }
    };
    inbox.run_until_idle(handler).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, false), (2, true), (3, true)]);
    assert!(bus.stream_info(&bus.topology().dead_letter_stream).await.is_err());
    bus.close().await.unwrap();
}

pub(super) async fn a_retry_waits_as_long_as_asked(lab: Lab) {
    let bus = lab.bus().await;
    say(&bus, "c1", "x").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    inbox.next().await.unwrap().unwrap().retry(Some(Duration::from_millis(300))).await.unwrap();
    let asked = tokio::time::Instant::now();
    let d = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(295), "{:?}", asked.elapsed());
    assert_eq!(d.attempt(), 2);
    d.ack().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn what_fails_too_often_is_dead_lettered(lab: Lab) {
    let bus = lab.bus().await;
    let id = say(&bus, "c1", "poison").await;
    say(&bus, "c1", "next").await;
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let handler = move |d: Delivery<Inbound>| {
        let log = log.clone();
        async move {
            log.lock().unwrap().push(text(&d));
            if text(&d) == "poison" { Err("boom".into()) } else { Ok(()) }
        }
    };
    inbox.run_until_idle(handler).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["poison", "poison", "poison", "next"]);
    let letters = dead_letters(&bus).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(field(&letters[0], "original_msg_id"), id.to_string());
    assert_eq!(field(&letters[0], "reason"), "max_attempts");
    assert_eq!((field(&letters[0], "error"), field(&letters[0], "attempt")), ("boom".into(), "3".into()));
    bus.close().await.unwrap();
}

pub(super) async fn a_reject_is_dead_lettered_at_once(lab: Lab) {
    let bus = lab.bus().await;
    say(&bus, "c1", "x").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    inbox.next().await.unwrap().unwrap().reject("not for us").await.unwrap();
    inbox.idle().await.unwrap();
    let letters = dead_letters(&bus).await;
    assert_eq!(letters.len(), 1);
    assert_eq!((field(&letters[0], "reason"), field(&letters[0], "error")), ("rejected".into(), "not for us".into()));
    assert_eq!(field(&letters[0], "group"), bus.topology().worker_group);
    bus.close().await.unwrap();
}

pub(super) async fn a_slow_handler_is_cut_off(lab: Lab) {
    let bus = lab.bus().await;
    say(&bus, "c1", "x").await;
    let limit = Duration::from_millis(50);
    let inbox = bus.consume_inbound().config(quick()).handler_timeout(limit).open().await.unwrap();
    let handler = |d: Delivery<Inbound>| async move {
        if d.attempt() == 1 {
            std::future::pending::<()>().await;
        }
        Ok(Outcome::Ack)
    };
    inbox.run_until_idle(handler).await.unwrap();
    assert_eq!(bus.stream_info(&bus.topology().inbound_stream).await.unwrap().length, 0);
    bus.close().await.unwrap();
}

pub(super) async fn a_release_is_not_counted(lab: Lab) {
    let bus = lab.bus().await;
    say(&bus, "c1", "x").await;
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    for _ in 0..5 {
        let d = inbox.next_timeout(Duration::from_secs(5)).await.unwrap().unwrap();
        assert_eq!(d.attempt(), 1);
        d.release().await.unwrap();
    }
    inbox.next_timeout(Duration::from_secs(5)).await.unwrap().unwrap().ack().await.unwrap();
    inbox.idle().await.unwrap();
    bus.close().await.unwrap();
}
