//! The Redis platform: conversations ("instances") whose whole state lives on the server, used through an API.
//!
//! An instance has an id, which is the channel's id in the pipeline, keys that open it, and users, its roster. Messages
//! are injected, replies are kept in streams and told on the original's Pub/Sub channel, files are kept for a day.
//! Everything but the running inside a gateway needs a bus only, so an API may sit in any process.
//!
//! Every change is one batch that happens wholly or not at all, and asks in the same step whether there is the instance:
//! what is deleted stays deleted. Trouble of the server is an error, never an empty answer.

mod access;
mod adapter;
mod delete;
mod files;
mod id;
mod inject;
mod instances;
mod key;
mod kind;
mod metadata;
mod record;
mod replies;
mod reply;
mod say;
mod settings;
mod users;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use delete::DeletedInstance;
pub use files::StoredFile;
pub use id::MAX_ID_BYTES;
pub use inject::{Injected, Injection, RESERVED_EXTRA};
pub use instances::{CreatedInstance, NewInstance};
pub use key::MAX_KEY_BYTES;
pub(super) use kind::register;
pub use metadata::RESERVED;
pub use record::{Instance, Listing, Skipped, User};
pub use replies::{Replies, Reply};
pub use settings::RedisPlatformConfig;

use super::Intake;
use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::store::Store;

/// Name of the platform.
pub const PLATFORM: &str = "redis";

/// The Redis platform over a bus. Makes no connection of its own.
#[derive(Debug)]
pub struct RedisPlatform {
    publisher: Publisher,
    store: Store,
    config: RedisPlatformConfig,
    state: Mutex<State>,
}

/// Where its messages go.
#[derive(Debug)]
enum State {
    /// Not in a gateway: a way of its own.
    Alone(Intake),
    /// In a gateway.
    Running(Intake),
    /// Drained or stopped.
    Ended,
}

impl RedisPlatform {
    /// The platform on this bus. Does no I/O. `Invalid` naming the setting that is out of range.
    pub fn new(bus: impl Into<Publisher>, mut config: RedisPlatformConfig) -> Result<Self> {
        config.validate()?;
        config.names.plain_ids |= config.legacy_writes;
        let publisher = bus.into();
        let alone = Intake::new(publisher.clone(), PLATFORM);
        Ok(Self { store: publisher.store(), publisher, config, state: Mutex::new(State::Alone(alone)) })
    }

    /// Its settings.
    pub fn config(&self) -> &RedisPlatformConfig {
        &self.config
    }

    fn begin(&self, intake: Intake) {
        *self.state() = State::Running(intake);
    }

    fn end(&self) {
        *self.state() = State::Ended;
    }

    fn runs(&self) -> bool {
        matches!(*self.state(), State::Running(_))
    }

    fn intake(&self) -> Result<Intake> {
        match &*self.state() {
            State::Alone(intake) | State::Running(intake) => Ok(intake.clone()),
            State::Ended => Err(Error::closed("platform").with_context("platform", PLATFORM)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the page shows is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/redis-platform.md")]
struct Page;
