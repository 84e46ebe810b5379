//! The one error type of the whole product.
//!
//! A kind tells the caller what to do; the message is for people and may change. Every kind has a code that
//! never changes and is never reused; `tests/vectors/errors.json` is the table that all three languages read.

use std::fmt;
use std::sync::Arc;

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, told by what the caller should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Fix the call or the configuration: an argument has the wrong type, shape or range.
    Invalid,
    /// Create it first, or correct the name: the thing does not exist.
    NotFound,
    /// Somebody else holds it, or the group runs under other settings: join them or choose another name.
    Conflict,
    /// Retry: the server cannot be reached, is starting, or is failing over.
    Unavailable,
    /// Retry, or widen the time limit: no answer came in time.
    Timeout,
    /// Do not retry: the bytes are not an envelope we know.
    Malformed,
    /// Do not retry: the receiving side said no.
    Rejected,
    /// Open a new handle: this one is closed.
    Closed,
    /// Report it: a bug in stargazer.
    Internal,
    /// Wait, or widen the cap: the stream holds as many unread entries as it may.
    Full,
    /// Stop: the work is no longer yours, another consumer has taken it over.
    Stale,
    /// Correct user, password or access rights.
    Auth,
    /// Send less, or widen the limit: the body is too large or nested too deeply.
    TooLarge,
    /// Connect again in this process (or use the `spawn` start method): the bus was opened before a fork.
    Forked,
    /// Look at the remote error: the called function failed.
    Remote,
    /// Call again if it is still wanted: the request's deadline passed before it ran.
    Expired,
    /// The call was cancelled by its caller.
    Cancelled,
    /// Start a worker: nobody serves this call.
    NoWorker,
}

impl ErrorKind {
    /// Every kind, in the order of the table.
    pub const ALL: [Self; 18] = [
        Self::Invalid,
        Self::NotFound,
        Self::Conflict,
        Self::Unavailable,
        Self::Timeout,
        Self::Malformed,
        Self::Rejected,
        Self::Closed,
        Self::Internal,
        Self::Full,
        Self::Stale,
        Self::Auth,
        Self::TooLarge,
        Self::Forked,
        Self::Remote,
        Self::Expired,
        Self::Cancelled,
        Self::NoWorker,
    ];

    /// The code: stable for ever, the same in Rust, Python and Node.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
            Self::Internal => "internal",
            Self::Full => "full",
            Self::Stale => "stale",
            Self::Auth => "auth",
            Self::TooLarge => "too_large",
            Self::Forked => "forked",
            Self::Remote => "remote",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::NoWorker => "no_worker",
        }
    }

    /// Whether the same call may succeed later without a change.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::Timeout | Self::Full | Self::NoWorker)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether a failed publish may have stored its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stored {
    /// The entry was not stored; publishing again cannot double it.
    No,
    /// The request may have reached the server; publish again under the same message id.
    Unknown,
}

impl Stored {
    /// `no` or `unknown`, the value of the context key `stored`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// An error: kind, message, what was being done, context pairs and the cause.
///
/// Cheap to clone, because one failed burst fails many calls.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a message that says what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::made(kind, message.into())
    }

    // The code of an error stands here once, and not at every place that may fail: there are hundreds of those, and what is
    // out of line and marked as cold also leaves the way of success short.
    #[cold]
    #[inline(never)]
    fn made(kind: ErrorKind, message: String) -> Self {
        Self(Arc::new(Inner { kind, message, context: Vec::new(), source: None }))
    }

    #[cold]
    #[inline(never)]
    fn put(&mut self, key: &'static str, value: String) {
        let inner = Arc::make_mut(&mut self.0);
        inner.context.retain(|(k, _)| *k != key);
        inner.context.push((key, value));
    }

    /// Short for [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A key that holds something else than it should.
    pub(crate) fn wrong_type(key: &str, found: &str, wanted: &str) -> Self {
        Self::invalid(format!(
            "key {key:?} holds a {found} where a {wanted} is needed; choose another name, or remove the key"
        ))
        .with_context("key", key)
    }

    /// Short for [`ErrorKind::Malformed`].
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    /// Short for [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Short for [`ErrorKind::Closed`].
    pub fn closed(what: &str) -> Self {
        Self::new(ErrorKind::Closed, format!("this {what} is closed; open a new one"))
    }

    /// Short for [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds a context pair; an existing key is replaced.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.put(key, value.to_string());
        self
    }

    /// Says whether the failed publish may have stored its entry.
    #[must_use]
    pub fn with_stored(self, stored: Stored) -> Self {
        self.with_context("stored", stored.as_str())
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::new(source));
        self
    }

    /// The kind: what to do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code of the kind.
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// Whether the same call may succeed later without a change.
    pub fn retryable(&self) -> bool {
        self.0.kind.retryable()
    }

    /// The message, without context and cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Context pairs in the order they were added.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind, self.0.message)?;
        for (n, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}={value}", if n == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_with_context() {
        let e = Error::invalid("channel_id must be text").with_context("field", "channel_id").with_stored(Stored::No);
        assert_eq!(e.to_string(), "invalid: channel_id must be text (field=channel_id, stored=no)");
        assert!(!e.retryable());
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = ErrorKind::ALL.iter().map(|k| k.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }
}
