//! Tools in the process that calls them, and in a gateway.

use super::*;
use crate::platform::{Adapter, Gateway, Intake, SendContext};
use crate::rpc::{Cancel, code as codes};

async fn registry(bus: &Bus, tool: Tool) -> RemoteRegistry {
    bus.tool_registry().tools([tool]).await.unwrap()
}

/// Takes an hour.
fn slow() -> Tool {
    Tool::from_fn_with("slow", async |_: Nothing, context: ToolContext| {
        context.bus().clock().sleep(Duration::from_secs(3600)).await;
        Ok::<_, Failure>("late")
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_in_the_process_ends_as_one_over_the_bus() {
    let bus = bus();
    let here = registry(&bus, weather()).await;
    assert_eq!(text(here.call("weather", city("Rome"), as_ann()).await), "Rome: 21 °C in 0 days");
    let error = here.call("weather", Map::new(), as_ann()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Invalid, "arguments of `weather`: `city` is missing; it must be text")
    );
    assert_eq!(text(registry(&bus, who("who")).await.call("who", Map::new(), as_ann()).await), "web:ann in c1");
    let panics = Tool::from_fn("p", async |_: Nothing| -> std::result::Result<(), Failure> { panic!("no") });
    let error = registry(&bus, panics).await.call("p", Map::new(), as_ann()).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, codes::PANICKED));
    let refused = registry(&bus, weather().permissions(["x"])).await;
    assert_eq!(code(&refused.call("weather", city("x"), as_ann()).await.unwrap_err()), PERMISSION_DENIED);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_the_process_has_its_time_and_its_turn() {
    let bus = bus();
    let limited = registry(&bus, slow().timeout(Duration::from_secs(2))).await;
    let error = limited.call("slow", Map::new(), as_ann()).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, codes::TIMEOUT));
    let one = registry(&bus, slow().concurrency(1)).await;
    let options = || as_ann().with_timeout(Duration::from_secs(5));
    let (first, second) =
        tokio::join!(one.call("slow", Map::new(), options()), one.call("slow", Map::new(), options()));
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Timeout, "also for the one that never had its turn");
    let cancel = Cancel::new();
    let call = one.call("slow", Map::new(), as_ann().with_cancel(cancel.clone()));
    let (ended, ()) = tokio::join!(call, async { cancel.cancel() });
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
}

/// A platform on which nothing happens.
#[derive(Debug)]
struct Quiet;

#[async_trait::async_trait]
impl Adapter for Quiet {
    fn name(&self) -> &'static str {
        "web"
    }

    async fn is_running(&self) -> bool {
        true
    }

    async fn start(&self, _intake: Intake) -> Result<()> {
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        Ok(())
    }

    async fn send(&self, _channel: &str, _text: &str, _context: &SendContext) -> Result<String> {
        Ok(String::new())
    }

    async fn is_channel_valid(&self, _channel: &str) -> Result<bool> {
        Ok(true)
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_of_a_gateway_is_run_by_the_gateway_of_the_callers_platform() {
    let bus = bus();
    let grants = Arc::new(Grants::new().with("web:ann", ["voice"]));
    let note = Tool::from_fn_with("note", async |_: Nothing, context: ToolContext| {
        context.inject_tool("more");
        Ok::<_, Failure>(())
    });
    let tools = || [who("who").permissions(["voice"]).place(Place::Gateway), note.clone().place(Place::Gateway)];
    let handler = Arc::new(GatewayTools::new(tools(), Some(grants)).unwrap());
    let gateway = Gateway::new(&bus, [Arc::new(Quiet) as Arc<dyn Adapter>]).with_method(EXECUTE_TOOL, handler);
    gateway.start().await.unwrap();
    let worker = bus.tool_registry().tools(tools()).await.unwrap();
    assert_eq!(text(worker.call("who", Map::new(), as_ann()).await), "web:ann in c1");
    let answer = worker.call("note", Map::new(), as_ann()).await.unwrap();
    assert_eq!(answer.writeback, Map::from([("injected_tools", vec!["more"])]));
    let mut bob = ann();
    bob.user_id = "bob".into();
    let error = worker.call("who", Map::new(), CallOptions::default().with_identity(bob)).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, PERMISSION_DENIED));
    let unknown = Map::from([("tool_name", "x")]);
    let error = bus.call_gateway("web", EXECUTE_TOOL, unknown, CallOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), code(&error)), (ErrorKind::Remote, codes::UNKNOWN));
    gateway.close().await.unwrap();
}
