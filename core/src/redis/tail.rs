//! Reading streams without a group as entries come: one connection, on which one blocking read stands for all tails of
//! a transport.
//!
//! When a stream joins that the read does not cover, the read is ended from the connection for commands (`CLIENT UNBLOCK`)
//! and started again with it; a user who may not do that pays with a new connection. A tail that is dropped is simply
//! no longer there when the read ends.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::{Pipeline, PushInfo, RedisError, Value};
use tokio::sync::{Notify, oneshot, watch};

use super::link::{Link, unwrapped};
use super::parse;
use super::store::explained;
use super::supervisor::{How, Opened};
use crate::error::{Error, ErrorKind, Result};
use crate::topology::Name;
use crate::transport::{Entry, EntryId, Kind, check};

/// The longest blocking read: one on a connection that was cut silently is noticed after it.
const BLOCK: Duration = Duration::from_secs(5);

type Read = Pin<Box<dyn Future<Output = Result<Value, RedisError>> + Send>>;

/// All tails of a transport.
#[derive(Debug)]
pub(super) struct Tails {
    shared: Arc<Shared>,
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared {
    link: Arc<Link>,
    wanted: Mutex<Wanted>,
    joined: Notify,
}

#[derive(Debug, Default)]
struct Wanted {
    next: u64,
    tails: BTreeMap<u64, Tail>,
    /// Somebody reads for them.
    read: bool,
}

#[derive(Debug)]
struct Tail {
    stream: Name,
    after: EntryId,
    count: usize,
    tell: oneshot::Sender<Result<Vec<Entry>>>,
}

/// What a blocking read asks for: streams with the id after which, and the most entries of each.
#[derive(Debug, Default)]
struct Round {
    streams: HashMap<Name, EntryId>,
    count: usize,
}

/// Takes a tail out when its future is dropped.
struct Ticket<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.shared.wanted().tails.remove(&self.number);
    }
}

impl Tails {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let shared = Shared { link, wanted: Mutex::default(), joined: Notify::new() };
        Self { shared: Arc::new(shared), closed: watch::Sender::new(false) }
    }

    /// Entries after an id, as soon as there are any.
    pub(super) async fn tail(&self, stream: &Name, after: EntryId, count: usize, wait: Duration) -> Result<Vec<Entry>> {
        check::tail(stream, count)?;
        let shared = &*self.shared;
        shared.link.check_open()?;
        let (tell, told) = oneshot::channel();
        let ticket = {
            let mut wanted = shared.wanted();
            let number = wanted.next;
            wanted.next += 1;
            wanted.tails.insert(number, Tail { stream: stream.clone(), after, count, tell });
            if !std::mem::replace(&mut wanted.read, true) {
                tokio::spawn(read_on(self.shared.clone(), self.closed.subscribe()));
            }
            Ticket { shared, number }
        };
        shared.joined.notify_one();
        let answer = tokio::select! {
            biased;
            answer = told => answer.unwrap_or_else(|_| Err(Error::closed("transport"))),
            () = shared.link.closed() => Err(Error::closed("transport")),
            () = shared.link.clock().sleep(wait) => Ok(Vec::new()),
        };
        drop(ticket);
        answer
    }

    /// Ends all tails.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
        self.shared.wanted().tails.clear();
    }
}

impl Drop for Tails {
    fn drop(&mut self) {
        self.close();
    }
}

/// Reads for all tails until the transport is closed.
async fn read_on(shared: Arc<Shared>, mut closed: watch::Receiver<bool>) {
    let reading = async {
        let mut line: Option<Line> = None;
        loop {
            let round = shared.round();
            if round.streams.is_empty() {
                shared.joined.notified().await;
                continue;
            }
            if let Err(error) = shared.read(&mut line, &round).await {
                line = None;
                shared.fail(&round, &error);
            }
        }
    };
    tokio::select! {
        () = reading => {}
        // The sender's end is a close as well.
        _ = closed.wait_for(|closed| *closed) => {}
    }
}

/// The connection for blocking reads, and its number for the server.
struct Line {
    opened: Opened,
    number: Option<i64>,
}

impl Shared {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a read must ask for to serve everybody.
    fn round(&self) -> Round {
        let mut round = Round::default();
        for tail in self.wanted().tails.values() {
            let after = round.streams.entry(tail.stream.clone()).or_insert(tail.after);
            *after = tail.after.min(*after);
            round.count = round.count.max(tail.count);
        }
        round
    }

    /// Whether a read serves everybody.
    fn is_covered(&self, round: &Round) -> bool {
        let covers = |tail: &Tail| round.streams.get(&tail.stream).is_some_and(|after| *after <= tail.after);
        self.wanted().tails.values().all(covers)
    }

    /// One blocking read, and what it brings to whom it concerns. An error concerns everybody of the round.
    async fn read(&self, line: &mut Option<Line>, round: &Round) -> Result<()> {
        let primary = self.link.supervisor.primary();
        if line.as_ref().is_some_and(|line| line.opened.primary != primary) {
            *line = None;
        }
        let open = match line {
            Some(open) => open,
            None => line.insert(self.open().await?),
        };
        let (primary, number) = (open.opened.primary, open.number);
        let mut read = start(open, round);
        let overdue = self.link.clock().sleep(BLOCK + self.link.target().options.response_timeout);
        tokio::pin!(overdue);
        let reply = loop {
            tokio::select! {
                biased;
                reply = &mut read => break reply.and_then(unwrapped),
                () = self.joined.notified() => {
                    if !self.is_covered(round) && !self.unblock(number).await {
                        *line = None;
                        return Ok(());
                    }
                }
                () = self.link.supervisor.moved_from(primary) => {
                    *line = None;
                    return Ok(());
                }
                () = &mut overdue => {
                    return Err(Error::new(ErrorKind::Timeout, "the server did not answer in time; try again")
                        .with_context("server", self.link.target().shown()));
                }
            }
        };
        match reply {
            Ok(reply) => self.deal_out(reply),
            Err(error) if super::error::was_refused(&error) => self.blame(round, &error).await,
            Err(error) => Err(self.link.explain(&error)),
        }
    }

    async fn open(&self) -> Result<Line> {
        let deaf = |_: PushInfo| Ok::<(), Error>(());
        // No time limit of the client: the read ends by its own.
        let opened = self.link.supervisor.open(How::default(), None, deaf, &Pipeline::new()).await?;
        let mut asked = ::redis::cmd("CLIENT");
        asked.arg("ID");
        let number = match opened.connection.clone().send_packed_command(&asked).await {
            Ok(Value::Int(number)) => Some(number),
            _ => None,
        };
        Ok(Line { opened, number })
    }

    /// Ends the read under way; whether that worked.
    async fn unblock(&self, number: Option<i64>) -> bool {
        let Some(number) = number else { return false };
        let mut cmd = ::redis::cmd("CLIENT");
        cmd.arg("UNBLOCK").arg(number);
        self.link.command(&cmd).await.is_ok()
    }

    /// Gives entries to the tails that they are for.
    fn deal_out(&self, reply: Value) -> Result<()> {
        for (name, entries) in parse::streams(reply)? {
            let (name, entries) = (parse::text(name)?, parse::entries(entries)?);
            let mut wanted = self.wanted();
            let numbers: Vec<u64> = wanted.tails.iter().filter(|(_, t)| *t.stream == *name).map(|(n, _)| *n).collect();
            for number in numbers {
                let Some(tail) = wanted.tails.get(&number) else { continue };
                let new = entries.iter().filter(|entry| entry.id > tail.after).take(tail.count);
                let new: Vec<Entry> = new.cloned().collect();
                if !new.is_empty()
                    && let Some(tail) = wanted.tails.remove(&number)
                {
                    // Whoever dropped it meanwhile reads from the same id again.
                    let _ = tail.tell.send(Ok(new));
                }
            }
        }
        Ok(())
    }

    /// The server refused a read: finds the streams that it refuses and tells those who want them.
    async fn blame(&self, round: &Round, error: &RedisError) -> Result<()> {
        let streams: Vec<(&Name, &EntryId)> = round.streams.iter().collect();
        let mut pipeline = Pipeline::new();
        for (stream, after) in &streams {
            pipeline.cmd("XREAD").arg("COUNT").arg(1).arg("STREAMS").arg(&***stream).arg(after.to_string());
        }
        let replies = self.link.pipeline(&pipeline).await.map_err(Error::from)?;
        let mut blamed = false;
        for ((stream, _), reply) in streams.into_iter().zip(replies) {
            let Err(error) = unwrapped(reply) else { continue };
            blamed = true;
            let error = self.link.explain(&error);
            let error = match error.kind() {
                ErrorKind::Invalid => explained(&self.link, error, stream, Kind::Stream).await,
                _ => error.with_context("stream", stream),
            };
            self.fail_those(&error, |tail| tail.stream == *stream);
        }
        // A read that `UNBLOCKED` ended, or something that is over.
        if blamed || super::error::is_misplaced(error.code().unwrap_or_default()) {
            Ok(())
        } else {
            Err(self.link.explain(error))
        }
    }

    fn fail(&self, round: &Round, error: &Error) {
        self.fail_those(error, |tail| round.streams.contains_key(&tail.stream));
    }

    fn fail_those(&self, error: &Error, concerned: impl Fn(&Tail) -> bool) {
        let mut wanted = self.wanted();
        let numbers: Vec<u64> = wanted.tails.iter().filter(|(_, tail)| concerned(tail)).map(|(n, _)| *n).collect();
        for number in numbers {
            if let Some(tail) = wanted.tails.remove(&number) {
                // Whoever dropped it meanwhile does not mind.
                let _ = tail.tell.send(Err(error.clone()));
            }
        }
    }
}

/// Starts a blocking read.
fn start(line: &Line, round: &Round) -> Read {
    let mut cmd = ::redis::cmd("XREAD");
    cmd.arg("COUNT").arg(round.count).arg("BLOCK").arg(u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX));
    cmd.arg("STREAMS");
    for stream in round.streams.keys() {
        cmd.arg(&**stream);
    }
    for after in round.streams.values() {
        cmd.arg(after.to_string());
    }
    let mut connection = line.opened.connection.clone();
    Box::pin(async move { connection.send_packed_command(&cmd).await })
}
