//! A server whose memory is full: nothing new comes in; what is there is handed out, finished and buried, also by
//! consumers that start then, because that is what frees memory.

use std::sync::Arc;
use std::time::Duration;

use stargazer_core::envelope::{Inbound, Outbound};
use stargazer_core::transport::EntryId;
use stargazer_core::{Bus, Delivery, Notice, Role};
use stargazer_tests::Server;

use super::{context, run};

async fn worker(server: &Server) -> Bus {
    Bus::connect(server.url()).role(Role::Worker).await.unwrap()
}

fn full(server: &Server, on: bool) {
    server.command(&["CONFIG", "SET", "maxmemory", if on { "1" } else { "0" }]).unwrap();
}

#[test]
fn who_starts_at_full_memory_finishes_what_is_there() {
    run(async {
        let server = Server::start().unwrap();
        let first = worker(&server).await;
        for n in 0..30 {
            first.publish_inbound(&Inbound::new("web", format!("c{}", n % 4), "u", format!("{n}"))).await.unwrap();
        }
        full(&server, true);
        let bus = worker(&server).await;
        let (lease, sweep) = (Duration::from_secs(2), Duration::from_millis(500));
        let inbox = bus.consume_inbound().concurrency(4).lease(lease, sweep).open().await.unwrap();
        let mut notices = inbox.notices();
        let mut held = Vec::new();
        for n in 0..30 {
            let d = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
            assert!(!d.redelivered());
            match n {
                0 => held.push(d),
                1..10 => d.reject("no").await.unwrap(),
                _ => d.ack().await.unwrap(),
            }
            if n == 20 {
                // Longer than a lease: renewals go through.
                tokio::time::sleep(lease + sweep).await;
            }
            if n == 21 {
                held.pop().unwrap().ack().await.unwrap();
            }
        }
        inbox.idle().await.unwrap();
        let error = bus.publish_inbound(&Inbound::new("web", "c", "u", "new")).await.unwrap_err();
        assert_eq!((error.code(), context(&error, "stored")), ("full", Some("no")), "{error}");
        while let Ok(notice) = notices.try_recv() {
            assert!(matches!(notice, Notice::DeadLettered { .. }), "{notice:?}");
        }
        let topology = bus.topology();
        let letters = bus.entries(&topology.dead_letter_stream.clone(), EntryId::ZERO, 100).await.unwrap();
        assert_eq!(letters.len(), 9);
        assert_eq!(bus.stream_info(&topology.inbound_stream.clone()).await.unwrap().length, 0);
        full(&server, false);
        bus.publish_inbound(&Inbound::new("web", "c", "u", "new")).await.unwrap();
        inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap().ack().await.unwrap();
    });
}

/// A bus whose publishes give up soon.
async fn impatient(server: &Server) -> Bus {
    let mut config = stargazer_core::config::BusConfig::default();
    config.publish_timeout = Duration::from_millis(200);
    Bus::connect(server.url()).role(Role::Standalone).platforms(["web"]).config(config).await.unwrap()
}

#[test]
fn a_handler_whose_answer_finds_no_room_is_told_full_and_runs_again() {
    run(async {
        let server = Server::start().unwrap();
        let bus = impatient(&server).await;
        bus.publish_inbound(&Inbound::new("web", "c", "u", "hello")).await.unwrap();
        let inbox = bus.consume_inbound().open().await.unwrap();
        full(&server, true);
        let d = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
        let error = d.bus().publish_outbound("web", &Outbound::message("c", "answer")).await.unwrap_err();
        assert_eq!((error.code(), context(&error, "stored")), ("full", Some("no")), "{error}");
        assert_eq!(context(&error, "lacks"), Some("memory"), "{error}");
        d.retry(Some(Duration::from_millis(50))).await.unwrap();
        full(&server, false);
        let again = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
        assert_eq!((again.attempt(), again.redelivered()), (1, true), "it was no failure of the message");
        again.bus().publish_outbound("web", &Outbound::message("c", "answer")).await.unwrap();
        again.ack().await.unwrap();
        inbox.idle().await.unwrap();
    });
}

#[test]
fn memory_that_stays_full_sends_no_message_to_the_dead_letters() {
    run(async {
        let server = Server::start().unwrap();
        let bus = Arc::new(impatient(&server).await);
        for n in 0..20 {
            bus.publish_inbound(&Inbound::new("web", format!("c{}", n % 7), "u", format!("{n}"))).await.unwrap();
        }
        let back_off = Duration::from_millis(50);
        let inbox = bus.consume_inbound().concurrency(4).max_attempts(2).retry_backoff(back_off, back_off);
        let inbox = Arc::new(inbox.open().await.unwrap());
        let mut notices = inbox.notices();
        full(&server, true);
        let serving = tokio::spawn({
            let (inbox, bus) = (inbox.clone(), bus.clone());
            async move {
                let handler = move |d: Delivery<Inbound>| {
                    let bus = bus.clone();
                    async move {
                        assert_eq!(d.attempt(), 1);
                        bus.publish_outbound("web", &Outbound::message("c", d.data()?.content)).await?;
                        Ok(())
                    }
                };
                inbox.run(handler).await
            }
        });
        loop {
            if let Notice::Trouble { error } = notices.recv().await.unwrap() {
                assert_eq!(error.code(), "full", "{error}");
                break;
            }
        }
        // Many times as long as two attempts take.
        tokio::time::sleep(Duration::from_secs(3)).await;
        full(&server, false);
        inbox.idle().await.unwrap();
        let mut kinds = Vec::new();
        while let Ok(notice) = notices.try_recv() {
            kinds.push(notice.kind());
        }
        assert_eq!(kinds, ["recovered"]);
        let topology = bus.topology();
        assert_eq!(bus.stream_info(&topology.outbound_stream("web")).await.unwrap().length, 20);
        assert_eq!(bus.stream_info(&topology.inbound_stream).await.unwrap().length, 0);
        assert_eq!(super::integer(&server, &["EXISTS", &topology.dead_letter_stream]), 0);
        inbox.close().await.unwrap();
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_group_lost_at_full_memory_is_made_again_once_there_is_room() {
    run(async {
        let server = Server::start().unwrap();
        let bus = worker(&server).await;
        let (lease, sweep) = (Duration::from_secs(2), Duration::from_millis(500));
        let inbox = bus.consume_inbound().lease(lease, sweep).open().await.unwrap();
        bus.publish_inbound(&Inbound::new("web", "c", "u", "first")).await.unwrap();
        inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap().ack().await.unwrap();
        inbox.idle().await.unwrap();
        let mut notices = inbox.notices();
        bus.publish_inbound(&Inbound::new("web", "c", "u", "second")).await.unwrap();
        let held = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
        full(&server, true);
        let topology = bus.topology();
        server.command(&["XGROUP", "DESTROY", &topology.inbound_stream, &topology.worker_group]).unwrap();
        let error = loop {
            if let Notice::Trouble { error } = notices.recv().await.unwrap() {
                break error;
            }
        };
        assert_eq!(error.code(), "full", "{error}");
        drop(held);
        full(&server, false);
        let mut kinds = Vec::new();
        while !kinds.contains(&"recovered") || !kinds.contains(&"group_recreated") {
            kinds.push(notices.recv().await.unwrap().kind());
        }
        assert!(!kinds.contains(&"trouble"), "told once: {kinds:?}");
        let again = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
        assert_eq!(again.data().unwrap().content, "second");
        again.ack().await.unwrap();
    });
}
