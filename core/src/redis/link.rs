//! The connection for commands: one for all callers, made again when it breaks.
//!
//! Attempts to connect are shared: whoever needs the connection while one is under way waits for it and gets its
//! result. When and where they go is the [`Supervisor`]'s business. An answer that did not come in time costs the
//! connection, because one that was cut silently would never answer again; so does one that says that this server is no
//! primary (any more), or does not know us.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::sync::watch;

use super::connect::Target;
use super::error::{by_client, by_text, is_misplaced, was_refused};
use super::parse::{array, text};
use super::script::{SCRIPTS, Script};
use super::supervisor::{How, Supervisor};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::policy::Durability;

/// A failed request, and whether the server may have carried it out.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) stored: Stored,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The connection for commands.
#[derive(Debug)]
pub(super) struct Link {
    /// For what goes on behind whoever began it.
    me: Weak<Self>,
    pub(super) supervisor: Arc<Supervisor>,
    clock: Arc<dyn Clock>,
    /// How long `open` waits for a server.
    wait: Duration,
    state: Mutex<State>,
    /// Held by whoever connects.
    gate: tokio::sync::Mutex<()>,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Live>,
    /// Counts connections, so that a late failure of an old one does not cost the new one.
    generation: u64,
    /// Attempts to connect that have ended.
    attempts: u64,
    /// How the last attempt failed.
    failure: Option<Error>,
}

/// A connection, the primary it goes to, and whether it has ended since.
#[derive(Debug, Clone)]
struct Live {
    connection: MultiplexedConnection,
    primary: u64,
    durability: Durability,
    ended: Arc<AtomicBool>,
}

/// A connection in use, with its number.
struct Ready {
    connection: MultiplexedConnection,
    primary: u64,
    durability: Durability,
    generation: u64,
}

impl Ready {
    fn new(live: &Live, generation: u64) -> Self {
        let Live { connection, primary, durability, .. } = live;
        Self { connection: connection.clone(), primary: *primary, durability: *durability, generation }
    }
}

impl Link {
    pub(super) fn new(supervisor: Arc<Supervisor>, wait: Duration, clock: Arc<dyn Clock>) -> Arc<Self> {
        supervisor.enter();
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            supervisor,
            clock,
            wait,
            state: Mutex::default(),
            gate: tokio::sync::Mutex::new(()),
            closed: watch::Sender::new(false),
        })
    }

    pub(super) fn target(&self) -> &Target {
        &self.supervisor.target
    }

    /// Connects, waiting for a server that cannot be reached as long as the settings say.
    pub(super) async fn open(&self) -> Result<()> {
        let wait = self.wait;
        let deadline = self.clock.now().saturating_add(wait);
        loop {
            let Err(error) = self.connection(true).await else { return Ok(()) };
            let waits = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
            if !waits {
                return Err(error);
            }
            if self.clock.now() >= deadline {
                let shown = self.target().shown();
                let waited = if wait.is_zero() { String::new() } else { format!(" within {wait:?}") };
                return Err(Error::unavailable(format!(
                    "no Redis server answers at {shown}{waited}; start one, or correct the address"
                ))
                .with_context("server", shown)
                .with_source(error));
            }
        }
    }

    /// Runs one command.
    pub(super) async fn command(&self, cmd: &Cmd) -> Result<Value, Failure> {
        let mut ready = self.ready().await?;
        let result = self.one(&mut ready, cmd).await;
        result.map_err(|e| self.failed(&ready, &e))
    }

    /// Runs commands in their order, in one write; an error reply stands in its place.
    pub(super) async fn pipeline(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Failure> {
        self.told(pipeline, None).await.map(|(replies, _)| replies)
    }

    /// The same, with how safe the server keeps what it was told. A connection is waited for `until` then.
    pub(super) async fn told(
        &self,
        pipeline: &Pipeline,
        until: Option<Duration>,
    ) -> Result<(Vec<Value>, Durability), Failure> {
        let mut ready = self.ready_until(until).await?;
        let primary = ready.primary;
        let sent = ready.connection.send_packed_commands(pipeline, 0, pipeline.len());
        let result = self.unless_moved(primary, sent).await;
        let replies = result.map_err(|e| self.failed(&ready, &e))?;
        if let Some(error) = replies.iter().find_map(misplaced) {
            self.misplaced(ready.generation, &error);
        }
        Ok((replies, ready.durability))
    }

    /// Runs a script by its hash; loads it again when the server has forgotten it.
    pub(super) async fn script(&self, script: &Script, cmd: &Cmd) -> Result<Value> {
        Ok(self.scripted(script, cmd).await?)
    }

    /// The same, with whether a failed one may have been carried out.
    pub(super) async fn scripted(&self, script: &Script, cmd: &Cmd) -> Result<Value, Failure> {
        let mut ready = self.ready().await?;
        let mut result = self.one(&mut ready, cmd).await;
        if result.as_ref().is_err_and(is_noscript) {
            result = match self.one(&mut ready, &load(script)).await {
                Ok(_) => self.one(&mut ready, cmd).await,
                Err(error) => Err(error),
            };
        }
        if let Some(error) = result.as_ref().ok().and_then(misplaced) {
            self.misplaced(ready.generation, &error);
        }
        result.map_err(|e| {
            let Failure { error, stored } = self.failed(&ready, &e);
            Failure { error: error.with_context("script", script.name), stored }
        })
    }

    async fn one(&self, ready: &mut Ready, cmd: &Cmd) -> Result<Value, RedisError> {
        let primary = ready.primary;
        self.unless_moved(primary, ready.connection.send_packed_command(cmd)).await.and_then(unwrapped)
    }

    /// A request, given up when another primary is in force: the old one may never answer.
    async fn unless_moved<T>(
        &self,
        primary: u64,
        request: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        tokio::select! {
            biased;
            answer = request => answer,
            () = self.supervisor.moved_from(primary) => {
                Err(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "another server is primary now").into())
            }
        }
    }

    /// What an error reply means; the address is added.
    pub(super) fn explain(&self, error: &RedisError) -> Error {
        by_client(error).with_context("server", self.target().shown())
    }

    /// The clock that everything here runs on.
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// How many connections were made so far.
    pub(super) fn connections(&self) -> u64 {
        self.state().generation
    }

    /// Ends the connection for good.
    pub(super) fn close(&self) {
        if !self.closed.send_replace(true) {
            self.supervisor.leave();
        }
        self.state().connection = None;
    }

    /// Fails once the transport is closed.
    pub(super) fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() { Err(Error::closed("transport")) } else { Ok(()) }
    }

    /// Ends when the transport is closed.
    pub(super) async fn closed(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    async fn ready(&self) -> Result<Ready, Failure> {
        self.connection(false).await.map_err(|error| Failure { error, stored: Stored::No })
    }

    async fn ready_until(&self, until: Option<Duration>) -> Result<Ready, Failure> {
        let Some(until) = until else { return self.ready().await };
        self.check_open().map_err(|error| Failure { error, stored: Stored::No })?;
        // Where there is one, no timer is needed.
        if let Ok(live) = self.live() {
            return Ok(live);
        }
        let Some(link) = self.me.upgrade() else { return self.ready().await };
        // Connecting goes on behind a caller that has no more time, or the next one would begin anew.
        let connecting = tokio::spawn(async move { link.ready().await });
        tokio::select! {
            biased;
            ready = connecting => ready.unwrap_or_else(|_| {
                let error = Error::unavailable("the runtime that connected ended");
                Err(Failure { error, stored: Stored::No })
            }),
            () = self.clock.sleep_until(until) => {
                let last = self.supervisor.trouble().or_else(|| self.state().failure.clone());
                let error = last.unwrap_or_else(|| Error::unavailable("the server could not be reached in time"));
                Err(Failure { error, stored: Stored::No })
            }
        }
    }

    /// The connection, made if there is none.
    async fn connection(&self, eager: bool) -> Result<Ready> {
        self.check_open()?;
        let seen = match self.live() {
            Ok(live) => return Ok(live),
            Err(attempts) => attempts,
        };
        let _gate = self.gate.lock().await;
        if let Ok(live) = self.live() {
            return Ok(live);
        }
        {
            let state = self.state();
            if let Some(failure) = state.failure.as_ref().filter(|_| state.attempts > seen) {
                return Err(failure.clone());
            }
        }
        tokio::select! {
            biased;
            () = self.closed() => Err(Error::closed("transport")),
            attempt = self.attempt(eager) => self.ended(attempt),
        }
    }

    /// The connection if there is one, else how many attempts have ended so far.
    fn live(&self) -> Result<Ready, u64> {
        let mut state = self.state();
        match &state.connection {
            Some(live) if live.ended.load(Ordering::Acquire) => {
                state.connection = None;
                self.supervisor.broke(&Error::unavailable("the server has ended the connection"));
                Err(state.attempts)
            }
            Some(live) if live.primary != self.supervisor.primary() => {
                state.connection = None;
                Err(state.attempts)
            }
            Some(live) => Ok(Ready::new(live, state.generation)),
            None => Err(state.attempts),
        }
    }

    /// One attempt to connect, with all scripts loaded.
    async fn attempt(&self, eager: bool) -> Result<Live> {
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let hear = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                end.store(true, Ordering::Release);
            }
            Ok::<(), Error>(())
        };
        let mut setup = ::redis::pipe();
        for script in SCRIPTS.all() {
            setup.add_command(load(script));
        }
        let timeout = Some(self.target().options.response_timeout);
        let how = How { eager, afresh: true, told: self.wait.is_zero() && self.connections() == 0 };
        let mut opened = self.supervisor.open(how, timeout, hear, &setup).await?;
        let durability = durability(&mut opened.connection).await;
        Ok(Live { connection: opened.connection, primary: opened.primary, durability, ended })
    }

    /// Notes how an attempt ended.
    fn ended(&self, attempt: Result<Live>) -> Result<Ready> {
        let mut state = self.state();
        state.attempts += 1;
        state.failure = attempt.as_ref().err().cloned();
        let live = attempt?;
        state.generation += 1;
        let ready = Ready::new(&live, state.generation);
        state.connection = Some(live);
        Ok(ready)
    }

    /// Judges a failed request; a broken connection is given up.
    fn failed(&self, ready: &Ready, error: &RedisError) -> Failure {
        let explained = self.explain(error);
        if was_refused(error) {
            if is_misplaced(error.code().unwrap_or_default()) {
                self.misplaced(ready.generation, &explained);
            }
            return Failure { error: explained, stored: Stored::No };
        }
        if self.give_up(ready.generation) {
            self.supervisor.broke(&explained);
        }
        Failure { error: explained, stored: Stored::Unknown }
    }

    /// The server is not the one we want to talk to.
    fn misplaced(&self, generation: u64, error: &Error) {
        if self.give_up(generation) {
            self.supervisor.misplaced(error);
        }
    }

    /// Drops the connection of that number, if it is still the one in use.
    fn give_up(&self, generation: u64) -> bool {
        let mut state = self.state();
        state.generation == generation && state.connection.take().is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

/// A reply that is an error, as an error. Only the outermost level is looked at: big answers are not walked twice.
pub(super) fn unwrapped(reply: Value) -> Result<Value, RedisError> {
    match reply {
        Value::ServerError(error) => Err(error.into()),
        reply => Ok(reply),
    }
}

/// How safe the server keeps what it takes. One that does not let us look is believed to write nothing down.
async fn durability(connection: &mut MultiplexedConnection) -> Durability {
    let mut look = ::redis::pipe();
    look.cmd("INFO").arg("persistence").cmd("CONFIG").arg("GET").arg("appendfsync");
    let Ok(replies) = connection.send_packed_commands(&look, 0, look.len()).await else { return Durability::Server };
    let [info, setting] = &replies[..] else { return Durability::Server };
    let on = text(info.clone()).is_ok_and(|info| info.lines().any(|line| line.trim() == "aof_enabled:1"));
    let setting = array(setting.clone()).ok().and_then(|pair| text(pair.into_iter().nth(1)?).ok());
    match setting.as_deref() {
        Some("always") if on => Durability::AofAlways,
        Some("everysec") if on => Durability::AofEverysec,
        _ => Durability::Server,
    }
}

/// Whether the server has forgotten a script.
pub(super) fn is_noscript(error: &RedisError) -> bool {
    matches!(error.kind(), ::redis::ErrorKind::Server(::redis::ServerErrorKind::NoScript))
}

/// The command that loads a script.
pub(super) fn load(script: &Script) -> Cmd {
    let mut cmd = ::redis::cmd("SCRIPT");
    cmd.arg("LOAD").arg(&script.text);
    cmd
}

/// The error of an answer that says that this is the wrong server, be it of a command or handed on by a script.
fn misplaced(reply: &Value) -> Option<Error> {
    match reply {
        Value::ServerError(error) if is_misplaced(error.code()) => Some(by_client(&error.clone().into())),
        Value::Array(items) => match &items[..] {
            [Value::BulkString(word), Value::BulkString(text)] if word == b"fail" => {
                let text = std::str::from_utf8(text).ok()?;
                let code = text.trim_start_matches('-').split(' ').next()?;
                is_misplaced(code).then(|| by_text(text))
            }
            _ => None,
        },
        _ => None,
    }
}
