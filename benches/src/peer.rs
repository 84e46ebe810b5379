//! Peers: a program each, in `benches/peers/`, which measures itself while we measure the server.
//!
//! `PROGRAM URL CASE MESSAGES DEPTH ENVELOPES` prepares, prints `ready`, waits for a line, runs, and prints one line of JSON with
//! `seconds` and `cpu` (of its processes, in seconds), `handled`, `disorder` and, where each message was timed, `p50` in µs.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use stargazer_tests::root;

use crate::Result;
use crate::cases::Run;
use crate::lab::{Lab, expect};
use crate::load::Spread;

/// A program that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Fred,
    StargazerPython,
    RedisPy,
    FastStream,
    Taskiq,
    GlidePython,
    StargazerNode,
    Ioredis,
    NodeRedis,
    GlideNode,
    BullMq,
}

/// What a program is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) case: &'static str,
    pub(crate) depth: usize,
    pub(crate) work: Work,
}

/// What has to be there before, and after.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Entries of the inbound stream are written.
    Publish,
    /// Jobs of `BullMQ` are written.
    Queue,
    /// The inbound stream is filled by us, and read empty.
    Backlog(Spread),
    /// The inbound stream is filled by the program itself in its own way, and read empty.
    Own,
    /// The same with the jobs of `BullMQ`.
    OwnQueue,
    /// Requests are answered.
    Calls,
}

/// Where `BullMQ` keeps jobs that wait and that run.
const QUEUE: [&str; 2] = ["bull:bench:wait", "bull:bench:active"];

impl Job {
    pub(crate) fn publish(case: &'static str, depth: usize) -> Self {
        Self { case, depth, work: Work::Publish }
    }

    pub(crate) fn queue(case: &'static str, depth: usize) -> Self {
        Self { case, depth, work: Work::Queue }
    }

    pub(crate) fn backlog(case: &'static str, spread: Spread) -> Self {
        Self { case, depth: 1, work: Work::Backlog(spread) }
    }

    pub(crate) fn own(case: &'static str) -> Self {
        Self { case, depth: 1, work: Work::Own }
    }

    pub(crate) fn own_queue(case: &'static str) -> Self {
        Self { case, depth: 1, work: Work::OwnQueue }
    }

    pub(crate) fn calls(case: &'static str, depth: usize) -> Self {
        Self { case, depth, work: Work::Calls }
    }
}

impl Peer {
    pub(crate) const ALL: [Self; 11] = [
        Self::Fred,
        Self::StargazerPython,
        Self::RedisPy,
        Self::FastStream,
        Self::Taskiq,
        Self::GlidePython,
        Self::StargazerNode,
        Self::Ioredis,
        Self::NodeRedis,
        Self::GlideNode,
        Self::BullMq,
    ];

    /// Its folder in `benches/peers`.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Fred => "fred",
            Self::StargazerPython => "stargazer-python",
            Self::RedisPy => "redis-py",
            Self::FastStream => "faststream",
            Self::Taskiq => "taskiq",
            Self::GlidePython => "glide-python",
            Self::StargazerNode => "stargazer-node",
            Self::Ioredis => "ioredis",
            Self::NodeRedis => "node-redis",
            Self::GlideNode => "glide-node",
            Self::BullMq => "bullmq",
        }
    }

    pub(crate) fn language(self) -> &'static str {
        match self {
            Self::Fred => "Rust",
            Self::StargazerPython | Self::RedisPy | Self::FastStream | Self::Taskiq | Self::GlidePython => "Python",
            Self::StargazerNode | Self::Ioredis | Self::NodeRedis | Self::GlideNode | Self::BullMq => "Node",
        }
    }

    fn is_ours(self) -> bool {
        matches!(self, Self::StargazerPython | Self::StargazerNode)
    }

    /// What the program says about itself and its packages.
    pub(crate) fn versions(self) -> Option<String> {
        let output = self.command().arg("versions").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }

    fn command(self) -> Command {
        let peers = root().join("benches/peers");
        // Rivals live in an environment each; ours come from where `make python` and `make node` have built them.
        let installed = root().join(".cache/benches").join(self.folder());
        let mut command = match self.language() {
            "Rust" => Command::new(installed.join("release/stargazer-bench-fred")),
            "Python" => {
                let home = if self.is_ours() { root().join(".venv") } else { installed };
                let mut command = Command::new(home.join("bin/python"));
                command.arg(peers.join(self.folder()).join("peer.py"));
                command.env("PYTHONPATH", peers.join("common"));
                command
            }
            _ => {
                let mut command = Command::new("node");
                command.arg(peers.join(self.folder()).join("peer.mjs"));
                command.env("SG_PEER_MODULES", installed);
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn sample(self, lab: &Lab, job: Job, messages: usize) -> Result<Run> {
        match job.work {
            Work::Backlog(spread) => {
                lab.fill(messages, spread)?;
                if !self.is_ours() {
                    lab.make_group()?;
                }
            }
            _ => lab.clear()?,
        }
        let mut program = match self.start(lab, job.case, messages, job.depth)? {
            Ok(program) => program,
            Err(why) => return Ok(Run::Missing(why)),
        };
        let meter = lab.meter()?;
        let answer = program.go()?;
        let used = meter.stop_with(answer.number("seconds")?, answer.number("cpu")?)?;
        let disorder = answer.count("disorder")?;
        program.end()?;
        expect("messages handled", answer.count("handled")?, messages)?;
        match job.work {
            Work::Publish => expect("entries stored", lab.length()?, messages)?,
            Work::Queue => expect("jobs stored", lab.list_length(QUEUE[0])?, messages)?,
            Work::Backlog(_) | Work::Own => expect("entries pending", lab.pending()?, 0)?,
            Work::OwnQueue => {
                for list in QUEUE {
                    expect("jobs left", lab.list_length(list)?, 0)?;
                }
            }
            Work::Calls => {}
        }
        if self.is_ours() && matches!(job.work, Work::Backlog(_)) {
            expect("entries left", lab.length()?, 0)?;
        }
        if self.is_ours() && matches!(job.case, "lanes" | "exclusive") {
            expect("messages out of order in lanes", disorder, 0)?;
        }
        let mut sample = used.over(messages, disorder);
        sample.p50 = answer.0["p50"].as_f64();
        Ok(Run::Done(sample))
    }

    /// The program, prepared; or why it does not start.
    pub(crate) fn start(
        self,
        lab: &Lab,
        case: &str,
        messages: usize,
        depth: usize,
    ) -> Result<std::result::Result<Program, String>> {
        let mut command = self.command();
        command.arg(lab.url()).arg(case).arg(messages.to_string()).arg(depth.to_string()).arg(&lab.envelopes);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Ok(Err(format!("does not start: {error}"))),
        };
        let input = child.stdin.take().ok_or("a child without input")?;
        let output = BufReader::new(child.stdout.take().ok_or("a child without output")?);
        let mut program = Program { child, input, output };
        if program.line()?.trim() == "ready" { Ok(Ok(program)) } else { program.last_words().map(Err) }
    }
}

/// A program that runs.
pub(crate) struct Program {
    pub(crate) child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    /// Tells it to run, and waits until it has.
    pub(crate) fn go(&mut self) -> Result<Answer> {
        self.input.write_all(b"go\n")?;
        let line = self.line()?;
        match serde_json::from_str(&line) {
            Ok(answer) => Ok(Answer(answer)),
            Err(_) => Err(self.last_words()?.into()),
        }
    }

    pub(crate) fn end(mut self) -> Result<()> {
        if self.child.wait()?.success() { Ok(()) } else { Err(self.last_words()?.into()) }
    }

    /// Why it gave up, as far as it said so.
    fn last_words(&mut self) -> Result<String> {
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut text)?;
        }
        let status = self.child.wait()?;
        Ok(text.lines().map(str::trim).rfind(|line| !line.is_empty()).map_or(status.to_string(), str::to_owned))
    }
}

/// What a program said about its run.
pub(crate) struct Answer(Value);

impl Answer {
    pub(crate) fn number(&self, name: &str) -> Result<f64> {
        self.0[name].as_f64().ok_or_else(|| format!("no {name} in {}", self.0).into())
    }

    pub(crate) fn count(&self, name: &str) -> Result<usize> {
        Ok(usize::try_from(self.0[name].as_u64().ok_or_else(|| format!("no {name} in {}", self.0))?)?)
    }
}
