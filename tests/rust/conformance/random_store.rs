//! Random batches of operations on keys, on the engine and on a real server at once: every answer must be the same, refusals
//! with their kind and the place of the condition included.
//!
//! `SG_RANDOM_COMMANDS` (10,000) says how many operations in all, `SG_RANDOM_SEED` (1) where they start. Keys are few and
//! shared by all kinds, so that many operations meet a key of another kind, and counters meet texts.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use stargazer_core::store::{Answer, EntryId, LogOptions, Op, When, unmet};
use stargazer_core::topology::Name;

use super::lab::{Dice, Lab, on_both};

/// Operations on one set of keys, then others are used.
const LENGTH: usize = 500;

/// Keys of one set.
const KEYS: usize = 8;

/// Long enough that nothing goes while the test runs.
const LONG: Duration = Duration::from_secs(1000);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

#[test]
fn the_engine_keeps_what_the_server_keeps() {
    let total = usize::try_from(setting("SG_RANDOM_COMMANDS", 10_000)).unwrap();
    let first = setting("SG_RANDOM_SEED", 1);
    on_both(async |engine: Lab, server: Lab| {
        let mut seen = BTreeSet::new();
        for seed in first..first + total.div_ceil(LENGTH) as u64 {
            let (mut engine, mut server) = (Side::new(&engine, seed), Side::new(&server, seed));
            let (mut dice, mut done) = (Dice(seed), 0);
            while done < LENGTH {
                let draw = dice.below(usize::MAX) as u64;
                let (ours, theirs) = (engine.batch(draw), server.batch(draw));
                done += ours.len();
                let (mine, yours) = (engine.run(ours.clone()).await, server.run(theirs).await);
                assert_eq!(mine, yours, "seed {seed}, after {done} operations: {ours:?}");
                seen.extend(mine.words().map(str::to_owned));
            }
        }
        // Refused everywhere, a sequence proves nothing.
        let missing: Vec<&str> = REACHED.into_iter().filter(|word| !seen.contains(*word)).collect();
        assert!(missing.is_empty() || total < 10_000, "no answer was {missing:?}");
    });
}

/// What answers must hold.
const REACHED: [&str; 13] = [
    "invalid", "conflict", "none", "value", "true", "false", "number", "left", "pairs", "members", "scored", "id",
    "entries",
];

/// What became of a batch, in words that are the same for both.
#[derive(Debug, PartialEq)]
enum Told {
    Answers(Vec<(&'static str, String)>),
    Refused(&'static str, Option<usize>),
}

impl Told {
    fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        let refused = if let Self::Refused(code, _) = self { Some(*code) } else { None };
        let answers = if let Self::Answers(answers) = self { answers.as_slice() } else { &[] };
        refused.into_iter().chain(answers.iter().map(|(word, _)| *word))
    }
}

/// One of the two.
struct Side<'a> {
    lab: &'a Lab,
    names: Vec<Name>,
    /// Ids that each log gave, in order.
    ids: Vec<Vec<EntryId>>,
}

impl<'a> Side<'a> {
    fn new(lab: &'a Lab, seed: u64) -> Self {
        let names = (0..KEYS).map(|key| Name::from(format!("random:{seed}:{key}"))).collect();
        Self { lab, names, ids: vec![Vec::new(); KEYS] }
    }

    /// The batch of a draw: the same on both sides, but for the ids of entries.
    fn batch(&self, draw: u64) -> Vec<Op> {
        let mut dice = Dice(draw);
        let count = if dice.below(2) == 0 { 1 } else { 1 + dice.below(6) };
        (0..count).map(|_| self.op(&mut dice)).collect()
    }

    async fn run(&mut self, ops: Vec<Op>) -> Told {
        let logs: Vec<Option<usize>> = ops.iter().map(|op| self.place(op)).collect();
        match self.lab.transport.apply(ops.clone()).await {
            Err(error) => Told::Refused(error.code(), unmet(&error)),
            Ok(answers) => {
                let told = answers.into_iter().zip(ops).zip(logs);
                Told::Answers(told.map(|((answer, op), log)| self.told(answer, &op, log)).collect())
            }
        }
    }

    /// Which of the keys an operation names.
    fn place(&self, op: &Op) -> Option<usize> {
        let key = op.keys().first()?;
        self.names.iter().position(|name| name == key)
    }

    fn told(&mut self, answer: Answer, op: &Op, place: Option<usize>) -> (&'static str, String) {
        let ids = |ids: &[EntryId], id: EntryId| match ids.iter().position(|known| *known == id) {
            _ if id == EntryId::ZERO => "zero".to_owned(),
            Some(at) => format!("#{at}"),
            None => "unknown".to_owned(),
        };
        let sorted = |mut texts: Vec<String>| {
            texts.sort_unstable();
            texts.join(" ")
        };
        match answer {
            Answer::Value(None) => ("none", String::new()),
            Answer::Value(Some(value)) => ("value", format!("{value:?}")),
            Answer::Flag(true) => ("true", String::new()),
            Answer::Flag(false) => ("false", String::new()),
            Answer::Number(number) => ("number", number.to_string()),
            Answer::Left(left) => ("left", left.is_some().to_string()),
            Answer::Pairs(pairs) => ("pairs", sorted(pairs.iter().map(|pair| format!("{pair:?}")).collect())),
            Answer::Members(members) => {
                let texts: Vec<String> = members.iter().map(|member| format!("{member:?}")).collect();
                // A list has an order, a set has none.
                ("members", if matches!(op, Op::ListRange { .. }) { texts.join(" ") } else { sorted(texts) })
            }
            Answer::Scored(scored) => ("scored", format!("{scored:?}")),
            Answer::Id(id) => {
                let known = &mut self.ids[place.expect("a log is one of the keys")];
                if matches!(op, Op::LogAppend { .. }) {
                    known.push(id);
                }
                ("id", ids(known, id))
            }
            Answer::Entries(entries) => {
                let known = &self.ids[place.expect("a log is one of the keys")];
                let entries = entries.iter().map(|entry| format!("{} {:?}", ids(known, entry.id), entry.fields));
                ("entries", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[allow(clippy::too_many_lines)] // A table: a line or two for each operation.
    fn op(&self, dice: &mut Dice) -> Op {
        let place = dice.below(KEYS);
        // Most keys are mostly of one kind, so that they come to hold something.
        let kind = if dice.below(5) == 0 { dice.below(7) } else { place % 7 };
        let key = self.names[place].clone();
        let ttl = (dice.below(4) == 0).then_some(LONG);
        let known = &self.ids[place];
        match (kind, dice.below(8)) {
            (0, 0) => Op::Get { key },
            (0, 1) => Op::Set { key, value: value(dice), ttl, when: When::Always },
            (0, 2) => Op::Set { key, value: value(dice), ttl, when: When::Absent },
            (0, 3) => Op::Set { key, value: value(dice), ttl, when: When::Equal(value(dice)) },
            (0, 4) => Op::DeleteEqual { key, expected: value(dice) },
            (0, _) => Op::Increment { key, by: number(dice), ttl },
            (1, 0) => Op::HashGet { key, field: member(dice) },
            (1, 1) => Op::HashGetAll { key },
            (1, 2) => Op::HashSet { key, fields: vec![(member(dice), value(dice)), (member(dice), value(dice))], ttl },
            (1, 3) => Op::HashSetAbsent { key, field: member(dice), value: value(dice) },
            (1, 4) => Op::HashDelete { key, fields: vec![member(dice), member(dice)] },
            (1, 5) => Op::HashExists { key, field: member(dice) },
            (1, 6) => Op::HashLen { key },
            (1, _) => Op::HashIncrement { key, field: member(dice), by: number(dice) },
            (2, 0 | 1) => Op::SetAdd { key, members: vec![member(dice), member(dice)], ttl },
            (2, 2) => Op::SetRemove { key, members: vec![member(dice), member(dice)] },
            (2, 3 | 4) => Op::SetContains { key, member: member(dice) },
            (2, 5) => Op::SetContains { key, member: member(dice) }.required(dice.below(2) == 0),
            (2, _) => Op::SetMembers { key },
            (3, 0..=2) => {
                Op::SortedAdd { key, members: vec![(member(dice), score(dice)), (member(dice), score(dice))], ttl }
            }
            (3, 3) => Op::SortedRemove { key, members: vec![member(dice)] },
            (3, _) => Op::SortedRange { key, from: score(dice), to: score(dice), count: 1 + dice.below(4) },
            (4, 0..=2) => Op::ListPush { key, values: vec![value(dice), member(dice)], ttl },
            (4, 3 | 4) => Op::ListRange { key, from: at(dice), to: at(dice) },
            (4, 5) => Op::ListTrim { key, from: at(dice), to: at(dice) },
            (4, _) => Op::ListPop { key },
            (5, 0..=2) => {
                let max_len = (dice.below(3) == 0).then(|| 1 + dice.below(5) as u64);
                let options = LogOptions { max_len, approximate: false, ttl };
                Op::LogAppend { stream: key, fields: vec![(member(dice), value(dice))], options }
            }
            (5, 3 | 4) => Op::LogRead { stream: key, after: id(dice, known), count: 1 + dice.below(5) },
            (5, 5) => Op::LogTrim { stream: key, up_to: id(dice, known) },
            (5, _) => Op::LogLast { stream: key },
            (_, 0) => Op::Delete { keys: vec![key, self.names[dice.below(KEYS)].clone()] },
            (_, 1 | 2) => Op::Exists { key },
            (_, 3) => Op::Exists { key }.required(dice.below(2) == 0),
            (_, 4) => Op::Expire { key, ttl: LONG },
            (_, 5) => Op::Notify { channel: key, payload: value(dice) },
            (_, _) => Op::TimeToLive { key },
        }
    }
}

/// A value: texts, bytes, and numbers up to where counters end.
fn value(dice: &mut Dice) -> Bytes {
    const VALUES: [&[u8]; 8] =
        [b"", b"a", b"5", b"-7", b"\x00\xff", b"999999999999999999", b"1.5", b"9007199254740993"];
    Bytes::from_static(VALUES[dice.below(VALUES.len())])
}

fn member(dice: &mut Dice) -> Bytes {
    const MEMBERS: [&[u8]; 5] = [b"a", b"b", b"", b"\xff", b"m"];
    Bytes::from_static(MEMBERS[dice.below(MEMBERS.len())])
}

fn number(dice: &mut Dice) -> i64 {
    [1, -1, 0, 5, 9_007_199_254_740_993, -999_999_999_999_999_999][dice.below(6)]
}

fn score(dice: &mut Dice) -> f64 {
    [0.0, -0.0, 1.0, 1.5, -2.0, 1e300, f64::INFINITY, f64::NEG_INFINITY][dice.below(8)]
}

fn at(dice: &mut Dice) -> i64 {
    [0, 1, 2, 5, -1, -2, -9][dice.below(7)]
}

/// An id that the log gave, or none.
fn id(dice: &mut Dice, known: &[EntryId]) -> EntryId {
    let pick = dice.below(10);
    known.iter().rev().nth(pick).copied().unwrap_or(EntryId::ZERO)
}
