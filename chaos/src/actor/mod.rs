//! The processes of a run over a real server: workers, gateways and producers.
//!
//! Each is a process of its own that the run may kill, stop or cut off, speaks with the bus through the public surface
//! alone, and writes what happens to a history of its own. The command line and what is written are the same for
//! actors in other languages; `chaos/README.md` describes both.

mod gateway;
mod options;
mod pen;
mod plan;
mod producer;
mod serve;
mod worker;

use std::process::ExitCode;

pub use options::{ActorOptions, ProducerOptions, Profile};
pub use pen::{Pen, fnv1a, now_ns};
pub(crate) use plan::Dice;
pub use plan::{Deed, PLATFORM, Plan, effect_lane, effect_number, is_effect, lane_name, lane_number, message_id};
pub(crate) use producer::publish;
pub use serve::CAP;

/// Which part a process plays.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Role {
    /// Handles messages and answers them.
    Worker(ActorOptions),
    /// Receives the answers.
    Gateway(ActorOptions),
    /// Publishes messages.
    Producer(ProducerOptions),
}

/// Plays the part until it is done or told to end (`SIGTERM`).
pub fn play(role: Role) -> ExitCode {
    // Several threads: a handler that holds its own must not hold the renewal of the leases.
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let played = runtime.block_on(async {
        match role {
            Role::Worker(options) => worker::play(options).await,
            Role::Gateway(options) => gateway::play(options).await,
            Role::Producer(options) => producer::play(options).await,
        }
    });
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

/// Threads of an actor.
const THREADS: usize = 3;

/// What an actor may fail with: anything that a person can read.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[allow(clippy::print_stderr, reason = "the run keeps what its processes say")]
fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("sg-chaos: {error}");
    ExitCode::FAILURE
}
