//! Calls on the engine, on virtual time.

mod calling;
mod remembering;
mod serving;

use std::sync::Arc;
use std::time::Duration;

use super::{Failure, Handler, HandlerOptions, Reply, Request, Server, Serving, handler_fn};
use crate::bus::Bus;
use crate::clock::SystemClock;
use crate::config::BusConfig;
use crate::engine::Engine;
use crate::envelope::{Envelope, Map, ToolReply, ToolRequest};
use crate::transport::{EntryId, field};

/// A bus in memory, on tokio's clock.
fn bus() -> Bus {
    let clock = SystemClock::shared();
    Bus::over(Engine::new(clock.clone()), clock, BusConfig::default())
}

/// A reply stream that this topology allows.
const REPLIES: &str = "sg:tools:reply:me";

fn request(name: &str, n: i64) -> ToolRequest {
    ToolRequest::new(name, Map::from([("n", n)]), REPLIES).with_correlation_id(n.to_string())
}

/// Gives back `n`, fails for 1, panics for 2, takes an hour for 3.
fn double() -> Arc<dyn Handler> {
    handler_fn(|request: Request| async move {
        let n = request.arguments().get("n").and_then(crate::envelope::Value::as_i64).unwrap_or(-1);
        match n {
            1 => Err(Failure::new("one", "not for 1").with_details(Map::from([("kind", "expired"), ("why", "so")]))),
            2 => panic!("two"),
            3 => {
                request.bus.clock().sleep(Duration::from_secs(3600)).await;
                Ok(Reply::new("late"))
            }
            n => Ok(Reply::new(n * 2)),
        }
    })
}

async fn serve(bus: &Bus, options: HandlerOptions) -> Serving {
    Server::new(bus).handle("double", double(), options).open().await.unwrap()
}

/// Waits until so many replies are there.
async fn replies(bus: &Bus, count: usize) -> Vec<ToolReply> {
    loop {
        let entries = bus.entries(REPLIES, EntryId::ZERO, 1000).await.unwrap();
        if entries.len() >= count {
            return entries.iter().map(|e| ToolReply::decode(field(&e.fields, "data").unwrap()).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
