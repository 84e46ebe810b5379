//! Errands: work that the core hands to the host language, and what comes back.
//!
//! The host enlists functions under numbers of its own (a tool, a handler of calls, an adapter). Whoever needs one posts an
//! errand: the number, what is to be done, and arguments as msgpack. The [`Order`] goes into the queue of the host's
//! loop, under the same bell as results ([`super::Completions`]); the host's thread drains it in bursts, does the work in its own way, and
//! answers by the errand's id, with msgpack or with why it failed ([`Failed`]).
//!
//! Every errand ends once: with the host's answer, or as `Closed` when the host has gone ([`Errands::close`]). One that is
//! given up by who posted it is told to the host once, with the reason, and what the host answers then is ignored. No
//! object of the host's comes here, and nothing here calls the host: both sides only put things into queues.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::failed::Failed;
use crate::envelope::codec;
use crate::envelope::{Limits, Value};
use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::rpc::CancelReason;

/// What a host is told.
#[derive(Debug)]
pub enum Order {
    /// Do this.
    Do(Errand),
    /// Nobody waits for the answer of this one any more: end it. It may have ended already.
    End {
        /// The errand.
        id: u64,
        /// Why.
        reason: CancelReason,
    },
}

/// Something to be done by the host.
#[derive(Debug)]
#[non_exhaustive]
pub struct Errand {
    /// What it is answered under.
    pub id: u64,
    /// Which of the host's functions is to do it: the number that the host gave it.
    pub function: u32,
    /// What that function is to do, where it can do several things: a method's name.
    pub what: Arc<str>,
    /// Arguments: a msgpack map.
    pub arguments: Bytes,
    /// The bus as this errand may use it, where it may.
    pub bus: Option<Publisher>,
}

/// The errands of one loop of the host. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Errands(Arc<Inner>);

struct Inner {
    /// Puts an order into the queue.
    post: Box<dyn Fn(Order) + Send + Sync>,
    waiting: Mutex<Waiting>,
    next: AtomicU64,
    closed: watch::Sender<bool>,
}

type Answered = std::result::Result<Bytes, Box<Failed>>;

#[derive(Default)]
struct Waiting {
    answers: HashMap<u64, oneshot::Sender<Answered>>,
    closed: bool,
}

impl Errands {
    /// What the values on this border may hold: their true limits are checked where they go on.
    pub const fn limits() -> Limits {
        Limits::WIDEST
    }

    /// Errands whose orders go there. It is called on the I/O thread and must neither block nor call the host.
    pub fn new(post: impl Fn(Order) + Send + Sync + 'static) -> Self {
        let (post, next) = (Box::new(post), AtomicU64::new(1));
        Self(Arc::new(Inner { post, waiting: Mutex::default(), next, closed: watch::Sender::new(false) }))
    }

    /// Posts an errand.
    pub fn post(&self, function: u32, what: impl Into<Arc<str>>, arguments: Bytes, bus: Option<Publisher>) -> UnderWay {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let under_way = UnderWay { errands: self.clone(), id, answered, ended: false };
        {
            let mut waiting = self.0.waiting();
            if waiting.closed {
                return under_way;
            }
            waiting.answers.insert(id, answer);
        }
        (self.0.post)(Order::Do(Errand { id, function, what: what.into(), arguments, bus }));
        under_way
    }

    /// Posts an errand and waits for its answer. Dropped, it is given up.
    pub async fn run(&self, function: u32, what: impl Into<Arc<str>>, arguments: &Value) -> Result<Value> {
        let arguments = codec::encode(arguments, &Self::limits())?;
        let answer = self.post(function, what, arguments, None).answer().await?;
        codec::decode(&answer, &Self::limits())
    }

    /// The host's answer: a msgpack value if it is `sound`, else a [`Failed`] as msgpack. Whether somebody waited for it.
    pub fn answer(&self, id: u64, sound: bool, answer: Bytes) -> bool {
        let Some(tell) = self.0.waiting().answers.remove(&id) else { return false };
        let answer = if sound { Ok(answer) } else { Err(Box::new(Failed::decode(&answer))) };
        tell.send(answer).is_ok()
    }

    /// The host has gone: what is under way fails, and what is posted from here on. May be called twice.
    pub fn close(&self) {
        let gone = {
            let mut waiting = self.0.waiting();
            waiting.closed = true;
            std::mem::take(&mut waiting.answers)
        };
        drop(gone);
        self.0.closed.send_replace(true);
    }

    /// Ends when the host has gone.
    pub async fn closed(&self) {
        // We hold the sender ourselves.
        let _ = self.0.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Errands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errands").field("under_way", &self.0.waiting().answers.len()).finish_non_exhaustive()
    }
}

/// An errand that was posted. Dropped without an answer, it is given up.
#[derive(Debug)]
pub struct UnderWay {
    errands: Errands,
    id: u64,
    answered: oneshot::Receiver<Answered>,
    /// Answered, or given up.
    ended: bool,
}

impl UnderWay {
    /// Waits for the answer; `Closed` when the host has gone. Safe to drop and call again.
    pub async fn answer(&mut self) -> std::result::Result<Bytes, Box<Failed>> {
        let answer = (&mut self.answered).await;
        self.ended = true;
        answer.unwrap_or_else(|_| Err(Box::new(Failed::gone())))
    }

    /// Has the host told to end it. What it answers meanwhile is still waited for. Told once.
    pub fn cancel(&mut self, reason: CancelReason) {
        if !std::mem::replace(&mut self.ended, true) && self.errands.0.waiting().answers.contains_key(&self.id) {
            (self.errands.0.post)(Order::End { id: self.id, reason });
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.cancel(CancelReason::Abandoned);
        self.errands.0.waiting().answers.remove(&self.id);
    }
}

impl From<Box<Failed>> for Error {
    fn from(failed: Box<Failed>) -> Self {
        failed.into_error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Map;
    use crate::error::ErrorKind;
    use crate::host::Completions;

    /// A host that is asked to drain.
    fn host() -> (Errands, Arc<Completions<Order>>) {
        let queue = Arc::new(Completions::new(|| {}));
        let orders = queue.clone();
        (Errands::new(move |order| orders.push(order)), queue)
    }

    fn encoded(value: &Value) -> Bytes {
        codec::encode(value, &Errands::limits()).unwrap()
    }

    fn errand(queue: &Completions<Order>) -> Errand {
        let mut orders = queue.drain();
        assert_eq!(orders.len(), 1, "{orders:?}");
        let Some(Order::Do(errand)) = orders.pop() else { panic!("something is to be done") };
        errand
    }

    #[tokio::test]
    async fn an_errand_is_done_by_the_host_and_answered_once() {
        let (errands, queue) = host();
        let arguments = Value::Map(Map::from([("n", 1)]));
        let running = tokio::spawn({
            let (errands, arguments) = (errands.clone(), arguments.clone());
            async move { errands.run(7, "send", &arguments).await }
        });
        tokio::task::yield_now().await;
        let errand = errand(&queue);
        assert_eq!((errand.function, &*errand.what), (7, "send"));
        assert_eq!(codec::decode(&errand.arguments, &Errands::limits()).unwrap(), arguments);
        assert!(errands.answer(errand.id, true, encoded(&"done".into())));
        assert!(!errands.answer(errand.id, true, encoded(&"again".into())), "nobody waits any more");
        assert_eq!(running.await.unwrap().unwrap(), Value::from("done"));
        assert!(queue.drain().is_empty(), "an answered errand is not cancelled");
    }

    #[tokio::test]
    async fn a_failure_comes_as_the_host_told_it() {
        let (errands, queue) = host();
        let mut first = errands.post(1, "x", Bytes::new(), None);
        let told = Map::from([("code", "KeyError"), ("message", "no such city")]);
        errands.answer(errand(&queue).id, false, encoded(&told.into()));
        let failed = first.answer().await.unwrap_err();
        assert_eq!((failed.code.as_str(), failed.message.as_str()), ("KeyError", "no such city"));
        let mut second = errands.post(1, "x", Bytes::new(), None);
        errands.answer(errand(&queue).id, false, Bytes::from_static(b"\xc1"));
        assert_eq!(
            second.answer().await.unwrap_err().kind,
            Some(ErrorKind::Internal),
            "a host that says nothing sound"
        );
    }

    #[tokio::test]
    async fn giving_up_is_told_once_and_the_answer_is_ignored() {
        let (errands, queue) = host();
        let mut under_way = errands.post(1, "x", Bytes::new(), None);
        let id = errand(&queue).id;
        under_way.cancel(CancelReason::Deadline);
        under_way.cancel(CancelReason::Caller);
        drop(under_way);
        let orders = queue.drain();
        assert!(
            matches!(orders[..], [Order::End { id: told, reason: CancelReason::Deadline }] if told == id),
            "{orders:?}"
        );
        assert!(!errands.answer(id, true, Bytes::new()));
        drop(errands.post(1, "x", Bytes::new(), None));
        let orders = queue.drain();
        assert!(matches!(orders[..], [Order::Do(_), Order::End { reason: CancelReason::Abandoned, .. }]), "{orders:?}");
    }

    #[tokio::test]
    async fn a_cancelled_errand_may_still_answer() {
        let (errands, queue) = host();
        let mut under_way = errands.post(1, "x", Bytes::new(), None);
        let id = errand(&queue).id;
        under_way.cancel(CancelReason::Caller);
        assert!(errands.answer(id, true, Bytes::from_static(b"\xc0")));
        assert!(under_way.answer().await.is_ok());
    }

    #[tokio::test]
    async fn what_a_host_that_goes_has_in_hand_fails() {
        let (errands, queue) = host();
        let mut under_way = errands.post(1, "x", Bytes::new(), None);
        queue.drain();
        errands.close();
        errands.close();
        errands.closed().await;
        assert_eq!(under_way.answer().await.unwrap_err().kind, Some(ErrorKind::Closed));
        drop(under_way);
        let error = errands.run(1, "x", &Value::Nil).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(queue.drain().is_empty(), "nothing is told to who has gone");
    }
}
