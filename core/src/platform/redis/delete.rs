//! Deleting an instance, with everything that belongs to it.
//!
//! One batch takes it off the register and removes what has a fixed name; from then on nothing is added to it. Files, turns
//! and what is remembered of replies have a life of their own and are removed behind it; should the process die in between, they end by themselves.

use bytes::Bytes;

use super::access::bytes;
use super::{RedisPlatform, id};
use crate::envelope::Map;
use crate::error::Result;
use crate::store::Op;
use crate::topology::Name;
use crate::topology::redis_platform::{INSTANCES, member};

/// Belongings that are removed in one batch.
const PAGE: usize = 500;

/// What deleting an instance found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeletedInstance {
    /// Its id.
    pub instance_id: String,
    /// Whether there was such an instance.
    pub existed: bool,
    /// Keys that were removed, all in all.
    pub keys: u64,
    /// Users that were on its roster.
    pub users: u64,
    /// Files that were kept.
    pub files: u64,
    /// Turns that were kept.
    pub turns: u64,
    /// What was odd: `unknown_instance` (there was none; what was found under its id was removed), `no_record` (nothing
    /// was known of it), `no_key` (it had no key).
    pub warnings: Vec<&'static str>,
}

impl DeletedInstance {
    /// As a plain map.
    pub fn to_map(&self) -> Map {
        let mut map = Map::from([("instance_id", self.instance_id.as_str())]);
        map.insert("existed", self.existed);
        for (name, count) in [("keys", self.keys), ("users", self.users), ("files", self.files), ("turns", self.turns)]
        {
            map.insert(name, count);
        }
        map.insert("warnings", self.warnings.clone());
        map
    }
}

impl RedisPlatform {
    /// Removes an instance: its key, users, replies, files, turns, and the original's state of the channel. Deleting one
    /// that is not there is no error; it is told as a warning, and what lies about under its id is removed. State that
    /// other services keep elsewhere is theirs to remove.
    pub async fn delete_instance(&self, instance_id: &str) -> Result<DeletedInstance> {
        id::check("instance_id", instance_id)?;
        let names = &self.config.names;
        let users = names.users(instance_id);
        let mut state = names.channel_state(instance_id);
        state.push(names.wait_lock(instance_id));
        state.retain(|key| !key.is_empty());
        let replies = names.replies(instance_id);
        let delete = |key: &Name| Op::Delete { keys: vec![key.clone()] };
        let ops = vec![
            Op::SetRemove { key: INSTANCES.into(), members: vec![bytes(instance_id)] },
            Op::HashLen { key: users.clone() },
            Op::HashExists { key: names.meta(instance_id), field: Bytes::from_static(member::API_KEY.as_bytes()) },
            delete(&names.meta(instance_id)),
            delete(&names.keys(instance_id)),
            delete(&users),
            delete(&replies),
            Op::Delete { keys: state },
        ];
        let mut answers = self.apply(ops).await?;
        let mut deleted = DeletedInstance { instance_id: instance_id.to_owned(), ..DeletedInstance::default() };
        deleted.existed = answers.count()? > 0;
        deleted.users = answers.count()?;
        let in_clear = answers.flag()?;
        let (meta, keys) = (answers.count()?, answers.count()?);
        deleted.keys = meta + keys + answers.count()? + answers.count()? + answers.count()?;
        for (odd, warning) in [
            (!deleted.existed, "unknown_instance"),
            (deleted.existed && meta == 0, "no_record"),
            (deleted.existed && keys == 0 && !in_clear, "no_key"),
        ] {
            if odd {
                deleted.warnings.push(warning);
            }
        }
        self.delete_belongings(&mut deleted).await?;
        Ok(deleted)
    }

    async fn delete_belongings(&self, deleted: &mut DeletedInstance) -> Result<()> {
        let (names, id) = (&self.config.names, deleted.instance_id.clone());
        let key = names.belongings(&id);
        loop {
            let page = Op::SortedRange { key: key.clone(), from: f64::NEG_INFINITY, to: f64::INFINITY, count: PAGE };
            let members = self.apply_again(vec![page]).await?.next()?.scored()?;
            if members.is_empty() {
                return Ok(());
            }
            let members: Vec<Bytes> = members.into_iter().map(|(member, _)| member).collect();
            let (mut files, mut turns, mut marks) = (Vec::new(), Vec::new(), Vec::new());
            for member in &members {
                let text = std::str::from_utf8(member).unwrap_or_default();
                if let Some(file) = text.strip_prefix("file:") {
                    files.push(names.file(file));
                } else if let Some(turn) = text.strip_prefix("turn:") {
                    turns.push(names.turn(&id, turn));
                } else if let Some(mark) = text.strip_prefix("said:") {
                    marks.push(names.said(&id, mark));
                }
            }
            let mut ops = vec![Op::SortedRemove { key: key.clone(), members }];
            let kinds = [files, turns, marks].map(|keys| {
                let any = !keys.is_empty();
                ops.extend(any.then_some(Op::Delete { keys }));
                any
            });
            let mut answers = self.apply(ops).await?;
            answers.skip(1)?;
            let mut forgotten = 0;
            for (any, count) in kinds.into_iter().zip([&mut deleted.files, &mut deleted.turns, &mut forgotten]) {
                if any {
                    let removed = answers.count()?;
                    *count += removed;
                    deleted.keys += removed;
                }
            }
        }
    }
}
