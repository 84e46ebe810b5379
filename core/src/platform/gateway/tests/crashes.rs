//! Gateways that die, over a transport that loses requests and answers: what was sent twice was told, what was sent is in
//! order, and nothing is missing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::config::BusConfig;
use crate::consumer::tests::faulty::{Dice, Faulty};
use crate::engine::Engine;
use crate::platform::{Intake, SendContext};
use crate::transport::Transport;

const CHANNELS: usize = 4;
const MESSAGES: usize = 120;

/// What the platform saw: channel, number, whether it was told that it may be a repeat.
type Log = Arc<Mutex<Vec<(String, usize, bool)>>>;

/// A platform that takes its time before and after it has sent, so that its gateway can die on either side.
#[derive(Debug)]
struct Slow {
    log: Log,
    dice: Dice,
    dead: AtomicBool,
}

impl Slow {
    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(self.dice.below(30))).await;
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Adapter for Slow {
    fn name(&self) -> &'static str {
        fake::NAME
    }

    async fn is_running(&self) -> bool {
        true
    }

    async fn start(&self, _: Intake) -> Result<()> {
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        Ok(())
    }

    async fn send(&self, channel_id: &str, text: &str, context: &SendContext) -> Result<String> {
        self.pause().await;
        self.log.lock().unwrap().push((channel_id.into(), text.parse().unwrap(), context.may_be_repeat));
        self.pause().await;
        Ok(String::new())
    }

    async fn is_channel_valid(&self, _: &str) -> Result<bool> {
        Ok(true)
    }
}

/// A gateway process: killed, it does nothing any more, neither on the platform nor on the server.
struct Process {
    gateway: Gateway,
    network: Arc<Faulty>,
    platform: Arc<Slow>,
}

impl Process {
    async fn start(engine: &Arc<dyn Transport>, clock: &Arc<dyn Clock>, log: &Log, seed: u64, skip: bool) -> Self {
        let network = Arc::new(Faulty::new(engine.clone(), Dice::new(seed), 0));
        let bus = Bus::over(network.clone(), clock.clone(), BusConfig::default());
        let platform = Arc::new(Slow { log: log.clone(), dice: Dice::new(seed + 1), dead: AtomicBool::new(false) });
        let mut config = config();
        config.consumer.lease = Duration::from_secs(2);
        config.consumer.sweep = Duration::from_millis(500);
        config.on_unknown = if skip { OnUnknown::Skip } else { OnUnknown::Resend };
        let gateway = Gateway::new(&bus, [platform.clone() as Arc<dyn Adapter>]).with_config(config);
        gateway.start().await.unwrap();
        network.percent.store(5, Ordering::SeqCst);
        Self { gateway, network, platform }
    }

    fn kill(self) {
        self.platform.dead.store(true, Ordering::SeqCst);
        self.network.dead.store(true, Ordering::SeqCst);
        std::mem::forget(self.gateway);
    }
}

/// Sends through gateways that are killed again and again; what the platform saw, and the dead letters.
async fn survive(seed: u64, skip: bool) -> (Vec<(String, usize, bool)>, Vec<String>) {
    let clock = SystemClock::shared();
    let engine: Arc<dyn Transport> = Engine::new(clock.clone());
    let bus = Bus::over(engine.clone(), clock.clone(), BusConfig::default());
    let (log, dice) = (Log::default(), Dice::new(seed));
    let mut processes = Vec::new();
    for n in 0..2 {
        processes.push(Process::start(&engine, &clock, &log, seed * 1000 + n, skip).await);
    }
    for n in 0..MESSAGES {
        let message = Outbound::message(format!("c{}", n % CHANNELS), n.to_string());
        // Half of them without a key: their entries tell them apart.
        publish(&bus, [if n % 2 == 0 { message.with_message_key(format!("k{n}")) } else { message }]).await;
    }
    for n in 0..6 {
        tokio::time::sleep(Duration::from_millis(100 + dice.below(1500))).await;
        processes.remove(0).kill();
        processes.push(Process::start(&engine, &clock, &log, seed * 1000 + 10 + n, skip).await);
    }
    finished(&bus).await;
    let dead = dead(&bus).await;
    let sends = log.lock().unwrap().clone();
    (sends, dead)
}

fn of_channel(seen: &[(String, usize, bool)], channel: usize) -> Vec<(usize, bool)> {
    let name = format!("c{channel}");
    seen.iter().filter(|(of, ..)| *of == name).map(|(_, number, told)| (*number, *told)).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_nothing_doubled_untold_and_channels_keep_their_order() {
    let mut doubled = 0;
    for seed in 1..=12 {
        let (seen, dead) = survive(seed, false).await;
        assert!(dead.is_empty(), "seed {seed}: {dead:?}");
        for channel in 0..CHANNELS {
            let sends = of_channel(&seen, channel);
            let mut next = channel;
            for (number, told) in &sends {
                if *number == next {
                    next += CHANNELS;
                } else {
                    assert!(*number < next, "seed {seed}: {number} came before {next} in {sends:?}");
                    assert!(told, "seed {seed}: {number} was sent twice and not told in {sends:?}");
                    doubled += 1;
                }
            }
            assert!(next >= MESSAGES, "seed {seed}: {next} is missing in {sends:?}");
        }
    }
    assert!(doubled > 0, "no gateway died between a send and its mark: the test shows nothing");
}

#[tokio::test(start_paused = true)]
async fn with_skip_nothing_is_doubled_and_what_is_missing_is_a_dead_letter() {
    let mut skipped = 0;
    for seed in 1..=8 {
        let (seen, dead) = survive(seed, true).await;
        let mut numbers: Vec<_> = seen.iter().map(|(_, number, _)| *number).collect();
        for channel in 0..CHANNELS {
            assert!(of_channel(&seen, channel).is_sorted(), "seed {seed}: {seen:?}");
        }
        numbers.sort_unstable();
        let sends = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), sends, "seed {seed}: something was sent twice");
        assert!(sends + dead.len() >= MESSAGES, "seed {seed}: {sends} sent, {} dead", dead.len());
        skipped += dead.len();
    }
    assert!(skipped > 0, "no gateway died in a send: the test shows nothing");
}
