//! Settings as TypeScript gives them, onto those of core. What is not given keeps core's default.

use std::time::Duration;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::config::{BusConfig, ClientCertificate, ConsumerConfig, OnLeaseLost};

/// A certificate of this client and its key.
#[napi(object, object_to_js = false)]
pub struct ClientPem {
    /// PEM.
    pub certificate: Uint8Array,
    /// PEM.
    pub key: Uint8Array,
}

/// Settings of a bus.
#[napi(object, object_to_js = false)]
pub struct BusSettings {
    /// Milliseconds.
    pub connect_timeout_ms: Option<f64>,
    /// Milliseconds.
    pub response_timeout_ms: Option<f64>,
    /// Milliseconds.
    pub publish_timeout_ms: Option<f64>,
    /// Milliseconds.
    pub dedupe_window_ms: Option<f64>,
    /// Replicas.
    pub wait_replicas: Option<u32>,
    /// Milliseconds.
    pub replica_timeout_ms: Option<f64>,
    /// Refuse a server that is bad.
    pub strict_server: Option<bool>,
    /// Time stands still until it is moved.
    pub virtual_time: Option<bool>,
    /// `acked`, `capped` or `forever`.
    pub retention: Option<String>,
    /// Entries under `acked`.
    pub cap: Option<u32>,
    /// Entries under `capped`.
    pub max_len: Option<u32>,
    /// Who tells traces.
    pub trace: Option<String>,
    /// Check the cap with every publish.
    pub strict_cap: Option<bool>,
    /// Keep big bodies inside their entries.
    pub inline_bodies: Option<bool>,
    /// Publish envelopes as they are given.
    pub unchecked_envelopes: Option<bool>,
    /// PEM.
    pub root_certificates: Option<Uint8Array>,
    /// What is shown to an encrypted server.
    pub client_certificate: Option<ClientPem>,
    /// Bytes.
    pub max_body_bytes: Option<u32>,
    /// Levels.
    pub max_body_depth: Option<u32>,
    /// Stream.
    pub inbound_stream: Option<String>,
    /// Prefix of streams.
    pub outbound_stream_prefix: Option<String>,
    /// Group.
    pub worker_group: Option<String>,
    /// Prefix of groups.
    pub gateway_group_prefix: Option<String>,
    /// Stream.
    pub tools_stream: Option<String>,
    /// Group.
    pub tools_group: Option<String>,
    /// Prefix of streams.
    pub tools_reply_prefix: Option<String>,
    /// Stream.
    pub dead_letter_stream: Option<String>,
    /// Prefix of streams.
    pub stream_prefix: Option<String>,
    /// Prefix of keys.
    pub tools_catalog_prefix: Option<String>,
    /// Channel.
    pub tools_catalog_channel: Option<String>,
    /// `in_process` or `remote`.
    pub tools_service_mode: Option<String>,
    /// Names of tools.
    pub tools_force_in_process: Option<Vec<String>>,
    /// Name.
    pub call_name: Option<String>,
    /// Milliseconds.
    pub call_timeout_ms: Option<f64>,
    /// Milliseconds.
    pub no_worker_after_ms: Option<f64>,
    /// Milliseconds.
    pub memo_ttl_ms: Option<f64>,
    /// Milliseconds.
    pub reply_ttl_ms: Option<f64>,
}

/// Where tools run, by word.
pub(crate) const TOOLS_MODES: [(&str, sg::ToolsMode); 2] =
    [("in_process", sg::ToolsMode::InProcess), ("remote", sg::ToolsMode::Remote)];

/// Settings of a consumer.
#[napi(object, object_to_js = false)]
pub struct ConsumerSettings {
    /// Name.
    pub name: Option<String>,
    /// Group.
    pub group: Option<String>,
    /// Deliveries in hand.
    pub concurrency: Option<u32>,
    /// Entries.
    pub prefetch: Option<u32>,
    /// Bytes.
    pub prefetch_bytes: Option<u32>,
    /// `lanes`, `exclusive`, `none` or `lock`.
    pub ordering: Option<String>,
    /// `both`, `channel_id` or `channel_key`.
    pub lock_id: Option<String>,
    /// Milliseconds.
    pub lock_ttl_ms: Option<f64>,
    /// Order unaddressed entries, too.
    pub order_unaddressed: Option<bool>,
    /// Wait for the settle's answer.
    pub strict: Option<bool>,
    /// Starts.
    pub max_attempts: Option<u32>,
    /// Milliseconds.
    pub retry_base_ms: Option<f64>,
    /// Milliseconds.
    pub retry_max_ms: Option<f64>,
    /// Share.
    pub retry_jitter: Option<f64>,
    /// Milliseconds.
    pub handler_timeout_ms: Option<f64>,
    /// Milliseconds.
    pub lease_ms: Option<f64>,
    /// Milliseconds.
    pub sweep_ms: Option<f64>,
    /// `cancel` or `keep`.
    pub on_lease_lost: Option<String>,
    /// Milliseconds.
    pub drain_timeout_ms: Option<f64>,
    /// Milliseconds.
    pub idle_poll_ms: Option<f64>,
    /// Milliseconds.
    pub autoclaim_min_idle_ms: Option<f64>,
}

/// Sets a field where there is a value for it.
macro_rules! set {
    ($config:ident, $given:ident: $($field:ident $(as $as:expr)?),* $(,)?) => {
        $(if let Some(value) = $given.$field {
            $config.$field = set!(@ value $($as)?);
        })*
    };
    (@ $value:ident) => { $value };
    (@ $value:ident $as:expr) => { $as($value) };
}

/// Sets a duration where there are milliseconds for it.
macro_rules! set_ms {
    ($config:ident, $given:ident: $($field:ident = $ms:ident),* $(,)?) => {
        $(if let Some(value) = $given.$ms {
            $config.$field = millis(value).into();
        })*
    };
}

impl BusSettings {
    /// Defaults, changed by these, changed by the environment.
    pub(crate) fn into_core(self) -> sg::Result<BusConfig> {
        let mut config = BusConfig::default();
        let names = &mut config.topology;
        set!(names, self: inbound_stream, outbound_stream_prefix, worker_group, gateway_group_prefix, tools_stream,
            tools_group, tools_reply_prefix, dead_letter_stream, stream_prefix, tools_catalog_prefix, tools_catalog_channel);
        let calls = &mut config.calls;
        set_ms!(calls, self: timeout = call_timeout_ms, no_worker_after = no_worker_after_ms, memo_ttl = memo_ttl_ms,
            reply_ttl = reply_ttl_ms);
        if let Some(name) = self.call_name {
            calls.name = name;
        }
        set!(config, self: tools_force_in_process);
        if let Some(mode) = &self.tools_service_mode {
            config.tools_service_mode = word("toolsServiceMode", mode, &TOOLS_MODES)?;
        }
        set_ms!(config, self: connect_timeout = connect_timeout_ms, response_timeout = response_timeout_ms,
            publish_timeout = publish_timeout_ms, dedupe_window = dedupe_window_ms, replica_timeout = replica_timeout_ms);
        set!(config, self: wait_replicas, strict_server, virtual_time, strict_cap, inline_bodies, unchecked_envelopes, max_body_bytes as size,
            max_body_depth as size);
        config.root_certificates = self.root_certificates.map(|pem| pem.to_vec());
        config.client_certificate = self
            .client_certificate
            .map(|pem| ClientCertificate { certificate: pem.certificate.to_vec(), key: pem.key.to_vec() });
        config.trace = self.trace;
        config.retention = match (self.retention.as_deref(), self.cap, self.max_len) {
            (None | Some("acked"), None, None) => config.retention,
            (None | Some("acked"), Some(cap), None) => sg::Retention::Acked { cap: cap.into() },
            (Some("capped"), None, Some(max_len)) => sg::Retention::Capped { max_len: max_len.into() },
            (Some("forever"), None, None) => sg::Retention::Forever,
            (given, cap, max_len) => {
                let mut limits = String::new();
                for (name, limit) in [("cap", cap), ("maxLen", max_len)] {
                    limits.extend(limit.map(|limit| format!(" with {name} {limit}")));
                }
                return Err(sg::Error::invalid(format!(
                    "retention is acked (with cap or without), capped (with maxLen) or forever, not {}{limits}",
                    given.unwrap_or("acked")
                ))
                .with_context("field", "retention"));
            }
        };
        Ok(config.with_env())
    }
}

impl ConsumerSettings {
    /// The group, if another than the usual one is meant, and the rest.
    pub(crate) fn into_parts(self) -> sg::Result<(Option<String>, ConsumerConfig)> {
        let mut config = ConsumerConfig::default();
        set!(config, self: name, concurrency as size, prefetch_bytes as size, order_unaddressed, strict, max_attempts,
            retry_jitter);
        set_ms!(config, self: retry_base = retry_base_ms, retry_max = retry_max_ms,
            lock_ttl = lock_ttl_ms, handler_timeout = handler_timeout_ms, lease = lease_ms, sweep = sweep_ms,
            drain_timeout = drain_timeout_ms, idle_poll = idle_poll_ms,
            autoclaim_min_idle = autoclaim_min_idle_ms);
        config.prefetch = self.prefetch.map(size);
        if let Some(ordering) = self.ordering {
            config.ordering = word("ordering", &ordering, &sg::Ordering::ALL.map(|mode| (mode.as_str(), mode)))?;
        }
        if let Some(id) = self.lock_id {
            config.lock_id = word("lockId", &id, &sg::LockId::ALL.map(|id| (id.as_str(), id)))?;
        }
        if let Some(what) = self.on_lease_lost {
            config.on_lease_lost =
                word("onLeaseLost", &what, &[("cancel", OnLeaseLost::Cancel), ("keep", OnLeaseLost::Keep)])?;
        }
        Ok((self.group, config))
    }
}

/// Milliseconds that TypeScript has checked to be none below zero.
pub(crate) fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX)
}

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

pub(crate) fn word<T: Copy>(field: &'static str, given: &str, known: &[(&str, T)]) -> sg::Result<T> {
    known.iter().find(|(name, _)| *name == given).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        sg::Error::invalid(format!("{field} is one of {}, not {given:?}", names.join(", ")))
            .with_context("field", field)
    })
}
