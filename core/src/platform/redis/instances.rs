//! Instances: making, finding, changing and removing them, and checking their keys.

use bytes::Bytes;
use tracing::warn;

use super::access::{Answers, bytes, hash_set, if_registered, is_registered};
use super::record::{Instance, Listing, Skipped};
use super::{RedisPlatform, id, key, metadata};
use crate::envelope::Map;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Op, unmet};
use crate::topology::redis_platform::{INSTANCES, member};

/// Bytes of the longest name for people.
pub(super) const MAX_NAME_BYTES: usize = 1024;

/// Records that are read in one batch.
const PAGE: usize = 100;

/// An instance to be made.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct NewInstance {
    /// Its id; 16 random hexadecimal digits when there is none.
    pub instance_id: Option<String>,
    /// Its name for people; the id when it is empty.
    pub display_name: String,
    /// Its key; a random one when there is none. One of your own should be as hard to guess.
    pub api_key: Option<String>,
    /// Whatever else is to be known of it: texts, numbers, truth values, under other names than
    /// [`super::RESERVED`].
    pub metadata: Map,
}

impl NewInstance {
    /// An instance with an id and a key made up for it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the id.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.instance_id = Some(id.into());
        self
    }

    /// Sets the name.
    pub fn with_display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = name.into();
        self
    }

    /// Sets the key.
    pub fn with_api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the metadata.
    pub fn with_metadata(mut self, metadata: Map) -> Self {
        self.metadata = metadata;
        self
    }
}

impl std::fmt::Debug for NewInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewInstance")
            .field("instance_id", &self.instance_id)
            .field("display_name", &self.display_name)
            .finish_non_exhaustive()
    }
}

/// A new instance and its key, which is shown here and never again.
#[derive(Clone)]
#[non_exhaustive]
pub struct CreatedInstance {
    /// Its id.
    pub instance_id: String,
    /// Its key. Only a hash of it is kept.
    pub api_key: String,
}

impl std::fmt::Debug for CreatedInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedInstance").field("instance_id", &self.instance_id).finish_non_exhaustive()
    }
}

impl RedisPlatform {
    /// Makes an instance, as a whole or not at all. `Conflict` when there is one of this id (of several calls that make
    /// the same one, one wins), `Invalid` or `TooLarge` naming what cannot be kept. After trouble with the server it may
    /// have been made all the same.
    pub async fn create_instance(&self, new: NewInstance) -> Result<CreatedInstance> {
        let instance_id = match new.instance_id {
            Some(id) => id,
            None => id::new_instance()?,
        };
        id::check("instance_id", &instance_id)?;
        id::check_name("display_name", &new.display_name, MAX_NAME_BYTES)?;
        let api_key = match new.api_key {
            Some(key) => key,
            None => key::new()?,
        };
        key::check(&api_key)?;
        let (names, now) = (&self.config.names, self.now());
        let name = if new.display_name.is_empty() { &instance_id } else { &new.display_name };
        let mut fields =
            vec![(member::DISPLAY_NAME.to_owned(), bytes(name)), (member::CREATED_AT.to_owned(), bytes(&now))];
        for (name, value) in metadata::fields(&new.metadata, self.config.max_metadata_bytes)? {
            fields.push((name, value.into()));
        }
        let mut ops = vec![
            is_registered(&instance_id).required(false),
            // Nothing that was left behind may open or describe the new one.
            Op::Delete { keys: vec![names.meta(&instance_id), names.keys(&instance_id)] },
            Op::SetAdd { key: INSTANCES.into(), members: vec![bytes(&instance_id)], ttl: None },
        ];
        if self.config.legacy_writes {
            fields.insert(0, (member::API_KEY.to_owned(), bytes(&api_key)));
        } else {
            let kept = vec![(key::hashed(api_key.as_bytes()), bytes(&now))];
            ops.push(hash_set(names.keys(&instance_id), kept, None));
        }
        ops.push(hash_set(names.meta(&instance_id), fields, None));
        match self.apply(ops).await {
            Ok(_) => Ok(CreatedInstance { instance_id, api_key }),
            Err(error) if unmet(&error).is_some() => {
                let text =
                    format!("there is an instance {instance_id:?} already; choose another id, or delete it first");
                Err(Error::new(ErrorKind::Conflict, text).with_context("instance_id", instance_id))
            }
            Err(error) => Err(error.with_context("instance_id", instance_id)),
        }
    }

    /// Whether this is the instance's key. `false` also for an instance that is unknown or has no key. Takes the same
    /// time whatever differs. A key that a process of the original wrote counts where no hashed one is kept.
    pub async fn validate_api_key(&self, instance_id: &str, api_key: &str) -> Result<bool> {
        let names = &self.config.names;
        if id::check("instance_id", instance_id).is_err() || key::check(api_key).is_err() {
            return Ok(false);
        }
        let ops = vec![
            is_registered(instance_id),
            Op::HashGetAll { key: names.keys(instance_id) },
            Op::HashGet { key: names.meta(instance_id), field: Bytes::from_static(member::API_KEY.as_bytes()) },
        ];
        let mut answers = self.apply_again(ops).await?;
        let registered = answers.flag()?;
        let (hashes, clear) = (answers.next()?.pairs()?, answers.next()?.value()?);
        let fits = key::is_valid(api_key, hashes.iter().map(|(hash, _)| &hash[..]), clear.as_deref());
        Ok(registered & fits)
    }

    /// Whether there is such an instance.
    pub async fn instance_exists(&self, instance_id: &str) -> Result<bool> {
        self.apply_again(vec![is_registered(instance_id)]).await?.flag()
    }

    /// All instances, sorted by their ids.
    pub async fn list_instances(&self) -> Result<Listing<Instance>> {
        let members = self.apply_again(vec![Op::SetMembers { key: INSTANCES.into() }]).await?.next()?.members()?;
        let mut listing = Listing { items: Vec::new(), skipped: Vec::new() };
        let mut ids = Vec::with_capacity(members.len());
        for member in members {
            match String::from_utf8(member.to_vec()) {
                Ok(id) if id::may_exist(&id) => ids.push(id),
                Ok(id) => listing.skipped.push(Skipped::new(&id, "its id is too long")),
                Err(_) => {
                    listing.skipped.push(Skipped::new(&String::from_utf8_lossy(&member), "its id is not text"));
                }
            }
        }
        ids.sort_unstable();
        for page in ids.chunks(PAGE) {
            match self.read_instances(page).await {
                Err(error) if error.kind() == ErrorKind::Invalid => {
                    // One of them is not what it should be: which?
                    for id in page {
                        let found = self.read_instances(std::slice::from_ref(id)).await;
                        listing.add(id, found.map(|mut found| found.pop().flatten()))?;
                    }
                }
                Err(error) => return Err(error),
                Ok(found) => {
                    for (id, found) in page.iter().zip(found) {
                        listing.add(id, Ok(found))?;
                    }
                }
            }
        }
        for skipped in &listing.skipped {
            warn!(instance_id = skipped.id, reason = skipped.reason, "an instance is left out of the list");
        }
        Ok(listing)
    }

    /// An instance; `None` when there is none, or nothing is known of it. `Malformed` when its record is broken.
    pub async fn get_instance(&self, instance_id: &str) -> Result<Option<Instance>> {
        if !id::may_exist(instance_id) {
            return Ok(None);
        }
        let found = self.read_instances(&[instance_id.to_owned()]).await?.pop().flatten();
        match found {
            Some(fields) if !fields.is_empty() => Instance::from_fields(instance_id, fields).map(Some),
            _ => Ok(None),
        }
    }

    /// Gives an instance another name (an empty one: its id) and sets metadata, leaving the other metadata, the key and
    /// the time of creation alone. Whether there is such an instance.
    pub async fn update_instance(&self, instance_id: &str, display_name: Option<&str>, metadata: &Map) -> Result<bool> {
        let mut fields = Vec::new();
        if let Some(name) = display_name {
            id::check_name("display_name", name, MAX_NAME_BYTES)?;
            let name = if name.is_empty() { instance_id } else { name };
            fields.push((member::DISPLAY_NAME.to_owned(), bytes(name)));
        }
        for (name, value) in metadata::fields(metadata, self.config.max_metadata_bytes)? {
            fields.push((name, value.into()));
        }
        if !id::may_exist(instance_id) {
            return Ok(false);
        }
        if fields.is_empty() {
            return self.instance_exists(instance_id).await;
        }
        let ops = vec![if_registered(instance_id), hash_set(self.config.names.meta(instance_id), fields, None)];
        match self.apply_again(ops).await {
            Ok(_) => Ok(true),
            Err(error) if unmet(&error).is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The fields of instances; `None` for those that there are not.
    async fn read_instances(&self, ids: &[String]) -> Result<Vec<Option<Vec<(String, Bytes)>>>> {
        let names = &self.config.names;
        let ops = ids.iter().flat_map(|id| [is_registered(id), Op::HashGetAll { key: names.meta(id) }]).collect();
        let mut answers = self.apply_again(ops).await?;
        ids.iter().map(|_| read_instance(&mut answers)).collect()
    }
}

fn read_instance(answers: &mut Answers) -> Result<Option<Vec<(String, Bytes)>>> {
    let registered = answers.flag()?;
    let pairs = answers.next()?.pairs()?;
    let fields = pairs.into_iter().map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), value));
    Ok(registered.then(|| fields.collect()))
}

impl Listing<Instance> {
    /// Takes a record, or tells why not. One that was deleted meanwhile is not told.
    fn add(&mut self, id: &str, found: Result<Option<Vec<(String, Bytes)>>>) -> Result<()> {
        let read = match found {
            Ok(None) => return Ok(()),
            Ok(Some(fields)) if fields.is_empty() => Err(Error::malformed("it has no record")),
            Ok(Some(fields)) => Instance::from_fields(id, fields),
            Err(error) => Err(error),
        };
        match read {
            Ok(instance) => self.items.push(instance),
            Err(error) if matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Invalid) => {
                self.skipped.push(Skipped::new(id, error.to_string()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
