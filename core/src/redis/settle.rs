//! Settling: one round trip, in which plain acks travel lane by lane, so that the server handles each lane as a whole.

use std::collections::{HashMap, HashSet};

use ::redis::{Cmd, Value};

use super::append::MAX_TEXTS;
use super::fetch::{add_record, call, flag, is_acked};
use super::link::Link;
use super::parse::{self, Answer};
use super::script::SCRIPTS;
use crate::error::{Error, Result};
use crate::topology::groups_key;
use crate::transport::{EntryId, Group, Lane, Refusal, Session, Settle, SettleResult, Settled, Verdict, check};

/// How many keys every settle has; those of dead letters and bodies follow.
const FIXED_KEYS: usize = 7;

/// The lane that a whole stream is.
static NO_LANE: Lane = Lane::from_static(b"");

/// Records outcomes.
pub(super) async fn settle(
    link: &Link,
    group: &Group,
    session: &Session,
    batch: &[Settle],
) -> Result<Result<Settled, Refusal>> {
    check::settle(batch)?;
    let groups = groups_key(&group.stream);
    let plan = Plan::new(group, &groups, batch)?;
    let cmd = plan.command(group, session, batch);
    let reply = link.script(&SCRIPTS.settle, &cmd).await?;
    recorded(reply, plan, batch.len())
}

/// What a settle of this batch was answered.
#[cfg(feature = "proving")]
pub(super) fn recorded_for(group: &Group, batch: &[Settle], reply: Value) -> Result<Result<Settled, Refusal>> {
    recorded(reply, Plan::new(group, "groups", batch)?, batch.len())
}

/// What a settle of so many outcomes was answered.
fn recorded(reply: Value, plan: Plan<'_>, outcomes: usize) -> Result<Result<Settled, Refusal>> {
    let mut answer = Answer::new(reply)?;
    if let Some(refusal) = answer.refusal() {
        return Ok(Err(refusal));
    }
    if answer.word != "ok" {
        return answer.unexpected();
    }
    // The second outcome of one entry finds it done.
    let mut results = vec![SettleResult::Done; outcomes];
    for place in parse::array(answer.next())? {
        let place = usize::try_from(parse::number(&place)?).ok().and_then(|place| plan.acks.get(place.checked_sub(1)?));
        results[*place.ok_or_else(misplaced)?] = SettleResult::Stale;
    }
    let letters = parse::bytes(answer.next())?;
    if letters.len() != plan.others.len() {
        return Err(misplaced());
    }
    for (letter, place) in letters.iter().zip(&plan.others) {
        if *letter == b's' {
            results[*place] = SettleResult::Stale;
        }
    }
    let mut lanes = Vec::new();
    for (lane, count) in plan.lanes.into_iter().zip(parse::array(answer.next())?) {
        let count = parse::number(&count)?;
        if count > 0 {
            lanes.push((lane.clone(), count));
        }
    }
    Ok(Ok(Settled { results, lanes }))
}

fn misplaced() -> Error {
    Error::internal("a settle was answered for other entries")
}

/// In which order a batch travels, and what is named once and referred to by number.
struct Plan<'a> {
    keys: Vec<&'a str>,
    dead_streams: usize,
    lanes: Vec<&'a Lane>,
    /// For each entry its lane's number, from 1; 0 without lane.
    lane_of: Vec<usize>,
    /// Plain acks: places in the batch, by lane.
    acks: Vec<usize>,
    /// For no lane and then for each lane, how many plain acks it has.
    acks_of: Vec<usize>,
    /// Everything else: places in the batch.
    others: Vec<usize>,
}

impl<'a> Plan<'a> {
    fn new(group: &'a Group, groups: &'a str, batch: &'a [Settle]) -> Result<Self> {
        let names = &group.keys;
        let mut plan = Plan {
            keys: vec![&group.stream, &names.consumers, &names.lanes, &names.tries, &names.mark, groups, &names.beats],
            dead_streams: 0,
            lanes: Vec::new(),
            lane_of: Vec::with_capacity(batch.len()),
            acks: Vec::with_capacity(batch.len()),
            acks_of: Vec::new(),
            others: Vec::new(),
        };
        let mut numbers = HashMap::new();
        let mut seen = HashSet::with_capacity(batch.len());
        // A stream that is held as a whole is one lane; where nothing is routed by lanes none is told.
        let held = group.ordering.has_holder();
        if held {
            plan.lanes.push(&NO_LANE);
        }
        for (place, settle) in batch.iter().enumerate() {
            let routed = settle.lane.as_ref().filter(|_| group.ordering.routes());
            let lane = routed.map_or(usize::from(held), |lane| {
                *numbers.entry(lane).or_insert_with(|| {
                    plan.lanes.push(lane);
                    plan.lanes.len()
                })
            });
            plan.lane_of.push(lane);
            if let Verdict::Dead { stream, fields } = &settle.verdict {
                if fields.len() * 2 > MAX_TEXTS {
                    return Err(Error::invalid("a dead letter has too many fields"));
                }
                if !plan.keys[FIXED_KEYS..].contains(&&**stream) {
                    plan.keys.push(stream);
                }
            }
            if seen.insert(settle.id) {
                let simple = settle.verdict == Verdict::Ack && settle.body.is_none();
                if simple { plan.acks.push(place) } else { plan.others.push(place) }
            }
        }
        plan.dead_streams = plan.keys.len() - FIXED_KEYS;
        plan.keys.extend(plan.others.iter().filter_map(|place| batch[*place].body.as_deref()));
        plan.keys.extend(plan.others.iter().filter_map(|place| Some(batch[*place].heir()?.1)));
        plan.acks.sort_by_key(|place| plan.lane_of[*place]);
        plan.acks_of.resize(plan.lanes.len() + 1, 0);
        for place in &plan.acks {
            plan.acks_of[plan.lane_of[*place]] += 1;
        }
        Ok(plan)
    }

    /// Entries whose place in the pending list is looked up before anything is written.
    fn looked_up(&self, batch: &[Settle]) -> (EntryId, EntryId, usize) {
        let places = self.acks[..self.acks_of[0]].iter().chain(&self.others);
        let ids = places.map(|place| batch[*place].id);
        let start = (EntryId::MAX, EntryId::ZERO, 0);
        ids.fold(start, |(low, high, n), id| (low.min(id), high.max(id), n + 1))
    }

    fn command(&self, group: &Group, session: &Session, batch: &[Settle]) -> Cmd {
        let (low, high, looked_up) = self.looked_up(batch);
        let mut cmd = call(&SCRIPTS.settle, &self.keys);
        cmd.arg(&*group.name)
            .arg(&*session.identity)
            .arg(&*session.fence.0)
            .arg(flag(is_acked(group)))
            .arg(self.dead_streams)
            .arg(self.lanes.len())
            .arg(self.acks_of[0])
            .arg(self.acks.len())
            .arg(self.others.len())
            .arg(low.to_string())
            .arg(high.to_string())
            .arg(looked_up)
            .arg(flag(group.ordering.has_holder()))
            .arg(flag(group.notices_deletions()));
        for lane in &self.lanes {
            cmd.arg(&lane[..]);
        }
        cmd.arg(&self.acks_of[1..]);
        for place in &self.acks {
            cmd.arg(batch[*place].id.to_string());
        }
        let mut body = FIXED_KEYS + self.dead_streams;
        let mut heir = body + self.others.iter().filter(|place| batch[**place].body.is_some()).count();
        for place in &self.others {
            let settle = &batch[*place];
            cmd.arg(settle.id.to_string()).arg(self.lane_of[*place]);
            if settle.body.is_some() {
                body += 1;
                cmd.arg(body);
            } else {
                cmd.arg(0);
            }
            let inherits = settle.heir().is_some();
            heir += usize::from(inherits);
            self.add_outcome(&mut cmd, &settle.verdict, if inherits { heir } else { 0 });
        }
        cmd
    }

    fn add_outcome(&self, cmd: &mut Cmd, verdict: &Verdict, heir: usize) {
        match verdict {
            Verdict::Ack => {
                cmd.arg("a");
            }
            Verdict::Retry(record) => {
                cmd.arg("r");
                add_record(cmd, record);
            }
            Verdict::Dead { stream, fields } => {
                let streams = &self.keys[FIXED_KEYS..FIXED_KEYS + self.dead_streams];
                let place = streams.iter().position(|key| *key == &**stream).unwrap_or_default();
                cmd.arg("d").arg(FIXED_KEYS + 1 + place).arg(heir).arg(fields.len() * 2);
                for (name, value) in fields {
                    cmd.arg(&name[..]).arg(&value[..]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Ordering, Retention};

    #[test]
    fn acks_travel_by_lane_and_the_rest_behind_them() {
        let group = Group::new("s".into(), "g".into(), Ordering::Lanes, Retention::Forever);
        let settle = |seq, lane: &'static str, verdict| Settle {
            id: EntryId::new(1, seq),
            lane: (!lane.is_empty()).then(|| Lane::from_static(lane.as_bytes())),
            verdict,
            body: None,
        };
        let dead = Verdict::Dead { stream: "d".into(), fields: vec![("a".into(), "b".into())] };
        let batch = [
            settle(1, "x", Verdict::Ack),
            settle(2, "", Verdict::Ack),
            settle(3, "y", dead),
            settle(4, "y", Verdict::Ack),
            settle(5, "x", Verdict::Ack),
            settle(1, "x", Verdict::Ack),
        ];
        let plan = Plan::new(&group, "s:groups", &batch).unwrap();
        assert_eq!(plan.acks, [1, 0, 4, 3]);
        assert_eq!(plan.acks_of, [1, 2, 1]);
        assert_eq!(plan.others, [2]);
        assert_eq!(plan.keys[FIXED_KEYS..], ["d"]);
        assert_eq!(plan.looked_up(&batch), (EntryId::new(1, 2), EntryId::new(1, 3), 2));
    }
}
