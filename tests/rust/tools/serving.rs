//! What holds on every transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stargazer_core::envelope::{Attachment, Inbound, Map, Outbound, Value};
use stargazer_core::rpc::{CallOptions, Failure, Identity};
use stargazer_core::tools::{Grants, PERMISSION_DENIED, Tool, ToolContext};
use stargazer_core::{ErrorKind, HandlerResult};

use super::{connect, named, shout, until, words};

pub(super) async fn a_tool_defined_in_json_is_called_by_name(url: &str) {
    let (caller, server) = (connect(url).await, connect(url).await);
    let grants = Grants::new().with("web:ann", ["loud"]);
    let service = server.serve_tools([shout().permissions(["loud"])]).authority(Arc::new(grants)).await.unwrap();
    let registry = caller.tool_registry().await.unwrap();
    assert_eq!(registry.schema_hash(), service.schema_hash());
    let mut ann = Identity::default();
    (ann.platform, ann.user_id) = ("web".into(), "ann".into());
    let as_ann = || CallOptions::default().with_identity(ann.clone());
    let answer = registry.call("shout", words("hello"), as_ann()).await.unwrap();
    assert_eq!(answer.decode::<String>().unwrap(), "HELLO ann");
    let error = registry.call("shout", Map::from([("txt", "x")]), as_ann()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (
            ErrorKind::Invalid,
            "arguments of `shout`: `text` is missing; it must be text; `txt` must be left out: there is no such argument, \
             found text \"x\"; is `text` meant?"
        )
    );
    let error = registry.call("shout", words("hello"), CallOptions::default()).await.unwrap_err();
    assert!(error.context().contains(&("remote_code", PERMISSION_DENIED.to_owned())), "{error}");
    let workers = caller.tool_workers().await.unwrap();
    assert_eq!((workers.len(), workers[0].tools[0].name.as_str()), (1, "shout"));
    service.close().await.unwrap();
    assert!(caller.tool_workers().await.unwrap().is_empty());
    caller.close().await.unwrap();
    server.close().await.unwrap();
}

pub(super) async fn two_services_share_a_bus(url: &str) {
    let (a, b) = (connect(url).await, connect(url).await);
    let one = a.serve_tools([named("one"), named("both")]).await.unwrap();
    let two = b.serve_tools([named("two"), named("both")]).await.unwrap();
    let caller = connect(url).await;
    // The name alone is enough, whichever of them reads the request.
    for name in ["one", "two", "both"].repeat(10) {
        assert_eq!(caller.call::<_, String>(name, &Map::new()).await.unwrap(), name);
    }
    two.close().await.unwrap();
    let registry = caller.tool_registry().await.unwrap();
    assert_eq!(registry.definitions().len(), 2);
    assert_eq!(registry.get("two").unwrap_err().kind(), ErrorKind::NotFound);
    one.close().await.unwrap();
    for bus in [a, b, caller] {
        bus.close().await.unwrap();
    }
}

pub(super) async fn a_new_tool_is_seen_by_a_registry_that_was_there_before(url: &str) {
    let (caller, server) = (connect(url).await, connect(url).await);
    let registry = caller.tool_registry().await.unwrap();
    assert!(registry.definitions().is_empty());
    let one = server.serve_tools([named("one")]).await.unwrap();
    until("the notice has come", || async { registry.get("one").is_ok() }).await;
    let two = server.serve_tools([named("two")]).await.unwrap();
    // Whether the notice has come or not: a stale hash is found out, and the call made again.
    let answer = registry.call("one", Map::new(), CallOptions::default()).await.unwrap();
    assert_eq!(answer.decode::<String>().unwrap(), "one");
    let answer = registry.call("two", Map::new(), CallOptions::default()).await.unwrap();
    assert_eq!(answer.decode::<String>().unwrap(), "two");
    let old = CallOptions::default().with_schema_hash("of long ago");
    let error = caller.call_with("one", Map::new(), old).await.unwrap_err();
    assert!(error.context().contains(&("remote_code", "CATALOG_STALE".to_owned())), "{error}");
    one.close().await.unwrap();
    two.close().await.unwrap();
    caller.close().await.unwrap();
    server.close().await.unwrap();
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Picture {
    size: usize,
}

pub(super) async fn raw_bytes_come_back_as_they_were(url: &str) {
    let bus = connect(url).await;
    let draw = Tool::from_fn_with("draw", async |picture: Picture, context: ToolContext| {
        let data: Vec<u8> = (0..=255).cycle().take(picture.size).collect();
        context.sent_file(&Attachment::new(data, "image/png", "a.png"));
        Ok::<_, Failure>(picture.size)
    });
    let service = bus.serve_tools([draw]).await.unwrap();
    let answer = bus.call_with("draw", Map::from([("size", 300_000)]), CallOptions::default()).await.unwrap();
    assert_eq!(answer.decode::<usize>().unwrap(), 300_000);
    let files = answer.writeback.get(ToolContext::SENT_FILES).and_then(Value::as_list).unwrap();
    let data = files[0].get("data").and_then(Value::as_bytes).unwrap();
    assert!(data.len() == 300_000 && data.iter().enumerate().all(|(n, byte)| usize::from(*byte) == n % 256));
    service.close().await.unwrap();
    bus.close().await.unwrap();
}

/// Weather of a city.
#[derive(Serialize, Deserialize, JsonSchema)]
struct City {
    city: String,
}

/// The whole way: a message, a tool that is called for its writer, the answer. A turn that comes again pays for nothing twice.
pub(super) async fn a_message_is_answered_with_a_tool(url: &str) {
    let bus = connect(url).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let weather = Tool::from_fn_with("weather", move |City { city }, context: ToolContext| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, Failure>(format!("{city} for {}: 21 °C", context.identity().user_id)) }
    });
    let service = bus.serve_tools([weather]).await.unwrap();
    let registry = bus.tool_registry().await.unwrap();
    bus.publish_inbound(&Inbound::new("web", "c1", "u1", "Berlin")).await.unwrap();
    let inbox = bus.consume_inbound().open().await.unwrap();
    let tools = registry.clone();
    let answer = move |d: stargazer_core::Delivery<Inbound>| {
        let tools = tools.clone();
        async move {
            let (message, bus) = (d.data()?, d.bus());
            let short: String = bus.call("weather", &City { city: message.content.clone() }).await?;
            let arguments = Map::from([("city", message.content.as_str())]);
            let long = tools.call_from(&bus, "weather", arguments, CallOptions::default()).await?;
            assert_eq!(long.decode::<String>()?, short);
            if d.attempt() == 1 {
                return Err("once more".into());
            }
            bus.publish_outbound("web", &Outbound::message(&message.channel_id, short)).await?;
            HandlerResult::Ok(())
        }
    };
    inbox.run_until_idle(answer).await.unwrap();
    let outbox = bus.consume_outbound("web").open().await.unwrap();
    let said = outbox.next().await.unwrap().unwrap();
    assert_eq!(said.data().unwrap().text, "Berlin for u1: 21 °C");
    said.ack().await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 2, "once for each of the two calls of the turn");
    service.close().await.unwrap();
    bus.close().await.unwrap();
}
