//! A gateway, with adapters of any language.

use std::sync::Arc;

use async_trait::async_trait;
use tracing::debug;

use super::{Answer, Calls, Part};
use crate::config::ConsumerConfig;
use crate::envelope::arguments::{Arguments, map, wrong};
use crate::envelope::{Map, Value};
use crate::error::{Error, Result};
use crate::host::{Errands, Host, HostAuthority, HostHandler};
use crate::platform::{AdapterHealth, AdapterState, Gateway, GatewayConfig};
use crate::publish::Publisher;
use crate::tools::{Authority, EXECUTE_TOOL, GatewayTools, Grants, Tool, ToolDefinition};

impl Part {
    /// A gateway with these adapters. Its methods are functions of the host's: names, and the numbers they are known by. Of the
    /// settings, those of the consumers are given as they are; the others by their names, times in milliseconds; `tools` that it
    /// runs are maps of a `definition` and the `function` that does it, their `authority` a `function`, or `grants` by user. It
    /// closes when the host goes.
    pub fn gateway(
        bus: &Publisher,
        errands: &Errands,
        adapters: &[Self],
        methods: Vec<(String, u32)>,
        consumer: Option<ConsumerConfig>,
        settings: &[u8],
    ) -> Result<Self> {
        let settings = super::plain(settings)?;
        let mut take = Arguments::new(super::as_map(&settings)?);
        let tools = tools(errands, &mut take)?;
        let config = config(consumer, take)?;
        let adapters = adapters.iter().map(Self::adapter).collect::<Result<Vec<_>>>()?;
        let mut gateway = Gateway::new(bus.clone(), adapters).with_config(config);
        for (name, function) in methods {
            gateway = gateway.with_method(name, Arc::new(HostHandler::new(errands.clone(), function)));
        }
        if let Some(tools) = tools {
            gateway = gateway.with_method(EXECUTE_TOOL, Arc::new(tools));
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

/// The tools that it runs, if it runs any.
fn tools(errands: &Errands, take: &mut Arguments<'_>) -> Result<Option<GatewayTools>> {
    let rows = take.maps("tools")?;
    let mut authority: Option<Arc<dyn Authority>> = None;
    if let Some(row) = take.maybe_map("authority")? {
        let mut take = Arguments::new(row);
        authority = Some(match take.number("function")? {
            Some(function) => Arc::new(HostAuthority::new(errands.clone(), function)),
            None => Arc::new(grants(take.need_map("grants")?)?),
        });
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let tool = |row: &Map| {
        let mut take = Arguments::new(row);
        let definition = ToolDefinition::from_map(take.need_map("definition")?)?;
        let function = take.number("function")?.ok_or_else(|| wrong("function", "a number"))?;
        Ok(Tool::new(definition, Arc::new(HostHandler::new(errands.clone(), function))))
    };
    let tools = rows.into_iter().map(tool).collect::<Result<Vec<_>>>()?;
    GatewayTools::new(tools, authority).map(Some)
}

fn grants(users: &Map) -> Result<Grants> {
    let permission = |value: &Value| value.as_str().map(str::to_owned);
    users.iter().try_fold(Grants::new(), |grants, (user, permissions)| {
        let permissions: Option<Vec<String>> =
            permissions.as_list().and_then(|list| list.iter().map(permission).collect());
        Ok(grants.with(user, permissions.ok_or_else(|| wrong("authority", "users with lists of permissions"))?))
    })
}

fn config(consumer: Option<ConsumerConfig>, mut take: Arguments<'_>) -> Result<GatewayConfig> {
    let mut config = GatewayConfig::default();
    if let Some(consumer) = consumer {
        config.consumer = consumer;
    }
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
