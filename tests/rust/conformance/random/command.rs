//! Commands that mean the same on any transport: they name sessions and entries by their place in what happened
//! before, so a sequence still makes sense when commands are taken out of it.

use super::super::lab::Dice;

/// One thing to do. Numbers are places, taken modulo what there is.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Publish {
        stream: usize,
        lane: Lane,
        dedupe: Option<usize>,
        full: bool,
        fence: Option<usize>,
        body: bool,
    },
    Burst {
        stream: usize,
        lanes: usize,
        count: usize,
        size: usize,
    },
    Join {
        group: usize,
        conflicting: bool,
    },
    JoinAgain {
        seat: usize,
        other_suffix: bool,
    },
    Fetch {
        seat: usize,
        count: usize,
        max_bytes: usize,
        new: bool,
        rewind: bool,
        lost: bool,
    },
    Settle {
        seat: usize,
        other: usize,
        picks: Vec<Pick>,
    },
    Begin {
        seat: usize,
        picks: Vec<usize>,
        starts: u32,
    },
    Renew {
        seats: Vec<usize>,
    },
    Signs {
        group: usize,
    },
    Adopt {
        seat: usize,
        outdated: bool,
        repeat: bool,
    },
    Retire {
        seat: usize,
    },
    Stop {
        seats: Vec<usize>,
    },
    Recreate {
        group: usize,
    },
    Held {
        seat: usize,
        count: usize,
    },
    Lock {
        key: usize,
        token: usize,
        what: Locking,
    },
    Sweep {
        group: usize,
    },
    Read {
        stream: usize,
        picks: Vec<usize>,
    },
    Range {
        stream: usize,
        count: usize,
        back: bool,
    },
    Info {
        stream: usize,
    },
    Pending {
        group: usize,
    },
    Inspect {
        group: usize,
    },
    Delete {
        stream: usize,
        pick: usize,
    },
    Replay {
        stream: usize,
        pick: usize,
        dedupe: Option<usize>,
        full: bool,
        repeat: bool,
    },
    Discard {
        picks: Vec<usize>,
    },
    /// A consumer that knows nothing of registrations reads.
    ReadAs {
        group: usize,
        name: usize,
        count: usize,
    },
    /// An operator deletes a consumer with what it holds.
    DeleteConsumer {
        seat: usize,
    },
    ForgetRegistrations {
        group: usize,
    },
    Gather {
        seat: usize,
        old: bool,
    },
    Survey {
        group: usize,
    },
    Refresh {
        seat: usize,
    },
    /// Somebody puts a text in the place of the first stream, or of its group's registrations; it goes away again.
    Usurp {
        registrations: bool,
    },
    GiveBack,
    Destroy,
    DropStream,
    DeleteStream {
        stream: usize,
    },
    Flush,
    Pause,
}

/// What makes the lane of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lane {
    Key(usize),
    Unaddressed(usize),
    Envelope(usize),
    None,
}

/// An entry that a session was handed, or another session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick {
    pub(super) place: usize,
    pub(super) of_other: bool,
    pub(super) outcome: Outcome,
}

/// How an entry ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Ack,
    Retry { starts: u32, later: bool },
    Dead,
}

/// What is done with a lock.
#[derive(Debug, Clone, Copy)]
pub(super) enum Locking {
    Take,
    Renew,
    GiveUp,
}

/// Streams that commands use; the dead letters' comes after them.
pub(super) const STREAMS: usize = 5;
/// Groups: one on the first stream, two on the second, one without order on the third, an exclusive one on the fourth, a
/// locking one on the fifth.
pub(super) const GROUPS: usize = 6;

/// A sequence that starts with two sessions in every group.
pub(super) fn sequence(seed: u64, len: usize) -> Vec<Command> {
    let mut dice = Dice(seed);
    let mut all: Vec<_> = (0..GROUPS).map(|group| Command::Recreate { group }).collect();
    all.extend((0..2 * GROUPS).map(|n| Command::Join { group: n % GROUPS, conflicting: false }));
    // Drawn apart, and in addition: the sequence stays what it is without them.
    let mut others = Dice(!seed);
    for _ in all.len()..len {
        if others.below(250) == 0 {
            all.extend(usurped(&mut others));
        }
        all.push(command(&mut dice));
    }
    all
}

impl Command {
    /// Whether only the transport is asked: for the rest keys must hold what they should.
    pub(super) fn is_asked(&self) -> bool {
        matches!(
            self,
            Self::Publish { .. }
                | Self::Join { .. }
                | Self::JoinAgain { .. }
                | Self::Fetch { .. }
                | Self::Settle { .. }
                | Self::Begin { .. }
                | Self::Renew { .. }
                | Self::Signs { .. }
                | Self::Adopt { .. }
                | Self::Retire { .. }
                | Self::Stop { .. }
                | Self::Recreate { .. }
                | Self::Held { .. }
                | Self::Sweep { .. }
                | Self::Read { .. }
                | Self::Range { .. }
                | Self::Gather { .. }
                | Self::Survey { .. }
                | Self::Refresh { .. }
                | Self::Usurp { .. }
                | Self::GiveBack
        )
    }
}

/// Another kind of value in the place of a key of ours, and what is asked meanwhile; half of it on that very stream.
fn usurped(dice: &mut Dice) -> Vec<Command> {
    let mut all = vec![Command::Usurp { registrations: dice.below(2) == 0 }];
    let asked = std::iter::repeat_with(|| command(dice)).filter(Command::is_asked).take(12).collect::<Vec<_>>();
    for mut asked in asked {
        match &mut asked {
            Command::Publish { stream, .. } | Command::Read { stream, .. } | Command::Range { stream, .. } => {
                *stream = 0;
            }
            Command::Join { group, .. }
            | Command::Signs { group }
            | Command::Recreate { group }
            | Command::Sweep { group }
            | Command::Survey { group } => *group = 0,
            _ => {}
        }
        all.push(asked);
    }
    all.push(Command::GiveBack);
    all
}

fn command(dice: &mut Dice) -> Command {
    let group = dice.below(GROUPS);
    let seat = dice.below(1000);
    let most = if dice.below(4) == 0 { 150 } else { 6 };
    if dice.below(20) == 0 {
        return stray(dice, group, seat);
    }
    match dice.below(1000) {
        0..230 => publish(dice),
        230..240 => Command::Burst {
            stream: dice.below(STREAMS),
            lanes: 1 + dice.below(5),
            count: 1 + dice.below(200),
            size: dice.below(60),
        },
        240..450 => Command::Fetch {
            seat,
            count: 1 + dice.below(most),
            max_bytes: if dice.below(3) == 0 { dice.below(1200) } else { 1 << 20 },
            new: dice.below(8) > 0,
            rewind: dice.below(8) == 0,
            lost: dice.below(8) == 0,
        },
        450..690 => Command::Settle {
            seat,
            other: dice.below(1000),
            picks: (0..=dice.below(6))
                .map(|_| Pick { place: dice.below(40), of_other: dice.below(6) == 0, outcome: outcome(dice) })
                .collect(),
        },
        690..720 => Command::Begin { seat, picks: several(dice, 40), starts: small(dice) },
        720..750 => Command::Renew { seats: several(dice, 1000) },
        750..760 => Command::Signs { group },
        760..780 => Command::Adopt { seat, outdated: dice.below(4) == 0, repeat: dice.below(4) == 0 },
        780..805 => Command::Join { group, conflicting: dice.below(5) == 0 },
        805..810 => Command::JoinAgain { seat, other_suffix: dice.below(2) == 0 },
        810..825 => Command::Retire { seat },
        825..830 => Command::Stop { seats: several(dice, 1000) },
        830..868 => Command::Recreate { group },
        868..878 => Command::Held { seat, count: 1 + dice.below(20) },
        878..893 => Command::Sweep { group },
        893..903 => Command::Read { stream: dice.below(STREAMS), picks: several(dice, 20) },
        903..908 => Command::Range { stream: dice.below(STREAMS + 1), count: 1 + dice.below(50), back: false },
        908..913 => Command::Range { stream: dice.below(STREAMS + 1), count: 1 + dice.below(50), back: true },
        913..928 => Command::Info { stream: dice.below(STREAMS + 1) },
        928..938 => Command::Pending { group },
        938..950 => Command::Inspect { group },
        950..962 => Command::Replay {
            stream: dice.below(STREAMS),
            pick: dice.below(12),
            dedupe: (dice.below(2) == 0).then(|| dice.below(6)),
            full: dice.below(6) == 0,
            repeat: dice.below(4) == 0,
        },
        962..968 => Command::Discard { picks: several(dice, 12) },
        968..982 => Command::Delete { stream: dice.below(STREAMS), pick: dice.below(12) },
        982..985 => Command::Destroy,
        985..986 => Command::DropStream,
        986..987 => Command::DeleteStream { stream: dice.below(STREAMS) },
        987..988 => Command::Flush,
        988..994 => Command::Lock {
            key: dice.below(2),
            token: dice.below(3),
            what: [Locking::Take, Locking::Take, Locking::Renew, Locking::GiveUp][dice.below(4)],
        },
        _ => Command::Pause,
    }
}

/// What leaves strays, and what finds them.
fn stray(dice: &mut Dice, group: usize, seat: usize) -> Command {
    match dice.below(20) {
        0..6 => Command::ReadAs { group, name: dice.below(2), count: 1 + dice.below(4) },
        6 => Command::DeleteConsumer { seat },
        7 if dice.below(3) == 0 => Command::ForgetRegistrations { group },
        8..16 => Command::Gather { seat, old: dice.below(5) == 0 },
        16..18 => Command::Survey { group },
        _ => Command::Refresh { seat },
    }
}

fn publish(dice: &mut Dice) -> Command {
    let n = dice.below(5);
    Command::Publish {
        stream: dice.below(STREAMS),
        lane: match dice.below(10) {
            0 => Lane::None,
            1 => Lane::Unaddressed(n),
            2 => Lane::Envelope(n),
            _ => Lane::Key(n),
        },
        dedupe: (dice.below(6) == 0).then(|| dice.below(6)),
        full: dice.below(20) == 0,
        fence: (dice.below(8) == 0).then(|| dice.below(1000)),
        body: dice.below(6) == 0,
    }
}

fn outcome(dice: &mut Dice) -> Outcome {
    match dice.below(10) {
        0 => Outcome::Dead,
        1 | 2 => Outcome::Retry { starts: small(dice), later: dice.below(2) == 0 },
        _ => Outcome::Ack,
    }
}

fn several(dice: &mut Dice, below: usize) -> Vec<usize> {
    (0..=dice.below(4)).map(|_| dice.below(below)).collect()
}

fn small(dice: &mut Dice) -> u32 {
    u32::try_from(dice.below(5)).unwrap()
}
