//! The processes of a run: who plays what, behind which proxy, in which life.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::options::{RunOptions, Subject};
use crate::actor::Profile;
use crate::proxy::Proxy;

/// What a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Worker,
    Gateway,
    /// The messages from a number on, up to another.
    Producer {
        next: u64,
        end: u64,
    },
}

impl Part {
    pub(super) fn same(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// A process that is started again and again.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) part: Part,
    pub(super) proxy: Proxy,
    url: String,
    /// Number of the present or last life.
    pub(super) actor: u32,
    child: Option<Child>,
    /// Has been stopped and not continued.
    pub(super) frozen: bool,
    /// When it is to be started again.
    pub(super) back: Option<Instant>,
    /// Was told to end.
    pub(super) told: bool,
    language: &'static str,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Told to, or done.
    Fine,
    /// By a signal that it brought upon itself.
    Crashed,
    /// With an error.
    Failed,
}

impl Player {
    pub(super) fn new(part: Part, proxy: Proxy, url: Option<String>, options: &RunOptions, place: usize) -> Self {
        let language = match (part, options.subject) {
            (Part::Worker, Subject::Python) => "python",
            (Part::Worker, Subject::Node) => "node",
            (Part::Worker, Subject::Mix) => ["rust", "python", "node"][place % 3],
            _ => "rust",
        };
        let url = url.unwrap_or_else(|| proxy.url());
        Self { part, proxy, url, actor: 0, child: None, frozen: false, back: None, told: false, language }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn is_up(&self) -> bool {
        self.child.is_some() && !self.told
    }

    /// Starts a life.
    pub(super) fn start(&mut self, actor: u32, options: &RunOptions) -> io::Result<()> {
        let (mut command, role) = self.program()?;
        let history = options.folder.join(format!("{actor}.hist"));
        command.arg(role).arg("--url").arg(&self.url).arg("--history").arg(history);
        command.args(["--actor", &actor.to_string(), "--ordering", &options.ordering]);
        command.args([
            "--profile",
            match options.profile {
                Profile::Test => "test",
                Profile::Default => "default",
            },
        ]);
        if let Part::Producer { next, end } = self.part {
            let producers = u64::try_from(options.producers).unwrap_or(1);
            command.args(["--seed", &options.seed.to_string(), "--first", &next.to_string()]);
            command.args(["--messages", &(end - next).to_string(), "--lanes", &options.lanes.to_string()]);
            command.args(["--rate", &(options.rate / producers).to_string()]);
        }
        // The tables that a trace is made of would count as memory that is never given back.
        command.env("RUST_BACKTRACE", "0");
        let says = File::create(options.folder.join(format!("{actor}.err")))?;
        // A backtrace of a message that panics, or kills, takes seconds and tens of megabytes.
        command.env("RUST_BACKTRACE", "0");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(says).spawn()?;
        (self.child, self.actor, self.told, self.frozen, self.back) = (Some(child), actor, false, false, None);
        Ok(())
    }

    fn program(&self) -> io::Result<(Command, &'static str)> {
        let role = match self.part {
            Part::Worker => "worker",
            Part::Gateway => "gateway",
            Part::Producer { .. } => "producer",
        };
        let actors: PathBuf = stargazer_tests::root().join("chaos/actors");
        Ok(match self.language {
            "python" => {
                let mut command = Command::new(stargazer_tests::root().join(".venv/bin/python"));
                command.arg(actors.join("worker.py"));
                (command, role)
            }
            "node" => {
                let mut command = Command::new("node");
                command.arg(actors.join("worker.mjs"));
                (command, role)
            }
            _ => (Command::new(std::env::current_exe()?), role),
        })
    }

    /// Sends a signal to a process that lives.
    pub(super) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        self.frozen = signal == Signal::STOP || (self.frozen && signal != Signal::CONT);
        self.told |= signal == Signal::TERM;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// `kill -9`; gone when this returns. Whether there was something to kill.
    pub(super) fn kill(&mut self) -> io::Result<bool> {
        let Some(mut child) = self.child.take() else { return Ok(false) };
        let already = child.try_wait()?;
        child.kill()?;
        child.wait()?;
        self.frozen = false;
        Ok(already.is_none())
    }

    /// Whether it has ended by itself, and how.
    pub(super) fn ended(&mut self) -> io::Result<Option<End>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let Some(status) = child.try_wait()? else { return Ok(None) };
        self.child = None;
        Ok(Some(Self::judge(status)))
    }

    fn judge(status: ExitStatus) -> End {
        match (status.success(), status.signal()) {
            (true, _) => End::Fine,
            // SIGABRT, SIGSEGV, SIGBUS, SIGKILL (out of memory): the signals of a message that kills.
            (_, Some(6 | 7 | 9 | 11)) => End::Crashed,
            // Node ends with this code where it runs out of memory, and through a shell so does everybody.
            _ if matches!(status.code(), Some(134..=139)) => End::Crashed,
            _ => End::Failed,
        }
    }

    /// Comes back after a while.
    pub(super) fn return_after(&mut self, pause: Duration) {
        self.back = Some(Instant::now() + pause);
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // Dropping cannot fail, and a process that outlives us ends by itself.
        let _ = self.kill();
    }
}
