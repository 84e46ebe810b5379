//! The server, or the servers, that a run stands on.

use std::io;

use stargazer_tests::{Options, Reply, Sentinels, Server};
use tokio::task::block_in_place;

use super::Failure;
use super::clock::Clock;

/// One server, or a primary with two replicas and three sentinels.
#[derive(Debug)]
pub(super) enum Ground {
    One(Server),
    Rig(Sentinels),
}

impl Ground {
    /// Starts it; one server keeps what is written.
    pub(super) fn start(sentinels: bool, clock: &Clock) -> io::Result<Self> {
        if sentinels {
            return Ok(Self::Rig(Sentinels::start_with(&["--appendonly", "yes", "--appendfsync", "everysec"])?));
        }
        let arguments = ["--enable-debug-command", "yes", "--stream-node-max-entries", "20"].map(String::from).to_vec();
        Ok(Self::One(Server::start_with(Options {
            appendonly: true,
            environment: clock.environment(),
            arguments,
            ..Options::default()
        })?))
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        match self {
            Self::One(server) => server.url(),
            Self::Rig(rig) => rig.url(),
        }
    }

    /// What runs there.
    pub(super) fn name(&self) -> String {
        match self {
            Self::One(server) => server.program().to_string(),
            Self::Rig(rig) => format!("{}, two replicas, three sentinels", rig.servers()[0].program()),
        }
    }

    /// The port of the one server, or of the first.
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::One(server) => server.port(),
            Self::Rig(rig) => rig.servers()[0].port(),
        }
    }

    /// Asks whoever is primary.
    pub(super) fn command(&self, words: &[&str]) -> io::Result<Reply> {
        block_in_place(|| match self {
            Self::One(server) => server.command(words),
            Self::Rig(rig) => rig.servers()[rig.primary()?].command(words),
        })
    }

    /// The one server, for faults that are its own.
    pub(super) fn one(&mut self) -> Result<&mut Server, Failure> {
        match self {
            Self::One(server) => Ok(server),
            Self::Rig(_) => Err("this fault is of a single server".into()),
        }
    }

    /// The rig, for faults that are its own.
    pub(super) fn rig(&mut self) -> Result<&mut Sentinels, Failure> {
        match self {
            Self::Rig(rig) => Ok(rig),
            Self::One(_) => Err("this fault is of several servers".into()),
        }
    }
}
