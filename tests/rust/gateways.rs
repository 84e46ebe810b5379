//! Gateways as processes of their own, killed while they send.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stargazer_core::envelope::Outbound;
use stargazer_core::platform::{Adapter, Gateway, GatewayConfig, Intake, SendContext};
use stargazer_core::{Bus, Result, Role};
use stargazer_tests::Server;

const CHANNELS: usize = 6;
const MESSAGES: usize = 600;
const KILLS: usize = 5;
const LIMIT: Duration = Duration::from_secs(120);

/// What a line begins with that tells of a send.
const SENT: &str = "sent ";

/// A platform that is the output of the process: what was written there has been sent, whatever becomes of the process.
#[derive(Debug)]
struct Output;

#[async_trait]
impl Adapter for Output {
    fn name(&self) -> &'static str {
        "web"
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
        // A network's time on both sides, in which the process may die.
        tokio::time::sleep(Duration::from_millis(4)).await;
        let line = format!("{SENT}{channel_id} {text} {}\n", context.may_be_repeat);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(4)).await;
        Ok(String::new())
    }

    async fn is_channel_valid(&self, _: &str) -> Result<bool> {
        Ok(true)
    }
}

#[test]
#[ignore = "not a test: the process that the test below starts and kills"]
fn a_gateway_process() {
    let mut url = String::new();
    std::io::stdin().read_line(&mut url).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = Bus::connect(url.trim()).await.unwrap();
        let mut config = GatewayConfig::default();
        (config.consumer.lease, config.consumer.sweep) = (Duration::from_secs(2), Duration::from_millis(500));
        let gateway = Gateway::new(&bus, [Arc::new(Output) as Arc<dyn Adapter>]).with_config(config);
        // Until it is killed.
        gateway.run().await.unwrap();
    });
}

/// A gateway process, and a thread that reads what it sends.
struct Process {
    child: Child,
    reader: std::thread::JoinHandle<()>,
}

type Sends = Arc<Mutex<BTreeMap<String, Vec<(usize, bool)>>>>;

impl Process {
    fn start(url: &str, sends: &Sends) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["gateways::a_gateway_process", "--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{url}").unwrap();
        let (lines, sends) = (BufReader::new(child.stdout.take().unwrap()).lines(), sends.clone());
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(std::io::Result::ok) {
                // The harness of tests puts a text of its own before the first line.
                let Some(at) = line.find(SENT) else { continue };
                let mut words = line[at + SENT.len()..].split(' ');
                let mut word = || words.next().unwrap_or_else(|| panic!("no send: {line}"));
                let (channel, number, told) = (word(), word().parse().unwrap(), word() == "true");
                sends.lock().unwrap().entry(channel.to_owned()).or_default().push((number, told));
            }
        });
        Self { child, reader }
    }

    /// Kills it, and waits until all that it sent is known.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.join().unwrap();
    }
}

async fn publish(bus: &Bus) {
    for n in 0..MESSAGES {
        let message = Outbound::message(format!("c{}", n % CHANNELS), n.to_string());
        let message = if n % 2 == 0 { message.with_message_key(format!("k{n}")) } else { message };
        bus.publish_outbound("web", &message).await.unwrap();
    }
}

async fn left(bus: &Bus) -> u64 {
    bus.stream_info(&bus.topology().outbound_stream("web")).await.unwrap().length
}

#[test]
fn a_killed_gateway_loses_nothing_and_doubles_nothing_untold() {
    let server = Server::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sends = Sends::default();
    let bus = runtime.block_on(async {
        let bus = Bus::connect(server.url()).role(Role::Gateway).platforms(["web"]).await.unwrap();
        publish(&bus).await;
        bus
    });
    let mut processes: Vec<_> = (0..2).map(|_| Process::start(&server.url(), &sends)).collect();
    let deadline = Instant::now() + LIMIT;
    for kill in 0..KILLS {
        // Each dies in the middle of what is left.
        let until = (MESSAGES - (kill + 1) * MESSAGES / (KILLS + 2)) as u64;
        while runtime.block_on(left(&bus)) > until {
            assert!(Instant::now() < deadline, "the gateways do not get on");
            std::thread::sleep(Duration::from_millis(5));
        }
        processes.remove(0).kill();
        processes.push(Process::start(&server.url(), &sends));
    }
    while runtime.block_on(left(&bus)) > 0 {
        assert!(Instant::now() < deadline, "{} are left", runtime.block_on(left(&bus)));
        std::thread::sleep(Duration::from_millis(20));
    }
    processes.into_iter().for_each(Process::kill);
    let letters = bus.topology().dead_letter_stream.clone();
    let dead = runtime.block_on(bus.entries(&letters, stargazer_core::transport::EntryId::ZERO, 10)).unwrap();
    assert!(dead.is_empty(), "{dead:?}");
    let told = sends.lock().unwrap().values().flatten().filter(|(_, told)| *told).count();
    assert!(told > 0, "no gateway died in a send: the test shows nothing");
    for channel in 0..CHANNELS {
        let sends = sends.lock().unwrap().remove(&format!("c{channel}")).unwrap();
        let mut next = channel;
        for (number, told) in &sends {
            if *number == next {
                next += CHANNELS;
            } else {
                assert!(*number < next, "{number} came before {next} in {sends:?}");
                assert!(told, "{number} was sent twice and not told in {sends:?}");
            }
        }
        assert!(next >= MESSAGES, "{next} is missing in {sends:?}");
    }
    runtime.block_on(bus.close()).unwrap();
}
