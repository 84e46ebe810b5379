//! The life of a message, read by its trace id: `trace [URL]`.

#![allow(clippy::print_stdout, reason = "a program for people to run")]

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Inbound, Map, Outbound};
use stargazer_core::trace::State;
use stargazer_core::{Bus, Role};

#[tokio::main(flavor = "current_thread")]
async fn main() -> stargazer_core::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://demo".into());
    let mut config = BusConfig::default();
    config.trace = Some("example".into());
    let bus = Bus::connect(url).role(Role::Standalone).platforms(["web"]).config(config).await?;
    let message = Inbound::new("web", "c1", "u1", "Berlin?");
    bus.publish_inbound(&message).await?;

    let inbox = bus.consume_inbound().open().await?;
    inbox
        .run_until_idle(async |delivery| {
            delivery.bus().transition(delivery.trace_id(), State::Inferring, Map::with_capacity(0))?;
            let channel = delivery.data()?.channel_id;
            delivery.bus().publish_outbound("web", &Outbound::message(&channel, "21 °C")).await?;
            Ok(())
        })
        .await?;
    inbox.close().await?;

    let outbox = bus.consume_outbound("web").open().await?;
    if let Some(delivery) = outbox.next().await? {
        delivery.ack().await?;
    }
    outbox.close().await?;
    for step in bus.trace(&message.trace_id).await?.steps {
        println!("{}", step.state);
    }
    bus.close().await
}
