//! A message from a platform, its answer, and the platform's gateway that receives it: `hello [URL]`.

#![allow(clippy::print_stdout, reason = "a program for people to run")]

// README: from here
use stargazer_core::envelope::{Inbound, Outbound};
use stargazer_core::{Bus, Role};

#[tokio::main(flavor = "current_thread")]
async fn main() -> stargazer_core::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://demo".into());
    let bus = Bus::connect(url).role(Role::Standalone).platforms(["web"]).await?;
    bus.publish_inbound(&Inbound::new("web", "c1", "u1", "Berlin?")).await?;

    let inbox = bus.consume_inbound().concurrency(64).open().await?;
    inbox
        .run_until_idle(async |delivery| {
            let message = delivery.data()?;
            let answer = Outbound::message(&message.channel_id, format!("{} 21 °C", message.content));
            delivery.bus().publish_outbound("web", &answer).await?;
            Ok(()) // ack; an error is a retry, `Outcome::reject` goes to the dead letters
        })
        .await?;
    inbox.close().await?;

    let outbox = bus.consume_outbound("web").open().await?;
    if let Some(delivery) = outbox.next().await? {
        println!("{}", delivery.data()?.text);
        delivery.ack().await?;
    }
    outbox.close().await?;
    bus.close().await
}
