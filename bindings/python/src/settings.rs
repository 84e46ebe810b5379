//! Settings by name: what the package's keyword arguments become.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use sg::config::{BusConfig, ClientCertificate, ConsumerConfig, OnLeaseLost};
use stargazer_core as sg;

use crate::error::raise;

/// The settings of a bus: defaults, changed by the keyword arguments, changed by the environment.
pub(crate) fn bus(settings: &Bound<'_, PyDict>) -> PyResult<BusConfig> {
    let mut config = BusConfig::default();
    let (mut retention, mut cap, mut max_len) = (None::<String>, 1_000_000, 1000);
    for (name, value) in settings {
        let setting = Setting { name: &name, value: &value };
        let names = &mut config.topology;
        match setting.name()? {
            "connect_timeout" => config.connect_timeout = setting.seconds()?,
            "response_timeout" => config.response_timeout = setting.seconds()?,
            "publish_timeout" => config.publish_timeout = setting.seconds()?,
            "wait_replicas" => config.wait_replicas = setting.natural()?,
            "replica_timeout" => config.replica_timeout = setting.seconds()?,
            "strict_server" => config.strict_server = setting.get("bool")?,
            "virtual_time" => config.virtual_time = setting.get("bool")?,
            "dedupe_window" => config.dedupe_window = setting.seconds()?,
            "retention" => retention = Some(setting.get("text")?),
            "cap" => cap = setting.natural()?,
            "max_len" => max_len = setting.natural()?,
            "trace" => config.trace = setting.maybe(|setting| setting.get("text"))?,
            "strict_cap" => config.strict_cap = setting.get("bool")?,
            "inline_bodies" => config.inline_bodies = setting.get("bool")?,
            "unchecked_envelopes" => config.unchecked_envelopes = setting.get("bool")?,
            "root_certificates" => config.root_certificates = Some(setting.get::<Vec<u8>>("bytes (PEM)")?),
            "client_certificate" => {
                let (certificate, key) = setting.get("a pair of bytes (PEM): certificate and key")?;
                config.client_certificate = Some(ClientCertificate { certificate, key });
            }
            "max_body_bytes" => config.max_body_bytes = setting.natural()?,
            "max_body_depth" => config.max_body_depth = setting.natural()?,
            "inbound_stream" => names.inbound_stream = setting.get("text")?,
            "outbound_stream_prefix" => names.outbound_stream_prefix = setting.get("text")?,
            "worker_group" => names.worker_group = setting.get("text")?,
            "gateway_group_prefix" => names.gateway_group_prefix = setting.get("text")?,
            "tools_stream" => names.tools_stream = setting.get("text")?,
            "tools_group" => names.tools_group = setting.get("text")?,
            "tools_reply_prefix" => names.tools_reply_prefix = setting.get("text")?,
            "dead_letter_stream" => names.dead_letter_stream = setting.get("text")?,
            "stream_prefix" => names.stream_prefix = setting.get("text")?,
            "tools_catalog_prefix" => names.tools_catalog_prefix = setting.get("text")?,
            "tools_catalog_channel" => names.tools_catalog_channel = setting.get("text")?,
            "tools_service_mode" => config.tools_service_mode = setting.word(&TOOLS_MODES)?,
            "tools_force_in_process" => config.tools_force_in_process = setting.get("a list of texts")?,
            "call_name" => config.calls.name = setting.get("text")?,
            "call_timeout" => config.calls.timeout = setting.seconds()?,
            "no_worker_after" => config.calls.no_worker_after = setting.seconds()?,
            "memo_ttl" => config.calls.memo_ttl = setting.seconds()?,
            "reply_ttl" => config.calls.reply_ttl = setting.seconds()?,
            unknown => return Err(no_such("a bus", unknown)),
        }
    }
    config.retention = match retention.as_deref() {
        None | Some("acked") => sg::Retention::Acked { cap },
        Some("capped") => sg::Retention::Capped { max_len },
        Some("forever") => sg::Retention::Forever,
        Some(other) => return Err(one_of("retention", "acked, capped, forever", other)),
    };
    Ok(config.with_env())
}

/// Where tools run, by word.
pub(crate) const TOOLS_MODES: [(&str, sg::ToolsMode); 2] =
    [("in_process", sg::ToolsMode::InProcess), ("remote", sg::ToolsMode::Remote)];

/// The settings of a consumer: defaults, changed by the keyword arguments.
pub(crate) fn consumer(settings: &Bound<'_, PyDict>, mut config: ConsumerConfig) -> PyResult<ConsumerConfig> {
    for (name, value) in settings {
        let setting = Setting { name: &name, value: &value };
        match setting.name()? {
            "name" => config.name = setting.get("text")?,
            "concurrency" => config.concurrency = setting.natural()?,
            "prefetch" => config.prefetch = Some(setting.natural()?),
            "prefetch_bytes" => config.prefetch_bytes = setting.natural()?,
            "ordering" => config.ordering = setting.word(&sg::Ordering::ALL.map(|mode| (mode.as_str(), mode)))?,
            "lock_id" => config.lock_id = setting.word(&sg::LockId::ALL.map(|id| (id.as_str(), id)))?,
            "lock_ttl" => config.lock_ttl = setting.seconds()?,
            "order_unaddressed" => config.order_unaddressed = setting.get("bool")?,
            "strict" => config.strict = setting.get("bool")?,
            "max_attempts" => config.max_attempts = setting.natural()?,
            "retry_base" => config.retry_base = setting.seconds()?,
            "retry_max" => config.retry_max = setting.seconds()?,
            "retry_jitter" => config.retry_jitter = setting.get("a number")?,
            "handler_timeout" => config.handler_timeout = Some(setting.seconds()?),
            "lease" => config.lease = setting.seconds()?,
            "sweep" => config.sweep = setting.seconds()?,
            "drain_timeout" => config.drain_timeout = setting.seconds()?,
            "idle_poll" => config.idle_poll = setting.seconds()?,
            "autoclaim_min_idle" => config.autoclaim_min_idle = setting.seconds()?,
            "on_lease_lost" => {
                config.on_lease_lost = match setting.get::<String>("text")?.as_str() {
                    "cancel" => OnLeaseLost::Cancel,
                    "keep" => OnLeaseLost::Keep,
                    other => return Err(one_of("on_lease_lost", "cancel, keep", other)),
                };
            }
            unknown => return Err(no_such("a consumer", unknown)),
        }
    }
    Ok(config)
}

/// A keyword argument.
pub(crate) struct Setting<'a, 'py> {
    pub(crate) name: &'a Bound<'py, PyAny>,
    pub(crate) value: &'a Bound<'py, PyAny>,
}

impl<'a, 'py> Setting<'a, 'py> {
    pub(crate) fn name(&self) -> PyResult<&'a str> {
        self.name.cast::<PyString>()?.to_str()
    }

    pub(crate) fn get<T: FromPyObjectOwned<'py>>(&self, expected: &str) -> PyResult<T> {
        self.value.extract().map_err(|_| self.refused(expected))
    }

    /// A whole number from 0 up that fits.
    pub(crate) fn natural<T: TryFrom<u64>>(&self) -> PyResult<T> {
        let expected = "a whole number from 0 up";
        T::try_from(self.get::<u64>(expected)?).map_err(|_| self.refused(expected))
    }

    /// One of the words that the core knows.
    pub(crate) fn word<T: Copy>(&self, known: &[(&str, T)]) -> PyResult<T> {
        let given = self.get::<String>("text")?;
        let found = known.iter().find(|(word, _)| *word == given).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            one_of(self.name().unwrap_or("setting"), &words.join(", "), &given)
        })
    }

    pub(crate) fn seconds(&self) -> PyResult<Duration> {
        seconds(self.name()?, self.get("a number of seconds")?)
    }

    /// `None`, or what is read of anything else.
    pub(crate) fn maybe<T>(&self, read: impl FnOnce(&Self) -> PyResult<T>) -> PyResult<Option<T>> {
        if self.value.is_none() { Ok(None) } else { read(self).map(Some) }
    }

    fn refused(&self, expected: &str) -> PyErr {
        let name = self.name().unwrap_or("setting");
        let found = self.value.repr().map_or_else(|_| "something else".to_owned(), |text| text.to_string());
        raise(
            sg::Error::invalid(format!("{name} must be {expected}, found {found}"))
                .with_context("setting", name)
                .with_context("expected", expected),
        )
    }
}

/// Float seconds as a duration.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let text = format!("{name} is {seconds}; it must be a number of seconds from 0 up");
        raise(sg::Error::invalid(text).with_context("setting", name))
    })
}

pub(crate) fn no_such(of: &str, name: &str) -> PyErr {
    raise(sg::Error::invalid(format!("{of} has no setting {name:?}")).with_context("setting", name))
}

pub(crate) fn one_of(name: &str, known: &str, found: &str) -> PyErr {
    let text = format!("{name} must be one of {known}, found {found:?}");
    raise(sg::Error::invalid(text).with_context("setting", name).with_context("expected", known))
}
