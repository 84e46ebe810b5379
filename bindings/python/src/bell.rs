//! How the I/O thread wakes an event loop: by a socket that the loop watches, so that it never needs the interpreter.
//!
//! Loops that can watch nothing (Windows' proactor) get a thread of their own that calls `call_soon_threadsafe`; it
//! ends with the loop, or with the interpreter.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::intern;
use pyo3::prelude::*;

/// The ringing end: on the I/O thread.
pub(crate) enum Ringer {
    Socket(UnixStream),
    Thread(mpsc::Sender<()>),
}

impl Ringer {
    /// Never blocks: at most one ring is under way between two answers.
    pub(crate) fn ring(&self) {
        match self {
            // An error means that the loop has gone, and with it everybody who waits.
            Self::Socket(socket) => drop((&*socket).write(&[1])),
            Self::Thread(thread) => drop(thread.send(())),
        }
    }
}

/// The end that is heard: on the loop's thread.
pub(crate) struct Bell {
    socket: Option<UnixStream>,
    rings: Option<mpsc::Receiver<()>>,
}

impl Bell {
    /// Both ends, for a loop that can watch sockets or for one that cannot.
    pub(crate) fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<(Self, Ringer)> {
        let (heard, rung) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        // Removing what was never added says whether the loop can watch at all.
        match event_loop.call_method1(intern!(event_loop.py(), "remove_reader"), (heard.as_raw_fd(),)) {
            Ok(_) => Ok((Self { socket: Some(heard), rings: None }, Ringer::Socket(rung))),
            Err(error) if error.is_instance_of::<PyNotImplementedError>(event_loop.py()) => {
                let (sender, rings) = mpsc::channel();
                Ok((Self { socket: None, rings: Some(rings) }, Ringer::Thread(sender)))
            }
            Err(error) => Err(error),
        }
    }

    /// Lets the loop call `answer` for every ring. The loop then owns `answer`, until it is closed.
    pub(crate) fn attach(&mut self, event_loop: &Bound<'_, PyAny>, answer: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some(socket) = &self.socket {
            event_loop.call_method1(intern!(event_loop.py(), "add_reader"), (socket.as_raw_fd(), answer))?;
        }
        if let Some(rings) = self.rings.take() {
            let (event_loop, answer) = (event_loop.clone().unbind(), answer.clone().unbind());
            std::thread::Builder::new()
                .name("stargazer-bell".into())
                .spawn(move || carry(&rings, &event_loop, &answer))?;
        }
        Ok(())
    }

    /// Takes the ring off the socket.
    pub(crate) fn heard(&self) {
        if let Some(socket) = &self.socket {
            // Nothing there: the ring was taken by an earlier call.
            let _ = (&*socket).read(&mut [0; 16]);
        }
    }
}

/// How often the thread of a loop that watches nothing looks whether the loop was closed.
const LOOK: Duration = Duration::from_secs(1);

fn carry(rings: &mpsc::Receiver<()>, event_loop: &Py<PyAny>, answer: &Py<PyAny>) {
    loop {
        let rung = match rings.recv_timeout(LOOK) {
            Ok(()) => true,
            Err(mpsc::RecvTimeoutError::Timeout) => false,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        let open = Python::try_attach(|py| {
            if rung {
                // Refused once the loop is closed.
                event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (answer,)).is_ok()
            } else {
                event_loop
                    .call_method0(py, intern!(py, "is_closed"))
                    .is_ok_and(|closed| !closed.is_truthy(py).unwrap_or(true))
            }
        });
        if open != Some(true) {
            return;
        }
    }
}
