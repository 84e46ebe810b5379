//! A worker: answers messages until it is told to stop (SIGTERM), then finishes what it has begun.
//!
//! `REDIS_URL=redis://127.0.0.1:6379 cargo run -p stargazer-core --example worker`

#![allow(clippy::print_stdout, reason = "a program for people to run")]

use std::sync::Arc;
use std::time::Duration;

use stargazer_core::envelope::{Inbound, Outbound};
use stargazer_core::{Bus, Delivery, HandlerResult, Role, config};
use tokio::signal::unix::{SignalKind, signal};

/// Says everything back; an error would be a retry, `Outcome::reject` a dead letter.
async fn answer(d: Delivery<Inbound>) -> HandlerResult<()> {
    let msg = d.data()?;
    let text = msg.content.to_uppercase();
    d.bus().publish_outbound(&msg.platform, &Outbound::message(&msg.channel_id, text)).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = config::url_from_env().ok_or("set REDIS_URL")?;
    let bus = Bus::connect(url).role(Role::Worker).await?;
    // What waits for handlers at a stop is given 20 s here, as at most places that send a SIGTERM.
    let inbox = bus.consume_inbound().name("worker").concurrency(16).max_attempts(5);
    let inbox = Arc::new(inbox.drain_timeout(Duration::from_secs(20)).open().await?);
    let (closing, mut told) = (inbox.clone(), signal(SignalKind::terminate())?);
    let closed = tokio::spawn(async move {
        told.recv().await;
        closing.close().await
    });
    println!("ready");
    inbox.run(answer).await?;
    closed.await??;
    bus.close().await?;
    println!("stopped");
    Ok(())
}
