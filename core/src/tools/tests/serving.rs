//! A service: what it runs, refuses, hands on, and tells of itself.

use super::*;
use crate::envelope::Attachment;
use crate::rpc::{CancelReason, code as codes};

#[tokio::test(start_paused = true)]
async fn a_tool_is_called_by_its_name() {
    let bus = bus();
    let service = bus.serve_tools([weather()]).await.unwrap();
    let told: String = bus.call("weather", &city("Berlin")).await.unwrap();
    assert_eq!(told, "Berlin: 21 °C in 0 days");
    assert_eq!(service.names(), ["weather"]);
    assert_eq!(service.figures().handlers[0].succeeded, 1);
    service.close().await.unwrap();
    service.close().await.unwrap();
    bus.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn arguments_are_checked_before_the_tool_runs() {
    let bus = bus();
    let service = bus.serve_tools([weather()]).await.unwrap();
    let error = bus.call::<_, String>("weather", &Map::from([("city", 5)])).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, codes::INVALID_ARGUMENTS));
    assert_eq!(error.message(), "arguments of `weather`: `city` must be text, found integer 5");
    service.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_needs_a_permission_is_refused_to_who_lacks_it() {
    let bus = bus();
    let tools = || [weather().permissions(["admin"]), who("who").permissions(["voice"])];
    let closed = bus.serve_tools(tools()).await.unwrap();
    let error = bus.call_with("weather", city("x"), as_ann()).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, PERMISSION_DENIED), "nobody knows: nobody may");
    closed.close().await.unwrap();
    let grants = Grants::new().with("web:ann", ["voice"]);
    let service = bus.serve_tools(tools()).authority(Arc::new(grants)).await.unwrap();
    assert_eq!(text(bus.call_with("who", Map::new(), as_ann()).await), "web:ann in c1");
    let error = bus.call_with("weather", city("x"), as_ann()).await.unwrap_err();
    assert_eq!(code(&error), PERMISSION_DENIED);
    assert!(error.message().contains("\"admin\""), "{error}");
    service.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn services_of_different_tools_share_a_bus() {
    let bus = bus();
    let one = bus.serve_tools([weather(), says("both", "one")]).await.unwrap();
    let two = bus.serve_tools([says("hello", "hi"), says("both", "two")]).await.unwrap();
    assert_ne!(one.service(), two.service());
    let registry = bus.tool_registry().await.unwrap();
    assert_eq!(tool_names(&registry.definitions()), ["both", "hello", "weather"]);
    // By the name alone a request goes to either of them, and is handed on where it is wrong there.
    for _ in 0..20 {
        assert_eq!(bus.call::<_, String>("hello", &Map::new()).await.unwrap(), "hi");
        assert_eq!(bus.call::<_, String>("weather", &city("Rome")).await.unwrap(), "Rome: 21 °C in 0 days");
        assert_eq!(
            text(registry.call("both", Map::new(), CallOptions::default()).await),
            "two",
            "the later one counts"
        );
    }
    two.close().await.unwrap();
    registry.reload().await.unwrap();
    assert_eq!(tool_names(&registry.definitions()), ["both", "weather"]);
    assert_eq!(text(registry.call("both", Map::new(), CallOptions::default()).await), "one");
    let error = bus.call::<_, String>("hello", &Map::new()).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, codes::UNKNOWN));
    one.close().await.unwrap();
    registry.reload().await.unwrap();
    assert_eq!(
        tool_names(&registry.definitions()),
        ["both", "weather"],
        "the last one leaves its tools for its successor"
    );
}

#[tokio::test(start_paused = true)]
async fn the_context_knows_the_call_and_carries_back_what_was_sent() {
    let bus = bus();
    let tool = Tool::from_fn_with("draw", async |_: Nothing, context: ToolContext| {
        context.sent_file(&Attachment::new(&b"\x89PNG\x00"[..], "image/png", "a.png"));
        context.inject_tool("erase");
        assert!(context.time_left().unwrap() <= Duration::from_secs(7));
        assert_eq!((context.tool(), context.attempt()), ("draw", 1));
        Err::<(), _>(Failure::new("no_ink", format!("no ink for {}", context.identity().user_id)))
    });
    let plain = Tool::from_fn_with("note", async |_: Nothing, context: ToolContext| {
        context.sent_rich_message(Map::from([("title", "x")]));
        Ok::<_, Failure>(context.trace_id().to_owned())
    });
    let service = bus.serve_tools([tool, plain]).await.unwrap();
    let options = as_ann().with_timeout(Duration::from_secs(7));
    let error = bus.call_with("draw", Map::new(), options).await.unwrap_err();
    assert_eq!((code(&error), error.message()), ("no_ink", "no ink for ann"));
    let answer = bus.call_with("note", Map::new(), as_ann().with_trace_id("t1")).await.unwrap();
    assert_eq!(answer.decode::<String>().unwrap(), "t1");
    assert_eq!(answer.writeback.get(ToolContext::SENT_RICH_MESSAGES).unwrap().as_list().unwrap().len(), 1);
    service.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_ended_when_its_time_is_over_or_its_caller_has_gone() {
    let bus = bus();
    let (told, mut reasons) = tokio::sync::mpsc::unbounded_channel();
    let slow = Tool::from_fn_with("slow", move |_: Nothing, context: ToolContext| {
        let told = told.clone();
        async move {
            told.send(context.cancel().cancelled().await).unwrap();
            Ok::<_, Failure>(())
        }
    });
    let service = bus.serve_tools([slow.timeout(Duration::from_secs(3))]).await.unwrap();
    let error = bus.call_with("slow", Map::new(), CallOptions::default()).await.unwrap_err();
    assert_eq!((code(&error), reasons.recv().await), (codes::TIMEOUT, Some(CancelReason::Timeout)));
    let gone = tokio::time::timeout(Duration::from_secs(1), bus.call_with("slow", Map::new(), CallOptions::default()));
    assert!(gone.await.is_err());
    assert_eq!(reasons.recv().await, Some(CancelReason::Caller));
    service.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_live_view_tells_how_an_instance_does() {
    let bus = bus();
    let busy = Tool::from_fn_with("busy", async |_: Nothing, context: ToolContext| {
        context.bus().clock().sleep(Duration::from_secs(8)).await;
        Ok::<_, Failure>(())
    });
    let service = bus.serve_tools([busy.concurrency(2), weather()]).concurrency(10).await.unwrap();
    let worker = bus.tool_workers().await.unwrap().remove(0);
    assert_eq!((worker.instance.as_str(), worker.capacity), (service.instance(), 10));
    assert!(worker.has_room("busy") && !worker.draining);
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.call::<_, ()>("busy", &Map::new()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let worker = bus.tool_workers().await.unwrap().remove(0);
    assert_eq!((worker.in_flight, worker.tools[0].in_flight, worker.tools[0].capacity), (3, 3, 2));
    assert!(!worker.has_room("busy") && worker.has_room("weather"));
    for call in calls {
        call.await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    let tool = bus.tool_workers().await.unwrap().remove(0).tools.remove(0);
    assert_eq!((tool.succeeded, tool.in_flight), (3, 0));
    assert!((Duration::from_secs(8)..Duration::from_secs(9)).contains(&tool.p95), "{tool:?}");
    service.close().await.unwrap();
    assert!(bus.tool_workers().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_served_is_refused_by_its_field() {
    let bus = bus();
    let no_schema = Tool::from_fn("list", async |_: Vec<u8>| Ok::<_, Failure>(()));
    for (tools, field) in [
        (vec![], "tools"),
        (vec![weather(), weather()], "name"),
        (vec![says("a b", "")], "name"),
        (vec![no_schema], "parameters"),
        (vec![weather().concurrency(0)], "concurrency"),
        (vec![weather().timeout(Duration::ZERO)], "timeout"),
    ] {
        let error = bus.serve_tools(tools).await.unwrap_err();
        let found = error.context().iter().find(|(key, _)| *key == "field").map(|(_, field)| field.as_str());
        assert_eq!((error.kind(), found), (ErrorKind::Invalid, Some(field)), "{error}");
    }
    assert_eq!(bus.serve_tools([weather()]).service("").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert!(bus.tool_workers().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_closing_bus_takes_its_tools_along() {
    let engine = Engine::new(SystemClock::shared());
    let other = Bus::over(engine.clone(), SystemClock::shared(), BusConfig::default());
    let bus = Bus::over(engine, SystemClock::shared(), BusConfig::default());
    let stays = other.serve_tools([says("stays", "")]).await.unwrap();
    let service = bus.serve_tools([weather()]).await.unwrap();
    assert_eq!(other.tool_workers().await.unwrap().len(), 2);
    let _ = service.close().await;
    assert_eq!(other.tool_workers().await.unwrap().len(), 1);
    let registry = other.tool_registry().await.unwrap();
    assert_eq!(tool_names(&registry.definitions()), ["stays"]);
    stays.close().await.unwrap();
}
