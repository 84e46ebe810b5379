//! Rules that can be broken on purpose, one at a time, to prove that the proofs notice.
//!
//! A rule's place in the code asks [`Mutant::is_on`]. Without the feature `proving` the answer is `false` at compile
//! time and nothing of this is left in the program.

macro_rules! mutants {
    ($($(#[$doc:meta])+ $name:ident = $number:literal;)+) => {
        /// A rule broken on purpose, named by what the broken code does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Mutant { $($(#[$doc])+ $name = $number,)+ }

        #[cfg(feature = "proving")]
        impl Mutant {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

mutants! {
    /// An outcome is reported before the handler runs.
    AckBeforeHandle = 1;
    /// An outcome is recorded whoever reports it.
    UnfencedSettle = 2;
    /// A stream of work is trimmed to a length, finished or not.
    CappedWork = 3;
    /// Entries of a lane exclude each other and do not queue up, as with a lock.
    LockInsteadOfLanes = 4;
    /// What a living consumer has held for a second is taken away from it.
    ClaimedWhenIdle = 5;
    /// A message id that is known is stored again.
    NoDedupe = 6;
    /// A group that is made again starts at the end of the stream.
    GroupAtEnd = 7;
    /// A dead letter is written by a request of its own, after the entry is finished.
    AckBeforeDeadLetter = 8;
    /// Starts are counted in the process only.
    AttemptsInMemory = 9;
    /// The lease is renewed only while no handler runs, as by a thread that handlers hold.
    RenewedByHandlers = 10;
    /// After a lost answer a fetch asks for what is new, not for what it missed.
    FetchWithoutCursor = 11;
    /// A lane is free when one of its entries is finished.
    LaneFreedAtOnce = 12;
    /// Who adopts does not compare what it saw with what is there.
    AdoptedUnchecked = 13;
    /// A process that starts again takes the identity of the one before.
    IdentityReused = 14;
    /// A group that is made again keeps the routing of the one before.
    StaleRoutingKept = 15;
    /// The number of starts in a settle is added, not set.
    StartsAdded = 16;
    /// A session that retires is removed without a look at its pending list.
    RetiredUnchecked = 17;
    /// With an adoption the records of starts are lost.
    TriesLost = 18;
    /// What waits for a retry lets the rest of its lane pass.
    RetryPassed = 19;
    /// A session is adopted after a quarter of its lease.
    AdoptedWhileAlive = 20;
    /// A holder goes on when its lease is over.
    LeaseNeverExpires = 21;
    /// What is published through a delivery is stored, whoever holds the delivery now.
    UnfencedEffect = 22;
    /// Whoever ran beside a poison is given up with it: a death in company counts as one alone.
    CompanyIsProof = 23;
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
