//! The catalog: which tools there are, as bytes that every process reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::definition::texts;
use super::{ToolDefinition, schema_hash};
use crate::envelope::{Limits, Map, Value, codec, json};
use crate::error::{Error, Result};

/// Key of an entry: the service that runs the tool, where that is not the shared one. Ours.
const SERVICE: &str = "service";

/// A set of tools with the hash by which callers and services know that they speak of the same one.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    tools: Vec<Arc<ToolDefinition>>,
    /// Name of a tool to the service that runs it, where that is not the shared one.
    services: BTreeMap<String, String>,
    schema_hash: String,
    refused: Vec<(String, Error)>,
}

impl Catalog {
    /// A catalog of these tools; of two of one name the later one counts.
    pub fn new(tools: impl IntoIterator<Item = ToolDefinition>) -> Self {
        Self::of(tools.into_iter().map(Arc::new))
    }

    pub(super) fn of(tools: impl IntoIterator<Item = Arc<ToolDefinition>>) -> Self {
        Self::of_services(tools.into_iter().map(|tool| (tool, None)))
    }

    /// Tools with the service that runs each; of two of one name the later one counts.
    pub(super) fn of_services(tools: impl IntoIterator<Item = (Arc<ToolDefinition>, Option<String>)>) -> Self {
        let mut named = BTreeMap::new();
        for (tool, service) in tools {
            named.insert(tool.name.clone(), (tool, service));
        }
        let of = |(name, (_, service)): (&String, &(_, Option<String>))| Some((name.clone(), service.clone()?));
        let services = named.iter().filter_map(of).collect();
        let tools: Vec<_> = named.into_values().map(|(tool, _)| tool).collect();
        let schema_hash = schema_hash(tools.iter().map(AsRef::as_ref));
        Self { tools, services, schema_hash, refused: Vec::new() }
    }

    /// The tools, sorted by name.
    pub fn tools(&self) -> &[Arc<ToolDefinition>] {
        &self.tools
    }

    /// A tool by its name.
    pub fn get(&self, name: &str) -> Option<&Arc<ToolDefinition>> {
        let at = self.tools.binary_search_by(|tool| tool.name.as_str().cmp(name)).ok()?;
        self.tools.get(at)
    }

    /// The service that runs a tool; `None`: the shared one.
    pub fn service(&self, name: &str) -> Option<&str> {
        self.services.get(name).map(String::as_str)
    }

    /// Its hash. That of a catalog that was read is the one its writer gave, whatever its recipe.
    pub fn schema_hash(&self) -> &str {
        &self.schema_hash
    }

    /// What stood in the catalog that was read and cannot be used: the entry's name, and why.
    pub fn refused(&self) -> &[(String, Error)] {
        &self.refused
    }

    /// As it stands on the server: a msgpack map `{tools, permissions, schema_hash}`.
    pub fn encode(&self) -> Result<Bytes> {
        self.encode_with(Map::new())
    }

    /// [`Catalog::encode`] with more keys behind its own.
    pub(super) fn encode_with(&self, more: Map) -> Result<Bytes> {
        let entry = |tool: &Arc<ToolDefinition>| {
            let mut entry = tool.to_entry();
            if let Some(service) = self.services.get(&tool.name) {
                entry.insert(SERVICE, service.as_str());
            }
            entry
        };
        let tools: Vec<Map> = self.tools.iter().map(entry).collect();
        let needed = self.tools.iter().filter(|tool| !tool.permissions.is_empty());
        let permissions: Map = needed.map(|tool| (tool.name.clone(), tool.permissions.clone())).collect();
        let mut map = Map::from([
            ("tools", Value::from(tools)),
            ("permissions", permissions.into()),
            ("schema_hash", self.schema_hash.as_str().into()),
        ]);
        map.extend(more);
        codec::encode_map(&map, &Limits::default())
    }

    /// Reads one, ours or the original's. `Malformed` when it is no catalog; an entry that cannot be used is left out
    /// and told by [`Catalog::refused`].
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self> {
        Self::read(&codec::decode(bytes, limits)?)
    }

    pub(super) fn read(value: &Value) -> Result<Self> {
        let field = |name: &'static str, found: Option<&Value>, expected: &'static str| {
            let found = found.map_or("nothing", Value::type_name);
            Error::malformed(format!("`{name}` of the tool catalog must be {expected}, found {found}"))
                .with_context("field", name)
                .with_context("expected", expected)
                .with_context("found", found)
        };
        let map = value.as_map().ok_or_else(|| field("catalog", Some(value), "a map"))?;
        let entries = map.get("tools").and_then(Value::as_list);
        let entries = entries.ok_or_else(|| field("tools", map.get("tools"), "a list"))?;
        let hash = map.text("schema_hash").ok_or_else(|| field("schema_hash", map.get("schema_hash"), "text"))?;
        let permissions = match map.get("permissions") {
            Some(Value::Map(permissions)) => Some(permissions),
            _ => None,
        };
        let mut read = Self { schema_hash: hash.to_owned(), ..Self::default() };
        for entry in entries {
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
            match Self::entry(entry, permissions) {
                Ok(mut tool) => {
                    if let Some(Value::Text(service)) = tool.rest.remove(SERVICE) {
                        read.services.insert(tool.name.clone(), service);
                    }
                    read.tools.push(Arc::new(tool));
                }
                Err(error) => read.refused.push((name.to_owned(), error)),
            }
        }
        read.tools.sort_by(|a, b| a.name.cmp(&b.name));
        read.tools.dedup_by(|later, first| later.name == first.name);
        Ok(read)
    }

    fn entry(entry: &Value, permissions: Option<&Map>) -> Result<ToolDefinition> {
        let map = entry.as_map().ok_or_else(|| {
            Error::malformed(format!("an entry of the tool catalog must be a map, found {}", entry.type_name()))
        })?;
        let mut tool = ToolDefinition::from_entry(map)?;
        if let Some(needed) = permissions.and_then(|all| all.get(&tool.name)).filter(|needed| !needed.is_nil()) {
            // The original's form is not documented: a list of text, or one text.
            let list = texts(needed).or_else(|| needed.as_str().map(|one| vec![one.to_owned()]));
            tool.permissions = list.ok_or_else(|| {
                Error::malformed(format!("`permissions` of `{}` must be a list of text", tool.name))
                    .with_context("field", "permissions")
                    .with_context("found", needed.type_name())
            })?;
        }
        tool.validate()?;
        Ok(tool)
    }
}

impl PartialEq for Catalog {
    /// The same tools, run by the same services, under the same hash.
    fn eq(&self, other: &Self) -> bool {
        (&self.tools, &self.services, &self.schema_hash) == (&other.tools, &other.services, &other.schema_hash)
    }
}

/// What is told on the channel of the catalog: `{"version": …, "schema_hash": …}`.
pub(super) fn notice(version: &str, schema_hash: &str) -> String {
    let version = version.parse().map_or_else(|_| Value::from(version), Value::Int);
    json::encode(&Value::from([("version", version), ("schema_hash", schema_hash.into())]))
}
