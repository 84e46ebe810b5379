//! The operations that everything above is written against, in the words of delivery, not of Redis.
//!
//! Two implementations: [`crate::redis`] and [`crate::engine`]. One conformance suite decides what is correct.
//! Nothing here waits for more than one round trip except [`Transport::wait`] and [`Transport::tail`]; nothing here retries. An error
//! means that the request may or may not have been carried out: every operation may be repeated unchanged.

mod append;
pub(crate) mod check;
mod doctor;
mod entry;
mod info;
mod letters;
mod notify;
mod session;
mod shortage;
mod store;
mod stray;
mod trace;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;
use crate::topology::Name;
pub use append::*;
pub use doctor::*;
pub use entry::*;
pub use info::*;
pub use letters::*;
pub(crate) use notify::Ear;
pub use notify::{Heard, Subscription};
pub use session::*;
pub(crate) use shortage::{Shortages, is_shortage, no_memory};
pub(crate) use store::not_met;
pub use store::*;
pub use stray::*;
pub use trace::*;
pub use work::*;

/// A stream server.
///
/// The private meaning of the nested result: the outer one is trouble (unreachable, wrong type, bug), the inner one
/// is an answer of the server that refuses a session (see [`Refusal`]).
#[async_trait]
pub trait Transport: Send + Sync + std::fmt::Debug + 'static {
    /// Appends entries in their order, in one write; one result for each.
    ///
    /// A failed entry carries the context `stored` (`no` or `unknown`). A [`Append::fence`] that is not in force
    /// any more is `Stale`; a message id seen inside its window answers the first entry's id with `duplicate`.
    async fn append(&self, batch: Vec<Append>) -> Vec<Result<Appended>>;

    /// Creates a session; never takes one over. The identity must be new. Sets the group's mode if it has none,
    /// else compares (`Conflict`). Raises no beat: the first one is 0. Also notes the group as one that counts for
    /// safe trimming. `GroupLost` when the group does not exist.
    async fn register(&self, group: &Group, identity: &Name, suffix: &str) -> Result<Result<Session, Refusal>>;

    /// First the session's own pending list after the cursor in id order, then (if asked) new entries, routing each
    /// to the owner of its lane. In mode `exclusive` new entries go to one session only: the first that asks for them
    /// holds the stream until it retires, whoever acts for it; the others are told to rest.
    async fn fetch(&self, group: &Group, session: &Session, request: &Fetch) -> Result<Result<Fetched, Refusal>>;

    /// Reports outcomes, at most [`MAX_BATCH`] a call, at most one call under way per session, repeated unchanged
    /// until answered. Dead letters are written before anything else.
    async fn settle(&self, group: &Group, session: &Session, batch: &[Settle]) -> Result<Result<Settled, Refusal>>;

    /// Marks entries as started, by absolute number, before their handlers start.
    async fn begin(
        &self,
        group: &Group,
        session: &Session,
        starts: &[(EntryId, Record)],
    ) -> Result<Result<(), Refusal>>;

    /// Raises the beat of each session whose fence is in force; one answer for each.
    async fn renew(&self, group: &Group, sessions: &[Session]) -> Result<Vec<Result<u64, Refusal>>>;

    /// The signs of life of all identities.
    async fn signs(&self, group: &Group) -> Result<Vec<Sign>>;

    /// Takes an identity over: compare-and-set on fence and beat as seen. `None`: it moved, nothing was changed.
    async fn adopt(&self, group: &Group, seen: &Sign, suffix: &str) -> Result<Option<Session>>;

    /// Removes a session and its consumer if its pending list is empty; `false`: it is not. If it held the stream,
    /// the resting consumers are rung.
    async fn retire(&self, group: &Group, session: &Session) -> Result<Result<bool, Refusal>>;

    /// Gives identities up: raises their fences, marks them as left, rings the resting consumers. Sessions whose
    /// fence is not in force are skipped.
    async fn stop(&self, group: &Group, sessions: &[Session]) -> Result<()>;

    /// Makes sure that stream and group exist. If the group had to be made, everything that routing knew of an
    /// earlier life is wiped in the same step, and reading starts at 0 under `acked` with one group, else at the
    /// mark (or 0 without one).
    async fn recreate(&self, group: &Group) -> Result<Recreated>;

    /// Waits until the group may have something for this identity, as `hint` of an empty fetch says, or `timeout`.
    /// A wake-up proves nothing and a missing one costs no more than the time-out. Safe to drop at any time.
    async fn wait(&self, group: &Group, identity: &Name, hint: &Hint, timeout: Duration) -> Result<()>;

    /// Ids that are pending for this identity after `after`, in order, at most `count`. Raises no count.
    async fn held(&self, group: &Group, identity: &Name, after: EntryId, count: usize) -> Result<Vec<EntryId>>;

    /// Removes the lanes of unregistered identities, and records of starts of what others have finished, a page at a time;
    /// gives the cursor of the next page, `None` at the end.
    async fn sweep(&self, group: &Group, cursor: u64) -> Result<Option<u64>>;

    /// Takes a lock for as long as `ttl` if nobody holds it; whether it is held under this token afterwards. Taken
    /// again under the same token it lasts `ttl` from now.
    async fn lock(&self, key: &Name, token: &str, ttl: Duration) -> Result<bool>;

    /// Lets a lock that is held under this token last `ttl` from now; `false`: it is not held, or by somebody else.
    async fn renew_lock(&self, key: &Name, token: &str, ttl: Duration) -> Result<bool>;

    /// Gives a lock up that is held under this token and tells it on [`crate::topology::lock_channel`]; `false`: it was not.
    async fn unlock(&self, key: &Name, token: &str) -> Result<bool>;

    /// Adds steps to traces, at most [`MAX_STEPS`], behind what is there. Nothing is refused; how many of them the state
    /// before did not allow. Carried out twice, they stand there twice.
    async fn trace(&self, steps: &[TraceStep]) -> Result<u64>;

    /// Brings strays back, a page at a time: what a consumer without registration (a foreign one, or one of ours that
    /// was forgotten) left pending for long and, under `acked`, what was handed out and is pending for nobody. The session
    /// takes those whose lane is free or its own; the others are left for the owner of their lane.
    ///
    /// What is pending for nobody is looked for only where nobody but us, reading alone, can have finished it: after the
    /// point that the group had reached when the first consumer of ours registered, and when a foreign consumer or another
    /// group was last seen (see [`Transport::survey`]).
    async fn gather(&self, group: &Group, session: &Session, request: &Gather) -> Result<Result<Gathered, Refusal>>;

    /// The consumers of the group that are not registered. Those that hold nothing and have not asked for [`GONE`] are
    /// removed.
    async fn survey(&self, group: &Group) -> Result<Vec<Name>>;

    /// Says that the session still works on what it holds after this id, a page of it, so that no foreign consumer takes
    /// it for forgotten; where to go on, `None` at the end.
    async fn refresh(
        &self,
        group: &Group,
        session: &Session,
        after: EntryId,
    ) -> Result<Result<Option<EntryId>, Refusal>>;

    /// Entries by id; `None` for those that are no longer there.
    async fn read(&self, stream: &Name, ids: &[EntryId]) -> Result<Vec<Option<Entry>>>;

    /// Entries of a stream between two ids (inclusive), oldest first, at most `count`.
    async fn range(&self, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>>;

    /// Entries of a stream between two ids (inclusive), newest first, at most `count`.
    async fn range_back(&self, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>>;

    /// Makes a dead letter an entry again: appends it, sets the marker of its message id to the new entry and removes
    /// the letter, in one step. `Full` (and nothing changed) when the stream holds [`Append::strict_cap`] entries.
    async fn replay(&self, replay: &Replay) -> Result<Replayed>;

    /// Removes dead letters with their big bodies, at most [`MAX_BATCH`]; for each, whether it was there.
    async fn discard(&self, letters: &Name, batch: &[Discard]) -> Result<Vec<bool>>;

    /// Bodies kept beside their entries; `None` for those that are no longer there.
    async fn bodies(&self, keys: &[Name]) -> Result<Vec<Option<Bytes>>>;

    /// Length, last id and groups of a stream; `NotFound` when there is none.
    async fn stream_info(&self, stream: &Name) -> Result<StreamInfo>;

    /// Pending entries of a group; `NotFound` when there is no such stream or group.
    async fn pending(&self, stream: &Name, group: &Name) -> Result<PendingInfo>;

    /// Removes a stream and everything kept beside it under fixed names. For reply streams and tests.
    async fn delete_stream(&self, stream: &Name) -> Result<()>;

    /// Carries operations on keys out, in their order, all or none; one answer for each. `Invalid` when a key holds something
    /// of another kind, with what it holds, `Conflict` when a condition does not hold ([`Op::Require`]), `TooLarge` above [`MAX_BATCH_BYTES`].
    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Answer>>;

    /// Listens on channels; everything told once this has returned is heard.
    async fn subscribe(&self, channels: &[Name]) -> Result<Subscription>;

    /// Entries of a stream after an id, at most `count`, as soon as there are any; none when `wait` is over. Does not hold
    /// other requests up. Safe to drop at any time.
    async fn tail(&self, stream: &Name, after: EntryId, count: usize, wait: Duration) -> Result<Vec<Entry>>;

    /// Whether the server takes writes that need memory; asked beside the stream of this group, and nothing is written.
    async fn has_room(&self, group: &Group) -> Result<bool>;

    /// How many connections were made so far: behind another one than before may be another server.
    fn connections(&self) -> u64 {
        0
    }

    /// One round trip; what the server is.
    async fn ping(&self) -> Result<ServerInfo>;

    /// Whether the server is safe to keep messages on, check by check; `probe` also tries the rights that are needed on
    /// this stream. Changes nothing.
    async fn examine(&self, probe: Option<&Name>) -> Result<Vec<Finding>> {
        let _ = probe;
        Ok(vec![Finding::ok("version", "memory"), Finding::ok("persistence", "memory of this process, gone with it")])
    }

    /// Ends the connections. Idempotent; later calls are `Closed`.
    async fn close(&self);
}
