//! Tools on the engine, on virtual time.

mod board;
mod local;
mod registry;
mod serving;

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::bus::Bus;
use crate::clock::SystemClock;
use crate::config::BusConfig;
use crate::engine::Engine;
use crate::envelope::{Map, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::rpc::{CallOptions, Failure, Identity};

/// A bus in memory, on tokio's clock.
fn bus() -> Bus {
    let clock = SystemClock::shared();
    Bus::over(Engine::new(clock.clone()), clock, BusConfig::default())
}

fn city(name: &str) -> Map {
    Map::from([("city", name)])
}

/// Weather of a city.
#[derive(Deserialize, JsonSchema)]
struct City {
    city: String,
    /// How many days ahead.
    #[serde(default)]
    days: Option<u8>,
}

fn weather() -> Tool {
    Tool::from_fn("weather", async |City { city, days }| {
        Ok::<_, Failure>(format!("{city}: 21 °C in {} days", days.unwrap_or_default()))
    })
}

/// Says who called it.
fn who(name: &str) -> Tool {
    Tool::from_fn_with(name, async |_: Nothing, context: ToolContext| {
        let identity = context.identity();
        Ok::<_, Failure>(format!("{}:{} in {}", identity.platform, identity.user_id, identity.channel_id))
    })
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// A tool that takes nothing and gives its text.
fn says(name: &str, text: &'static str) -> Tool {
    Tool::from_fn(name, move |_: Nothing| async move { Ok::<_, Failure>(text) })
}

fn ann() -> Identity {
    let mut ann = Identity::default();
    (ann.platform, ann.channel_id, ann.user_id) = ("web".into(), "c1".into(), "ann".into());
    ann
}

fn as_ann() -> CallOptions {
    CallOptions::default().with_identity(ann())
}

fn text(result: Result<crate::rpc::Answer>) -> String {
    result.unwrap().decode().unwrap()
}

fn code(error: &Error) -> &str {
    error.context().iter().find(|(key, _)| *key == "remote_code").map_or("", |(_, code)| code)
}

fn tool_names(tools: &[Arc<ToolDefinition>]) -> Vec<&str> {
    tools.iter().map(|tool| tool.name.as_str()).collect()
}
