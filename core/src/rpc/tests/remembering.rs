//! Memos: who pays, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::consumer::Delivery;
use crate::envelope::Inbound;
use crate::error::ErrorKind;
use crate::rpc::{CallOptions, Memo};
use crate::topology;

const SECOND: Duration = Duration::from_secs(1);

/// Counts its runs, which take a second; fails when `n` is 13.
async fn paid(bus: &Bus, runs: &Arc<AtomicUsize>) -> Serving {
    let runs = runs.clone();
    let handler = handler_fn(move |request: Request| {
        let runs = runs.clone();
        async move {
            request.bus.clock().sleep(SECOND).await;
            let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
            if request.arguments().get("n") == Some(&13.into()) {
                return Err(Failure::new("unlucky", "13"));
            }
            Ok(Reply::new(i64::try_from(run).unwrap()))
        }
    });
    Server::new(bus).handle("paid", handler, HandlerOptions::default()).open().await.unwrap()
}

fn key(turn: &str, call: &str) -> CallOptions {
    CallOptions::default().with_memo(Memo::Key { turn: turn.into(), call: call.into() })
}

fn n(n: i64) -> Map {
    Map::from([("n", n)])
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_again_does_not_pay_again() {
    let bus = bus();
    let runs = Arc::new(AtomicUsize::new(0));
    let serving = paid(&bus, &runs).await;
    bus.publish_inbound(&Inbound::new("web", "c1", "u1", "x")).await.unwrap();
    let inbox = bus.consume_inbound().retry_backoff(SECOND, SECOND).open().await.unwrap();
    let results = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = results.clone();
    inbox
        .run_until_idle(move |d: Delivery<Inbound>| {
            let seen = seen.clone();
            async move {
                let call =
                    async |n: i64| d.bus().call_with("paid", Map::from([("n", n)]), CallOptions::default()).await;
                // The order of different calls does not count; equal ones are told apart by their number.
                let numbers = if d.attempt() == 1 { [7, 8, 7] } else { [8, 7, 7] };
                for number in numbers {
                    let answer = call(number).await?;
                    seen.lock().unwrap().push((number, answer.result.as_i64().unwrap(), answer.remembered));
                }
                assert_eq!(call(13).await.unwrap_err().kind(), ErrorKind::Remote);
                if d.attempt() == 1 { Err("again".into()) } else { Ok(()) }
            }
        })
        .await
        .unwrap();
    let mut results = results.lock().unwrap().clone();
    let again = results.split_off(3);
    assert_eq!(results, [(7, 1, false), (8, 2, false), (7, 3, false)]);
    assert_eq!(again, [(8, 2, true), (7, 1, true), (7, 3, true)]);
    assert_eq!(runs.load(Ordering::SeqCst), 5, "a failure is not remembered");
    inbox.close().await.unwrap();
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_two_equal_calls_at_once_one_runs() {
    let bus = bus();
    let runs = Arc::new(AtomicUsize::new(0));
    let (one, two) = (paid(&bus, &runs).await, paid(&bus, &runs).await);
    let calls = (0..20).map(|_| bus.call_with("paid", n(1), key("t", "c")));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().result, 1.into());
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let remembered: u64 = [&one, &two].iter().map(|s| s.figures().handlers[0].remembered).sum();
    assert_eq!(remembered, 19);
    // Found before anything is sent.
    assert!(bus.call_with("paid", n(1), key("t", "c")).await.unwrap().remembered);
    for (arguments, options) in [(n(2), key("t", "c")), (n(1), key("t", "d")), (n(1), key("u", "c"))] {
        assert!(!bus.call_with("paid", arguments, options).await.unwrap().remembered);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    // A bus remembers nothing unless it is asked to.
    bus.call_with("paid", n(1), CallOptions::default()).await.unwrap();
    bus.call_with("paid", n(1), CallOptions::default()).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 6);
    one.close().await.unwrap();
    two.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_memo_ends_with_its_time() {
    let bus = bus();
    let runs = Arc::new(AtomicUsize::new(0));
    let serving = paid(&bus, &runs).await;
    for expected in [1, 1, 2] {
        assert_eq!(bus.call_with("paid", n(1), key("t", "c")).await.unwrap().result, expected.into());
        tokio::time::sleep(SECOND * 1810).await;
    }
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_server_claimed_is_run_by_another() {
    let bus = bus();
    let runs = Arc::new(AtomicUsize::new(0));
    let serving = paid(&bus, &runs).await;
    let memo = crate::rpc::memo::name(&bus, &key("t", "c").memo, "paid", &n(1)).unwrap().unwrap();
    let claimed = topology::memo_key(&serving.stream().clone(), &memo);
    bus.store().set(&claimed, "r of a dead one", Some(SECOND * 10)).await.unwrap();
    let began = bus.clock().now();
    assert_eq!(bus.call_with("paid", n(1), key("t", "c")).await.unwrap().result, 1.into());
    let took = bus.clock().now().saturating_sub(began);
    assert!((SECOND * 10..SECOND * 20).contains(&took), "{took:?}");
    // A failure gives the claim back at once.
    for _ in 0..2 {
        assert_eq!(bus.call_with("paid", n(13), key("t", "c")).await.unwrap_err().kind(), ErrorKind::Remote);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_kept_for_as_long_as_the_call_runs() {
    let bus = bus();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let long = handler_fn(move |request: Request| {
        let count = count.clone();
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            request.bus.clock().sleep(SECOND * 100).await;
            Ok(Reply::new("long"))
        }
    });
    let serving = Server::new(&bus).handle("long", long, HandlerOptions::default()).open().await.unwrap();
    let options = || key("t", "c").with_timeout(SECOND * 300);
    let (one, two) = tokio::join!(bus.call_with("long", Map::new(), options()), async {
        tokio::time::sleep(SECOND * 50).await;
        bus.call_with("long", Map::new(), options()).await
    });
    assert_eq!((one.unwrap().result, two.unwrap().result), ("long".into(), "long".into()));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_answered_is_not_run_again() {
    let bus = bus();
    let answered = topology::answered_key("sg:stream:tools", "5");
    bus.store().set(&answered, "", Some(SECOND * 60)).await.unwrap();
    bus.publish_tools_request(&request("double", 5)).await.unwrap();
    bus.publish_tools_request(&request("double", 6)).await.unwrap();
    let first = bus.consume_tools().retry_backoff(Duration::from_millis(1), SECOND).open().await.unwrap();
    for _ in 0..2 {
        first.next().await.unwrap().unwrap().retry(None).await.unwrap();
    }
    first.close_within(Duration::ZERO).await.unwrap();
    let serving = serve(&bus, HandlerOptions::default()).await;
    let reply = replies(&bus, 1).await.remove(0);
    assert_eq!((&*reply.correlation_id, reply.result), ("6", Ok(12.into())));
    while serving.figures().duplicates == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(serving.figures().handlers[0].succeeded, 1);
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_in_a_call_has_its_time_and_its_caller() {
    let bus = bus();
    let runs = Arc::new(AtomicUsize::new(0));
    let inner = paid(&bus, &runs).await;
    let outer = handler_fn(|request: Request| async move {
        let answer =
            request.bus.call_with("paid", Map::from([("n", 1)]), CallOptions::default().with_service("slow")).await;
        let identity = format!("{}:{}", request.envelope.platform, request.envelope.user_id);
        Err(Failure::new(answer.unwrap_err().code(), identity))
    });
    let slow = handler_fn(|request: Request| async move {
        assert_eq!((&*request.envelope.platform, &*request.envelope.user_id), ("web", "u1"));
        assert!(request.time_left().unwrap() <= SECOND * 3);
        request.cancel.cancelled().await;
        Ok(Reply::default())
    });
    let serving = Server::new(&bus).service("outer").handle("outer", outer, HandlerOptions::default());
    let serving = serving.open().await.unwrap();
    let slow = Server::new(&bus).service("slow").handle("paid", slow, HandlerOptions::default()).open().await.unwrap();
    bus.publish_inbound(&Inbound::new("web", "c1", "u1", "x")).await.unwrap();
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    let options = CallOptions::default().with_service("outer").with_timeout(SECOND * 3);
    let began = bus.clock().now();
    let error = d.bus().call_with("outer", Map::new(), options).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Remote | ErrorKind::Timeout), "{error}");
    assert_eq!(bus.clock().now().saturating_sub(began), SECOND * 3);
    d.ack().await.unwrap();
    for serving in [inner, serving, slow] {
        serving.close().await.unwrap();
    }
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_ours_no_longer_calls_nobody() {
    let clock = SystemClock::shared();
    let engine = Engine::new(clock.clone());
    let bus = Bus::over(engine.clone(), clock, BusConfig::default());
    let runs = Arc::new(AtomicUsize::new(0));
    let serving = paid(&bus, &runs).await;
    bus.publish_inbound(&Inbound::new("web", "c1", "u1", "x")).await.unwrap();
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    let group = crate::transport::Group::new(
        "sg:stream:inbound".into(),
        "sg:workers".into(),
        crate::transport::Ordering::Lanes,
        bus.retention(),
    );
    engine.forget_registrations(&group).unwrap();
    let error = d.bus().call_with("paid", n(1), CallOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale);
    assert_eq!(bus.call_figures().in_flight, 0);
    drop(d);
    serving.close().await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}
