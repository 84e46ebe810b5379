//! What only a real server shows: addresses and passwords, connections that break, full memory, keys of a wrong kind,
//! forgotten scripts, blocking reads. What both transports must do stands in `conformance`.

mod connecting;
mod dedupe;
mod doctor;
mod durability;
mod failover;
mod herd;
mod locks;
mod lossy;
mod memory;
mod outcomes;
mod refusals;
mod sentinel;
mod store;
mod tls;
mod traces;
mod trimming;
mod trouble;
mod unweighed;
mod waiting;

use std::future::Future;
use std::time::Duration;

use stargazer_core::clock::SystemClock;
use stargazer_core::redis::{ConnectOptions, RedisTransport};
use stargazer_core::transport::{
    Append, EntryId, Fetch, Fields, Group, Handed, Ordering, Retention, Session, Settle, Transport, Verdict,
};
use stargazer_core::{Error, Result};
use stargazer_tests::{Options, Reply, Server};

/// A case that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);

const ACKED: Retention = Retention::Acked { cap: 1_000_000 };

fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, case).await.expect("the case hangs") });
}

async fn connect(url: &str, options: ConnectOptions) -> Result<RedisTransport> {
    RedisTransport::connect(url, options, SystemClock::shared()).await
}

/// A server and a transport that gives up soon.
async fn start(options: Options) -> (Server, RedisTransport) {
    let server = Server::start_with(options).unwrap();
    let patience = ConnectOptions::default().with_wait(Duration::ZERO).with_max_backoff(Duration::from_millis(20));
    let transport = connect(&server.url(), patience).await.unwrap();
    (server, transport)
}

fn integer(server: &Server, words: &[&str]) -> i64 {
    match server.command(words).unwrap() {
        Reply::Int(n) => n,
        other => panic!("{words:?} answered {other:?}"),
    }
}

fn fields(pairs: &[(&'static str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().to_vec().into())).collect()
}

fn entry(lane: &str, text: &str) -> Append {
    Append::new("s".into(), fields(&[("data", text), ("key", lane)]))
}

async fn publish(transport: &RedisTransport, entry: Append) -> Result<EntryId> {
    transport.append(vec![entry]).await.remove(0).map(|appended| appended.id)
}

/// A group on stream `s` with one session.
async fn join(transport: &RedisTransport, group: &Group, name: &str) -> Session {
    transport.recreate(group).await.unwrap();
    transport.register(group, &name.into(), name).await.unwrap().unwrap()
}

fn group(name: &str, retention: Retention) -> Group {
    Group::new("s".into(), name.into(), Ordering::Lanes, retention)
}

async fn fetch(transport: &RedisTransport, group: &Group, session: &Session, count: usize) -> Vec<Handed> {
    let request = Fetch { cursor: EntryId::ZERO, count, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
    transport.fetch(group, session, &request).await.unwrap().unwrap().entries
}

fn ack(entry: &Handed) -> Settle {
    Settle { id: entry.id, lane: entry.lane.clone(), verdict: Verdict::Ack, body: None }
}

fn context<'a>(error: &'a Error, key: &str) -> Option<&'a str> {
    error.context().iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
}
