//! Everything that a run is played on: the server, the processes behind their proxies, the driver's own history.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use stargazer_core::topology::{GroupKeys, Topology};
use stargazer_core::{Bus, Retention, config::BusConfig};
use stargazer_tests::Reply;
use tokio::time::{Instant, sleep};

use super::Failure;
use super::cast::{End, Part, Player};
use super::clock::Clock;
use super::ground::Ground;
use super::letters::Letters;
use super::options::RunOptions;
use super::watch::Watch;
use crate::actor::{CAP, Deed, Dice, PLATFORM, Pen, Plan};
use crate::history::{FaultKind, Kind, NO_MESSAGE, Phase, Record};
use crate::proxy::{Gate, Label, Point, Proxy, Verdict};

/// How often the driver looks around while it waits.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// Messages of the driver itself are numbered from here.
const OWN_MESSAGES: u64 = 1 << 36;
/// How long a fault waits for its victim to reach a phase.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What a run is played on.
pub(super) struct Stage {
    pub(super) options: RunOptions,
    pub(super) server: Ground,
    pub(super) clock: Clock,
    pub(super) players: Vec<Player>,
    pub(super) watch: Watch,
    pub(super) dice: Dice,
    pub(super) names: Names,
    pub(super) pen: Arc<Pen>,
    pub(super) letters: Letters,
    actors: u32,
    own: u64,
    faults: u64,
    /// What went wrong besides what histories tell.
    pub(super) findings: Vec<String>,
    /// Deaths of processes that nobody killed.
    pub(super) crashes: u64,
    /// Somebody has deleted entries whose bodies stand beside them.
    pub(super) orphaned: bool,
    pub(super) publishing: Vec<tokio::task::JoinHandle<Result<(), Failure>>>,
}

/// Streams and groups of the run.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) inbound: String,
    pub(super) workers: String,
    pub(super) outbound: String,
    pub(super) gateways: String,
    pub(super) worker_keys: GroupKeys,
    pub(super) gateway_keys: GroupKeys,
}

impl Names {
    fn new() -> Self {
        let topology = Topology::default();
        let (outbound, gateways) = (topology.outbound_stream(PLATFORM), topology.gateway_group(PLATFORM));
        Self {
            worker_keys: GroupKeys::new(&topology.inbound_stream, &topology.worker_group),
            gateway_keys: GroupKeys::new(&outbound, &gateways),
            inbound: topology.inbound_stream,
            workers: topology.worker_group,
            outbound: outbound.to_string(),
            gateways: gateways.to_string(),
        }
    }
}

/// A victim that stands in the phase a fault was aimed at.
pub(super) struct Aim {
    pub(super) player: usize,
    pub(super) phase: Option<Phase>,
    gate: Option<Gate>,
}

impl Aim {
    /// The victim goes on, or its connection breaks where it stands.
    pub(super) fn decide(&mut self, verdict: Verdict) {
        if let Some(gate) = self.gate.take() {
            gate.decide(verdict);
        }
    }
}

impl Stage {
    /// Starts the server and everybody but the producers.
    pub(super) async fn set(options: RunOptions, server: Ground, clock: Clock) -> Result<Self, Failure> {
        let pen = Arc::new(Pen::open(&options.folder.join("0.hist"), 0)?);
        let bus = Bus::connect(server.url()).config(own_config()).await?;
        let mut stage = Self {
            watch: Watch::new(&options.folder),
            dice: Dice(options.seed),
            names: Names::new(),
            letters: Letters::new(bus),
            actors: 0,
            own: OWN_MESSAGES,
            faults: 0,
            findings: Vec::new(),
            crashes: 0,
            orphaned: false,
            publishing: Vec::new(),
            players: Vec::new(),
            pen,
            server,
            clock,
            options,
        };
        let parts = [(Part::Worker, stage.options.workers), (Part::Gateway, stage.options.gateways)];
        for (part, n) in parts {
            for place in 0..n {
                stage.add(part, place).await?;
            }
        }
        Ok(stage)
    }

    /// Starts the producers, each with its share of the messages.
    pub(super) async fn start_producers(&mut self) -> Result<(), Failure> {
        let producers = u64::try_from(self.options.producers)?;
        let share = self.options.messages.div_ceil(producers);
        for n in 0..producers {
            let (next, end) = (n * share, ((n + 1) * share).min(self.options.messages));
            self.add(Part::Producer { next, end }, 0).await?;
        }
        Ok(())
    }

    async fn add(&mut self, part: Part, place: usize) -> Result<(), Failure> {
        let proxy = Proxy::start(self.server.port()).await?;
        self.players.push(Player::new(part, proxy, self.address(), &self.options, place));
        self.start(self.players.len() - 1)
    }

    /// Where players connect if not through their proxies: sentinels tell addresses of their own.
    fn address(&self) -> Option<String> {
        self.options.sentinels.then(|| self.server.url())
    }

    fn start(&mut self, player: usize) -> Result<(), Failure> {
        self.actors += 1;
        Ok(self.players[player].start(self.actors, &self.options)?)
    }

    /// Reads on in all histories, tells of dead letters, and starts again whoever is due.
    pub(super) async fn look(&mut self) -> Result<(), Failure> {
        self.letters.look(&self.pen).await?;
        self.watch.look()?;
        for n in 0..self.players.len() {
            let actor = self.players[n].actor;
            match self.players[n].ended()? {
                Some(End::Fine) if self.players[n].told => {
                    self.players[n].back.get_or_insert(Instant::now());
                }
                Some(End::Fine) => {
                    if let Part::Producer { next, end } = &mut self.players[n].part {
                        *next = *end;
                    } else {
                        self.findings.push(format!("actor {actor} ended and nobody had told it to"));
                    }
                }
                Some(End::Crashed) => {
                    self.crashes += 1;
                    self.tell_killed(actor, 1)?;
                    self.players[n].return_after(Duration::from_millis(300));
                }
                Some(End::Failed) => {
                    let says = std::fs::read_to_string(self.options.folder.join(format!("{actor}.err")))?;
                    self.findings.push(format!("actor {actor} ended with an error: {}", says.trim()));
                    self.tell_killed(actor, 0)?;
                    self.players[n].return_after(Duration::from_millis(300));
                }
                None => {}
            }
            if self.players[n].back.is_some_and(|at| at <= Instant::now()) {
                self.bring_back(n)?;
            }
        }
        Ok(())
    }

    /// The next life of a player; a producer goes on where it has no receipts.
    pub(super) fn bring_back(&mut self, n: usize) -> Result<(), Failure> {
        self.players[n].back = None;
        if self.players[n].pid().is_some() {
            return Ok(());
        }
        self.watch.look()?;
        if let Part::Producer { next, end } = &mut self.players[n].part {
            while *next < *end && self.watch.is_stored(*next) {
                *next += 1;
            }
            if next == end {
                return Ok(());
            }
        }
        self.start(n)
    }

    /// Waits, looking around, until something is so; whether it came in time.
    pub(super) async fn until(
        &mut self,
        limit: Duration,
        mut so: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, Failure> {
        let deadline = Instant::now() + limit;
        loop {
            self.look().await?;
            if so(self) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
    }

    /// Looks around for a while.
    pub(super) async fn wait(&mut self, time: Duration) -> Result<(), Failure> {
        self.until(time, |_| false).await.map(|_| ())
    }

    /// Waits until a player stands in a phase, and holds it there.
    pub(super) async fn aim(&mut self, player: usize, phase: Phase) -> Result<Aim, Failure> {
        let producer = matches!(self.players[player].part, Part::Producer { .. });
        let at = match phase {
            Phase::BeforeFetch if !producer => (Label::Fetch, Point::Request),
            Phase::BeforeSettle if !producer => (Label::Settle, Point::Request),
            Phase::SettleSent if !producer => (Label::Settle, Point::Reply),
            Phase::After if !producer => (Label::Settle, Point::Replied),
            Phase::BeforeFetch | Phase::BeforeSettle => (Label::Publish, Point::Request),
            Phase::SettleSent => (Label::Publish, Point::Reply),
            Phase::After => (Label::Publish, Point::Replied),
            Phase::InHandler => {
                let actor = self.players[player].actor;
                let there = self.until(PATIENCE, |stage| stage.watch.running(actor) > 0).await?;
                return Ok(Aim { player, phase: there.then_some(phase), gate: None });
            }
        };
        self.stop_at(player, phase, at.0, at.1).await
    }

    /// Waits until a request of a player stands at a point, and holds it there.
    pub(super) async fn stop_at(
        &mut self,
        player: usize,
        phase: Phase,
        label: Label,
        point: Point,
    ) -> Result<Aim, Failure> {
        let mut gate = self.players[player].proxy.gate(label, point);
        let deadline = Instant::now() + PATIENCE;
        let reached = loop {
            tokio::select! {
                reached = gate.reached() => break reached,
                () = sleep(LOOK) => {}
            }
            self.look().await?;
            if Instant::now() > deadline {
                break false;
            }
        };
        if reached {
            return Ok(Aim { player, phase: Some(phase), gate: Some(gate) });
        }
        Ok(Aim { player, phase: None, gate: None })
    }

    /// Records that a fault begins; gives its number.
    pub(super) fn begin(&mut self, kind: FaultKind, actor: u32, phase: Option<Phase>) -> Result<u64, Failure> {
        self.faults += 1;
        self.pen.write(&Record {
            detail: kind as u8,
            token: self.faults,
            extra: actor,
            attempt: phase.map_or(0, |phase| phase as u16),
            message: NO_MESSAGE,
            ..self.pen.record(Kind::FaultBegin)
        })?;
        Ok(self.faults)
    }

    /// Records that it is over.
    pub(super) fn end(&mut self, kind: FaultKind, number: u64) -> Result<(), Failure> {
        Ok(self.pen.write(&Record { detail: kind as u8, token: number, ..self.pen.record(Kind::FaultEnd) })?)
    }

    /// `kill -9` of a player, on record.
    pub(super) fn kill(&mut self, player: usize) -> Result<(), Failure> {
        let actor = self.players[player].actor;
        if self.players[player].kill()? {
            self.tell_killed(actor, 0)?;
        }
        Ok(())
    }

    fn tell_killed(&self, actor: u32, detail: u8) -> Result<(), Failure> {
        Ok(self.pen.write(&Record { actor, detail, ..self.pen.record(Kind::ActorKilled) })?)
    }

    /// Sends a signal to a player.
    pub(super) fn signal(&mut self, player: usize, signal: Signal) -> Result<(), Failure> {
        Ok(self.players[player].signal(signal)?)
    }

    /// Asks the server something, past everything that is tested.
    pub(super) fn ask(&self, words: &[&str]) -> Result<Reply, Failure> {
        let reply = self.server.command(words)?;
        match reply {
            Reply::Error(why) => Err(format!("{}: {why}", words.join(" ")).into()),
            reply => Ok(reply),
        }
    }

    /// A number that the server answers; 0 for everything else.
    pub(super) fn count(&self, words: &[&str]) -> u64 {
        match self.ask(words) {
            Ok(Reply::Int(n)) => u64::try_from(n).unwrap_or(0),
            _ => 0,
        }
    }

    /// The server has forgotten.
    pub(super) fn forget(&mut self) -> Result<(), Failure> {
        self.watch.look()?;
        self.watch.forget(self.letters.bus().clock().wall_ms());
        self.letters.start_again();
        Ok(())
    }

    /// Publishes messages of the driver's own, in the background: the server may be away.
    pub(super) fn publish(&mut self, n: u64, deed: Deed, until: u32, millis: u64) {
        let plans = (0..n)
            .map(|_| {
                self.own += 1;
                let mut plan = Plan::ordinary(self.options.seed, self.own, self.options.lanes);
                (plan.deed, plan.until, plan.millis) = (deed, until, millis);
                plan
            })
            .collect();
        let (bus, pen) = (self.letters.bus().clone(), self.pen.clone());
        self.publishing.push(tokio::spawn(async move { crate::actor::publish(&bus, &pen, plans).await }));
    }

    /// Players of a part that run, and are neither stopped nor told to end.
    pub(super) fn ready(&self, part: Part) -> Vec<usize> {
        let fit = |n: &usize| {
            let player = &self.players[*n];
            player.part.same(part) && player.is_up() && !player.frozen
        };
        (0..self.players.len()).filter(fit).collect()
    }

    /// Whether every producer is done.
    pub(super) fn all_published(&self) -> bool {
        let done = |player: &Player| match player.part {
            Part::Producer { next, end } => next == end,
            _ => true,
        };
        self.players.iter().all(done) && self.publishing.iter().all(tokio::task::JoinHandle::is_finished)
    }
}

/// The driver's own connection is not under test: it is patient.
fn own_config() -> BusConfig {
    let mut config = BusConfig::default();
    config.connect_timeout = Duration::from_secs(30);
    config.publish_timeout = Duration::from_secs(30);
    config.retention = Retention::Acked { cap: CAP };
    config
}
