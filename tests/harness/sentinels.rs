//! A server that fails over: one primary, two replicas, three sentinels, all on loopback.
//!
//! The sentinels call a server down after [`DOWN_AFTER`] and two of them must agree. Whatever a test does to the servers,
//! [`Sentinels::heal`] brings back one primary with two replicas, without putting anybody back into an old role.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::resp::Reply;
use crate::{Options, Server};

/// The name under which the sentinels know the primary.
pub const SERVICE: &str = "sg";

/// Silence after which a sentinel calls a server down. They ask once a second, so that much less would be no silence.
const DOWN_AFTER: Duration = Duration::from_millis(1500);

/// Everything that is waited for happens within this time or counts as broken.
const LIMIT: Duration = Duration::from_secs(40);

/// One primary, two replicas, three sentinels; all end when dropped.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Sentinels {
    /// Starts all six, and waits until they know of each other.
    ///
    /// # Errors
    /// A server does not start, or they do not find together.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&[])
    }

    /// The same, with further arguments for the servers that hold data.
    ///
    /// # Errors
    /// As [`Sentinels::start`].
    pub fn start_with(arguments: &[&str]) -> io::Result<Self> {
        let options = |more: &[String]| {
            // No pause before a full copy, and a word from replicas every second is what `WAIT` and `min-replicas` go by.
            let mut all: Vec<String> = ["--repl-diskless-sync-delay", "0"].map(String::from).into();
            all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
            all.extend_from_slice(more);
            Options { arguments: all, ..Options::default() }
        };
        let primary = Server::start_with(options(&[]))?;
        let of = ["--replicaof".into(), format!("127.0.0.1 {}", primary.port())];
        let servers = vec![primary, Server::start_with(options(&of))?, Server::start_with(options(&of))?];
        let lines = vec![
            format!("sentinel monitor {SERVICE} 127.0.0.1 {} 2", servers[0].port()),
            format!("sentinel down-after-milliseconds {SERVICE} {}", DOWN_AFTER.as_millis()),
            format!("sentinel failover-timeout {SERVICE} 4000"),
            format!("sentinel parallel-syncs {SERVICE} 2"),
        ];
        let rig = Self { servers, sentinels: Vec::new() };
        rig.until("two replicas are connected", |rig| Ok(rig.connected_replicas(0)? == 2))?;
        let watcher = || Server::start_with(Options { sentinel: Some(lines.clone()), ..Options::default() });
        let rig = Self { sentinels: vec![watcher()?, watcher()?, watcher()?], ..rig };
        rig.until("the sentinels know everybody", Self::is_whole)?;
        Ok(rig)
    }

    /// `redis+sentinel://…`, all three sentinels.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis+sentinel://{}/{SERVICE}", hosts.join(","))
    }

    /// The servers that hold data, in the order they were started; which of them is primary changes.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The same, to kill and restart them.
    pub fn servers_mut(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[Server] {
        &self.sentinels
    }

    /// The same, to kill and restart them.
    pub fn sentinels_mut(&mut self) -> &mut [Server] {
        &mut self.sentinels
    }

    /// Which server is primary now, as all sentinels that answer say.
    ///
    /// # Errors
    /// No sentinel answers, or they do not agree.
    pub fn primary(&self) -> io::Result<usize> {
        let mut named = Vec::new();
        for sentinel in &self.sentinels {
            let Ok(Reply::List(place)) = sentinel.command(&["SENTINEL", "get-master-addr-by-name", SERVICE]) else {
                continue;
            };
            let port = place.get(1).map(Reply::text).unwrap_or_default();
            named.extend(self.servers.iter().position(|server| server.port().to_string() == port));
        }
        named.dedup();
        match named[..] {
            [primary] => Ok(primary),
            _ => Err(io::Error::other(format!("the sentinels do not agree: {named:?}"))),
        }
    }

    /// `kill -9` of the primary; which one it was.
    ///
    /// # Errors
    /// The sentinels do not agree, or the process cannot be waited for.
    pub fn kill_primary(&mut self) -> io::Result<usize> {
        let primary = self.primary()?;
        self.servers[primary].kill()?;
        Ok(primary)
    }

    /// `SIGSTOP` of the primary; which one it was.
    ///
    /// # Errors
    /// The sentinels do not agree, or the server is down.
    pub fn pause_primary(&self) -> io::Result<usize> {
        let primary = self.primary()?;
        self.servers[primary].pause()?;
        Ok(primary)
    }

    /// `SENTINEL FAILOVER`: another server becomes primary although nothing is wrong. Which one was primary.
    ///
    /// # Errors
    /// The sentinels do not agree, or refuse.
    pub fn fail_over(&self) -> io::Result<usize> {
        let primary = self.primary()?;
        let mut last = Reply::Nil;
        for sentinel in &self.sentinels {
            last = sentinel.command(&["SENTINEL", "FAILOVER", SERVICE])?;
            if !matches!(last, Reply::Error(_)) {
                return Ok(primary);
            }
        }
        Err(io::Error::other(format!("no sentinel fails over: {last:?}")))
    }

    /// Waits until another server than `before` is primary and takes writes; which one.
    ///
    /// # Errors
    /// That does not happen in time.
    pub fn wait_for_another(&self, before: usize) -> io::Result<usize> {
        let mut now = before;
        self.until("another server is primary", |rig| {
            now = rig.primary().unwrap_or(before);
            Ok(now != before && rig.is_primary(now))
        })?;
        Ok(now)
    }

    /// Resumes and restarts whoever is stopped or down, and waits for one primary with two replicas.
    ///
    /// # Errors
    /// That does not happen in time.
    pub fn heal(&mut self) -> io::Result<()> {
        for server in self.sentinels.iter_mut().chain(&mut self.servers) {
            match server.pid() {
                Some(_) => server.resume()?,
                None => server.restart()?,
            }
        }
        self.until("everybody is back", Self::is_whole)
    }

    fn is_whole(&self) -> io::Result<bool> {
        for sentinel in &self.sentinels {
            let replicas = rows(&sentinel.command(&["SENTINEL", "replicas", SERVICE])?);
            let others = rows(&sentinel.command(&["SENTINEL", "sentinels", SERVICE])?);
            // Not `master_down`: with Valkey a sentinel goes on saying that of another one that once said so.
            let is_down = |flags: &String| flags.split(',').any(|flag| ["s_down", "o_down"].contains(&flag));
            let up = |rows: &[String]| rows.iter().filter(|flags| !is_down(flags)).count() == 2;
            if !up(&replicas) || !up(&others) {
                return Ok(false);
            }
        }
        let Ok(primary) = self.primary() else { return Ok(false) };
        Ok(self.is_primary(primary) && self.connected_replicas(primary)? == 2)
    }

    fn is_primary(&self, n: usize) -> bool {
        self.servers[n].command(&["INFO", "replication"]).is_ok_and(|info| info.text().contains("role:master"))
    }

    fn connected_replicas(&self, n: usize) -> io::Result<usize> {
        Ok(self.servers[n].command(&["INFO", "replication"])?.text().matches("state=online").count())
    }

    fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> io::Result<bool>) -> io::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !holds(self)? {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("not within {LIMIT:?}: {what}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// The field `flags` of each row.
fn rows(reply: &Reply) -> Vec<String> {
    let Reply::List(rows) = reply else { return Vec::new() };
    let flags = |row: &Reply| {
        let Reply::List(items) = row else { return String::new() };
        let at = items.iter().position(|item| item.text() == "flags");
        at.and_then(|at| items.get(at + 1)).map(Reply::text).unwrap_or_default()
    };
    rows.iter().map(flags).collect()
}
