//! Calls and tools: how a call ends, what is remembered of it, where a tool runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Inbound, Map, Value};
use stargazer_core::rpc::{
    CallOptions, Cancel, CancelReason, Failure, Handler, HandlerOptions, Identity, Memo, Reply, Request, Server,
    Serving, handler_fn,
};
use stargazer_core::tools::{Grants, Route, Tool, ToolDefinition};
use stargazer_core::{Bus, Delivery, Error, ErrorKind, Outcome, ToolsMode};
use tokio::sync::{Notify, mpsc};

use super::lab::{Lab, until};

fn city(name: &str) -> Map {
    Map::from([("city", name)])
}

fn remote_code(error: &Error) -> String {
    Failure::of(error).unwrap_or_else(|| panic!("{error}")).code.clone()
}

/// Gives the weather of a city.
fn weather() -> Arc<dyn Handler> {
    handler_fn(|request: Request| async move {
        match request.arguments().text("city").unwrap_or_default() {
            "Xanadu" => Err(Failure::new("no_city", "no such city").with_details(city("Xanadu"))),
            city => Ok(Reply::new(format!("{city}: 21 °C"))),
        }
    })
}

async fn serve(bus: &Bus, name: &str, handler: Arc<dyn Handler>) -> Serving {
    Server::new(bus).handle(name, handler, HandlerOptions::default()).open().await.unwrap()
}

pub(super) async fn a_call_runs_where_it_is_served(lab: Lab) {
    let (bus, other) = (lab.bus().await, lab.bus().await);
    let serving = serve(&other, "weather", weather()).await;
    let text: String = bus.call("weather", &Value::Map(city("Berlin"))).await.unwrap();
    assert_eq!((text.as_str(), serving.figures().handlers[0].succeeded), ("Berlin: 21 °C", 1));
    serving.close().await.unwrap();
    other.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_call_carries_the_context_of_its_trace(lab: Lab) {
    let bus = lab.bus().await;
    let tell = handler_fn(|request: Request| async move {
        let text = |value: Option<&str>| value.unwrap_or("none").to_owned();
        Ok(Reply::new(format!("{} {}", text(request.traceparent()), text(request.tracestate()))))
    });
    let hand_on = handler_fn(|request: Request| async move {
        Ok(Reply::new(request.bus.call_with("tell", Map::new(), CallOptions::default()).await?.result))
    });
    let server = Server::new(&bus).handle("tell", tell, HandlerOptions::default());
    let serving = server.handle("hand_on", hand_on, HandlerOptions::default()).open().await.unwrap();
    let parent = format!("00-{}-{}-01", "a".repeat(32), "b".repeat(16));
    for name in ["tell", "hand_on"] {
        let given = CallOptions::default().with_trace_context(&*parent, "vendor=x");
        let told = bus.call_with(name, Map::new(), given).await.unwrap().result;
        assert_eq!(told, format!("{parent} vendor=x").into());
    }
    assert_eq!(bus.call_with("tell", Map::new(), CallOptions::default()).await.unwrap().result, "none none".into());
    serving.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_failing_call_tells_code_text_and_details(lab: Lab) {
    let bus = lab.bus().await;
    let serving = serve(&bus, "weather", weather()).await;
    let error = bus.call_with("weather", city("Xanadu"), CallOptions::default()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message(), remote_code(&error).as_str()),
        (ErrorKind::Remote, "no such city", "no_city")
    );
    assert_eq!(Failure::of(&error).unwrap().details, city("Xanadu"));
    serving.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_call_that_nobody_answers_ends_by_its_timeout(lab: Lab) {
    let bus = lab.bus().await;
    let slow = handler_fn(|request: Request| async move {
        request.cancel.cancelled().await;
        Ok::<_, Failure>(Reply::default())
    });
    let serving = serve(&bus, "slow", slow).await;
    let options = CallOptions::default().with_timeout(Duration::from_millis(200));
    let error = bus.call_with("slow", Map::new(), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    serving.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_call_that_nobody_serves_says_so(lab: Lab) {
    let mut config = BusConfig::default();
    config.calls.no_worker_after = Duration::from_millis(300);
    let bus = lab.bus_with(config).await;
    let error = bus.call_with("weather", Map::new(), CallOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoWorker);
    bus.close().await.unwrap();
}

pub(super) async fn a_request_that_is_read_too_late_is_not_run(lab: Lab) {
    let bus = lab.bus().await;
    let (ran, free) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let (count, wait) = (ran.clone(), free.clone());
    let one = handler_fn(move |_| {
        let (count, wait) = (count.clone(), wait.clone());
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            wait.notified().await;
            Ok::<_, Failure>(Reply::default())
        }
    });
    let options = HandlerOptions::default().with_concurrency(1);
    let serving = Server::new(&bus).handle("x", one, options).open().await.unwrap();
    let first = tokio::spawn({
        let bus = bus.clone();
        async move { bus.call_with("x", Map::new(), CallOptions::default()).await }
    });
    until("the first runs", || async { ran.load(Ordering::SeqCst) == 1 }).await;
    let late = CallOptions::default().with_timeout(Duration::from_millis(200));
    let error = bus.call_with("x", Map::new(), late).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Expired | ErrorKind::Timeout), "{error}");
    until("it is given up", || async {
        let of = &serving.figures().handlers[0];
        of.expired + of.cancelled == 1
    })
    .await;
    free.notify_one();
    first.await.unwrap().unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    serving.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn cancelling_a_call_reaches_its_handler(lab: Lab) {
    let bus = lab.bus().await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let endless = handler_fn(move |request: Request| {
        let tell = tell.clone();
        async move {
            tell.send(None).unwrap();
            tell.send(Some(request.cancel.cancelled().await)).unwrap();
            Ok::<_, Failure>(Reply::default())
        }
    });
    let serving = serve(&bus, "endless", endless).await;
    let cancel = Cancel::new();
    let options = CallOptions::default().with_cancel(cancel.clone());
    let calling = bus.clone();
    let call = tokio::spawn(async move { calling.call_with("endless", Map::new(), options).await });
    assert_eq!(told.recv().await, Some(None));
    cancel.cancel();
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(told.recv().await, Some(Some(CancelReason::Caller)));
    serving.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn bytes_written_back_survive(lab: Lab) {
    let bus = lab.bus().await;
    let data: Vec<u8> = (0..=255).cycle().take(76_800).collect();
    let file = Map::from([("data", Value::Bytes(data.into())), ("filename", "p.png".into())]);
    let written = Map::from([("sent_files", Value::List(vec![file.into()]))]);
    let gives = written.clone();
    let picture = handler_fn(move |_| {
        let reply = Reply::new("sent").with_writeback(gives.clone());
        async move { Ok::<_, Failure>(reply) }
    });
    let serving = serve(&bus, "picture", picture).await;
    let answer = bus.call_with("picture", Map::new(), CallOptions::default()).await.unwrap();
    assert_eq!((answer.result, answer.writeback, answer.remembered), ("sent".into(), written, false));
    serving.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_redelivered_turn_does_not_run_its_calls_again(lab: Lab) {
    let bus = lab.bus().await;
    let ran = Arc::new(AtomicU64::new(0));
    let charge = handler_fn(move |_| {
        let n = ran.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok::<_, Failure>(Reply::new(n)) }
    });
    let serving = serve(&bus, "charge", charge).await;
    bus.publish_inbound(&Inbound::new("web", "c1", "u1", "x")).await.unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    let inbox = bus.consume_inbound().open().await.unwrap();
    inbox
        .run_until_idle(move |d: Delivery<Inbound>| {
            let tell = tell.clone();
            async move {
                let (first, off) = (CallOptions::default(), CallOptions::default().with_memo(Memo::Off));
                for options in [first, off] {
                    tell.send(d.bus().call_with("charge", Map::new(), options).await?.decode::<u64>()?).unwrap();
                }
                Ok(if d.attempt() == 1 {
                    Outcome::Retry { after: Some(Duration::ZERO), error: None }
                } else {
                    Outcome::Ack
                })
            }
        })
        .await
        .unwrap();
    inbox.close().await.unwrap();
    let mut given = Vec::new();
    while let Ok(n) = told.try_recv() {
        given.push(n);
    }
    assert_eq!(given, [1, 2, 1, 3], "the first is remembered with the turn, the second is not");
    serving.close().await.unwrap();
    bus.close().await.unwrap();
}

fn tool(name: &str, says: &'static str) -> Tool {
    let parameters = Map::from([
        ("type", Value::from("object")),
        ("properties", Map::from([("city", Map::from([("type", "string")]))]).into()),
        ("required", vec!["city"].into()),
        ("additionalProperties", false.into()),
    ]);
    let definition = ToolDefinition::new(name).with_description("Weather of a city.").with_parameters(parameters);
    Tool::new(
        definition,
        handler_fn(move |request: Request| async move {
            let city = request.arguments().text("city").unwrap_or_default();
            Ok::<_, Failure>(Reply::new(format!("{city}: {says}")))
        }),
    )
}

pub(super) async fn a_tool_is_called_by_its_name(lab: Lab) {
    let (bus, other) = (lab.bus().await, lab.bus().await);
    let service = other.serve_tools([tool("weather", "21 °C")]).await.unwrap();
    let text: String = bus.call("weather", &Value::Map(city("Berlin"))).await.unwrap();
    assert_eq!(text, "Berlin: 21 °C");
    let workers = bus.tool_workers().await.unwrap();
    assert_eq!((workers.len(), workers[0].instance.as_str()), (1, service.instance()));
    service.close().await.unwrap();
    other.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn wrong_arguments_are_told_before_the_tool_runs(lab: Lab) {
    let bus = lab.bus().await;
    let service = bus.serve_tools([tool("weather", "21 °C")]).await.unwrap();
    let wrong = Map::from([("citty", "Berlin")]);
    let error = bus.call_with("weather", wrong.clone(), CallOptions::default()).await.unwrap_err();
    assert_eq!(remote_code(&error), "invalid_arguments");
    assert!(error.message().contains("is `city` meant?"), "{error}");
    let registry = bus.tool_registry().await.unwrap();
    let error = registry.call("weather", wrong, CallOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    service.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn permissions_are_asked_where_a_tool_runs(lab: Lab) {
    let bus = lab.bus().await;
    let grants = Arc::new(Grants::new().with("web:1", ["admin"]));
    let service =
        bus.serve_tools([tool("weather", "").permissions(["admin"])]).authority(grants.clone()).await.unwrap();
    let registry = bus.tool_registry().authority(grants).await.unwrap();
    let user = |id: &str| {
        let mut identity = Identity::default();
        (identity.platform, identity.user_id) = ("web".into(), id.into());
        identity
    };
    let by = |id: &str| CallOptions::default().with_identity(user(id));
    bus.call_with("weather", city("x"), by("1")).await.unwrap();
    let error = bus.call_with("weather", city("x"), by("2")).await.unwrap_err();
    assert_eq!(remote_code(&error), "permission_denied");
    assert_eq!(registry.definitions_for(&user("1")).await.unwrap().len(), 1);
    assert_eq!(registry.definitions_for(&user("2")).await.unwrap().len(), 0);
    service.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_registry_offers_and_calls_what_others_serve(lab: Lab) {
    let (bus, other) = (lab.bus().await, lab.bus().await);
    let service = other.serve_tools([tool("weather", "21 °C")]).await.unwrap();
    let registry = bus.tool_registry().await.unwrap();
    let offered = registry.openai_json();
    assert!(offered.contains(r#""name": "weather""#) && offered.contains(r#""type": "function""#), "{offered}");
    assert_eq!(registry.route("weather").unwrap(), Route::Service(Some(service.service().to_owned())));
    let answer = registry.call("weather", city("Berlin"), CallOptions::default()).await.unwrap();
    assert_eq!(answer.decode::<String>().unwrap(), "Berlin: 21 °C");
    let error = registry.call("nothing", Map::new(), CallOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    service.close().await.unwrap();
    other.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_tool_of_ones_own_runs_in_the_process(lab: Lab) {
    let (bus, other) = (lab.bus().await, lab.bus().await);
    let service = other.serve_tools([tool("weather", "21 °C")]).await.unwrap();
    let own = || bus.tool_registry().tools([tool("weather", "here")]);
    let of = async |registry: stargazer_core::tools::RemoteRegistry| {
        let answer = registry.call("weather", city("Berlin"), CallOptions::default()).await.unwrap();
        answer.decode::<String>().unwrap()
    };
    assert_eq!(of(own().await.unwrap()).await, "Berlin: here");
    assert_eq!(of(own().mode(ToolsMode::Remote).await.unwrap()).await, "Berlin: 21 °C");
    let forced = own().mode(ToolsMode::Remote).force_in_process(["weather"]).await.unwrap();
    assert_eq!(of(forced).await, "Berlin: here");
    service.close().await.unwrap();
    other.close().await.unwrap();
    bus.close().await.unwrap();
}
