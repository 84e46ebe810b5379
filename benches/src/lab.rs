//! The server under test, and the clocks.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::time::{ClockId, clock_gettime};
use stargazer_core::config::BusConfig;
use stargazer_core::topology::Topology;
use stargazer_core::{Bus, Outgoing, Retention, Target};
use stargazer_tests::{Reply, Server};
use tokio::runtime::Runtime;

use crate::Result;
use crate::load::{Load, Spread};

/// Above the largest backlog.
pub(crate) const CAP: Retention = Retention::Acked { cap: 4_000_000 };

/// A server, and what is sent through it.
pub(crate) struct Lab {
    server: Server,
    pub(crate) load: Load,
    pub(crate) names: Topology,
    /// The envelopes as JSON, for the peers; beside it the same encoded, for those that encode nothing.
    pub(crate) envelopes: PathBuf,
}

/// What one run of a case came to.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) rate: f64,
    /// CPU of the client, microseconds a message.
    pub(crate) client: f64,
    /// CPU of the server, microseconds a message.
    pub(crate) server: f64,
    /// Messages handled after a later one of their channel, percent.
    pub(crate) disorder: f64,
    /// Half of them took no longer, in microseconds; where each was timed.
    pub(crate) p50: Option<f64>,
}

/// What a run took, in seconds: of the wall clock, of the client's CPU, of the server's.
#[derive(Debug, Default)]
pub(crate) struct Used {
    seconds: f64,
    client: f64,
    server: f64,
}

/// Clocks that run.
pub(crate) struct Meter<'a> {
    lab: &'a Lab,
    server: f64,
    client: Duration,
    began: Instant,
}

impl Lab {
    pub(crate) fn start(messages: usize) -> Result<Self> {
        let server = Server::start()?;
        let load = Load::new(messages);
        let envelopes = std::env::temp_dir().join(format!("stargazer-bench-{}.json", std::process::id()));
        fs::write(&envelopes, serde_json::to_vec(&load.envelopes)?)?;
        let mut encoded = Vec::new();
        for body in load.encoded()? {
            encoded.extend_from_slice(&u32::try_from(body.len())?.to_le_bytes());
            encoded.extend_from_slice(&body);
        }
        fs::write(envelopes.with_extension("bodies"), encoded)?;
        Ok(Self { server, load, names: Topology::default(), envelopes })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn program(&self) -> String {
        self.server.program().to_string()
    }

    pub(crate) fn stream(&self) -> &str {
        &self.names.inbound_stream
    }

    pub(crate) fn group(&self) -> &str {
        &self.names.worker_group
    }

    pub(crate) fn command(&self, words: &[&str]) -> Result<Reply> {
        match self.server.command(words)? {
            Reply::Error(why) => Err(why.into()),
            reply => Ok(reply),
        }
    }

    /// Entries in the stream.
    pub(crate) fn length(&self) -> Result<usize> {
        match self.command(&["XLEN", self.stream()])? {
            Reply::Int(n) => Ok(usize::try_from(n)?),
            other => Err(format!("XLEN answered {other:?}").into()),
        }
    }

    /// Entries that the group has read and not finished.
    pub(crate) fn pending(&self) -> Result<usize> {
        match self.command(&["XPENDING", self.stream(), self.group()])? {
            Reply::List(parts) => match parts.first() {
                Some(Reply::Int(n)) => Ok(usize::try_from(*n)?),
                other => Err(format!("XPENDING answered {other:?}").into()),
            },
            other => Err(format!("XPENDING answered {other:?}").into()),
        }
    }

    /// An empty server.
    pub(crate) fn clear(&self) -> Result<()> {
        self.command(&["FLUSHALL", "SYNC"])?;
        Ok(())
    }

    /// Elements of a list.
    pub(crate) fn list_length(&self, list: &str) -> Result<usize> {
        match self.command(&["LLEN", list])? {
            Reply::Int(n) => Ok(usize::try_from(n)?),
            other => Err(format!("LLEN answered {other:?}").into()),
        }
    }

    /// Memory of the server, in bytes.
    #[allow(clippy::cast_precision_loss, reason = "fewer bytes than 2^53")]
    pub(crate) fn server_memory(&self) -> Result<f64> {
        self.info::<u64>("memory", "used_memory").map(|bytes| bytes as f64)
    }

    /// A server with `messages` entries on the inbound stream, as our publisher writes them.
    pub(crate) fn fill(&self, messages: usize, spread: Spread) -> Result<()> {
        self.clear()?;
        self.add(0, messages, spread)?;
        expect("entries before the run", self.length()?, messages)
    }

    /// Publishes the messages from number `first` on.
    pub(crate) fn add(&self, first: usize, messages: usize, spread: Spread) -> Result<()> {
        runtime()?.block_on(async {
            let mut config = BusConfig::default();
            config.retention = CAP;
            let bus = Bus::connect(self.url()).config(config).await?;
            for start in (first..first + messages).step_by(500) {
                let numbers = start..(start + 500).min(first + messages);
                let outgoing = numbers.map(|n| {
                    let data = self.load.body(n, spread)?;
                    Ok(Outgoing { target: Target::Inbound, data, options: stargazer_core::PublishOptions::default() })
                });
                for receipt in bus.publish_encoded(outgoing.collect::<Result<_>>()?).await {
                    receipt?;
                }
            }
            bus.close().await?;
            Ok(())
        })
    }

    /// The plain group that raw clients read with; ours make their own.
    pub(crate) fn make_group(&self) -> Result<()> {
        self.command(&["XGROUP", "CREATE", self.stream(), self.group(), "0"])?;
        Ok(())
    }

    /// Starts the clocks.
    pub(crate) fn meter(&self) -> Result<Meter<'_>> {
        Ok(Meter { lab: self, server: self.server_cpu()?, client: own_cpu()?, began: Instant::now() })
    }

    fn server_cpu(&self) -> Result<f64> {
        Ok(self.info::<f64>("cpu", "used_cpu_user")? + self.info::<f64>("cpu", "used_cpu_sys")?)
    }

    fn info<T: std::str::FromStr>(&self, section: &str, name: &str) -> Result<T> {
        let text = self.command(&["INFO", section])?.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = line.ok_or_else(|| format!("the server does not tell {name}"))?.trim();
        value.parse().map_err(|_| format!("{name} is {value}").into())
    }
}

impl Meter<'_> {
    /// Stops the clocks over work of this process.
    pub(crate) fn stop(self) -> Result<Used> {
        let (seconds, client) = (self.began.elapsed(), own_cpu()?.saturating_sub(self.client));
        self.stop_with(seconds.as_secs_f64(), client.as_secs_f64())
    }

    /// Stops the clock of the server; another process has measured itself.
    pub(crate) fn stop_with(self, seconds: f64, client: f64) -> Result<Used> {
        Ok(Used { seconds, client, server: self.lab.server_cpu()? - self.server })
    }
}

impl Used {
    #[allow(clippy::cast_precision_loss, reason = "half a million at most")]
    pub(crate) fn over(&self, messages: usize, disorder: usize) -> Sample {
        let n = messages as f64;
        Sample {
            rate: n / self.seconds,
            client: self.client * 1e6 / n,
            server: self.server * 1e6 / n,
            disorder: disorder as f64 * 100.0 / n,
            p50: None,
        }
    }

    /// Adds what another part of the same run took.
    pub(crate) fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.client += other.client;
        self.server += other.server;
    }
}

/// The middle one, in microseconds.
pub(crate) fn p50(mut latencies: Vec<Duration>) -> Option<f64> {
    latencies.sort_unstable();
    latencies.get(latencies.len() / 2).map(|middle| middle.as_secs_f64() * 1e6)
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A temporary file that stays behind harms nobody.
        let _ = fs::remove_file(&self.envelopes);
        let _ = fs::remove_file(self.envelopes.with_extension("bodies"));
    }
}

fn own_cpu() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?)
}

/// The runtime that our bindings use, too: one thread.
pub(crate) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// A check inside a run.
pub(crate) fn expect(what: &str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found} instead of {wanted}").into()) }
}
