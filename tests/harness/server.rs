//! A server of one's own: on a free loopback port, in a temporary folder, gone when its owner is.
//!
//! The process is a child of ours and is only ever signalled by its id. Should we be killed, a watch-dog (a shell that waits
//! for the end of a pipe that we hold) takes the server down; the temporary folder then stays behind.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::resp::{Reply, command};
use crate::{Program, find};

/// A server answers within this time or counts as broken.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How to start a server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Password that clients must give.
    pub password: Option<String>,
    /// Listen on a Unix socket as well.
    pub unix_socket: bool,
    /// Keep what was written over a restart (append-only file, synced on every write).
    pub appendonly: bool,
    /// Further arguments of the program, `["--maxmemory", "4mb"]`.
    pub arguments: Vec<String>,
    /// Variables of its environment, besides ours.
    pub environment: Vec<(String, PathBuf)>,
    /// Be a sentinel with these lines in its file, not a server that holds data.
    pub sentinel: Option<Vec<String>>,
}

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct Server {
    program: Program,
    options: Box<Options>,
    port: u16,
    folder: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    watch_dog: Child,
}

impl Server {
    /// Starts the server that [`find`] finds, with nothing kept on disk and no password.
    ///
    /// # Errors
    /// No server is found, or it does not start; the text holds the end of its log.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Options::default())
    }

    /// Starts a server with `options`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(options: Options) -> io::Result<Self> {
        let program = find()?;
        let folder = temporary_folder()?;
        let mut server = Self { program, options: Box::new(options), port: 0, folder, running: None };
        // Between our choice of a port and the server's bind somebody else may take it.
        let mut attempts = 5;
        loop {
            server.port = free_port()?;
            match server.launch() {
                Ok(()) => return Ok(server),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => attempts -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// `redis://127.0.0.1:PORT`, with the password when there is one.
    pub fn url(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// `unix:///…`, with the password when there is one; `None` unless asked for.
    pub fn unix_url(&self) -> Option<String> {
        let path = self.options.unix_socket.then(|| self.socket())?;
        let password = self.options.password.as_ref().map(|word| format!("?pass={word}")).unwrap_or_default();
        Some(format!("unix://{}{password}", path.display()))
    }

    /// The port it listens on; the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file that its log goes to.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The program that runs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Process id; `None` while the server is down.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// Asks the server something, past the client under test.
    ///
    /// # Errors
    /// The server is down, paused or does not answer.
    pub fn command(&self, words: &[&str]) -> io::Result<Reply> {
        command(self.port, self.options.password.as_deref(), words)
    }

    /// `kill -9`: the server is gone when this returns.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        // The watch-dog goes first: the server's id stays ours until we have waited for it.
        running.watch_dog.kill()?;
        running.watch_dog.wait()?;
        running.child.kill()?;
        running.child.wait()?;
        Ok(())
    }

    /// Removes what it has kept on disk, where it is down.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn forget(&self) -> io::Result<()> {
        if self.running.is_some() {
            return Err(io::Error::other("the server runs"));
        }
        match fs::remove_dir_all(self.folder.join("appendonlydir")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Starts it again on the same port and folder, killing it first where it runs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.launch()
    }

    /// `SIGSTOP`: connections stay open and nothing answers.
    ///
    /// # Errors
    /// The server is down.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// `SIGCONT`: goes on after a [`Server::pause`].
    ///
    /// # Errors
    /// The server is down.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let running = self.running.as_ref().ok_or_else(|| io::Error::other("the server is down"))?;
        kill_process(Pid::from_child(&running.child), signal)?;
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("s")
    }

    fn launch(&mut self) -> io::Result<()> {
        let child = self.spawn()?;
        let watch_dog = match watch(child.id()) {
            Ok(watch_dog) => watch_dog,
            Err(error) => {
                end(child)?;
                return Err(error);
            }
        };
        self.running = Some(Running { child, watch_dog });
        let answered = self.wait_until_it_answers();
        if answered.is_err() {
            self.kill()?;
        }
        answered
    }

    fn spawn(&self) -> io::Result<Child> {
        let log = fs::File::create(self.log())?;
        let mut command = Command::new(&self.program.path);
        if let Some(lines) = &self.options.sentinel {
            // It keeps what it learns in its file; started again, it reads that.
            let file = self.folder.join("sentinel.conf");
            if !file.exists() {
                fs::write(&file, lines.join("\n"))?;
            }
            command.arg(file).arg("--sentinel");
        } else {
            command.args(["--save", ""]);
        }
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--daemonize", "no"]);
        command.arg("--dir").arg(&self.folder);
        if self.options.appendonly {
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        }
        if let Some(password) = &self.options.password {
            command.args(["--requirepass", password]);
        }
        if self.options.unix_socket {
            command.arg("--unixsocket").arg(self.socket());
        }
        command.args(&self.options.arguments);
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
    }

    fn wait_until_it_answers(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let ended = match &mut self.running {
                Some(running) => running.child.try_wait()?,
                None => return Err(io::Error::other("the server is down")),
            };
            if let Some(status) = ended {
                return Err(self.failure(&format!("ended with {status}")));
            }
            // A server that still loads its file answers with an error.
            if matches!(self.command(&["PING"]), Ok(Reply::Text(text)) if text == b"PONG") && self.is_ours()? {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.failure("does not answer"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the answer comes from our child and not from a stranger who took the port a moment before it.
    fn is_ours(&self) -> io::Result<bool> {
        let info = self.command(&["INFO", "server"])?.text();
        let pid = info.lines().find_map(|line| line.strip_prefix("process_id:"));
        Ok(pid.map(str::to_owned) == self.pid().map(|pid| pid.to_string()))
    }

    fn failure(&self, what: &str) -> io::Error {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let kind = if log.contains("Address already in use") { io::ErrorKind::AddrInUse } else { io::ErrorKind::Other };
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        let tail: Vec<&str> = lines.into_iter().rev().collect();
        io::Error::new(kind, format!("{} {what}\n{}", self.program, tail.join("\n")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping cannot fail; what does not end or go away here is the operating system's to report.
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A shell that kills the process `pid` when our end of its standard input closes, which happens when we end.
fn watch(pid: u32) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r line; kill -9 \"$1\"", "watch-dog", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn end(mut child: Child) -> io::Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Short, since the path of a Unix socket holds 100 characters.
fn temporary_folder() -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = std::env::temp_dir();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(&base).join(format!("sg-{}-{number}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
