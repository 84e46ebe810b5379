use std::sync::Mutex;

use async_trait::async_trait;
use stargazer_core::ErrorKind;

use super::*;

type Steps = Arc<Mutex<Vec<String>>>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Start,
    HangAtStart,
    Run,
}

#[derive(Debug)]
struct Probe {
    name: &'static str,
    fault: Fault,
    steps: Steps,
}

impl Probe {
    fn tell(&self, step: &str) {
        self.steps.lock().unwrap().push(format!("{step} {}", self.name));
    }
}

#[async_trait]
impl Service for Probe {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn on_start(&mut self, _: &Bus) -> Result<()> {
        self.tell("start");
        match self.fault {
            Fault::Start => Err(Error::invalid("cannot start")),
            Fault::HangAtStart => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn run(&mut self) -> Result<()> {
        if self.fault == Fault::Run { Err(Error::closed("probe")) } else { std::future::pending().await }
    }

    async fn on_drain(&mut self) {
        self.tell("drain");
    }

    async fn on_stop(&mut self) -> Result<()> {
        self.tell("stop");
        Ok(())
    }
}

async fn run(faults: [Fault; 2], stop: impl Future<Output = ()>) -> (Result<()>, Vec<String>) {
    let steps = Steps::default();
    let probe = |name, fault| -> Box<dyn Service> { Box::new(Probe { name, fault, steps: steps.clone() }) };
    let services = vec![probe("a", faults[0]), probe("b", faults[1])];
    let listener = Listener::bind("127.0.0.1".parse().unwrap(), crate::http::Port::Exactly(0)).await.unwrap();
    let health = Arc::new(Health::new(Lifecycle::default(), vec!["test"], listener.address()));
    let listener = listener.with_routes(crate::http::health_routes(health.clone()));
    let options = HostOptions { url: "memory://".into(), bus: BusConfig::default(), drain_delay: Duration::ZERO };
    let result = ServiceHost::new(options, services, health.clone()).run(listener, stop).await;
    assert_eq!(health.lifecycle().phase(), Phase::Ended);
    let steps = std::mem::take(&mut *steps.lock().unwrap());
    (result, steps)
}

const WHOLE_LIFE: [&str; 6] = ["start a", "start b", "drain a", "drain b", "stop b", "stop a"];

#[tokio::test]
async fn services_stop_in_reverse_order_after_all_have_drained() {
    let (result, steps) = run([Fault::None; 2], tokio::time::sleep(Duration::from_millis(50))).await;
    result.unwrap();
    assert_eq!(steps, WHOLE_LIFE);
}

#[tokio::test]
async fn a_half_started_process_tears_down() {
    let (result, steps) = run([Fault::Start, Fault::None], std::future::pending()).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(steps, ["start a", "drain a", "stop a"]);
}

#[tokio::test]
async fn a_start_that_hangs_can_be_stopped() {
    let stop = tokio::time::sleep(Duration::from_millis(50));
    let (result, steps) = run([Fault::None, Fault::HangAtStart], stop).await;
    result.unwrap();
    assert_eq!(steps, WHOLE_LIFE);
}

#[tokio::test]
async fn a_service_that_ends_ends_the_process() {
    let (result, steps) = run([Fault::None, Fault::Run], std::future::pending()).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.context().contains(&("service", "b".into())), "{error}");
    assert_eq!(steps, WHOLE_LIFE);
}
