//! The catalog as this process knows it: read once, and again whenever it may have changed.
//!
//! A task follows it: it reads after every notice, after an outage, when somebody asks, and every [`LOOK`] in any case. What
//! cannot be read is told once per streak and tried again; what was read before stays in use. The task ends with the
//! [`Watch`], or with the bus.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::board::{Board, Version};
use super::{Arguments, Catalog};
use crate::clock::Clock;
use crate::envelope::{Map, json};
use crate::error::Result;
use crate::publish::Publisher;
use crate::store::{Heard, Subscription};

/// How often the version in force is looked at without a notice.
const LOOK: Duration = Duration::from_secs(30);

/// A version with the schemas of its tools, compiled when they are first needed.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) version: String,
    pub(super) catalog: Catalog,
    arguments: HashMap<String, OnceLock<Option<Arguments>>>,
}

impl Loaded {
    fn new(Version { version, catalog }: Version) -> Arc<Self> {
        let arguments = catalog.tools().iter().map(|tool| (tool.name.clone(), OnceLock::new())).collect();
        Arc::new(Self { version, catalog, arguments })
    }

    /// Checks the arguments of a tool of this version. `Invalid` when they do not fit.
    pub(super) fn check(&self, tool: &str, arguments: &Map) -> Result<()> {
        let (Some(definition), Some(lock)) = (self.catalog.get(tool), self.arguments.get(tool)) else { return Ok(()) };
        // An entry was checked when the catalog was read.
        match lock.get_or_init(|| Arguments::of(definition).ok()) {
            Some(schema) => schema.check(arguments),
            None => Ok(()),
        }
    }
}

/// Follows the catalog of a topology.
#[derive(Debug)]
pub(super) struct Watch {
    board: Board,
    /// Readings are made one at a time, and the latest stays.
    loaded: watch::Sender<Arc<Loaded>>,
    reading: tokio::sync::Mutex<()>,
    task: OnceLock<AbortHandle>,
}

impl Watch {
    /// Reads the catalog and follows it. Must be called inside a tokio runtime.
    pub(super) async fn open(bus: &Publisher) -> Result<Arc<Self>> {
        bus.ensure_open()?;
        let board = Board::new(bus);
        // In this order: what changes after the reading is heard.
        let ear = board.store().subscribe([board.channel().clone()]).await?;
        let (loaded, _) = watch::channel(Loaded::new(board.read().await?));
        let watch = Arc::new(Self { board, loaded, reading: tokio::sync::Mutex::default(), task: OnceLock::new() });
        let (weak, clock, mut closing) = (Arc::downgrade(&watch), bus.clock().clone(), bus.closing());
        let task = tokio::spawn(async move {
            tokio::select! {
                () = follow(&weak, ear, &*clock) => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        });
        // Nobody sets it before us.
        let _ = watch.task.set(task.abort_handle());
        bus.track(task_of(task));
        Ok(watch)
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// The catalog as it was read last.
    pub(super) fn loaded(&self) -> Arc<Loaded> {
        self.loaded.borrow().clone()
    }

    /// Told of every change.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Loaded>> {
        self.loaded.subscribe()
    }

    /// Reads the catalog again.
    ///
    /// The whole of it: a server that forgot everything counts its versions from the beginning, so that another catalog
    /// may stand under the number that is known.
    pub(super) async fn refresh(&self) -> Result<Arc<Loaded>> {
        let _one = self.reading.lock().await;
        let read = self.board.read().await?;
        let have = self.loaded();
        if read.version != have.version || read.catalog != have.catalog {
            self.loaded.send_replace(Loaded::new(read));
        }
        Ok(self.loaded())
    }

    fn is_news(&self, payload: &[u8]) -> bool {
        let told = json::decode(payload, &crate::envelope::Limits::default()).ok();
        let version = told.as_ref().and_then(|told| told.get("version"));
        let version = version.map(|version| version.as_str().map_or_else(|| json::encode(version), str::to_owned));
        let hash = told.as_ref().and_then(|told| told.get("schema_hash")).and_then(crate::envelope::Value::as_str);
        let have = self.loaded();
        // What cannot be understood may be news.
        version.as_deref() != Some(&have.version) || hash != Some(have.catalog.schema_hash())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// A task that may be aborted: closing the bus waits for it and does not mind.
fn task_of(task: tokio::task::JoinHandle<()>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        match task.await {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => {}
        }
    })
}

async fn follow(watch: &std::sync::Weak<Watch>, mut ear: Subscription, clock: &dyn Clock) {
    let mut failing = false;
    let mut pause = Duration::from_millis(100);
    loop {
        let wait = if failing { pause } else { LOOK };
        tokio::select! {
            heard = ear.next() => match heard {
                Ok(Heard::Notification { payload, .. }) => {
                    if !watch.upgrade().is_some_and(|watch| watch.is_news(&payload)) {
                        continue;
                    }
                }
                Ok(Heard::Resubscribed | Heard::Missed(_)) => {}
                Err(_) => return,
            },
            () = clock.sleep(wait) => {}
        }
        let Some(watch) = watch.upgrade() else { return };
        match watch.refresh().await {
            Ok(_) => {
                if failing {
                    tracing::info!("the tool catalog can be read again");
                }
                (failing, pause) = (false, Duration::from_millis(100));
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "the tool catalog cannot be read; the one before stays in use");
                }
                (failing, pause) = (true, (pause * 2).min(Duration::from_secs(5)));
            }
        }
    }
}
