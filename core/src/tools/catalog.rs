//! The catalog: which tools there are, as bytes that every process reads.

use std::sync::Arc;

use bytes::Bytes;

use super::definition::texts;
use super::{ToolDefinition, schema_hash};
use crate::envelope::{Limits, Map, Value, codec};
use crate::error::{Error, Result};

/// A set of tools with the hash by which callers and services know that they speak of the same one.
#[derive(Debug, Clone)]
pub struct Catalog {
    tools: Vec<Arc<ToolDefinition>>,
    schema_hash: String,
    refused: Vec<(String, Error)>,
}

impl Catalog {
    /// A catalog of these tools; of two of one name the later one counts.
    pub fn new(tools: impl IntoIterator<Item = ToolDefinition>) -> Self {
        Self::of(tools.into_iter().map(Arc::new))
    }

    pub(super) fn of(tools: impl IntoIterator<Item = Arc<ToolDefinition>>) -> Self {
        let mut named = std::collections::BTreeMap::new();
        for tool in tools {
            named.insert(tool.name.clone(), tool);
        }
        let tools: Vec<_> = named.into_values().collect();
        let schema_hash = schema_hash(tools.iter().map(AsRef::as_ref));
        Self { tools, schema_hash, refused: Vec::new() }
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
        let tools: Vec<Map> = self.tools.iter().map(|tool| tool.to_entry()).collect();
        let needed = self.tools.iter().filter(|tool| !tool.permissions.is_empty());
        let permissions: Map = needed.map(|tool| (tool.name.clone(), tool.permissions.clone())).collect();
        let map = Map::from([
            ("tools", Value::from(tools)),
            ("permissions", permissions.into()),
            ("schema_hash", self.schema_hash.as_str().into()),
        ]);
        codec::encode_map(&map, &Limits::default())
    }

    /// Reads one, ours or the original's. `Malformed` when it is no catalog; an entry that cannot be used is left out
    /// and told by [`Catalog::refused`].
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let value = codec::decode(bytes, limits)?;
        let field = |name: &'static str, found: Option<&Value>, expected: &'static str| {
            let found = found.map_or("nothing", Value::type_name);
            Error::malformed(format!("`{name}` of the tool catalog must be {expected}, found {found}"))
                .with_context("field", name)
                .with_context("expected", expected)
                .with_context("found", found)
        };
        let map = value.as_map().ok_or_else(|| field("catalog", Some(&value), "a map"))?;
        let entries = map.get("tools").and_then(Value::as_list);
        let entries = entries.ok_or_else(|| field("tools", map.get("tools"), "a list"))?;
        let hash = map.text("schema_hash").ok_or_else(|| field("schema_hash", map.get("schema_hash"), "text"))?;
        let permissions = match map.get("permissions") {
            Some(Value::Map(permissions)) => Some(permissions),
            _ => None,
        };
        let mut read = Self { tools: Vec::new(), schema_hash: hash.to_owned(), refused: Vec::new() };
        for entry in entries {
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
            match Self::entry(entry, permissions) {
                Ok(tool) => read.tools.push(Arc::new(tool)),
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
    /// The same tools under the same hash.
    fn eq(&self, other: &Self) -> bool {
        self.tools == other.tools && self.schema_hash == other.schema_hash
    }
}
