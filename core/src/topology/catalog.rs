//! The keys of the tool catalog.

use super::{Name, Topology, encode};

/// `seq`, `v{n}` and `current` are the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogKeys {
    prefix: Name,
    /// Counter: the last version that was begun.
    pub seq: Name,
    /// Text: the version in force.
    pub current: Name,
    /// Hash: instance to its service; all that have a part, alive or not.
    pub instances: Name,
    /// Text: who looks after the catalog at the moment.
    pub keeper: Name,
}

impl CatalogKeys {
    /// The keys of a topology.
    pub fn new(topology: &Topology) -> Self {
        let prefix = topology.tools_catalog_prefix.as_str();
        let key = |suffix: &str| -> Name { format!("{prefix}:{suffix}").into() };
        Self {
            prefix: prefix.into(),
            seq: key("seq"),
            current: key("current"),
            instances: key("instances"),
            keeper: key("keeper"),
        }
    }

    /// A version of the catalog, msgpack.
    pub fn version(&self, version: &str) -> Name {
        format!("{}:v{}", self.prefix, encode(version)).into()
    }

    /// Says of a version that one of us wrote it.
    pub fn ours(&self, version: &str) -> Name {
        format!("{}:ours:{}", self.prefix, encode(version)).into()
    }

    /// What an instance adds to the catalog.
    pub fn part(&self, instance: &str) -> Name {
        format!("{}:part:{}", self.prefix, encode(instance)).into()
    }

    /// What an instance tells of itself, for as long as it lives.
    pub fn live(&self, instance: &str) -> Name {
        format!("{}:live:{}", self.prefix, encode(instance)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_stands_where_the_original_reads_it() {
        let keys = CatalogKeys::new(&Topology::default());
        assert_eq!((&*keys.seq, &*keys.current), ("sg:tools:catalog:seq", "sg:tools:catalog:current"));
        assert_eq!(&*keys.version("7"), "sg:tools:catalog:v7");
        assert_eq!(&*keys.live("tools-1"), "sg:tools:catalog:live:tools-1");
        assert_eq!(Topology::default().tools_catalog_channel, "sg:pubsub:tools:catalog");
    }
}
