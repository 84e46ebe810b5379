//! What was found out about a server: is it safe to keep messages on?

use std::fmt;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// As it should be.
    Ok,
    /// Not known: the server does not let us look. Never taken for good.
    Unknown,
    /// Works, and something may be lost or stand still under circumstances that the advice names.
    Warning,
    /// Promises of ours do not hold on this server.
    Bad,
}

impl Level {
    /// `ok`, `unknown`, `warning` or `bad`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at, a word that never changes: `eviction`, `persistence`, …
    pub check: &'static str,
    /// How it came out.
    pub level: Level,
    /// What is there.
    pub found: String,
    /// What to do; empty when all is well.
    pub advice: String,
}

impl Finding {
    /// A finding.
    pub fn new(check: &'static str, level: Level, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level, found: found.into(), advice: advice.into() }
    }

    /// As it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, found, "")
    }

    /// Cannot be seen.
    pub fn unknown(check: &'static str, allow: &str) -> Self {
        Self::new(check, Level::Unknown, "not known", format!("let this user run {allow}, or look for yourself"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.check, self.found, self.level.as_str())?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "; {}", self.advice) }
    }
}
