//! The life of one hold, in a task of its own: it asks for the lock, renews it, and gives it up. Nobody else talks to the
//! server about it, so that a renewal and a release never cross.
//!
//! A hold counts as lost a fifth of its time before it can lapse, so that its owner hears of it before anybody else can
//! have the lock; also when the server is silent or this process stood still. It ends when it is released, when its
//! handle is dropped (both give the lock up), or when the bus closes: then its owner is told, has [`LEAVE`] to release
//! it, and a lock that is not released lapses by itself. An asker that is dropped leaves no lock behind. Every token is
//! used for one hold only, so a late release of one never ends the next.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::options::LockOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::backoff;
use crate::publish::Publisher;
use crate::topology::{Name, lock_channel};
use crate::transport::Subscription;

/// The first pause before a lock is asked for again, doubled each time up to the longest, and moved by half of itself. What
/// is given up is told, so this is for what lapses, and for holders that tell nothing (the original's).
const POLL: Duration = Duration::from_millis(50);
const LONGEST_POLL: Duration = Duration::from_millis(500);

/// How long an owner has to release a lock when the bus closes.
const LEAVE: Duration = Duration::from_secs(2);

/// How long the last request has for its answer beyond the time that is waited.
pub(super) const ANSWER: Duration = Duration::from_millis(250);

/// How long a server that does not answer is asked to take a lock back; then the lock lapses.
const GIVING_UP: Duration = Duration::from_secs(2);

/// How a hold stands.
#[derive(Debug, Clone)]
pub(super) enum Status {
    Held,
    Released,
    /// Lost, and why.
    Lost(Error),
}

/// What the owner wants.
enum Order {
    Renew(oneshot::Sender<Result<bool>>),
    Release(oneshot::Sender<Result<bool>>),
}

/// The owner's end of a hold. Dropping it gives the lock up.
#[derive(Debug)]
pub(super) struct Hold {
    token: Name,
    status: watch::Receiver<Status>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Hold {
    pub(super) fn token(&self) -> &Name {
        &self.token
    }

    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(*self.status.borrow(), Status::Held)
    }

    /// Lets it last from now; `false`: it is lost.
    pub(super) fn renew(&self) -> impl Future<Output = Result<bool>> + Send + use<> {
        self.order(Order::Renew)
    }

    /// Gives it up; `false`: it was not ours any more.
    pub(super) fn release(self) -> impl Future<Output = Result<bool>> + Send + use<> {
        self.order(Order::Release)
    }

    fn order(
        &self,
        order: fn(oneshot::Sender<Result<bool>>) -> Order,
    ) -> impl Future<Output = Result<bool>> + Send + use<> {
        let (tell, told) = oneshot::channel();
        let sent = self.orders.send(order(tell));
        async move {
            // Without a keeper the bus has closed, and the lock lapses.
            if sent.is_err() {
                return Ok(false);
            }
            told.await.unwrap_or(Ok(false))
        }
    }
}

/// Asks for a lock for at most so long (for ever without a limit, once with zero).
pub(super) async fn take(
    publisher: &Publisher,
    key: &Name,
    options: &LockOptions,
    limit: Option<Duration>,
) -> Result<Hold> {
    publisher.ensure_open()?;
    let token: Name = uuid::Uuid::new_v4().to_string().into();
    let dice = uuid::Uuid::new_v4().as_u64_pair().0;
    let (tell, told) = oneshot::channel();
    let keeper = Keeper { publisher: publisher.clone(), key: key.clone(), token, options: options.clone(), dice };
    publisher.track(tokio::spawn(keeper.run(tell, limit)));
    told.await.unwrap_or_else(|_| Err(Error::closed("bus")))
}

struct Keeper {
    publisher: Publisher,
    key: Name,
    token: Name,
    options: LockOptions,
    dice: u64,
}

/// When a hold was last known to be ours, and when it is renewed.
struct Times {
    confirmed: Duration,
    renew_at: Option<Duration>,
    renewals: u32,
    failures: u32,
    trouble: Option<Error>,
}

impl Keeper {
    async fn run(self, mut tell: oneshot::Sender<Result<Hold>>, limit: Option<Duration>) {
        let won = tokio::select! {
            biased;
            () = tell.closed() => None,
            won = self.win(limit) => Some(won),
        };
        let confirmed = match won {
            Some(Ok(confirmed)) => confirmed,
            Some(Err((error, perhaps))) => {
                // Whoever asked does not wait for what is cleared up behind it, and may have gone.
                let _ = tell.send(Err(error));
                if perhaps {
                    self.give_up().await;
                }
                return;
            }
            None => return self.give_up().await,
        };
        let (status, seen) = watch::channel(Status::Held);
        let (orders, ordered) = mpsc::unbounded_channel();
        let hold = Hold { token: self.token.clone(), status: seen, orders };
        if tell.send(Ok(hold)).is_err() {
            return self.give_up().await;
        }
        self.keep(&status, ordered, confirmed).await;
    }

    fn now(&self) -> Duration {
        self.publisher.clock().now()
    }

    /// The last moment at which a hold confirmed then counts as ours.
    fn until(&self, confirmed: Duration) -> Duration {
        confirmed.saturating_add(self.options.ttl * 4 / 5)
    }

    /// Asks until it is ours; when the request that said so was sent. Or why not, and whether it may be ours all the same.
    async fn win(&self, limit: Option<Duration>) -> Result<Duration, (Error, bool)> {
        let begun = self.now();
        let end = limit.map(|limit| begun.saturating_add(limit));
        // Without any time it is one request, which takes as long as the server may.
        let most =
            limit.filter(|limit| !limit.is_zero()).map(|limit| begun.saturating_add(limit).saturating_add(ANSWER));
        let (mut closing, mut told) = (self.publisher.closing(), None);
        tokio::select! {
            biased;
            () = on(&mut closing) => return Err((Error::closed("bus"), true)),
            won = self.ask(end, &mut told) => return won,
            () = self.publisher.clock().sleep_until(most.unwrap_or(Duration::MAX)), if most.is_some() => {}
        }
        Err((told.unwrap_or_else(Self::silent), true))
    }

    /// The error, and whether the lock may be ours all the same; `told` is why the last request did
    /// not take it.
    async fn ask(&self, end: Option<Duration>, told: &mut Option<Error>) -> Result<Duration, (Error, bool)> {
        let (mut ear, mut deaf, mut perhaps, mut tries) = (None, false, false, 0u32);
        loop {
            let sent = self.now();
            let answer = self.publisher.transport().lock(&self.key, &self.token, self.options.ttl).await;
            tries = tries.saturating_add(1);
            let refused = match answer {
                // An answer that took so long that it is nearly over: asking again prolongs it.
                Ok(true) if self.now() < self.until(sent) => return Ok(sent),
                Ok(true) => {
                    perhaps = true;
                    None
                }
                Ok(false) => {
                    perhaps = false;
                    None
                }
                Err(error) => {
                    self.publisher.shortages().note(&error);
                    perhaps |= error.kind() != ErrorKind::Invalid;
                    if !error.retryable() {
                        return Err((error, perhaps));
                    }
                    Some(error)
                }
            };
            let refused = refused.unwrap_or_else(|| self.busy());
            let now = self.now();
            if end.is_some_and(|end| now >= end) {
                return Err((refused, perhaps));
            }
            *told = Some(refused);
            if ear.is_none() && !deaf {
                match self.publisher.store().subscribe([lock_channel(&self.key)]).await {
                    Ok(subscription) => {
                        ear = Some(subscription);
                        // What was given up before it listened was told to nobody.
                        continue;
                    }
                    Err(error) => {
                        tracing::debug!(%error, lock = &*self.key, "a lock is waited for by polling only");
                        deaf = true;
                    }
                }
            }
            let pause = backoff::delay(POLL, LONGEST_POLL, 0.5, tries, self.dice ^ u64::from(tries));
            let until = now.saturating_add(pause).min(end.unwrap_or(Duration::MAX));
            tokio::select! {
                () = self.publisher.clock().sleep_until(until) => {}
                heard = heard(&mut ear) => if !heard { (ear, deaf) = (None, true) },
            }
        }
    }

    fn silent() -> Error {
        let text = "the server could not be reached, or did not answer, for as long as the lock was waited for";
        Error::unavailable(text)
    }

    fn busy(&self) -> Error {
        let text = "somebody else holds the lock; wait longer, or do without";
        Error::new(ErrorKind::Timeout, text).with_context("lock", &self.key)
    }

    /// One that cannot be given up lapses by itself.
    async fn give_up(&self) {
        if let Err(error) = self.unlock(false).await {
            tracing::debug!(%error, lock = &*self.key, "a lock could not be given up; it lapses by itself");
        }
    }

    /// Gives it up. After an answer that was lost, a lock that is not there any more is one that we gave up.
    async fn unlock(&self, held: bool) -> Result<bool> {
        let end = self.now().saturating_add(GIVING_UP);
        let mut failures = 0;
        loop {
            match self.publisher.transport().unlock(&self.key, &self.token).await {
                Ok(was) => return Ok(was || (held && failures > 0)),
                Err(error) if error.retryable() && self.now() < end => {
                    failures += 1;
                    let pause = backoff::delay(POLL, LONGEST_POLL, 0.5, failures, self.dice ^ u64::from(failures));
                    self.publisher.clock().sleep(pause).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn keep(
        &self,
        status: &watch::Sender<Status>,
        mut orders: mpsc::UnboundedReceiver<Order>,
        confirmed: Duration,
    ) {
        let mut closing = self.publisher.closing();
        let mut times = Times { confirmed, renew_at: None, renewals: 0, failures: 0, trouble: None };
        times.renew_at = self.next_renewal(&times);
        let mut leave_at = None;
        loop {
            let held = matches!(*status.borrow(), Status::Held);
            let until = self.until(times.confirmed);
            let due =
                if held { times.renew_at.map_or(until, |at| at.min(until)) } else { leave_at.unwrap_or(Duration::MAX) };
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    None => return self.give_up().await,
                    Some(Order::Release(tell)) => {
                        status.send_if_modified(|status| {
                            let held = matches!(status, Status::Held);
                            if held {
                                *status = Status::Released;
                            }
                            held
                        });
                        // The owner may have gone.
                        let _ = tell.send(self.unlock(held).await);
                        return;
                    }
                    Some(Order::Renew(tell)) => {
                        let answer = if held { self.renew(status, &mut times).await } else { Ok(false) };
                        let _ = tell.send(answer);
                    }
                },
                () = on(&mut closing), if leave_at.is_none() => {
                    leave_at = Some(self.now().saturating_add(LEAVE));
                    if held {
                        self.lose(status, "the bus is closing", None);
                    }
                }
                () = self.publisher.clock().sleep_until(due) => {
                    if !held {
                        return;
                    }
                    if self.now() >= until {
                        self.run_out(status, &times);
                    } else if self.renew(status, &mut times).await.is_ok() {
                        times.renewals = times.renewals.saturating_add(1);
                        times.renew_at = self.next_renewal(&times);
                    }
                }
            }
        }
    }

    fn next_renewal(&self, times: &Times) -> Option<Duration> {
        let may = self.options.auto_renew && self.options.max_renewals.is_none_or(|most| times.renewals < most);
        may.then(|| times.confirmed.saturating_add(self.options.ttl / 3))
    }

    /// Renews once. What is not answered in time is lost.
    async fn renew(&self, status: &watch::Sender<Status>, times: &mut Times) -> Result<bool> {
        let sent = self.now();
        let until = self.until(times.confirmed);
        let answer = tokio::select! {
            biased;
            answer = self.publisher.transport().renew_lock(&self.key, &self.token, self.options.ttl) => answer,
            () = self.publisher.clock().sleep_until(until) => {
                self.run_out(status, times);
                return Ok(false);
            }
        };
        match answer {
            Ok(true) => {
                (times.confirmed, times.failures, times.trouble) = (sent, 0, None);
                times.renew_at = self.next_renewal(times);
                Ok(true)
            }
            Ok(false) => {
                self.lose(status, "it lapsed, was removed, or somebody else took it", None);
                Ok(false)
            }
            Err(error) => {
                times.failures = times.failures.saturating_add(1);
                let most = (self.options.ttl / 10).min(Duration::from_secs(1));
                let pause = backoff::delay(most / 4, most, 0.2, times.failures, self.dice ^ u64::from(times.failures));
                times.renew_at = times.renew_at.map(|_| self.now().saturating_add(pause));
                times.trouble = Some(error.clone());
                Err(error)
            }
        }
    }

    fn run_out(&self, status: &watch::Sender<Status>, times: &Times) {
        let why = match (times.trouble.is_some(), times.renew_at.is_some()) {
            (true, _) => "it could not be renewed",
            (false, true) => "it was not renewed in time",
            (false, false) if self.options.auto_renew => "it was renewed as often as it may be",
            (false, false) => "its time is over and nobody renewed it",
        };
        self.lose(status, why, times.trouble.clone());
    }

    fn lose(&self, status: &watch::Sender<Status>, why: &str, source: Option<Error>) {
        let error = Error::new(ErrorKind::Stale, format!("the lock is lost: {why}")).with_context("lock", &self.key);
        let error = if let Some(source) = source { error.with_source(source) } else { error };
        tracing::warn!(lock = &*self.key, why, "a lock is lost");
        status.send_replace(Status::Lost(error));
    }
}

/// Waits until it is so; the end of whoever says it is one as well.
pub(super) async fn on(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|on| *on).await;
}

/// Waits for word that the lock may be free; `false`: there will be none. Never without an ear.
async fn heard(ear: &mut Option<Subscription>) -> bool {
    match ear {
        Some(ear) => ear.next().await.is_ok(),
        None => std::future::pending().await,
    }
}
