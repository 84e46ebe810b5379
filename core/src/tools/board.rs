//! The catalog on the server, kept by all instances of all services together.
//!
//! Every instance keeps a part of its own; the catalog in force is what all parts give together. So services of different
//! tools never erase each other's, and of two definitions of one name the later one counts. An instance that changes its
//! part publishes a new version, and goes on until one was put in force that began after its part was there: the version
//! moves by compare-and-set, so no later one can miss it. Parts of instances that give no sign of life for
//! [`LIVE`] leave with the next version, which whoever keeps the catalog publishes. The last instance that closes leaves its
//! part and the catalog as they are: requests then wait for its successor, and models know what there will be again.
//!
//! A catalog that none of us wrote (a tools service of the original's) becomes a part as well, replaced when the
//! original writes another one.

use std::time::Duration;

use bytes::Bytes;

use super::catalog::notice;
use super::part::{Part, merge};
use super::workers::Worker;
use super::{Catalog, ToolSet};
use crate::envelope::Limits;
use crate::error::{Error, ErrorKind, Result};
use crate::publish::Publisher;
use crate::store::{Op, Store};
use crate::topology::{CatalogKeys, Name};
use crate::transport::When;

/// How long a sign of life counts.
pub(super) const LIVE: Duration = Duration::from_secs(15);

/// How long one that drains is shown, should it never tell its end.
const DRAINING: Duration = Duration::from_secs(60);

/// How often an instance gives one.
pub(super) const BEAT: Duration = Duration::from_secs(5);

/// How long a version that was replaced stays, for readers who have just read that it was in force.
const REPLACED: Duration = Duration::from_secs(600);

/// How often somebody looks for parts without life, all instances together.
const SWEEP: Duration = Duration::from_secs(10);

/// Attempts to put a version in force while others do the same.
const ATTEMPTS: usize = 100;

/// The instance under which a catalog of the original's is kept. No instance of ours is called like this.
const ORIGINAL: &str = "original";

/// The catalog of one topology.
#[derive(Debug, Clone)]
pub(super) struct Board {
    store: Store,
    keys: CatalogKeys,
    channel: Name,
    limits: Limits,
}

/// A version of the catalog.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Version {
    /// Its number as text; empty when there is none yet.
    pub(super) version: String,
    pub(super) catalog: Catalog,
}

/// What stands on the board at one moment.
struct Look {
    current: Option<Bytes>,
    parts: Vec<(String, Part)>,
    /// Instances without life, or whose part cannot be read.
    dead: Vec<String>,
}

impl Board {
    pub(super) fn new(bus: &Publisher) -> Self {
        let topology = bus.topology();
        Self {
            store: bus.store(),
            keys: CatalogKeys::new(topology),
            channel: topology.tools_catalog_channel.as_str().into(),
            limits: bus.limits(),
        }
    }

    pub(super) fn channel(&self) -> &Name {
        &self.channel
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The version in force, `None` before the first.
    pub(super) async fn current(&self) -> Result<Option<String>> {
        let current = self.store.get(&self.keys.current).await?;
        current.map(|bytes| self.version_of(&bytes)).transpose()
    }

    /// Reads the catalog in force; an empty one before the first.
    pub(super) async fn read(&self) -> Result<Version> {
        // A version may be replaced between the two looks, but not for long.
        for _ in 0..10 {
            let Some(version) = self.current().await? else {
                return Ok(Version { version: String::new(), catalog: Catalog::default() });
            };
            if let Some(bytes) = self.store.get(&self.keys.version(&version)).await? {
                let catalog = Catalog::decode(&bytes, &self.limits)?;
                for (tool, error) in catalog.refused() {
                    tracing::warn!(tool, version, %error, "a tool of the catalog cannot be used");
                }
                return Ok(Version { version, catalog });
            }
            if self.current().await?.as_deref() == Some(&version) {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "version {version} of the tool catalog is in force and is not there; start its service again"
                    ),
                )
                .with_context("key", self.keys.version(&version)));
            }
        }
        Err(Error::unavailable("the tool catalog changed while it was read, again and again; try again"))
    }

    /// Gives a sign of life; whether the part of the instance is still there.
    pub(super) async fn beat(&self, worker: &Worker) -> Result<bool> {
        let answers = self
            .store
            .apply(vec![
                self.live(worker),
                Op::Exists { key: self.keys.part(&worker.instance) },
                Op::HashExists { key: self.keys.instances.clone(), field: worker.instance.clone().into() },
            ])
            .await?;
        answers.into_iter().skip(1).try_fold(true, |all, answer| answer.flag().map(|there| all && there))
    }

    fn live(&self, worker: &Worker) -> Op {
        let ttl = Some(if worker.draining { DRAINING } else { LIVE });
        let (key, value) = (self.keys.live(&worker.instance), worker.to_json().into());
        Op::Set { key, value, ttl, when: When::Always }
    }

    /// Puts the part of an instance on the board, and a version in force that has it.
    pub(super) async fn join(&self, worker: &Worker, tools: &ToolSet) -> Result<Version> {
        let order = self.store.increment(&self.keys.seq, 1, None).await?;
        let part = Part { order, service: worker.service.clone(), catalog: tools.catalog() };
        let service = worker.service.clone().unwrap_or_default();
        let batch = self.store.batch().op(self.live(worker));
        let batch = batch.set(&self.keys.part(&worker.instance), part.encode()?, None);
        batch.hash_set(&self.keys.instances, [(worker.instance.clone(), service)], None).commit().await?;
        self.publish(Publish::Always).await
    }

    /// Takes the tools of an instance that drains out of the catalog, unless it is the last one.
    pub(super) async fn leave(&self, worker: &Worker) -> Result<()> {
        self.store.apply(vec![self.live(worker)]).await?;
        let others = self.look().await?.parts.iter().any(|(instance, _)| *instance != worker.instance);
        if !others {
            return Ok(());
        }
        self.store.delete([self.keys.part(&worker.instance)]).await?;
        self.publish(Publish::Always).await.map(drop)
    }

    /// Takes an instance that has ended off the board.
    pub(super) async fn end(&self, instance: &str) -> Result<()> {
        self.store.delete([self.keys.live(instance)]).await?;
        if !self.store.exists(&self.keys.part(instance)).await? {
            self.remove(&[instance.to_owned()]).await?;
        }
        Ok(())
    }

    /// Looks after the catalog, at most one instance in ten seconds: lets parts without life go, takes up what others wrote.
    pub(super) async fn sweep(&self, instance: &str) -> Result<()> {
        if !self.store.set_if_absent(&self.keys.keeper, instance.to_owned(), Some(SWEEP)).await? {
            return Ok(());
        }
        let look = self.look().await?;
        // The last parts stay, see `leave`.
        if !look.parts.is_empty() {
            self.remove(&look.dead).await?;
        }
        self.publish(Publish::WhenOther).await.map(drop)
    }

    /// The instances that live.
    pub(super) async fn workers(&self) -> Result<Vec<Worker>> {
        let mut workers = Vec::new();
        let instances = self.store.hash_get_all(&self.keys.instances).await?;
        for some in instances.chunks(500) {
            let keys = some.iter().map(|(instance, _)| Op::Get { key: self.keys.live(instance) });
            for answer in self.store.apply(keys.collect()).await? {
                if let Some(text) = answer.value()? {
                    workers.push(Worker::from_json(&text, &self.limits)?);
                }
            }
        }
        workers.sort_by(|a, b| a.instance.cmp(&b.instance));
        Ok(workers)
    }

    /// Puts what all parts give together in force.
    async fn publish(&self, when: Publish) -> Result<Version> {
        for _ in 0..ATTEMPTS {
            let mut look = self.look().await?;
            let current = look.current.as_deref().map(|bytes| self.version_of(bytes)).transpose()?;
            if let Some(version) = &current
                && let Some(part) = self.of_the_original(version).await?
            {
                look.parts.retain(|(instance, _)| instance != ORIGINAL);
                look.parts.push((ORIGINAL.into(), part));
            }
            if when == Publish::WhenOther && look.parts.is_empty() {
                return self.read().await;
            }
            let catalog = merge(look.parts.into_iter().map(|(_, part)| part).collect());
            let bytes = catalog.encode()?;
            if when == Publish::WhenOther
                && let Some(version) = &current
                && self.store.get(&self.keys.version(version)).await?.as_ref() == Some(&bytes)
            {
                return Ok(Version { version: version.clone(), catalog });
            }
            let version = self.store.increment(&self.keys.seq, 1, None).await?;
            let text = version.to_string();
            let batch = self.store.batch().set(&self.keys.version(&text), bytes, None);
            batch.set(&self.keys.ours(&text), Bytes::from_static(b"1"), None).commit().await?;
            let in_force = match look.current {
                None => self.store.set_if_absent(&self.keys.current, text.clone(), None).await?,
                Some(before) => self.store.compare_and_set(&self.keys.current, before, text.clone(), None).await?,
            };
            if in_force {
                self.store.notify(&self.channel, notice(&text, catalog.schema_hash())).await?;
                self.replace(current.as_deref(), version).await?;
                return Ok(Version { version: text, catalog });
            }
            self.store.delete([self.keys.version(&text), self.keys.ours(&text)]).await?;
        }
        Err(Error::unavailable("the tool catalog was changed by others at every attempt to change it; try again"))
    }

    /// Lets what is no longer in force go after a while: the version before, and what others began in between and cannot
    /// finish.
    async fn replace(&self, before: Option<&str>, now: i64) -> Result<()> {
        let Some(before) = before.and_then(|text| text.parse::<i64>().ok()) else { return Ok(()) };
        let mut batch = self.store.batch();
        // Also when the counter was lost and began anew.
        for version in std::iter::once(before).chain(before.saturating_add(1).max(now - 100)..now) {
            let text = version.to_string();
            batch = batch.expire(&self.keys.version(&text), REPLACED).expire(&self.keys.ours(&text), REPLACED);
        }
        batch.commit().await.map(drop)
    }

    async fn remove(&self, instances: &[String]) -> Result<()> {
        for some in instances.chunks(500) {
            let batch = self.store.batch().hash_delete(&self.keys.instances, some.to_vec());
            batch.delete(some.iter().map(|instance| self.keys.part(instance))).commit().await?;
        }
        Ok(())
    }

    /// The part of a version that none of us wrote; kept, so that it outlives the version.
    async fn of_the_original(&self, version: &str) -> Result<Option<Part>> {
        if self.store.exists(&self.keys.ours(version)).await? {
            return Ok(None);
        }
        let Some(bytes) = self.store.get(&self.keys.version(version)).await? else { return Ok(None) };
        let order = version.parse().unwrap_or_default();
        let part = Part { order, service: None, catalog: Catalog::decode(&bytes, &self.limits)? };
        let batch = self.store.batch().set(&self.keys.part(ORIGINAL), part.encode()?, None);
        batch.hash_set(&self.keys.instances, [(ORIGINAL, "")], None).commit().await?;
        Ok(Some(part))
    }

    /// First which version is in force, then the parts: what is put in force later has them all.
    async fn look(&self) -> Result<Look> {
        let current = self.store.get(&self.keys.current).await?;
        let mut look = Look { current, parts: Vec::new(), dead: Vec::new() };
        let instances = self.store.hash_get_all(&self.keys.instances).await?;
        for some in instances.chunks(500) {
            let ops = some.iter().flat_map(|(instance, _)| {
                [Op::Get { key: self.keys.part(instance) }, Op::Exists { key: self.keys.live(instance) }]
            });
            let mut answers = self.store.apply(ops.collect()).await?.into_iter();
            for (instance, _) in some {
                let (Some(part), Some(live)) = (answers.next(), answers.next()) else { break };
                let (part, live) = (part.value()?, live.flag()? || instance == ORIGINAL);
                let part = part.filter(|_| live).map(|bytes| Part::decode(&bytes, &self.limits));
                match part {
                    Some(Ok(part)) => look.parts.push((instance.clone(), part)),
                    Some(Err(error)) => {
                        tracing::warn!(instance, %error, "a part of the tool catalog cannot be read, and is left out");
                        look.dead.push(instance.clone());
                    }
                    None => look.dead.push(instance.clone()),
                }
            }
        }
        Ok(look)
    }

    fn version_of(&self, bytes: &[u8]) -> Result<String> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty() && text.len() <= 64);
        text.map(str::to_owned).ok_or_else(|| {
            Error::malformed("the version of the tool catalog in force must be a number")
                .with_context("key", &self.keys.current)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publish {
    /// A part has changed.
    Always,
    /// Only when another one than the one in force would come of it.
    WhenOther,
}
