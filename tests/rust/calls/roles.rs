//! The other processes: this test program again, playing a part.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use stargazer_core::Delivery;
use stargazer_core::config::ConsumerConfig;
use stargazer_core::envelope::Inbound;

use super::*;

/// Lease of all parts.
const LEASE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(500));

/// A process that plays a part. Killed when it is dropped.
pub(super) struct Player {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Player {
    pub(super) fn start(part: &str, url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["calls::roles::part", "--exact", "--ignored", "--nocapture"]);
        command.env("SG_PART", part).env("SG_PART_URL", url).env("RUST_BACKTRACE", "0");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        Self { child, says }
    }

    pub(super) fn pid(&self) -> i64 {
        self.child.id().into()
    }

    /// Waits until it says this.
    pub(super) fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.says.read_line(&mut line).unwrap() > 0, "it ended without saying {word:?}");
            if let Some((_, rest)) = line.split_once(&format!("@{word} ")) {
                return rest.trim().to_owned();
            }
        }
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.kill();
        }
    }
}

#[allow(clippy::print_stdout, reason = "the other process listens")]
fn say(word: &str, text: impl std::fmt::Display) {
    use std::io::Write;
    println!("@{word} {text}");
    std::io::stdout().flush().unwrap();
}

/// Not a test: what the other process runs.
#[test]
#[ignore = "a part that other tests start"]
fn part() {
    let (Ok(part), Ok(url)) = (std::env::var("SG_PART"), std::env::var("SG_PART_URL")) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match part.as_str() {
            "tools" => tools(&url).await,
            "caller" => caller(&url).await,
            "worker" => worker(&url).await,
            other => panic!("no such part: {other}"),
        }
    });
}

/// Serves `who`: waits `n` milliseconds and gives its process id.
async fn tools(url: &str) {
    let bus = bus_with(url, |config| config.calls.reply_ttl = Duration::from_secs(2)).await;
    let who = handler_fn(|request: Request| async move {
        say("runs", request.attempt);
        tokio::time::sleep(Duration::from_millis(number(&request).unsigned_abs())).await;
        Ok(Reply::new(i64::from(std::process::id())))
    });
    let _serving = Server::new(&bus).lease(LEASE.0, LEASE.1).handle("who", who, OPTIONS()).open().await.unwrap();
    say("ready", std::process::id());
    std::future::pending::<()>().await;
}

/// Calls `who` and waits two seconds for it.
async fn caller(url: &str) {
    let bus = bus_with(url, |config| config.calls.reply_ttl = Duration::from_secs(2)).await;
    say("ready", std::process::id());
    let answer = call(&bus, "who", n(2000)).await;
    say("answer", answer.map_or_else(|error| error.code().to_owned(), |answer| format!("{:?}", answer.result)));
    bus.close().await.unwrap();
}

/// Handles messages: calls `who` twice, then says so and never ends the turn unless it is delivered again.
async fn worker(url: &str) {
    let bus = bus(url).await;
    let mut config = ConsumerConfig::default();
    (config.lease, config.sweep) = LEASE;
    let inbox = bus.consume_inbound().config(config).open().await.unwrap();
    say("ready", std::process::id());
    let turn = |d: Delivery<Inbound>| async move {
        let mut remembered = Vec::new();
        for i in [50, 51] {
            let answer = d.bus().call_with("who", n(i), CallOptions::default()).await?;
            remembered.push(answer.remembered);
        }
        say("turn", format!("{remembered:?}"));
        if !d.redelivered() {
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    inbox.run(turn).await.unwrap();
}
