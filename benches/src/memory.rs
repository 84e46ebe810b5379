//! What is weighed: processes that wait, work in hand, and what the server keeps of a message.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use stargazer_core::Ordering;
use stargazer_tests::root;

use crate::Result;
use crate::calls::Reader;
use crate::cases::{Run, Weights};
use crate::lab::{Lab, expect, runtime};
use crate::load::Spread;
use crate::peer::Peer;

/// Deliveries in hand.
const IN_HAND: usize = 1000;

/// How long a process may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// `stargazer dev` on its engine in memory, once it listens and grows no more.
pub(crate) fn dev() -> Result<Run> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let program = target.join("release/stargazer");
    // Free a moment ago; whoever takes it meanwhile makes the program fail, which is told.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new(program);
    command.args(["dev", "--port", &port.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Run::Missing(format!("`stargazer` is not built: {error}"))),
    };
    let bytes = settled(&mut child, port);
    child.kill()?;
    child.wait()?;
    Ok(Run::Weighed(Weights::from([("resident", bytes?)])))
}

/// Resident bytes once it listens and they stay the same for a second.
fn settled(child: &mut Child, port: u16) -> Result<f64> {
    let since = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = child.try_wait()? {
            return Err(format!("`stargazer dev` ended: {status}").into());
        }
        if since.elapsed() > PATIENCE {
            return Err("`stargazer dev` does not listen".into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    let mut last = resident(child.id())?;
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = resident(child.id())?;
        if (now - last).abs() < 65_536.0 {
            return Ok(now);
        }
        if since.elapsed() > 2 * PATIENCE {
            return Err("`stargazer dev` does not come to rest".into());
        }
        last = now;
    }
}

/// A worker in Python that waits, over its interpreter; and with 1000 deliveries in hand, over that.
pub(crate) fn python(lab: &Lab) -> Result<Run> {
    lab.clear()?;
    let (bare, looped) = (interpreter("")?, interpreter("import asyncio; ")?);
    let mut program = match Peer::StargazerPython.start(lab, "memory", IN_HAND, 1)? {
        Ok(program) => program,
        Err(why) => return Ok(Run::Missing(why)),
    };
    lab.add(0, IN_HAND, Spread::Uniform)?;
    let answer = program.go()?;
    program.end()?;
    expect("messages handled", answer.count("handled")?, IN_HAND)?;
    expect("entries left", lab.length()?, 0)?;
    let (idle, held) = (answer.number("idle")?, answer.number("held")?);
    Ok(Run::Weighed(Weights::from([
        ("bare", bare),
        ("asyncio alone, over bare", looped - bare),
        ("idle, over bare", idle - bare),
        ("1000 in hand, over idle", held - idle),
    ])))
}

/// The interpreter that our package runs on, with nothing but what it is told to import.
fn interpreter(imports: &str) -> Result<f64> {
    let mut command = Command::new(root().join(".venv/bin/python"));
    command.args(["-c", &format!("{imports}print('ready', flush=True); input()")]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().ok_or("a child without output")?).read_line(&mut said)?;
    let bytes = resident(child.id())?;
    child.kill()?;
    child.wait()?;
    Ok(bytes)
}

/// Bytes of the server for a message of ours, for a bare `XADD` of the same body, and for ours once it is finished.
#[allow(clippy::cast_precision_loss, reason = "half a million at most")]
pub(crate) fn server(lab: &Lab, messages: usize) -> Result<Weights> {
    let n = messages as f64;
    lab.clear()?;
    let empty = lab.server_memory()?;
    let mut connection = redis::Client::open(lab.url())?.get_connection()?;
    let mut payload = 0;
    for start in (0..messages).step_by(500) {
        let mut burst = redis::Pipeline::new();
        for n in start..(start + 500).min(messages) {
            let body = lab.load.body(n, Spread::Uniform)?;
            payload += body.len();
            burst.cmd("XADD").arg(lab.stream()).arg("*").arg("data").arg(&body[..]).ignore();
        }
        burst.exec(&mut connection)?;
    }
    drop(connection);
    let raw = (lab.server_memory()? - empty) / n;
    lab.clear()?;
    let runtime = runtime()?;
    let mut reader = runtime.block_on(Reader::open(lab, Ordering::Lanes))?;
    // Whatever a group has of itself is there before the first message, and after the last.
    lab.add(0, 1, Spread::Uniform)?;
    runtime.block_on(reader.take(1))?;
    let before = lab.server_memory()?;
    lab.add(1, messages, Spread::Uniform)?;
    let queued = (lab.server_memory()? - before) / n;
    runtime.block_on(reader.take(messages))?;
    expect("entries left", lab.length()?, 0)?;
    let after = (lab.server_memory()? - before) / n;
    runtime.block_on(reader.close());
    let payload = payload as f64 / n;
    Ok(Weights::from([("payload", payload), ("bare XADD", raw), ("queued", queued), ("finished", after)]))
}

/// Bytes of memory that a process has.
#[allow(clippy::cast_precision_loss, reason = "fewer bytes than 2^53")]
fn resident(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok((kilobytes * 1024) as f64)
}
