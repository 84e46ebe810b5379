//! What is to happen in a simulation, as plain data: the shape of the work, and the faults with their times.

use stargazer_core::policy::{Ordering, Retention};

use super::dice::Dice;

/// The whole schedule of one run. What it does not say (latencies, how long a handler runs, which request of a bad
/// connection is lost) is rolled from the seed, for each message, process and request by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Messages that are published.
    pub messages: u64,
    /// Microseconds between two of them, on average.
    pub every_us: u64,
    /// Lanes.
    pub lanes: u32,
    /// Of 1,000 messages, how many have no lane.
    pub loose: u32,
    /// Of 1,000 messages, how many are written as older publishers do, with the lane in the body only.
    pub old: u32,
    /// Of 1,000 messages, how many hold nothing that a handler may see.
    pub malformed: u32,
    /// Groups that read the stream.
    pub groups: u32,
    /// Consumers of each group.
    pub consumers: u32,
    /// Handlers at a time, of each consumer.
    pub concurrency: usize,
    /// Entries fetched ahead.
    pub prefetch: usize,
    /// Whether the next entry of a lane waits for the answer to the settle of the one before.
    pub strict: bool,
    /// Order of the groups.
    pub ordering: Ordering,
    /// Retention of the stream.
    pub retention: Retention,
    /// Whether the server refuses at the cap, instead of publishers that look.
    pub strict_cap: bool,
    /// Milliseconds after which a publisher gives a message up; 0: it tries for ever.
    pub give_up_ms: u64,
    /// Starts before an entry goes to the dead letters.
    pub max_attempts: u32,
    /// What handlers do.
    pub work: Work,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// What handlers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Milliseconds a handler runs, on average.
    pub ms: u64,
    /// Of 1,000, how many run longer than a lease.
    pub long: u32,
    /// Of 1,000, how many never end (they have a time limit).
    pub endless: u32,
    /// Of 1,000, how many ask for another try.
    pub retry: u32,
    /// Of 1,000, how many send their message to the dead letters.
    pub reject: u32,
    /// Of 1,000, how many give it back.
    pub release: u32,
    /// Of 1,000, how many publish through their delivery.
    pub effect: u32,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Milliseconds after the start.
    pub at_ms: u64,
    /// Milliseconds until it is over.
    pub for_ms: u64,
    /// What.
    pub what: What,
}

/// A kind of fault. A `seat` is the place of a consumer: `group × consumers + number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A process is gone with all it knew; another one takes its place afterwards.
    Kill {
        /// Whose.
        seat: u32,
    },
    /// A process stands still, then goes on.
    Freeze {
        /// Whose.
        seat: u32,
    },
    /// A consumer closes in order; another one takes its place afterwards.
    Stop {
        /// Whose.
        seat: u32,
    },
    /// A message kills the process of each handler that starts it; `for_ms` is the time until the process is there again.
    Poison {
        /// Number of the message.
        message: u64,
    },
    /// Requests and replies get lost, or are carried out late.
    Lossy {
        /// Whose; `None` for everybody's.
        seat: Option<u32>,
        /// Of 1,000 requests, how many go wrong.
        permille: u32,
    },
    /// Requests and replies take up to this long.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
    /// The server stands still, then carries out what has come meanwhile.
    Pause,
    /// The server is away and comes back, without the last writes.
    Restart {
        /// Milliseconds of writes that are lost.
        lose_ms: u64,
    },
    /// A group is destroyed.
    DestroyGroup {
        /// Which.
        group: u32,
    },
    /// The stream is deleted.
    DropStream,
    /// Everything is deleted.
    Flush,
    /// Entries are deleted, the oldest first.
    Delete {
        /// How many.
        count: u32,
    },
    /// The consumers that a process acts for are deleted, with what they held.
    DeleteConsumer {
        /// Whose.
        seat: u32,
    },
    /// The server refuses everything, as it does for a user who lost his rights.
    Deny,
    /// The server's memory is full.
    FullMemory,
    /// Somebody puts a text in the place of a key, and takes it away again.
    Usurp {
        /// The registrations of this group; `None` for the stream.
        group: Option<u32>,
    },
    /// A consumer that knows nothing of our protocol reads in a group and handles what it reads.
    Foreign {
        /// Which.
        group: u32,
        /// It deletes what it has acknowledged.
        deletes: bool,
        /// At the end it dies with what it holds, else it finishes that and leaves.
        dies: bool,
    },
    /// The server's wall clock is set.
    Clock {
        /// Milliseconds; negative is back.
        ms: i64,
    },
}

/// The consumers' lease in every simulation, in milliseconds: the shortest that is of use.
pub const LEASE_MS: u64 = 2000;

/// Their sweep.
pub const SWEEP_MS: u64 = 500;

/// What a foreign consumer has held for so long, in milliseconds, is taken over.
pub const STRAY_MS: u64 = 3000;

/// As good as no cap.
pub(super) const NO_CAP: u64 = 1_000_000;

impl Plan {
    /// The plan of a seed, with so many messages.
    pub fn draw(seed: u64, messages: u64) -> Self {
        let mut dice = Dice::new(seed).of(&[1]);
        let groups = if dice.permille(250) { 2 } else { 1 };
        let consumers = pick(&mut dice, &[1, 2, 2, 3, 3, 4, 5]);
        let fleet = u64::from(groups) * u64::from(consumers);
        let concurrency = pick(&mut dice, &[1, 2, 3, 4, 8, 16]);
        let work = Work {
            ms: pick(&mut dice, &[1, 2, 5, 10, 20]),
            long: pick(&mut dice, &[0, 0, 0, 2]),
            endless: pick(&mut dice, &[0, 0, 0, 2]),
            retry: pick(&mut dice, &[0, 5, 20, 100]),
            reject: pick(&mut dice, &[0, 0, 5, 50]),
            release: pick(&mut dice, &[0, 0, 5, 30]),
            effect: pick(&mut dice, &[0, 0, 200]),
        };
        // What the fleet can do, at a load from idle to far too much.
        let able = work.ms * 1000 / (fleet / u64::from(groups) * concurrency as u64).max(1);
        let every_us = (able * pick(&mut dice, &[50, 100, 120, 200, 400]) / 100).clamp(500, 20_000);
        let mut plan = Self {
            messages,
            every_us,
            lanes: pick(&mut dice, &[1, 3, 6, 12, 40, 200]),
            loose: pick(&mut dice, &[0, 0, 0, 100, 1000]),
            old: pick(&mut dice, &[0, 0, 100, 1000]),
            malformed: pick(&mut dice, &[0, 0, 0, 10]),
            groups,
            consumers,
            concurrency,
            prefetch: concurrency * pick(&mut dice, &[0, 1, 2, 4]) + 1,
            strict: dice.permille(250),
            ordering: match dice.below(20) {
                0..3 => Ordering::None,
                3..6 => Ordering::Exclusive,
                6..8 => Ordering::Lock,
                _ => Ordering::Lanes,
            },
            retention: match dice.below(10) {
                0 => Retention::Forever,
                1 => Retention::Capped { max_len: 1000 },
                _ => Retention::Acked { cap: pick(&mut dice, &[NO_CAP, NO_CAP, NO_CAP, 400, 40]) },
            },
            strict_cap: dice.permille(500),
            give_up_ms: pick(&mut dice, &[0, 0, 300, 2000]),
            // With two, a start that was marked and a start that was assumed are already all of them.
            max_attempts: pick(&mut dice, &[3, 3, 3, 5]),
            work,
            faults: Vec::new(),
        };
        let span = (messages * every_us / 1000).max(3000);
        let faults = dice.between(0, 12);
        plan.faults = (0..faults).map(|n| fault(Dice::new(seed).of(&[2, n]), &plan, fleet, span)).collect();
        // Nor can anybody tell it where a foreign consumer may have finished entries without deleting them; and whoever
        // lost its registration is one.
        let strange = |what: &What| matches!(what, What::Foreign { .. } | What::Usurp { group: Some(_) });
        if plan.faults.iter().any(|fault| strange(&fault.what)) {
            plan.faults.retain(|fault| !matches!(fault.what, What::DeleteConsumer { .. }));
        }
        plan.faults.sort_by_key(|fault| fault.at_ms);
        plan
    }

    /// When the last fault is over, in milliseconds.
    pub fn calm_at_ms(&self) -> u64 {
        self.faults.iter().map(|fault| fault.at_ms + fault.for_ms).max().unwrap_or(0)
    }
}

fn pick<T: Copy>(dice: &mut Dice, among: &[T]) -> T {
    among[usize::try_from(dice.below(among.len() as u64)).unwrap_or(0)]
}

fn fault(mut dice: Dice, plan: &Plan, fleet: u64, span: u64) -> Fault {
    let at_ms = dice.between(0, span);
    let dice = &mut dice;
    let seat = u32::try_from(dice.below(fleet)).unwrap_or(0);
    let short = pick(dice, &[0, 50, 300, 1000]);
    let any = pick(dice, &[100, 500, 1500, 2500, 4000]);
    let group = u32::try_from(dice.below(plan.groups.into())).unwrap_or(0);
    let (what, for_ms) = match dice.below(112) {
        0..22 => (What::Kill { seat }, short),
        22..36 => (What::Freeze { seat }, any),
        36..46 => (What::Stop { seat }, short),
        46..52 => (What::Poison { message: dice.below(plan.messages) }, short),
        52..66 => {
            let seat = dice.permille(500).then_some(seat);
            (What::Lossy { seat, permille: pick(dice, &[20, 100, 300, 1000]) }, any)
        }
        66..70 => (What::Slow { ms: pick(dice, &[10, 100, 600]) }, any),
        70..76 => (What::Pause, any),
        76..80 => (What::Restart { lose_ms: 0 }, short),
        80..86 => (What::Restart { lose_ms: pick(dice, &[5, 50, 400, 2000]) }, short),
        86..88 => (What::DestroyGroup { group }, 0),
        88..89 => (What::DropStream, 0),
        89..91 => (What::Flush, 0),
        // With several groups, or where entries stay, nobody can tell what a deleted consumer had left; where lanes are not
        // kept, nobody looks before it is gathered.
        91..93
            if plan.groups == 1
                && matches!(plan.retention, Retention::Acked { .. })
                && matches!(plan.ordering, Ordering::Lanes | Ordering::Exclusive) =>
        {
            (What::DeleteConsumer { seat }, 0)
        }
        91..94 => (What::Delete { count: pick(dice, &[1, 3, 20]) }, 0),
        94..97 => (What::Deny, any),
        97..100 => (What::Clock { ms: pick(dice, &[-60_000, -3_000, 3_000, 60_000]) }, 0),
        100..103 => (What::FullMemory, any),
        103..106 => (What::Usurp { group: dice.permille(500).then_some(group) }, any),
        _ => (What::Foreign { group, deletes: dice.permille(500), dies: dice.permille(500) }, any),
    };
    Fault { at_ms, for_ms, what }
}
