//! Tools through the public API: in memory, on a real server, between two processes, and through an outage.

mod outage;
mod processes;
mod serving;

use std::future::Future;
use std::time::Duration;

use stargazer_core::envelope::Map;
use stargazer_core::rpc::Failure;
use stargazer_core::tools::{Tool, ToolContext, ToolDefinition};
use stargazer_core::{Bus, Role, rpc};
use stargazer_tests::Server;

/// A case that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, case).await.expect("the case hangs") });
}

macro_rules! on_both {
    ($($subject:ident: $($id:ident),+ $(,)?;)+) => {
        mod memory {
            $($(
                #[test]
                fn $id() { super::run(super::$subject::$id(concat!("memory://", stringify!($id)))); }
            )+)+
        }
        mod server {
            $($(
                #[test]
                fn $id() {
                    let server = super::Server::start().unwrap();
                    super::run(super::$subject::$id(&server.url()));
                }
            )+)+
        }
    };
}

on_both! {
    serving:
        a_tool_defined_in_json_is_called_by_name,
        two_services_share_a_bus,
        a_new_tool_is_seen_by_a_registry_that_was_there_before,
        raw_bytes_come_back_as_they_were,
        a_message_is_answered_with_a_tool;
}

async fn connect(url: &str) -> Bus {
    Bus::connect(url).role(Role::Standalone).platforms(["web"]).await.unwrap()
}

/// A tool as a binding makes one: a definition in JSON, and something that runs it.
fn shout() -> Tool {
    let definition = r#"{"name": "shout", "description": "Says it louder.", "timeout_ms": 5000, "parameters":
        {"type": "object", "properties": {"text": {"type": "string", "minLength": 1}}, "required": ["text"],
         "additionalProperties": false}}"#;
    let handler = rpc::handler_fn(|request: rpc::Request| async move {
        let text = request.arguments().text("text").unwrap_or_default().to_uppercase();
        let context = ToolContext::new(request);
        Ok::<_, Failure>(context.reply(format!("{text} {}", context.identity().user_id)))
    });
    Tool::from_json(definition, handler).unwrap()
}

/// A tool that takes nothing and says which one it is.
fn named(name: &str) -> Tool {
    let own = name.to_owned();
    let handler = rpc::handler_fn(move |_| {
        let own = own.clone();
        async move { Ok::<_, Failure>(rpc::Reply::new(own)) }
    });
    Tool::new(ToolDefinition::new(name), handler)
}

fn words(text: &str) -> Map {
    Map::from([("text", text)])
}

/// Waits until a condition holds.
async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
