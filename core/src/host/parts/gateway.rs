//! A gateway, with adapters of any language.

use std::sync::Arc;

use async_trait::async_trait;
use tracing::debug;

use super::{Answer, Calls, Part};
use crate::config::ConsumerConfig;
use crate::envelope::arguments::{Arguments, map, wrong};
use crate::envelope::{Map, Value};
use crate::error::{Error, Result};
use crate::host::{Errands, Host, HostHandler};
use crate::platform::{AdapterHealth, AdapterState, Gateway, GatewayConfig};
use crate::publish::Publisher;

impl Part {
    /// A gateway with these adapters. Its methods are functions of the host's: names, and the numbers they are known by. Of the
    /// settings, those of the consumers are given as they are; the others by their names, times in milliseconds. It closes when
    /// the host goes.
    pub fn gateway(
        bus: &Publisher,
        errands: &Errands,
        adapters: &[Self],
        methods: Vec<(String, u32)>,
        consumer: Option<ConsumerConfig>,
        settings: &[u8],
    ) -> Result<Self> {
        let settings = super::plain(settings)?;
        let config = config(consumer, super::as_map(&settings)?)?;
        let adapters = adapters.iter().map(Self::adapter).collect::<Result<Vec<_>>>()?;
        let mut gateway = Gateway::new(bus.clone(), adapters).with_config(config);
        for (name, function) in methods {
            gateway = gateway.with_method(name, Arc::new(HostHandler::new(errands.clone(), function)));
        }
        let gateway = Arc::new(gateway);
        // Not held: one that the host drops stops in the background.
        let (ending, gone) = (Arc::downgrade(&gateway), errands.clone());
        Host::get()?.spawn(async move {
            gone.closed().await;
            if let Some(gateway) = ending.upgrade()
                && let Err(error) = gateway.close().await
            {
                debug!(%error, "a gateway could not be closed when its host went");
            }
        });
        Ok(Self::of(Run(gateway)))
    }
}

/// The defaults of a gateway's consumers.
pub fn gateway_consumer() -> ConsumerConfig {
    GatewayConfig::default().consumer
}

struct Run(Arc<Gateway>);

#[async_trait]
impl Calls for Run {
    async fn call(&self, call: &str, mut take: Arguments<'_>) -> Result<Answer> {
        let gateway = &*self.0;
        match call {
            "run" => gateway.run().await?,
            "start" => gateway.start().await?,
            "ended" => gateway.ended().await?,
            "drain" => gateway.drain().await,
            "close" => gateway.close().await?,
            "reached" => {
                let platform = take.need_text("platform")?;
                let wanted: Vec<AdapterState> =
                    take.texts("states")?.iter().map(|text| text.parse()).collect::<Result<_>>()?;
                let state = gateway.reached(platform, move |state| wanted.contains(&state)).await?;
                return Ok(state.as_str().into());
            }
            other => return Err(super::no_call(other)),
        }
        Ok(Value::Nil.into())
    }

    fn at_once(&self, call: &str, _take: Arguments<'_>) -> Result<Value> {
        match call {
            "stop" => {
                self.0.stop();
                Ok(Value::Nil)
            }
            "health" => Ok(self.0.health().iter().map(health).collect()),
            other => Err(super::no_call(other)),
        }
    }
}

fn config(consumer: Option<ConsumerConfig>, settings: &Map) -> Result<GatewayConfig> {
    let mut config = GatewayConfig::default();
    if let Some(consumer) = consumer {
        config.consumer = consumer;
    }
    let mut take = Arguments::new(settings);
    if let Some(on_unknown) = take.parsed("on_unknown")? {
        config.on_unknown = on_unknown;
    }
    for (name, slot) in [
        ("remember", &mut config.remember),
        ("send_timeout", &mut config.send_timeout),
        ("call_timeout", &mut config.call_timeout),
        ("start_timeout", &mut config.start_timeout),
        ("stop_timeout", &mut config.stop_timeout),
        ("look", &mut config.look),
        ("restart_base", &mut config.restart_base),
        ("restart_max", &mut config.restart_max),
    ] {
        if take.has(name) {
            *slot = take.millis(name)?.ok_or_else(|| wrong(name, "a time"))?;
        }
    }
    take.end()?;
    config.validate()?;
    Ok(config)
}

fn health(health: &AdapterHealth) -> Value {
    map([
        ("platform", health.platform.as_str().into()),
        ("state", health.state.as_str().into()),
        ("since", health.since_ms.into()),
        ("starts", health.starts.into()),
        ("last_error", health.last_error.as_ref().map_or(Value::Nil, error)),
        ("performed", health.performed.into()),
        ("repeated", health.repeated.into()),
        ("doubled", health.doubled.into()),
        ("skipped", health.skipped.into()),
        ("failed", health.failed.into()),
        ("under_way", health.under_way.into()),
        ("waiting", health.waiting.into()),
    ])
}

/// An error as plain data: code, message, and what it was about.
fn error(error: &Error) -> Value {
    let context: Map = error.context().iter().map(|(name, value)| (*name, value.as_str())).collect();
    map([("code", error.code().into()), ("message", error.message().into()), ("context", context.into())])
}
