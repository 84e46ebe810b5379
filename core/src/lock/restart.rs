//! When a job that ended is started again. Pure: it is told what happened and when.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::policy::backoff;

/// Which ends of a job are followed by another start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restart {
    /// None.
    Never,
    /// Those by an error.
    #[default]
    OnError,
    /// All.
    Always,
}

impl Restart {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Never, Self::OnError, Self::Always];

    /// The word in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnError => "on_error",
            Self::Always => "always",
        }
    }
}

impl std::str::FromStr for Restart {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|restart| restart.as_str() == word).ok_or_else(|| {
            Error::invalid(format!("restart is never, on_error or always, not {word:?}"))
                .with_context("setting", "restart")
        })
    }
}

/// What follows an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another start after this pause.
    Start(Duration),
    /// Nothing: it is done.
    Finish,
    /// Nothing: it failed, or too often.
    GiveUp,
}

/// How often a job may start again, and how quickly.
#[derive(Debug, Clone)]
pub(super) struct Restarts {
    pub(super) policy: Restart,
    pub(super) most: u32,
    pub(super) window: Duration,
    pub(super) base: Duration,
    pub(super) max: Duration,
    pub(super) dice: u64,
    /// The restarts of the window.
    at: VecDeque<Duration>,
    /// Restarts so far.
    pub(super) total: u64,
}

impl Restarts {
    pub(super) fn new(policy: Restart, most: u32, window: Duration, base: Duration, max: Duration, dice: u64) -> Self {
        Self { policy, most, window, base, max, dice, at: VecDeque::new(), total: 0 }
    }

    /// As if nothing had happened.
    pub(super) fn reset(&mut self) {
        self.at.clear();
        self.total = 0;
    }

    /// The job ended, well or not.
    pub(super) fn ended(&mut self, well: bool, now: Duration) -> Next {
        match (self.policy, well) {
            (Restart::Never | Restart::OnError, true) => return Next::Finish,
            (Restart::Never, false) => return Next::GiveUp,
            (Restart::OnError, false) | (Restart::Always, _) => {}
        }
        while self.at.front().is_some_and(|at| *at + self.window <= now) {
            self.at.pop_front();
        }
        let recent = u32::try_from(self.at.len()).unwrap_or(u32::MAX);
        if recent >= self.most {
            return Next::GiveUp;
        }
        self.at.push_back(now);
        self.total += 1;
        Next::Start(backoff::delay(self.base, self.max, 0.2, recent + 1, self.dice ^ self.total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn restarts(policy: Restart) -> Restarts {
        Restarts::new(policy, 3, 60 * SECOND, SECOND, 30 * SECOND, 7)
    }

    #[test]
    fn a_policy_says_which_ends_count() {
        assert_eq!(restarts(Restart::Never).ended(true, SECOND), Next::Finish);
        assert_eq!(restarts(Restart::Never).ended(false, SECOND), Next::GiveUp);
        assert_eq!(restarts(Restart::OnError).ended(true, SECOND), Next::Finish);
        assert!(matches!(restarts(Restart::OnError).ended(false, SECOND), Next::Start(_)));
        assert!(matches!(restarts(Restart::Always).ended(true, SECOND), Next::Start(_)));
        for restart in Restart::ALL {
            assert_eq!(restart.as_str().parse::<Restart>().unwrap(), restart);
        }
        assert_eq!("sometimes".parse::<Restart>().unwrap_err().code(), "invalid");
    }

    #[test]
    fn too_many_in_the_window_are_too_many_and_old_ones_do_not_count() {
        let mut many = restarts(Restart::OnError);
        let pauses: Vec<_> = (0..4).map(|n| many.ended(false, n * SECOND)).collect();
        for (n, pause) in pauses[..3].iter().enumerate() {
            let Next::Start(pause) = pause else { panic!("{pause:?}") };
            let doubled = SECOND * (1 << n);
            assert!(*pause >= doubled.mul_f64(0.8) && *pause <= doubled.mul_f64(1.2), "{n}: {pause:?}");
        }
        assert_eq!(pauses[3], Next::GiveUp);
        let mut few = restarts(Restart::OnError);
        for n in 0..100 {
            assert!(matches!(few.ended(false, n * 21 * SECOND), Next::Start(_)), "{n}");
        }
        assert_eq!(few.total, 100);
    }
}
