//! A TCP proxy before a server, for faults of the network: it delays, slices, swallows, resets, refuses, and stops a
//! connection at a request or a reply of a chosen kind.
//!
//! It passes whole requests and replies, so that it always knows which reply belongs to which request. What it does is
//! said while it runs ([`Proxy::set`], [`Proxy::cut`], [`Proxy::gate`]) and holds for connections that exist and for
//! new ones.

mod frames;
mod gate;
mod label;
mod pump;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use gate::{Gate, Point, Verdict};
pub use label::Label;

use gate::Gates;
use label::Labels;

/// What happens to bytes on their way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is a trouble of its own; all combinations exist")]
pub struct Weather {
    /// New connections are refused.
    pub refuse: bool,
    /// Requests vanish.
    pub swallow_requests: bool,
    /// Replies vanish.
    pub swallow_replies: bool,
    /// Each request and reply is held back this long.
    pub delay: Duration,
    /// And up to this much longer.
    pub jitter: Duration,
    /// At most this many bytes per second and direction.
    pub bandwidth: Option<u64>,
    /// Bytes go one by one.
    pub slice: bool,
}

/// How connections end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// With a reset.
    Reset,
    /// As if the server had closed them.
    Close,
}

/// A proxy on a port of its own; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<u16>,
    weather: watch::Sender<Weather>,
    /// Raised with every cut.
    cuts: watch::Sender<(u64, Cut)>,
    gates: Gates,
    labels: Labels,
}

impl Proxy {
    /// A proxy before the server at a port of this machine.
    pub async fn start(upstream: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            weather: watch::Sender::new(Weather::default()),
            cuts: watch::Sender::new((0, Cut::Close)),
            gates: Gates::default(),
            labels: Labels::of_the_core(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { port, shared, accepting })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address for a client.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on, new connections go to another port.
    pub fn redirect(&self, upstream: u16) {
        *locked(&self.shared.upstream) = upstream;
    }

    /// From now on, this is what happens to bytes.
    pub fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// What happens to bytes now.
    pub fn weather(&self) -> Weather {
        self.shared.weather.borrow().clone()
    }

    /// Ends all connections.
    pub fn cut(&self, how: Cut) {
        self.shared.cuts.send_modify(|(n, cut)| (*n, *cut) = (*n + 1, how));
    }

    /// Stops the next request of a kind at a point of its way.
    pub fn gate(&self, label: Label, point: Point) -> Gate {
        self.shared.gates.place(label, point)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut(Cut::Reset);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // A connection that went before it was accepted is nobody's trouble.
        let Ok((client, _)) = listener.accept().await else { continue };
        tokio::spawn(serve(client, shared.clone()));
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    cuts.mark_unchanged();
    let refused = shared.weather.borrow().refuse;
    let upstream = *locked(&shared.upstream);
    let server = if refused { None } else { TcpStream::connect(("127.0.0.1", upstream)).await.ok() };
    let Some(mut server) = server else {
        reset(&client);
        return;
    };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let how = tokio::select! {
        ended = pump::both(&mut client, &mut server, &shared) => ended,
        _ = cuts.changed() => cuts.borrow().1,
    };
    if how == Cut::Reset {
        reset(&client);
        reset(&server);
    }
}

/// Closing becomes a reset; a connection that is gone already needs none.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
