//! Settings: plain structs with their defaults, checked once when a bus is connected or a consumer is opened.
//!
//! Nothing is silently repaired: a value out of range is `Invalid`, with the range in the message.

mod calls;

use std::time::Duration;

pub use calls::CallConfig;

use crate::error::{Error, Result};
use crate::policy::{LockId, Ordering, Retention, ToolsMode};
use crate::topology::Topology;

/// Settings of one bus.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // choices, not states
pub struct BusConfig {
    /// Names of streams and groups.
    pub topology: Topology,
    /// How long to wait for the server when connecting, with back-off; zero fails at the first refusal. 5 s.
    pub connect_timeout: Duration,
    /// How long one request may take before it counts as lost. 5 s.
    pub response_timeout: Duration,
    /// How long a publish waits at the cap, or for a server that cannot be reached, before it fails. 5 s.
    pub publish_timeout: Duration,
    /// How long a message id is remembered. 10 minutes.
    pub dedupe_window: Duration,
    /// Replicas that must confirm a publish before it has a receipt. 0.
    pub wait_replicas: u32,
    /// How long the server waits for them; shorter than `response_timeout`. 1 s.
    pub replica_timeout: Duration,
    /// Refuse to connect to a server that the examination finds bad, or cannot judge. No.
    pub strict_server: bool,
    /// The time of a `memory://` bus of its own stands still but for [`Bus::time`](crate::Bus::time); for tests.
    pub virtual_time: bool,
    /// Retention of work streams. `acked`, at most 1,000,000 entries.
    pub retention: Retention,
    /// Retention of reply streams: `MAXLEN ~ 1000` (inferred: the original's number is not documented).
    pub reply_retention: Retention,
    /// How calls are made and served.
    pub calls: CallConfig,
    /// Take down the life of messages by trace id, under this name of who tells it ([`crate::trace`]). Off.
    pub trace: Option<String>,
    /// Check the cap inside the server with every publish instead of now and then.
    pub strict_cap: bool,
    /// Keep big bodies inside their entries, for fleets with readers of the original.
    pub inline_bodies: bool,
    /// Publish what is given for an envelope as it is, for programs of the original's: its shape is not checked and
    /// nothing is filled in. Encoded bodies only; a typed envelope is always whole.
    pub unchecked_envelopes: bool,
    /// Certificates (PEM) that an encrypted server is checked against, in place of the system's.
    pub root_certificates: Option<Vec<u8>>,
    /// What this client shows to an encrypted server.
    pub client_certificate: Option<ClientCertificate>,
    /// Limits of a body, checked before it is decoded.
    pub max_body_bytes: usize,
    /// Deepest nesting of a body.
    pub max_body_depth: usize,
    /// Where a tool runs that a worker has itself and a tools service has, too. In the worker.
    pub tools_service_mode: ToolsMode,
    /// Tools that a worker runs itself in any case, by name.
    pub tools_force_in_process: Vec<String>,
}

/// A certificate of this client and its key, both PEM. The key is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").field("certificate", &self.certificate.len()).finish_non_exhaustive()
    }
}

/// From this many dead letters on a stream of them is worth a warning: they are kept until somebody acts.
pub const MANY_DEAD_LETTERS: u64 = 5000;

/// A body above this many bytes is stored beside its entry.
pub const BIG_BODY: usize = 64 * 1024;

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            topology: Topology::default(),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            publish_timeout: Duration::from_secs(5),
            dedupe_window: Duration::from_secs(600),
            wait_replicas: 0,
            replica_timeout: Duration::from_secs(1),
            strict_server: false,
            virtual_time: false,
            retention: Retention::Acked { cap: 1_000_000 },
            reply_retention: Retention::Capped { max_len: 1000 },
            calls: CallConfig::default(),
            trace: None,
            strict_cap: false,
            inline_bodies: false,
            unchecked_envelopes: false,
            root_certificates: None,
            client_certificate: None,
            max_body_bytes: 16 * 1024 * 1024,
            max_body_depth: 64,
            tools_service_mode: ToolsMode::InProcess,
            tools_force_in_process: Vec::new(),
        }
    }
}

impl BusConfig {
    /// Defaults, changed by `SG_INBOUND_STREAM`, `SG_OUTBOUND_STREAM_PREFIX`, `SG_WORKER_GROUP` and
    /// `SG_GATEWAY_GROUP_PREFIX`. Read when called, never at load time.
    pub fn from_env() -> Self {
        Self::default().with_env()
    }

    /// These settings, changed by the same variables.
    pub fn with_env(mut self) -> Self {
        let names = &mut self.topology;
        for (variable, setting) in [
            ("SG_INBOUND_STREAM", &mut names.inbound_stream),
            ("SG_OUTBOUND_STREAM_PREFIX", &mut names.outbound_stream_prefix),
            ("SG_WORKER_GROUP", &mut names.worker_group),
            ("SG_GATEWAY_GROUP_PREFIX", &mut names.gateway_group_prefix),
        ] {
            if let Some(value) = variable_of(variable) {
                *setting = value;
            }
        }
        self
    }

    /// Waiting for replicas must end before the request counts as lost.
    pub(crate) fn check_replica_timeout(&self) -> Result<()> {
        if self.replica_timeout < self.response_timeout {
            return Ok(());
        }
        let range = format!("shorter than response_timeout ({:?})", self.response_timeout);
        Err(out_of_range("replica_timeout", format!("{:?}", self.replica_timeout), &range))
    }

    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("inbound_stream", &self.topology.inbound_stream),
            ("outbound_stream_prefix", &self.topology.outbound_stream_prefix),
            ("worker_group", &self.topology.worker_group),
            ("gateway_group_prefix", &self.topology.gateway_group_prefix),
            ("tools_stream", &self.topology.tools_stream),
            ("tools_group", &self.topology.tools_group),
            ("tools_catalog_prefix", &self.topology.tools_catalog_prefix),
            ("tools_catalog_channel", &self.topology.tools_catalog_channel),
            ("dead_letter_stream", &self.topology.dead_letter_stream),
        ] {
            if value.is_empty() {
                return Err(out_of_range(name, "\"\"", "a name of at least one character"));
            }
        }
        check_retention("retention", self.retention)?;
        check_retention("reply_retention", self.reply_retention)?;
        self.calls.validate()?;
        at_least("response_timeout", self.response_timeout, Duration::from_millis(10))?;
        at_least("replica_timeout", self.replica_timeout, Duration::from_millis(1))?;
        if self.wait_replicas > 0 {
            self.check_replica_timeout()?;
        }
        at_least("dedupe_window", self.dedupe_window, Duration::from_millis(1))?;
        if !(1..=1024).contains(&self.max_body_depth) {
            return Err(out_of_range("max_body_depth", self.max_body_depth, "1 to 1024"));
        }
        if self.max_body_bytes < 1024 {
            return Err(out_of_range("max_body_bytes", self.max_body_bytes, "at least 1024"));
        }
        Ok(())
    }
}

/// The server's address when the caller names none: `REDIS_URL`, read when called.
pub fn url_from_env() -> Option<String> {
    variable_of("REDIS_URL")
}

#[allow(clippy::disallowed_methods)]
fn variable_of(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What to do with running handlers when the server could not be reached for nearly a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLeaseLost {
    /// Cancel them: two handlers of one lane never run at the same time.
    #[default]
    Cancel,
    /// Let them finish; what they report is refused if somebody took the work over.
    Keep,
}

/// Settings of one consumer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConsumerConfig {
    /// Name; the session's identity is this plus a random suffix. `consumer`.
    pub name: String,
    /// Handlers that run at the same time, 1 to 10,000. 64.
    pub concurrency: usize,
    /// Entries fetched ahead of the handlers. Twice the concurrency.
    pub prefetch: Option<usize>,
    /// Bytes fetched ahead of the handlers. 4 MiB.
    pub prefetch_bytes: usize,
    /// Order.
    pub ordering: Ordering,
    /// Give unaddressed entries their lane, too.
    pub order_unaddressed: bool,
    /// In mode `lock`: what the locks of channels are named after. Both.
    pub lock_id: LockId,
    /// In mode `lock`: how long a lock lasts unless it is renewed. 30 s.
    pub lock_ttl: Duration,
    /// Start the next entry of a lane only after the settle of the one before was answered.
    pub strict: bool,
    /// Starts of an entry before it goes to the dead letters. 3.
    pub max_attempts: u32,
    /// Back-off of retries: the first, doubled each time. 1 s.
    pub retry_base: Duration,
    /// Longest back-off. 60 s.
    pub retry_max: Duration,
    /// Share by which a back-off is moved up or down. 0.2.
    pub retry_jitter: f64,
    /// How long a handler may run; none by default.
    pub handler_timeout: Option<Duration>,
    /// A consumer that gave no sign of life for this long has lost its work. 15 s.
    pub lease: Duration,
    /// How quickly that is noticed. 5 s.
    pub sweep: Duration,
    /// What happens to handlers in a long outage.
    pub on_lease_lost: OnLeaseLost,
    /// How long handlers may go on when the consumer closes. 20 s.
    pub drain_timeout: Duration,
    /// Longest pause of a resting consumer between two looks. 200 ms.
    pub idle_poll: Duration,
    /// What a consumer that is not registered (a worker of the original's) has left pending for this long is taken
    /// over. 60 s.
    pub autoclaim_min_idle: Duration,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            name: "consumer".into(),
            concurrency: 64,
            prefetch: None,
            prefetch_bytes: 4 * 1024 * 1024,
            ordering: Ordering::Lanes,
            order_unaddressed: false,
            lock_id: LockId::Both,
            lock_ttl: Duration::from_secs(30),
            strict: false,
            max_attempts: 3,
            retry_base: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            retry_jitter: 0.2,
            handler_timeout: None,
            lease: Duration::from_secs(15),
            sweep: Duration::from_secs(5),
            on_lease_lost: OnLeaseLost::Cancel,
            drain_timeout: Duration::from_secs(20),
            idle_poll: Duration::from_millis(200),
            autoclaim_min_idle: Duration::from_secs(60),
        }
    }
}

impl ConsumerConfig {
    /// Entries fetched ahead.
    pub fn prefetch(&self) -> usize {
        self.prefetch.unwrap_or(self.concurrency * 2)
    }

    /// What clocks and round trips may take beyond the lease: a fifth of the sweep.
    pub fn grace(&self) -> Duration {
        self.sweep / 5
    }

    /// How often the signs of life are read: two fifths of the sweep.
    pub fn look(&self) -> Duration {
        self.sweep * 2 / 5
    }

    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        if self.name.is_empty() || self.name.len() > 200 || self.name.contains(['|', '#']) {
            return Err(out_of_range("name", format!("{:?}", self.name), "1 to 200 bytes without `|` and `#`"));
        }
        if !(1..=10_000).contains(&self.concurrency) {
            return Err(out_of_range("concurrency", self.concurrency, "1 to 10,000"));
        }
        if self.max_attempts == 0 {
            return Err(out_of_range("max_attempts", 0, "at least 1"));
        }
        if !(0.0..=1.0).contains(&self.retry_jitter) {
            return Err(out_of_range("retry_jitter", self.retry_jitter, "0 to 1"));
        }
        if self.prefetch_bytes == 0 {
            return Err(out_of_range("prefetch_bytes", 0, "at least 1: with none nothing would ever be fetched"));
        }
        if let Some(limit) = self.handler_timeout {
            at_least("handler_timeout", limit, Duration::from_millis(1))?;
        }
        at_least("lock_ttl", self.lock_ttl, Duration::from_secs(1))?;
        at_least("lease", self.lease, Duration::from_millis(200))?;
        at_least("sweep", self.sweep, Duration::from_millis(50))?;
        at_least("autoclaim_min_idle", self.autoclaim_min_idle, Duration::from_millis(100))?;
        if self.grace() * 2 > self.lease {
            return Err(out_of_range("sweep", format!("{:?}", self.sweep), "at most 2.5 times the lease"));
        }
        Ok(())
    }
}

fn check_retention(name: &str, retention: Retention) -> Result<()> {
    match retention {
        Retention::Acked { cap: 0 } => Err(out_of_range(name, "a cap of 0", "a cap of at least 1 entry")),
        Retention::Capped { max_len } if max_len < 1000 => {
            Err(out_of_range(name, format!("a max_len of {max_len}"), "a max_len of at least 1000 entries"))
        }
        _ => Ok(()),
    }
}

fn at_least(name: &str, value: Duration, least: Duration) -> Result<()> {
    if value < least { Err(out_of_range(name, format!("{value:?}"), &format!("at least {least:?}"))) } else { Ok(()) }
}

fn out_of_range(name: &str, value: impl std::fmt::Display, range: &str) -> Error {
    Error::invalid(format!("{name} is {value}; it must be {range}")).with_context("setting", name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn defaults_are_valid() {
        BusConfig::default().validate().unwrap();
        ConsumerConfig::default().validate().unwrap();
    }

    #[test]
    fn a_value_out_of_range_names_the_range() {
        let config = BusConfig { retention: Retention::Capped { max_len: 10 }, ..BusConfig::default() };
        let error = config.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("at least 1000"), "{error}");
        let config = ConsumerConfig { name: "a|b".into(), ..ConsumerConfig::default() };
        assert_eq!(config.validate().unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_consumer_that_could_never_start_a_handler_is_refused() {
        let none_fetched = ConsumerConfig { prefetch_bytes: 0, ..ConsumerConfig::default() };
        let no_time = ConsumerConfig { handler_timeout: Some(Duration::ZERO), ..ConsumerConfig::default() };
        for (config, setting) in [(none_fetched, "prefetch_bytes"), (no_time, "handler_timeout")] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().starts_with(setting), "{error}");
        }
    }
}
