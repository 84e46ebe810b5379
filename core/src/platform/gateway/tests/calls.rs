//! Calls of workers on an adapter.

use super::fake::Act;
use super::*;
use crate::envelope::{Action, Map, ToolReply, Value};
use crate::error::ErrorKind;
use crate::rpc::{CallOptions, Cancel, CancelReason, Failure, Handler, Reply, Request, handler_fn};

/// Makes calls and gives their replies, in the order of the calls.
async fn answers(bus: &Bus, calls: Vec<Outbound>) -> Vec<ToolReply> {
    let stream = bus.topology().tools_reply_stream("w1");
    let count = calls.len();
    publish(bus, calls).await;
    until("all are answered", async || {
        bus.entries(&stream, EntryId::ZERO, 100).await.is_ok_and(|entries| entries.len() >= count)
    })
    .await;
    finished(bus).await;
    let entries = bus.entries(&stream, EntryId::ZERO, 100).await.unwrap();
    let mut replies: Vec<_> =
        entries.iter().map(|entry| ToolReply::decode(field(&entry.fields, "data").unwrap()).unwrap()).collect();
    replies.sort_by(|a, b| a.correlation_id.cmp(&b.correlation_id));
    replies
}

fn call(bus: &Bus, id: u32, method: &str, params: Map) -> Outbound {
    Outbound::rpc(method, params, &*bus.topology().tools_reply_stream("w1"), id.to_string()).with_trace_id("t1")
}

fn by(mut call: Outbound, deadline_ms: u64) -> Outbound {
    let Action::Rpc(rpc) = &mut call.action else { panic!("{call:?}") };
    rpc.deadline_ms = Some(deadline_ms);
    call
}

fn code(reply: &ToolReply) -> &str {
    reply.result.as_ref().unwrap_err().code.as_str()
}

#[tokio::test(start_paused = true)]
async fn calls_are_answered_under_their_ids() {
    let bus = bus().await;
    let fake = Fake::new();
    let gateway = started(&bus, &fake, config()).await;
    let channel = |id| Map::from([("channel_id", id)]);
    let mut history = channel("c1");
    history.insert("limit", 2);
    let calls = vec![
        call(&bus, 1, "is_channel_valid", channel("c1")),
        call(&bus, 2, "is_channel_valid", channel("c2")),
        call(&bus, 3, "should_skip_channel_heartbeat", channel("c1")),
        call(&bus, 4, "fetch_history", history),
        call(&bus, 5, "bot_identity", Map::new()),
        call(&bus, 6, "echo", Map::from([("a", 1)])),
    ];
    let replies = answers(&bus, calls).await;
    let results: Vec<_> = replies.iter().map(|reply| reply.result.clone().unwrap()).collect();
    assert_eq!(results[..3], [true.into(), false.into(), false.into()]);
    assert_eq!(results[3].as_list().unwrap().len(), 2);
    assert_eq!(results[3].as_list().unwrap()[0].get("text").and_then(Value::as_str), Some("old 0"));
    assert_eq!(results[4].get("user_id").and_then(Value::as_str), Some("bot"));
    assert_eq!(results[5], Map::from([("a", 1)]).into());
    assert!(replies.iter().all(|reply| reply.trace_id == "t1"));
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_answered_and_not_tried_again() {
    let bus = bus().await;
    let fake = Fake::new().sends([Act::Fail(ErrorKind::Unavailable)]);
    let gateway = started(&bus, &fake, config()).await;
    let channel = Map::from([("channel_id", "c1")]);
    let mut many = channel.clone();
    many.insert("limit", 5000);
    let failed = answers(&bus, vec![call(&bus, 1, "is_channel_valid", channel)]).await;
    assert_eq!(code(&failed[0]), "unavailable");
    let calls = vec![
        call(&bus, 2, "is_channel_valid", Map::new()),
        call(&bus, 3, "fetch_history", many),
        call(&bus, 4, "dance", Map::new()),
        by(call(&bus, 5, "bot_identity", Map::new()), 1),
    ];
    let replies = answers(&bus, calls).await;
    let codes: Vec<_> = replies.iter().map(code).collect();
    assert_eq!(codes, ["unavailable", "invalid", "invalid", "rejected", "expired"]);
    assert!(dead(&bus).await.is_empty());
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_at_its_deadline() {
    let bus = bus().await;
    let fake = Fake::new().sends([Act::Hang, Act::Hang]);
    let gateway = started(&bus, &fake, config()).await;
    let channel = Map::from([("channel_id", "c1")]);
    let began = tokio::time::Instant::now();
    let soon = bus.clock().wall_ms() + 2000;
    let replies = answers(&bus, vec![by(call(&bus, 1, "is_channel_valid", channel), soon)]).await;
    assert_eq!(code(&replies[0]), "timeout");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_while_the_adapter_is_down_is_answered_at_once() {
    let bus = bus().await;
    let fake = Fake::new().starts(vec![Act::Fail(ErrorKind::Unavailable); 20]);
    let gateway = started(&bus, &fake, config()).await;
    let began = tokio::time::Instant::now();
    let replies = answers(&bus, vec![call(&bus, 1, "bot_identity", Map::new())]).await;
    assert_eq!(code(&replies[0]), "unavailable");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_goes_to_reply_streams_only() {
    let bus = bus().await;
    let fake = Fake::new();
    let gateway = started(&bus, &fake, config()).await;
    publish(&bus, [Outbound::rpc("echo", Map::new(), "sg:stream:inbound", "1")]).await;
    finished(&bus).await;
    let dead = dead(&bus).await;
    assert!(fake.said().is_empty() && dead.len() == 1 && dead[0].contains("reply_to"), "{dead:?}");
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_reply_address_is_an_action() {
    let bus = bus().await;
    let fake = Fake::new().sends([Act::Fail(ErrorKind::Unavailable)]);
    let gateway = started(&bus, &fake, config()).await;
    let keyed = Outbound::rpc("echo", Map::new(), "", "").with_message_key("k");
    publish(&bus, [keyed.clone(), Outbound::rpc("dance", Map::new(), "", "")]).await;
    finished(&bus).await;
    publish(&bus, [keyed]).await;
    finished(&bus).await;
    assert_eq!((texts(&fake.said()), dead(&bus).await.len()), (vec!["echo"], 1));
    assert_eq!(health(&gateway).doubled, 1);
    gateway.close().await.unwrap();
}

/// Runs the tool `hammer`, and tells how often it ran.
fn hammer() -> Arc<dyn Handler> {
    let runs = Arc::new(std::sync::atomic::AtomicU32::new(0));
    handler_fn(move |request: Request| {
        let runs = runs.clone();
        async move {
            assert_eq!((request.name(), request.attempt), ("execute_tool", 1));
            if request.arguments().text("tool_name") != Some("hammer") {
                let known = Map::from([("known", vec!["hammer"])]);
                let failure = Failure::new("unknown_tool", "no such tool").with_details(known);
                return Err(failure.with_writeback(Map::from([("injected_tools", vec!["hammer"])])));
            }
            let n = runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(Reply::new(n).with_writeback(Map::from([("sent_files", "a.txt")])))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_gateway_answers_methods_of_its_own() {
    let bus = bus().await;
    let fake = Fake::new();
    let gateway = gateway(&bus, &fake, config()).with_method("execute_tool", hammer());
    gateway.start().await.unwrap();
    let tool = |name| Map::from([("tool_name", name), ("channel_id", "c1")]);
    let first = call(&bus, 1, "execute_tool", tool("hammer")).with_message_key("k");
    let replies = answers(&bus, vec![first.clone(), call(&bus, 2, "execute_tool", tool("saw"))]).await;
    assert_eq!(replies[0].result, Ok(0.into()));
    assert_eq!(replies[0].writeback, Map::from([("sent_files", "a.txt")]));
    assert_eq!(code(&replies[1]), "unknown_tool");
    // What a failure says besides its code is told, too.
    let error = replies[1].result.as_ref().unwrap_err();
    assert_eq!(error.rest, Map::from([("known", vec!["hammer"])]));
    assert_eq!(replies[1].writeback, Map::from([("injected_tools", vec!["hammer"])]));
    assert_eq!(health(&gateway).last_error.unwrap().code(), "remote");
    // The same call again: it was answered.
    publish(&bus, [first]).await;
    finished(&bus).await;
    assert_eq!(health(&gateway).doubled, 1);
    gateway.close().await.unwrap();
    for taken in ["", "fetch_history", "turn_complete"] {
        let gateway = super::gateway(&bus, &Fake::new(), config()).with_method(taken, hammer());
        assert_eq!(gateway.start().await.unwrap_err().code(), "invalid");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_call_reaches_a_method_of_the_gateway() {
    let bus = bus().await;
    let fake = Fake::new();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let wait = handler_fn(move |request: Request| {
        let tell = tell.clone();
        async move {
            tell.send(None).unwrap();
            tell.send(Some(request.cancel.cancelled().await)).unwrap();
            Ok::<_, Failure>(Reply::default())
        }
    });
    let gateway = gateway(&bus, &fake, config()).with_method("wait", wait);
    gateway.start().await.unwrap();
    let cancel = Cancel::new();
    let options = CallOptions::default().with_cancel(cancel.clone());
    let calling = bus.clone();
    let call = tokio::spawn(async move { calling.call_gateway(fake::NAME, "wait", Map::new(), options).await });
    assert_eq!(told.recv().await, Some(None));
    cancel.cancel();
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(told.recv().await, Some(Some(CancelReason::Caller)));
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_proxy_asks_the_adapter_behind_its_gateway() {
    use crate::platform::{ProxyAdapter, SendContext};
    let bus = bus().await;
    let fake = Fake::new();
    let gateway = started(&bus, &fake, config()).await;
    let proxy = ProxyAdapter::new(&bus, fake::NAME).with_trace_id("t1").with_call_timeout(Duration::from_secs(5));
    let proxy: &dyn Adapter = &proxy;
    assert!(proxy.is_channel_valid("c1").await.unwrap());
    assert!(!proxy.is_channel_valid("c2").await.unwrap());
    assert!(!proxy.should_skip_channel_heartbeat("c1").await.unwrap());
    let old: Vec<_> = proxy.fetch_history("c1", 2).await.unwrap().into_iter().map(|message| message.text).collect();
    assert_eq!(old, ["old 0", "old 1"]);
    assert_eq!(proxy.bot_identity().await.unwrap(), fake.bot_identity().await.unwrap());
    assert_eq!(proxy.call("echo", &Map::from([("a", 1)])).await.unwrap(), Map::from([("a", 1)]).into());
    let refused = proxy.call("dance", &Map::new()).await.unwrap_err();
    assert_eq!((refused.code(), refused.context()[0].1.as_str()), ("remote", "rejected"));
    assert_eq!(proxy.start(crate::platform::Intake::new(&bus, "fake")).await.unwrap_err().code(), "rejected");
    let context = SendContext::new().with_reply_to("m1").with_caption("look");
    proxy.send("c1", "hi", &context).await.unwrap();
    let file = crate::envelope::File { filename: "a".into(), mimetype: "text/plain".into(), data: "abc".into() };
    proxy.send_file("c1", &file, &context).await.unwrap();
    proxy.send_with_buttons("c1", "well?", &[crate::envelope::Button::new("yes", "y")], &context).await.unwrap();
    proxy.react("c1", "m1", "👍", &context).await.unwrap();
    proxy.typing("c1").await.unwrap();
    proxy.turn_complete("c1", &crate::platform::TurnEnd::completed("n1")).await.unwrap();
    finished(&bus).await;
    let said = fake.said();
    let wanted = ["echo", "hi", "file a text/plain 3", "well? [yes]", "👍 to m1", "typing", "n1 completed"];
    assert_eq!(texts(&said), wanted);
    for said in &said[1..5] {
        assert_eq!((said.context.reply_to.as_deref(), said.context.trace_id.as_str()), (Some("m1"), "t1"), "{said:?}");
    }
    assert_eq!(
        (said[1].context.message_key.as_deref(), said[2].context.caption.as_str()),
        (Some("t1:message:0"), "look")
    );
    gateway.close().await.unwrap();
}
