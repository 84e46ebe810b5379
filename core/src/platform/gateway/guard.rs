//! Calls of somebody else's code: a panic is an error, and so is one that takes too long.
//!
//! Code that blocks its thread without an await cannot be helped.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result, Stored};

/// What became of something that an adapter failed to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It never will be sent.
    Refused,
    /// It was not sent.
    Unsent,
    /// It may have been sent.
    Unknown,
}

/// Reads the error of a send, as [`super::super::Adapter`] says it.
pub(super) fn fate(error: &Error) -> Fate {
    use ErrorKind::{Cancelled, Expired, Internal, Invalid, Malformed, NotFound, Rejected, Remote, Timeout, TooLarge};
    let said = error.context().iter().find(|(key, _)| *key == "stored").map(|(_, value)| value.as_str());
    match error.kind() {
        Invalid | Malformed | NotFound | Rejected | TooLarge => Fate::Refused,
        _ if said == Some(Stored::No.as_str()) => Fate::Unsent,
        _ if said == Some(Stored::Unknown.as_str()) => Fate::Unknown,
        Timeout | Internal | Remote | Cancelled | Expired => Fate::Unknown,
        _ => Fate::Unsent,
    }
}

/// Runs a call of an adapter. `Timeout` when it takes longer than `limit`, `Internal` when it panics.
pub(super) async fn guarded<T>(
    clock: &dyn Clock,
    limit: Duration,
    what: &str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        done = AssertUnwindSafe(call).catch_unwind() => done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let text = text.unwrap_or("no text");
            Err(Error::internal(format!("the adapter panicked in {what}: {text}")))
        }),
        () = clock.sleep(limit) => {
            let text = format!("the adapter did not end {what} within {} s", limit.as_secs_f64());
            Err(Error::new(ErrorKind::Timeout, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn an_error_says_what_became_of_the_send() {
        let of = |kind| fate(&Error::new(kind, "x"));
        assert_eq!(of(ErrorKind::Rejected), Fate::Refused);
        assert_eq!(of(ErrorKind::Unavailable), Fate::Unsent);
        assert_eq!(of(ErrorKind::Full), Fate::Unsent);
        assert_eq!(of(ErrorKind::Timeout), Fate::Unknown);
        assert_eq!(of(ErrorKind::Remote), Fate::Unknown);
        assert_eq!(fate(&Error::unavailable("cut").with_stored(Stored::Unknown)), Fate::Unknown);
        assert_eq!(fate(&Error::new(ErrorKind::Timeout, "no connection").with_stored(Stored::No)), Fate::Unsent);
    }

    #[tokio::test]
    async fn panics_and_hangs_are_errors() {
        let clock = ManualClock::new();
        let limit = Duration::from_secs(1);
        let panics = async { panic!("odd") };
        let error = guarded::<()>(&*clock, limit, "send", panics).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Internal && error.message().contains("odd"), "{error}");
        let (done, ()) = tokio::join!(guarded::<()>(&*clock, limit, "send", std::future::pending()), async {
            while clock.next_deadline().is_none() {
                tokio::task::yield_now().await;
            }
            clock.advance(limit);
        });
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Timeout);
    }
}
