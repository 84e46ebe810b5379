//! `stargazer dev`, `gateway`, `inference`: from settings to a host that runs.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use stargazer_core::VERSION;
use stargazer_core::config::{BusConfig, ConsumerConfig};
use stargazer_core::envelope::Map;
use stargazer_core::platform::GatewayConfig;
use stargazer_scripted_model::ScriptedModel;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::args::{CommonArgs, DevArgs, GatewayArgs, InferenceArgs, LeaseArgs, PlatformArgs, ServerArgs, WorkArgs};
use super::client::Client;
use super::signal::StopSignal;
use super::{Failure, demo, screen};
use crate::host::{Health, HostOptions, Lifecycle, Phase, Service, ServiceHost};
use crate::http::{ApiOptions, Listener, Port, api_routes, health_routes};
use crate::processor::{Processor, Tools};
use crate::roles::webchat::{PLATFORM, WebChat};
use crate::roles::{Gateway, Inference};
use crate::settings::Environment;

/// The bus of `dev`, shared in the process.
const DEV_BUS: &str = "memory://dev";
/// Usual ports.
const DEV_PORT: u16 = 8420;
const ROLE_PORT: u16 = 9090;
/// The first pause of a retry in `dev`, where somebody watches.
const DEV_RETRY: Duration = Duration::from_millis(200);

/// Everything in one process.
pub(super) async fn dev(options: DevArgs, environment: Environment) -> Result<ExitCode, Failure> {
    let url = match options.redis {
        Some(url) => server_url(&url)?,
        None => DEV_BUS.to_owned(),
    };
    let mut process = Process::prepare(url, options.common, environment, DEV_PORT).await?;
    process.add_gateway(&options.platform, ConsumerConfig::default());
    process.add_inference(&options.work, Some(DEV_RETRY), ConsumerConfig::default());
    let demo = options.demo.then(|| process.client(&options.platform)).transpose()?;
    let banner = process.banner(&options.platform);
    process.run(Some(banner), demo).await
}

/// The gateway alone.
pub(super) async fn gateway(options: GatewayArgs, environment: Environment) -> Result<ExitCode, Failure> {
    let url = needed_url(options.server, &environment)?;
    let mut process = Process::prepare(url, options.common, environment, ROLE_PORT).await?;
    process.add_gateway(&options.platform, leased(&options.lease));
    let banner = screen::output_is_terminal().then(|| process.banner(&options.platform));
    process.run(banner, None).await
}

/// Inference alone.
pub(super) async fn inference(options: InferenceArgs, environment: Environment) -> Result<ExitCode, Failure> {
    let url = needed_url(options.server, &environment)?;
    let mut process = Process::prepare(url, options.common, environment, ROLE_PORT).await?;
    let mut consumer = leased(&options.lease);
    (consumer.ordering, consumer.lock_id) = (options.order.ordering, options.order.lock_id);
    process.add_inference(&options.work, None, consumer);
    let banner = screen::output_is_terminal().then(|| process.short_banner());
    process.run(banner, None).await
}

/// A process that is being put together.
#[derive(Debug)]
struct Process {
    url: String,
    bus: BusConfig,
    common: CommonArgs,
    loopback: bool,
    listener: Listener,
    lifecycle: Lifecycle,
    services: Vec<Box<dyn Service>>,
    signal: StopSignal,
}

impl Process {
    async fn prepare(url: String, common: CommonArgs, environment: Environment, usual: u16) -> Result<Self, Failure> {
        let signal = StopSignal::listen().map_err(|error| format!("signals cannot be caught: {error}"))?;
        let ip = match (common.bind, &environment.bind) {
            (Some(ip), _) => ip,
            (None, Some(text)) => text.parse().map_err(|_| format!("SG_BIND is {text:?}; it must be an IP address"))?,
            (None, None) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let port = match (common.port, &environment.port) {
            (Some(port), _) => Port::Exactly(port),
            (None, Some(text)) => {
                Port::Exactly(text.parse().map_err(|_| format!("SG_PORT is {text:?}; it must be a port"))?)
            }
            (None, None) => Port::From(usual),
        };
        let listener = Listener::bind(ip, port).await.map_err(|error| {
            format!(
                "HTTP cannot listen on {error}; choose another address with --port or --bind, port 0 is any free one"
            )
        })?;
        let address = listener.address();
        let moved =
            if port == Port::From(usual) && address.port() != usual { ", since the usual port is taken" } else { "" };
        info!(%address, "listening{moved}");
        let loopback = ip.is_loopback();
        if !loopback {
            warn!(%address, "not a loopback address, and there are no keys: who reaches it may use it");
        }
        let mut bus = environment.bus;
        bus.connect_timeout = common.connect_timeout;
        let (lifecycle, services) = (Lifecycle::default(), Vec::new());
        Ok(Self { url, bus, common, loopback, listener, lifecycle, services, signal })
    }

    fn add_gateway(&mut self, options: &PlatformArgs, mut consumer: ConsumerConfig) {
        consumer.drain_timeout = self.common.drain_timeout;
        consumer.name = "gateway".into();
        let mut config = GatewayConfig::default();
        config.consumer = consumer;
        let chat = Arc::new(WebChat::new(options.instances.clone()));
        let api = ApiOptions { max_body: options.max_body, loopback: self.loopback };
        let routes = api_routes(chat.clone(), self.lifecycle.clone(), &api);
        self.listener.add_routes(routes);
        let settings = Map::from([("legacy_writes", options.legacy_platform_writes)]);
        let mut platforms = options.platforms.clone();
        platforms.sort_unstable();
        platforms.dedup();
        let kinds = platforms.into_iter().map(|kind| (kind, settings.clone())).collect();
        self.services.push(Box::new(Gateway::new(config, vec![chat]).with_kinds(kinds)));
    }

    fn add_inference(&mut self, work: &WorkArgs, retry: Option<Duration>, mut consumer: ConsumerConfig) {
        consumer.drain_timeout = self.common.drain_timeout;
        (consumer.concurrency, consumer.max_attempts) = (work.concurrency, work.max_attempts);
        consumer.retry_base = work.retry_base.or(retry).unwrap_or(consumer.retry_base);
        let processor = Processor::new(ScriptedModel::default(), Tools::default());
        self.services.push(Box::new(Inference::new(consumer, processor)));
    }

    /// A client of this process.
    fn client(&self, options: &PlatformArgs) -> Result<Client, Failure> {
        let mut address = self.listener.address();
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Client::new(&format!("http://{address}"), options.instances.first().map_or("demo", String::as_str))
    }

    fn roles(&self) -> Vec<&'static str> {
        self.services.iter().map(|service| service.name()).collect()
    }

    fn short_banner(&self) -> String {
        let kept = if self.url == DEV_BUS { "in memory, lost on exit" } else { "kept as the server is configured to" };
        // The address as it was given may hold a password.
        let bus = if self.url == DEV_BUS { DEV_BUS.to_owned() } else { without_password(&self.url) };
        let roles = self.roles().join(", ");
        let mut lines = vec![format!("stargazer {VERSION}   {roles}"), format!("bus      {bus} ({kept})")];
        if self.roles().contains(&"inference") {
            lines.push("model    scripted (answers by rules, no network)".into());
        }
        lines.push(format!("listens  http://{}", self.listener.address()));
        lines.join("\n")
    }

    fn banner(&self, options: &PlatformArgs) -> String {
        let (instances, address) = (options.instances.join(", "), self.listener.address());
        let open = if self.loopback { "no key is needed here" } else { "NO KEYS: who reaches the address may use it" };
        let chat = if address.port() == DEV_PORT { String::new() } else { format!(" --url http://{address}") };
        format!("{}\n{PLATFORM}  instance {instances}; {open}\ntry      stargazer chat{chat}", self.short_banner())
    }

    /// Runs until a signal, a failure, or the end of the demonstration. A second signal ends at once.
    async fn run(self, banner: Option<String>, demo: Option<Client>) -> Result<ExitCode, Failure> {
        let Self { url, bus, common, listener, lifecycle, services, mut signal, .. } = self;
        let roles = services.iter().map(|service| service.name()).collect();
        let health = Arc::new(Health::new(lifecycle.clone(), roles, listener.address()));
        let listener = listener.with_routes(health_routes(health.clone()));
        let options = HostOptions { url, bus, drain_delay: common.drain_delay };
        let host = ServiceHost::new(options, services, health);

        let (stop, stopped) = oneshot::channel::<()>();
        let mut stop = Some(stop);
        let host = host.run(listener, async {
            // Nothing is ever sent: it ends when its other half is dropped.
            let _ = stopped.await;
        });
        let conduct = perform(&lifecycle, banner, demo);
        tokio::pin!(host, conduct);
        let mut conducted = Ok(());
        let hosted = loop {
            tokio::select! {
                hosted = &mut host => break hosted,
                result = &mut conduct, if stop.is_some() => {
                    conducted = result;
                    stop = None;
                }
                () = signal.next() => {
                    if stop.take().is_none() {
                        return Ok(ExitCode::from(130));
                    }
                    if screen::is_terminal() {
                        // Behind the ^C that the terminal shows.
                        screen::line("");
                    }
                }
            }
        };
        hosted.map_err(|error| error.to_string()).and(conducted).map(|()| ExitCode::SUCCESS)
    }
}

/// Shows the banner once the process is ready; plays the demonstration, if there is one, and ends with it.
async fn perform(lifecycle: &Lifecycle, banner: Option<String>, demo: Option<Client>) -> Result<(), Failure> {
    lifecycle.reached(Phase::Ready).await;
    if let Some(banner) = banner.filter(|_| lifecycle.phase() == Phase::Ready) {
        screen::line(&banner);
    }
    match demo {
        Some(client) => demo::run(&client).await,
        None => std::future::pending().await,
    }
}

fn leased(options: &LeaseArgs) -> ConsumerConfig {
    let mut consumer = ConsumerConfig::default();
    (consumer.lease, consumer.sweep) = (options.lease, options.sweep);
    consumer
}

/// The address of a role's server.
fn needed_url(server: ServerArgs, environment: &Environment) -> Result<String, Failure> {
    if server.redis.is_none() && environment.redis_url.is_none() {
        return Err("name the Redis with --redis URL or REDIS_URL; `stargazer dev` needs none".into());
    }
    server_of(server, environment)
}

/// The address that was named.
pub(super) fn server_of(server: ServerArgs, environment: &Environment) -> Result<String, Failure> {
    let url = server.redis.or_else(|| environment.redis_url.clone());
    server_url(&url.ok_or("name the Redis with --redis URL or REDIS_URL")?)
}

fn server_url(url: &str) -> Result<String, Failure> {
    if url.starts_with("memory://") {
        return Err("memory:// lives in one process; use `stargazer dev` without --redis".into());
    }
    Ok(url.to_owned())
}

/// An address without what stands before its last `@`.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => url.split('?').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_address_has_no_password() {
        assert_eq!(without_password("redis://user:p@ss@host:6379/0"), "redis://host:6379/0");
        assert_eq!(without_password("redis://host:6379"), "redis://host:6379");
        assert_eq!(without_password("unix:///run/redis.sock?pass=secret"), "unix:///run/redis.sock");
    }
}
