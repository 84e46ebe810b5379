//! The connection for commands: one for all callers, made again when it breaks.
//!
//! Attempts to connect are shared: whoever needs the connection while one is under way waits for it and gets its
//! result. Between two failing attempts lies a jittered, growing pause. A failure streak is logged once when it
//! starts and once when it ends. An answer that did not come in time costs the connection, because one that was cut
//! silently would never answer again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::sync::watch;

use super::connect::Target;
use super::error::{by_client, was_refused};
use super::script::{SCRIPTS, Script};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result, Stored};

/// The first pause after a failed attempt to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);

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
    pub(super) target: Target,
    clock: Arc<dyn Clock>,
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
    backoff: Duration,
    not_before: Duration,
    /// A failure has been logged and not its end.
    failing: bool,
}

/// A connection, and whether it has ended since.
#[derive(Debug, Clone)]
struct Live {
    connection: MultiplexedConnection,
    ended: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(target: Target, clock: Arc<dyn Clock>) -> Self {
        Self {
            target,
            clock,
            state: Mutex::default(),
            gate: tokio::sync::Mutex::new(()),
            closed: watch::Sender::new(false),
        }
    }

    /// Connects, waiting for a server that cannot be reached as long as the settings say.
    pub(super) async fn open(&self) -> Result<()> {
        let wait = self.target.options.wait;
        let deadline = self.clock.now().saturating_add(wait);
        loop {
            let Err(error) = self.connection().await else { return Ok(()) };
            let waits = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
            if !waits {
                return Err(error);
            }
            if self.clock.now() >= deadline {
                let shown = self.target.shown();
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
        let (mut connection, generation) = self.ready().await?;
        let result = connection.send_packed_command(cmd).await;
        result.and_then(unwrapped).map_err(|e| self.failed(generation, &e))
    }

    /// Runs commands in their order, in one write; an error reply stands in its place.
    pub(super) async fn pipeline(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Failure> {
        let (mut connection, generation) = self.ready().await?;
        let result = connection.send_packed_commands(pipeline, 0, pipeline.len()).await;
        result.map_err(|e| self.failed(generation, &e))
    }

    /// Runs a script by its hash; loads it again when the server has forgotten it.
    pub(super) async fn script(&self, script: &Script, cmd: &Cmd) -> Result<Value> {
        let (mut connection, generation) = self.ready().await?;
        let mut result = connection.send_packed_command(cmd).await.and_then(unwrapped);
        if result.as_ref().is_err_and(is_noscript) {
            result = match connection.send_packed_command(&load(script)).await.and_then(unwrapped) {
                Ok(_) => connection.send_packed_command(cmd).await.and_then(unwrapped),
                Err(error) => Err(error),
            };
        }
        result.map_err(|e| self.failed(generation, &e).error.with_context("script", script.name))
    }

    /// What an error reply means; the address is added.
    pub(super) fn explain(&self, error: &RedisError) -> Error {
        by_client(error).with_context("server", self.target.shown())
    }

    /// The clock that everything here runs on.
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Ends the connection for good.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
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

    async fn ready(&self) -> Result<(MultiplexedConnection, u64), Failure> {
        self.connection().await.map_err(|error| Failure { error, stored: Stored::No })
    }

    /// The connection, made if there is none.
    async fn connection(&self) -> Result<(MultiplexedConnection, u64)> {
        self.check_open()?;
        let seen = match self.live() {
            Ok(live) => return Ok(live),
            Err(attempts) => attempts,
        };
        let _gate = self.gate.lock().await;
        if let Ok(live) = self.live() {
            return Ok(live);
        }
        let not_before = {
            let state = self.state();
            match &state.failure {
                Some(failure) if state.attempts > seen => return Err(failure.clone()),
                _ => state.not_before,
            }
        };
        tokio::select! {
            biased;
            () = self.closed() => return Err(Error::closed("transport")),
            () = self.clock.sleep_until(not_before) => {}
        }
        tokio::select! {
            biased;
            () = self.closed() => Err(Error::closed("transport")),
            attempt = self.attempt() => self.ended(attempt),
        }
    }

    /// The connection if there is one, else how many attempts have ended so far.
    fn live(&self) -> Result<(MultiplexedConnection, u64), u64> {
        let mut state = self.state();
        match &state.connection {
            Some(live) if !live.ended.load(Ordering::Acquire) => Ok((live.connection.clone(), state.generation)),
            Some(_) => {
                state.connection = None;
                self.log_streak(&mut state, &Error::unavailable("the server has ended the connection"));
                Err(state.attempts)
            }
            None => Err(state.attempts),
        }
    }

    /// One attempt to connect, with all scripts loaded.
    async fn attempt(&self) -> Result<Live, RedisError> {
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let hear = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                end.store(true, Ordering::Release);
            }
            Ok::<(), Error>(())
        };
        let mut connection = self.target.open(Some(self.target.options.response_timeout), hear).await?;
        let mut setup = ::redis::pipe();
        for script in SCRIPTS.all() {
            setup.add_command(load(script));
        }
        for reply in connection.send_packed_commands(&setup, 0, setup.len()).await? {
            unwrapped(reply)?;
        }
        Ok(Live { connection, ended })
    }

    /// Notes how an attempt ended.
    fn ended(&self, attempt: Result<Live, RedisError>) -> Result<(MultiplexedConnection, u64)> {
        let now = self.clock.now();
        let mut state = self.state();
        state.attempts += 1;
        match attempt {
            Ok(live) => {
                if state.failing {
                    tracing::info!(server = self.target.shown(), "connected again");
                }
                state.generation += 1;
                let connection = live.connection.clone();
                state.connection = Some(live);
                state.failure = None;
                state.failing = false;
                state.backoff = Duration::ZERO;
                Ok((connection, state.generation))
            }
            Err(error) => {
                let error = self.explain(&error);
                let most = self.target.options.max_backoff;
                state.backoff = (state.backoff * 2).clamp(FIRST_BACKOFF.min(most), most);
                state.not_before = now + jittered(state.backoff);
                state.failure = Some(error.clone());
                self.log_streak(&mut state, &error);
                Err(error)
            }
        }
    }

    /// Judges a failed request; a broken connection is given up.
    fn failed(&self, generation: u64, error: &RedisError) -> Failure {
        let explained = self.explain(error);
        if was_refused(error) {
            return Failure { error: explained, stored: Stored::No };
        }
        let mut state = self.state();
        if state.generation == generation && state.connection.take().is_some() {
            self.log_streak(&mut state, &explained);
        }
        Failure { error: explained, stored: Stored::Unknown }
    }

    fn log_streak(&self, state: &mut State, error: &Error) {
        if state.failing {
            tracing::debug!(server = self.target.shown(), %error, "the server still fails");
        } else {
            state.failing = true;
            tracing::warn!(server = self.target.shown(), %error, "the server fails; trying again");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reply that is an error, as an error. Only the outermost level is looked at: big answers are not walked twice.
pub(super) fn unwrapped(reply: Value) -> Result<Value, RedisError> {
    match reply {
        Value::ServerError(error) => Err(error.into()),
        reply => Ok(reply),
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

/// A pause of 75 to 125 percent.
fn jittered(pause: Duration) -> Duration {
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    #[allow(clippy::cast_possible_truncation)]
    let percent = 75 + (random % 51) as u32;
    pause * percent / 100
}
