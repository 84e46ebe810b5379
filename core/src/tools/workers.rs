//! The live view: which instances run tools, how busy and how quick they are.

use std::time::Duration;

use crate::envelope::{Limits, Map, Value, json};
use crate::error::{Error, Result};
use crate::rpc::Figures;

/// An instance of a tools service, as it told of itself at its last sign of life.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Worker {
    /// Its identity, never used twice.
    pub instance: String,
    /// The service whose requests it serves besides those of the shared one; `None`: only those.
    pub service: Option<String>,
    /// Whether it takes calls, or only ends what it has begun.
    pub draining: bool,
    /// Calls that it runs at the same time.
    pub capacity: u64,
    /// Calls that run or wait for their turn.
    pub in_flight: u64,
    /// When it told this, milliseconds since 1970, by its own clock.
    pub seen_ms: u64,
    /// When it started, milliseconds since 1970, by its own clock.
    pub started_ms: u64,
    /// Its tools, sorted by name.
    pub tools: Vec<WorkerTool>,
}

/// A tool of a [`Worker`].
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct WorkerTool {
    /// Its name.
    pub name: String,
    /// Calls that it runs at the same time.
    pub capacity: u64,
    /// Calls that run or wait for their turn.
    pub in_flight: u64,
    /// Calls that gave a result.
    pub succeeded: u64,
    /// Calls that failed.
    pub failed: u64,
    /// How long 95 % of the last calls took at most; zero before the first.
    pub p95: Duration,
}

impl Worker {
    /// Whether it can take one more call of a tool.
    pub fn has_room(&self, tool: &str) -> bool {
        let mut tools = self.tools.iter().filter(|of| of.name == tool);
        !self.draining && self.in_flight < self.capacity && tools.any(|tool| tool.in_flight < tool.capacity)
    }

    pub(super) fn of_figures(mut self, figures: &Figures) -> Self {
        let tools = figures.handlers.iter().map(|of| WorkerTool {
            name: of.name.clone(),
            capacity: of.capacity,
            in_flight: of.running + of.waiting,
            succeeded: of.succeeded + of.remembered,
            failed: of.failed,
            p95: of.p95,
        });
        self.tools = tools.collect();
        self.in_flight = self.tools.iter().map(|tool| tool.in_flight).sum();
        self
    }

    /// As it stands on the server: JSON.
    pub(super) fn to_json(&self) -> String {
        let tool = |tool: &WorkerTool| {
            Map::from([
                ("name", Value::from(tool.name.as_str())),
                ("capacity", tool.capacity.into()),
                ("in_flight", tool.in_flight.into()),
                ("succeeded", tool.succeeded.into()),
                ("failed", tool.failed.into()),
                ("p95_ms", (tool.p95.as_secs_f64() * 1000.0).into()),
            ])
        };
        json::encode(&Value::from([
            ("instance", Value::from(self.instance.as_str())),
            ("service", self.service.clone().into()),
            ("status", if self.draining { "draining" } else { "serving" }.into()),
            ("capacity", self.capacity.into()),
            ("in_flight", self.in_flight.into()),
            ("seen_ms", self.seen_ms.into()),
            ("started_ms", self.started_ms.into()),
            ("tools", self.tools.iter().map(tool).collect::<Vec<_>>().into()),
        ]))
    }

    pub(super) fn from_json(text: &[u8], limits: &Limits) -> Result<Self> {
        let value = json::decode(text, limits)?;
        let field = |name: &'static str| {
            Error::malformed(format!("the record of a tools worker has no {name}")).with_context("field", name)
        };
        let number = |of: &Value, name: &'static str| of.get(name).and_then(Value::as_u64).ok_or_else(|| field(name));
        let tool = |of: &Value| -> Result<WorkerTool> {
            let ms = of.get("p95_ms").and_then(Value::as_f64).filter(|ms| ms.is_finite() && *ms >= 0.0);
            Ok(WorkerTool {
                name: of.get("name").and_then(Value::as_str).ok_or_else(|| field("name"))?.to_owned(),
                capacity: number(of, "capacity")?,
                in_flight: number(of, "in_flight")?,
                succeeded: number(of, "succeeded")?,
                failed: number(of, "failed")?,
                p95: Duration::try_from_secs_f64(ms.ok_or_else(|| field("p95_ms"))? / 1000.0).unwrap_or_default(),
            })
        };
        let tools = value.get("tools").and_then(Value::as_list).ok_or_else(|| field("tools"))?;
        let text = |name: &'static str| value.get(name).and_then(Value::as_str);
        Ok(Self {
            instance: text("instance").ok_or_else(|| field("instance"))?.to_owned(),
            service: text("service").map(str::to_owned),
            draining: text("status").ok_or_else(|| field("status"))? != "serving",
            capacity: number(&value, "capacity")?,
            in_flight: number(&value, "in_flight")?,
            seen_ms: number(&value, "seen_ms")?,
            started_ms: number(&value, "started_ms")?,
            tools: tools.iter().map(tool).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let tool = WorkerTool {
            name: "a".into(),
            capacity: 2,
            in_flight: 1,
            p95: Duration::from_micros(1500),
            ..WorkerTool::default()
        };
        let worker = Worker {
            instance: "tools-1".into(),
            service: None,
            draining: false,
            capacity: 256,
            in_flight: 1,
            seen_ms: 5,
            started_ms: 4,
            tools: vec![tool],
        };
        assert_eq!(Worker::from_json(worker.to_json().as_bytes(), &Limits::default()).unwrap(), worker);
        assert!(worker.has_room("a") && !worker.has_room("b"));
        let error = Worker::from_json(b"{\"instance\": \"x\"}", &Limits::default()).unwrap_err();
        assert_eq!(error.code(), "malformed");
    }
}
