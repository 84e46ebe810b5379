//! Filling a server quickly, and the groups and sessions that the measurements use.

use std::time::Duration;

use stargazer_core::clock::SystemClock;
use stargazer_core::redis::{ConnectOptions, RedisTransport};
use stargazer_core::transport::{
    EntryId, Fetch, Group, Handed, Ordering, Refusal, Retention, Session, Settle, Transport, Verdict,
};
use stargazer_core::{Error, Result};

use super::meter::Meter;

const ACKED: Retention = Retention::Acked { cap: 10_000_000 };

/// Entries that one script of the seeding appends.
const CHUNK: usize = 20_000;

/// A transport that waits for slow answers.
pub(super) async fn connect(meter: &Meter<'_>) -> Result<RedisTransport> {
    let options = ConnectOptions::default().with_response_timeout(Duration::from_secs(60));
    RedisTransport::connect(&meter.server.url(), options, SystemClock::shared()).await
}

/// A group of this name on stream `s`.
pub(super) fn group(name: &str) -> Group {
    Group::new("s".into(), name.into(), Ordering::Lanes, ACKED)
}

/// Appends small entries, spread over lanes.
pub(super) fn append(meter: &Meter<'_>, entries: usize, lanes: usize) -> Result<()> {
    let script = "for i = ARGV[1], ARGV[2] do \
        redis.call('XADD', KEYS[1], '*', 'data', 'x', 'key', 'lane' .. (i % ARGV[3])) end";
    for from in (0..entries).step_by(CHUNK) {
        let to = (from + CHUNK).min(entries) - 1;
        let words = ["EVAL", script, "1", "s", &from.to_string(), &to.to_string(), &lanes.to_string()];
        meter.ask(&words)?;
    }
    Ok(())
}

/// A session of this name.
pub(super) async fn join(transport: &RedisTransport, group: &Group, name: &str) -> Result<Session> {
    transport.recreate(group).await?;
    in_force(transport.register(group, &name.into(), name).await?)
}

/// What a session that is in force is answered.
pub(super) fn in_force<T>(answer: Result<T, Refusal>) -> Result<T> {
    answer.map_err(|refusal| Error::internal(format!("the session was refused: {refusal:?}")))
}

/// A fetch.
pub(super) async fn fetch(
    transport: &RedisTransport,
    group: &Group,
    session: &Session,
    request: Fetch,
) -> Result<Vec<Handed>> {
    Ok(in_force(transport.fetch(group, session, &request).await?)?.entries)
}

/// Everything that is new goes to this session; how many entries that were.
pub(super) async fn fetch_all(transport: &RedisTransport, group: &Group, session: &Session) -> Result<usize> {
    let (mut cursor, mut total) = (EntryId::ZERO, 0);
    loop {
        let entries = fetch(
            transport,
            group,
            session,
            Fetch { cursor, count: 1000, max_bytes: 1 << 30, unweighed: false, new: true, wary: true },
        );
        let entries = entries.await?;
        let Some(last) = entries.last() else { return Ok(total) };
        cursor = last.id;
        total += entries.len();
    }
}

/// An outcome for an entry that was handed out.
pub(super) fn outcome(entry: &Handed, verdict: Verdict) -> Settle {
    Settle { id: entry.id, lane: entry.lane.clone(), verdict, body: None }
}
