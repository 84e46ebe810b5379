//! Rules that can be broken on purpose, one at a time, to prove that the proofs notice.
//!
//! A rule's place in the code asks [`Mutant::is_on`]. Without the feature `proving` the answer is `false` at compile
//! time and nothing of this is left in the program.

/// A rule broken on purpose, named by what the broken code does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mutant {
    /// An outcome is reported before the handler runs.
    AckBeforeHandle = 1,
}

#[cfg(feature = "proving")]
static ON: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

#[cfg(feature = "proving")]
impl Mutant {
    /// Whether this rule is the one that is broken in this process.
    pub fn is_on(self) -> bool {
        ON.load(std::sync::atomic::Ordering::Relaxed) == self as u8
    }

    /// Breaks one rule in this process, or none.
    pub fn turn_on(which: Option<Self>) {
        ON.store(which.map_or(0, |mutant| mutant as u8), std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(not(feature = "proving"))]
impl Mutant {
    /// Never: this build breaks no rule.
    pub const fn is_on(self) -> bool {
        false
    }
}
