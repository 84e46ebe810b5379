//! The program as a child process: its lines, its signals, its end. Ends with its owner.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Whatever takes longer is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A running program.
pub(crate) struct Program {
    child: Child,
    stdin: Option<Box<dyn Write>>,
    lines: Receiver<String>,
    /// What it has said so far, on both outputs.
    pub(crate) said: String,
}

impl Program {
    /// Starts it with these arguments, an input that stays open, and an environment that says nothing.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// [`Program::start`] with an environment.
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stargazer"))
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = listen(vec![Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())]);
        let stdin = child.stdin.take().map(|stdin| Box::new(stdin) as Box<_>);
        Self { child, stdin, lines, said: String::new() }
    }

    /// Starts it on a terminal of its own.
    pub(crate) fn start_on_terminal(arguments: &[&str]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_stargazer"))
            .args(arguments)
            .env_clear()
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs.try_clone().unwrap())
            .stderr(theirs)
            .spawn()
            .unwrap();
        let ours = File::from(ours);
        let lines = listen(vec![Box::new(ours.try_clone().unwrap())]);
        Self { child, stdin: Some(Box::new(ours)), lines, said: String::new() }
    }

    /// Waits for a further line that holds `part`. Both outputs tell in any order among themselves.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push_str(&line);
                    self.said.push('\n');
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {part:?} ({error}); it said:\n{}", self.said),
            }
        }
    }

    /// Whether it has said `part` by now.
    pub(crate) fn has_said(&mut self, part: &str) -> bool {
        for line in self.lines.try_iter() {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        self.said.contains(part)
    }

    /// Waits until it is ready: where it listens.
    pub(crate) fn address(&mut self) -> SocketAddr {
        self.address_in("\"ready\"")
    }

    /// Waits until it listens, which may be before it is ready: where.
    pub(crate) fn listening(&mut self) -> SocketAddr {
        self.address_in("\"listening\"")
    }

    fn address_in(&mut self, part: &str) -> SocketAddr {
        let line = self.line_with(part);
        let (_, rest) = line.split_once("\"address\":\"").unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    }

    /// Writes to its input.
    pub(crate) fn write(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Ends its input.
    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end: its exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.drain();
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end; it said:\n{}", self.said);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it says until both of its outputs end.
    fn drain(&mut self) {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => {
                    self.said.push_str(&line);
                    self.said.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("its outputs do not end"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already; a child that was waited for is never signalled again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of these outputs, as they come.
fn listen(outputs: Vec<Box<dyn Read + Send>>) -> Receiver<String> {
    let (sender, lines) = channel();
    for output in outputs {
        let sender = sender.clone();
        // A terminal tells its end by an error.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    lines
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
