//! Which calls fail at present, and when each is tried again.
//!
//! A consumer is in trouble from the first call that fails until every kind of call that failed has succeeded: where one
//! key is broken, some calls fail and others do not, and who is told wants to hear of that once. Only calls that are
//! repeated until they succeed are kept apart; the others count as the call that will be made anyway.

use std::collections::BTreeSet;
use std::time::Duration;

use super::notice::Notice;
use super::session::Held;
use super::types::{Action, Answer, Now, SessionKey};
use super::{Machine, backoff};
use crate::error::Error;

/// A kind of call that is repeated until it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    /// Registration, and making the group.
    Setup,
    Fetch,
    Read,
    Settle,
    Begin,
    Retire,
    /// Renewal, and what is done for those who are renewed.
    Renew,
    /// Looking at the others, taking over, comparing.
    Look,
    /// The janitor's rounds.
    Sweep,
    Survey,
    Locks,
    Stop,
    /// What handlers write.
    Room,
}

impl Call {
    /// Whether it is about one session, and gone with it.
    fn is_of_session(self) -> bool {
        matches!(self, Self::Fetch | Self::Read | Self::Settle | Self::Begin | Self::Retire)
    }
}

/// What fails, and for how long nothing has succeeded.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    failing: BTreeSet<Call>,
    /// Failures since something succeeded: who is answered may try again soon.
    streak: u32,
}

impl Trouble {
    /// Notes a failure: how long to wait before the next attempt (no longer than a quarter of the lease, so that a server
    /// that is back is noticed before the lease is over), and what there is to tell.
    pub(super) fn failed(
        &mut self,
        call: Call,
        error: Error,
        lease: Duration,
        seed: u64,
    ) -> (Duration, Option<Notice>) {
        let news = self.failing.is_empty().then_some(Notice::Trouble { error });
        self.failing.insert(call);
        self.streak = self.streak.saturating_add(1);
        let (base, max) = (Duration::from_millis(50), lease / 4);
        (backoff::delay(base.min(max), max, 0.2, self.streak, seed ^ u64::from(self.streak)), news)
    }

    /// Whether what succeeds now is the first since something failed: the server may be another one.
    pub(super) fn ends_streak(&mut self) -> bool {
        std::mem::take(&mut self.streak) > 0
    }

    /// Notes a success; what there is to tell.
    pub(super) fn succeeded(&mut self, call: Call) -> Option<Notice> {
        (self.failing.remove(&call) && self.failing.is_empty()).then_some(Notice::Recovered)
    }

    /// A session is gone, and its calls with it.
    pub(super) fn session_gone(&mut self) -> Option<Notice> {
        let before = self.failing.len();
        self.failing.retain(|call| !call.is_of_session());
        (before > 0 && self.failing.is_empty()).then_some(Notice::Recovered)
    }
}

impl Machine {
    /// Notes a failed call; gives when to try again.
    pub(super) fn failed(&mut self, call: Call, error: Error, now: Now) -> Duration {
        let (pause, news) = self.trouble.failed(call, error, self.policy.lease, self.policy.seed);
        self.out.extend(news.map(Action::Tell));
        now.mono + pause
    }

    pub(super) fn succeeded(&mut self, call: Call) {
        if self.trouble.ends_streak() {
            self.out.push(Action::LookAtServer);
        }
        self.out.extend(self.trouble.succeeded(call).map(Action::Tell));
    }

    /// Unwraps an answer: trouble and refusals are dealt with here, `retry_at` is told when to repeat.
    pub(super) fn answered<T>(
        &mut self,
        call: Call,
        key: SessionKey,
        answer: Answer<T>,
        now: Now,
        retry_at: impl FnOnce(&mut Held, Duration),
    ) -> Option<T> {
        match answer {
            Ok(Ok(value)) => {
                self.succeeded(call);
                Some(value)
            }
            Ok(Err(refusal)) => {
                self.succeeded(call);
                self.lose(key, refusal, now);
                None
            }
            Err(error) => {
                let at = self.failed(call, error, now);
                if let Some(held) = self.sessions.get_mut(&key) {
                    retry_at(held, at);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(2);

    fn fail(trouble: &mut Trouble, call: Call) -> (Duration, bool) {
        let (wait, news) = trouble.failed(call, Error::unavailable("gone"), LEASE, 7);
        (wait, news.is_some())
    }

    #[test]
    fn trouble_is_told_once_and_ends_when_every_kind_of_call_succeeds() {
        let mut trouble = Trouble::default();
        assert!(fail(&mut trouble, Call::Fetch).1);
        for _ in 0..3 {
            // A renewal that gets through says nothing of the fetch that does not.
            assert!(trouble.succeeded(Call::Renew).is_none());
            assert!(!fail(&mut trouble, Call::Fetch).1);
        }
        assert!(!fail(&mut trouble, Call::Settle).1);
        assert!(trouble.succeeded(Call::Fetch).is_none());
        assert!(matches!(trouble.succeeded(Call::Settle), Some(Notice::Recovered)));
        assert!(trouble.succeeded(Call::Settle).is_none());
    }

    #[test]
    fn who_is_not_answered_waits_longer_from_failure_to_failure() {
        let mut trouble = Trouble::default();
        let first = fail(&mut trouble, Call::Fetch).0;
        let later = (0..6).map(|_| fail(&mut trouble, Call::Fetch).0).last().unwrap_or_default();
        assert!(first < Duration::from_millis(61) && later >= LEASE / 6 && later <= LEASE / 3, "{first:?} {later:?}");
        assert!(trouble.ends_streak() && !trouble.ends_streak());
        assert!(fail(&mut trouble, Call::Fetch).0 < Duration::from_millis(61));
    }

    #[test]
    fn the_calls_of_a_session_end_with_it() {
        let mut trouble = Trouble::default();
        fail(&mut trouble, Call::Settle);
        assert!(matches!(trouble.session_gone(), Some(Notice::Recovered)));
        assert!(trouble.session_gone().is_none());
        fail(&mut trouble, Call::Renew);
        assert!(trouble.session_gone().is_none());
    }
}
