//! Which faults come when: periods of a few seconds, a quarter of them quiet, in each of the others a few faults at
//! once. Every kind has its turn before any comes again, and each time it is aimed at the next phase.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Failure;
use super::fault::{Fault, Sort, Use, between, table};
use super::options::RunOptions;
use super::stage::Stage;
use crate::actor::Deed;
use crate::history::{FaultKind, Phase};
use crate::proxy::Verdict;

/// A fault hits only while so many messages are in flight.
pub(super) const IN_FLIGHT: usize = 50;
/// How long it waits for them, before it publishes some itself.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many, whose handlers take so long (in milliseconds): some are done before the fault strikes.
const BURST: (u64, u64) = (2 * IN_FLIGHT as u64, 400);
/// How long a quiet period is, and the pause after one that was not.
const QUIET: (u64, u64) = (2500, 5000);
const PAUSE: (u64, u64) = (500, 2500);

/// What is still to come.
pub(super) struct Schedule {
    uses: Vec<Use>,
    bag: Vec<usize>,
    times: HashMap<FaultKind, u64>,
    /// Faults by kind and phase.
    pub(super) matrix: HashMap<(FaultKind, Option<Phase>), u64>,
}

/// A fault that is on.
struct On {
    number: u64,
    kind: FaultKind,
    fault: Box<dyn Fault>,
    until: Instant,
}

impl Schedule {
    /// Of the kinds that the options name; of all that fit for none.
    pub(super) fn new(options: &RunOptions) -> Result<Self, Failure> {
        let names = &options.faults;
        let mut uses = table();
        uses.retain(|one| one.fits(options.sentinels));
        for name in names.iter().filter(|name| *name != "none") {
            if !uses.iter().any(|one| one.kind.name() == name) {
                let known: Vec<_> = uses.iter().map(|one| one.kind.name()).collect();
                return Err(format!("there is no fault {name:?}; there are {}", known.join(", ")).into());
            }
        }
        if !names.is_empty() {
            uses.retain(|one| names.iter().any(|name| name == one.kind.name()));
        }
        Ok(Self { uses, bag: Vec::new(), times: HashMap::new(), matrix: HashMap::new() })
    }

    /// One period.
    pub(super) async fn period(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        if self.uses.is_empty() || stage.dice.below(4) == 0 {
            let quiet = between(&mut stage.dice, QUIET);
            return stage.wait(quiet).await;
        }
        let n = 1 + stage.dice.below(stage.options.together);
        let mut on: Vec<On> = Vec::new();
        let mut victims = Vec::new();
        for place in self.draw(stage, n) {
            if let Some(one) = self.begin(stage, place, &mut victims).await? {
                on.push(one);
            }
        }
        on.sort_by_key(|one| one.until);
        for mut one in on {
            let rest = one.until.saturating_duration_since(Instant::now());
            stage.wait(rest).await?;
            one.fault.heal(stage).await?;
            stage.end(one.kind, one.number)?;
        }
        let pause = between(&mut stage.dice, PAUSE);
        stage.wait(pause).await
    }

    /// Places of kinds in the table, at most one of the server.
    fn draw(&mut self, stage: &mut Stage, n: u64) -> Vec<usize> {
        let mut drawn: Vec<usize> = Vec::new();
        for _ in 0..n {
            if self.bag.is_empty() {
                self.bag = (0..self.uses.len()).collect();
            }
            let server = drawn.iter().any(|place| self.uses[*place].sort == Sort::Server);
            let fits = |place: &usize| !(drawn.contains(place) || server && self.uses[*place].sort == Sort::Server);
            let fitting: Vec<usize> = (0..self.bag.len()).filter(|at| fits(&self.bag[*at])).collect();
            if fitting.is_empty() {
                break;
            }
            let at = fitting[usize::try_from(stage.dice.below(fitting.len() as u64)).unwrap_or(0)];
            drawn.push(self.bag.swap_remove(at));
        }
        // What needs the server to answer comes before what takes it away.
        drawn.sort_by_key(|place| self.uses[*place].sort == Sort::Server);
        drawn
    }

    async fn begin(
        &mut self,
        stage: &mut Stage,
        place: usize,
        victims: &mut Vec<usize>,
    ) -> Result<Option<On>, Failure> {
        let Use { kind, sort, victim, lasts, make } = self.uses[place];
        let ready: Vec<usize> = stage.ready(victim).into_iter().filter(|player| !victims.contains(player)).collect();
        if ready.is_empty() {
            return Ok(None);
        }
        let player = ready[usize::try_from(stage.dice.below(ready.len() as u64))?];
        if sort == Sort::Process {
            victims.push(player);
        }
        let times = self.times.entry(kind).or_default();
        let phase = Phase::ALL[usize::try_from((*times + u64::from(kind as u8) + stage.options.seed) % 5)?];
        *times += 1;
        fill(stage, PATIENCE).await?;
        let mut aim = stage.aim(player, phase).await?;
        // Some are done by now; the victim is held where it stands.
        fill(stage, Duration::ZERO).await?;
        let actor = if sort == Sort::Process { stage.players[player].actor } else { 0 };
        let number = stage.begin(kind, actor, aim.phase)?;
        *self.matrix.entry((kind, aim.phase)).or_default() += 1;
        let mut fault = make();
        fault.strike(stage, &mut aim).await?;
        aim.decide(Verdict::Pass);
        let until = Instant::now() + between(&mut stage.dice, lasts);
        Ok(Some(On { number, kind, fault, until }))
    }
}

/// Sees that enough is in flight: waits a while for the producers, then publishes what is missing.
async fn fill(stage: &mut Stage, patience: Duration) -> Result<(), Failure> {
    let enough = |stage: &mut Stage| stage.watch.in_flight() >= IN_FLIGHT * 3 / 2;
    if stage.until(patience, enough).await? {
        return Ok(());
    }
    stage.publish(BURST.0, Deed::Ack, 0, BURST.1);
    // Nobody takes them where the server is away; then the checker will say so.
    stage.until(PATIENCE, enough).await.map(|_| ())
}
