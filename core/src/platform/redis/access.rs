//! How the platform reaches its keys: batches that are carried out as a whole or not at all.
//!
//! Trouble of the server is an error everywhere. What may be repeated without doing harm is tried a few times first, so
//! that a short break of the connection is not told.

use std::time::Duration;

use bytes::Bytes;

use super::RedisPlatform;
use crate::envelope::isoformat;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Answer, Op};
use crate::topology::Name;
use crate::topology::redis_platform::INSTANCES;

/// Pauses between the tries of what may be repeated.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];

impl RedisPlatform {
    /// Carries a batch out, once.
    pub(super) async fn apply(&self, ops: Vec<Op>) -> Result<Answers> {
        Ok(Answers(self.store.apply(ops).await?.into_iter()))
    }

    /// Carries a batch out that may be repeated.
    pub(super) async fn apply_again(&self, ops: Vec<Op>) -> Result<Answers> {
        for pause in PAUSES {
            match self.apply(ops.clone()).await {
                Err(error) if error.retryable() => self.publisher.clock().sleep(pause).await,
                done => return done,
            }
        }
        self.apply(ops).await
    }

    /// Now, as the original writes times.
    pub(super) fn now(&self) -> String {
        isoformat(self.publisher.clock().wall_ms() * 1000)
    }
}

/// The answers to a batch, taken one after the other.
pub(super) struct Answers(std::vec::IntoIter<Answer>);

impl Answers {
    pub(super) fn next(&mut self) -> Result<Answer> {
        self.0.next().ok_or_else(|| Error::internal("a batch gave fewer answers than it has operations"))
    }

    pub(super) fn flag(&mut self) -> Result<bool> {
        self.next()?.flag()
    }

    /// A number of things.
    pub(super) fn count(&mut self) -> Result<u64> {
        Ok(self.next()?.number()?.unsigned_abs())
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.next()?;
        }
        Ok(())
    }
}

/// Text as it goes to the server.
pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Whether there is such an instance.
pub(super) fn is_registered(instance: &str) -> Op {
    Op::SetContains { key: INSTANCES.into(), member: bytes(instance) }
}

/// Only if there is such an instance.
pub(super) fn if_registered(instance: &str) -> Op {
    is_registered(instance).required(true)
}

pub(super) fn hash_set(key: Name, fields: Vec<(String, Bytes)>, ttl: Option<Duration>) -> Op {
    Op::HashSet { key, fields: fields.into_iter().map(|(name, value)| (name.into(), value)).collect(), ttl }
}

/// There is no such instance.
pub(super) fn unknown(instance: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no instance {instance:?}; create it first"))
        .with_context("instance_id", instance)
}
