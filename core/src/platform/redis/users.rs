//! Users of an instance: its roster.
//!
//! As soon as an instance has a user, it is closed: only its users may write to it, under the names that they were
//! registered with.

use bytes::Bytes;
use tracing::warn;

use super::access::{bytes, hash_set, if_registered, unknown};
use super::instances::MAX_NAME_BYTES;
use super::record::{Listing, Skipped, User};
use super::{RedisPlatform, id, metadata};
use crate::envelope::{Envelope, Map, Value};
use crate::error::{Error, Result};
use crate::store::{Op, unmet};

impl RedisPlatform {
    /// Registers a user, or replaces it. `NotFound` without such an instance; `Invalid` or `TooLarge` naming what cannot
    /// be kept.
    pub async fn register_user(
        &self,
        instance_id: &str,
        user_id: &str,
        display_name: &str,
        metadata: Map,
    ) -> Result<User> {
        id::check("user_id", user_id)?;
        if !id::may_exist(instance_id) {
            return Err(unknown(instance_id));
        }
        id::check_name("display_name", display_name, MAX_NAME_BYTES)?;
        if display_name.trim().is_empty() {
            return Err(Error::invalid("a user needs a display_name: it is the name in the conversation")
                .with_context("field", "display_name"));
        }
        // What msgpack cannot hold no JSON of ours holds either: this bounds the nesting.
        let plain = Value::Map(metadata);
        plain.write(&self.publisher.limits())?;
        let Value::Map(metadata) = plain else { return Err(Error::internal("a map is a map")) };
        let registered_at = self.now();
        let user = User { user_id: user_id.to_owned(), display_name: display_name.to_owned(), metadata, registered_at };
        let record = user.to_record();
        metadata::check_size(record.len(), self.config.max_metadata_bytes)?;
        let fields = vec![(user_id.to_owned(), Bytes::from(record))];
        let ops = vec![if_registered(instance_id), hash_set(self.config.names.users(instance_id), fields, None)];
        match self.apply_again(ops).await {
            Ok(_) => Ok(user),
            Err(error) if unmet(&error).is_some() => Err(unknown(instance_id)),
            Err(error) => Err(error),
        }
    }

    /// The users of an instance, sorted by their ids; none of an unknown one.
    pub async fn list_users(&self, instance_id: &str) -> Result<Listing<User>> {
        let mut listing = Listing { items: Vec::new(), skipped: Vec::new() };
        if !id::may_exist(instance_id) {
            return Ok(listing);
        }
        let ops = vec![Op::HashGetAll { key: self.config.names.users(instance_id) }];
        let mut records = self.apply_again(ops).await?.next()?.pairs()?;
        records.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (id, record) in records {
            match std::str::from_utf8(&id).map_err(|_| Error::malformed("its id is not text")) {
                Ok(id) => match User::from_record(id, &record) {
                    Ok(user) => listing.items.push(user),
                    Err(error) => listing.skipped.push(Skipped::new(id, error.to_string())),
                },
                Err(error) => listing.skipped.push(Skipped::new(&String::from_utf8_lossy(&id), error.to_string())),
            }
        }
        for skipped in &listing.skipped {
            warn!(instance_id, user_id = skipped.id, reason = skipped.reason, "a user is left out of the list");
        }
        Ok(listing)
    }

    /// A user; `None` when there is none. A broken record counts as none; a warning is logged.
    pub async fn get_user(&self, instance_id: &str, user_id: &str) -> Result<Option<User>> {
        if !id::may_exist(instance_id) {
            return Ok(None);
        }
        let ops = vec![Op::HashGet { key: self.config.names.users(instance_id), field: bytes(user_id) }];
        let record = self.apply_again(ops).await?.next()?.value()?;
        Ok(record.and_then(|record| readable(instance_id, user_id, &record)))
    }

    /// Takes a user off the roster; whether it was on it. Without its last user an instance is open again.
    pub async fn delete_user(&self, instance_id: &str, user_id: &str) -> Result<bool> {
        if !id::may_exist(instance_id) {
            return Ok(false);
        }
        let op = Op::HashDelete { key: self.config.names.users(instance_id), fields: vec![bytes(user_id)] };
        Ok(self.apply(vec![op]).await?.count()? > 0)
    }

    /// Whether a user is on the roster, readable or not.
    pub async fn user_exists(&self, instance_id: &str, user_id: &str) -> Result<bool> {
        if !id::may_exist(instance_id) {
            return Ok(false);
        }
        let op = Op::HashExists { key: self.config.names.users(instance_id), field: bytes(user_id) };
        self.apply_again(vec![op]).await?.flag()
    }

    /// Whether anybody is on the roster: whether the instance is closed.
    pub async fn has_users(&self, instance_id: &str) -> Result<bool> {
        if !id::may_exist(instance_id) {
            return Ok(false);
        }
        let op = Op::HashLen { key: self.config.names.users(instance_id) };
        Ok(self.apply_again(vec![op]).await?.count()? > 0)
    }
}

/// The user of a record; none, and a warning, where it cannot be read.
pub(super) fn readable(instance_id: &str, user_id: &str, record: &[u8]) -> Option<User> {
    let user = User::from_record(user_id, record);
    user.inspect_err(|error| warn!(instance_id, user_id, %error, "a user's record cannot be read and counts as none"))
        .ok()
}
