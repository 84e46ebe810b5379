//! Locks, leases and jobs that run once in the fleet.

use super::Bus;
use crate::error::{Error, Result};
use crate::lock::{Lease, LeaseOptions, Lock, LockOptions, Singleton, SingletonOptions};
use crate::topology::{channel_lock, named_lock};

impl Bus {
    /// A lock over the fleet. Nothing is taken before [`Lock::acquire`]. A name with a colon is the key itself.
    ///
    /// `Invalid` for a name or settings out of range.
    pub fn lock(&self, name: &str, options: LockOptions) -> Result<Lock> {
        Lock::new(self, named_lock(named(name)?), options)
    }

    /// The original's lock of a channel, by the channel's id or its key; the one that workers in mode `lock` take.
    pub fn channel_lock(&self, id: &str, options: LockOptions) -> Result<Lock> {
        Lock::new(self, channel_lock(named(id)?), options)
    }

    /// Leadership under a name. Nobody leads before [`Lease::acquire`].
    pub fn lease(&self, name: &str, options: &LeaseOptions) -> Result<Lease> {
        Lease::new(self, name, options)
    }

    /// A job that runs on one process of the fleet at a time. Nothing runs before [`Singleton::run`].
    pub fn singleton(&self, name: &str, options: &SingletonOptions) -> Result<Singleton> {
        Singleton::new(self, name, options)
    }
}

/// Nobody means a lock without a name.
fn named(name: &str) -> Result<&str> {
    if name.is_empty() {
        return Err(Error::invalid("the name of a lock has 1 to 512 bytes").with_context("argument", "name"));
    }
    Ok(name)
}
