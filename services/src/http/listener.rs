//! The listener of a process.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use super::problem::Problem;

/// How long answers that are under way may take once the listener ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How many ports are tried after a wished one.
const NEXT_PORTS: u16 = 100;

/// Which port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// This one or none; 0 is any free one.
    Exactly(u16),
    /// This one, or the next free one after it.
    From(u16),
}

/// A bound address and what is answered there.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    routes: Router,
}

impl Listener {
    /// Binds an address. Fails when it is taken or not ours, with an error that names it.
    pub async fn bind(ip: IpAddr, port: Port) -> io::Result<Self> {
        let ports = match port {
            Port::Exactly(port) => port..=port,
            Port::From(first) => first..=first.saturating_add(NEXT_PORTS),
        };
        let mut result = Err(io::Error::other("no port was tried"));
        for port in ports {
            let address = SocketAddr::new(ip, port);
            result = TcpListener::bind(address).await.map_err(|e| io::Error::new(e.kind(), format!("{address}: {e}")));
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
                break;
            }
        }
        let socket = result?;
        Ok(Self { address: socket.local_addr()?, socket, routes: Router::new() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds what is answered.
    #[must_use]
    pub fn with_routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// [`Listener::with_routes`] in place.
    pub fn add_routes(&mut self, routes: Router) {
        self.routes = std::mem::take(&mut self.routes).merge(routes);
    }

    /// Answers until `stop` ends and what was under way is answered, or has had its time.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let (stopped, told) = tokio::sync::oneshot::channel::<()>();
        let stop = async move {
            stop.await;
            drop(stopped);
        };
        let routes = self.routes.fallback(Problem::no_such_page).method_not_allowed_fallback(Problem::wrong_method);
        let listener = self.socket.tap_io(|stream| {
            // Without it answers are merely later.
            let _ = stream.set_nodelay(true);
        });
        let limit = async {
            // Nothing is ever sent: it ends when its other half is dropped.
            let _ = told.await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            served = axum::serve(listener, routes).with_graceful_shutdown(stop) => served,
            () = limit => Ok(()),
        }
    }
}
