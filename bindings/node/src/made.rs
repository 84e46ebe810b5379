//! Handles that are made at once, or why there are none: JavaScript makes the error.

// Arguments of what JavaScript calls are taken out of its values, hence owned.
#![allow(clippy::needless_pass_by_value)]

use napi_derive::napi;
use stargazer_core as sg;

use crate::bus::Bus;
use crate::error::Failure;
use crate::lease::{Lease, LeaseSettings};
use crate::lock::{Lock, LockSettings};
use crate::singleton::{Singleton, SingletonSettings};

/// A handle, or why there is none.
#[napi]
#[derive(Default)]
pub struct Made {
    lock: Option<Lock>,
    lease: Option<Lease>,
    singleton: Option<Singleton>,
    failure: Option<Failure>,
}

#[napi]
impl Made {
    /// A lock by its name, or by the id of a channel.
    #[napi(factory)]
    pub fn of_lock(bus: &Bus, name: String, of_channel: bool, settings: LockSettings) -> Self {
        Self::of(Lock::of(bus, &name, of_channel, settings), |made, lock| made.lock = Some(lock))
    }

    /// A lease by its name.
    #[napi(factory)]
    pub fn of_lease(bus: &Bus, name: String, settings: LeaseSettings) -> Self {
        Self::of(Lease::of(bus, &name, &settings), |made, lease| made.lease = Some(lease))
    }

    /// A singleton job by its name.
    #[napi(factory)]
    pub fn of_singleton(bus: &Bus, name: String, settings: SingletonSettings) -> Self {
        Self::of(Singleton::of(bus, &name, settings), |made, singleton| made.singleton = Some(singleton))
    }

    /// Why there is none; once.
    #[napi]
    pub fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// The lock; once.
    #[napi]
    pub fn lock(&mut self) -> Option<Lock> {
        self.lock.take()
    }

    /// The lease; once.
    #[napi]
    pub fn lease(&mut self) -> Option<Lease> {
        self.lease.take()
    }

    /// The singleton; once.
    #[napi]
    pub fn singleton(&mut self) -> Option<Singleton> {
        self.singleton.take()
    }
}

impl Made {
    fn of<T>(opened: sg::Result<T>, hold: impl FnOnce(&mut Self, T)) -> Self {
        let mut made = Self::default();
        match opened {
            Ok(handle) => hold(&mut made, handle),
            Err(error) => made.failure = Some(error.into()),
        }
        made
    }
}
