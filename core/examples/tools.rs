//! A tool, and a worker that answers messages with its help: `tools [URL]`.

#![allow(clippy::print_stdout, reason = "a program for people to run")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stargazer_core::envelope::{Inbound, Outbound};
use stargazer_core::events::{self, EventOptions};
use stargazer_core::rpc::Failure;
use stargazer_core::tools::Tool;
use stargazer_core::{Bus, Role};

/// Weather of a city.
#[derive(Serialize, Deserialize, JsonSchema)]
struct City {
    city: String,
}

async fn weather(City { city }: City) -> Result<String, Failure> {
    Ok(format!("{city}: 21 °C"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> stargazer_core::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://demo".into());
    let bus = Bus::connect(url).role(Role::Standalone).platforms(["web"]).await?;
    events::install_default_bus(&bus, EventOptions::default())?;
    bus.publish_inbound(&Inbound::new("web", "c1", "u1", "Berlin")).await?;

    // In one process here; in a fleet the tools run wherever somebody serves them.
    let tools = bus.serve_tools([Tool::from_fn("weather", weather)]).await?;
    println!("{}", bus.tool_registry().await?.openai_json());

    let inbox = bus.consume_inbound().open().await?;
    inbox
        .run_until_idle(async |delivery| {
            let message = delivery.data()?;
            let text: String = delivery.bus().call("weather", &City { city: message.content }).await?;
            delivery.bus().publish_outbound("web", &Outbound::message(&message.channel_id, text)).await?;
            events::publish_nowait("agent.complete", &message.channel_id);
            Ok(())
        })
        .await?;
    inbox.close().await?;

    let outbox = bus.consume_outbound("web").open().await?;
    if let Some(delivery) = outbox.next().await? {
        println!("{}", delivery.data()?.text);
        delivery.ack().await?;
    }
    outbox.close().await?;
    tools.close().await?;
    bus.close().await
}
