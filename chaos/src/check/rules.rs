//! What is promised in this run, so that the checker expects neither more nor less: `rules.json` beside a history.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How a consumer orders work; decides what C5 and C7 ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// Order and exclusion in every lane.
    #[default]
    Lanes,
    /// One consumer has the whole stream; in a lane as `lanes`.
    Exclusive,
    /// Exclusion only.
    Lock,
    /// Neither.
    None,
}

impl Ordering {
    /// Whether a lane has an order.
    pub fn keeps_order(self) -> bool {
        matches!(self, Self::Lanes | Self::Exclusive)
    }

    /// Whether handlers of a lane exclude each other.
    pub fn excludes(self) -> bool {
        self != Self::None
    }
}

/// The settings of a run. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // independent facts about a run
pub struct Rules {
    /// Mode of the consumers.
    pub ordering: Ordering,
    /// Their lease.
    pub lease_ms: u64,
    /// Their sweep.
    pub sweep_ms: u64,
    /// Starts before an entry goes to the dead letters.
    pub max_attempts: u32,
    /// `SettleOk` is written for every outcome that the server recorded; without it the checker cannot tell an outcome
    /// that got lost from one that did not.
    pub settles_recorded: bool,
    /// Whoever writes `SettleOk` and `EffectOk` does so at the very moment (the simulation's server); else they are
    /// written when an answer is seen, and only `EffectFound` tells the server's order.
    pub exact: bool,
    /// Messages have ids, and within this time one is stored once; 0: no ids.
    pub dedupe_ms: u64,
    /// A frozen process may take this long after it wakes until its handlers have ended.
    pub wake_ms: u64,
    /// Process deaths that one poison may cause in one life of the server's memory (one more than `max_attempts` where acks
    /// were on their way).
    pub poison_deaths: u32,
    /// The time limit of a handler, after which it runs again; 0: none.
    pub handler_timeout_ms: u64,
    /// What a foreign consumer has held for so long may be taken over.
    pub stray_ms: u64,
    /// How long after its end a fault may still cause a redelivery; 0: one lease and one sweep.
    pub aftermath_ms: u64,
    /// By name of a fault: the longest recovery.
    pub recovery_ms: BTreeMap<String, u64>,
    /// The system was measured after the drain; a history without figures is then no pass.
    pub measured: bool,
    /// What memory, connections, tasks and files may grow over their base line, in percent.
    pub growth_percent: u64,
    /// Every fault must hit while at least this many messages are in flight; 0: not asked.
    pub in_flight: u64,
    /// Names of faults that must occur.
    pub required: Vec<String>,
    /// Phases (1 to 5) in which each kind of fault of the run must have hit messages.
    pub phases: Vec<u16>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            ordering: Ordering::Lanes,
            lease_ms: 2_000,
            sweep_ms: 500,
            max_attempts: 3,
            settles_recorded: false,
            exact: false,
            dedupe_ms: 600_000,
            wake_ms: 100,
            poison_deaths: 4,
            handler_timeout_ms: 0,
            stray_ms: 60_000,
            aftermath_ms: 0,
            recovery_ms: BTreeMap::new(),
            measured: false,
            growth_percent: 20,
            in_flight: 0,
            required: Vec::new(),
            phases: Vec::new(),
        }
    }
}

const MS: u64 = 1_000_000;

impl Rules {
    /// The rules beside a history; the defaults where there are none.
    pub fn read(folder: &Path) -> io::Result<Self> {
        match fs::read(folder.join("rules.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes them beside a history.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("rules.json"), serde_json::to_vec_pretty(self)?)
    }

    pub(super) fn lease(&self) -> u64 {
        self.lease_ms * MS
    }

    pub(super) fn wake(&self) -> u64 {
        self.wake_ms * MS
    }

    pub(super) fn stray(&self) -> u64 {
        self.stray_ms * MS
    }

    pub(super) fn aftermath(&self) -> u64 {
        if self.aftermath_ms == 0 { (self.lease_ms + self.sweep_ms) * MS } else { self.aftermath_ms * MS }
    }
}
