//! Adapters by the name of their kind, as a configuration names them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Adapter;
use crate::envelope::Map;
use crate::error::{Error, Result};
use crate::publish::Publisher;

/// Makes an adapter from its settings. Does no I/O: that is what starting is for.
pub type MakeAdapter = dyn Fn(&Publisher, &Map) -> Result<Arc<dyn Adapter>> + Send + Sync;

/// The kinds of adapters that can be made by name.
#[derive(Clone, Default)]
pub struct AdapterKinds {
    kinds: BTreeMap<String, Arc<MakeAdapter>>,
}

impl AdapterKinds {
    /// No kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// The kinds in the box: `redis` (see [`super::redis`]).
    pub fn standard() -> Result<Self> {
        let mut kinds = Self::new();
        super::redis::register(&mut kinds)?;
        Ok(kinds)
    }

    /// Adds a kind. `Conflict` when there is one of that name, `Invalid` for an empty name.
    pub fn register(
        &mut self,
        kind: impl Into<String>,
        make: impl Fn(&Publisher, &Map) -> Result<Arc<dyn Adapter>> + Send + Sync + 'static,
    ) -> Result<()> {
        let kind = kind.into();
        if kind.is_empty() {
            return Err(Error::invalid("a kind of adapter must have a name").with_context("field", "kind"));
        }
        if self.kinds.contains_key(&kind) {
            let text = format!("there is a kind of adapter called {kind:?} already; choose another name");
            return Err(Error::new(crate::error::ErrorKind::Conflict, text).with_context("kind", kind));
        }
        self.kinds.insert(kind, Arc::new(make));
        Ok(())
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.kinds.keys().map(String::as_str).collect()
    }

    /// Makes an adapter. `Invalid` for an unknown kind, listing the known ones; else as its maker fails.
    pub fn create(&self, kind: &str, bus: impl Into<Publisher>, settings: &Map) -> Result<Arc<dyn Adapter>> {
        let Some(make) = self.kinds.get(kind) else {
            let known = if self.kinds.is_empty() { "none".to_owned() } else { self.names().join(", ") };
            let text = format!("there is no kind of adapter called {kind:?}; known are: {known}");
            return Err(Error::invalid(text).with_context("field", "kind"));
        };
        make(&bus.into(), settings)
    }
}

/// Makes an adapter of one of the kinds in the box; [`AdapterKinds`] takes others as well.
///
/// `Invalid` for an unknown kind, listing the known ones; else as its maker fails.
pub fn create(kind: &str, bus: impl Into<Publisher>, settings: &Map) -> Result<Arc<dyn Adapter>> {
    AdapterKinds::standard()?.create(kind, bus, settings)
}

impl fmt::Debug for AdapterKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AdapterKinds").field(&self.names()).finish()
    }
}
