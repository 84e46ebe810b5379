//! The bell of a queue: a connection within the process. A thread writes to one end, and the loop watches the other.

use std::io::{self, Read, Write};
#[cfg(windows)]
use std::net::{Ipv4Addr, TcpListener, TcpStream as End};
#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(unix)]
use std::os::unix::net::UnixStream as End;
#[cfg(windows)]
use std::os::windows::io::AsRawSocket;

/// What the loop watches.
pub(crate) struct Bell(End);

/// What rings it; from any thread, and never waiting.
pub(crate) struct Ringer(End);

/// A bell and what rings it.
pub(crate) fn pair() -> io::Result<(Bell, Ringer)> {
    let (bell, ringer) = ends()?;
    bell.set_nonblocking(true)?;
    ringer.set_nonblocking(true)?;
    Ok((Bell(bell), Ringer(ringer)))
}

#[cfg(unix)]
fn ends() -> io::Result<(End, End)> {
    End::pair()
}

/// Only sockets can be watched here, and only those of the internet come in a form that a loop takes.
#[cfg(windows)]
fn ends() -> io::Result<(End, End)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let bell = End::connect(listener.local_addr()?)?;
    loop {
        let (ringer, from) = listener.accept()?;
        // Another process may have come before us.
        if from == bell.local_addr()? {
            ringer.set_nodelay(true)?;
            return Ok((bell, ringer));
        }
    }
}

impl Bell {
    /// The number under which the system knows it: of a file, or on Windows of a socket.
    #[cfg(unix)]
    pub(crate) fn number(&self) -> i64 {
        self.0.as_raw_fd().into()
    }

    /// The number under which the system knows it: of a file, or on Windows of a socket.
    #[cfg(windows)]
    pub(crate) fn number(&self) -> i64 {
        // The system keeps them below 2^32, so that they fit where there were 32 bits.
        self.0.as_raw_socket() as i64
    }

    /// Takes a ring, if there was one.
    pub(crate) fn hush(&self) {
        // Nothing there: it was taken by an earlier call.
        let _ = (&self.0).read(&mut [0; 16]);
    }
}

impl Ringer {
    /// Rings. An error means that the loop has gone, and with it everybody who waits, or that it has enough rings to take.
    pub(crate) fn ring(&self) {
        let _ = (&self.0).write(&[1]);
    }
}
