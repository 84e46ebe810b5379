//! The command line of a run.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::actor::Profile;

/// Which language the workers are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// All of them in Rust.
    Rust,
    /// All of them in Python.
    Python,
    /// All of them in Node.
    Node,
    /// One after the other.
    Mix,
}

/// Settings of a run.
#[derive(Debug, Clone, clap::Args)]
pub struct RunOptions {
    /// Decides messages and faults: the same seed gives the same schedule (not the same timing).
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Messages that are published, at least.
    #[arg(long, default_value_t = 200_000)]
    pub messages: u64,
    /// Messages per second, at most.
    #[arg(long, default_value_t = 600)]
    pub rate: u64,
    /// Kinds of faults by name, comma-separated; all of them unless given. `none` for none.
    #[arg(long, value_delimiter = ',')]
    pub faults: Vec<String>,
    /// Language of the workers.
    #[arg(long, value_enum, default_value = "rust")]
    pub subject: Subject,
    /// Order that consumers keep.
    #[arg(long, default_value = "lanes")]
    pub ordering: String,
    /// A primary with replicas and sentinels instead of one server; then faults are failovers and those of processes.
    #[arg(long)]
    pub sentinels: bool,
    /// How quick a lease is.
    #[arg(long, value_enum, default_value = "test")]
    pub profile: Profile,
    /// Workers.
    #[arg(long, default_value_t = 4)]
    pub workers: usize,
    /// Gateways.
    #[arg(long, default_value_t = 2)]
    pub gateways: usize,
    /// Producers.
    #[arg(long, default_value_t = 2)]
    pub producers: usize,
    /// Lanes.
    #[arg(long, default_value_t = 400)]
    pub lanes: u32,
    /// Faults that begin in one period, at most.
    #[arg(long, default_value_t = 3)]
    pub together: u64,
    /// Where histories go; emptied first.
    #[arg(long, default_value = "target/chaos/run")]
    pub folder: PathBuf,
    /// File for the result (JSON).
    #[arg(long)]
    pub result: Option<PathBuf>,
}
