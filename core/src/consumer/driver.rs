//! Carries out what the machine decides: one task per consumer that runs its requests side by side and feeds the
//! answers back. It retries nothing itself. It stops when the machine says so; if its task dies, the consumer ends with an
//! `Internal` error, the lease runs out, and others take over.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use uuid::Uuid;

use super::company::Member;
use super::content::Judge;
use super::locking;
use super::machine::{Action, Event, Notice};
use super::paged;
use super::shared::Shared;
use crate::config::MANY_DEAD_LETTERS;
use crate::mutant::Mutant;
use crate::topology::Name;
use crate::transport::{Fetch, Transport};

pub(super) struct Driver {
    pub shared: Arc<Shared>,
    pub transport: Arc<dyn Transport>,
    pub judge: Judge,
    /// How long a lock lasts.
    pub lock_ttl: Duration,
    /// Stream of the dead letters.
    pub letters: Name,
    /// The configured name, the first part of every identity.
    pub name: String,
}

/// Dropped with the driver's task, also when that dies.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.driver_gone();
    }
}

/// How often the dead letters are counted, at most, while entries die.
const COUNT_AGAIN: Duration = Duration::from_secs(60);

/// How often it is told that there are many.
const TELL_AGAIN: Duration = Duration::from_secs(60 * 60);

type Op = BoxFuture<'static, Option<Event>>;

impl Driver {
    pub(super) async fn run(self) {
        let _watch = Watch(self.shared.clone());
        let mut ops: FuturesUnordered<Op> = FuturesUnordered::new();
        let mut notices = self.shared.notices.subscribe();
        let mut server = None;
        let mut count_again = Duration::ZERO;
        let mut closing = self.shared.bus.closing();
        let mut open = !*closing.borrow_and_update();
        if !open {
            self.shared.drain(self.shared.drain_timeout);
        }
        let mut company = Member::changes();
        let mut connections = self.transport.connections();
        ops.push(self.look_at_server());
        loop {
            let (actions, deadline, ended) = self.shared.work();
            for action in actions {
                ops.push(self.carry_out(action));
            }
            if ended {
                break;
            }
            // A server that is back may be another one; so may one that was changed between two requests.
            let now = self.transport.connections();
            if std::mem::replace(&mut connections, now) != now {
                ops.push(self.look_at_server());
            }
            let clock = &self.shared.clock;
            tokio::select! {
                Some(event) = ops.next(), if !ops.is_empty() => match event {
                    Some(Event::ServerSeen(id)) => {
                        let before = server.replace(id);
                        // A server that does not say who it is may be another one each time.
                        let unknown = server.as_deref() == Some("");
                        if before.is_some_and(|before| unknown || Some(before) != server) {
                            self.shared.step(Event::ServerChanged);
                        }
                    }
                    Some(Event::LettersCounted(count)) if count >= MANY_DEAD_LETTERS => {
                        count_again = self.shared.clock.now() + TELL_AGAIN;
                        self.shared.notify(Notice::ManyDeadLetters { count });
                    }
                    Some(event) => self.shared.step(event),
                    None => {}
                },
                () = self.shared.driver.notified() => {}
                () = async { match deadline {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }} => {}
                Ok(()) = company.changed() => self.shared.step(Event::Hold(self.shared.member.must_hold())),
                _ = closing.changed(), if open => {
                    open = false;
                    self.shared.drain(self.shared.drain_timeout);
                }
                Ok(notice) = notices.recv() => match notice {
                    Notice::DeadLettered { .. } if self.shared.clock.now() >= count_again => {
                        count_again = self.shared.clock.now() + COUNT_AGAIN;
                        ops.push(self.count_letters());
                    }
                    _ => {}
                },
            }
        }
    }

    fn look_at_server(&self) -> Op {
        let transport = self.transport.clone();
        Box::pin(async move { transport.ping().await.ok().map(|info| Event::ServerSeen(info.run_id)) })
    }

    fn count_letters(&self) -> Op {
        let (transport, letters) = (self.transport.clone(), self.letters.clone());
        Box::pin(async move {
            let info = transport.stream_info(&letters).await;
            info.ok().map(|info| Event::LettersCounted(info.length))
        })
    }

    #[allow(clippy::too_many_lines)] // one arm for each request
    fn carry_out(&self, action: Action) -> Op {
        let (transport, group) = (self.transport.clone(), self.shared.group.clone());
        let (judge, shared) = (self.judge.clone(), self.shared.clone());
        match action {
            Action::Register => {
                let own = if Mutant::IdentityReused.is_on() { String::new() } else { random() };
                let identity: Name = format!("{}-{own}", self.name).into();
                Box::pin(async move { Some(Event::Registered(transport.register(&group, &identity, &random()).await)) })
            }
            Action::Recreate => Box::pin(async move { Some(Event::Recreated(transport.recreate(&group).await)) }),
            Action::Fetch { key, session, cursor, count, max_bytes, unweighed, new, wary } => Box::pin(async move {
                let request = Fetch { cursor, count, max_bytes, unweighed, new, wary };
                let fetched = shared.beside_traces(transport.fetch(&group, &session, &request)).await;
                let answer = match fetched {
                    Ok(Ok(fetched)) => {
                        judge.arrive(&*transport, fetched.entries).await.map(|entries| Ok((entries, fetched.hint)))
                    }
                    Ok(Err(refusal)) => Ok(Err(refusal)),
                    Err(error) => Err(error),
                };
                Some(Event::Fetched { key, answer })
            }),
            Action::Wait { identity, hint, timeout } => {
                let clock = self.shared.clock.clone();
                Box::pin(async move {
                    if let Err(error) = transport.wait(&group, &identity, &hint, timeout).await {
                        // The next fetch tells of the trouble; until then poll.
                        tracing::debug!(%error, "waiting for entries failed");
                        clock.sleep(timeout).await;
                    }
                    Some(Event::Woken)
                })
            }
            Action::Begin { key, session, starts } => {
                Box::pin(
                    async move { Some(Event::Begun { key, answer: transport.begin(&group, &session, &starts).await }) },
                )
            }
            Action::Settle { key, session, batch } => Box::pin(async move {
                if let Some(tracing) = &shared.tracing {
                    tracing.settles(&batch);
                }
                let answer = shared.beside_traces(transport.settle(&group, &session, &batch)).await;
                Some(Event::Settled { key, answer })
            }),
            Action::ReadBodies { key, ids } => Box::pin(async move {
                let answer = match transport.read(&group.stream, &ids).await {
                    Ok(entries) => judge.contents(&*transport, entries).await,
                    Err(error) => Err(error),
                };
                Some(Event::BodiesRead { key, answer: answer.map(|contents| ids.into_iter().zip(contents).collect()) })
            }),
            Action::Renew { sessions } => {
                let sent = self.shared.clock.now();
                Box::pin(async move {
                    let (keys, held): (Vec<_>, Vec<_>) = sessions.into_iter().unzip();
                    let answer = paged::renew(&*transport, &group, &held).await;
                    Some(Event::Renewed { sent, answer: answer.map(|each| keys.into_iter().zip(each).collect()) })
                })
            }
            Action::LookAtServer => self.look_at_server(),
            Action::Look => Box::pin(async move { Some(Event::Signs(transport.signs(&group).await)) }),
            Action::Adopt { seen } => {
                Box::pin(async move { Some(Event::Adopted(transport.adopt(&group, &seen, &random()).await)) })
            }
            Action::Retire { key, session } => {
                Box::pin(async move { Some(Event::Retired { key, answer: transport.retire(&group, &session).await }) })
            }
            Action::Stop { sessions } => {
                Box::pin(async move { Some(Event::StopSent(paged::stop(&*transport, &group, &sessions).await)) })
            }
            Action::Sweep { cursor } => {
                Box::pin(async move { Some(Event::Swept(transport.sweep(&group, cursor).await)) })
            }
            Action::CompareHeld { key, identity } => {
                Box::pin(
                    async move { Some(Event::Held { key, answer: paged::held(&*transport, &group, &identity).await }) },
                )
            }
            Action::Lock { number, names, token } => {
                Box::pin(locking::lock(transport, self.lock_ttl, number, names, token))
            }
            Action::RenewLocks { locks } => {
                Box::pin(locking::renew(transport, self.lock_ttl, self.shared.clock.now(), locks))
            }
            Action::Unlock { number, names, token } => Box::pin(locking::unlock(transport, number, names, token)),
            Action::Gather { key, session, request } => Box::pin(async move {
                Some(Event::Gathered { key, answer: transport.gather(&group, &session, &request).await })
            }),
            Action::Survey => Box::pin(async move { Some(Event::Surveyed(transport.survey(&group).await)) }),
            Action::Refresh { sessions } => {
                Box::pin(async move { Some(Event::Refreshed(paged::refresh(&*transport, &group, &sessions).await)) })
            }
            Action::Probe => Box::pin(async move { Some(Event::Probed(transport.has_room(&group).await)) }),
            Action::Seclude => {
                let number = self.shared.member.number();
                Box::pin(async move { Member::secluded(number).await.then_some(Event::Secluded) })
            }
            // Dealt with where they come out of the machine.
            Action::Mingle
            | Action::Go(_)
            | Action::Start(_)
            | Action::Cancel { .. }
            | Action::Tell(_)
            | Action::Ended(_) => Box::pin(std::future::ready(None)),
        }
    }
}

/// Eight random hex digits: enough to tell holders and identities of one group apart.
fn random() -> String {
    let mut text = Uuid::new_v4().simple().to_string();
    text.truncate(8);
    text
}
