//! Consumers and servers that go away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stargazer_core::envelope::Inbound;
use stargazer_core::topology::GroupKeys;
use stargazer_core::transport::{EntryId, Missing};
use stargazer_core::{Delivery, Notice};

use super::lab::{Lab, quick, say, text};

/// A consumer on a thread and runtime of its own. Dropping what is returned stops it where it is, as `kill -9` does.
fn doomed(url: String, taken: usize) -> tokio::sync::oneshot::Sender<()> {
    let (kill, killed) = tokio::sync::oneshot::channel();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let work = async {
            let bus = stargazer_core::Bus::connect(url).await.unwrap();
            let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
            let mut held = Vec::new();
            for _ in 0..taken {
                held.push(inbox.next().await.unwrap().unwrap());
            }
            tell.send(()).unwrap();
            std::future::pending::<()>().await;
            drop((inbox, held));
        };
        let mut work = Box::pin(work);
        runtime.block_on(async {
            tokio::select! {
                () = &mut work => {}
                _ = killed => {}
            }
        });
        // First the driver goes, so that nothing can be given back any more.
        runtime.shutdown_background();
        std::mem::forget(work);
    });
    told.recv_timeout(Duration::from_secs(20)).unwrap();
    kill
}

pub(super) async fn the_work_of_a_dead_consumer_runs_elsewhere(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..6 {
        say(&bus, &format!("c{}", n % 2), &n.to_string()).await;
    }
    let url = lab.url.clone();
    drop(tokio::task::spawn_blocking(move || doomed(url, 2)).await.unwrap());
    let died = tokio::time::Instant::now();
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..6 {
        let d = inbox.next_timeout(Duration::from_secs(15)).await.unwrap().unwrap();
        seen.push((text(&d), d.attempt(), d.redelivered()));
        d.ack().await.unwrap();
    }
    assert!(died.elapsed() < Duration::from_secs(10), "{:?}", died.elapsed());
    let (even, odd): (Vec<_>, Vec<_>) = seen.iter().partition(|(text, ..)| text.parse::<u32>().unwrap() % 2 == 0);
    for lane in [even, odd] {
        assert!(lane.is_sorted_by_key(|(text, ..)| text.clone()), "{seen:?}");
        assert_eq!((lane[0].1, lane[0].2), (2, true), "{seen:?}");
    }
    bus.close().await.unwrap();
}

pub(super) async fn a_long_handler_runs_once(lab: Lab) {
    let bus = lab.bus().await;
    say(&bus, "c1", "long").await;
    let seen = Arc::new(Mutex::new(0));
    let mut readers = Vec::new();
    for _ in 0..2 {
        readers.push(Arc::new(bus.consume_inbound().config(quick()).open().await.unwrap()));
    }
    let mut tasks = Vec::new();
    for reader in &readers {
        let (reader, seen) = (reader.clone(), seen.clone());
        tasks.push(tokio::spawn(async move {
            let handler = move |_: Delivery<Inbound>| {
                let seen = seen.clone();
                async move {
                    *seen.lock().unwrap() += 1;
                    // Longer than lease and sweep.
                    tokio::time::sleep(Duration::from_secs(4)).await;
                    Ok(())
                }
            };
            reader.run_until_idle(handler).await
        }));
    }
    let stream = bus.topology().inbound_stream.clone();
    super::lab::until("it is finished", || {
        let (bus, stream) = (bus.clone(), stream.clone());
        async move { bus.stream_info(&stream).await.unwrap().length == 0 }
    })
    .await;
    assert_eq!(*seen.lock().unwrap(), 1);
    bus.close().await.unwrap();
    drop(tasks);
}

pub(super) async fn a_settle_of_a_stale_session_is_refused(lab: Lab) {
    let server = lab.server.as_ref().unwrap();
    let bus = lab.bus().await;
    say(&bus, "c1", "x").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    let keys = GroupKeys::new(&bus.topology().inbound_stream, &bus.topology().worker_group);
    let stargazer_tests::Reply::List(fields) = server.command(&["HKEYS", &keys.consumers]).unwrap() else {
        panic!("no consumers");
    };
    let identity = fields.iter().map(stargazer_tests::Reply::text).find(|name| !name.starts_with('#')).unwrap();
    // Somebody took the session over.
    server.command(&["HSET", &keys.consumers, &identity, "9:other"]).unwrap();
    let publish = d.bus().publish_outbound("web", &stargazer_core::envelope::Outbound::message("c1", "late")).await;
    assert_eq!(publish.unwrap_err().code(), "stale");
    d.ack().await.unwrap();
    // What an outcome came to is told by the call after it.
    assert_eq!(inbox.next_timeout(Duration::from_secs(10)).await.unwrap_err().code(), "stale");
    let pending = bus.pending(&bus.topology().inbound_stream, &bus.topology().worker_group).await.unwrap();
    assert_eq!(pending.count, 1, "the refused ack finished nothing");
    drop(inbox);
}

pub(super) async fn a_restarted_server_is_used_again(lab: Lab) {
    let mut server = lab.server.unwrap();
    let bus = stargazer_core::Bus::connect(server.url()).role(stargazer_core::Role::Worker).await.unwrap();
    say(&bus, "c1", "before").await;
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    inbox.next().await.unwrap().unwrap().ack().await.unwrap();
    inbox.idle().await.unwrap();
    let mut notices = inbox.notices();
    tokio::task::spawn_blocking(move || {
        server.kill().unwrap();
        server.restart().unwrap();
        // Keeps running until the test's process ends.
        std::mem::forget(server);
    })
    .await
    .unwrap();
    let back = tokio::time::Instant::now();
    let publish = async {
        loop {
            if bus.publish_inbound(&Inbound::new("web", "c1", "u", "after")).await.is_ok() {
                break;
            }
        }
    };
    let (d, ()) = tokio::join!(inbox.next_timeout(Duration::from_secs(20)), publish);
    assert_eq!(text(&d.unwrap().unwrap()), "after");
    assert!(back.elapsed() < Duration::from_secs(6), "{:?}", back.elapsed());
    let mut told = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        told.push(notice);
    }
    // No persistence: the server came back without its group.
    assert!(told.iter().any(|notice| matches!(notice, Notice::GroupRecreated { .. })), "{told:?}");
}

pub(super) async fn a_lost_group_is_made_again(lab: Lab) {
    let server = lab.server.as_ref().unwrap();
    let bus = lab.bus().await;
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let first = say(&bus, "c1", "unfinished").await;
    let d = inbox.next().await.unwrap().unwrap();
    let mut notices = inbox.notices();
    let (stream, group) = (bus.topology().inbound_stream.clone(), bus.topology().worker_group.clone());
    server.command(&["XGROUP", "DESTROY", &stream, &group]).unwrap();
    say(&bus, "c1", "unread").await;
    drop(d);
    let again = inbox.next_timeout(Duration::from_secs(15)).await.unwrap().unwrap();
    assert_eq!((again.id(), text(&again).as_str()), (first, "unfinished"));
    again.ack().await.unwrap();
    let next = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
    assert_eq!(text(&next), "unread");
    let mut made = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        if let Notice::GroupRecreated { from, missing } = notice {
            made.push((from, missing));
        }
    }
    assert_eq!(made, [(EntryId::ZERO, Missing::Group)], "told once, with where it starts and what was gone");
    next.ack().await.unwrap();
    inbox.idle().await.unwrap();
    bus.close().await.unwrap();
}
