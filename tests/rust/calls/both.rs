//! What holds on both transports.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use stargazer_core::envelope::Inbound;
use stargazer_core::rpc::{Cancel, CancelReason, Memo};
use stargazer_core::transport::EntryId;
use stargazer_core::{Delivery, ErrorKind};

use super::*;

pub(super) async fn a_call_gives_what_its_handler_gave(url: String) {
    let (here, there) = (bus(&url).await, bus(&url).await);
    let serving = serve(&there, "double", double()).await;
    assert_eq!(
        here.call::<_, i64>("double", &[("n", 21)].into_iter().collect::<std::collections::HashMap<_, _>>())
            .await
            .unwrap(),
        42
    );
    assert_eq!(call(&here, "double", n(1)).await.unwrap_err().kind(), ErrorKind::Remote);
    let unknown = call(&here, "triple", n(1)).await.unwrap_err();
    assert!(unknown.context().contains(&("remote_code", "unknown_tool".into())), "{unknown}");
    serving.close().await.unwrap();
    there.close().await.unwrap();
    here.close().await.unwrap();
}

pub(super) async fn thousands_of_calls_are_in_flight_and_find_their_answers(url: String) {
    let (here, there) = (bus(&url).await, bus(&url).await);
    let slow = handler_fn(|request: Request| async move {
        let n = number(&request);
        tokio::time::sleep(Duration::from_millis(n.unsigned_abs() * 7919 % 50)).await;
        Ok(Reply::new(n))
    });
    let serving = Server::new(&there).concurrency(2000).handle("slow", slow, OPTIONS()).open().await.unwrap();
    let calls: Vec<_> = (0..3000)
        .map(|i| {
            let here = here.clone();
            tokio::spawn(async move { (i, call(&here, "slow", n(i)).await) })
        })
        .collect();
    for asked in calls {
        let (i, answer) = asked.await.unwrap();
        assert_eq!(answer.unwrap().result, i.into());
    }
    let figures = here.call_figures();
    assert_eq!((figures.in_flight, figures.late, figures.malformed), (0, 0, 0));
    serving.close().await.unwrap();
    there.close().await.unwrap();
    here.close().await.unwrap();
}

pub(super) async fn a_cancelled_call_ends_its_handler_elsewhere(url: String) {
    let (here, there) = (bus(&url).await, bus(&url).await);
    let (started, why) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::Mutex::new(Vec::new())));
    let (starts, reasons) = (started.clone(), why.clone());
    let patient = handler_fn(move |request: Request| {
        let (starts, reasons) = (starts.clone(), reasons.clone());
        async move {
            starts.fetch_add(1, Ordering::SeqCst);
            let reason = request.cancel.cancelled().await;
            reasons.lock().unwrap().push(reason);
            Ok(Reply::default())
        }
    });
    let serving = serve(&there, "patient", patient).await;
    let cancel = Cancel::new();
    let asked = here.call_with("patient", Map::new(), CallOptions::default().with_cancel(cancel.clone()));
    let (ended, ()) = tokio::join!(asked, async {
        until("it runs", async || started.load(Ordering::SeqCst) == 1).await;
        cancel.cancel();
    });
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    until("it ends", async || *why.lock().unwrap() == [CancelReason::Caller]).await;
    let limit = CallOptions::default().with_timeout(Duration::from_millis(300));
    assert_eq!(here.call_with("patient", Map::new(), limit).await.unwrap_err().kind(), ErrorKind::Timeout);
    until("it ends, too", async || why.lock().unwrap().len() == 2).await;
    serving.close().await.unwrap();
    there.close().await.unwrap();
    here.close().await.unwrap();
}

pub(super) async fn where_nobody_serves_it_is_said_soon(url: String) {
    let (here, there) = (bus(&url).await, bus(&url).await);
    let began = tokio::time::Instant::now();
    assert_eq!(call(&here, "double", n(4)).await.unwrap_err().kind(), ErrorKind::NoWorker);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let late = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        serve(&there, "double", double()).await
    };
    let (answer, serving) = tokio::join!(call(&here, "double", n(4)), late);
    assert_eq!(answer.unwrap().result, 8.into());
    assert_eq!(serving.figures().handlers[0].succeeded, 1, "what nobody waits for is not run");
    serving.close().await.unwrap();
    assert_eq!(call(&here, "double", n(4)).await.unwrap_err().kind(), ErrorKind::NoWorker);
    there.close().await.unwrap();
    here.close().await.unwrap();
}

fn counted(runs: &Arc<AtomicUsize>) -> Arc<dyn Handler> {
    let runs = runs.clone();
    handler_fn(move |_| {
        let runs = runs.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(Reply::new(i64::try_from(runs.fetch_add(1, Ordering::SeqCst)).unwrap()))
        }
    })
}

pub(super) async fn of_two_equal_calls_at_once_one_runs(url: String) {
    let runs = Arc::new(AtomicUsize::new(0));
    let buses = [bus(&url).await, bus(&url).await];
    let serving = [serve(&buses[0], "paid", counted(&runs)).await, serve(&buses[1], "paid", counted(&runs)).await];
    let options = || CallOptions::default().with_memo(Memo::Key { turn: "t".into(), call: "c".into() });
    let asked: Vec<_> = (0..20)
        .map(|i| {
            let (bus, options) = (buses[i % 2].clone(), options());
            tokio::spawn(async move { bus.call_with("paid", n(5), options).await.unwrap().result })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), 0.into());
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(buses[1].call_with("paid", n(5), options()).await.unwrap().remembered);
    for (serving, bus) in serving.iter().zip(&buses) {
        serving.close().await.unwrap();
        bus.close().await.unwrap();
    }
}

pub(super) async fn a_turn_that_comes_again_does_not_pay_again(url: String) {
    let runs = Arc::new(AtomicUsize::new(0));
    let (here, there) = (bus(&url).await, bus(&url).await);
    let serving = serve(&there, "paid", counted(&runs)).await;
    let inbox = here.consume_inbound().retry_backoff(Duration::from_millis(20), Duration::from_millis(20));
    let inbox = inbox.open().await.unwrap();
    for channel in ["c1", "c2", "c3"] {
        here.publish_inbound(&Inbound::new("web", channel, "u1", "x")).await.unwrap();
    }
    inbox
        .run_until_idle(|d: Delivery<Inbound>| async move {
            for i in [1, 1, 2] {
                let answer = call_in(&d, i).await?;
                assert_eq!(answer.remembered, d.attempt() > 1);
            }
            if d.attempt() < 3 { Err("again".into()) } else { Ok(()) }
        })
        .await
        .unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 9);
    inbox.close().await.unwrap();
    serving.close().await.unwrap();
    there.close().await.unwrap();
    here.close().await.unwrap();
}

async fn call_in(d: &Delivery<Inbound>, i: i64) -> Result<Answer> {
    d.bus().call_with("paid", n(i), CallOptions::default()).await
}

pub(super) async fn raw_bytes_come_back_untouched(url: String) {
    let (here, there) = (bus(&url).await, bus(&url).await);
    let file = Bytes::from((0..=255).collect::<Vec<u8>>().repeat(8000));
    let files = Map::from([("sent_files", vec![Map::from([("data", Value::Bytes(file))])])]);
    let give = files.clone();
    let handler = handler_fn(move |_| {
        let give = give.clone();
        async move { Ok(Reply::new("sent").with_writeback(give)) }
    });
    let serving = serve(&there, "files", handler).await;
    let memo = Memo::Key { turn: "t".into(), call: "c".into() };
    for remembered in [false, true] {
        let options = CallOptions::default().with_memo(memo.clone());
        let answer = here.call_with("files", Map::new(), options).await.unwrap();
        assert_eq!((answer.remembered, answer.writeback == files), (remembered, true));
    }
    serving.close().await.unwrap();
    there.close().await.unwrap();
    here.close().await.unwrap();
}

pub(super) async fn nothing_is_left_of_a_bus_that_closed(url: String) {
    let (here, there) = (bus(&url).await, bus(&url).await);
    let replies = Arc::new(std::sync::Mutex::new(String::new()));
    let seen = replies.clone();
    let handler = handler_fn(move |request: Request| {
        seen.lock().unwrap().clone_from(&request.envelope.reply_to);
        async { Ok(Reply::default()) }
    });
    let serving = serve(&there, "look", handler).await;
    call(&here, "look", Map::new()).await.unwrap();
    let replies = replies.lock().unwrap().clone();
    assert!(replies.starts_with("sg:tools:reply:worker-"), "{replies}");
    let left = there.store().time_to_live(&replies).await.unwrap();
    assert!(left.is_some_and(|left| left <= Duration::from_secs(600)), "{left:?}");
    here.close().await.unwrap();
    assert!(!there.store().exists(&replies).await.unwrap());
    serving.close().await.unwrap();
    assert!(there.entries("tools", EntryId::ZERO, 10).await.unwrap().is_empty());
    there.close().await.unwrap();
}

pub(super) async fn a_handler_that_runs_while_its_bus_closes_may_call(url: String) {
    let (here, there) = (bus(&url).await, bus(&url).await);
    let runs = Arc::new(AtomicUsize::new(0));
    let serving = serve(&there, "paid", counted(&runs)).await;
    let inbox = Arc::new(here.consume_inbound().open().await.unwrap());
    here.publish_inbound(&Inbound::new("web", "c1", "u1", "x")).await.unwrap();
    let (begun, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (starts, ends) = (begun.clone(), answers.clone());
    let running = inbox.clone();
    let handling = tokio::spawn(async move {
        let handle = move |d: Delivery<Inbound>| {
            let (starts, ends) = (starts.clone(), ends.clone());
            async move {
                starts.fetch_add(1, Ordering::SeqCst);
                for i in 0..5 {
                    call_in(&d, i).await?;
                }
                ends.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        };
        running.run(handle).await
    });
    until("it runs", async || begun.load(Ordering::SeqCst) == 1).await;
    here.close().await.unwrap();
    handling.await.unwrap().unwrap();
    assert_eq!(answers.load(Ordering::SeqCst), 1);
    serving.close().await.unwrap();
    there.close().await.unwrap();
}
