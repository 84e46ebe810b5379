//! Who connects, and how often: one supervisor for all connections of this process to one server.
//!
//! Every connection is opened through it, whichever bus or consumer it is for. While all is well they open side by side, a
//! few at a time. In a failure streak one attempt at a time is made for everybody, after a pause with full jitter that
//! doubles up to the longest one; whoever waited gets its result. A refused password is tried again after 5 to 30 s only,
//! and everybody else is told at once meanwhile. A streak is one warning in the log, and one line when it ends.
//!
//! Behind sentinels it also knows which primary is in force: [`Supervisor::primary`] is a number that changes with it, and
//! a connection that was opened under another number is not used any more.
//!
//! Supervisors are shared by address, settings and runtime: one runtime may stand still while another is driven.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ::redis::Pipeline;
use ::redis::aio::{AsyncPushSender, MultiplexedConnection};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use super::address::{Service, Way};
use super::connect::{ConnectOptions, Target};
use super::error::by_client;
use super::link::unwrapped;
use super::sentinel::{self, Place};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};

/// The first pause after a failed attempt to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);

/// Pauses after a refused password.
const AUTH_BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// Connections that are opened at the same time.
const WIDTH: usize = 16;

/// A connection that breaks this soon after a streak is still news of that one.
const AFTERMATH: Duration = Duration::from_secs(30);

/// One supervisor per address, settings and runtime.
type Key = (tokio::runtime::Id, String, ConnectOptions);
type All = Mutex<Vec<(Key, Weak<Supervisor>)>>;
static ALL: LazyLock<All> = LazyLock::new(Mutex::default);

/// What opens the connections to one server.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) target: Target,
    clock: Arc<dyn Clock>,
    streak: Mutex<Streak>,
    /// Held by whoever connects in a failure streak.
    gate: tokio::sync::Mutex<()>,
    width: Semaphore,
    known: Mutex<Option<Place>>,
    primary: watch::Sender<u64>,
    lookout: Mutex<Option<AbortHandle>>,
    links: AtomicUsize,
    looked: AtomicBool,
}

#[derive(Debug, Default)]
struct Streak {
    /// Attempts to connect that have ended.
    attempts: u64,
    /// How the last attempt failed.
    failure: Option<Error>,
    backoff: Duration,
    not_before: Duration,
    /// Until an attempt succeeds.
    failing: bool,
    /// When the last streak ended.
    ended: Option<Duration>,
    /// When a server last turned out to be the wrong one.
    misplaced: Option<Duration>,
}

/// How a connection is to be opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How {
    /// Without the pause after a refused password.
    pub(super) eager: bool,
    /// The sentinels are asked again although a primary is known.
    pub(super) afresh: bool,
    /// Nobody tries again: a failure is told to the caller and is no news for the log.
    pub(super) told: bool,
}

/// An open connection, and the primary it goes to.
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    pub(super) primary: u64,
}

impl Supervisor {
    /// The supervisor of an address; checks it, opens nothing. Must be called in a runtime.
    pub(super) fn of(url: &str, options: ConnectOptions) -> Result<Arc<Self>> {
        let target = Target::new(url, options.clone())?;
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| Error::invalid("connect inside a tokio runtime").with_source(error))?;
        let key = (runtime.id(), url.to_owned(), options);
        let mut all = locked(&ALL);
        all.retain(|(_, supervisor)| supervisor.strong_count() > 0);
        if let Some(known) = all.iter().find(|(known, _)| *known == key).and_then(|(_, known)| known.upgrade()) {
            return Ok(known);
        }
        let supervisor = Arc::new(Self {
            target,
            clock: SystemClock::shared(),
            streak: Mutex::default(),
            gate: tokio::sync::Mutex::new(()),
            width: Semaphore::new(WIDTH),
            known: Mutex::default(),
            primary: watch::Sender::new(0),
            lookout: Mutex::default(),
            links: AtomicUsize::new(0),
            looked: AtomicBool::new(false),
        });
        all.push((key, Arc::downgrade(&supervisor)));
        Ok(supervisor)
    }

    /// Opens a connection and runs `setup` on it.
    pub(super) async fn open(
        self: &Arc<Self>,
        How { eager, afresh, told }: How,
        response_timeout: Option<Duration>,
        hear: impl AsyncPushSender,
        setup: &Pipeline,
    ) -> Result<Opened> {
        let failing = {
            let streak = self.streak();
            match &streak.failure {
                Some(refused) if !eager && self.is_refused(&streak) => return Err(refused.clone()),
                _ => streak.failing.then_some(streak.attempts),
            }
        };
        let _alone = match failing {
            Some(seen) => self.turn(seen, eager).await?,
            None => None,
        };
        let _slot = self.width.acquire().await;
        let afresh = afresh || failing.is_some();
        self.ended(self.attempt(afresh, response_timeout, hear, setup).await, told)
    }

    /// Waits for the turn to connect in a failure streak; fails when an attempt of somebody else has failed meanwhile.
    async fn turn(&self, seen: u64, eager: bool) -> Result<Option<tokio::sync::MutexGuard<'_, ()>>> {
        let gate = self.gate.lock().await;
        let not_before = {
            let streak = self.streak();
            match &streak.failure {
                _ if !streak.failing => return Ok(None),
                Some(failure) if streak.attempts > seen => return Err(failure.clone()),
                _ if eager && self.is_refused(&streak) => Duration::ZERO,
                _ => streak.not_before,
            }
        };
        self.clock.sleep_until(not_before).await;
        Ok(Some(gate))
    }

    /// The number of the primary in force.
    pub(super) fn primary(&self) -> u64 {
        *self.primary.borrow()
    }

    /// Ends when another primary than this one is in force. Never without sentinels.
    pub(super) async fn moved_from(&self, primary: u64) {
        if matches!(self.target.address.way, Way::Straight(_)) {
            return std::future::pending().await;
        }
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.primary.subscribe().wait_for(|now| *now != primary).await;
    }

    /// Notes that a connection in use broke.
    pub(super) fn broke(&self, error: &Error) {
        let mut streak = self.streak();
        let aftermath = streak.ended.is_some_and(|ended| self.clock.now() < ended + AFTERMATH);
        if streak.failing || aftermath {
            tracing::debug!(server = self.target.shown(), %error, "a connection broke");
        } else {
            tracing::warn!(server = self.target.shown(), %error, "the server fails; trying again");
        }
        streak.failing = true;
    }

    /// Notes that the server turned out to be another one than it should be: no primary, or one that does not know us.
    /// The next attempt asks the sentinels, and comes after a pause, since connecting as such would succeed.
    pub(super) fn misplaced(&self, error: &Error) {
        self.broke(error);
        let now = self.clock.now();
        let mut streak = self.streak();
        streak.misplaced = Some(now);
        self.back_off(&mut streak, error, now);
    }

    /// How it failed last, while it fails.
    pub(super) fn trouble(&self) -> Option<Error> {
        let streak = self.streak();
        streak.failure.clone().filter(|_| streak.failing)
    }

    fn is_refused(&self, streak: &Streak) -> bool {
        let refused = streak.failure.as_ref().is_some_and(|failure| failure.kind() == ErrorKind::Auth);
        refused && self.clock.now() < streak.not_before
    }

    async fn attempt(
        self: &Arc<Self>,
        afresh: bool,
        response_timeout: Option<Duration>,
        hear: impl AsyncPushSender,
        setup: &Pipeline,
    ) -> Result<Opened> {
        let (mut connection, primary) = match &self.target.address.way {
            Way::Straight(info) => (self.target.dial(info.clone(), response_timeout, hear).await?, 0),
            Way::Sentinels(service) => {
                let known = if afresh { None } else { locked(&self.known).clone() };
                let place = match known {
                    Some(place) => place,
                    None => sentinel::find(&self.target, service).await?,
                };
                let info = service.at(&place.0, place.1);
                let mut connection = self.target.dial(info, response_timeout, hear).await?;
                sentinel::check_role(&mut connection).await?;
                self.listen(service);
                (connection, self.settle_on(place))
            }
        };
        if !setup.is_empty() {
            let replies = connection.send_packed_commands(setup, 0, setup.len()).await;
            for reply in replies.map_err(|error| by_client(&error))? {
                unwrapped(reply).map_err(|error| by_client(&error))?;
            }
        }
        Ok(Opened { connection, primary })
    }

    /// The number of the primary at a place; another one than before gets a new number.
    fn settle_on(&self, place: Place) -> u64 {
        let mut known = locked(&self.known);
        if known.as_ref().is_some_and(|before| *before != place) {
            tracing::info!(server = self.target.shown(), host = place.0, port = place.1, "another server is primary");
            self.primary.send_modify(|primary| *primary += 1);
        }
        *known = Some(place);
        self.primary()
    }

    /// A sentinel names a primary. If it is another one than we know, all connections are opened anew, and then all
    /// sentinels are asked.
    fn hear_of(&self, place: &Place) {
        if locked(&self.known).as_ref().is_some_and(|known| known != place) {
            self.primary.send_modify(|primary| *primary += 1);
        }
    }

    /// Starts listening to the sentinels, once.
    fn listen(self: &Arc<Self>, service: &Service) {
        let mut lookout = locked(&self.lookout);
        if lookout.is_some() {
            return;
        }
        let target = Target { address: self.target.address.clone(), options: self.target.options.clone() };
        let (service, clock, weak) = (service.clone(), self.clock.clone(), Arc::downgrade(self));
        let named = move |place| {
            if let Some(supervisor) = weak.upgrade() {
                supervisor.hear_of(&place);
            }
        };
        let task = tokio::spawn(async move { sentinel::listen(&target, &service, &*clock, named).await });
        *lookout = Some(task.abort_handle());
    }

    /// Whether this is the first time that this is asked.
    pub(super) fn first_look(&self) -> bool {
        !self.looked.swap(true, Ordering::AcqRel)
    }

    /// A link begins to use it.
    pub(super) fn enter(&self) {
        self.links.fetch_add(1, Ordering::AcqRel);
    }

    /// A link does not use it any more; nobody is listened to for the last one.
    pub(super) fn leave(&self) {
        if self.links.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(lookout) = locked(&self.lookout).take()
        {
            lookout.abort();
        }
    }

    /// Notes how an attempt ended.
    fn ended(&self, attempt: Result<Opened>, told: bool) -> Result<Opened> {
        let now = self.clock.now();
        let mut streak = self.streak();
        streak.attempts += 1;
        match attempt {
            Ok(opened) => {
                if std::mem::take(&mut streak.failing) {
                    tracing::info!(server = self.target.shown(), "connected again");
                    streak.ended = Some(now);
                }
                streak.failure = None;
                if streak.misplaced.is_none_or(|at| now >= at + self.target.options.max_backoff * 4) {
                    streak.backoff = Duration::ZERO;
                }
                Ok(opened)
            }
            Err(error) => {
                let placed = error.context().iter().any(|(key, _)| *key == "server");
                let error = if placed { error } else { error.with_context("server", self.target.shown()) };
                self.back_off(&mut streak, &error, now);
                if told && !streak.failing {
                    tracing::debug!(server = self.target.shown(), %error, "the one attempt to connect failed");
                } else if std::mem::replace(&mut streak.failing, true) {
                    tracing::debug!(server = self.target.shown(), %error, "the server still fails");
                } else {
                    tracing::warn!(server = self.target.shown(), %error, "the server fails; trying again");
                }
                Err(error)
            }
        }
    }

    fn back_off(&self, streak: &mut Streak, error: &Error, now: Duration) {
        let most = self.target.options.max_backoff;
        let (first, most) = match error.kind() {
            ErrorKind::Auth => AUTH_BACKOFF,
            _ => (FIRST_BACKOFF.min(most), most),
        };
        streak.backoff = (streak.backoff * 2).clamp(first, most);
        // Who was refused for a reason that passes comes back at any time up to the pause, so that many do not come together.
        let pause = match error.kind() {
            ErrorKind::Auth => streak.backoff,
            _ => random_part(streak.backoff),
        };
        streak.not_before = now + pause;
        streak.failure = Some(error.clone());
    }

    fn streak(&self) -> MutexGuard<'_, Streak> {
        locked(&self.streak)
    }
}

/// Any part of a pause, but not none of it.
fn random_part(pause: Duration) -> Duration {
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    #[allow(clippy::cast_possible_truncation)]
    let percent = 1 + (random % 100) as u32;
    pause * percent / 100
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
