//! The command line of an actor.

use std::path::PathBuf;
use std::time::Duration;

use stargazer_core::{ConsumerBuilder, Ordering, envelope::Envelope};

use super::Failure;

/// How quick a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Lease 2 s, sweep 0.5 s, handlers at most 8 s.
    Test,
    /// What the product does unless told otherwise: lease 15 s, sweep 5 s.
    Default,
}

impl Profile {
    /// Lease and sweep.
    pub const fn lease(self) -> (Duration, Duration) {
        match self {
            Self::Test => (Duration::from_secs(2), Duration::from_millis(500)),
            Self::Default => (Duration::from_secs(15), Duration::from_secs(5)),
        }
    }

    /// How long a handler may run.
    pub const fn handler_timeout(self) -> Duration {
        match self {
            Self::Test => Duration::from_secs(8),
            Self::Default => Duration::from_secs(30),
        }
    }
}

/// What every actor is told.
#[derive(Debug, Clone, clap::Args)]
pub struct ActorOptions {
    /// Address of the server, often that of a fault proxy before it.
    #[arg(long)]
    pub url: String,
    /// File to write the history to.
    #[arg(long)]
    pub history: PathBuf,
    /// Number of this process life.
    #[arg(long)]
    pub actor: u32,
    /// How quick a lease is.
    #[arg(long, value_enum, default_value = "test")]
    pub profile: Profile,
    /// Order that consumers keep.
    #[arg(long, default_value = "lanes")]
    pub ordering: String,
    /// Handlers at a time.
    #[arg(long, default_value_t = 64)]
    pub concurrency: usize,
    /// Memory that the process may use, in MiB.
    #[arg(long, default_value_t = 1024)]
    pub memory: u64,
}

impl ActorOptions {
    /// A consumer's settings as the command line says.
    pub(super) fn apply<T: Envelope>(&self, builder: ConsumerBuilder<T>) -> Result<ConsumerBuilder<T>, Failure> {
        let (lease, sweep) = self.profile.lease();
        Ok(builder
            .name(format!("actor{}", self.actor))
            .ordering(self.ordering()?)
            .concurrency(self.concurrency)
            .lease(lease, sweep)
            .handler_timeout(self.profile.handler_timeout())
            .retry_backoff(Duration::from_millis(200), Duration::from_secs(2))
            .drain_timeout(Duration::from_secs(1)))
    }

    fn ordering(&self) -> Result<Ordering, Failure> {
        let named = Ordering::ALL.into_iter().find(|ordering| ordering.as_str() == self.ordering);
        named.ok_or_else(|| format!("there is no ordering {:?}", self.ordering).into())
    }
}

/// What a producer is told besides.
#[derive(Debug, Clone, clap::Args)]
pub struct ProducerOptions {
    /// What every actor is told.
    #[command(flatten)]
    pub actor: ActorOptions,
    /// Decides what the messages are like: the same seed and number give the same message, byte for byte.
    #[arg(long)]
    pub seed: u64,
    /// Number of the first message.
    #[arg(long)]
    pub first: u64,
    /// How many messages.
    #[arg(long)]
    pub messages: u64,
    /// Lanes to spread them over, from 0.
    #[arg(long, default_value_t = 300)]
    pub lanes: u32,
    /// Messages that may wait in the stream before the producer does.
    #[arg(long, default_value_t = 400)]
    pub window: u64,
    /// Messages per second, at most.
    #[arg(long, default_value_t = 1000)]
    pub rate: u64,
}
