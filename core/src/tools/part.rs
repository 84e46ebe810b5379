//! What one instance of a service adds to the catalog, and how the parts become one.

use bytes::Bytes;

use super::Catalog;
use crate::envelope::{Limits, Map, Value, codec};
use crate::error::Result;

/// The tools of one instance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Of two definitions of one name, that of the part with the higher number counts.
    pub(super) order: i64,
    pub(super) service: Option<String>,
    pub(super) catalog: Catalog,
}

impl Part {
    pub(super) fn encode(&self) -> Result<Bytes> {
        let service = Value::from(self.service.clone());
        self.catalog.encode_with(Map::from([("order", Value::from(self.order)), ("service", service)]))
    }

    pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let value = codec::decode(bytes, limits)?;
        let order = value.get("order").and_then(Value::as_i64).unwrap_or_default();
        let service = value.get("service").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { order, service, catalog: Catalog::read(&value)? })
    }
}

/// The catalog of all parts.
pub(super) fn merge(mut parts: Vec<Part>) -> Catalog {
    parts.sort_by_key(|part| part.order);
    let entries = parts.into_iter().flat_map(|part| {
        let tools = part.catalog.tools().to_vec();
        tools.into_iter().map(move |tool| {
            let service = part.service.clone().or_else(|| part.catalog.service(&tool.name).map(str::to_owned));
            (tool, service)
        })
    });
    Catalog::of_services(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::ToolDefinition;

    fn part(order: i64, service: Option<&str>, tools: &[(&str, &str)]) -> Part {
        let tools = tools.iter().map(|(name, text)| ToolDefinition::new(*name).with_description(*text));
        Part { order, service: service.map(str::to_owned), catalog: Catalog::new(tools) }
    }

    #[test]
    fn all_tools_are_there_and_the_latest_definition_counts() {
        let (old, new) = (part(1, Some("a"), &[("x", "old"), ("y", "")]), part(2, None, &[("x", "new"), ("z", "")]));
        for parts in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
            let merged = merge(parts.to_vec());
            let told: Vec<_> = merged.tools().iter().map(|t| (t.name.as_str(), t.description.as_str())).collect();
            assert_eq!(told, [("x", "new"), ("y", ""), ("z", "")]);
            assert_eq!((merged.service("x"), merged.service("y")), (None, Some("a")));
        }
        assert_eq!(Part::decode(&old.encode().unwrap(), &Limits::default()).unwrap(), old);
    }
}
