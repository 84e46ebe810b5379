//! Gathering: publishes that meet, and answers that meet, leave together, in one write, in the order they came.
//!
//! One that comes while nothing is under way leaves at once, on its caller's own task. Those that come while others are
//! under way gather until the task that carries them is scheduled, and that does not wait for answers: several bursts
//! may be under way on the connection. Entries of one call stay together. A caller that stops waiting takes nothing
//! back.
//!
//! The carrying task is spawned when something has gathered and ends when everything is answered. Should it die with
//! its runtime, those that it had not sent are told so, and for the others it is unknown.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::runtime::{Handle, Id};
use tokio::sync::{Notify, oneshot};

use crate::clock::Sleep;
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::transport::{Append, Appended, Transport};

type Answers = Vec<Result<Appended>>;

/// How entries get to the server.
type Sending = dyn Fn(Vec<Append>) -> BoxFuture<'static, Answers> + Send + Sync;

/// What leaves together holds at most this many entries, and bytes, unless a single call has more.
const MOST_ENTRIES: usize = 1000;
const MOST_BYTES: usize = 1024 * 1024;

/// Publishes that wait for company.
#[derive(Debug)]
pub(super) struct Bursts(Arc<Line>);

struct Line {
    state: Mutex<State>,
    came: Notify,
    send: Box<Sending>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Call>,
    /// Somebody's own task has a call under way.
    direct: bool,
    /// The runtime on which the carrying task lives.
    carried: Option<Id>,
}

#[derive(Debug)]
struct Call {
    entries: Vec<Append>,
    answer: oneshot::Sender<Answers>,
}

impl Bursts {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self::over(move |entries| {
            let transport = transport.clone();
            async move { transport.append(entries).await }.boxed()
        })
    }

    fn over(send: impl Fn(Vec<Append>) -> BoxFuture<'static, Answers> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Line { state: Mutex::default(), came: Notify::new(), send: Box::new(send) }))
    }

    /// Appends the entries of one call; one result for each. What has no answer at the `end` is told so, and goes on behind
    /// it: an answer that never comes costs the connection.
    pub(super) async fn append(&self, entries: Vec<Append>, end: Option<Sleep>) -> Answers {
        let count = entries.len();
        let mut sending = match self.0.join(entries) {
            Turn::Direct(entries, under_way) => {
                let sending = (self.0.send)(entries);
                let Some(end) = end else {
                    let answers = sending.await;
                    drop(under_way);
                    return answers;
                };
                return until(sending, end).await.unwrap_or_else(|sending| {
                    if let Ok(runtime) = Handle::try_current() {
                        runtime.spawn(sending);
                    }
                    unanswered(count)
                });
            }
            Turn::Gathered(count, answer) => {
                answer.map(move |told| told.unwrap_or_else(|_| lost(count, Stored::Unknown)))
            }
        };
        match end {
            None => sending.await,
            Some(end) => until(&mut sending, end).await.unwrap_or_else(|_| unanswered(count)),
        }
    }
}

/// The answers, or, at the end, what still waits for them.
async fn until<F: Future<Output = Answers> + Unpin>(mut sending: F, end: Sleep) -> std::result::Result<Answers, F> {
    tokio::select! {
        biased;
        answers = &mut sending => return Ok(answers),
        () = end => {}
    }
    Err(sending)
}

/// How a call leaves.
enum Turn<'a> {
    /// On its caller's own task.
    Direct(Vec<Append>, Direct<'a>),
    /// With others; so many answers will come.
    Gathered(usize, oneshot::Receiver<Answers>),
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, entries: Vec<Append>) -> Turn<'_> {
        let mut state = self.state();
        let busy = state.direct || state.carried.is_some();
        // The runtime of a carrying task may stand still while another one is driven, so nobody waits across.
        let runtime = Handle::try_current().ok().filter(|here| busy && state.carried.is_none_or(|id| id == here.id()));
        let Some(runtime) = runtime else {
            state.direct = true;
            return Turn::Direct(entries, Direct(self));
        };
        let (answer, answered) = oneshot::channel();
        let count = entries.len();
        state.waiting.push_back(Call { entries, answer });
        if state.carried.replace(runtime.id()).is_none() {
            runtime.spawn(carry(Carrier { line: self.clone(), ended: false }));
        }
        drop(state);
        self.came.notify_one();
        Turn::Gathered(count, answered)
    }

    /// The next calls that leave together; plain entries and scripted ones do not mix, for in between the script would
    /// have to travel with them. Nor do those that wait for replicas and those that do not, or publishes and answers.
    fn next(&self) -> Vec<Call> {
        let mut state = self.state();
        let mut burst: Vec<Call> = Vec::new();
        let (mut entries, mut bytes) = (0, 0);
        while let Some(call) = state.waiting.front() {
            entries += call.entries.len();
            bytes += call.entries.iter().map(Append::size).sum::<usize>();
            let fits = entries <= MOST_ENTRIES && bytes <= MOST_BYTES && burst.first().is_none_or(|f| f.is_like(call));
            if !burst.is_empty() && !fits {
                break;
            }
            burst.extend(state.waiting.pop_front());
        }
        burst
    }
}

impl Call {
    fn is_like(&self, other: &Self) -> bool {
        let kind = |call: &Self| {
            let (plain, first) = (call.entries.iter().all(Append::is_plain), call.entries.first());
            (plain, first.and_then(|entry| entry.replicas), first.is_some_and(|entry| entry.along.is_some()))
        };
        kind(self) == kind(other)
    }
}

/// A call on its caller's own task, also when that is dropped halfway.
struct Direct<'a>(&'a Line);

impl Drop for Direct<'_> {
    fn drop(&mut self) {
        self.0.state().direct = false;
    }
}

/// The carrying task's hold on the line.
struct Carrier {
    line: Arc<Line>,
    ended: bool,
}

impl Carrier {
    /// Ends the task's duty unless something has gathered.
    fn end(&mut self) -> bool {
        let mut state = self.line.state();
        self.ended = state.waiting.is_empty();
        if self.ended {
            state.carried = None;
        }
        self.ended
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = self.line.state();
        state.carried = None;
        for call in state.waiting.drain(..) {
            let answers = lost(call.entries.len(), Stored::No);
            // Whoever does not wait any more needs no answer.
            let _ = call.answer.send(answers);
        }
    }
}

async fn carry(mut carrier: Carrier) {
    let line = carrier.line.clone();
    let mut under_way = FuturesUnordered::new();
    loop {
        let burst = line.next();
        if !burst.is_empty() {
            under_way.push(send(&line, burst));
        } else if under_way.is_empty() && carrier.end() {
            return;
        }
        tokio::select! {
            biased;
            Some(()) = under_way.next() => {}
            () = line.came.notified() => {}
        }
    }
}

async fn send(line: &Line, burst: Vec<Call>) {
    let mut callers = Vec::with_capacity(burst.len());
    let mut entries = Vec::with_capacity(burst.len());
    for call in burst {
        callers.push((call.entries.len(), call.answer));
        entries.extend(call.entries);
    }
    let mut answers = (line.send)(entries).await.into_iter();
    for (count, answer) in callers {
        // Whoever does not wait any more needs no answer.
        let _ = answer.send(answers.by_ref().take(count).collect());
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("state", &self.state).finish_non_exhaustive()
    }
}

fn unanswered(count: usize) -> Answers {
    let error = Error::new(ErrorKind::Timeout, "the server did not answer in the time that a publish has");
    vec![Err(error.with_stored(Stored::Unknown)); count]
}

fn lost(count: usize, stored: Stored) -> Answers {
    let error = Error::unavailable("the runtime that published ended").with_stored(stored);
    vec![Err(error); count]
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;
    use crate::policy::Durability;
    use crate::transport::{Dedupe, EntryId};

    /// A server that stores what comes and answers when it may: each entry gets its number in order of storage.
    struct Server {
        writes: Mutex<Vec<Vec<String>>>,
        may_answer: Semaphore,
    }

    fn server() -> (Arc<Server>, Bursts) {
        let server = Arc::new(Server { writes: Mutex::default(), may_answer: Semaphore::new(0) });
        let stored = server.clone();
        let bursts = Bursts::over(move |entries: Vec<Append>| {
            let server = stored.clone();
            async move {
                let before = server.writes().iter().flatten().count();
                let names = entries.iter().map(|entry| entry.stream.to_string()).collect();
                server.writes.lock().unwrap().push(names);
                server.may_answer.acquire().await.unwrap().forget();
                let id = |n| EntryId { ms: (before + n) as u64, seq: 0 };
                (0..entries.len())
                    .map(|n| Ok(Appended { id: id(n), duplicate: false, len: None, durability: Durability::Server }))
                    .collect()
            }
            .boxed()
        });
        (server, bursts)
    }

    impl Server {
        fn writes(&self) -> Vec<Vec<String>> {
            self.writes.lock().unwrap().clone()
        }
    }

    fn entry(name: &str) -> Vec<Append> {
        vec![Append::new(name.into(), Vec::new())]
    }

    fn stored(answers: &Answers) -> Vec<u64> {
        answers.iter().map(|answer| answer.as_ref().unwrap().id.ms).collect()
    }

    #[tokio::test]
    async fn calls_that_meet_leave_together_and_in_order() {
        let (server, bursts) = server();
        let mut calls: Vec<_> = ["a", "b", "c"].map(|name| Box::pin(bursts.append(entry(name), None))).into();
        let two = [entry("d"), entry("d")].concat();
        calls.push(Box::pin(bursts.append(two, None)));
        for call in &mut calls {
            assert!(call.now_or_never().is_none());
        }
        assert_eq!(server.writes(), [["a"]], "the first one does not wait for company");
        tokio::task::yield_now().await;
        assert_eq!(server.writes(), [vec!["a"], vec!["b", "c", "d", "d"]], "nor do the others wait for its answer");
        server.may_answer.add_permits(2);
        let answers = futures_util::future::join_all(calls).await;
        assert_eq!(answers.iter().map(stored).collect::<Vec<_>>(), [vec![0], vec![1], vec![2], vec![3, 4]]);
        server.may_answer.add_permits(1);
        assert_eq!(stored(&bursts.append(entry("e"), None).await), [5]);
        assert_eq!(bursts.0.state().carried, None, "the carrying task ends when all is answered");
    }

    #[tokio::test]
    async fn scripted_entries_leave_apart_from_plain_ones() {
        let (server, bursts) = server();
        let mut scripted = entry("c");
        scripted[0].dedupe = Some(Dedupe { key: "m".into(), window: std::time::Duration::from_secs(1) });
        let calls = [entry("a"), entry("b"), scripted, entry("d")].map(|entries| bursts.append(entries, None));
        server.may_answer.add_permits(4);
        futures_util::future::join_all(calls).await;
        assert_eq!(server.writes(), [["a"], ["b"], ["c"], ["d"]]);
    }

    #[tokio::test]
    async fn a_caller_that_stops_waiting_takes_nothing_back_and_blocks_nobody() {
        let (server, bursts) = server();
        let mut gone = [entry("a"), entry("b")].map(|entries| Box::pin(bursts.append(entries, None)));
        for call in &mut gone {
            assert!(call.now_or_never().is_none());
        }
        drop(gone);
        server.may_answer.add_permits(9);
        bursts.append(entry("c"), None).await;
        assert_eq!(server.writes().concat(), ["a", "b", "c"], "also what had only gathered");
    }

    #[test]
    fn the_end_of_a_runtime_is_told_and_another_one_goes_on() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (server, bursts) = server();
        let (first, second) = (runtime(), runtime());
        let mut calls = ["a", "b", "c"].map(|name| Box::pin(bursts.append(entry(name), None)));
        first.block_on(async {
            assert!((&mut calls[0]).now_or_never().is_none());
            assert!((&mut calls[1]).now_or_never().is_none());
            tokio::task::yield_now().await;
            assert!((&mut calls[2]).now_or_never().is_none());
        });
        assert_eq!(server.writes(), [["a"], ["b"]]);
        server.may_answer.add_permits(3);
        assert_eq!(stored(&second.block_on(bursts.append(entry("d"), None))), [2], "the first runtime stands still");
        drop(first);
        let [_, sent, gathered] = calls;
        let told = |answers: Answers| answers[0].as_ref().unwrap_err().context().to_vec();
        assert_eq!(told(second.block_on(sent)), [("stored", Stored::Unknown.as_str().to_owned())]);
        assert_eq!(told(second.block_on(gathered)), [("stored", Stored::No.as_str().to_owned())]);
    }
}
