//! The serving side alone: what is answered to which request.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::ErrorKind;

fn code(reply: &ToolReply) -> &str {
    &reply.result.as_ref().unwrap_err().code
}

#[tokio::test(start_paused = true)]
async fn whatever_a_handler_does_it_is_answered() {
    let bus = bus();
    let serving = serve(&bus, HandlerOptions::default().with_timeout(Duration::from_secs(5))).await;
    for n in 0..4 {
        bus.publish_tools_request(&request("double", n).with_trace_id("t")).await.unwrap();
    }
    bus.publish_tools_request(&request("triple", 9)).await.unwrap();
    let mut replies = replies(&bus, 5).await;
    replies.sort_by(|a, b| a.correlation_id.cmp(&b.correlation_id));
    assert_eq!((replies[0].result.clone(), &*replies[0].trace_id), (Ok(0.into()), "t"));
    let failed = replies[1].result.as_ref().unwrap_err();
    assert_eq!((&*failed.code, &*failed.message), ("one", "not for 1"));
    assert_eq!(failed.rest, Map::from([("why", "so")]), "only a server says that a call expired");
    assert_eq!((code(&replies[2]), code(&replies[3]), code(&replies[4])), ("panicked", "timeout", "unknown_tool"));
    let figures = serving.figures();
    assert_eq!((figures.handlers[0].succeeded, figures.handlers[0].failed, figures.unknown), (1, 3, 1));
    serving.close().await.unwrap();
    assert_eq!(bus.pending("tools", "sg:tools").await.unwrap().count, 0);
}

#[tokio::test(start_paused = true)]
async fn an_expired_request_is_answered_unrun() {
    let bus = bus();
    let now = bus.clock().wall_ms();
    bus.publish_tools_request(&request("double", 5).with_deadline_ms(now)).await.unwrap();
    let serving = serve(&bus, HandlerOptions::default()).await;
    let reply = replies(&bus, 1).await.remove(0);
    let error = reply.result.unwrap_err();
    assert_eq!((&*error.code, error.rest.text("kind")), ("expired", Some("expired")));
    assert_eq!((serving.figures().handlers[0].expired, serving.figures().handlers[0].succeeded), (1, 0));
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_its_turn_expires() {
    let bus = bus();
    let serving = serve(&bus, HandlerOptions::default().with_concurrency(1)).await;
    bus.publish_tools_request(&request("double", 3)).await.unwrap();
    let deadline = bus.clock().wall_ms() + 1000;
    bus.publish_tools_request(&request("double", 4).with_deadline_ms(deadline)).await.unwrap();
    let reply = replies(&bus, 1).await.remove(0);
    assert_eq!((&*reply.correlation_id, code(&reply)), ("4", "expired"));
    assert_eq!(serving.figures().handlers[0].running, 1);
    serving.close_within(Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_runs_as_often_at_a_time_as_it_may() {
    let bus = bus();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let busy = handler_fn(move |request: Request| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            request.bus.clock().sleep(Duration::from_millis(50)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Reply::default())
        }
    });
    let options = HandlerOptions::default().with_concurrency(3);
    let serving = Server::new(&bus).handle("busy", busy, options).open().await.unwrap();
    for n in 0..20 {
        bus.publish_tools_request(&request("busy", n)).await.unwrap();
    }
    replies(&bus, 20).await;
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    assert_eq!(serving.figures().handlers[0].p95, Duration::from_millis(50));
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_to_a_stream_that_takes_no_replies() {
    let bus = bus();
    let serving = serve(&bus, HandlerOptions::default()).await;
    for name in ["sg:stream:inbound", "sg:tools:reply:", "sg:tools:reply", "sg:tools:replyx:a"] {
        let mut request = request("double", 5);
        request.reply_to = name.into();
        bus.publish_tools_request(&request).await.unwrap();
        while bus.entries("sg:stream:dlq", EntryId::ZERO, 1).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bus.stream_info(name).await.unwrap_err().kind(), ErrorKind::NotFound, "{name}");
        bus.transport().delete_stream(&"sg:stream:dlq".into()).await.unwrap();
    }
    let figures = serving.figures();
    assert_eq!((figures.rejected, figures.handlers[0].succeeded), (4, 0));
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn names_come_and_go_while_it_runs() {
    let bus = bus();
    let serving = Server::new(&bus).handle_others(double(), HandlerOptions::default()).open().await.unwrap();
    let fixed = handler_fn(|_| async { Ok(Reply::new("fixed")) });
    serving.handle("fixed", fixed, HandlerOptions::default()).unwrap();
    assert_eq!(serving.names(), ["fixed"]);
    bus.publish_tools_request(&request("fixed", 5)).await.unwrap();
    assert_eq!(replies(&bus, 1).await[0].result, Ok("fixed".into()));
    assert!(serving.remove("fixed") && !serving.remove("fixed"));
    bus.publish_tools_request(&request("fixed", 5)).await.unwrap();
    assert_eq!(replies(&bus, 2).await[1].result, Ok(10.into()));
    serving.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrong_options_are_refused_before_anything_is_read() {
    let bus = bus();
    let options = HandlerOptions::default;
    let twice = Server::new(&bus).handle("a", double(), options()).handle("a", double(), options());
    let none = Server::new(&bus).handle("a", double(), options().with_concurrency(0));
    let never = Server::new(&bus).handle("a", double(), options().with_timeout(Duration::ZERO));
    let unnamed = Server::new(&bus).handle("", double(), options());
    let nowhere = Server::new(&bus).service("");
    for (server, field) in
        [(twice, "name"), (none, "concurrency"), (never, "timeout"), (unnamed, "name"), (nowhere, "service")]
    {
        let error = server.open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.context()[0], ("field", field.to_owned()), "{error}");
    }
}
