//! Both sides: how a call ends.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::{Error, ErrorKind};
use crate::rpc::{Answer, CallOptions, Cancel, CancelReason};

const SECOND: Duration = Duration::from_secs(1);

fn n(n: i64) -> Map {
    Map::from([("n", n)])
}

async fn double_of(bus: &Bus, n_: i64) -> Result<Answer, Error> {
    bus.call_with("double", n(n_), CallOptions::default()).await
}

/// Sleeps until it is told to end; says why.
fn patient(seen: &Arc<Mutex<Vec<CancelReason>>>, starts: &Arc<AtomicUsize>) -> Arc<dyn Handler> {
    let (seen, starts) = (seen.clone(), starts.clone());
    handler_fn(move |request: Request| {
        let (seen, starts) = (seen.clone(), starts.clone());
        async move {
            starts.fetch_add(1, Ordering::SeqCst);
            let reason = request.cancel.cancelled().await;
            seen.lock().unwrap().push(reason);
            Ok(Reply::default())
        }
    })
}

async fn eventually(mut condition: impl FnMut() -> bool) {
    let mut left = 10_000;
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        left -= 1;
        assert!(left > 0, "never");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_gives_what_its_handler_gave() {
    let bus = bus();
    let serving = serve(&bus, HandlerOptions::default()).await;
    assert_eq!(bus.call::<_, i64>("double", &std::collections::HashMap::from([("n", 21)])).await.unwrap(), 42);
    let failed = double_of(&bus, 1).await.unwrap_err();
    assert_eq!((failed.kind(), failed.message()), (ErrorKind::Remote, "not for 1"));
    assert_eq!(failed.context(), [("remote_code", "one".to_owned()), ("call", "double".to_owned())]);
    assert_eq!(double_of(&bus, 2).await.unwrap_err().kind(), ErrorKind::Remote);
    let unknown = bus.call_with("triple", n(1), CallOptions::default()).await.unwrap_err();
    assert_eq!(unknown.context()[0].1, "unknown_tool");
    let misfit = bus.call::<_, String>("double", &std::collections::HashMap::from([("n", 21)])).await.unwrap_err();
    assert_eq!(misfit.kind(), ErrorKind::Malformed);
    assert_eq!(bus.call_figures(), crate::rpc::CallFigures::default());
    serving.close().await.unwrap();
    bus.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrong_calls_are_refused_unsent() {
    let bus = bus();
    let options = CallOptions::default;
    let refused = async |name: &str, options: CallOptions| bus.call_with(name, Map::new(), options).await.unwrap_err();
    for (name, options, field) in [
        ("", options(), "name"),
        ("x", options().with_timeout(Duration::ZERO), "timeout"),
        ("x", options().with_service(""), "service"),
        ("x", options().with_memo(crate::rpc::Memo::Call("c1".into())), "memo"),
        ("x", options().with_memo(crate::rpc::Memo::Key { turn: String::new(), call: "c".into() }), "turn"),
    ] {
        let error = refused(name, options).await;
        assert_eq!((error.kind(), error.context()[0].clone()), (ErrorKind::Invalid, ("field", field.to_owned())));
    }
    assert_eq!(bus.call::<_, ()>("x", &5).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(bus.call_gateway("", "x", Map::new(), options()).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(bus.stream_info("tools").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn raw_bytes_come_back_untouched() {
    let bus = bus();
    let file = bytes::Bytes::from((0..=255).collect::<Vec<u8>>().repeat(5000));
    let sent = Map::from([("sent_files", vec![Map::from([("data", crate::envelope::Value::Bytes(file.clone()))])])]);
    let give = sent.clone();
    let files = handler_fn(move |_| {
        let give = give.clone();
        async move { Ok(Reply::new("done").with_writeback(give)) }
    });
    let serving = Server::new(&bus).handle("files", files, HandlerOptions::default()).open().await.unwrap();
    let answer = bus.call_with("files", Map::new(), CallOptions::default()).await.unwrap();
    assert_eq!((answer.writeback, answer.remembered), (sent, false));
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_out_of_time_ends_its_handler() {
    let bus = bus();
    let (seen, starts) = (Arc::default(), Arc::default());
    let handler = patient(&seen, &starts);
    let serving = Server::new(&bus).handle("patient", handler, HandlerOptions::default()).open().await.unwrap();
    let began = bus.clock().now();
    let error = bus.call_with("patient", Map::new(), CallOptions::default().with_timeout(SECOND)).await.unwrap_err();
    assert_eq!((error.kind(), bus.clock().now().saturating_sub(began)), (ErrorKind::Timeout, SECOND));
    assert_eq!(error.message(), "no answer came within 1 s");
    eventually(|| seen.lock().unwrap().len() == 1).await;
    eventually(|| serving.figures().handlers[0].failed == 1).await;
    assert_eq!((bus.call_figures().in_flight, bus.call_figures().late), (0, 0));
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_or_dropped_call_ends_its_handler() {
    let bus = bus();
    let (seen, starts) = (Arc::default(), Arc::default());
    let handler = patient(&seen, &starts);
    let serving = Server::new(&bus).handle("patient", handler, HandlerOptions::default()).open().await.unwrap();
    let cancel = Cancel::new();
    let call = bus.call_with("patient", Map::new(), CallOptions::default().with_cancel(cancel.clone()));
    let ending = async {
        eventually(|| starts.load(Ordering::SeqCst) == 1).await;
        cancel.cancel();
    };
    let (error, ()) = tokio::join!(call, ending);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    eventually(|| *seen.lock().unwrap() == [CancelReason::Caller]).await;
    // Given before, it is not even sent.
    let again = CallOptions::default().with_cancel(cancel);
    assert_eq!(bus.call_with("patient", Map::new(), again).await.unwrap_err().kind(), ErrorKind::Cancelled);

    let dropped = bus.call_with("patient", Map::new(), CallOptions::default());
    tokio::select! {
        _ = dropped => panic!("nobody answers"),
        () = eventually(|| starts.load(Ordering::SeqCst) == 2) => {}
    }
    eventually(|| seen.lock().unwrap().len() == 2).await;
    eventually(|| serving.figures().handlers[0].cancelled == 2).await;
    assert_eq!((starts.load(Ordering::SeqCst), bus.call_figures().late), (2, 0));
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_before_it_was_read_is_not_run() {
    let bus = bus();
    let cancel = Cancel::new();
    let options = CallOptions::default().with_cancel(cancel.clone());
    let call = bus.call_with("patient", Map::new(), options);
    let ending = async {
        while bus.stream_info("tools").await.map_or(0, |info| info.length) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    };
    let (error, ()) = tokio::join!(call, ending);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (seen, starts) = (Arc::default(), Arc::default());
    let handler = patient(&seen, &starts);
    let serving = Server::new(&bus).handle("patient", handler, HandlerOptions::default()).open().await.unwrap();
    eventually(|| serving.figures().handlers[0].cancelled == 1).await;
    assert_eq!(starts.load(Ordering::SeqCst), 0);
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_nobody_serves_it_is_said_soon() {
    let bus = bus();
    let began = bus.clock().now();
    let error = double_of(&bus, 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoWorker);
    let took = bus.clock().now().saturating_sub(began);
    assert!((SECOND * 2..SECOND * 3).contains(&took), "{took:?}");
    // One that comes in time serves.
    let (answer, serving) = tokio::join!(double_of(&bus, 4), async {
        tokio::time::sleep(SECOND).await;
        serve(&bus, HandlerOptions::default()).await
    });
    assert_eq!(answer.unwrap().result, 8.into());
    // The first call was cancelled: it is not run.
    assert_eq!(serving.figures().handlers[0].succeeded, 1);
    serving.close().await.unwrap();
    assert_eq!(double_of(&bus, 4).await.unwrap_err().kind(), ErrorKind::NoWorker, "it has left");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_of_another_kind_may_serve() {
    let bus = bus();
    // As the original's service does: it knows nothing of deadlines, memos and control.
    let requests = bus.consume_tools().open().await.unwrap();
    let began = bus.clock().now();
    let serve = async {
        let d = requests.next().await.unwrap().unwrap();
        tokio::time::sleep(SECOND).await;
        let request = d.data().unwrap();
        let reply = ToolReply::ok(&request.correlation_id, "fine");
        bus.publish_tools_reply(&request.reply_to, &reply).await.unwrap();
        d.ack().await.unwrap();
    };
    let (answer, ()) = tokio::join!(double_of(&bus, 1), serve);
    assert_eq!((answer.unwrap().result, bus.clock().now().saturating_sub(began) >= SECOND), ("fine".into(), true));
    requests.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn thousands_of_calls_are_in_flight_and_find_their_answers() {
    let bus = bus();
    let slow = handler_fn(|request: Request| async move {
        let n = request.arguments().get("n").and_then(crate::envelope::Value::as_i64).unwrap();
        // Thousands end in the same moment.
        request.bus.clock().sleep(Duration::from_millis(1 + (n.unsigned_abs() * 7919) % 2)).await;
        Ok(Reply::new(n))
    });
    let serving =
        Server::new(&bus).concurrency(3000).handle("slow", slow, HandlerOptions::default()).open().await.unwrap();
    let calls = (0..5000).map(|i| {
        let bus = bus.clone();
        tokio::spawn(async move { (i, bus.call_with("slow", n(i), CallOptions::default()).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (i, answer) = call.await.unwrap();
        assert_eq!(answer.unwrap().result, i.into());
    }
    assert_eq!(bus.call_figures(), crate::rpc::CallFigures::default());
    let replies = bus.calls().replies.clone();
    assert!(bus.stream_info(&replies).await.unwrap().length < 256, "what was read is removed");
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_ends_calls_and_removes_the_reply_stream() {
    let clock = SystemClock::shared();
    let engine = Engine::new(clock.clone());
    let other = Bus::over(engine.reconnect(), clock.clone(), BusConfig::default());
    let bus = Bus::over(engine, clock, BusConfig::default());
    let (seen, starts) = (Arc::default(), Arc::default());
    let handler = patient(&seen, &starts);
    let serving = Server::new(&other).handle("patient", handler, HandlerOptions::default()).open().await.unwrap();
    let calling = bus.clone();
    let call = tokio::spawn(async move { calling.call_with("patient", Map::new(), CallOptions::default()).await });
    eventually(|| starts.load(Ordering::SeqCst) == 1).await;
    let replies = bus.calls().replies.clone();
    assert!(other.store().time_to_live(&replies).await.unwrap().is_some(), "it goes with its owner in any case");
    bus.close().await.unwrap();
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(!other.store().exists(&replies).await.unwrap());
    eventually(|| *seen.lock().unwrap() == [CancelReason::Caller]).await;
    assert_eq!(double_of(&bus, 1).await.unwrap_err().kind(), ErrorKind::Closed);
    serving.close_within(Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reply_stream_ends_with_the_time_of_a_dead_owner() {
    let bus = bus();
    let serving = serve(&bus, HandlerOptions::default()).await;
    double_of(&bus, 2).await.unwrap_err();
    let replies = bus.calls().replies.clone();
    tokio::time::sleep(SECOND * 3600).await;
    assert!(bus.store().exists(&replies).await.unwrap(), "its owner lives");
    // A late answer to somebody who is gone does not bring their stream to stay.
    crate::rpc::answer(&bus, REPLIES, "1", Ok(Reply::default())).await.unwrap();
    assert!(bus.store().exists(REPLIES).await.unwrap());
    tokio::time::sleep(SECOND * 601).await;
    assert!(!bus.store().exists(REPLIES).await.unwrap());
    let refused = crate::rpc::answer(&bus, "sg:stream:inbound", "1", Ok(Reply::default())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_has_its_own_servers() {
    let bus = bus();
    let name = |name: &'static str| handler_fn(move |_| async move { Ok(Reply::new(name)) });
    let options = HandlerOptions::default;
    let a = Server::new(&bus).service("a").handle("who", name("a"), options()).open().await.unwrap();
    let b = Server::new(&bus).handle("who", name("shared"), options()).open().await.unwrap();
    let ask = async |options: CallOptions| bus.call_with("who", Map::new(), options).await.unwrap().result;
    for _ in 0..5 {
        assert_eq!(ask(CallOptions::default().with_service("a")).await, "a".into());
        assert_eq!(ask(CallOptions::default()).await, "shared".into());
    }
    let none = bus.call_with("who", Map::new(), CallOptions::default().with_service("b")).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NoWorker);
    a.close().await.unwrap();
    b.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gateway_is_called_through_its_outbound_stream() {
    let bus = bus();
    let gateway = bus.consume_outbound("web").open().await.unwrap();
    let options = CallOptions::default().with_timeout(SECOND * 5).with_trace_id("t");
    let call = bus.call_gateway("web", "fetch_history", Map::from([("channel_id", "c1")]), options);
    let serve = async {
        let d = gateway.next().await.unwrap().unwrap();
        tokio::time::sleep(SECOND * 3).await;
        let request = d.data().unwrap();
        assert_eq!((&*request.channel_id, &*request.trace_id), ("c1", "t"));
        let crate::envelope::Action::Rpc(rpc) = request.action else { panic!("not a call") };
        assert_eq!((&*rpc.method, rpc.deadline_ms.is_some()), ("fetch_history", true));
        crate::rpc::answer(&d.bus(), &rpc.reply_to, &rpc.correlation_id, Ok(Reply::new("no history"))).await.unwrap();
        d.ack().await.unwrap();
        // And one that comes too late for the gateway.
        let d = gateway.next().await.unwrap().unwrap();
        let crate::envelope::Action::Rpc(rpc) = d.data().unwrap().action else { panic!("not a call") };
        let late = Failure::from(Error::new(ErrorKind::Expired, "too late"));
        crate::rpc::answer(&d.bus(), &rpc.reply_to, &rpc.correlation_id, Err(late)).await.unwrap();
        d.ack().await.unwrap();
    };
    let both = async {
        let answer = call.await.unwrap().result;
        (answer, bus.call_gateway("web", "late", Map::new(), CallOptions::default()).await.unwrap_err().kind())
    };
    let (answers, ()) = tokio::join!(both, serve);
    assert_eq!(answers, ("no history".into(), ErrorKind::Expired));
    gateway.close().await.unwrap();
    let gone = bus.call_gateway("web", "is_channel_valid", Map::new(), CallOptions::default()).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NoWorker);
    let wrong = CallOptions::default().with_service("x");
    assert_eq!(bus.call_gateway("web", "x", Map::new(), wrong).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_counted_and_dropped() {
    let bus = bus();
    let serving = serve(&bus, HandlerOptions::default()).await;
    assert_eq!(double_of(&bus, 4).await.unwrap().result, 8.into());
    let replies = bus.calls().replies.clone();
    let options = crate::store::LogOptions::default();
    bus.store().log_append(&replies, [("data", "\u{1}")], options).await.unwrap();
    bus.store().log_append(&replies, [("other", "x")], options).await.unwrap();
    bus.publish_tools_reply(&replies, &ToolReply::ok("of nobody", 1)).await.unwrap();
    eventually(|| bus.call_figures().late == 1).await;
    assert_eq!(bus.call_figures().malformed, 2);
    assert_eq!(double_of(&bus, 4).await.unwrap().result, 8.into());
    serving.close().await.unwrap();
}
