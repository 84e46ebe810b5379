//! The command line. The texts of its members are what `--help` shows.

#![allow(clippy::doc_markdown, reason = "back-ticks would stand in the help")]

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::duration::duration;
use crate::roles::MAX_ATTEMPTS;
use stargazer_core::{LockId, Ordering, VERSION};

/// stargazer: a message bus for chat systems, and the services of a deployment
#[derive(Debug, Parser)]
#[command(name = "stargazer", version = VERSION, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// What is logged: a level (error, warn, info, debug, trace, off), or levels by module such as
    /// info,stargazer_core=debug [default: warn for chat, dev --demo and dev on a terminal, else info; environment: SG_LOG]
    #[arg(long, global = true, value_name = "LEVELS")]
    pub log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Everything in one process: gateway (webchat) and inference (scripted model), on an engine of its own
    Dev(DevArgs),
    /// Runs the platforms: takes their messages to the bus and performs the answers
    Gateway(GatewayArgs),
    /// Answers messages
    Inference(InferenceArgs),
    /// Talks to a gateway from the terminal
    Chat(ChatArgs),
    /// Looks whether a server is safe to keep messages on; exit code 1 when something is bad
    Doctor(DoctorArgs),
    /// Looks at the entries that were given up, puts them back, throws them away
    DeadLetters(LetterArgs),
    /// Shows the life of a message by its trace id, as the processes of the fleet told it
    Trace(TraceArgs),
}

#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    /// The trace id
    pub trace_id: String,
    #[command(flatten)]
    pub server: ServerArgs,
    /// For people, or for programs
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub output: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct LetterArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Stream of the dead letters [default: the one this fleet writes them to]
    #[arg(long, global = true, value_name = "NAME")]
    pub stream: Option<String>,
    /// For people, or for programs
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value = "text")]
    pub output: OutputFormat,
    #[command(subcommand)]
    pub command: LetterCommand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum LetterCommand {
    /// How many there are, by reason and by stream
    Count(CountArgs),
    /// A page of them, the newest first
    List(ListArgs),
    /// One of them, with its body and history
    Show {
        /// Its id among the dead letters
        id: String,
    },
    /// Puts letters back into the streams they came from
    Replay(ReplayArgs),
    /// Throws letters away
    Discard(DiscardArgs),
}

#[derive(Debug, Args)]
pub(super) struct CountArgs {
    #[command(flatten)]
    pub filter: MeantArgs,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub filter: MeantArgs,
    /// The oldest first
    #[arg(long)]
    pub oldest_first: bool,
    /// At most this many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Where the page before ended
    #[arg(long, value_name = "ID")]
    pub cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The letters; or give a filter, or --all
    pub ids: Vec<String>,
    #[command(flatten)]
    pub filter: MeantArgs,
    /// Every letter
    #[arg(long)]
    pub all: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// At most this many, 1 to 10,000 [default: 100, or as many as are named]
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// At most this many a second
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
}

#[derive(Debug, Args)]
pub(super) struct DiscardArgs {
    /// The letters; or give a filter and --count
    pub ids: Vec<String>,
    #[command(flatten)]
    pub filter: MeantArgs,
    /// How many letters the filter must mean; if it means another number, nothing is removed
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Which letters")]
pub(super) struct MeantArgs {
    /// Stream that the entry came from
    #[arg(long, value_name = "NAME")]
    pub from: Option<String>,
    /// Code of the reason, such as rejected, max_attempts, crashed, malformed, unknown
    #[arg(long, value_name = "CODE")]
    pub reason: Option<String>,
    /// The entry's lane
    #[arg(long, value_name = "LANE")]
    pub lane: Option<String>,
    /// Group that gave it up
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Consumer that gave it up
    #[arg(long, value_name = "NAME")]
    pub consumer: Option<String>,
    /// A text in the error, in any case
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// The entry's message id
    #[arg(long, value_name = "ID")]
    pub message_id: Option<String>,
    /// The entry's trace id
    #[arg(long, value_name = "ID")]
    pub trace_id: Option<String>,
    /// Given up within this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub newer_than: Option<Duration>,
    /// Given up before this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// Started at least this often
    #[arg(long, value_name = "N")]
    pub min_attempts: Option<u64>,
    /// Only those that can be put back, or only those that cannot
    #[arg(long, value_name = "BOOL")]
    pub replayable: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Run on this Redis instead (redis://, rediss://, unix:// or redis+sentinel://); REDIS_URL is not looked at
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
    /// Play a conversation of 30 messages; stay as a chat on a terminal, end without one
    #[arg(long)]
    pub demo: bool,
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub platform: PlatformArgs,
    #[command(flatten)]
    pub work: WorkArgs,
}

#[derive(Debug, Args)]
pub(super) struct GatewayArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub platform: PlatformArgs,
    #[command(flatten)]
    pub lease: LeaseArgs,
}

#[derive(Debug, Args)]
pub(super) struct InferenceArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub order: OrderArgs,
    #[command(flatten)]
    pub lease: LeaseArgs,
}

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// Address of the Redis (redis://, rediss://, unix:// or redis+sentinel://) [environment: REDIS_URL]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    /// Address of the Redis (redis://, rediss:// or unix://) [environment: REDIS_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub redis: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    /// Port for HTTP, 0 for any free one [default: 8420 for dev, 9090 for roles, or the next free one; environment:
    /// SG_PORT]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Address for HTTP [default: 127.0.0.1; environment: SG_BIND]. There are no keys yet: who reaches it may use it
    #[arg(long, value_name = "IP")]
    pub bind: Option<IpAddr>,
    /// How long to wait for a Redis that cannot be reached at start; 0s fails at the first refusal
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// How long work in hand may go on after a signal to stop
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// How long /readyz says draining before anything stops, for load balancers
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub drain_delay: Duration,
}

#[derive(Debug, Args)]
pub(super) struct PlatformArgs {
    /// An instance of webchat; may be given several times
    #[arg(long = "instance", value_name = "ID", default_value = "demo")]
    pub instances: Vec<String>,
    /// A platform to run beside webchat: redis; may be given several times
    #[arg(long = "platform", value_name = "KIND", value_parser = ["redis"])]
    pub platforms: Vec<String>,
    /// On the platform redis, write what processes of the original read
    #[arg(long)]
    pub legacy_platform_writes: bool,
    /// Largest body of a request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 8 * 1024 * 1024)]
    pub max_body: usize,
}

#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    /// Messages answered at the same time
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub concurrency: usize,
    /// Attempts at a message before it goes to the dead letters
    #[arg(long, value_name = "N", default_value_t = MAX_ATTEMPTS)]
    pub max_attempts: u32,
    /// Pause before the second attempt; each further one is twice as long [default: 1s, for dev 200ms]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub retry_base: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct OrderArgs {
    /// Which order the workers keep, all of them the same: lanes, exclusive, none, lock
    #[arg(long, value_name = "MODE", default_value = "lanes", value_parser = ordering)]
    pub ordering: Ordering,
    /// With --ordering lock, what the locks of channels are named after: both, channel_id, channel_key
    #[arg(long, value_name = "ID", default_value = "both", value_parser = lock_id)]
    pub lock_id: LockId,
}

fn ordering(text: &str) -> Result<Ordering, String> {
    one_of(text, &Ordering::ALL.map(|mode| (mode.as_str(), mode)))
}

fn lock_id(text: &str) -> Result<LockId, String> {
    one_of(text, &LockId::ALL.map(|id| (id.as_str(), id)))
}

fn one_of<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, String> {
    known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        format!("one of {}", words.join(", "))
    })
}

#[derive(Debug, Args)]
pub(super) struct LeaseArgs {
    /// A process that gives no sign of life for so long has lost its work
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub lease: Duration,
    /// How quickly that is noticed
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub sweep: Duration,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// How long to wait for a server that cannot be reached; 0s fails at the first refusal
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub connect_timeout: Duration,
}

#[derive(Debug, Args)]
pub(super) struct ChatArgs {
    /// Address of the gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8420")]
    pub url: String,
    /// The instance to talk to
    #[arg(long, value_name = "ID", default_value = "demo")]
    pub instance: String,
    /// Who you are
    #[arg(long, value_name = "NAME", default_value = "you")]
    pub user: String,
    /// Channel of the instance [default: your own]
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_role_takes_its_settings() {
        let line = "stargazer inference --redis redis://h:1 --port 0 --lease 2s --sweep 500ms --log debug";
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Inference(options) = arguments.command else { panic!("{:?}", arguments.command) };
        assert_eq!(options.server.redis.as_deref(), Some("redis://h:1"));
        assert_eq!((options.lease.lease, options.lease.sweep), (Duration::from_secs(2), Duration::from_millis(500)));
        assert_eq!((options.common.port, arguments.log.as_deref()), (Some(0), Some("debug")));
        assert_eq!((options.order.ordering, options.order.lock_id), (Ordering::Lanes, LockId::Both));
    }

    #[test]
    fn workers_keep_an_order_that_exists() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        let arguments = parse("stargazer inference --ordering lock --lock-id channel_id").unwrap();
        let Command::Inference(options) = arguments.command else { panic!("{:?}", arguments.command) };
        assert_eq!((options.order.ordering, options.order.lock_id), (Ordering::Lock, LockId::ChannelId));
        let error = parse("stargazer inference --ordering any").unwrap_err().to_string();
        assert!(error.contains("one of lanes, exclusive, none, lock"), "{error}");
    }
}
