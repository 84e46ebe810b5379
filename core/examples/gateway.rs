//! A gateway with an adapter of its own: a platform that is this terminal. A line is a message, and answers are printed.
//!
//! `REDIS_URL=redis://127.0.0.1:6379 cargo run -p stargazer-core --example gateway`

#![allow(clippy::print_stdout, reason = "a program for people to run")]

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use async_trait::async_trait;
use stargazer_core::envelope::IncomingMessage;
use stargazer_core::platform::{Adapter, Gateway, Intake, SendContext};
use stargazer_core::{Bus, Result, Role, config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tokio::sync::mpsc::unbounded_channel;

/// What is typed goes to the bus; what workers say is printed.
#[derive(Debug, Default)]
struct Terminal {
    running: AtomicBool,
    /// Where lines go.
    intake: Mutex<Option<Intake>>,
}

#[async_trait]
impl Adapter for Terminal {
    fn name(&self) -> &'static str {
        "terminal"
    }

    async fn is_running(&self) -> bool {
        self.running.load(SeqCst)
    }

    async fn start(&self, intake: Intake) -> Result<()> {
        *self.intake.lock().await = Some(intake);
        self.running.store(true, SeqCst);
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        self.running.store(false, SeqCst);
        Ok(())
    }

    /// `may_be_repeat`: it may stand there already, because a gateway died in the middle.
    async fn send(&self, _: &str, text: &str, context: &SendContext) -> Result<String> {
        println!("{}{text}", if context.may_be_repeat { "(again?) " } else { "" });
        Ok(String::new())
    }

    async fn is_channel_valid(&self, channel_id: &str) -> Result<bool> {
        Ok(channel_id == "here")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let url = config::url_from_env().ok_or("set REDIS_URL")?;
    let bus = Bus::connect(url).role(Role::Gateway).platforms(["terminal"]).await?;
    let terminal = Arc::new(Terminal::default());
    let gateway = Gateway::new(&bus, [terminal.clone() as Arc<dyn Adapter>]);
    gateway.start().await?;
    let mut told = signal(SignalKind::terminate())?;
    let (typed, mut lines) = unbounded_channel();
    // A read of the terminal cannot be ended: it ends with the process.
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().map_while(std::io::Result::ok).try_for_each(|l| typed.send(l))
    });
    println!("ready");
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { break };
                let intake = terminal.intake.lock().await.clone();
                let Some(intake) = intake else { break };
                intake.message(IncomingMessage::new_at("", "here", "me", "Me", line, 0.0)).await?;
            }
            _ = told.recv() => break,
        }
    }
    gateway.close().await?;
    bus.close().await?;
    println!("stopped");
    Ok(())
}
